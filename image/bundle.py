"""The update: the sealed slot as a bundle that RAUC takes, and the key that signs it. See rauc(1), "bundle".

A machine takes what is signed by the certificate in its image, so whoever delivers more than one version keeps the key:
`update_key=` and `update_certificate=` name it (PEM). Without them a pair is made at the first build and kept below
.build/image/updates, for whoever tries it out. Only the certificate gets into the image.
"""

import tempfile
from pathlib import Path
from typing import Final

from image import layout
from image.layout import MIB
from image.progress import BuildError, Progress
from image.variables import Variables

END: Final = "raucb"
COMPATIBLE: Final = "appliance-amd64"  # files/etc/rauc/system.conf asks for it
KEY, CERTIFICATE, CONTENT = "key.pem", "certificate.pem", "root.ext4"
DAYS: Final = 7300  # a machine without a clock that goes right must take its updates
COMPRESSION: Final = "-comp zstd -Xcompression-level 12"


def signer(variables: Variables, work: Path, progress: Progress) -> tuple[Path, Path]:
    """Key and certificate: the ones that are named, else our own. Raises BuildError."""
    named = (variables.update_key, variables.update_certificate)
    if any(named):
        key, certificate = (Path(each) for each in named)
        for name, path in (("update_key", key), ("update_certificate", certificate)):
            if not path.is_file():
                raise BuildError(f"{name}={path if str(path) != '.' else ''}: there is no such file; both are needed")
        return key.resolve(), certificate.resolve()
    place = work / "updates"
    key, certificate = place / KEY, place / CERTIFICATE
    if not certificate.exists():
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)  # before the key is in it
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        command += ["-days", str(DAYS), "-subj", "/O=appliance/CN=updates", "-keyout", str(key)]
        progress.run([*command, "-out", certificate], log="signing")
        key.chmod(0o600)
    return key, certificate


def manifest(version: str) -> str:
    """What RAUC reads first. The format has the bundle's blocks checked as they are read (dm-verity)."""
    return (
        f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        f"[image.rootfs]\nfilename={CONTENT}\n"
    )


def slot_image(disk: Path, whole: layout.Disk, out: Path, progress: Progress) -> Path:
    """The file system in slot A of a sealed disk (qcow2), with its holes. Raises BuildError."""
    slot = whole[layout.slot_name("A")]
    raw = out.with_suffix(".disk")
    try:
        progress.run(["qemu-img", "convert", "-O", "raw", disk, raw], log="bundle-disk")
        cut = [f"skip={slot.start // MIB}", f"count={slot.size // MIB}", "bs=1M", "conv=sparse", "status=none"]
        progress.run(["dd", f"if={raw}", f"of={out}", *cut], log="bundle-slot")
    finally:
        raw.unlink(missing_ok=True)
    return out


def write(system: Path, version: str, signing: tuple[Path, Path], out: Path, progress: Progress) -> Path:
    """A slot's file system as a signed update; the file is moved into it. Raises BuildError."""
    key, certificate = signing
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="bundle-") as content:
        system.rename(Path(content, CONTENT))
        Path(content, "manifest.raucm").write_text(manifest(version))
        out.unlink(missing_ok=True)
        command = ["rauc", f"--cert={certificate}", f"--key={key}", f"--mksquashfs-args={COMPRESSION}"]
        progress.run([*command, "bundle", content, out], log="bundle")
    return out
