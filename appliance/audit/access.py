"""Who may come in: users, passwords, groups, sudo, keys. SSH's own settings are `ssh.py`'s.

Nothing here is mended by itself: whoever changes users or keys may lock himself out.
"""

import base64
import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.audit.machine import Machine
from appliance.audit.network import OFFICE_USER
from appliance.audit.row import Check, Grade, Reading, Unreadable, none_of, passed, verdict

NO_SHELL: Final = frozenset({"nologin", "false", "sync", "halt", "shutdown", ""})
PEOPLE: Final = range(1000, 65_000)
# crypt(5): yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512, SHA-256.
STRONG: Final = ("$y$", "$gy$", "$7$", "$2b$", "$2y$", "$6$", "$5$")
MIGHTY: Final = ("sudo", "wheel", "docker", "lxd", "libvirt", "disk", "kmem", "shadow", "admin")
LEAST_RSA_BITS: Final = 3072
ENTRANCES: Final = ("sudo", "doas", "pkexec")


@dataclass(frozen=True, slots=True)
class User:
    """One row of passwd(5)."""

    name: str
    uid: int
    home: str
    shell: str

    @property
    def may_log_in(self) -> bool:
        """Whether there is a shell for it; an empty one is /bin/sh."""
        return not self.shell or Path(self.shell).name not in NO_SHELL


def users(machine: Machine) -> list[User]:
    """All of them. Raises Unreadable."""
    found = []
    for line in machine.lines("/etc/passwd"):
        name, _, uid, _, _, home, shell = line.split(":")
        found.append(User(name, int(uid), home, shell))
    return found


def _secrets(machine: Machine) -> dict[str, str]:
    """What shadow(5) holds for each."""
    return {name: secret for name, secret, *_ in (line.split(":") for line in machine.lines("/etc/shadow"))}


def _locked(secret: str) -> bool:
    return secret.startswith(("!", "*"))


def _roots(machine: Machine) -> Reading:
    return none_of(
        [each.name for each in users(machine) if each.uid == 0 and each.name != "root"], nothing="root alone"
    )


def _empty(machine: Machine) -> Reading:
    return none_of([name for name, secret in _secrets(machine).items() if not secret])


def _weak(machine: Machine) -> Reading:
    found = [
        name
        for name, secret in _secrets(machine).items()
        if secret and not _locked(secret) and not secret.startswith(STRONG)
    ]
    return none_of(found)


def _root_password(machine: Machine) -> Reading:
    secret = _secrets(machine).get("root", "!")
    return verdict(_locked(secret), "none" if _locked(secret) else "has one", Grade.WARN)


def _with_password(machine: Machine) -> Reading:
    found = [name for name, secret in _secrets(machine).items() if secret and not _locked(secret) and name != "root"]
    return none_of(found, Grade.WARN)


def _twice(machine: Machine) -> Reading:
    seen: dict[int, str] = {}
    found = []
    for each in users(machine):
        if each.uid in seen and each.uid != 0:
            found.append(f"{seen[each.uid]} and {each.name}")
        seen.setdefault(each.uid, each.name)
    return none_of(found)


def _services_with_shell(machine: Machine) -> Reading:
    return none_of(
        [each.name for each in users(machine) if 0 < each.uid < PEOPLE.start and each.may_log_in], Grade.WARN
    )


def _people(machine: Machine) -> Reading:
    found = [each.name for each in users(machine) if each.uid in PEOPLE and each.may_log_in]
    return none_of(found, Grade.WARN, "root alone")


def _office(machine: Machine) -> Reading:
    """The office's user: no shell, no password, a group of its own and no other."""
    user = next((each for each in users(machine) if each.name == OFFICE_USER), None)
    if user is None:
        raise Unreadable(f"there is no user {OFFICE_USER}")
    wrong = []
    if user.uid == 0:
        wrong.append("is root")
    if user.may_log_in:
        wrong.append(f"has the shell {user.shell or '/bin/sh'}")
    if not _locked(_secrets(machine).get(OFFICE_USER, "!")):
        wrong.append("has a password")
    wrong += [f"is in {group}" for group, members in _groups(machine).items() if OFFICE_USER in members]
    return none_of(wrong, nothing="can do nothing but run")


