"""A compiled program in the kernel: its maps made or found pinned, its functions loaded, its rings read.

Maps carry no type information: up to Linux 6.1 a map of maps takes only maps whose types are known alike, and none is
alike too. With compiler.py the only importer of bcc, whose library loads and reads.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from appliance.kernel import syscall
from appliance.kernel.compiler import Compiled, MapType, bcc
from appliance.kernel.maps import Handle
from appliance.wire import WireError

Take = Callable[[bytes], bool]  # one record; False: no more for now

_XDP: Final = 6  # linux/bpf.h, BPF_PROG_TYPE_XDP
_LICENSE: Final = b"GPL"  # what the helpers of the programs ask for
_LOAD_ARGUMENTS: Final = (
    *(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p),
    *(ctypes.c_uint, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint),
)


class Program:
    """Use `maps`, `load()`, `open_ring()` and `consume()`; `close()` lets go of everything."""

    def __init__(self, compiled: Compiled, pin_dir: Path | None = None) -> None:
        """Makes the maps; with `pin_dir` takes those that are pinned there, and pins the others.

        Raises WireError: "no_bcc", "bad_pins", "bpf_refused".
        """
        self._bcc = bcc()
        self._compiled, self._pin_dir = compiled, pin_dir
        self.maps: dict[str, Handle] = {}
        self._functions: dict[str, int] = {}
        self._heard: list[Any] = []
        self._ring: Any = None
        try:
            for row in sorted(compiled.maps, key=lambda row: bool(row.inner)):
                self.maps[row.name] = self._handle(row)
        except BaseException:
            self.close()
            raise

    def load(self, function: str) -> int:
        """The descriptor of a function of the program, loaded for XDP. Raises WireError("bpf_refused")."""
        if function not in self._functions:
            self._functions[function] = self._loaded(function)
        return self._functions[function]

    def open_ring(self, name: str, take: Take) -> None:
        """From now on consume() hands the records of this ring to `take`. libbpf knows in which order to read."""

        def heard(_context: Any, start: int, size: int) -> int:
            return 0 if take(ctypes.string_at(start, size)) else -1

        lib, call = self._bcc.lib, self._bcc.libbcc._RINGBUF_CB_TYPE(heard)
        self._heard.append(call)
        if self._ring is None:
            self._ring = lib.bpf_new_ringbuf(self.maps[name].fd, call, None)
            opened = bool(self._ring)
        else:
            opened = lib.bpf_add_ringbuf(self._ring, self.maps[name].fd, call, None) >= 0
        if not opened:
            raise WireError("bpf_refused", f"the ring {name} cannot be read", "is the memory limit of the keeper low?")

    def consume(self) -> None:
        """Empties every open ring, or as much of it as its `take` wants."""
        self._bcc.lib.bpf_consume_ringbuf(self._ring)

    def close(self) -> None:
        """Closes all descriptors: what is neither pinned nor attached is gone."""
        if self._ring is not None:
            self._bcc.lib.bpf_free_ringbuf(self._ring)
            self._ring = None
        for fd in (*self._functions.values(), *(handle.fd for handle in self.maps.values())):
            os.close(fd)
        self._functions.clear()
        self.maps.clear()

    def _handle(self, row: MapType) -> Handle:
        key, leaf = (self._bcc.BPF._decode_table_type(part) for part in (row.key, row.leaf))
        said, sizes = (ctypes.sizeof(key), ctypes.sizeof(leaf)), (row.key_bytes, row.leaf_bytes)
        if sizes != said and sizes != (0, 0):  # a ring has neither keys nor values
            message = f"bcc makes {said[0]} and {said[1]} bytes of map {row.name}'s rows, the kernel {sizes}"
            raise WireError("bpf_refused", message, "no type of layout.h may hold an array of arrays")
        return Handle(self._descriptor(row), key, leaf)

    def _descriptor(self, row: MapType) -> int:
        path = None if self._pin_dir is None else self._pin_dir / row.name
        if path is not None and path.exists():
            return _as_wanted(syscall.pinned(path), row, path)
        inner = self.maps[row.inner].fd if row.inner else 0
        terms = (row.kind, row.key_bytes, row.leaf_bytes, row.entries, row.flags)
        try:
            fd = syscall.create_map(*terms, inner=inner, name=row.name)
        except OSError as error:
            message = f"the kernel does not make map {row.name}: {error.strerror}"
            raise WireError("bpf_refused", message, "is there memory enough?") from error
        if path is not None:
            syscall.pin(fd, path)
        return fd

    def _loaded(self, function: str) -> int:
        code = self._compiled.functions.get(function)
        if code is None:
            raise WireError("bpf_refused", f"the program has no function {function}")
        text = bytearray(code.instructions)
        for place, name in code.maps.items():
            text[place * 8 + 4 : place * 8 + 8] = self.maps[name].fd.to_bytes(4, "little")
        load = self._bcc.lib.bcc_prog_load
        load.argtypes, load.restype = _LOAD_ARGUMENTS, ctypes.c_int
        fd = int(load(_XDP, function.encode(), bytes(text), len(text), _LICENSE, 0, 0, None, 0))
        if fd < 0:  # bcc has printed what the verifier says
            reason = os.strerror(ctypes.get_errno())
            raise WireError("bpf_refused", f"the kernel does not take {function}: {reason}", "see above")
        return fd


def _as_wanted(fd: int, row: MapType, path: Path) -> int:
    if syscall.map_terms(fd) == (row.kind, row.key_bytes, row.leaf_bytes, row.entries, row.flags):
        return fd
    os.close(fd)
    raise WireError("bad_pins", f"{path} is another map than {row.name}", f"remove it: 'rm -r {path.parent}'")
