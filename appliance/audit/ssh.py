"""SSH's settings: those that are in force, Match blocks included, held against what each should be.

The files are read as sshd_config(5) says: Include at its place, the first value of a word counts, Match blocks may give
others. A row is judged by the laxest of all. Nothing is mended by itself: it might lock the operator out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Unreadable, none_of

CONFIGURATION: Final = "/etc/ssh/sshd_config"
MOST_DEPTH: Final = 8
OLD_ALGORITHMS: Final = ("cbc", "3des", "arcfour", "rc4", "md5", "hmac-sha1", "umac-64", "group1-", "group14-sha1",
                         "group-exchange-sha1", "ssh-dss", "ssh-rsa,", "none")  # fmt: skip

Good = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Word:
    """One word: what it is when nobody says it (OpenSSH 9), whether a value is good, and what should be set."""

    name: str
    default: str
    good: Good
    wanted: str
    weight: int
    what: str
    why: str
    otherwise: Grade = Grade.FAIL

    def judge(self, machine: Machine) -> Reading:
        """Every value that may be in force."""
        said = _values(machine, self.name)
        values = said or [self.default]
        bad = [value for value in values if not self.good(value.lower())]
        return none_of(bad, self.otherwise, values[0] or "as delivered")

    def check(self) -> Check:
        """The row of the audit."""
        return Check(
            f"access.ssh_{self.name.lower()}", self.what, self.why, f"{self.name} in sshd_config(5)", self.weight,
            self.judge, f"{self.name} {self.wanted} in /etc/ssh/sshd_config.d; 'sshd -t'; 'systemctl reload ssh' "
            "with a second session open",
        )  # fmt: skip


def _lines(machine: Machine, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(word, value) with Include at its place. A circle ends."""
    if depth > MOST_DEPTH:
        raise Unreadable(f"{path} includes itself")
    for line in machine.lines(path):
        word, _, value = line.replace("=", " ", 1).replace("\t", " ").partition(" ")
        if word.lower() == "include":
            for pattern in value.split():
                whole = pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}"
                for place in machine.many(whole):
                    yield from _lines(machine, str(place), depth + 1)
        else:
            yield word.lower(), value.strip().strip('"')


def _values(machine: Machine, name: str) -> list[str]:
    """The global value, which is the first one said, and each of a Match block's own."""
    everywhere: list[str] = []
    matched: list[str] = []
    matching = False
    for word, value in _lines(machine, CONFIGURATION):
        if word == "match":
            matching = value.lower() != "all"
        elif word == name.lower():
            (matched if matching else everywhere).append(value)
    return [*everywhere[:1], *matched]


def _is(*values: str) -> Good:
    return lambda value: value in values


def _at_most(most: int, zero: bool = False) -> Good:
    def good(value: str) -> bool:
        number = _number(value)
        return number is not None and number <= most and (zero or number > 0)

    return good


def _number(value: str) -> int | None:
    """A number, or a time of sshd_config(5), in seconds; of MaxStartups' three the first."""
    value = value.partition(":")[0]
    unit = {"s": 1, "m": 60, "h": 3600}.get(value[-1:], 0)
    digits = value[:-1] if unit else value
    return int(digits) * (unit or 1) if digits.isdigit() else None


def _modern(value: str) -> bool:
    """A list that only takes away, or that names nothing old."""
    return value.startswith("-") or not any(old in f"{value}," for old in OLD_ALGORITHMS)


