"""What a tree of Debian has beside its packages, and how it goes: nothing of it is known by name.

Every file goes that no package brought. Accounts begin anew from base-passwd's own list, and dpkg is told that no
package was ever configured: the packages' scripts then make what they make in a new tree, in the same order. What stays
is what dpkg knows itself by, and what mmdebstrap lays down while it works.
"""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

ACCOUNTS: Final = ("passwd", "group")  # of them base-passwd has the first copy
_SHADOWS: Final = ("shadow", "gshadow")
_MERGED: Final = re.compile(r"^(?:s?bin|lib(?:32|64|x32)?)(?=/)")  # below /usr, by whichever path a package names it
_NOT_LOOKED_AT: Final = frozenset({"dev", "proc", "run", "sys", "tmp"})
# By fnmatch, where * is any number of directories.
KEPT: Final = (
    *("var/lib/dpkg/*", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"),
    *("etc/apt/*", "var/lib/apt/*", "var/cache/apt/*", "usr/sbin/policy-rc.d", "etc/resolv.conf", "etc/hostname"),
    *("etc/fstab", "etc/initramfs-tools/conf.d/appliance", "var/lib/python/*"),
)
# Of dpkg's own: who chose which alternative, and whose modes were changed.
_CHOSEN: Final = ("var/lib/dpkg/alternatives", "var/lib/dpkg/statoverride")
# Before mmdebstrap comes: archives, their keys and settings, and what it lays down only where there is none.
_BEFORE: Final = (
    *("etc/apt", "etc/dpkg/dpkg.cfg.d", "etc/fstab", "etc/hostname", "etc/resolv.conf", "var/lib/apt", "var/cache/apt"),
    *("boot/grub", "usr/sbin/policy-rc.d", *sorted(_NOT_LOOKED_AT)),
)


def owned(root: Path) -> set[str]:
    """Every path that a package brought, relative to the root, where diversions have put it."""
    known = {
        _merged(line.strip("/"))
        for listed in (root / "var/lib/dpkg/info").glob("*.list")
        for line in listed.read_text().splitlines()
    }
    diverted = (root / "var/lib/dpkg/diversions").read_text().splitlines()
    return known | {_merged(path.strip("/")) for path in diverted[1::3]}


def sweep(root: Path, left_out: tuple[str, ...]) -> list[str]:
    """Remove what no package brought and what `left_out` (dpkg's path-exclude and path-include) says; returns the paths
    of the files, sorted."""
    known, gone = owned(root), []
    for place, names, others in os.walk(root, topdown=False):
        here = os.path.relpath(place, root)
        prefix = "" if here == "." else f"{here}/"
        if (prefix or "/").split("/")[0] in _NOT_LOOKED_AT:
            continue
        for name in (*others, *(each for each in names if os.path.islink(os.path.join(place, each)))):
            path, link = prefix + name, os.path.islink(os.path.join(place, name))
            if not _stays(path, known) or excluded(f"/{path}", left_out, link):
                os.unlink(os.path.join(place, name))
                gone.append(path)
        unwanted = not _stays(here, known) or excluded(f"/{here}", left_out, True)
        if prefix and unwanted and not os.listdir(place):
            os.rmdir(place)
    for name in _CHOSEN:
        _empty(root / name)
    return sorted(gone)


def _stays(path: str, known: set[str]) -> bool:
    return path in known or any(fnmatchcase(path, each) for each in KEPT)


def excluded(path: str, left_out: tuple[str, ...], way: bool) -> bool:
    """Whether dpkg would not unpack it: the last rule that fits decides. A `way`, a directory or a symbolic link, is
    unpacked all the same when it may lead to what a rule takes in (dpkg: src/main/filters.c)."""
    last = ""
    for rule in left_out:
        kind, _, pattern = _parts(rule)
        if fnmatchcase(path, pattern):
            last = kind
    if last != "path-exclude":
        return False
    taken = (pattern.split("*")[0] for kind, _, pattern in map(_parts, left_out) if kind == "path-include")
    return not (way and any(path.startswith(each) for each in taken))


def _parts(rule: str) -> tuple[str, str, str]:
    return rule.partition("=")


def _merged(path: str) -> str:
    return f"usr/{path}" if _MERGED.match(path) else path


def _empty(place: Path) -> None:
    """Without what is in it; it stays itself, with its owner and mode."""
    if place.is_symlink() or not place.exists():
        return
    if place.is_file():
        place.write_text("")
        return
    for where, names, others in os.walk(place, topdown=False):
        for name in (*names, *others):
            path = Path(where, name)
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def before(root: Path) -> None:
    """Make room for mmdebstrap, which works in a tree that knows no archive and no network yet."""
    for name in _BEFORE:
        place = root / name
        if place.is_symlink() or place.is_file():
            place.unlink()
        else:
            _empty(place)


def accounts(root: Path) -> None:
    """Users and groups of a new tree, and nobody's password; the packages' scripts add theirs."""
    for name in ACCOUNTS:
        (root / "etc" / name).write_text((root / f"usr/share/base-passwd/{name}.master").read_text())
    for name in _SHADOWS:
        (root / "etc" / name).unlink(missing_ok=True)


def unconfigured(status: str) -> str:
    """dpkg's list of packages (/var/lib/dpkg/status) in which every package is unpacked and was never configured."""
    return "\n".join(_unconfigured(status)) + "\n"


def _unconfigured(status: str) -> Iterator[str]:
    for line in status.splitlines():
        if line.startswith("Status: "):
            yield "Status: install ok unpacked"
        elif not line.startswith(("Config-Version: ", "Triggers-Pending: ", "Triggers-Awaited: ")):
            yield line
