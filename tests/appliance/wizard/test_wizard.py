"""The set-up at a terminal of its own: what the screen shows, what is typed, what the machine is told."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.opening import HONOUR_LISTED
from appliance.wizard.machine import RECOVERY
from tests.appliance.wizard.test_entries import made

CODE = Path(__file__).resolve().parents[3]
PATIENCE_S = 60.0
READY = "Type a number, then Enter:"
# Programs of a machine that runs systemd: what they were told is written down, and some answer.
PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>TOLD
case "${0##*/} $*" in
    "systemctl is-enabled --quiet ssh") [ -e ROOT/ssh-open ] ;;
    "systemctl enable --now --no-block ssh") [ ! -e ROOT/too-busy ] && : >ROOT/ssh-open ;;
    "systemctl disable --now --no-block ssh") rm ROOT/ssh-open ;;
    "ip -j address show dev eth0 scope global") echo '[{},{"addr_info":[{},{"local":"192.0.2.7","prefixlen":24}]}]' ;;
    "appliance people set admin --password generated") echo "password: made-up-one" ;;
    "appliance --json status") cat ROOT/status; exit 1 ;;
    "appliance --json allowed") cat ROOT/allowed ;;
    "appliance settings set allowtrustedip 3") echo '{"opening": {"panel": "all", "ssh": "all"}}' >ROOT/allowed ;;
    "appliance allow 203.0.113.66 "*) echo "the office did not answer" >&2; exit 1 ;;
    "appliance allow "*) printf '%s passes every check\nSSH answers \033[2Jthe tunnel\n' "$2" ;;
    "hostnamectl hostname broken") echo "Could not set: broken" >&2; exit 1 ;;
esac
"""