_TUNNEL = "A login is for this machine; a way through it is a way around the packet filter."
WORDS: Final = (
    Word(
        "PermitRootLogin", "prohibit-password",
        _is("no", "prohibit-password", "without-password", "forced-commands-only"), "prohibit-password", 3,
        "Root does not log in by password", "Root's is the name that every robot tries.",
    ),
    Word(
        "PasswordAuthentication", "yes", _is("no"), "no", 3, "SSH takes no password",
        "Passwords are guessed all day long; a key is not.",
    ),
    Word(
        "KbdInteractiveAuthentication", "yes", _is("no"), "no", 2, "Nor one by another name",
        "PAM would ask for the password all the same.",
    ),
    Word("PermitEmptyPasswords", "no", _is("no"), "no", 3, "An empty one never", "Whoever knows the name is in."),
    Word(
        "PubkeyAuthentication", "yes", _is("yes"), "yes", 1, "Keys are taken", "Without them only passwords are left.",
    ),
    Word(
        "HostbasedAuthentication", "no", _is("no"), "no", 2, "No host is trusted for its users",
        "One machine that is taken over would open this one.",
    ),
    Word(
        "IgnoreRhosts", "yes", _is("yes", "shosts-only"), "yes", 1, "No user trusts hosts for himself",
        "A file in a home would open the door.",
    ),
    Word(
        "PermitUserEnvironment", "no", _is("no"), "no", 1, "No user changes his login's environment",
        "LD_PRELOAD goes around what the login is limited to.",
    ),
    Word(
        "StrictModes", "yes", _is("yes"), "yes", 2, "Loose files of keys are refused",
        "Another user could write his key there.",
    ),
    Word(
        "X11Forwarding", "no", _is("no"), "no", 1, "No screen is forwarded",
        "Who has the machine reads the keyboard of whoever logged in.",
    ),
    Word(
        "AllowAgentForwarding", "yes", _is("no"), "no", 1, "No agent is forwarded",
        "Who has the machine uses the keys of whoever logged in.", Grade.WARN,
    ),
    Word("AllowTcpForwarding", "yes", _is("no"), "no", 1, "No port is forwarded", _TUNNEL, Grade.WARN),
    Word(
        "AllowStreamLocalForwarding", "yes", _is("no"), "no", 1, "No local socket is forwarded",
        "The keeper's and the office's sockets would be reachable from outside.", Grade.WARN,
    ),
    Word("PermitTunnel", "no", _is("no"), "no", 1, "No tunnel is made", _TUNNEL),
    Word("GatewayPorts", "no", _is("no"), "no", 1, "Forwarded ports are not for others", _TUNNEL),
    Word(
        "MaxAuthTries", "6", _at_most(4), "3", 1, "Few attempts for each connection",
        "Each connection is paid for by the attacker.", Grade.WARN,
    ),
    Word(
        "MaxSessions", "10", _at_most(4, zero=True), "2", 1, "Few sessions for each connection",
        "A stolen connection opens no more.", Grade.WARN,
    ),
    Word(
        "MaxStartups", "10:30:100", _at_most(10), "10:30:60", 1, "Few strangers at a time",
        "Connections that never log in would keep others out.", Grade.WARN,
    ),
    Word(
        "LoginGraceTime", "120", _at_most(60), "30", 1, "A login that hangs is ended",
        "Waiting connections are used up, and CVE-2024-6387 lived on that time.", Grade.WARN,
    ),
    Word(
        "ClientAliveInterval", "0", _at_most(600), "300", 1, "Forgotten sessions end",
        "An open terminal is an open door.", Grade.WARN,
    ),
    Word(
        "LogLevel", "INFO", _is("info", "verbose"), "VERBOSE", 1, "Logins are logged",
        "Who came, and with which key, is asked after the fact.",
    ),
    Word(
        "Ciphers", "", _modern, "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com", 2, "No old cipher",
        "CBC and RC4 have been read.",
    ),
    Word(
        "MACs", "", _modern, "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com", 2, "No old checksum",
        "MD5, SHA-1 and 64 bits can be forged.",
    ),
    Word(
        "KexAlgorithms", "", _modern, "sntrup761x25519-sha512@openssh.com,curve25519-sha256", 2, "No old key exchange",
        "Small groups and SHA-1 can be broken by those who record.",
    ),
)  # fmt: skip


def _who(machine: Machine) -> Reading:
    named = [value for name in ("AllowUsers", "AllowGroups") for value in _values(machine, name)]
    return none_of([] if named else ["everybody with a shell"], Grade.WARN, ", ".join(named))


def _host_keys(machine: Machine) -> Reading:
    found = [place.name for place in machine.many("/etc/ssh/ssh_host_*_key")]
    if not found:
        raise Unreadable("there is no key of the host yet")
    return none_of([name for name in found if "dsa" in name and "ecdsa" not in name], nothing=", ".join(found))


CHECKS: Final = (
    *(word.check() for word in WORDS),
    Check(
        "access.ssh_who", "SSH knows who may come", "Users that a package makes would be let in as well.",
        "AllowUsers, AllowGroups in sshd_config(5)", 1, _who, "AllowUsers root in /etc/ssh/sshd_config.d",
    ),
    Check(
        "access.ssh_host_keys", "The host has no key of an old kind", "DSA can be forged, and the host with it.",
        "/etc/ssh/ssh_host_*_key", 1, _host_keys, "rm /etc/ssh/ssh_host_dsa_key*",
    ),
)  # fmt: skip
