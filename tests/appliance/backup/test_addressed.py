"""Backups to S3 and to restic's REST: rclone's servers behind TLS in a namespace of their own, which check signature or
password of every request.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from appliance.backup import restic
from appliance.backup.contents import DATABASE, OFFICE
from appliance.backup.making import Backups
from appliance.backup.place import BackupError, Options, check_repository
from appliance.backup.restoring import restore
from tests.appliance.backup.test_repository import Office, silent
from tests.lab.network import Lab, entered
from tests.lab.storage import RcloneServer

USER, SECRET = "KEYOFPBX", "s3cr3t%2Fof-the-place"
PLAIN = "s3cr3t/of-the-place"
CLOSED = 39


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["store"], tag="store", passing=False) as made:
        yield made


@pytest.fixture(scope="module")
def s3(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> RcloneServer:
    server = RcloneServer(lab, lab.hosts["store"], tmp_path_factory.mktemp("s3") / "server", "s3", USER, PLAIN, 9000)
    server.start()
    return server


@pytest.fixture(scope="module")
def rest(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> RcloneServer:
    directory = tmp_path_factory.mktemp("rest") / "server"
    server = RcloneServer(lab, lab.hosts["store"], directory, "restic", USER, PLAIN, 8000)
    server.start()
    return server


def credentials(user: str = USER, secret: str = PLAIN) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": secret}


def refused(lab: Lab, tmp_path: Path, repository: str, authority: Path | None, env: Mapping[str, str]) -> BackupError:
    """Why no repository is made there; nothing of it is kept."""
    backups = Backups(tmp_path / "refused", "1.0")
    name = backups.place.keep_authority(authority.read_bytes()) if authority is not None else ""
    with entered(lab.appliance), pytest.raises(BackupError) as caught:
        backups.set_up(Options(repository, environment=env, authority=name))
    assert sorted(each.name for each in backups.place.directory.iterdir()) == ["cache"] or not backups.place.is_set_up
    assert not list(backups.place.directory.glob("authority-*"))
    for secret in (SECRET, PLAIN, "another-s3cr3t"):
        assert secret not in caught.value.message + caught.value.hint
    return caught.value


def lived(lab: Lab, tmp_path: Path, repository: str, server: RcloneServer, env: Mapping[str, str]) -> None:
    """A repository's life: made, filled, looked at, taken over by a second machine, put back; and who saw its secrets.

    What a list of processes shows is looked at all the while."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(line.read_bytes())
                except OSError:
                    continue
            time.sleep(0.01)

    backups = Backups(tmp_path / "state", "1.0")
    office, other = Office(tmp_path / "state"), Backups(tmp_path / "other", "1.0")
    looking = threading.Thread(target=look)
    looking.start()
    try:
        with entered(lab.appliance):
            name = backups.place.keep_authority(server.authority.read_bytes())
            options = Options(repository, environment=env, authority=name)
            assert backups.set_up(options).made
            backups.make(office, silent)
            office.says("two")
            backups.make(office, silent)
            assert backups.check(office, data=True) == 2
            other.place.keep_authority(server.authority.read_bytes())
            with pytest.raises(BackupError, match="wrong password"):
                other.set_up(options, "another")
            with pytest.raises(BackupError, match=r"authority-.* is gone"):
                other.set_up(options, backups.place.password())
            other.place.keep_authority(server.authority.read_bytes())
            assert not other.set_up(options, backups.place.password()).made
            restore(other, Office(tmp_path / "other"), "latest", tmp_path / "run")
            assert len(backups.forget(office, [backups.repository()[1].snapshots()[0].short])) == 1
    finally:
        stop.set()
        looking.join()
    assert (tmp_path / "other" / OFFICE / DATABASE).read_text() == "two"
    lines = [line for line in seen if line.startswith(b"/usr/bin/restic") and str(tmp_path).encode() in line]
    assert lines
    assert not [line for line in lines if PLAIN.encode() in line or SECRET.encode() in line]
    assert backups.place.password().encode() not in b"".join(seen)
    told = repr([*office.told, backups.place.options().shown])
    assert PLAIN not in told and SECRET not in told
    assert not server.holds(backups.place.password())


def test_s3_keeps_backups_for_who_has_its_keys(lab: Lab, s3: RcloneServer, tmp_path: Path) -> None:
    lived(lab, tmp_path, f"s3:https://{s3.address}/boxes/pbx", s3, credentials())


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (credentials(secret="another-s3cr3t"), "does not take these credentials"),
        (credentials(user="NOBODY"), "does not take these credentials"),
    ],
)
def test_s3_refuses_other_keys(lab: Lab, s3: RcloneServer, tmp_path: Path, env: Mapping[str, str], words: str) -> None:
    error = refused(lab, tmp_path, f"s3:https://{s3.address}/boxes/other", s3.authority, env)
    assert words in error.message
    assert "--env AWS_SECRET_ACCESS_KEY=-" in error.hint


def test_a_server_that_nobody_known_vouches_for_gets_nothing(
    lab: Lab, s3: RcloneServer, rest: RcloneServer, tmp_path: Path
) -> None:
    for repository, env in (
        (f"s3:https://{s3.address}/boxes/pbx", credentials()),
        (f"rest:https://{USER}:{SECRET}@{rest.address}/pbx/", {}),
    ):
        for authority in (None, rest.authority if "s3:" in repository else s3.authority):
            error = refused(lab, tmp_path, repository, authority, env)
            assert "does not prove who it is" in error.message
            assert "--ca FILE" in error.hint


def test_a_bucket_that_cannot_be_is_refused(lab: Lab, s3: RcloneServer, tmp_path: Path) -> None:
    error = refused(lab, tmp_path, f"s3:https://{s3.address}/No_Bucket/pbx", s3.authority, credentials())
    assert "Bucket name" in error.message
    assert "s3:https://HOST/BUCKET/FOLDER" in error.hint


def test_rest_keeps_backups_for_who_has_its_password(lab: Lab, rest: RcloneServer, tmp_path: Path) -> None:
    lived(lab, tmp_path, f"rest:https://{USER}:{SECRET}@{rest.address}/pbx/", rest, {})


def test_rest_refuses_another_password(lab: Lab, rest: RcloneServer, tmp_path: Path) -> None:
    error = refused(lab, tmp_path, f"rest:https://{USER}:another-s3cr3t@{rest.address}/pbx/", rest.authority, {})
    assert "does not take these credentials" in error.message
    assert "'appliance backup init -' reads" in error.hint


def test_a_place_that_nobody_serves_is_given_up(
    lab: Lab, rest: RcloneServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restic, "PATIENCE_S", 2.0)
    host = lab.hosts["store"].address
    error = refused(lab, tmp_path, f"rest:https://{USER}:{SECRET}@{host}:{CLOSED}/pbx/", rest.authority, {})
    assert "the place cannot be reached" in error.message


@pytest.mark.parametrize(
    "repository",
    [
        "rclone:remote:place", "rest:u:p@host/x", "rest:https://u:p/a@host/x", "rest:https://u:p@ss@host:99999/x",
        "rest:https:///x", "rest:ftp://host/x", "s3:https://key:s3cr3t@host/bucket", "s3:", "rest:https://u:p@h/x@y",
    ],
)  # fmt: skip
def test_an_address_whose_password_has_no_clear_end_is_refused(repository: str) -> None:
    with pytest.raises(BackupError) as caught:
        check_repository(repository)
    assert "s3cr3t" not in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_no_certificate_vouches_for_nobody(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no certificate"):
        Backups(tmp_path, "1.0").place.keep_authority(b"-----BEGIN CERTIFICATE-----\nx\n")
