"""lynis on a booted machine: it comes on a disk of its own, which only this run has, and is no part of the image.

Its index is the points that were given out of those that could be. Some of its tests ask for programs that this machine
must not have, or has something else for: the image's own profile of lynis answers them (image/files/usr/local/share/
appliance/lynis.prf). The goal is for lynis as it finds the machine. When everything is asked, the profile is hidden
from it, and the index is shown with and without what is answered.
"""

import re
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from image.base import CODE
from tests.image.judge import Check
from tests.image.yard import Guest

GOAL = 90
GOAL_IS = f"lynis' hardening index is {GOAL} or more"
PLACE, PROFILE = "/run/lynis", "/usr/local/share/appliance/lynis.prf"
SKIPPED = "CRYP-7902"  # hours of certificates, emulated
LABEL = "lynis"
TIMEOUT_S = 3600.0
_TEST = re.compile(r"Performing test ID (\S+)")
_POINTS = re.compile(
    r"Hardening: assigned (?:partial|maximum) number of hardening points (?:for this item )?\((\d+)(?: of (\d+))?\)"
)

ANSWERS = CODE / "image/files" / PROFILE.lstrip("/")


def answered() -> frozenset[str]:
    """The tests that the image's own profile answers."""
    lines = (line.strip() for line in ANSWERS.read_text().splitlines())
    return frozenset(line.removeprefix("skip-test=") for line in lines if line and not line.startswith("#"))


def fetch(kept: Path) -> None:
    """Debian's package into `kept`, as packages are fetched: before the run has a network of its own."""
    kept.mkdir(parents=True, exist_ok=True)
    if not any(kept.glob("lynis_*.deb")):
        subprocess.run(["apt-get", "download", "-qq", "lynis"], cwd=kept, check=True)


def disk(kept: Path, place: Path) -> list[str]:
    """qemu's words for a disk with what `fetch` has brought."""
    unpacked, image = place / "lynis", place / "lynis.img"
    unpacked.mkdir()
    package = max(kept.glob("lynis_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    with (unpacked / "etc/lynis/default.prf").open("a") as profile:
        profile.write(f"\nskip-test={SKIPPED}\n")
    make = ["mke2fs", "-q", "-t", "ext4", "-L", LABEL, "-d", str(unpacked), str(image), "32M"]
    subprocess.run(make, check=True, capture_output=True)
    return ["-drive", f"file={image},if=virtio,format=raw"]


def points(log: str) -> dict[str, tuple[int, int]]:
    """For each test of lynis' log the points that it gave, and how many it could have given."""
    found: dict[str, tuple[int, int]] = {}
    test = ""
    for line in log.splitlines():
        if named := _TEST.search(line):
            test = named[1]
        elif given := _POINTS.search(line):
            had, most = found.get(test, (0, 0))
            found[test] = had + int(given[1]), most + int(given[2] or given[1])
    return found


def index(given: Mapping[str, tuple[int, int]]) -> int:
    """Of 100, as lynis counts it; 0 for no tests."""
    most = sum(each[1] for each in given.values())
    return 100 * sum(each[0] for each in given.values()) // most if most else 0


def judge(given: Mapping[str, tuple[int, int]], answers: Collection[str]) -> Check:
    """The index of what is not answered against the goal. An answer for a test that gives all its points is too old."""
    asked = {test: each for test, each in given.items() if test not in answers}
    stale = sorted(test for test in answers if test in given and given[test][0] == given[test][1])
    left = sorted(test for test, (had, most) in asked.items() if had < most)
    found = f"{index(asked)}, with what is answered otherwise {index(given)}; points are missing in {' '.join(left)}"
    found += f"; answered, and good by now: {' '.join(stale)}" if stale else ""
    return Check(GOAL_IS, index(asked) >= GOAL and not stale, found)


def judged(guest: Guest, figures: dict[str, float | int | str], *, everything: bool) -> Check:
    """lynis is run and judged; `everything`: as if the machine answered nothing."""
    guest.shell(f"mkdir -p {PLACE} && mount -o ro LABEL={LABEL} {PLACE}")
    if everything:
        guest.shell(f"touch /run/nothing.prf && mount --bind /run/nothing.prf {PROFILE}")
    run = f"cd {PLACE}/usr/share/lynis && {PLACE}/usr/sbin/lynis audit system --quick --no-colors --quiet"
    run += f" --profile {PLACE}/etc/lynis/default.prf --plugindir {PLACE}/etc/lynis/plugins"
    run += " --logfile /run/lynis.log --report-file /run/lynis.dat"
    guest.shell(f"{run} >/run/lynis.out 2>&1 || true", timeout=TIMEOUT_S)
    said = int(guest.shell("sed -n s/^hardening_index=//p /run/lynis.dat"))
    given = points(guest.shell("cat /run/lynis.log"))
    guest.shell(f"umount {PLACE}" + (f" {PROFILE}" if everything else ""))
    figures |= {f"lynis' hardening index{', all tests' if everything else ''}": said}
    if everything:
        return judge(given, answered())
    left = sorted(test for test, (had, most) in given.items() if had < most)
    return Check(GOAL_IS, said >= GOAL, f"{said}; points are missing in {' '.join(left)}")
