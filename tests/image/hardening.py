"""lynis on a booted machine: it comes on a disk of its own, which only this run has, and is no part of the image.

Its index is the points that were given out of those that could be. Some of its tests ask for programs that this machine
must not have, or has something else for: they are answered in a table here; the index is shown with and without them.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.image.judge import Check
from tests.image.yard import Guest

GOAL = 90
PLACE = "/run/lynis"
SKIPPED = "CRYP-7902"  # hours of certificates, emulated
LABEL = "lynis"
TIMEOUT_S = 3600.0
_TEST = re.compile(r"Performing test ID (\S+)")
_POINTS = re.compile(
    r"Hardening: assigned (?:partial|maximum) number of hardening points (?:for this item )?\((\d+)(?: of (\d+))?\)"
)

_WHOLE = "packages come as one signed image and are never changed on the machine, which asks no archive"
_NO_PASSWORD = "nobody has a password: root comes in by key alone"
_READ_ONLY = "the system is read-only and signed, and nothing is started from where something can be written"
_TRAIL = "the service has its own chained trail, and the journal has the rest"
ANSWERED: Mapping[str, str] = {
    "DEB-0280": "no set-id helper: units have a /tmp of their own",
    "DEB-0810": _WHOLE,
    "DEB-0811": _WHOLE,
    "DEB-0831": _WHOLE,
    "DEB-0880": "the gate bans who guesses, at the card and with the evidence",
    "AUTH-9262": _NO_PASSWORD,
    "USB-3000": "the modules of USB storage are kept from being loaded",
    "PKGS-7370": _WHOLE,
    "PKGS-7388": _WHOLE,
    "PKGS-7420": _WHOLE,
    "ACCT-9622": _TRAIL,
    "ACCT-9628": _TRAIL,
    "FINT-4350": _READ_ONLY,
    "TOOL-5190": "the gate, and the machine's own daily audit",
    "MALW-3280": _READ_ONLY,
    "HRDN-7230": _READ_ONLY,
}


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


def judge(given: Mapping[str, tuple[int, int]], answered: Mapping[str, str] = ANSWERED) -> Check:
    """The index of what is not answered against the goal. An answer for a test that gives all its points is too old."""
    asked = {test: each for test, each in given.items() if test not in answered}
    stale = sorted(test for test in answered if test in given and given[test][0] == given[test][1])
    left = sorted(test for test, (had, most) in asked.items() if had < most)
    found = f"{index(asked)}, with what is answered otherwise {index(given)}; points are missing in {' '.join(left)}"
    found += f"; answered, and good by now: {' '.join(stale)}" if stale else ""
    return Check(f"lynis' hardening index is {GOAL} or more", index(asked) >= GOAL and not stale, found)


def judged(guest: Guest, figures: dict[str, float | int | str]) -> Check:
    """lynis is run and judged."""
    guest.shell(f"mkdir -p {PLACE} && mount -o ro LABEL={LABEL} {PLACE}")
    run = f"cd {PLACE}/usr/share/lynis && {PLACE}/usr/sbin/lynis audit system --quick --no-colors --quiet"
    run += f" --profile {PLACE}/etc/lynis/default.prf --plugindir {PLACE}/etc/lynis/plugins"
    run += " --logfile /run/lynis.log --report-file /run/lynis.dat"
    guest.shell(f"{run} >/run/lynis.out 2>&1 || true", timeout=TIMEOUT_S)
    given = points(guest.shell("cat /run/lynis.log"))
    figures |= {"lynis hardening index, all tests": index(given)}
    guest.shell(f"umount {PLACE}")
    return judge(given)