def _groups(machine: Machine) -> dict[str, list[str]]:
    rows = (line.split(":") for line in machine.lines("/etc/group"))
    return {row[0]: [name for name in row[3].split(",") if name] for row in rows if len(row) > 3}


def _mighty(machine: Machine) -> Reading:
    groups = _groups(machine)
    found = [f"{name} in {group}" for group in MIGHTY for name in groups.get(group, ()) if name != "root"]
    return none_of(found, Grade.WARN)


def _entrances(machine: Machine) -> Reading:
    places = [f"{directory}/{name}" for directory in ("/usr/bin", "/usr/local/bin") for name in ENTRANCES]
    return none_of([place for place in places if machine.is_there(place)], Grade.WARN, "nobody becomes root")


def _without_password(machine: Machine) -> Reading:
    files = machine.many("/etc/sudoers", "/etc/sudoers.d/*")
    if not files:
        raise Unreadable("there is no sudo")
    found = [f"{path}: {line:.60}" for path in files for line in machine.lines(path)
             if "NOPASSWD" in line or "!authenticate" in line]  # fmt: skip
    return none_of(found)


@dataclass(frozen=True, slots=True)
class Key:
    """One line of authorized_keys: where, of which kind, of how many bits (0: the kind says it)."""

    place: Path
    kind: str
    bits: int
    comment: str

    def __str__(self) -> str:
        return f"{self.kind}{f' of {self.bits} bits' if self.bits else ''} in {self.place}"


def keys(machine: Machine) -> list[Key]:
    """All keys that open a login here."""
    places = machine.many("/etc/ssh/authorized_keys/*", "/root/.ssh/authorized_keys*", "/home/*/.ssh/authorized_keys*")
    return [key for place in places for key in _of_file(machine, place)]


