"""The files of a test machine: a Debian release with its kernel and bcc, and over it this program and its tests.

Both are cpio archives (Linux: Documentation/driver-api/early-userspace/buffer-format.rst) that the kernel unpacks into
memory one after the other, so no file system image, loop device or mount is needed. The release is fetched with apt by
mmdebstrap, which checks signatures, and kept in .build/machines; the program's archive is made for every run.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from importlib.metadata import files
from pathlib import Path

CODE = Path(__file__).resolve().parents[2]
CACHE = CODE / ".build" / "machines"
RELEASES = ("bookworm", "trixie")
PACKAGES = (
    "python3,python3-bpfcc,python3-hypothesis,python3-nftables,linux-libc-dev,linux-image-cloud-amd64,"
    "iproute2,ethtool,procps,kmod,nftables,sipvicious,baresip-core,sip-tester,sipsak"
)
_KEPT = hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]  # what was fetched for another list does not serve
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Pure Python, so they serve under every version of it; from this program's own environment, as its tests are pinned.
PYTHON = ("pytest", "pytest-asyncio", "pytest-timeout", "pluggy", "iniconfig", "packaging", "pygments",
          "typing-extensions", "scapy", "pyroute2")  # fmt: skip
TREE = ("appliance", "bpf", "pysrv", "tests", "pyproject.toml")
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 NO_COLOR=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /run/netns
mount -t tmpfs tmp /tmp; mount -t tmpfs run /run; mount -t bpf bpf /sys/fs/bpf
hostname guest; echo "127.0.0.1 localhost guest" >/etc/hosts  # sipsak wants to know its own address
ip link set lo up; modprobe -a veth nf_tables 8021q
cd /code && PYTHONPATH=/code:/packages python3 -u -m tests.qemu.guest </dev/null >/dev/ttyS0 2>&1
echo o >/proc/sysrq-trigger; sleep 60
"""


def missing() -> list[str]:
    """The programs that are needed here and not installed."""
    return [name for name in ("mmdebstrap", "cpio") if shutil.which(name) is None]


def provide(release: str, tests: tuple[str, ...]) -> tuple[Path, Path]:
    """(kernel, archive of all files) of a machine that runs `tests`; the caller removes the archive."""
    kernel, base = CACHE / f"{release}-{_KEPT}.vmlinuz", CACHE / f"{release}-{_KEPT}.cpio"
    if not (kernel.exists() and base.exists()):
        _fetch(release, kernel, base)
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        tree = Path(place) / "tree"
        _program(tree, tests)
        archive = Path(tempfile.mkstemp(dir=CACHE, prefix=f"{release}-", suffix=".initrd")[1])
        shutil.copyfile(base, archive)
        with archive.open("ab") as out:
            _pack(tree, out.fileno())
    return kernel, archive


def _fetch(release: str, kernel: Path, base: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        tree = Path(place) / "root"
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        # Its mounts are its own: who removes the directory of a run that was stopped must not meet this machine's.
        command = [
            "unshare",
            "--mount",
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--components=main",
            "--format=directory",
        ]
        command += [*options, f"--include={PACKAGES}", "--skip=cleanup/tmp", release, str(tree)]
        subprocess.run(command, check=True)
        (image,) = tree.glob("boot/vmlinuz-*")
        shutil.copyfile(image, kernel)
        for rubbish in ("boot", "var/cache/apt", "var/lib/apt/lists", "usr/share/perl", "usr/lib/udev"):
            shutil.rmtree(tree / rubbish, ignore_errors=True)
        unpacked = base.with_suffix(".new")
        with unpacked.open("wb") as out:
            _pack(tree, out.fileno())
        for old in (*CACHE.glob(f"{release}*.vmlinuz"), *CACHE.glob(f"{release}*.cpio")):
            if old != kernel:
                old.unlink()
        unpacked.rename(base)


def _program(tree: Path, tests: tuple[str, ...]) -> None:
    """This program, its tests and their libraries, and the first process of the machine."""
    code, packages = tree / "code", tree / "packages"
    code.mkdir(parents=True)
    packages.mkdir()
    for name in TREE:
        source = CODE / name
        if source.is_dir():
            shutil.copytree(source, code / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, code / name)
    (code / "tests" / "qemu" / "wanted.json").write_text(json.dumps(tests))
    for name in PYTHON:
        for file in files(name) or ():
            if file.parts[0] != ".." and file.suffix != ".pyc":
                target = packages / Path(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)
    init = tree / "init"
    init.write_text(INIT)
    init.chmod(0o755)


def _pack(tree: Path, out: int) -> None:
    names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, capture_output=True).stdout
    pack = ["cpio", "--null", "--quiet", "--create", "--format=newc", "--owner=0:0", "--reproducible"]
    subprocess.run(pack, cwd=tree, input=names, stdout=out, check=True)
