"""The appliance as a client of SSH, for repositories behind `sftp:`: a key of its own, hosts that somebody vouched for,
and nothing of root's (~/.ssh, agent, configuration), which an image does not keep and an update takes away.

Everything lies in STATE/backup/ssh: the key (made with the first need, OpenSSH's format), its public line, and
known_hosts (sshd(8)), which only `Client.vouch` writes: whoever was not vouched for is sent nothing.
"""

import base64
import hashlib
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from appliance.backup.keys import new_key
from appliance.backup.place import BackupError, Place

DIRECTORY, KEY, PUBLIC, KNOWN = "ssh", "id_ed25519", "id_ed25519.pub", "known_hosts"
SSH, KEYSCAN = "/usr/bin/ssh", "/usr/bin/ssh-keyscan"
PORT: Final = 22
CONNECT_S: Final = 20
SILENT_S = 60  # without an answer for so long, the other side is given up
ASKED_TIMES: Final = 4
# The kinds of key that are taken, the best first, as people know them.
KINDS: Final = {
    "ssh-ed25519": "ED25519",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "ssh-rsa": "RSA",
}
_SHORT: Final = re.compile(r"(?:(?P<user>[^@:/\s]+)@)?(?P<host>[^@:/\s\[\]]+):(?P<path>[^:].*)")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.\-]+)?")
HOW: Final = "sftp:USER@HOST:/DIRECTORY, or sftp://USER@HOST:PORT//DIRECTORY"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a place behind `sftp:` names. `user` empty: root."""

    user: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """As people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORT else f"{host}:{self.port}"

    @property
    def known_as(self) -> str:
        """As known_hosts names it."""
        return self.host if self.port == PORT else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class HostKey:
    """The public key of a host: kind and the rest in base64, as known_hosts has them."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen(1) prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def public_file(self) -> str:
        """Where sshd has it, readable by everybody there, unless its configuration names another place."""
        return f"/etc/ssh/ssh_host_{KINDS.get(self.kind, self.kind).lower()}_key.pub"

    @property
    def shown(self) -> str:
        """For people."""
        return f"{KINDS.get(self.kind, self.kind)} {self.fingerprint}"


def target_of(repository: str) -> Target:
    """Whom `sftp:...` names. Raises BackupError for what ssh could take for an option, or would not understand."""
    rest = repository.removeprefix("sftp:")
    user, host, port = "", "", PORT
    if rest.startswith("//"):
        try:
            found = urlsplit(repository)
            user, host, port = unquote(found.username or ""), found.hostname or "", found.port or PORT
        except ValueError:
            host = ""
        if host and found.password is not None:
            raise BackupError("a place behind sftp: has no password", "the appliance has a key: 'appliance backup key'")
        if host and len(found.path) < 2:
            host = ""
    elif match := _SHORT.fullmatch(rest):
        user, host = match["user"] or "", match["host"].lower()
    if not _HOST.fullmatch(host) or (user and not _NAME.fullmatch(user)):
        raise BackupError(f"{repository!r:.80} names no host", HOW)
    return Target(user, host, port)


class Client:
    """SSH of one appliance. Every method raises BackupError."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.directory = place.directory / DIRECTORY
        self.key_file, self.known_file = self.directory / KEY, self.directory / KNOWN

    def public_key(self) -> str:
        """The line that lets this appliance in, for the authorized_keys of an account at the other side; the key is
        made when there is none."""
        if not (found := self._read(self.directory / PUBLIC)):
            self._make_key()
            found = self._read(self.directory / PUBLIC)
        return found.strip()

    def command(self, target: Target) -> str:
        """What restic starts to speak with the other side (`-o sftp.command=`)."""
        return shlex.join(self._words(target))

    def knock(self, target: Target) -> str:
        """What ssh says when it is not let in; empty: it was."""
        try:
            done = subprocess.run(  # noqa: S603
                self._words(target), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=CONNECT_S + SILENT_S, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            )  # fmt: skip
        except FileNotFoundError:
            raise _missing(SSH) from None
        except subprocess.TimeoutExpired:
            return "it does not answer"
        return "" if done.returncode == 0 else done.stderr.strip() or "it said nothing"

    def offered(self, target: Target) -> list[HostKey]:
        """The keys that the host shows now, the best first; whether it is the right host, they do not say."""
        try:
            done = subprocess.run(  # noqa: S603
                [KEYSCAN, "-T", str(CONNECT_S), "-p", str(target.port), "--", target.host],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            )  # fmt: skip
        except FileNotFoundError:
            raise _missing(KEYSCAN) from None
        found = [key for line in done.stdout.splitlines() if (key := _key(line)) is not None]
        return sorted(found, key=lambda key: list(KINDS).index(key.kind))

    def known(self, target: Target) -> list[HostKey]:
        """The keys that somebody vouched for."""
        lines = self._read(self.known_file).splitlines()
        named = [line for line in lines if line.split(" ", 1)[0] == target.known_as]
        return [key for line in named if (key := _key(line)) is not None]

    def vouch(self, target: Target, key: HostKey) -> None:
        """From now on this is the host's key, and no other."""
        lines = self._read(self.known_file).splitlines()
        kept = [line for line in lines if line.split(" ", 1)[0] != target.known_as]
        self._write(self.known_file, "\n".join([*kept, f"{target.known_as} {key.kind} {key.blob}"]) + "\n")

    def stranger(self, target: Target) -> BackupError:
        """Why nothing was sent to a host whose key is not the known one."""
        known, offered = self.known(target), self.offered(target)
        shows = f"it shows {offered[0].shown}" if offered else "it shows no key now"
        if not known:
            words = f"nobody has vouched for the key of {target.shown} so far; {shows}"
            return BackupError(words, "ask who runs it, compare, then: 'appliance backup trust REPOSITORY'")
        words = (
            f"THE KEY OF {target.shown} HAS CHANGED: known is {known[0].shown}, and {shows}. Either it was set up "
            "anew, or somebody else answers in its place; nothing was sent"
        )
        return BackupError(words, "ask who runs it; when he has changed it: 'appliance backup trust --changed'")

    def _words(self, target: Target) -> list[str]:
        if not self.key_file.exists():
            self._make_key()
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": _quoted(self.known_file),
            "GlobalKnownHostsFile": "none",
            "UpdateHostKeys": "no",
            "IdentityFile": _quoted(self.key_file),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "ConnectTimeout": str(CONNECT_S),
            "ServerAliveInterval": str(max(1, SILENT_S // ASKED_TIMES)),
            "ServerAliveCountMax": str(ASKED_TIMES),
        }
        words = [SSH, "-F", "none", "-x", "-a", "-T"]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        user = ["-l", target.user] if target.user else []
        return [*words, "-p", str(target.port), *user, "-s", "--", target.host, "sftp"]

    def _make_key(self) -> None:
        private, public = new_key()
        name = re.sub(r"[^A-Za-z0-9.\-]", "", socket.gethostname()) or "appliance"
        self._write(self.directory / PUBLIC, f"{public} backup@{name}\n")
        self._write(self.key_file, private)

    def _read(self, path: Path) -> str:
        return self._place.text(path)

    def _write(self, path: Path, text: str) -> None:
        self._place.make()
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            os.chmod(self.directory, 0o700)
        except OSError as error:
            raise BackupError(f"cannot write to {error.filename}: {error.strerror}", "see --state") from None
        self._place.write(path, text)


def chosen(keys: Sequence[HostKey], fingerprint: str, target: Target) -> HostKey:
    """The one of the keys that a host shows which has this fingerprint; the best one where none is named. Raises
    BackupError."""
    if not keys:
        raise BackupError(f"{target.shown} shows no key of SSH", "see whether it runs, its port, and what lies between")
    wanted = fingerprint.strip()
    if wanted and not wanted.startswith("SHA256:"):
        wanted = f"SHA256:{wanted}"
    found = next((key for key in keys if not wanted or key.fingerprint == wanted.rstrip("=")), None)
    if found is None:
        shown = ", ".join(key.shown for key in keys)
        raise BackupError(
            f"{target.shown} shows {shown}, and not {wanted:.80}", "nothing was accepted: ask who runs it"
        )
    return found


def _key(line: str) -> HostKey | None:
    """A line of known_hosts or ssh-keyscan; None: it holds no key."""
    words = line.split()
    if len(words) < 3 or words[1] not in KINDS:
        return None
    try:
        base64.b64decode(words[2], validate=True)
    except ValueError:
        return None
    return HostKey(words[1], words[2])


def _quoted(path: Path) -> str:
    """ssh splits what an option says into words, and takes % for the begin of one of its own."""
    text = str(path.absolute())
    if '"' in text or "\\" in text:
        raise BackupError(f"{text!r:.200} is no name for ssh", "use a --state without quotes in its name")
    return '"' + text.replace("%", "%%") + '"'


def _missing(program: str) -> BackupError:
    return BackupError(f"there is no program {program}", "'make setup', or 'apt-get install openssh-client'")
