"""Files held against the table of their owners: each kind of fault is found, and nothing else."""

import os
import socket
from pathlib import Path

import pytest

from appliance.ownership import BadTable, faults, main, read

TABLE = """
# path     owner group directories files   sockets
/opt       root  root  755         -       -
/opt/**    root  root  755         644,755 -
/opt/key   root  root  -           600     -
/run/*     root  pysrv -           -       660
/absent/** root  root  755         644     -
"""


def wrong(root: Path) -> list[str]:
    return [line.removeprefix(f"{root}/") for line in faults(read(TABLE), root)[1]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "opt/deep").mkdir(parents=True)
    for name, mode in (("opt/a", 0o644), ("opt/deep/b", 0o755), ("opt/key", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    (tmp_path / "opt/link").symlink_to("a")
    (tmp_path / "elsewhere").touch(0o666)
    return tmp_path


def test_a_tree_that_is_as_it_should_be_has_no_fault(root: Path) -> None:
    assert faults(read(TABLE), root) == (6, [])


def test_a_mode_that_is_not_allowed_is_found(root: Path) -> None:
    (root / "opt/deep/b").chmod(0o775)
    (root / "opt/deep").chmod(0o1755)
    assert wrong(root) == ["opt/deep has mode 1755, not 755", "opt/deep/b has mode 775, not 644 or 755"]


def test_the_last_row_that_fits_counts(root: Path) -> None:
    (root / "opt/key").chmod(0o644)
    assert wrong(root) == ["opt/key has mode 644, not 600"]


def test_an_owner_that_is_another_is_found_on_a_link_too(root: Path) -> None:
    os.chown(root / "opt/link", 1, 0, follow_symlinks=False)
    os.chown(root / "opt/a", 0, 4_000_000)
    assert wrong(root) == ["opt/a is root:4000000, not root:root", "opt/link is daemon:root, not root:root"]


def test_a_kind_that_has_no_place_is_found(root: Path) -> None:
    os.mkfifo(root / "opt/pipe", 0o644)
    (root / "run").mkdir()
    (root / "run/file").touch(0o660)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "run/socket"))
    said = wrong(root)
    assert "opt/pipe is a device or pipe, which has no place here" in said
    assert any(line.startswith("run/file") and line.endswith("is a file, which has no place here") for line in said)
    assert any(line.startswith("run/socket is root:root, not root:pysrv; has mode") for line in said)


@pytest.mark.parametrize("line", ["/opt root root 755 644", "/opt root root 755 x -", "/opt root root 1 2 3 4", "/opt"])
def test_a_table_that_cannot_be_read_says_its_line(line: str) -> None:
    with pytest.raises(BadTable, match="line 2"):
        read(f"# head\n{line}")


def test_the_command_ends_by_what_it_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = root / "table"
    table.write_text(TABLE)
    assert main([str(table), "--root", str(root)]) == 0
    assert capsys.readouterr().out == "6 looked at, 0 wrong\n"
    (root / "opt/a").chmod(0o600)
    assert main([str(table), "--root", str(root)]) == 1
    assert main([str(root / "nothing")]) == 2
