"""Whom a place behind `sftp:` names, what ssh is told, and what is kept of hosts."""

import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from appliance.backup.place import BackupError, Place
from appliance.backup.ssh import Client, HostKey, Target, chosen, target_of
from tests.appliance.shell import Shell

ONE = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIH0MU80NQTyU4efbSGT6QL2UHl+9ZFs2C5D0DUQF9Jo2")
OTHER = HostKey(
    "ecdsa-sha2-nistp256",
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGclNO2riE2/2EaUk2qUCsD+FjGIGvn4"
    "pqkV9i7fIHH7FFYonSf+h4W1EC7/7JsFw/2fTwgK/IaGWnoj40sHI0w=",
)
BOX = Target("boxes", "192.0.2.9", 22)


@pytest.mark.parametrize(
    ("repository", "target"),
    [
        ("sftp:boxes@192.0.2.9:/srv/pbx", BOX),
        ("sftp:box.example.com:pbx", Target("", "box.example.com", 22)),
        ("sftp://boxes@192.0.2.9//srv/pbx", BOX),
        ("sftp://boxes@192.0.2.9:2222//srv/pbx", Target("boxes", "192.0.2.9", 2222)),
        ("sftp://[2001:db8::9]:2222/pbx", Target("", "2001:db8::9", 2222)),
    ],
)
def test_a_place_names_its_host(repository: str, target: Target) -> None:
    assert target_of(repository) == target


@pytest.mark.parametrize(
    "repository",
    [
        "sftp:", "sftp:host", "sftp:@host:/x", "sftp:-oX@host:/x", "sftp:a@-oX:/x", "sftp://a@h:99999//x", "sftp://h",
        "sftp://a:secret@h//x", "sftp:a@[::1]:/x", "sftp:a@h ost:/x", "sftp://%2DoX@h//x", "sftp:a;b@h:/x",
    ],
)  # fmt: skip
def test_a_place_that_names_none_is_refused(repository: str) -> None:
    with pytest.raises(BackupError) as caught:
        target_of(repository)
    assert "secret" not in caught.value.message


def test_ssh_takes_the_command_as_it_is_meant(tmp_path: Path) -> None:
    state = tmp_path / "a state, with 50% of odd letters"
    client = Client(Place(state))
    words = shlex.split(client.command(Target("boxes", "192.0.2.9", 2222)))
    assert words[-4:] == ["-s", "--", "192.0.2.9", "sftp"]
    shown = subprocess.run([words[0], "-G", *words[1:]], check=True, capture_output=True, text=True).stdout
    told = dict(line.partition(" ")[::2] for line in shown.splitlines())
    assert told["identityfile"].replace("%%", "%") == str(client.key_file)
    assert told["userknownhostsfile"].replace("%%", "%") == str(client.known_file)
    assert (told["user"], told["hostname"], told["port"]) == ("boxes", "192.0.2.9", "2222")
    for name in ("batchmode", "stricthostkeychecking", "identitiesonly"):
        assert told[name] in ("yes", "true"), name
    assert not (told.keys() & {"proxycommand", "proxyjump", "localcommand", "controlpath"})


def test_the_key_is_made_once_and_is_roots_alone(tmp_path: Path) -> None:
    client = Client(Place(tmp_path))
    line = client.public_key()
    assert client.public_key() == line == Client(Place(tmp_path)).public_key()
    assert "\n" not in line
    for path, mode in ((client.directory, 0o700), (client.key_file, 0o600), (client.known_file.parent, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    done = subprocess.run(["ssh-keygen", "-y", "-f", client.key_file], check=True, capture_output=True, text=True)
    assert done.stdout.split()[:2] == line.split()[:2]


def test_a_host_is_known_by_the_one_key_that_somebody_vouched_for(tmp_path: Path) -> None:
    client, other = Client(Place(tmp_path)), Target("boxes", "192.0.2.9", 2222)
    assert client.known(BOX) == []
    client.vouch(BOX, OTHER)
    client.vouch(other, OTHER)
    client.vouch(BOX, ONE)
    assert (client.known(BOX), client.known(other)) == ([ONE], [OTHER])
    found = subprocess.run(
        ["ssh-keygen", "-F", "[192.0.2.9]:2222", "-l", "-f", client.known_file],
        capture_output=True,
        text=True,
        check=True,
    )
    assert OTHER.fingerprint in found.stdout
    assert chosen([ONE, OTHER], "", BOX) == ONE
    assert chosen([ONE, OTHER], OTHER.fingerprint.removeprefix("SHA256:"), BOX) == OTHER
    with pytest.raises(BackupError, match="shows no key"):
        chosen([], "", BOX)


@pytest.mark.parametrize(("key", "name"), [(ONE, "ed25519"), (OTHER, "ecdsa")])
def test_whoever_compares_is_told_the_public_file_of_the_kind_that_the_host_shows(
    down: Shell, monkeypatch: pytest.MonkeyPatch, key: HostKey, name: str
) -> None:
    """The private one beside it nobody but root there can read."""
    monkeypatch.setattr(Client, "offered", lambda *_: [key])
    said = " ".join(down.run("backup", "trust", "sftp:boxes@192.0.2.9:/srv/pbx", stdin="n\n").output.split())
    assert f"'ssh-keygen -l -f /etc/ssh/ssh_host_{name}_key.pub'" in said, said
    assert key.fingerprint in said
