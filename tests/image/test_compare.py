"""Two builds held against each other: what is the same, what may differ, what must not."""

import os
from pathlib import Path

import pytest

from image import compare
from image.__main__ import main


def tree(root: Path) -> Path:
    """A few files of each kind."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/name").write_text("appliance")
    (root / "link").symlink_to("etc/name")
    os.mkfifo(root / "pipe")
    return root


def test_times_and_places_do_not_count(tmp_path: Path) -> None:
    first, second = (compare.described(tree(tmp_path / name)) for name in ("a", "b"))
    os.utime(tmp_path / "a/etc/name", (1, 1))
    assert set(first) == {"/etc", "/link", "/pipe", "/etc/name"}
    assert compare.differences(first, second) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda root: (root / "etc/name").write_text("another"), "/etc/name"),
        (lambda root: (root / "etc/name").chmod(0o600), "/etc/name"),
        (lambda root: os.chown(root / "etc", 1, 1), "/etc"),
        (lambda root: (root / "new").touch(), "/new"),
        (lambda root: (root / "pipe").unlink(), "/pipe"),
        (lambda root: ((root / "link").unlink(), (root / "link").symlink_to("/x")), "/link"),
    ],
)
def test_whatever_makes_another_machine_does(tmp_path: Path, change: object, path: str) -> None:
    first = compare.described(tree(tmp_path / "a"))
    change(tree(tmp_path / "b"))  # type: ignore[operator]
    (found,) = compare.differences(first, compare.described(tmp_path / "b"))
    assert (found.path, found.reason) == (path, "")
    lines, wrong = compare.report([found], len(first))
    assert wrong == 1
    assert lines[0] == f"DIFFERS: {path}"


def test_what_may_differ_has_a_reason_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(compare.ALLOWED.values())
    monkeypatch.setattr(compare, "ALLOWED", {"*/var/lib/x/*": "it counts"})
    found = compare.differences({"/var/lib/x/1": "a", "/y": "a"}, {"/var/lib/x/1": "b", "/y": "a"})
    assert [(each.path, each.reason) for each in found] == [("/var/lib/x/1", "it counts")]
    lines, wrong = compare.report(found, 2)
    assert lines == ["may differ: /var/lib/x/1: it counts", "2 compared, 1 may differ, 0 must not"]
    assert wrong == 0


def test_the_command_refuses_half_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "first=/x"]) == 2
    assert main(["compare", "first=/x", "second=/y", "suite=sid"]) == 2
    assert "say first=FILE and second=FILE" in capsys.readouterr().err
    assert main(["compare", "colour=red"]) == 2
