"""Set-up: everything pinned, the same pins everywhere, and silence when there is nothing to do."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RUN, DEVELOP = (REPOSITORY / "appliance" / name for name in ("requirements.txt", "requirements-dev.txt"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    return dict(line.split("==") for line in lines)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", [RUN, DEVELOP], ids=lambda path: path.name)
def test_every_package_has_one_exact_version_and_no_address(path: Path) -> None:
    lines = [
        line for line in path.read_text().splitlines() if not line.startswith("#") and line != "-r requirements.txt"
    ]
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), line
    assert len(pins(path)) == len(lines)


def test_no_package_is_pinned_twice() -> None:
    assert not pins(RUN).keys() & pins(DEVELOP).keys()


def test_the_projects_direct_needs_are_the_pinned_ones() -> None:
    locked = {canonical(name): version for name, version in (pins(RUN) | pins(DEVELOP)).items()}
    direct = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    for need in direct:
        name, version = need.split("==")
        assert locked[canonical(name)] == version
    running = {canonical(name) for name in pins(RUN)}
    assert {canonical(need.split("==")[0]) for need in PROJECT["dependencies"]} <= running


def test_set_up_says_nothing_when_there_is_nothing_to_do() -> None:
    done = subprocess.run([REPOSITORY / "appliance" / "setup.sh", "run"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_set_up_refuses_a_level_that_it_does_not_know() -> None:
    done = subprocess.run([REPOSITORY / "appliance" / "setup.sh", "all"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "setup: unknown level 'all': say run, test, bench, kernels or image\n"
