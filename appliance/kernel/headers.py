"""A header tree from which bcc compiles the gate without the running kernel's headers.

bcc wants a kernel source tree in BCC_KERNEL_SOURCE. An XDP program needs of it only user-space API headers, which
Debian's linux-libc-dev has (/usr/include/linux, asm-generic, the machine's asm), and a few kernel-internal names that
bcc's own helpers.h includes. `tree()` makes that tree once, of links and a few small files, and keeps it.
Works with bcc 0.26 (Debian 12) to 0.31 (Debian 13). Must not know: bcc.
"""

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Final

from appliance.wire import WireError

CACHE_DIR: Final = Path("/var/cache/appliance")
_INCLUDE: Final = Path("/usr/include")
_VARIABLE: Final = "BCC_KERNEL_SOURCE"

_TYPES: Final = """\
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H
#include <asm-generic/int-ll64.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef __u8 uint8_t; typedef __u16 uint16_t; typedef __u32 uint32_t; typedef __u64 uint64_t;
typedef __s8 int8_t; typedef __s16 int16_t; typedef __s32 int32_t; typedef __s64 int64_t;
typedef __u16 __le16, __be16, __sum16; typedef __u32 __le32, __be32, __wsum; typedef __u64 __le64, __be64;
typedef unsigned long size_t, uintptr_t; typedef long ssize_t; typedef int pid_t; typedef _Bool bool;
typedef unsigned int __poll_t;
#define __bitwise
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#define __aligned_s64 __s64 __attribute__((aligned(8)))
#define __aligned_be64 __be64 __attribute__((aligned(8)))
#define __aligned_le64 __le64 __attribute__((aligned(8)))
enum { false = 0, true = 1 };
#define true true
#define false false
#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#endif
"""
_FILES: Final = {
    "linux/types.h": _TYPES,
    "linux/bpf.h": "/* bcc includes its own. */\n",
    "linux/compiler.h": "\n",
    "linux/log2.h": "\n",
    "linux/if.h": "#define IFNAMSIZ 16\n",
    "linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n",
    "linux/version.h": "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n"
    "#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)\n",
    "asm/page.h": "#define PAGE_SIZE 4096\n",
}


def multiarch() -> str:
    """Debian's name of this machine in /usr/include, `x86_64-linux-gnu` for instance."""
    machine = platform.machine()
    return {"armv7l": "arm-linux-gnueabihf", "ppc64le": "powerpc64le-linux-gnu"}.get(machine, f"{machine}-linux-gnu")


def _running_kernel() -> Path | None:
    build = Path("/lib/modules") / platform.release() / "build"
    return build if (build / "include" / "linux" / "kconfig.h").exists() else None


def provide(cache: Path = CACHE_DIR) -> Path | None:
    """Sees to it that bcc finds headers, and says where; None: those of the running kernel, which bcc finds alone.

    An operator's BCC_KERNEL_SOURCE wins. Raises WireError("no_headers") that names the package.
    """
    given = os.environ.get(_VARIABLE)
    if given and Path(given).is_dir():
        return Path(given)
    if not (_INCLUDE / "linux" / "bpf.h").exists() and _running_kernel():
        return None
    made = tree(cache)
    os.environ[_VARIABLE] = str(made)
    return made


def tree(cache: Path = CACHE_DIR, include: Path = _INCLUDE) -> Path:
    """The header tree below `cache`, made when it is not there or was made from other files."""
    asm = include / multiarch() / "asm"
    missing = [path for path in (include / "linux" / "bpf.h", include / "asm-generic", asm) if not path.exists()]
    if missing:
        raise WireError("no_headers", f"{missing[0]} is missing", "apt-get install linux-libc-dev")
    made = cache / f"headers-{_digest(include, asm)}"
    if not made.is_dir():
        _make(made, include, asm)
    return made


def _digest(include: Path, asm: Path) -> str:
    parts = [str(include), *_FILES, *_FILES.values(), *sorted(p.name for p in (include / "linux").iterdir())]
    parts += sorted(p.name for p in asm.iterdir())
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]


def _make(made: Path, include: Path, asm: Path) -> None:
    """Builds beside the place and moves there in one step, so that two starts at once do not meet half a tree."""
    made.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".headers-", dir=made.parent))
    try:
        building.chmod(0o755)
        root = building / "include"
        for directory in ("linux", "asm", "uapi"):
            (root / directory).mkdir(parents=True)
        (root / "asm-generic").symlink_to(include / "asm-generic")
        (root / "uapi" / "linux").symlink_to(Path("..") / "linux")
        for name, files in (("linux", include / "linux"), ("asm", asm)):
            for file in files.iterdir():
                (root / name / file.name).symlink_to(file)
        for name, text in _FILES.items():
            (root / name).unlink(missing_ok=True)
            (root / name).write_text(text, encoding="ascii")
        building.rename(made)
    except OSError:
        if not made.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
