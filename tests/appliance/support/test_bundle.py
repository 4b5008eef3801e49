"""The whole bundle of a real office: what helps is in it, and none of the secrets that were planted everywhere."""

import hashlib
import json
import logging
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.bundle import entries
from appliance.cli.exits import Exit
from appliance.cli.table import Session
from appliance.config.schema import ROWS
from appliance.launch import LaunchError
from appliance.support import machine
from appliance.support.bundle import CONTENTS, Entry, drawn, write
from pysrv.control.memory import Memory
from pysrv.control.table import VERBS
from tests.appliance.shell import Shell
from tests.control.office import NOW, Service, keeper, office

SECRETS = {
    name: f"{name}-Geheim-7731"
    for name in ("account", "trunk", "person", "header", "file", "environment", "journal", "key", "url")
}
SETTING, DIGITS = "whsec_Geheim7731", "8305617294"
OTHERWISE = {"authpin": DIGITS, "smsgatewayurl": f"https://sms.example.net/{SETTING}?to={{number}}&text={{text}}"}
STATUS = {
    "interfaces": [{"name": "eth0", "mode": "native", "reason": ""}],
    "relay": "kernel", "started_at": NOW, "sessions": 0, "bans": 1, "generation": 7, "pinned": True,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """The appliance and every text that must not come out of it."""

    shell: Shell
    gone: tuple[str, ...]

    def bundle(self, name: str = "bundle.tar.gz", *words: str) -> dict[str, str]:
        """The bundle's files by name."""
        path = self.shell.state.parent / name
        result = self.shell.run("support-bundle", str(path), *words)
        assert result.exit_code == Exit.OK, result.output
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as tar:
            assert {row.mode for row in tar} == {0o600}
            return {row.name.partition("/")[2]: tar.extractfile(row).read().decode() for row in tar}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """Secrets of every kind where the appliance keeps them, and in log and journal, where none should ever be."""
    place = tmp_path_factory.mktemp("planted")
    shell, memory = Shell(place), Memory()
    # journald runs on no test machine: its client says what it would say.
    line = {"__REALTIME_TIMESTAMP": "1751364000000000", "_SYSTEMD_UNIT": "appliance-office.service"}
    said = [
        line | {"MESSAGE": f"INFO pysrv: password={SECRETS['journal']} of anna from 192.0.2.7"},
        line | {"MESSAGE": list(f"key: {SECRETS['key']} \udcff".encode(errors="surrogateescape"))},
    ]
    program = place / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nprint({chr(10).join(map(json.dumps, said))!r})\n")
    program.chmod(0o755)
    for name in ("office/tls.pem", "office/secrets.key", "backup.password", "tunnel.key"):
        (shell.state / name).write_text(SECRETS["file"])
    (shell.state / "settings.toml").write_text(f'stripewebhooksecret = "{SETTING}"\n')
    with (
        pytest.MonkeyPatch.context() as surroundings,
        office(shell.runtime, shell.database, Service(), memory=memory),
        keeper(shell.runtime, {"status": STATUS, "tallies": {"tallies": []}, "lists": {"lists": []}}),
    ):
        surroundings.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        surroundings.setenv("APPLIANCE_ADMIN_PASSWORD", SECRETS["environment"])
        for words, name in (
            (("accounts", "add", "anna", "--number", "4930123456"), "account"),
            (("trunks", "add", "carrier", "203.0.113.9", "--user", "us"), "trunk"),
            (("people", "add", "olga", "--role", "owner"), "person"),
        ):
            shell.json(*words, "--password", "-", stdin=f"{SECRETS[name]}\n")
        shell.json("accounts", "add", "card", "--type", "calling_card")
        card = shell.json("accounts", "set", "card", "--pin", "generated")
        token = shell.json("tokens", "add", "olga", "--label", "x", "--scope", "state:read")
        for name in (name for name, row in ROWS.items() if row.kind.secret):
            shell.json("settings", "set", name, "-", stdin=f"{OTHERWISE.get(name, SETTING)}\n")
        for text in (
            f"Authorization: Digest username=anna, response={SECRETS['header']}",
            f"webhook https://us:{SECRETS['url']}@example.net failed for anna at 192.0.2.7",
        ):
            memory.log.handle(logging.LogRecord("pysrv", logging.WARNING, "", 0, text, (), None))
        yield Planted(shell, (*SECRETS.values(), card["pin"], token["token"], SETTING, DIGITS))


@pytest.fixture(scope="module")
def masked(planted: Planted) -> dict[str, str]:
    """The files of a bundle as it is made without a word: one for all tests, the audit in it takes seconds."""
    return planted.bundle("masked.tar.gz")


@pytest.fixture(scope="module")
def plain(planted: Planted) -> dict[str, str]:
    """And of one in which people's data is left."""
    return planted.bundle("plain.tar.gz", "--no-mask")


def test_no_secret_is_in_a_bundle_masked_or_not(
    planted: Planted, masked: dict[str, str], plain: dict[str, str]
) -> None:
    for files in (masked, plain):
        for name, text in files.items():
            found = [secret for secret in planted.gone if secret in text]
            assert not found, f"{name} has {found}"


def test_the_secrets_were_there_to_be_found(planted: Planted) -> None:
    database = b"".join(path.read_bytes() for path in planted.shell.database.parent.glob("office.db*"))
    assert SETTING.encode() in database
    assert SECRETS["trunk"].encode() in database
    lines = planted.shell.json("log")["lines"]
    assert SECRETS["header"] in json.dumps(lines)
    assert SECRETS["journal"] in machine.journal(10)


def test_it_has_what_helps(masked: dict[str, str]) -> None:
    files = dict(masked)
    settings = {row["name"]: row for row in json.loads(files["settings.json"])["settings"]}
    assert settings.keys() == ROWS.keys()
    assert json.loads(files["gate.json"])["interfaces"][0]["mode"] == "native"
    assert {"accounts", "cdrs"} <= {row["name"] for row in json.loads(files["schema.json"])["tables"]}
    assert "CREATE TABLE" in files["schema.json"]
    assert json.loads(files["audit.json"])["findings"]
    assert json.loads(files["versions.json"])["packages"]["aiohttp"]
    assert "-rw" in files["modes.txt"] and "secrets.key" in files["modes.txt"]
    assert "== driver of" in files["machine.txt"] or "== routes" in files["machine.txt"]
    listed = dict(reversed(line.split(None, 2)[:2]) for line in files.pop(CONTENTS).splitlines())
    assert listed == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    told = [each.name for each in entries(Session(Path("/x"), Path("/x"), None, False), "1", 1)]
    assert list(files) == told


def test_people_are_masked_unless_it_is_told_otherwise(masked: dict[str, str], plain: dict[str, str]) -> None:
    for name in ("journal.txt", "log.json"):
        assert "anna" in plain[name] and "192.0.2.7" in plain[name]
        assert "anna" not in masked[name] and "192.0.2.7" not in masked[name]
        assert "name-" in masked[name] and "address-" in masked[name]


def test_a_stopped_appliance_has_a_bundle_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(tmp_path)

    def refused(*_: Any) -> int:
        raise LaunchError("cannot be started")

    monkeypatch.setattr("appliance.launch.once", refused)
    told = shell.run("support-bundle", str(tmp_path / "b.tar.gz"))
    assert told.exit_code == Exit.OK, told.output
    assert "names in free text may not be masked" in told.stdout
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        gate = tar.extractfile("b/gate.json").read().decode()  # type: ignore[union-attr]
    assert gate.startswith("! not to be had: ")


def test_no_file_is_written_over_and_nobody_but_root_asks(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    there = planted.shell.state / "there"
    there.symlink_to("/nonexistent/target")
    assert "is there already" in planted.shell.run("support-bundle", str(there)).stderr
    with pytest.raises(FileExistsError):
        write(there, (), 0)
    lost = planted.shell.run("support-bundle", "/nonexistent/b.tar.gz")
    assert (lost.exit_code, "cannot be written" in lost.stderr) == (Exit.REFUSED, True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    denied = planted.shell.run("support-bundle", str(planted.shell.state / "b.tar.gz"))
    assert denied.exit_code == Exit.NOT_PERMITTED


def test_an_entry_that_fails_tells_why_without_a_secret() -> None:
    def broken() -> Any:
        raise OSError(f"password={SECRETS['key']}")

    assert drawn(Entry("x", "", broken), None, (OSError,)) == b"! not to be had: password=(removed)\n"


def test_the_schema_has_no_row_and_changes_nothing() -> None:
    assert not VERBS["schema.show"].changes
