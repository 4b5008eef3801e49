"""The build: Packer boots the base disk in a network namespace without a way out, and the provisioners do the rest.

The key that Packer comes in with is made for this build; the machine gets it from its firmware tables as a systemd
credential (systemd.system-credentials(7)), so neither the base disk nor the image has a user for builds.
"""

import base64
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from image.base import CODE, EPOCH
from image.progress import BuildError, Progress
from image.variables import Variables

TEMPLATE: Final = CODE / "packer.json"
PRODUCT: Final = ("appliance", "bpf", "pysrv", "docs", "pyproject.toml", "LICENSE", "CHANGELOG.md")
LEFT_OUT: Final = frozenset({"__pycache__", "pictures", "requirements-dev.txt", "setup.sh"})
NAME: Final = "appliance"
STEP: Final = "STEP"  # provisioners say so what they did


def own_network(command: Sequence[str | Path]) -> list[str]:
    """The command in a network namespace that has a loopback interface and nothing else."""
    return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *map(str, command)]


def product(into: Path) -> Path:
    """The program as one archive: no tests, no caches, and nobody's user or time."""
    archive = into / "product.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in PRODUCT:
            tar.add(CODE / name, arcname=name, filter=_plain)
    return archive


def _plain(row: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if Path(row.name).name in LEFT_OUT or row.name.endswith(".pyc"):
        return None
    row.uid = row.gid = 0
    row.uname = row.gname = "root"
    row.mtime = EPOCH
    row.mode = 0o755 if row.isdir() or row.mode & 0o100 else 0o644
    return row


def key(into: Path) -> tuple[Path, str]:
    """A key for this build: its file, and the credential that lets it in. Ed25519, because Packer's SSH signs RSA as
    servers no longer take it."""
    path = into / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "build", "-f", str(path)]
    subprocess.run(command, check=True)  # noqa: S603
    return path, base64.b64encode(path.with_suffix(".pub").read_bytes()).decode()


def values(variables: Variables, **places: str | Path) -> dict[str, str]:
    """packer.json's variables."""
    return {
        "version": variables.version,
        "name": NAME,
        "disk_size": f"{variables.disk_mib}M",
        "accelerator": variables.accelerator,
        "memory": str(variables.memory_mib),
        "cpus": str(variables.cpus),
        **{name: str(place) for name, place in places.items()},
    }


def packer(verb: str, chosen: dict[str, str], *options: str) -> list[str]:
    """Packer's command line, from the root of the tree."""
    words = [f"-var={name}={value}" for name, value in chosen.items()]
    return ["packer", verb, *options, *words, str(TEMPLATE)]


def surroundings(cache: Path) -> dict[str, str]:
    """Packer's environment: it asks nobody whether it is new, and keeps its files below .build."""
    return dict(os.environ) | {"CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": str(cache)}


def run(
    variables: Variables, disk: Path, certificate: Path, work: Path, progress: Progress
) -> tuple[Path, dict[str, object]]:
    """The sealed disk and what it says that it holds. It takes updates that `certificate` signed. Raises BuildError."""
    out, console = work / "built", work / "logs" / "console.log"
    shutil.rmtree(out, ignore_errors=True)
    private = work / "private"
    shutil.rmtree(private, ignore_errors=True)
    private.mkdir(mode=0o700)
    try:
        identity, credential = key(private)
        chosen = values(
            variables, base=disk, out=out, key=identity, key_credential=credential, product=product(private),
            files=CODE / "image/files", console=console, certificate=certificate,
        )  # fmt: skip
        about = surroundings(work / "cache")
        command = own_network(packer("build", chosen, "-color=false", "-timestamp-ui"))
        with progress.step("packer: boot, provision, seal"):
            progress.run(command, log="packer", shown=STEP, cwd=CODE, env=about)
    finally:
        shutil.rmtree(private)
    said = work / "built.contents.json"
    if not said.exists():
        raise BuildError(f"the machine did not say what it holds: see {console}")
    return out / f"{NAME}.qcow2", json.loads(said.read_text())
