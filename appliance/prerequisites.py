"""Why the appliance cannot start here: each reason one line that says what is wrong and what to do.

Looks at the machine and changes nothing but the two directories that it is asked to make sure of. Kernel headers are
appliance.kernel.headers' to find, programs already on an interface appliance.kernel.link's.
"""

import errno
import fcntl
import importlib.util
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.launch import CODE, USER, LaunchError, prepare

BPFFS = Path("/sys/fs/bpf")
# capabilities(7): the numbers are fixed. BPF and PERFMON are parts of SYS_ADMIN, and do in its place.
CAPABILITIES = {"CAP_CHOWN": 0, "CAP_NET_ADMIN": 12}
GATE = {"CAP_PERFMON": 38, "CAP_BPF": 39}
SYS_ADMIN = 21
# Of a keeper that starts the office itself: its mount namespace, its user, its empty bounding set.
PARENT = {"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_SYS_ADMIN": SYS_ADMIN}
SOCKET_PATH_BYTES = 107  # unix(7): sun_path, less its final zero


class CannotStart(Exception):
    """The reasons, one line each."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


class NotRoot(CannotStart):
    """What everything else waits for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one start needs of the machine. `listeners` are (protocol, address, port)."""

    state: Path
    runtime: Path
    interfaces: tuple[str, ...]
    listeners: tuple[tuple[str, str, int], ...]
    pinned: bool = False
    compiler: bool = True  # without one nftables will do


def check_powers(parent: bool = True) -> None:
    """Raise CannotStart without root's powers; nothing else can be judged without them. `parent`: it is to start the
    office itself."""
    if os.geteuid() != 0:
        raise NotRoot("must be root: only root may attach programs to an interface (try: sudo make run)")
    powers = list(_powers(parent))
    if powers:
        raise CannotStart(*powers)


def check(wanted: Wanted) -> None:
    """Raise CannotStart with everything that is missing."""
    reasons = [
        *(_software() if wanted.compiler else ()),
        *_code(),
        *_interfaces(wanted.interfaces),
        *_directories(wanted),
        *_ports(wanted.listeners),
    ]
    if wanted.pinned:
        reasons += _bpffs()
    if reasons:
        raise CannotStart(*reasons)


def _powers(parent: bool) -> Iterator[str]:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    needed = CAPABILITIES | (PARENT if parent else {} if effective >> SYS_ADMIN & 1 else GATE)
    for name, number in needed.items():
        if not effective >> number & 1:
            yield f"{name} is missing although this is root: start outside the container, or give it that capability"


def _software() -> Iterator[str]:
    found = importlib.util.find_spec("bcc")  # looks without importing: headers.py must speak first
    if found is None or not found.submodule_search_locations:
        yield "Python's bcc is missing: run 'make setup', or 'apt-get install python3-bpfcc'"
    elif not any((Path(place) / "libbcc.py").exists() for place in found.submodule_search_locations):
        yield "the installed bcc is not the BPF compiler: 'pip uninstall bcc', then 'apt-get install python3-bpfcc'"


def _code() -> Iterator[str]:
    """A clone made under a strict umask is closed to the office, wherever it is mounted."""
    for part in ("", "appliance", "pysrv", "pysrv/__init__.py", ".venv", ".venv/pyvenv.cfg"):
        path = CODE / part
        needed = 0o005 if path.is_dir() else 0o004
        if path.exists() and path.stat().st_mode & needed != needed:
            yield f"{path} is closed to the user {USER}: 'chmod -R o+rX {CODE}'"
            return


def _interfaces(names: Iterable[str]) -> Iterator[str]:
    present = [name for _, name in socket.if_nameindex()]
    for name in names:
        if name not in present:
            yield f"there is no interface {name}: this machine has {', '.join(present)}"


def _directories(wanted: Wanted) -> Iterator[str]:
    longest = wanted.runtime / "keeper.sock"
    if len(os.fsencode(longest)) > SOCKET_PATH_BYTES:
        yield f"{wanted.runtime} is too long a path for a socket: choose a shorter --runtime"
        return
    try:
        prepare(wanted.state, wanted.runtime)
    except LaunchError as error:
        yield str(error)


def _ports(listeners: Iterable[tuple[str, str, int]]) -> Iterator[str]:
    for protocol, address, port in listeners:
        reason = busy(protocol, address, port)
        if reason:
            yield reason


def busy(protocol: str, address: str, port: int) -> str:
    """Why `address`:`port` cannot be listened on; empty when it can."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = f"{protocol.upper()} port {port} of {address}"
    if 0 < port < int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()):
        return f"{where} is for root alone, and the office runs as {USER}: choose a port from 1024 on"
    try:
        with socket.socket(family, kind) as sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
    except OSError as error:
        return f"{where} {_hint(error)}"
    return ""


def settle(addresses: Iterable[str], patience_s: float = 3.0) -> list[str]:
    """Those of `addresses` that can be bound; a new IPv6 address may take a moment to become so (RFC 4862)."""
    wanted, give_up_at = list(addresses), time.monotonic() + patience_s
    while time.monotonic() < give_up_at and not all(map(_bindable, wanted)):
        time.sleep(0.05)
    return [address for address in wanted if _bindable(address)]


def _bindable(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def _hint(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is in use by another program: stop it, or listen elsewhere ('ss -lnp' names it)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "cannot be had: this machine has no such address"
    return f"cannot be had: {error.strerror}"


def _bpffs() -> list[str]:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    if any(mount[2] == "bpf" and Path(mount[1]) == BPFFS for mount in mounts):
        return []
    return [f"no BPF file system for pins: 'mount -t bpf bpf {BPFFS}', or start without --pin"]


class RuntimeLock:
    """One keeper for each runtime directory, held by the kernel for as long as this process lives (flock(2))."""

    def __init__(self, runtime: Path) -> None:
        self._path = runtime / "keeper.lock"
        self._descriptor = -1

    def take(self) -> None:
        """Raise CannotStart when another keeper holds it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 20, 0).decode() or "another one"
            runtime = self._path.parent
            raise CannotStart(
                f"already running for {runtime} (process {holder}): stop it, or choose --runtime"
            ) from None
        except OSError as error:
            raise CannotStart(f"cannot write to {error.filename}: {error.strerror}; choose another --runtime") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let the next one start. The file stays: removing it would let two keepers hold two locks."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1
