"""Compiles the kernel's programs from C with bcc, and keeps what came out.

bcc takes five seconds for the gate, and loading one: so instructions, maps and types are kept below the cache, in a
file named by a digest of all that they are made of. A machine that never compiled can be given the file. With
program.py the only importer of bcc.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import platform
import re
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from appliance.kernel import headers, layout, syscall
from appliance.wire import WireError

KEPT: Final = 4  # files of one program; older ones go
_PLACE: Final = struct.Struct("=BBhi")  # linux/bpf.h, struct bpf_insn
_LOAD_64, _FROM_MAP = 0x18, 0x10  # BPF_LD | BPF_IMM | BPF_DW with src_reg BPF_PSEUDO_MAP_FD
_INNER: Final = re.compile(r'"\w+_of_maps\$(\w+)",[^,]+,[^,]+, (\w+),')


@dataclass(frozen=True, slots=True)
class MapType:
    """One map: the kernel's numbers for it, and bcc's description of a key and of a value.

    `inner` names the map that the maps in a map of maps are like.
    """

    name: str
    kind: int
    key_bytes: int
    leaf_bytes: int
    entries: int
    flags: int
    key: Any
    leaf: Any
    inner: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """One function's instructions (struct bpf_insn); `maps`: at which of them a map's descriptor belongs."""

    instructions: bytes
    maps: dict[int, str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What bcc makes of one C text."""

    maps: tuple[MapType, ...]
    functions: dict[str, Code]


def bcc() -> Any:
    """The module. Raises WireError("no_bcc")."""
    try:
        import bcc as module
    except ImportError:
        raise WireError(
            "no_bcc", "bcc for Python is missing", "apt-get install python3-bpfcc (not PyPI's bcc)"
        ) from None
    return module


def compiled(source: str, flags: Sequence[str] = (), header_cache: Path = headers.CACHE_DIR) -> Compiled:
    """What bcc makes of the C text `source`; `flags` go to the compiler.

    Raises WireError: "no_bcc", "no_headers", "bpf_refused" with what to do.
    """
    headers.provide(header_cache)
    module = bcc()
    if os.geteuid() != 0:
        raise WireError("bpf_refused", "loading a program needs root", "run as root")
    try:
        program = module.BPF(text=source.encode(), cflags=list(flags))
    except Exception as error:  # bcc raises bare Exception, and has printed why
        raise WireError("bpf_refused", f"the program does not compile: {error}", "see the compiler above") from error
    try:
        return _taken_over(module.lib, program, {outer: inner for inner, outer in _INNER.findall(source)})
    finally:
        program.cleanup()


def kept(name: str, source: str, flags: Sequence[str] = (), cache: Path = headers.CACHE_DIR) -> Compiled:
    """As compiled(), out of the file of an earlier time where that was made of the same.

    A file that others may write, or that is damaged, is not read. Where none can be written, nothing is kept.
    """
    path = cache / f"{name}-{_digest(source, flags, cache)}.json"
    found = _read(path)
    if found is None:
        found = compiled(source, flags, cache)
        with contextlib.suppress(OSError):
            _write(path, found)
    return found


def _taken_over(lib: Any, program: Any, inner: Mapping[str, str]) -> Compiled:
    maps, by_descriptor = [], {}
    for number in range(lib.bpf_num_tables(program.module)):
        name = _text(lib, "bpf_table_name")(program.module, number).decode()
        key, leaf = (json.loads(describe(program.module, name.encode())) for describe in _descriptions(lib))
        fd = lib.bpf_table_fd(program.module, name.encode())
        maps.append(MapType(name, *syscall.map_terms(fd), key, leaf, inner.get(name, "")))
        by_descriptor[fd] = name
    names = [lib.bpf_function_name(program.module, i) for i in range(lib.bpf_num_functions(program.module))]
    return Compiled(tuple(maps), {name.decode(): _code(program.dump_func(name), by_descriptor) for name in names})


def _descriptions(lib: Any) -> tuple[Any, Any]:
    return _text(lib, "bpf_table_key_desc"), _text(lib, "bpf_table_leaf_desc")


def _text(lib: Any, name: str) -> Any:
    function = getattr(lib, name)
    function.restype = ctypes.c_char_p
    return function


def _code(instructions: bytes, by_descriptor: Mapping[int, str]) -> Code:
    """Descriptors of this process mean nothing to another: they become 0, and `maps` says whose they were."""
    found, text = {}, bytearray(instructions)
    for at in range(0, len(text), 8):
        operation, registers, _, value = _PLACE.unpack_from(text, at)
        if operation == _LOAD_64 and registers & 0xF0 == _FROM_MAP:
            found[at // 8] = by_descriptor[value]
            text[at + 4 : at + 8] = bytes(4)
    return Code(bytes(text), found)


def _digest(source: str, flags: Sequence[str], cache: Path) -> str:
    tree = headers.provide(cache)
    files = sorted(path for path in layout.BPF_DIR.rglob("*") if path.suffix in (".h", ".def"))
    words = (text.replace(str(layout.BPF_DIR), layout.BPF_DIR.name) for text in (source, *flags))  # of any clone
    parts = [*words, *(path.read_text(encoding="ascii") for path in files)]
    parts += [bcc().__version__, platform.machine(), tree.name if tree else platform.release()]
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]


def _read(path: Path) -> Compiled | None:
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid() or about.st_mode & 0o022:
                return None
            return _from_text(file.read())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _as_text(value: Compiled) -> bytes:
    functions = {
        name: {"instructions": code.instructions.hex(), "maps": list(code.maps.items())}
        for name, code in value.functions.items()
    }
    return json.dumps({"maps": [asdict(row) for row in value.maps], "functions": functions}).encode()


def _from_text(text: bytes) -> Compiled:
    """Raises ValueError, KeyError or TypeError for what _as_text() did not make."""
    made = json.loads(text)
    functions = {
        name: Code(bytes.fromhex(code["instructions"]), dict(code["maps"])) for name, code in made["functions"].items()
    }
    return Compiled(tuple(MapType(**row) for row in made["maps"]), functions)


def _write(path: Path, value: Compiled) -> None:
    """In one step, so that two starts at once do not meet half a file; older files of this program go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".program-", delete=False) as file:
        file.write(_as_text(value))
    try:
        Path(file.name).replace(path)
    finally:
        Path(file.name).unlink(missing_ok=True)
    name = path.name.rpartition("-")[0]
    others = sorted(path.parent.glob(f"{name}-*.json"), key=lambda other: other.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        old.unlink(missing_ok=True)
