"""Image's provisioners in a small Debian, in a chroot and not in a machine: what of them needs no kernel of its own.

`python -m tests.image.chroot` says which provisioners are left out, and why. The tree is made by mmdebstrap once, below
.build, and only read: each run has a layer over it in memory and mounts that are its own process's, which end with it
however it ends.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from image.base import CODE, EPOCH
from image.packages import LEFT_OUT as UNPACKED_WITHOUT
from image.variables import Variables

RUN: Final = ("20-users.sh", "40-system.sh", "50-harden.sh")
LEFT_OUT: Final = {
    "10-packages.sh": "asks whether every package of the image is there: a tree of all is the base disk",
    "30-product.sh": "wants the environment of wheels that the base disk carries",
    "60-gate.sh": "compiles and loads the gate in the image's own kernel",
    "80-contents.sh": "writes what 10 and 30 brought into the bill of materials",
    "85-built.sh": "lists all files of a whole system, with aide",
    "90-seal.sh": "empties the disk that the machine runs from",
}
# Of the image's own packages, those that the scripts call; python3 reads the table of owners.
PACKAGES: Final = ("systemd-sysv", "systemd-timesyncd", "openssh-server", "nftables", "apparmor", "python3")
NEEDED: Final = ("passwd",)  # of Debian's standard priority, which the image has anyway
SCRIPTS: Final = CODE / "image" / "provision"
BARE: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
UNITS: Final = re.compile(r"(?m)^systemctl --quiet (enable|mask) ((?:.*\\\n)*.*)$")


def tree(work: Path = CODE / ".build") -> Path:
    """The small Debian; the one of an earlier run where nothing of it changed. Raises subprocess.CalledProcessError."""
    suite = Variables().suite
    named = hashlib.sha256("\0".join((suite, *PACKAGES, *NEEDED, *UNPACKED_WITHOUT)).encode()).hexdigest()[:12]
    made = work / f"tree-{named}"
    if made.exists():
        return made
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="tree-") as place:
        options = [f"--dpkgopt={each}" for each in ("force-unsafe-io", *UNPACKED_WITHOUT)]
        command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=essential"]
        command += ["--components=main", "--format=directory", f"--include={','.join((*PACKAGES, *NEEDED))}", *options]
        about = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
        subprocess.run([*command, suite, f"{place}/root"], env=about, check=True, capture_output=True)
        Path(place, "root").rename(made)
    return made


def provisioned(lower: Path, product: Path, spoilt: str = "") -> dict[str, Any]:
    """What the scripts leave behind over the tree; `spoilt` names a file of the image that gets a wrong line."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", sys.executable, "-m", __name__]
    with tempfile.TemporaryDirectory(prefix="provision-") as place:  # stays empty outside
        command += [str(lower), str(product), place, spoilt]
        done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise AssertionError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def units(verb: str) -> list[str]:
    """What 40-system.sh enables or masks."""
    found = UNITS.findall((SCRIPTS / "40-system.sh").read_text())
    names = [name for said, rest in found if said == verb for name in rest.replace("\\\n", " ").split()]
    return [name if "." in name else f"{name}.service" for name in names]


def _mounted(lower: Path, place: Path) -> Path:
    """The tree with a layer over it. All of it is seen by this process and its children alone."""
    mount = "mount"
    subprocess.run([mount, "-t", "tmpfs", "provision", place], check=True)
    for name in ("over", "work", "root"):
        Path(place, name).mkdir()
    options = f"lowerdir={lower},upperdir={place}/over,workdir={place}/work"
    root = place / "root"
    subprocess.run([mount, "-t", "overlay", "provision", "-o", options, root], check=True)
    subprocess.run([mount, "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run([mount, "-t", "sysfs", "-o", "ro", "sysfs", root / "sys"], check=True)
    (root / "dev/null").touch()
    subprocess.run([mount, "--bind", "/dev/null", root / "dev/null"], check=True)
    return root


def _prepared(root: Path, product: Path, spoilt: str) -> None:
    """What Packer brings, what the base disk has, and the product where 30-product.sh puts it."""
    shutil.copytree(CODE / "image/files", root / "tmp/files", symlinks=True)
    shutil.copytree(SCRIPTS, root / "tmp/provision")
    if spoilt:
        with (root / "tmp/files" / spoilt).open("a") as file:
            file.write("\nthis is none of its lines\n")
    (root / "tmp/updates.pem").write_text("")
    (root / "run/sshd").mkdir(parents=True)  # of a machine that runs
    (root / "boot/grub").mkdir(parents=True)
    (root / "boot/grub/slot.cfg").write_text("")
    (root / "opt/appliance").mkdir(parents=True)
    place = str(root / "opt/appliance")
    unpack = ["tar", "--extract", "--file", str(product), "--directory", place, "--no-same-owner"]
    subprocess.run([*unpack, "--no-same-permissions"], check=True)
    subprocess.run(["chmod", "-R", "go-w,a+rX", place], check=True)


def _said(root: Path, *command: str) -> tuple[int, str]:
    inside = ["chroot", str(root), *command]
    done = subprocess.run(inside, env=BARE, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, (done.stdout + done.stderr).strip()


def _set_id(root: Path) -> list[str]:
    found = _said(root, "find", "/", "-xdev", "-type", "f", "-perm", "/6000")[1].splitlines()
    return [each for each in found if each]


def _owners(root: Path) -> tuple[int, str]:
    return _said(root, "env", "PYTHONPATH=/opt/appliance", "python3", "-B", "-P", "-m", "appliance.ownership")


def _told(root: Path, product: Path, spoilt: str) -> dict[str, Any]:
    _prepared(root, product, spoilt)
    told: dict[str, Any] = {"set_id_before": _set_id(root), "scripts": {}}
    for name in RUN:
        told["scripts"][name] = _said(root, "bash", f"/tmp/provision/{name}")
        if told["scripts"][name][0]:
            return told
    files = [path for path in (CODE / "image/files").rglob("*") if path.is_file()]
    places = {path: root / path.relative_to(CODE / "image/files") for path in files}
    told |= {
        "set_id": _set_id(root),
        "office": _said(root, "getent", "passwd", "pysrv")[1],
        "root": _said(root, "passwd", "--status", "root")[1],
        "units": {name: _said(root, "systemctl", "is-enabled", name)[1] for name in units("enable") + units("mask")},
        "ssh": _said(root, "systemctl", "is-enabled", "ssh")[1],
        "absent": [name for name in ("sudo", "doas", "pkexec") if _said(root, "sh", "-c", f"command -v {name}")[0]],
        "modes": {str(path.relative_to(root)): _mode(path) for path in places.values()},
        "fstab": (root / "etc/fstab").read_text().splitlines(),
        "owners": _owners(root),
        "again": _said(root, "bash", f"/tmp/provision/{RUN[0]}"),
    }
    (root / "etc/nftables.conf").chmod(0o666)
    told["owners_of_a_loose_one"] = _owners(root)
    return told


def _mode(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


def main(arguments: list[str]) -> int:
    """Without a word: what is left out. With tree and archive: what the scripts leave behind, as JSON."""
    if not arguments:
        print("\n".join(f"left out of the provisioners, {name}: {why}" for name, why in LEFT_OUT.items()))
        return 0
    lower, product, place, spoilt = arguments
    root = _mounted(Path(lower), Path(place))
    print(json.dumps(_told(root, Path(product), spoilt)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
