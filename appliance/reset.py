"""A factory reset: the appliance's state goes, and the next start is a first one.

A marker in the state directory is written first, whole and to the disk; from then on the reset is finished, by this run
or by the keeper's next start: everything is renamed aside, the marker is taken away, and only then is anything deleted.
So an interrupted one has done nothing yet, or is done. Single runs of the office wait while the marker is there.

On the image more than the state is the machine's own: `MACHINE` lists it, relative to /. Those files are made anew by
whoever made them at the first boot (image/README.md). And the state directory is a file system of its own there, in
which more lies than the appliance's: `KEPT` is never touched.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

MARKER: Final = "reset.json"
ASIDE: Final = "reset.aside"
BACKUP, REPOSITORY = "backup", "repository"  # appliance.backup.place
IMAGE: Final = "etc/appliance/version"
MACHINE_ID: Final = "etc/machine-id"
KEPT: Final = ("system", "updates", "lost+found")
"""The layers of /etc and /var, which are mounted (image/initramfs/state); what RAUC knows of the slots; ext4's own."""
MACHINE: Final = (
    ("etc/ssh", "ssh_host_*", "SSH host keys"),
    ("etc/ssh/authorized_keys", "*", "keys that SSH takes"),
    ("etc/systemd/system", "sshd.service", "SSH open"),
    ("etc/systemd/system/multi-user.target.wants", "ssh.service", "SSH open"),
    ("root/.ssh", "*", "root's own SSH keys"),
    ("var/log/journal", "*", "journal"),
    ("var/log", "[wbl]tmp", "who was logged in"),
    ("var/lib/cloud", "*", "what a hypervisor has said"),
    ("var/log", "cloud-init*.log", "what a hypervisor has said"),
)
NETWORK: Final = (
    ("etc/systemd/network", "05-wizard.network", "address"),
    ("etc/systemd/network", "10-cloud-init-*", "address, of a hypervisor that may not be there any more"),
)
HOST_NAME, FIRST_NAME = "etc/hostname", "appliance"
STATE_WORDS: Final = {
    "office": "database, certificate, keys and secrets, recordings",
    "tunnel": "keys of the administrators' tunnel, and who may come through it",
    "door": "whom SSH answers",
    BACKUP: "password, place and schedule of the backups",
    "follow": "the source of updates that is followed",
    "settings.toml": "settings file",
}


class ResetError(Exception):
    """A reset that was not begun, or could not be finished: one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reset takes along. `network`: address and name of the machine too; `keep_backups`: a repository within
    the state stays."""

    network: bool = False
    keep_backups: bool = False


def under_way(state: Path) -> bool:
    """Whether a reset was begun that is not finished."""
    return os.path.lexists(state / MARKER)


def goes(state: Path, root: Path, wanted: Wanted) -> list[tuple[str, str]]:
    """Path and words of everything that a reset removes."""
    found = [(str(path), STATE_WORDS.get(path.name, "")) for path in _entries(state) if not _spared(path, wanted)]
    if _within(state) and not wanted.keep_backups:
        found.append((str(state / BACKUP / REPOSITORY), "the backups in it"))
    if is_image(root):
        found += [(str(path), words) for path, words in _machine(root, wanted)]
        found.append((str(root / MACHINE_ID), "machine id"))
        found += [(str(root / HOST_NAME), "name of the machine")] if wanted.network else []
    return found


def stays(state: Path, root: Path, wanted: Wanted) -> list[str]:
    """What a reset leaves, in words."""
    kept = [f"the backups in {state / BACKUP / REPOSITORY}"] if wanted.keep_backups and _within(state) else []
    kept.append("backups elsewhere: their place and password are forgotten here, so keep both")
    if is_image(root):
        kept += [] if wanted.network else ["address and name of the machine"]
        kept.append("both systems of the image, /etc/appliance/start, and the encryption of the state")
    return kept


def is_image(root: Path) -> bool:
    """Whether this machine is the appliance's own image."""
    return (root / IMAGE).exists()


def begun(state: Path) -> Wanted | None:
    """What a reset that is not finished takes along; None: there is none. A marker that cannot be read wants what a
    reset does of itself."""
    if not under_way(state):
        return None
    try:
        found = json.loads((state / MARKER).read_text())
        return Wanted(bool(found["network"]), bool(found["keep_backups"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Wanted()


def begin(state: Path, wanted: Wanted) -> None:
    """From here on it is finished. Raises ResetError."""
    try:
        unready = state / f".{MARKER}.new"
        unready.unlink(missing_ok=True)
        with os.fdopen(os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            json.dump(asdict(wanted), file)
            file.flush()
            os.fsync(file.fileno())
        unready.rename(state / MARKER)
        _sync(state)
    except OSError as error:
        raise ResetError(f"{error.filename}: {error.strerror}; nothing was removed") from None


def finish(state: Path) -> bool:
    """Carry out what was begun, and delete what lies aside. False: nothing was begun. Raises ResetError."""
    aside = state / ASIDE
    try:
        wanted = begun(state)
        if wanted is not None:
            aside.mkdir(mode=0o700, exist_ok=True)
            for path in _entries(state):
                if not _spared(path, wanted):
                    _move(path, aside)
            if _within(state):
                for path in sorted((state / BACKUP).iterdir()):
                    if path.name != REPOSITORY:
                        _move(path, aside)
            _sync(state)
            (state / MARKER).unlink()
            _sync(state)
        if os.path.lexists(aside):
            shutil.rmtree(aside)
    except OSError as error:
        raise ResetError(f"{error.filename}: {error.strerror}; the next start goes on with it") from None
    return wanted is not None


def forget_machine(root: Path, wanted: Wanted) -> None:
    """What the image's machine is known by and by whom: made anew at its next start. Raises ResetError."""
    try:
        for path, _ in _machine(root, wanted):
            _delete(path)
        (root / MACHINE_ID).write_text("")  # as the image has it: systemd makes one, machine-id(5)
        if wanted.network:
            (root / HOST_NAME).write_text(f"{FIRST_NAME}\n")
    except OSError as error:
        raise ResetError(f"{error.filename}: {error.strerror}; repeat it") from None


def _entries(state: Path) -> Iterator[Path]:
    """What stands in the state directory, but for the reset's own and what is the machine's."""
    if state.is_dir():
        yield from (path for path in sorted(state.iterdir()) if path.name not in (MARKER, ASIDE, *KEPT))


def _within(state: Path) -> bool:
    return (state / BACKUP / REPOSITORY).is_dir() and not (state / BACKUP).is_symlink()


def _spared(path: Path, wanted: Wanted) -> bool:
    return wanted.keep_backups and path.name == BACKUP and _within(path.parent)


def _machine(root: Path, wanted: Wanted) -> Iterator[tuple[Path, str]]:
    for place, pattern, words in (*MACHINE, *(NETWORK if wanted.network else ())):
        yield from ((path, words) for path in sorted((root / place).glob(pattern)))


def _move(path: Path, aside: Path) -> None:
    """Aside under a name that is free. What the file system cannot rename goes now: an overlay's own layer, and what
    lies on a disk that is mounted there."""
    number = 0
    while os.path.lexists(where := aside / (f"{path.name}.{number}" if number else path.name)):
        number += 1
    try:
        path.rename(where)
    except OSError as error:
        if error.errno == errno.EXDEV:
            shutil.rmtree(path)
        elif error.errno == errno.EBUSY:
            for each in path.iterdir():
                _delete(each)
        else:
            raise


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync(directory: Path) -> None:
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)
