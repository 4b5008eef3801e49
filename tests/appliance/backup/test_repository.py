"""Backups over a real repository of restic, with an office that only writes a file."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.backup import record
from appliance.backup.contents import COPY, DATABASE, LIST, OFFICE, SETTINGS, WRITER_LOCK
from appliance.backup.making import Backups
from appliance.backup.place import BackupError, Options
from appliance.backup.restic import _snapshot
from appliance.backup.restoring import restore, restore_into
from appliance.launch import account

JUDGED = {"accounts": 1, "cdrs": 0, "balances": {}, "head": "", "broken_at": 0, "schema": 6}


class Office:
    """Copies a text; judges what is put back by it."""

    def __init__(self, state: Path) -> None:
        self.state, self.told, self.steps = state, list[Mapping[str, Any]](), list[str]()
        self.says("one")

    def says(self, text: str) -> None:
        (self.state / OFFICE).mkdir(parents=True, exist_ok=True)
        (self.state / OFFICE / DATABASE).write_text(text)

    def copies(self, verb: str, state: Path, heard: Callable[[int, int], None]) -> dict[str, Any]:
        text = (state / OFFICE / DATABASE).read_text()
        if verb == "copy":
            (state / OFFICE / COPY).write_text(text)
        elif text == "bad":
            raise BackupError("the database is damaged")
        heard(1, 1)
        return dict(JUDGED)

    def progress(self, step: str, done: int, total: int) -> None:
        self.steps.append(step)

    def tell(self, report: Mapping[str, Any]) -> None:
        json.dumps(report)
        self.told.append(report)


def silent(_step: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with one backup, made once: restic spends a second on every password."""
    directory = tmp_path_factory.mktemp("template")
    backups = Backups(directory / "state", "1.0")
    set_up = backups.set_up(Options())
    assert set_up.made
    assert set_up.password == backups.place.password()
    office = Office(directory / "state")
    backups.make(office, silent)
    assert [report["event"] for report in office.told] == ["made"]
    return directory


@pytest.fixture()
def made(template: Path, tmp_path: Path) -> tuple[Backups, Office, Path]:
    shutil.copytree(template / "state", tmp_path / "state")
    backups = Backups(tmp_path / "state", "1.0")
    backups.place.choose(Options())
    return backups, Office(tmp_path / "state"), tmp_path