class Screen:
    """A terminal with the set-up at it."""

    def __init__(self, root: Path) -> None:
        self.root, self.told = root, root / "told"
        programs = root / "programs"
        programs.mkdir()
        for name in ("systemctl", "systemd-run", "networkctl", "hostnamectl", "ip", "appliance"):
            file = programs / name
            file.write_text(PROGRAM.replace("TOLD", str(self.told)).replace("ROOT", str(root)))
            file.chmod(0o755)
        about = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(CODE), "TERM": "linux", "LANG": "C.UTF-8"}
        self._ours, theirs = pty.openpty()
        words = [sys.executable, "-P", "-m", "appliance.wizard", "--root", str(root)]
        self.process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=about, cwd="/")
        os.close(theirs)

    def until(self, *words: str) -> str:
        """What appears until all the words have, in this order."""
        shown, until, at = "", time.monotonic() + PATIENCE_S, 0
        for word in words:
            while (found := shown.find(word, at)) < 0:
                assert time.monotonic() < until, shown
                if select.select([self._ours], [], [], 1.0)[0]:
                    shown += os.read(self._ours, 4096).decode()
            at = found + len(word)
        return shown

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode() + b"\n")

    def close(self) -> None:
        os.close(self._ours)
        assert self.process.wait(PATIENCE_S) == 0

    def heard(self) -> list[str]:
        return [line for line in self.told.read_text().splitlines() if not line.startswith(("ip ", "systemctl is-"))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place, text in {
        "etc/hostname": "appliance\n",
        "etc/appliance/version": "1.2.3\n",
        "allowed": '{"opening": {"panel": "all", "ssh": "all"}}',
        "run/appliance-console/said": "panel on https://192.0.2.7:8443/panel/ (certificate SHA-256 AB:CD)\n"
        "administrator: user 'admin', password 'once\x1b[2J' (printed this once; keep it)\n",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    return tmp_path


@pytest.fixture
def screen(root: Path) -> Iterator[Screen]:
    made_one = Screen(root)
    yield made_one
    made_one.close()


def test_the_screen_shows_address_fingerprint_and_first_password_and_obeys_no_escape(screen: Screen) -> None:
    shown = screen.until("1.2.3", "https://192.0.2.7:8443/panel/", "SHA-256 AB:CD", "'once?[2J'", "Address", READY)
    assert "DHCP: 192.0.2.7/24" in shown
    assert "closed" in shown
    assert "first day" not in shown


def test_the_screen_shows_the_recovery_key_of_a_state_that_was_encrypted_at_this_start(root: Path) -> None:
    (root / RECOVERY).write_text("words about it\nenbdfhgb-fgvueevh\n")
    screen = Screen(root)
    shown = screen.until("AB:CD", "words about it", "enbdfhgb-fgvueevh", READY)
    screen.close()
    assert shown.index("AB:CD") < shown.index("enbdfhgb-fgvueevh") < shown.index("Address")


def test_a_static_address_is_set_after_its_last_question(screen: Screen) -> None:
    screen.until(READY)
    screen.type("1")
    screen.until("or dhcp", "> ")
    screen.type("192.0.2.9/24")
    screen.until("Gateway", "> ")
    screen.type("192.0.2.1")
    screen.until("Servers", "> ")
    assert not (screen.root / "etc/systemd/network/05-wizard.network").exists()
    screen.type("")
    screen.until("restart the machine", "go on")
    screen.type("")
    screen.until("static: 192.0.2.7/24", "* done")
    assert (
        "Address=192.0.2.9/24\nGateway=192.0.2.1\n"
        in (screen.root / "etc/systemd/network/05-wizard.network").read_text()
    )
    assert [line for line in screen.heard() if line.startswith("networkctl")] == [
        "networkctl reload", "networkctl reconfigure eth0",
    ]  # fmt: skip


def test_a_wrong_answer_is_explained_and_changes_nothing(screen: Screen) -> None:
    screen.until(READY)
    screen.type("1")
    screen.until("> ")
    screen.type("192.0.2.9")
    screen.until("> ")
    screen.type("")
    screen.until("> ")
    screen.type("")
    screen.until("* '192.0.2.9' must be an address with its network's length")
    assert not (screen.root / "etc/systemd").exists()


def test_an_empty_answer_and_a_wrong_number_change_nothing(screen: Screen) -> None:
    screen.until(READY)
    screen.type("2")
    screen.until("> ")
    screen.type("")
    screen.until("* nothing was changed", READY)
    screen.type("77")
    screen.until("* type a number from 1 to 7")
    assert [line for line in screen.heard() if "hostnamectl" in line] == []


def test_the_name_is_handed_on_and_a_refusal_of_the_system_is_told(screen: Screen) -> None:
    screen.until(READY)
    screen.type("2")
    screen.until("> ")
    screen.type("SIP1.example.org")
    screen.until("* done", READY)
    assert "hostnamectl hostname sip1.example.org" in screen.heard()
    screen.type("2")
    screen.until("> ")
    screen.type("broken")
    screen.until("* hostnamectl: Could not set: broken")


def test_ssh_is_opened_to_a_pasted_key_and_closed_again(screen: Screen) -> None:
    key, keys = made(screen.root, "ed25519"), screen.root / "etc/ssh/authorized_keys/root"
    screen.until(READY)
    screen.type("3")
    screen.until("Paste", "> ")
    networks = ["10.0.0.0/8", "fd00::/8"]
    (screen.root / "status").write_text(json.dumps({"keeper": {"ssh_guarded": True, "ssh": networks}, "office": None}))
    screen.type(key.strip())
    screen.until("SSH answers the tunnel and 10.0.0.0/8, fd00::/8", "SSH is open to root")
    screen.type("")
    screen.until("open, 1 key", READY)
    assert keys.read_text() == key
    assert keys.stat().st_mode & 0o777 == 0o600
    (screen.root / "status").write_text(json.dumps({"keeper": {"ssh_guarded": True, "ssh": []}}))
    screen.type("3")
    screen.until("SSH answers the tunnel alone", "Type yes: ")
    screen.type("yes")
    screen.until("closed", "* done")
    assert "ssh-" not in keys.read_text()


def test_a_key_that_cannot_be_used_opens_nothing(screen: Screen) -> None:
    screen.until(READY)
    screen.type("3")
    screen.until("> ")
    screen.type("ssh-ed25519 AAAA")
    screen.until("* this key is not whole")
    assert not (screen.root / "ssh-open").exists()


def test_an_address_is_trusted_at_the_screen_and_told_what_that_means(screen: Screen) -> None:
    screen.until(READY)
    for typed, shown in (
        ("nonsense", "* 'nonsense' must be an address or a network"),
        ("0.0.0.0/0", "* '0.0.0.0/0' must be an address or a network"),
        ("127.0.0.1", "* '127.0.0.1' must be an address or a network"),
        ("203.0.113.66", "* appliance: the office did not answer"),
    ):
        screen.type("4")
        screen.until("shuts both to private networks", "> ")
        screen.type(typed)
        screen.until(shown, READY)
    screen.type("4")
    screen.until("> ")
    screen.type(" 198.51.100.7/24 ")
    screen.until("198.51.100.0/24 passes every check", "SSH answers ?[2Jthe tunnel", "go on")
    screen.type("")
    screen.until("* done")
    assert screen.heard()[-1] == "appliance allow 198.51.100.0/24 --reason said at the screen"


def test_a_setting_that_keeps_a_trusted_address_out_is_named_and_changed_before_anything_is(screen: Screen) -> None:
    said = "appliance allow 198.51.100.7 --reason said at the screen"
    screen.until(READY)
    for allowed, answer, shown in (
        ("nonsense", None, "* appliance allowed: no answer that can be read"),
        ('{"opening": {"panel": "all"}}', None, "* appliance allowed: no answer that can be read"),
        ('{"opening": {"panel": "all", "ssh": "most"}}', None, "* appliance allowed: no answer that can be read"),
        ('{"opening": {"panel": "private", "ssh": "private"}}', "", "* nothing was changed"),
        ('{"opening": {"panel": "none", "ssh": "none"}}', "no", "* nothing was changed"),
    ):
        (screen.root / "allowed").write_text(allowed)
        screen.type("4")
        screen.until("> ")
        screen.type("198.51.100.7")
        if answer is not None:
            screen.until("allowtrustedip keeps panel and SSH shut to 198.51.100.7", "Type yes: ")
            screen.type(answer)
        screen.until(shown, READY)
    assert not [line for line in screen.heard() if "allow " in line or "set allow" in line]
    screen.type("4")
    screen.until("> ")
    screen.type("198.51.100.7")
    screen.until("the panel too unless", "remoteadmin is 0", HONOUR_LISTED, "Do that", "Type yes: ")
    screen.type("yes")
    screen.until("198.51.100.7 passes every check", "go on")
    screen.type("")
    screen.until("* done", READY)
    assert screen.heard()[-2:] == [HONOUR_LISTED, said]
    screen.type("4")  # from now on nothing is asked but the address
    screen.until("> ")
    screen.type("198.51.100.7")
    screen.until("passes every check", "go on")
    screen.type("")
    screen.until("* done")


def test_a_new_password_is_shown_once(screen: Screen) -> None:
    screen.until(READY)
    screen.type("5")
    screen.until("Type yes: ")
    screen.type("yes")
    screen.until("made-up-one", "go on")
    screen.type("")
    assert "made-up-one" not in screen.until("* done", READY)


def test_a_restart_is_asked_for_twice(screen: Screen) -> None:
    screen.until(READY)
    screen.type("6")
    screen.until("Type yes: ")
    screen.type("y")
    screen.until("* nothing was changed", READY)
    assert "systemctl --no-block reboot" not in screen.heard()
    screen.type("6")
    screen.until("Type yes: ")
    screen.type("yes")
    screen.until("* done")
    assert "systemctl --no-block reboot" in screen.heard()


def test_a_factory_reset_wants_the_machines_name_and_restarts_it(screen: Screen) -> None:
    screen.until("Factory reset", READY)
    screen.type("7")
    screen.until("goes for good", "machine's name", "> ")
    screen.type("yes")
    screen.until("* nothing was changed", READY)
    assert not screen.told.exists() or not any("reset" in line for line in screen.heard())
    screen.type("7")
    screen.until("> ")
    screen.type("appliance")
    screen.until("* done")
    run, restarted = screen.heard()[-2:]
    assert run.startswith("systemd-run ") and run.endswith(" /usr/local/bin/appliance reset --yes")
    assert restarted == "systemctl --no-block reboot"


def test_an_interrupt_ends_nothing(screen: Screen) -> None:
    screen.until(READY)
    screen.type("\x03\x1c\x1a")
    screen.until("look again", READY)
    assert screen.process.poll() is None


def metadata(root: Path, *keys: str, status: int = 0) -> list[str]:
    """The `keys` command over these keys of metadata; what the machine was told."""
    screen = Screen(root)
    screen.until(READY)
    screen.close()
    screen.told.unlink()
    place = root / "run/cloud-init/instance-data.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({"v1": {"public_ssh_keys": list(keys)}}))
    about = {"PATH": f"{root / 'programs'}:/usr/bin:/bin", "PYTHONPATH": str(CODE), "LANG": "C.UTF-8"}
    words = [sys.executable, "-P", "-m", "appliance.wizard", "--root", str(root), "keys"]
    done = subprocess.run(words, env=about, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == status, done.stderr
    told = screen.told.read_text().splitlines() if screen.told.exists() else []
    return [*told, *done.stderr.splitlines()]


def test_keys_of_the_metadata_open_ssh_and_weak_ones_do_not(root: Path) -> None:
    key = made(root, "ed25519").strip()
    said = metadata(root, key, "nonsense")
    assert said[0] == "systemctl enable --now --no-block ssh"
    assert any("a key of the metadata is not taken" in line for line in said)
    assert (root / "etc/ssh/authorized_keys/root").read_text() == f"{key}\n"


def test_keys_that_could_not_open_ssh_are_tried_again_at_the_next_start(root: Path) -> None:
    (root / "too-busy").touch()
    key = made(root, "ed25519").strip()
    assert "keys: systemctl: status 1" in metadata(root, key, status=1)
    assert not (root / "etc/ssh/authorized_keys/root").exists()


def test_metadata_without_a_key_opens_nothing(root: Path) -> None:
    assert metadata(root) == []
    assert not (root / "etc/ssh").exists()


def test_metadata_does_not_undo_what_was_decided_at_the_screen(root: Path) -> None:
    (root / "etc/ssh/authorized_keys").mkdir(parents=True)
    (root / "etc/ssh/authorized_keys/root").write_text("# Closed at the screen.\n")
    assert metadata(root, made(root, "ed25519")) == []


def test_the_screen_is_drawn_anew_when_the_appliance_announces_something(screen: Screen) -> None:
    screen.until(READY)
    (screen.root / "run/appliance-console/said").write_text("panel on https://192.0.2.99:8443/panel/\n")
    assert "administrator" not in screen.until("\x1b[H\x1b[2J", "https://192.0.2.99:8443/panel/", READY)
