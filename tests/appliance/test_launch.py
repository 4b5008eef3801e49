"""A really launched office: what /proc says of it, what it sees, and what becomes of it when the keeper dies."""

import json
import os
import pwd
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance import launch
from appliance.config import options
from tests.appliance.trees import Tree

CALLERS = {"SECRET": "x", "TZ": "UTC", "JOURNAL_STREAM": "8:1"}
PROBE = """
import json, os, pathlib, resource, sys
def can(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return ""
pathlib.Path("/srv/state/mine").write_text("x")
pathlib.Path("/srv/run/office.sock").write_text("x")
print(json.dumps({
    "status": pathlib.Path("/proc/self/status").read_text(), "groups": os.getgroups(), "cwd": os.getcwd(),
    "environment": dict(os.environ), "files": os.listdir("/proc/self/fd"), "argv": sys.argv[1:],
    "mounts": pathlib.Path("/proc/self/mounts").read_text(), "session": os.getsid(0) == os.getpid(),
    "write_code": can(lambda: pathlib.Path("pysrv/evil.py").write_text("x")),
    "write_keeper": can(lambda: pathlib.Path("/srv/keeper/evil").write_text("x")),
    "become_root": can(lambda: os.setuid(0)),
    "limits": [resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE)[1]],
}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def launched(tree: Tree, **more: Any) -> subprocess.CompletedProcess[str]:
    module = tree.launch_module()
    module.prepare(tree.state, tree.runtime)
    wish = module.Launch(str(tree.state), str(tree.runtime), **more)
    return subprocess.run(wish.command(), capture_output=True, text=True, check=False, env=CALLERS)


def seen_by_office(tree: Tree, **more: Any) -> dict[str, Any]:
    tree.office(PROBE)
    done = launched(tree, **more)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def status_of(text: str) -> dict[str, str]:
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in text.splitlines())}


def test_a_launched_office_has_no_power_left_in_proc_status(tree: Tree) -> None:
    seen = seen_by_office(tree, keeper_pid=os.getpid())
    status, user = status_of(seen["status"]), pwd.getpwnam("pysrv")
    assert status["Uid"].split() == [str(user.pw_uid)] * 4
    assert status["Gid"].split() == [str(user.pw_gid)] * 4
    assert seen["groups"] == []
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert seen["become_root"] == "Operation not permitted"


def test_the_office_sees_its_four_directories_below_a_closed_one(tree: Tree) -> None:
    seen = seen_by_office(tree)
    assert seen["cwd"] == "/srv/code"
    assert (tree.state / "office" / "mine").stat().st_uid == pwd.getpwnam("pysrv").pw_uid
    assert (tree.runtime / "office.sock").read_text() == "x"
    assert seen["write_code"] == "Read-only file system"
    assert seen["write_keeper"] == "Permission denied"


def test_the_mounts_of_the_office_do_not_reach_the_machine(tree: Tree) -> None:
    seen = seen_by_office(tree)
    assert " /srv/code " in seen["mounts"]
    assert " /srv/code " not in Path("/proc/self/mounts").read_text()


def test_the_office_knows_nothing_of_the_callers_environment_but_time_zone_and_journal(tree: Tree) -> None:
    seen = seen_by_office(tree, environment={"APPLIANCE_OPTIONS": "{}"})
    assert "SECRET" not in seen["environment"]
    assert seen["environment"]["TZ"] == "UTC"
    assert seen["environment"]["JOURNAL_STREAM"] == "8:1"
    assert seen["environment"]["APPLIANCE_OPTIONS"] == "{}"
    assert seen["environment"]["APPLIANCE_KEEPER"] == "/srv/keeper/keeper.sock"


def test_the_variables_are_those_that_the_office_reads() -> None:
    assert (launch.OPTIONS_VARIABLE, launch.KEEPER_VARIABLE) == (options.OPTIONS_VARIABLE, options.KEEPER_VARIABLE)


def test_the_office_has_many_files_to_open_none_inherited_and_no_core(tree: Tree) -> None:
    seen = seen_by_office(tree)
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert seen["limits"] in ([launch.OPEN_FILES, 0], [min(launch.OPEN_FILES, ours), 0])
    assert len(seen["files"]) == 4  # three and the listing's own
    assert seen["session"]


def test_the_office_ends_when_its_keeper_is_killed(tree: Tree) -> None:
    tree.office("import signal, sys\nprint('up', flush=True)\nsignal.pause()\n")
    module = tree.launch_module()
    module.prepare(tree.state, tree.runtime)
    script = (
        "import json, os, subprocess, sys\n"
        "command = json.loads(sys.argv[1])\n"
        "wish = json.loads(command[-1]) | {'keeper_pid': os.getpid()}\n"
        "subprocess.run([*command[:-1], json.dumps(wish)])\n"
    )
    command = module.Launch(str(tree.state), str(tree.runtime)).command()
    keeper = subprocess.Popen(
        [command[0], "-c", script, json.dumps(command)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert keeper.stdout is not None
    with keeper:
        assert keeper.stdout.readline() == b"up\n"
        keeper.send_signal(signal.SIGKILL)
        assert keeper.stdout.read() == b""  # the pipe closes when the office, too, is gone


def test_a_launch_for_a_keeper_that_is_already_gone_is_refused(tree: Tree) -> None:
    tree.office(PROBE)
    done = launched(tree, keeper_pid=1)
    assert done.returncode == launch.CANNOT_LAUNCH
    assert done.stderr == "launch: the keeper went away while the office was starting\n"


def test_one_request_is_answered_by_a_pysrv_that_runs_just_for_it(tree: Tree) -> None:
    tree.office("import sys\nassert sys.argv[1:] == ['once']\nprint('first')\nprint(sys.stdin.read(), end='')\n")
    lines: list[bytes] = []
    assert tree.launch_module().once(tree.state, tree.runtime, b'{"id":1}', lines.append) == 0
    assert lines == [b"first\n", b'{"id":1}\n']


def test_a_missing_user_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "USER", "nobody-of-that-name")
    with pytest.raises(launch.LaunchError, match="no user nobody-of-that-name: run 'make setup'"):
        launch.account()


def test_an_unwritable_directory_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(launch.LaunchError, match=r"cannot write to .*file.*choose another directory"):
        launch.prepare(tmp_path / "file" / "state", tmp_path / "run")


def test_a_symbolic_link_in_place_of_the_offices_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "state" / "office").symlink_to(tmp_path / "victim")
    with pytest.raises(launch.LaunchError):
        launch.prepare(tmp_path / "state", tmp_path / "run")
    assert (tmp_path / "victim").stat().st_uid == 0