def test_a_backup_is_made_listed_put_back_and_what_it_replaces_is_kept(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    office.says("two")
    backups.make(office, silent)
    repository = backups.repository()[1]
    first, second = repository.snapshots()
    assert (first.kind, second.kind) == ("full", "incremental")
    assert [report["event"] for report in office.told] == ["made"]
    assert list(dict.fromkeys(office.steps)) == ["copy", "save", "tidy"]
    assert len(office.told[-1]["snapshots"]) == 2
    assert not list(backups.place.directory.glob("set*"))

    office.says("three")
    done = restore(backups, office, first.short, directory / "run")
    assert (directory / "state" / OFFICE / DATABASE).read_text() == "one"
    assert done.aside is not None
    assert (done.aside / OFFICE / DATABASE).read_text() == "three"
    assert not (directory / "state" / "restore").exists()

    looked = directory / "look"
    restore_into(backups, "latest", looked)
    assert (looked / OFFICE / DATABASE).read_text() == "two"
    with pytest.raises(BackupError, match="not empty"):
        restore_into(backups, "latest", looked)

    assert [each.ident for each in backups.forget(office, [first.short])] == [first.ident]
    assert backups.check(office, data=True) == 1


def test_what_the_office_finds_damaged_replaces_nothing(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    office.says("bad")
    backups.make(office, silent)
    office.says("good")
    with pytest.raises(BackupError, match="damaged"):
        restore(backups, office, "latest", directory / "run")
    assert (directory / "state" / OFFICE / DATABASE).read_text() == "good"
    assert not list((directory / "state").glob("before-restore-*"))


def test_what_cannot_be_replaced_whole_is_not_replaced_in_part(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    state = directory / "state"
    (state / SETTINGS).write_text("maxlines = 1\n")
    backups.make(office, silent)
    office.says("now")
    (state / SETTINGS).write_text("maxlines = 2\n")
    subprocess.run(["mount", "--bind", state / OFFICE, state / OFFICE], check=True)  # a disk of its own
    try:
        with pytest.raises(BackupError, match="busy") as caught:
            restore(backups, office, "latest", directory / "run")
    finally:
        subprocess.run(["umount", state / OFFICE], check=True)
    assert caught.value.hint == "nothing was replaced"
    assert (state / SETTINGS).read_text() == "maxlines = 2\n"
    assert (state / OFFICE / DATABASE).read_text() == "now"
    assert not list(state.glob("before-restore-*"))


@pytest.mark.parametrize("row", [
    {"paths": []}, {"paths": None}, {"tags": [1]}, {"time": 7}, {"id": None}, {"id": "--json"}, [], 7,
])  # fmt: skip
def test_a_listing_that_is_none_is_refused_in_one_line(
    made: tuple[Backups, Office, Path], monkeypatch: pytest.MonkeyPatch, row: Any
) -> None:
    good = {"id": "ab" * 32, "time": "2026-01-01T00:00:00Z", "paths": ["/set"]}
    told = json.dumps([good | row if isinstance(row, dict) else row])
    repository = made[0].repository()[1]
    monkeypatch.setattr(repository, "_run", lambda *words, **_: subprocess.CompletedProcess(words, 0, told, ""))
    with pytest.raises(BackupError, match="cannot be read"):
        repository.snapshots()


def test_a_repository_that_lost_bytes_is_found_out_and_told(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    packs = [each for each in (backups.place.local / "data").rglob("*") if each.is_file()]
    for pack in packs:
        pack.chmod(0o600)
        pack.write_bytes(b"?" * 64 + pack.read_bytes()[64:])
    with pytest.raises(BackupError, match="is damaged"):
        backups.check(office, data=True)
    assert office.told[-1]["event"] == "failed"
    assert record.read(backups.place).failure
    office.says("here")
    with pytest.raises(BackupError):
        restore(backups, office, "latest", directory / "run")
    assert (directory / "state" / OFFICE / DATABASE).read_text() == "here"


def test_a_password_that_does_not_open_it_changes_nothing(made: tuple[Backups, Office, Path]) -> None:
    backups, office, _ = made
    kept = backups.place.password()
    with pytest.raises(BackupError, match="wrong password"):
        backups.set_up(backups.place.options(), "another")
    assert backups.place.password() == kept
    assert not backups.place.tried_file.exists()
    assert not backups.set_up(backups.place.options(), kept).made
    assert backups.place.password() == kept
    backups.place.write(backups.place.password_file, "another\n")
    with pytest.raises(BackupError, match="wrong password") as caught:
        backups.make(office, silent)
    assert str(backups.place.password_file) in caught.value.hint


def test_a_new_machine_takes_over_the_repository_of_a_lost_one(made: tuple[Backups, Office, Path]) -> None:
    backups, _, directory = made
    fresh = Backups(directory / "fresh", "1.0")
    there = Options(repository=str(backups.place.local))
    with pytest.raises(BackupError, match="wrong password"):
        fresh.set_up(there, "another")
    assert not fresh.place.password_file.exists()
    assert not fresh.set_up(there, backups.place.password()).made
    assert fresh.place.password() == backups.place.password()
    assert len(fresh.repository()[1].snapshots()) == 1


def test_one_run_at_a_time(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    with backups.alone():
        for attempt in (
            lambda: backups.make(office, silent),
            lambda: backups.check(office),
            lambda: restore(backups, office, "latest", directory / "run"),
        ):
            with pytest.raises(BackupError, match="another backup runs"):
                attempt()


def test_nothing_but_bytes_comes_back_of_a_set_that_somebody_made_himself(made: tuple[Backups, Office, Path]) -> None:
    """Whoever has the repository's password writes modes, owners and capabilities into it; root restores them."""
    backups, office, directory = made
    repository, room = backups.repository()[1], directory / "theirs"
    place = repository.restore(repository.snapshots()[0], room)
    listed = json.loads((place / LIST).read_text())
    capability = struct.pack("<IIIII", 0x02000001, 1 << 7, 0, 0, 0)  # VFS_CAP_REVISION_2, CAP_SETUID
    for name in ("settings.toml", f"{OFFICE}/shell"):
        (place / name).write_bytes(b"#!")
        listed["files"][name] = hashlib.sha256(b"#!").hexdigest()
        os.chown(place / name, 4711, 4711)
        (place / name).chmod(0o6777)
    os.setxattr(place / OFFICE / "shell", "security.capability", capability)
    (place / LIST).write_text(json.dumps(listed))
    (place / OFFICE).chmod(0o777)
    repository.save(place, ("kind=full",), full=True, heard=lambda _done, _total: None)
    looked = directory / "looked"
    looked.mkdir(mode=0o755)
    restore_into(backups, "latest", looked)
    restore(backups, office, "latest", directory / "run")
    for found, owner in (
        (looked / "settings.toml", 0), (looked / OFFICE, 0), (looked / OFFICE / "shell", 0),
        (directory / "state" / "settings.toml", 0), (directory / "state" / OFFICE / "shell", account().pw_uid),
    ):  # fmt: skip
        seen = found.stat()
        assert (seen.st_uid, seen.st_mode & 0o7777) == (owner, 0o700 if found.is_dir() else 0o600), found
        assert "security.capability" not in os.listxattr(found)


def test_what_the_office_left_in_the_place_of_its_lock_holds_nobody_up(made: tuple[Backups, Office, Path]) -> None:
    backups, office, directory = made
    lock = directory / "state" / OFFICE / WRITER_LOCK
    os.mkfifo(lock)
    restore(backups, office, "latest", directory / "run")
    lock.unlink(missing_ok=True)
    lock.symlink_to("/etc/passwd")
    with pytest.raises(BackupError, match="levels of symbolic links"):
        restore(backups, office, "latest", directory / "run")


@pytest.mark.parametrize("kind", ["full", "incremental", "anything; else", ""])
def test_a_kind_that_is_none_is_a_full_backup_s(kind: str) -> None:
    row = {"id": "a1" * 32, "time": "2026-01-02T03:04:05Z", "hostname": "h", "paths": ["/"], "tags": [f"kind={kind}"]}
    assert _snapshot(row).kind == (kind if kind == "incremental" else "full")


def test_a_repository_is_made_where_nothing_else_lies(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "lost+found").mkdir(parents=True)
    (disk / "letters.txt").touch()
    backups = Backups(tmp_path / "state", "1.0")
    with pytest.raises(BackupError, match=r"holds other things, such as 'letters\.txt'"):
        backups.set_up(Options(str(disk)))
    assert sorted(each.name for each in disk.iterdir()) == ["letters.txt", "lost+found"]
    assert not backups.place.is_set_up
    (disk / "letters.txt").unlink()
    assert backups.set_up(Options(str(disk))).made
