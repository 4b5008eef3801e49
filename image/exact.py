"""`python -m image.exact SUITE ROOT`, a hook of mmdebstrap: the tree has exactly the packages of a new one afterwards.

mmdebstrap has mounted what programs need, keeps services from starting, and gave apt the archive, its keys and its
settings. apt runs outside and dpkg inside, as mmdebstrap has it. What a new tree would have is not worked out here:
apt is asked what it would install where nothing is installed. The rest is purged in the same transaction, so that a
package that is replaced by another one goes with it. Then everything begins anew that no package brought (remains.py).
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from image import remains
from image.packages import LEFT_OUT, PACKAGES

_INSTALL: Final = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.M)
_FIELD: Final = re.compile(r"^(Package|Status|Version|Architecture): (.*)$", re.M)
_INSIDE: Final = (
    *("Dir::Bin::dpkg=env", "DPkg::Options::=--unset=TMPDIR", "DPkg::Options::=--unset=APT_CONFIG"),
    *("DPkg::Options::=dpkg", "DPkg::Options::=--force-confnew", "DPkg::Options::=--force-confmiss"),
)
_ALLOWED: Final = ("--purge", "--allow-downgrades", "--allow-remove-essential", "--allow-change-held-packages")
STATUS: Final = "var/lib/dpkg/status"


class Inexact(Exception):
    """The tree cannot be brought to the packages; the message says which is in the way."""


def main(arguments: list[str]) -> int:
    """Bring the tree to the packages; returns the exit status."""
    suite, root = arguments[0], Path(arguments[1])
    try:
        os.environ["APT_CONFIG"] = apt_config(os.environ)
        wanted = _wanted(suite)
        _transaction(root, wanted)
        _mend(root)
        gone = remains.sweep(root, LEFT_OUT)
        remains.accounts(root)
        status = root / STATUS
        status.write_text(remains.unconfigured(status.read_text()))
        _run(["dpkg", "--configure", "-a"], root)
        _marks(wanted)
        judge(wanted, installed(status.read_text()), _changed(root))
    except (Inexact, subprocess.CalledProcessError) as error:
        print(f"exact: {error}")
        return 1
    print(f"exact: {len(wanted)} packages, {len(gone)} files that none of them brought are gone")
    return 0


def apt_config(about: Mapping[str, str]) -> str:
    """apt's settings for the tree. Raises Inexact without them: apt would change this machine."""
    if not (found := about.get("MMDEBSTRAP_APT_CONFIG", "")):
        raise Inexact("mmdebstrap did not say with which settings apt works in the tree")
    return found


def _wanted(suite: str) -> dict[str, str]:
    """Packages with their versions, of a new tree: what mmdebstrap takes for minbase, PACKAGES, and what they need."""
    of = f"?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture(amd64),"
    command = ["apt-get", "--simulate", "--option", "Dir::State::Status=/dev/null", "install"]
    return planned(_run([*command, f"{of}?essential)", f"{of}?priority(required))", *PACKAGES]))


def planned(said: str) -> dict[str, str]:
    """Packages with their versions out of what apt says that it would do. Raises Inexact when it is nothing."""
    found = dict(_INSTALL.findall(said))
    if not found:
        raise Inexact("apt says of no package that it would install it")
    return found


def installed(status: str) -> dict[str, str]:
    """Packages with their versions out of dpkg's list; those that are not whole have their state behind it."""
    found = {}
    for rows in status.split("\n\n"):
        row = dict(_FIELD.findall(rows))
        if row:
            foreign = "" if row["Architecture"] in ("amd64", "all") else f":{row['Architecture']}"
            state = row["Status"].split()[-1]
            found[row["Package"] + foreign] = row.get("Version", "") + ("" if state == "installed" else f" {state}")
    return found


def _transaction(root: Path, wanted: dict[str, str]) -> None:
    surplus = installed((root / STATUS).read_text()).keys() - wanted.keys()
    words = [*(f"{name}={version}" for name, version in wanted.items()), *(f"{name}-" for name in sorted(surplus))]
    _apt(root, *_ALLOWED, "install", *words)
    left = installed((root / STATUS).read_text())
    if halves := sorted(name for name, version in left.items() if version.endswith(" config-files")):
        _run(["dpkg", "--purge", *halves], root)


def _mend(root: Path) -> None:
    """Bring back packages' files that somebody changed or removed."""
    if not (changed := _changed(root)):
        return
    for path in changed:  # dpkg brings back a missing conffile, and leaves one alone that somebody changed
        place = root / path.lstrip("/")
        if path.startswith("/etc/") and (place.is_symlink() or place.is_file()):
            place.unlink()
    said = _run(["dpkg-query", "--search", *changed], root)
    names = {name.strip() for line in said.splitlines() if ": /" in line for name in line.split(": /")[0].split(",")}
    _apt(root, "--reinstall", "install", *sorted(name for name in names if not name.startswith("diversion ")))


def _changed(root: Path) -> list[str]:
    """Paths of packages' files that are not as they were packed, of those that a new tree has."""
    command = ["chroot", str(root), "dpkg", "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, env=_bare(), check=False)  # noqa: S603 - as below
    if done.returncode not in (0, 1):
        raise Inexact(f"dpkg --verify ended with {done.returncode}: {done.stderr.strip()}")
    paths = [line[line.index("/") :] for line in done.stdout.splitlines() if "/" in line]
    known = ("/var/lib/apt", "/etc/apt/apt.conf.d/00mmdebstrap")
    return [path for path in paths if not remains.excluded(path, LEFT_OUT, False) and not path.startswith(known)]


def judge(wanted: dict[str, str], found: dict[str, str], changed: list[str]) -> None:
    """Raises Inexact unless the tree has the packages, in these versions, whole, and no others."""
    if wrong := sorted(set(wanted.items()) ^ set(found.items())):
        raise Inexact(f"these packages differ from those of a new tree: {' '.join(f'{n}={v}' for n, v in wrong[:5])}")
    if changed:
        raise Inexact(f"these files are not as their packages have them: {' '.join(changed[:5])}")


def _marks(wanted: dict[str, str]) -> None:
    """Who asked for a package: this list, or one that needs it."""
    apt = ["apt-mark", "--quiet"]
    _run([*apt, "auto", *wanted])
    _run([*apt, "manual", *PACKAGES])


def _apt(root: Path, *words: str) -> None:
    options = [f"--option={each}" for each in (*_INSIDE, f"DPkg::Chroot-Directory={root}")]
    _run(["apt-get", "--yes", *options, *words])


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("APT_CONFIG", "TMPDIR")}


def _run(command: list[str], root: Path | None = None) -> str:
    """What a program says, in the tree if one is named; it is said here as well."""
    words = ["chroot", str(root), *command] if root else command
    done = subprocess.run(  # noqa: S603 - the words are this package's own
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_bare() if root else None,
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        last = " / ".join([line for line in done.stdout.splitlines() if line][-3:])
        raise Inexact(f"{' '.join(command[:2])} ended with {done.returncode}: {last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
