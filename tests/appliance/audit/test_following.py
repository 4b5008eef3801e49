"""The row of a source of updates that is followed: what was written down about it, judged."""

import dataclasses
import json
from pathlib import Path

import pytest

from appliance.audit import table
from appliance.audit.row import Grade
from appliance.following.choice import Last
from tests.appliance.audit import tree
from tests.appliance.audit.tree import NOW

DAY = 86_400.0
FOLLOW = "/var/lib/appliance/follow"


def judged(root: Path) -> tuple[Grade, str]:
    found = table.judged(table.BY_NAME["system.updates_followed"], tree.machine(root))
    return found.grade, found.value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tree.make(tmp_path / "root")
    tree.put(made, "/etc/appliance/version", "1.0\n")
    return made


@pytest.mark.parametrize(
    ("last", "grade", "words"),
    [
        (Last(looked_at=NOW - 2 * DAY), Grade.PASS, "1.0 is the newest of https://updates.example/, 48 hours ago"),
        (Last(looked_at=NOW - DAY, found="1.0.0"), Grade.PASS, "1.0 is the newest"),
        (Last(looked_at=NOW + DAY), Grade.PASS, "0 hours ago"),
        (Last(looked_at=NOW - 4 * DAY), Grade.WARN, "https://updates.example/ was last looked at 4 days ago"),
        (Last(), Grade.WARN, "was not looked at yet"),
        (Last(looked_at=NOW, problem="it says 404", again=True), Grade.WARN, "it says 404"),
        (Last(looked_at=NOW, found="1.1"), Grade.WARN, "1.0 runs, and version 1.1 waits to be installed"),
        (Last(looked_at=NOW, found="1.1", tried=("1.1",)), Grade.WARN, "version 1.1 was installed, and does not run"),
        (
            Last(looked_at=NOW, found="1.1", waits="1.1", tried=("1.1",)),
            Grade.WARN,
            "version 1.1 waits for its restart",
        ),
        (Last(looked_at=NOW, found="1.1").having_failed("1.1"), Grade.WARN, "version 1.1 failed its trial"),
        (Last(looked_at=NOW, found="1.1").having_taken_back("1.1"), Grade.WARN, "version 1.1 was taken back"),
    ],
)
def test_silence_and_what_waits_are_warnings(root: Path, last: Last, grade: Grade, words: str) -> None:
    tree.put(root, f"{FOLLOW}/last.json", json.dumps(dataclasses.asdict(last)), 0o600)
    found = judged(root)
    assert found[0] is grade
    assert words in found[1]


def test_without_a_choice_or_without_slots_it_is_not_here(root: Path) -> None:
    (root / "etc/appliance/version").unlink()
    assert judged(root) == (Grade.ABSENT, "no image, so it has no slots")
    tree.put(root, "/etc/appliance/version", "1.0\n")
    assert judged(root)[0] is Grade.PASS
    (root / FOLLOW.lstrip("/") / "options.toml").write_text("")
    assert judged(root) == (Grade.ABSENT, "no source of updates was chosen")
    (root / FOLLOW.lstrip("/") / "options.toml").unlink()
    assert judged(root) == (Grade.ABSENT, "no source of updates was chosen")


def test_a_choice_that_cannot_be_read_is_a_warning(root: Path) -> None:
    (root / FOLLOW.lstrip("/") / "options.toml").write_text('source = "http://updates.example/"')
    grade, value = judged(root)
    assert grade is Grade.WARN
    assert "is no source of updates" in value
