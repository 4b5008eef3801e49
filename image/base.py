"""The base disk: Debian with every package of the image and the appliance's environment; boots without a network.

Made without loop devices and mounts: mmdebstrap fills a directory, mke2fs and mtools make file systems out of it,
sfdisk the table, and GRUB's second stage is patched in (layout.py). Kept below .build/image, named by a digest of what
it is made of. The archive's state is not part of that: remove it, or give a snapshot as mirror, to have it anew. Where
Debian's cloud image is given, its system takes the place of that directory; this needs a loop device (cloudbase.py).
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from image import boot, cloudbase, debian, download, exact, layout, remains
from image.packages import LEFT_OUT, PACKAGES
from image.progress import BuildError, Progress
from image.variables import Variables

CODE: Final = debian.CODE
EPOCH: Final = debian.EPOCH
LOCK: Final = CODE / "appliance" / "requirements.txt"
# Both in the guest: what it needs until it is sealed, and the environment that the product will run in.
SEED, ENVIRONMENT = Path("usr/local/share/appliance-build"), Path("opt/appliance/.venv")
WHEELS: Final = SEED / "wheels"
COUNTRIES: Final = Path("/usr/local/share/appliance")  # where set-up puts the database of countries
_BARE: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}  # of programs in the chroot
# Wheels of every age of the C library that the suite can run; pip takes the newest that fits.
_GLIBC: Final = ("2_41", "2_39", "2_34", "2_31", "2_28", "2_27", "2_24", "2_17", "2014")
INITRAMFS: Final = CODE / "image" / "initramfs"


def provide(variables: Variables, work: Path, progress: Progress) -> Path:
    """The base disk for these variables; the one of an earlier build where nothing changed. Raises BuildError."""
    disk = cloudbase.given(variables, work, progress) if variables.base else None
    if disk and disk.own:
        return disk.path
    made = work / f"base-{digest(variables, disk)}.qcow2"
    if made.exists():
        progress.say(f"base disk of an earlier build: {made.name}")
        return made
    with tempfile.TemporaryDirectory(dir=work, prefix="base-") as place:
        _make(variables, disk, Path(place), made, progress)
    return made


def digest(variables: Variables, disk: cloudbase.Given | None = None) -> str:
    """Names a base disk: the same when suite, mirror, packages, wheels and this package's base files are the same, and
    the cloud image that it is made of, if any."""
    parts = [variables.suite, variables.mirror, str(variables.disk_mib), str(variables.root_mib), *PACKAGES, *LEFT_OUT]
    modules = (boot, debian, layout, *((cloudbase, exact, remains) if disk else ()))
    sources = (LOCK, Path(__file__), *(Path(str(each.__file__)) for each in modules), *sorted(INITRAMFS.iterdir()))
    parts += [path.read_text() for path in sources]
    if disk:
        parts.append(download.digest(disk.path))
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]


def _make(variables: Variables, disk: cloudbase.Given | None, place: Path, made: Path, progress: Progress) -> None:
    root = place / "root"
    with progress.step(f"base: Debian {variables.suite}{f' of {disk.path.name}' if disk else ''}"):
        if disk:
            cloudbase.fill(variables, disk, root, progress)
        else:
            progress.run(debian.fresh(variables, root), env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)})
    with progress.step("base: Python's packages"):
        wheels(root / WHEELS, _python(root), progress)
        _environment(root, progress)
    with progress.step("base: settings that boot"):
        _prepare(root)
        _initial(root, progress)
    with progress.step("base: file systems"):
        whole = layout.disk(variables.disk_mib, variables.root_mib)
        core = boot.second_stage(root, progress)
        _file_systems(root, place, whole, progress)
    with progress.step("base: disk"):
        raw = _disk(place, whole, core, root, progress)
        unready = made.with_suffix(".new")
        progress.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, unready], log="base-convert")
        unready.rename(made)


def _python(root: Path) -> str:
    """The suite's version of Python, `3.13` for instance."""
    found = sorted(path.name for path in (root / "usr/bin").glob("python3.[0-9]*") if path.name[8:].isdigit())
    if len(found) != 1:
        raise BuildError(f"the suite has {found or 'no Python'}: the wheels must be for one version")
    return found[0].removeprefix("python")


