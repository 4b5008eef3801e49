"""How the office loses root's power: a private mount namespace, another user, no capabilities, a clean environment.

The keeper starts this file by its path as a child of its own; it prepares itself and then becomes
`python -m pysrv`. It must know neither what the office does nor what the keeper serves, and it imports the standard
library alone, because until the last line it runs as root. It follows capabilities(7), mount_namespaces(7) and
prctl(2).

The office sees four directories, whatever lies above them on the machine (a clone below a closed /root works):

    /srv/code     the code tree and its virtual environment, read-only
    /srv/state    STATE/office, its own
    /srv/run      RUNTIME/office, its own: office.sock and console.sock are made there
    /srv/keeper   RUNTIME, where keeper.sock appears (a keeper that comes back is found again)
"""

import contextlib
import ctypes
import json
import os
import pwd
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, NoReturn

USER = "pysrv"
SOCKETS = ("office.sock", "console.sock")  # of operators
CODE = Path(__file__).resolve().parent.parent
VIEW = Path("/srv")  # base-files has it on every Debian; covered by a small tmpfs in the office's namespace
OFFICE_STATE, OFFICE_RUNTIME = VIEW / "state", VIEW / "run"
OFFICE_KEEPER_SOCKET = VIEW / "keeper" / "keeper.sock"
# As in config/options.py, which this file cannot import: it is started by its path. A test compares them.
OPTIONS_VARIABLE, KEEPER_VARIABLE = "APPLIANCE_OPTIONS", "APPLIANCE_KEEPER"
OPEN_FILES = 65_536
CANNOT_LAUNCH = 71  # EX_OSERR of sysexits.h

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class LaunchError(Exception):
    """The office cannot be started; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of pysrv. `keeper_pid` other than 0: the office is ended when that process dies."""

    state: str
    runtime: str
    arguments: tuple[str, ...] = ()
    keeper_pid: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """The command line that carries this launch out."""
        return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), json.dumps(asdict(self))]


def account() -> pwd.struct_passwd:
    """The office's user. Raises LaunchError when set-up has not made it."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise LaunchError(f"there is no user {USER}: run 'make setup', which makes it") from None


def prepare(state: Path, runtime: Path) -> None:
    """Make the directories of both processes, each with its owner. Raises LaunchError."""
    user = account()
    try:
        for directory in (state, runtime):
            directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        for directory, mode in ((state / "office", 0o700), (runtime / "office", 0o755)):
            directory.mkdir(exist_ok=True, mode=mode)
            _own(directory, user.pw_uid, user.pw_gid)
        for name in SOCKETS:
            _point(runtime / name, f"office/{name}")
    except OSError as error:
        raise LaunchError(f"cannot write to {error.filename}: {error.strerror}; choose another directory") from None


def tidy(runtime: Path) -> None:
    """Remove what `prepare` and the office left in the runtime directory; the lock file stays."""
    for name in SOCKETS:
        for path in (runtime / name, runtime / "office" / name):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (runtime / "office").rmdir()


OnLine = Callable[[bytes], None]


def once(state: Path, runtime: Path, request_line: bytes, on_line: OnLine) -> int:
    """Run one request as the office's user while no office runs; each reply line goes to `on_line`.

    Returns pysrv's exit status. Raises LaunchError.
    """
    return _answered("once", state, runtime, request_line, on_line)


def replay(state: Path, runtime: Path, request_line: bytes, on_line: OnLine) -> int:
    """Like `once`, for what only reads: an office may run meanwhile."""
    return _answered("replay", state, runtime, request_line, on_line)


def copies(state: Path, runtime: Path, request_line: bytes, on_line: OnLine) -> int:
    """Like `replay`: it reads the database, and writes a copy of it beside it."""
    return _answered("copies", state, runtime, request_line, on_line)


def records(state: Path, runtime: Path, request_line: bytes, on_line: OnLine) -> int:
    """A walk through the whole database, beside an office that runs; no request is needed."""
    return _answered("check", state, runtime, request_line, on_line)


def _answered(what: str, state: Path, runtime: Path, request_line: bytes, on_line: OnLine) -> int:
    prepare(state, runtime)
    seen = json.dumps({"state": str(OFFICE_STATE), "runtime": str(OFFICE_RUNTIME)})
    launch = Launch(str(state), str(runtime), (what,), os.getpid(), {OPTIONS_VARIABLE: seen})
    process = subprocess.Popen(launch.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    assert process.stdout is not None
    # In a thread, because a long request and its many replies may fill both pipes at once.
    writer = threading.Thread(target=_feed, args=(process.stdin, request_line))
    with process:
        writer.start()
        for line in process.stdout:
            on_line(line)
    writer.join()
    return process.returncode


def _feed(stdin: IO[bytes], request_line: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.write(request_line if request_line.endswith(b"\n") else request_line + b"\n")


def _own(directory: Path, uid: int, gid: int) -> None:
    """Give a directory to the office, but never through a symbolic link that someone laid there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if (found.st_uid, found.st_gid) != (uid, gid):
            os.fchown(descriptor, uid, gid)
    finally:
        os.close(descriptor)


