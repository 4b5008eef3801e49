"""How mmdebstrap is called: for a tree of its own, and for the one of a cloud image (cloudbase.py)."""

from pathlib import Path
from typing import Final

from image.packages import LEFT_OUT, PACKAGES
from image.variables import Variables

CODE: Final = Path(__file__).resolve().parents[1]
EPOCH: Final = 1735689600  # every time stamp of the base: 2025-01-01
SETTING: Final = "etc/initramfs-tools/conf.d/appliance"


def mmdebstrap(variables: Variables, root: Path, variant: str, *options: str) -> list[str]:
    """The command that fills the directory `root` from the archive of these variables."""
    # Its mounts are its own: whoever removes the directory of a build that was stopped must not meet this machine's.
    command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", f"--variant={variant}"]
    command += ["--components=main", "--format=directory", *(f"--dpkgopt={each}" for each in LEFT_OUT)]
    setting = f"printf 'COMPRESS=zstd\\nMODULES=most\\n' > \"$1/{SETTING}\""
    command += [f'--essential-hook=mkdir -p "$1/{Path(SETTING).parent}"; {setting}', *options]
    return [*command, variables.suite, str(root), *([variables.mirror] if variables.mirror else [])]


def fresh(variables: Variables, root: Path) -> list[str]:
    """The command that makes a new tree of PACKAGES and what they need."""
    return mmdebstrap(variables, root, "minbase", f"--include={','.join(PACKAGES)}")