def wheels(into: Path, version: str, progress: Progress) -> None:
    """The pinned packages as wheels for that Python, from wherever pip is told to look on this machine."""
    into.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--python-version", version, "--implementation", "cp"]
    for abi in (f"cp{version.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for age in (*(f"manylinux_{each}_x86_64" for each in _GLIBC[:-1]), f"manylinux{_GLIBC[-1]}_x86_64", "any"):
        command += ["--platform", age]
    progress.run([*command, "--dest", into, "-r", LOCK], log="pip-download")
    found, wanted = len(list(into.glob("*.whl"))), _pins()
    if found != wanted:
        raise BuildError(f"{found} wheels for {wanted} pinned packages")


def _environment(root: Path, progress: Progress) -> None:
    """The wheels as an environment, by the suite's own Python in a chroot: emulated, this would take minutes.

    Compiled by content and not by time, so that a start writes nothing and two builds are alike.
    """
    place, python = f"/{ENVIRONMENT}", f"/{ENVIRONMENT}/bin/python"
    shutil.copy(LOCK, root / SEED)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    source = ["--no-index", "--no-cache-dir", "--no-compile", "--no-deps", "--find-links", f"/{WHEELS}"]
    for command in (
        ["/usr/bin/python3", "-m", "venv", "--system-site-packages", place],
        [python, "-m", "pip", "install", *quiet, *source, "-r", f"/{SEED / LOCK.name}"],
        [python, "-m", "pip", "uninstall", *quiet, "--yes", "pip"],
        [python, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", f"{place}/lib"],
    ):
        # pip itself imports what it has just installed (rich: attr), and would leave the time in what it compiles.
        progress.run(["chroot", root, *command], log="environment", env=_BARE | {"PYTHONDONTWRITEBYTECODE": "1"})
    shutil.rmtree(root / WHEELS)


def _pins() -> int:
    return sum("==" in line for line in LOCK.read_text().splitlines() if not line.startswith("#"))


def _prepare(root: Path) -> None:
    """What Packer's builder needs to come in, and what no package sets."""
    texts = {
        "etc/hostname": "appliance\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 appliance\n::1 localhost\n",
        "etc/fstab": "# The root is what the kernel was told (boot/grub/slot.cfg).\n",
        "etc/machine-id": "",
        "etc/apt/sources.list": "# This machine is updated as a whole, from its own images. It asks no archive.\n",
        "etc/systemd/network/80-dhcp.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\nLLMNR=no\n",
        boot.SLOT_MENU: boot.slot_menu(_kernel(root), sealed=False),
        str(SEED / "slot.cfg"): boot.slot_menu(_kernel(root), sealed=True),
        str(SEED / "packages"): "\n".join(PACKAGES) + "\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("systemd-networkd.service", "systemd-networkd-wait-online.service"):
        wants = root / "etc/systemd/system" / ("multi-user" if "wait" not in name else "network-online")
        wants = wants.with_name(wants.name + ".target.wants")
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(f"/usr/lib/systemd/system/{name}")
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/resolv.conf")
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    if COUNTRIES.is_dir():
        shutil.copytree(COUNTRIES, root / COUNTRIES.relative_to("/"), dirs_exist_ok=True)


def _kernel(root: Path) -> str:
    (image,) = (root / "boot").glob("vmlinuz-*")
    return image.name.removeprefix("vmlinuz-")


def _initial(root: Path, progress: Progress) -> None:
    """The initial file system anew, with what finds the state; here, because emulated it takes minutes."""
    place = root / "etc/initramfs-tools"
    for name, target in (("hook", "hooks/appliance"), ("state", "scripts/local-bottom/appliance")):
        (place / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(INITRAMFS / name, place / target)
        (place / target).chmod(0o755)
    dated = _BARE | {"SOURCE_DATE_EPOCH": str(EPOCH)}  # mkinitramfs(8): no file of it is newer
    progress.run(["chroot", root, "update-initramfs", "-u"], log="initramfs", env=dated)


def _file_systems(root: Path, place: Path, whole: layout.Disk, progress: Progress) -> None:
    esp, about = place / "esp.img", os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH), "MTOOLS_SKIP_CHECK": "1"}
    _blank(esp, whole["esp"].size)
    progress.run(["mkfs.vfat", "-F", "32", "--invariant", "-i", "A0D0C0FE", "-n", "ESP", esp], env=about, log="esp")
    first, menu, counters = place / "first.cfg", place / "menu.cfg", place / "grubenv"
    first.write_text(boot.first_menu())
    menu.write_text(boot.menu())
    counters.write_bytes(boot.environment())
    progress.run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT", "::/EFI/debian", "::/grub"], env=about, log="esp")
    signed, shim = root / "usr/lib/grub/x86_64-efi-signed", root / "usr/lib/shim"
    for source, target in (
        (shim / "shimx64.efi.signed", "EFI/BOOT/BOOTX64.EFI"),
        (shim / "mmx64.efi.signed", "EFI/BOOT/mmx64.efi"),
        (signed / "grubx64.efi.signed", "EFI/BOOT/grubx64.efi"),
        (first, "EFI/debian/grub.cfg"),
        (first, "EFI/BOOT/grub.cfg"),
        (menu, "grub/grub.cfg"),
        (counters, boot.ENVIRONMENT),
    ):
        os.utime(source, (EPOCH, EPOCH))
        progress.run(["mcopy", "-m", "-i", esp, source, f"::/{target}"], env=about, log="esp")
    _blank(place / "root.img", whole[layout.slot_name("A")].size)
    options = ["-q", "-t", "ext4", "-L", "root", "-U", layout.ROOT_UUID]
    options += ["-E", f"hash_seed={layout.ROOT_UUID},root_owner=0:0", "-d", str(root)]
    fake = os.environ | {"E2FSPROGS_FAKE_TIME": str(EPOCH)}
    progress.run(["mke2fs", *options, place / "root.img"], env=fake, log="ext4")


def _disk(place: Path, whole: layout.Disk, core: bytes, root: Path, progress: Progress) -> Path:
    raw = place / "disk.raw"
    _blank(raw, whole.size)
    script = place / "table"
    script.write_text(layout.sfdisk_script(whole))
    with script.open() as given:
        progress.run(["sfdisk", "-q", raw], stdin=given)
    for name, target in (("esp", "esp"), ("root", layout.slot_name("A"))):
        seek = f"seek={whole[target].start // layout.MIB}"
        copy = ["dd", f"if={place / f'{name}.img'}", f"of={raw}", "bs=1M", seek, "conv=notrunc,sparse", "status=none"]
        progress.run(copy)
    loader = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    with raw.open("r+b") as disk:
        first = layout.first_stage(loader, disk.read(layout.SECTOR), whole["bios"].start)
        disk.seek(0)
        disk.write(first)
        disk.seek(whole["bios"].start)
        disk.write(layout.second_stage(core, whole["bios"]))
    return raw


def _blank(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