def _point(link: Path, target: str) -> None:
    with contextlib.suppress(FileExistsError):
        link.symlink_to(target)
    if not stat.S_ISLNK(link.lstat().st_mode):
        raise LaunchError(f"{link} is in the way: remove it")


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise LaunchError(f"{name} failed: {os.strerror(number)}; the appliance needs a full root to start the office")


def _control(option: int, value: int) -> None:
    _call("prctl", option, *(ctypes.c_ulong(word) for word in (value, 0, 0, 0)))


def _mount(source: Path | str, target: Path, kind: str, flags: int, options: str = "") -> None:
    names = (str(source).encode(), str(target).encode(), kind.encode())
    _call("mount", *names, ctypes.c_ulong(flags), options.encode() or None)


def _bind(source: str | Path, name: str, flags: int) -> None:
    target = VIEW / name
    target.mkdir()
    _mount(source, target, "", MS_BIND)
    _mount("none", target, "", MS_BIND | MS_REMOUNT | flags)


def isolate(launch: Launch) -> None:
    """Enter a mount namespace that nobody shares and lay out the office's four directories in it."""
    _call("unshare", CLONE_NEWNS)
    _mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    bare = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _mount("tmpfs", VIEW, "tmpfs", bare, "mode=755,size=64k")
    _bind(CODE, "code", MS_RDONLY | MS_NOSUID | MS_NODEV)
    _bind(Path(launch.state) / "office", "state", bare)
    _bind(Path(launch.runtime) / "office", "run", bare)
    _bind(launch.runtime, "keeper", bare)
    _mount("none", VIEW, "", MS_REMOUNT | MS_BIND | MS_RDONLY | bare)


def renounce(user: pwd.struct_passwd) -> None:
    """Give up root for good: every capability set, every group, every way back through a set-uid program."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        _control(PR_CAPBSET_DROP, capability)
    _control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _control(PR_SET_NO_NEW_PRIVS, 1)


def die_with(keeper_pid: int) -> None:
    """End with the keeper. Must follow the change of user, which clears the wish (prctl(2))."""
    _control(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != keeper_pid:
        raise LaunchError("the keeper went away while the office was starting")


def environment(launch: Launch) -> dict[str, str]:
    """What the office may know of its surroundings: nothing of the caller's but the time zone, and whether the journal
    reads what it says (systemd.exec(5))."""
    fixed = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(OFFICE_STATE),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "APPLIANCE_STATE": str(OFFICE_STATE),
        "APPLIANCE_RUNTIME": str(OFFICE_RUNTIME),
        KEEPER_VARIABLE: str(OFFICE_KEEPER_SOCKET),
    }
    kept = {name: os.environ[name] for name in ("TZ", "JOURNAL_STREAM") if name in os.environ}
    return fixed | kept | dict(launch.environment)


def _limit(kind: int, wanted: int) -> None:
    hard = resource.getrlimit(kind)[1]
    try:
        resource.setrlimit(kind, (wanted, wanted))
    except (ValueError, PermissionError):  # a container may withhold the right to raise it
        resource.setrlimit(kind, (min(wanted, hard), hard))


def become(launch: Launch) -> NoReturn:
    """Turn this process into pysrv. Raises LaunchError; returns never."""
    user = account()
    os.setsid()  # an interrupt typed at the terminal is the keeper's to handle
    os.umask(0o077)
    isolate(launch)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)  # a core file would hold secrets
    os.chdir(VIEW / "code")
    renounce(user)
    if launch.keeper_pid:
        die_with(launch.keeper_pid)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    python = str(VIEW / "code" / ".venv" / "bin" / "python")
    os.execve(python, [python, "-m", "pysrv", *launch.arguments], environment(launch))  # noqa: S606


def main(arguments: list[str]) -> int:
    """Carry out the launch that `arguments` describe in JSON."""
    try:
        become(Launch(**json.loads(arguments[0])))
    except (LaunchError, OSError) as error:
        sys.stderr.write(f"launch: {error}\n")
    return CANNOT_LAUNCH


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