def _of_file(machine: Machine, place: Path) -> Iterator[Key]:
    for line in machine.lines(place):
        words = line.split()
        at = next((number for number, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
        if at is not None and at + 1 < len(words):
            yield Key(place, words[at], _bits(words[at], words[at + 1]), " ".join(words[at + 2 :]))


def _bits(kind: str, text: str) -> int:
    """The size of an RSA key: the third string of RFC 4253, section 6.6."""
    if kind != "ssh-rsa":
        return 0
    try:
        raw, at, last = base64.b64decode(text), 0, b""
        for _ in range(3):
            (size,) = struct.unpack_from(">I", raw, at)
            last, at = raw[at + 4 : at + 4 + size], at + 4 + size
        return int.from_bytes(last, "big").bit_length()
    except (binascii.Error, struct.error, ValueError):
        return 1


def _weak_keys(machine: Machine) -> Reading:
    found = [each for each in keys(machine) if each.kind == "ssh-dss" or 0 < each.bits < LEAST_RSA_BITS]
    return none_of([str(each) for each in found], nothing=f"{len(keys(machine))} keys, none weak")


def _unnamed_keys(machine: Machine) -> Reading:
    return none_of([str(each) for each in keys(machine) if not each.comment], Grade.WARN, "each says whose it is")


def _private_keys(machine: Machine) -> Reading:
    """Private keys of people on this machine: whoever takes it over goes on to others."""
    found = [str(place) for place in machine.many("/root/.ssh/id_*", "/home/*/.ssh/id_*") if place.suffix != ".pub"]
    return none_of(found, Grade.WARN)


def _umask(machine: Machine) -> Reading:
    said = [line.split()[1] for line in machine.lines("/etc/login.defs") if line.split()[0] == "UMASK"]
    value = said[-1] if said else "022"
    return verdict(int(value, 8) & 0o027 == 0o027, value, Grade.WARN)


def _consoles(machine: Machine) -> Reading:
    """Programs that give a shell at a console without asking."""
    found = [f"{place.name}: {line.strip():.60}" for place in machine.many("/etc/systemd/system/*getty*/*.conf")
             for line in machine.lines(place) if "--autologin" in line]  # fmt: skip
    if machine.many("/etc/systemd/system/*.wants/debug-shell.service"):
        found.append("debug-shell.service")
    return none_of(found)


def _greeting(machine: Machine) -> Reading:
    said = {path: machine.text(path) for path in ("/etc/issue", "/etc/issue.net") if machine.is_there(path)}
    if not said:
        return passed("says nothing")
    telling = [path for path, text in said.items() if any(word in text for word in ("Debian", "\\r", "\\v", "Linux"))]
    return none_of(telling, Grade.WARN, "names no system")


CHECKS: Final = (
    Check(
        "access.roots", "Nobody but root is root", "A second name with number 0 is a door that nobody looks at.",
        "/etc/passwd", 3, _roots, "userdel NAME",
    ),
    Check(
        "access.empty_passwords", "No password is empty", "Whoever knows the name is in.", "/etc/shadow", 3, _empty,
        "passwd --lock NAME",
    ),
    Check(
        "access.weak_hashes", "Passwords are kept by strong functions",
        "DES and MD5 are guessed by the billion a second.", "/etc/shadow", 2, _weak,
        "set the passwords anew with 'passwd NAME'",
    ),
    Check(
        "access.root_password", "Root has no password", "What does not exist is not guessed; keys open SSH.",
        "/etc/shadow", 1, _root_password, "passwd --lock root, after a key was tried",
    ),
    Check(
        "access.passwords", "Nobody else has one", "Each is one more that can be guessed at SSH or a console.",
        "/etc/shadow", 1, _with_password, "passwd --lock NAME, after a key was tried",
    ),
    Check(
        "access.same_number", "No two names are one user",
        "What one may, the other may, and the log names the wrong one.", "/etc/passwd", 2, _twice,
        "usermod --uid NUMBER NAME",
    ),
    Check(
        "access.service_shells", "Users of services have no shell", "A hole in the service would be a login.",
        "/etc/passwd", 2, _services_with_shell, "usermod --shell /usr/sbin/nologin NAME",
    ),
    Check(
        "access.people", "Only root logs in", "Whoever works on the panel needs no user on the machine.",
        "/etc/passwd", 1, _people, "userdel NAME, or give them a role on the panel instead",
    ),
    Check(
        "access.office_user", "The office's user can do nothing but run", "It is the one that strangers talk to.",
        "/etc/passwd, shadow, group", 3, _office,
        "usermod --shell /usr/sbin/nologin --groups '' pysrv; passwd --lock pysrv",
    ),
    Check(
        "access.mighty_groups", "Nobody is in a group that is as good as root",
        "docker, disk and shadow read everything.", "/etc/group", 2, _mighty, "gpasswd --delete NAME GROUP",
    ),
    Check(
        "access.entrances", "No program makes root of a user", "Each has had holes that every user could use.",
        "sudo, doas, pkexec", 1, _entrances, "remove the package, if nobody needs it",
    ),
    Check(
        "access.sudo_password", "sudo asks for the password", "A stolen session would be root's.",
        "/etc/sudoers, /etc/sudoers.d", 2, _without_password, "visudo: remove NOPASSWD and !authenticate",
    ),
    Check(
        "access.weak_keys", "No key is weak", "DSA, and RSA below 3072 bits, will be broken.", "authorized_keys", 2,
        _weak_keys, "ssh-keygen -t ed25519, add the new key, try it, remove the old one",
    ),
    Check(
        "access.unnamed_keys", "Every key says whose it is", "A key that nobody knows is never removed.",
        "authorized_keys", 1, _unnamed_keys, "write a comment behind the key",
    ),
    Check(
        "access.private_keys", "No private key lies here", "Whoever takes this machine over would go on to others.",
        "~/.ssh/id_*", 1, _private_keys, "keep keys with people, and use an agent or ProxyJump",
    ),
    Check(
        "access.umask", "New files are not for everybody", "What is written in a hurry is readable by all users.",
        "UMASK in /etc/login.defs", 1, _umask, "UMASK 027 in /etc/login.defs",
    ),
    Check(
        "access.consoles", "No console is open without a login",
        "Whoever stands there, or has the serial line, is root.", "units of getty, debug-shell", 3, _consoles,
        "remove the drop-in; systemctl disable debug-shell",
    ),
    Check(
        "access.greeting", "The greeting says nothing about the system", "It tells which holes to try.",
        "/etc/issue, /etc/issue.net", 1, _greeting, "write a sentence of your own into both",
    ),
)  # fmt: skip
