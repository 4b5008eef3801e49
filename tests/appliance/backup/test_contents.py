"""The set: nothing of the office's is followed out of its directory, and nothing that was changed is put back."""

import os
from pathlib import Path

import pytest

from appliance.backup import contents
from appliance.backup.contents import COPY, DATABASE, LIST, OFFICE, SETTINGS, lay_out, read
from appliance.backup.place import BackupError
from pysrv.control import copies
from pysrv.store import DATABASE as STORES


def state(directory: Path) -> Path:
    office = directory / "state" / OFFICE
    (office / "clips").mkdir(parents=True)
    for name, text in (
        (COPY, "copied"), (DATABASE, "live"), (f"{DATABASE}-wal", "log"), ("secrets.key", "key"),
        ("panel.pem", "certificate"), ("clips/hello.ul", "sound"), ("half.pem.new", "half"),
    ):  # fmt: skip
        (office / name).write_text(text)
    (directory / "state" / SETTINGS).write_text("maxlines = 3\n")
    return directory / "state"


def laid_out(directory: Path) -> Path:
    target = directory / "set"
    lay_out(state(directory), target, "1.2.3", 1000.0, {"accounts": 7})
    return target


def test_names_are_the_offices() -> None:
    assert (contents.COPY, contents.DATABASE) == (copies.COPY, STORES)


def test_a_set_holds_the_copy_and_what_else_is_kept(tmp_path: Path) -> None:
    place = laid_out(tmp_path)
    found = read(place)
    assert set(found.files) == {
        f"{OFFICE}/{DATABASE}", f"{OFFICE}/secrets.key", f"{OFFICE}/panel.pem", f"{OFFICE}/clips/hello.ul", SETTINGS,
    }  # fmt: skip
    assert (place / OFFICE / DATABASE).read_text() == "copied"
    assert (found.version, found.made_at, found.database) == ("1.2.3", 1000.0, {"accounts": 7})
    assert not (tmp_path / "state" / OFFICE / COPY).exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root's")
    office = state(tmp_path) / OFFICE
    (office / "link.pem").symlink_to(secret)
    (office / "up").symlink_to(tmp_path)
    os.mkfifo(office / "pipe")
    lay_out(tmp_path / "state", tmp_path / "set", "1", 0.0, {})
    assert not {"link.pem", "up", "pipe"} & {each.name for each in (tmp_path / "set").rglob("*")}


@pytest.mark.timeout(20)
def test_a_list_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    place = laid_out(tmp_path)
    (place / LIST).unlink()
    os.mkfifo(place / LIST)
    with pytest.raises(BackupError, match="is no file"):
        read(place)


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_copy_that_is_another_file_is_not_taken(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root's")
    copy = state(tmp_path) / OFFICE / COPY
    copy.unlink()
    copy.symlink_to(secret) if kind == "symbolic" else copy.hardlink_to(secret)
    with pytest.raises(BackupError, match="no file of its own"):
        lay_out(tmp_path / "state", tmp_path / "set", "1", 0.0, {})


@pytest.mark.parametrize("what", ["changed", "gone", "more", "link", "format", "spoilt", "no list"])
def test_a_set_that_is_not_what_was_saved_is_refused(tmp_path: Path, what: str) -> None:
    place = laid_out(tmp_path)
    key = place / OFFICE / "secrets.key"
    match what:
        case "changed":
            key.write_text("yek")
        case "gone":
            key.unlink()
        case "more":
            (place / OFFICE / "authorities.pem").write_text("mine")
        case "link":
            key.unlink()
            key.symlink_to("/etc/hostname")
        case "format":
            (place / LIST).write_text((place / LIST).read_text().replace('"format": 1', '"format": 2'))
        case "spoilt":
            (place / LIST).write_text("{")
        case "no list":
            (place / LIST).unlink()
    with pytest.raises(BackupError):
        read(place)
