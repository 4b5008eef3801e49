"""lynis on a booted machine: it comes on a disk of its own, which only this run has, and is no part of the image."""

import re
import subprocess
from pathlib import Path

from tests.image.judge import Check
from tests.image.yard import Guest

GOAL = 90
PLACE = "/run/lynis"
SKIPPED = "CRYP-7902"  # hours of certificates, emulated
LABEL = "lynis"
TIMEOUT_S = 3600.0


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


def judged(guest: Guest, figures: dict[str, float | int | str]) -> Check:
    """The hardening index against the goal; suggestions and warnings by their names."""
    guest.shell(f"mkdir -p {PLACE} && mount -o ro LABEL={LABEL} {PLACE}")
    run = f"cd {PLACE}/usr/share/lynis && {PLACE}/usr/sbin/lynis audit system --quick --no-colors --quiet"
    run += f" --profile {PLACE}/etc/lynis/default.prf --plugindir {PLACE}/etc/lynis/plugins"
    run += " --logfile /run/lynis.log --report-file /run/lynis.dat"
    guest.shell(f"{run} >/run/lynis.out 2>&1 || true", timeout=TIMEOUT_S)
    told = guest.shell("cat /run/lynis.dat")
    found = re.search(r"^hardening_index=(\d+)$", told, re.MULTILINE)
    index = int(found[1]) if found else 0
    left = " ".join(sorted(set(re.findall(r"^(?:warning|suggestion)\[\]=([A-Z0-9-]+)\|", told, re.MULTILINE))))
    figures |= {"lynis hardening index": index, "lynis suggestions": left}
    guest.shell(f"umount {PLACE}")
    return Check(f"lynis' hardening index is {GOAL} or more", index >= GOAL, f"{index}: {left}")
