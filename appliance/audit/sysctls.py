"""Kernel parameters as rows: name, what is wanted, what it is worth, why.

A row passes by the value that the running kernel has; whether it lasts is the image's sysctl file to say. Bounds that
are one way only until the next start (kernel.kexec_load_disabled, kernel.unprivileged_bpf_disabled) say so in `fix`.
"""

from dataclasses import dataclass
from typing import Final

from appliance.audit import mending
from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Step, Unreadable, verdict

ONE_WAY: Final = frozenset({"kernel.kexec_load_disabled", "kernel.unprivileged_bpf_disabled"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `good` are the values that pass, the first is what a fix sets; `safe`: a fix may set it."""

    name: str
    good: tuple[str, ...]
    weight: int
    what: str
    why: str
    safe: bool = True
    otherwise: Grade = Grade.FAIL

    def read(self, machine: Machine) -> str:
        """The current value. Raises Unreadable."""
        return " ".join(machine.text(f"/proc/sys/{self.name.replace('.', '/')}").split())

    def judge(self, machine: Machine) -> Reading:
        """By the running kernel; of a tree that does not run, by its files."""
        value = self.read(machine)
        return verdict(value in self.good, value or "empty", self.otherwise)

    def mend(self, machine: Machine) -> list[Step]:
        """Sets it, and keeps it."""
        return mending.sysctl(machine, self.name, self.good[0])

    def check(self, area: str) -> Check:
        """The row of the audit."""
        words = f"sysctl -w {self.name}={self.good[0]}, and the same in /etc/sysctl.d"
        if self.name in ONE_WAY:
            words += "; taking it back needs a restart"
        if not self.safe:
            words += "; look first at who needs it"
        name = self.name.removeprefix("kernel.").removeprefix("net.")
        return Check(
            f"{area}.{name}", self.what, self.why, f"sysctl {self.name}", self.weight, self.judge, words,
            self.mend if self.safe else None,
        )  # fmt: skip


def _pair(name: str, value: str, weight: int, what: str, why: str, v6: bool = False) -> list[Parameter]:
    """The same of all interfaces and of those that are still to come."""
    family = "ipv6" if v6 else "ipv4"
    return [
        Parameter(f"net.{family}.conf.{which}.{name}", (value,), weight, f"{what} ({words})", why)
        for which, words in (
            ("all", "IPv6" if v6 else "IPv4"),
            ("default", f"{'IPv6' if v6 else 'IPv4'}, new interfaces"),
        )
    ]


_REDIRECT = "Whoever is on the same network could lead this machine's traffic over himself."
_ROUTE = "A packet that names its own way goes around every filter on the usual one."
NETWORK: Final = (
    *_pair("accept_redirects", "0", 2, "Redirects are not believed", _REDIRECT),
    *_pair("accept_redirects", "0", 2, "Redirects are not believed", _REDIRECT, v6=True),
    *_pair("secure_redirects", "0", 1, "Nor those of gateways", _REDIRECT),
    *_pair("send_redirects", "0", 1, "No redirects are sent", "Only a router says another way; this is none."),
    *_pair("accept_source_route", "0", 2, "Source routes are refused", _ROUTE),
    *_pair("accept_source_route", "0", 2, "Source routes are refused", _ROUTE, v6=True),
    *_pair("log_martians", "1", 1, "Impossible addresses are logged", "A forged source inside one's own network is the "
           "first thing that a spoofing attack shows."),
    Parameter(
        "net.ipv4.conf.all.rp_filter", ("2", "1"), 2, "Packets whose source has no way back are dropped",
        "Forged sources are what floods, and logins by address, live on.",
    ),
    Parameter(
        "net.ipv4.conf.default.rp_filter", ("2", "1"), 1, "The same on new interfaces",
        "An interface that appears later must not be the open one.",
    ),
    Parameter(
        "net.ipv4.ip_forward", ("0",), 2, "The machine forwards no packets of others (IPv4)",
        "A router between two networks is a way around both their filters.", safe=False, otherwise=Grade.WARN,
    ),
    Parameter(
        "net.ipv6.conf.all.forwarding", ("0",), 2, "The machine forwards no packets of others (IPv6)",
        "A router between two networks is a way around both their filters.", safe=False, otherwise=Grade.WARN,
    ),
    Parameter(
        "net.ipv4.icmp_echo_ignore_broadcasts", ("1",), 1, "Pings to everybody are not answered",
        "One forged ping would make every machine of the network answer the victim.",
    ),
    Parameter(
        "net.ipv4.icmp_ignore_bogus_error_responses", ("1",), 1, "False errors do not fill the log",
        "A log that anybody can fill hides what matters.",
    ),
    Parameter(
        "net.ipv4.tcp_syncookies", ("1", "2"), 2, "Floods of SYN do not fill the queue",
        "Without cookies some thousand forged packets close TCP, TLS and the panel.",
    ),
    Parameter(
        "net.ipv4.tcp_rfc1337", ("1",), 1, "Old connections cannot be ended by forged resets",
        "A reset in TIME-WAIT lets late data into the next connection (RFC 1337).",
    ),
    Parameter(
        "net.core.bpf_jit_harden", ("1", "2"), 1, "What the BPF compiler makes is blinded",
        "Constants of unprivileged programs become code that an attacker chooses.",
    ),
)  # fmt: skip

_LINK = "A name in a directory for everybody is laid by an attacker, and root's program follows it."
KERNEL: Final = (
    Parameter(
        "kernel.kptr_restrict", ("2", "1"), 2, "Addresses of the kernel are hidden",
        "With one address known, exploits of the kernel need not guess.",
    ),
    Parameter("kernel.dmesg_restrict", ("1",), 1, "The kernel's log is root's", "It names addresses and devices."),
    Parameter(
        "kernel.perf_event_paranoid", ("3", "2", "4"), 1, "Counters of the processor are not for everybody",
        "They have leaked keys of other processes, and had holes of their own.",
    ),
    Parameter(
        "kernel.yama.ptrace_scope", ("2", "3"), 2, "No process reads another's memory",
        "Whoever takes one process over would find the keys of all others of that user.",
    ),
    Parameter(
        "kernel.sysrq", ("0",), 1, "The emergency key does nothing",
        "It kills, remounts and dumps memory for whoever has a keyboard or a serial line.",
    ),
    Parameter(
        "kernel.kexec_load_disabled", ("1",), 2, "No other kernel is started from this one",
        "It would run without what this one was locked by.",
    ),
    Parameter(
        "kernel.unprivileged_bpf_disabled", ("1", "2"), 2, "BPF is root's",
        "Its verifier has had many holes that a program of any user could use.",
    ),
    Parameter(
        "kernel.core_pattern", ("|/bin/false",), 1, "No core is written",
        "A core holds keys and passwords of the process that died.", otherwise=Grade.WARN,
    ),
    Parameter(
        "fs.suid_dumpable", ("0",), 1, "Programs with more rights write none at all",
        "Their cores would be readable by whoever started them.",
    ),
    Parameter(
        "kernel.randomize_va_space", ("2",), 3, "Memory is laid out by chance",
        "Without that every hole of a program is used the same way everywhere.",
    ),
    Parameter(
        "vm.mmap_min_addr", ("65536", "32768"), 1, "The lowest memory is nobody's",
        "A null pointer in the kernel must not point to an attacker's page.",
    ),
    Parameter("fs.protected_symlinks", ("1",), 2, "Foreign links in open directories are not followed", _LINK),
    Parameter("fs.protected_hardlinks", ("1",), 2, "Foreign files get no second name", _LINK),
    Parameter("fs.protected_fifos", ("2", "1"), 1, "Foreign pipes in open directories are not opened", _LINK),
    Parameter("fs.protected_regular", ("2", "1"), 1, "Foreign files in open directories are not overwritten", _LINK),
    Parameter(
        "dev.tty.ldisc_autoload", ("0",), 1, "Line disciplines are not loaded on request",
        "Any user can ask for an old driver with an old hole.",
    ),
    Parameter(
        "kernel.panic_on_oops", ("1",), 1, "A damaged kernel starts anew",
        "One that goes on after an oops is one that an attacker may try again.",
    ),
    Parameter(
        "kernel.panic", ("10", *map(str, range(1, 301))), 1, "And does so by itself",
        "A telephone service that waits for somebody's hand is down until then.", otherwise=Grade.WARN,
    ),
)  # fmt: skip


CHECKS: Final = (*(each.check("network") for each in NETWORK), *(each.check("kernel") for each in KERNEL))


def wanted(path: str, machine: Machine) -> dict[str, str]:
    """What a file of sysctl.d(5) asks for. Raises Unreadable."""
    found = {}
    for row in machine.lines(path):
        name, equals, value = (part.strip() for part in row.partition("="))
        if not equals:
            raise Unreadable(f"{path}: {row!r:.60} is no line of sysctl.d(5)")
        found[name.removeprefix("-").replace("/", ".")] = value
    return found
