"""The system's side of the set-up: the files that it writes and the programs that it asks. `root` is / on a machine.

Everything that changes is written whole beside its place and renamed. A program that fails is a MachineError with its
own words.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from appliance.config.opening import HONOUR_LISTED, Extent, Opening
from appliance.config.private import ssh_words
from appliance.wizard import entries

PATIENCE_S: Final = 300.0  # a first boot on a slow machine is busy
SAID: Final = "run/appliance-console/said"
RECOVERY: Final = "run/appliance-console/recovery"
KEYS: Final = "etc/ssh/authorized_keys/root"
HOST_KEY: Final = "etc/ssh/ssh_host_ed25519_key.pub"
NETWORK: Final = "etc/systemd/network/05-wizard.network"  # before cloud-init's 10- and the image's 80-
METADATA: Final = ("run/cloud-init/instance-data-sensitive.json", "run/cloud-init/instance-data.json")


class MachineError(Exception):
    """The system refused; the message is one line for whoever stands at the screen."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Reads and changes the machine below `root`."""

    root: Path = Path("/")
    interface: str = "eth0"

    def said(self) -> list[str]:
        """What the appliance announced at its start: address, fingerprint, and once its first password."""
        return self._lines(SAID)

    def recovery(self) -> list[str]:
        """The recovery key of a state that was encrypted at this start, and what it is for (image/files: state)."""
        return self._lines(RECOVERY)

    def name(self) -> str:
        """The machine's name."""
        return (self._lines("etc/hostname") or ["?"])[0]

    def version(self) -> str:
        """Of the image."""
        return (self._lines("etc/appliance/version") or ["?"])[0]

    def addresses(self) -> list[str]:
        """Those that others reach, with their prefix."""
        command = ["ip", "-j", "address", "show", "dev", self.interface, "scope", "global"]
        try:
            rows: list[dict[str, Any]] = json.loads(_asked(command) or "[]")
        except (MachineError, ValueError):
            return []
        found = [info for row in rows for info in row.get("addr_info", ()) if "local" in info]
        return [f"{info['local']}/{info['prefixlen']}" for info in found]

    def static(self) -> bool:
        """Whether the address was set here, and not by DHCP."""
        return any(line.startswith("Address=") for line in self._lines(NETWORK))

    def set_network(self, wanted: entries.Static | None) -> None:
        """Another address from now on; None: by DHCP. Raises MachineError."""
        self._write(NETWORK, entries.network_file(self.interface, wanted), 0o644)
        _asked(["networkctl", "reload"])
        _asked(["networkctl", "reconfigure", self.interface])

    def set_name(self, name: str) -> None:
        """Another name, which has been read by `entries`. Raises MachineError."""
        _asked(["hostnamectl", "hostname", name])

    def keys(self) -> list[str]:
        """The keys that SSH takes."""
        return [line for line in self._lines(KEYS) if not line.startswith("#")]

    def decided(self) -> bool:
        """Whether somebody opened or closed SSH before: metadata does not undo that at the next start."""
        return (self.root / KEYS).exists()

    def ssh_open(self) -> bool:
        """Whether SSH is let in, now and at the next start."""
        return _succeeds(["systemctl", "is-enabled", "--quiet", "ssh"])

    def open_ssh(self, keys: Sequence[str]) -> None:
        """Take these keys, and let SSH in. Raises MachineError."""
        if not keys:
            raise MachineError("SSH is opened to a key: there is none")
        self._write(KEYS, "".join(f"{key}\n" for key in keys), 0o600)
        try:
            _asked(["systemctl", "enable", "--now", "--no-block", "ssh"])
        except MachineError:
            (self.root / KEYS).unlink()  # nothing was decided: the next start tries again
            raise

    def answers(self) -> str:
        """Whom SSH answers, by the keeper's word; empty where it does not say."""
        try:
            told = json.loads(_asked(["appliance", "--json", "status"], any_status=True))["keeper"]
            return ssh_words(told["ssh"]) if told["ssh_guarded"] else ""
        except (MachineError, ValueError, KeyError, TypeError):
            return ""

    def opening(self) -> Opening:
        """How much of the allow list opens panel and SSH, by the settings. Raises MachineError."""
        try:
            told = json.loads(_asked(["appliance", "--json", "allowed"]))["opening"]
            return Opening(Extent(told["panel"]), Extent(told["ssh"]))
        except (ValueError, KeyError, TypeError):
            raise MachineError("appliance allowed: no answer that can be read") from None

    def honour_trusted(self) -> None:
        """Have all of the allow list honoured. Raises MachineError."""
        _asked(HONOUR_LISTED.split())

    def trust(self, prefix: str) -> list[str]:
        """Put it on the allow list, and what that means. Raises MachineError."""
        return _asked(["appliance", "allow", prefix, "--reason", "said at the screen"]).splitlines()

    def close_ssh(self) -> None:
        """Let nobody in any more and forget the keys. Who is in stays until he leaves (ssh.service: KillMode=process).

        Raises MachineError.
        """
        self._write(KEYS, "# Closed at the screen.\n", 0o600)
        _asked(["systemctl", "disable", "--now", "--no-block", "ssh"])

    def host_key(self) -> str:
        """The fingerprint of this machine's SSH key; empty before there is one."""
        path = self.root / HOST_KEY
        try:
            return _asked(["ssh-keygen", "-l", "-f", str(path)]).strip() if path.exists() else ""
        except MachineError:
            return ""

    def new_password(self) -> str:
        """Another password for `admin` of the panel, which ends his sessions. Raises MachineError."""
        return _asked(["appliance", "people", "set", "admin", "--password", "generated"]).strip()

    def reset(self) -> None:
        """Forget everything that the appliance holds (appliance.reset). By a unit of its own, because this one's does
        not reach all of it. Raises MachineError."""
        unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=oneshot"]
        _asked([*unit, "/usr/local/bin/appliance", "reset", "--yes"])

    def restart(self) -> None:
        """Start the machine anew. Raises MachineError."""
        _asked(["systemctl", "--no-block", "reboot"])

    def offered_keys(self) -> tuple[list[str], list[str]]:
        """Keys in the metadata that cloud-init found, and why others cannot be used."""
        for place in METADATA:
            path = self.root / place
            if path.exists():
                try:
                    found = json.loads(path.read_text())["v1"].get("public_ssh_keys") or []
                except (OSError, ValueError, KeyError, AttributeError) as error:
                    raise MachineError(f"{path} cannot be read: {error}") from None
                return entries.usable_keys(str(each) for each in found)
        return [], []

    def _lines(self, place: str) -> list[str]:
        try:
            return [line for line in (self.root / place).read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            return []

    def _write(self, place: str, text: str, mode: int) -> None:
        path = self.root / place
        unready = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            unready.unlink(missing_ok=True)
            with os.fdopen(os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "w") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            unready.rename(path)
        except OSError as error:
            raise MachineError(f"cannot write {path}: {error.strerror}") from None


def _succeeds(command: Sequence[str]) -> bool:
    try:
        _asked(command)
    except MachineError:
        return False
    return True


def _asked(command: Sequence[str], *, any_status: bool = False) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]} cannot be run: {error}") from None
    if done.returncode and not any_status:
        said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
        raise MachineError(f"{command[0]}: {said[-1]}")
    return done.stdout
