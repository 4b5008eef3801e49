"""What Python knows of bpf/: verdicts and limits from their lists, types from the compiled program, tables to print.

Nothing of layout.h is said again here: `Shape` turns the ctypes that bcc derives from the program into a codec.
Must not know: bcc, pyroute2, sockets.
"""

import ctypes
import hashlib
import re
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from appliance.wire import WireError

BPF_DIR: Final = Path(__file__).resolve().parents[2] / "bpf"
SOURCE: Final = BPF_DIR / "gate.c"

_VERDICT: Final = re.compile(r'^VERDICT\((\w+), (\w+), "((?:[^"\\]|\\.)*)"\)$', re.MULTILINE)
_LIMIT: Final = re.compile(r'^LIMIT\((\w+), "([^"]*)", (\d+), "((?:[^"\\]|\\.)*)"\)$', re.MULTILINE)
_MAP: Final = re.compile(r'^MAP\("([\w$]+)", (.+?), (.+?), (\w+), (\w+), (\w+)\);(?: /\* (.*?) \*/)?$', re.MULTILINE)
_RING: Final = re.compile(r"^RING\((.+?), (\w+), (\w+)\);(?: /\* (.*?) \*/)?$", re.MULTILINE)
_RULE: Final = re.compile(r'^RULE\((\w+), "((?:[^"\\]|\\.)*)"\)$', re.MULTILINE)
_ROOM: Final = re.compile(r'^#include "(\w+\.c)"$')
_PROGRAM: Final = re.compile(r"^int (\w+)\(struct xdp_md \*", re.MULTILINE)
_STAGE: Final = re.compile(r"\bSTAGE_(\w+) = (\d+)")
_DEFINE: Final = re.compile(r"^#define (\w+) (\d+)\b", re.MULTILINE)
_IP4_PREFIX: Final = bytes(10) + b"\xff\xff"

RING: Final = "ringbuf"
ACTIONS: Final = {
    "PASS": "goes on to the stack",
    "DROP": "is dropped",
    "REPLY": "is answered from here",
    "FORWARD": "is sent out again, rewritten",
    "NOTE": "is counted, and judged on",
    "ABORT": "is dropped, with a trace event",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of verdicts.def; `number` is its place in the tallies."""

    number: int
    name: str
    action: str
    text: str


@dataclass(frozen=True, slots=True)
class LimitSlot:
    """One row of limits.def; `number` is its place in the map."""

    number: int
    name: str
    unit: str
    default: int
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of rules.def: the setting whose figure a source passed."""

    number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class MapRow:
    """One map as maps.c declares it. A ring buffer has no keys, and `entries` are its bytes."""

    name: str
    kind: str
    key: str
    value: str
    entries: int
    text: str


def _read(name: str) -> str:
    return (BPF_DIR / name).read_text(encoding="ascii")


@cache
def verdicts() -> tuple[Verdict, ...]:
    """Every verdict in the order of the tallies; number 0 is "not decided yet" and no verdict."""
    rows = _VERDICT.findall(_read("verdicts.def"))
    return tuple(Verdict(i, *row) for i, row in enumerate(rows, start=1))


@cache
def limits() -> tuple[LimitSlot, ...]:
    """Every limit slot in the order of the map."""
    rows = _LIMIT.findall(_read("limits.def"))
    return tuple(LimitSlot(i, slot, unit, int(default), text) for i, (slot, unit, default, text) in enumerate(rows))


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule that the kernel reports offences of, by number; 0 is none."""
    return tuple(Rule(i, *row) for i, row in enumerate(_RULE.findall(_read("rules.def")), start=1))


@cache
def maps() -> tuple[MapRow, ...]:
    """Every map and then every ring buffer, in the order in which maps.c declares them."""
    text = _read("maps.c")
    tables = [
        MapRow(name, kind, key, value, _entries(entries), words)
        for kind, key, value, name, entries, _flags, words in _MAP.findall(text)
    ]
    rings = [MapRow(name, RING, "", value, _entries(size), words) for value, name, size, words in _RING.findall(text)]
    return (*tables, *rings)


def _entries(text: str) -> int:
    counts = {"LIMITS": len(limits()), "VERDICTS": len(verdicts()) + 1, "LOSSES": 2}
    constants = {name: int(value) for name, value in _DEFINE.findall(_read("layout.h"))}
    return int(text) if text.isdigit() else {**constants, **counts}[text]


@cache
def stages() -> dict[str, int]:
    """Programs that a packet may be handed on to, by name: their place in the map `stages`."""
    return {name: int(place) for name, place in _STAGE.findall(_read("layout.h"))}


def source() -> str:
    """gate.c with every `#include` of a room (a file ending in .c) replaced by that room's text.

    bcc rewrites map calls in the main file alone; `#line` keeps the compiler's words pointing at the right file.
    """
    lines = []
    for number, line in enumerate(_read(SOURCE.name).splitlines(), start=1):
        if room := _ROOM.match(line):
            path = BPF_DIR / room[1]
            lines += [f'#line 1 "{path}"', _read(room[1]), f'#line {number + 1} "{SOURCE}"']
        else:
            lines.append(line)
    return "\n".join((f'#line 1 "{SOURCE}"', *lines, ""))


def programs(text: str) -> set[str]:
    """The XDP programs that a C text has, by name."""
    return set(_PROGRAM.findall(text))


@cache
def version() -> str:
    """Names the gate in the path of its pins: whatever changes a program or the meaning of a row changes it."""
    (number,) = re.findall(r"^#define LAYOUT_VERSION (\d+)$", _read("layout.h"), re.MULTILINE)
    parts = [_read(path.name) for path in sorted(BPF_DIR.iterdir()) if path.suffix in (".c", ".h", ".def")]
    return f"v{number}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:8]}"


def address(text: str) -> bytes:
    """An address as the maps hold it: 16 bytes, IPv4 mapped into IPv6. Raises WireError("bad_address")."""
    try:
        if ":" not in text:
            return _IP4_PREFIX + socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError, TypeError):
        raise WireError("bad_address", f"{text!r:.60} is not an IP address") from None
    return packed


def is_ip4(packed: bytes) -> bool:
    """Is this address of the maps an IPv4 one?"""
    return packed[:12] == _IP4_PREFIX


def address_text(packed: bytes) -> str:
    """The text of an address of the maps."""
    if is_ip4(packed):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def network(text: str) -> tuple[bytes, int]:
    """`192.0.2.0/24` as (16 bytes, prefix bits of 128), host bits cleared. Raises WireError("bad_prefix")."""
    host, slash, bits_text = text.partition("/")
    try:
        packed = address(host)
    except WireError:
        raise WireError("bad_prefix", f"{text!r:.60} is neither an IP address nor a network") from None
    width = 128 if ":" in host else 32
    if slash and not (bits_text.isascii() and bits_text.isdigit() and len(bits_text) < 4 and int(bits_text) <= width):
        raise WireError("bad_prefix", f"{text!r:.60}: the prefix length must be 0 to {width}")
    bits = (int(bits_text) if slash else width) + 128 - width
    mask = ((1 << bits) - 1) << (128 - bits)
    return (int.from_bytes(packed, "big") & mask).to_bytes(16, "big"), bits


def network_text(packed: bytes, bits: int) -> str:
    """The text of a network of the maps; a single address without its length."""
    text = address_text(packed)
    if bits == 128:
        return text
    return f"{text}/{bits - 96 if is_ip4(packed) and bits >= 96 else bits}"


class Shape:
    """The codec of one ctypes type of the compiled program: dicts by dotted field name, or one bare number."""

    __slots__ = ("_blank", "_codec", "bytes", "names")

    def __init__(self, kind: Any) -> None:
        fields: list[tuple[str, int, str]] = []
        _flatten(kind, "", 0, fields)
        layout, at = "=", 0
        for _, offset, code in fields:
            layout += f"{offset - at}x{code}" if offset > at else code
            at = offset + struct.calcsize("=" + code)
        self.bytes: int = ctypes.sizeof(kind)
        self._codec = struct.Struct(f"{layout}{self.bytes - at}x")
        self.names = tuple(name for name, _, _ in fields)
        self._blank: dict[str, Any] = {name: b"" if code[-1] == "s" else 0 for name, _, code in fields}

    def pack(self, values: Mapping[str, Any]) -> bytes:
        """The row; fields that are not given are 0. Raises KeyError for a name that the program does not have."""
        row = {**self._blank, **values}
        if len(row) != len(self.names):
            raise KeyError(f"the program has no field {sorted(set(values) - set(self.names))[0]!r}")
        return self._codec.pack(*row.values())

    def size(self, name: str) -> int:
        """Bytes of a field that is an array of bytes or an address."""
        return len(self.unpack(bytes(self.bytes))[name])

    def pack_number(self, value: int) -> bytes:
        """A row that is one number."""
        return self._codec.pack(value)

    def unpack(self, row: bytes) -> dict[str, Any]:
        """The row's fields by name."""
        return dict(zip(self.names, self._codec.unpack(row), strict=True))

    def unpack_number(self, row: bytes) -> int:
        """The one number of the row."""
        return int(self._codec.unpack(row)[0])


def _flatten(kind: Any, name: str, offset: int, found: list[tuple[str, int, str]]) -> None:
    """The type's parts as (dotted name, offset, struct code); addresses and byte arrays as bytes, padding left out."""
    if kind.__name__ == "address" or (hasattr(kind, "_length_") and ctypes.sizeof(kind._type_) == 1):
        found.append((name, offset, f"{ctypes.sizeof(kind)}s"))
    elif hasattr(kind, "_length_"):
        step = ctypes.sizeof(kind._type_)
        for i in range(kind._length_):
            _flatten(kind._type_, f"{name}.{i}", offset + i * step, found)
    elif hasattr(kind, "_fields_"):
        for part, part_kind in kind._fields_:
            if not part.startswith("__pad"):
                inside = offset + getattr(kind, part).offset
                _flatten(part_kind, f"{name}.{part}" if name else part, inside, found)
    else:
        found.append((name, offset, {1: "B", 2: "H", 4: "I", 8: "Q"}[ctypes.sizeof(kind)]))


def render(readme: str) -> str:
    """bpf/README.md with the tables between its markers drawn anew."""
    tables = {"maps": _maps_table, "verdicts": _verdicts_table, "limits": _limits_table, "rules": _rules_table}
    for name, draw in tables.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        before, _, rest = readme.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"bpf/README.md has no markers {begin} ... {end}")
        readme = f"{before}{begin}\n{draw()}\n{end}{after}"
    return readme


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _verdicts_table() -> str:
    rows = [(f"`{v.name}`", v.action, v.text) for v in verdicts()]
    return _table(("verdict", "action", "what it means"), rows)


def _limits_table() -> str:
    rows = [(f"`{s.name}`", s.unit, str(s.default), s.text) for s in limits()]
    return _table(("slot", "unit", "default", "what it does"), rows)


def _maps_table() -> str:
    rows = [(f"`{m.name}`", m.kind, _code(m.key), _code(m.value), _room(m), m.text) for m in maps()]
    return _table(("map", "kind", "key", "value", "rows at most", "what it holds"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _room(row: MapRow) -> str:
    return f"{row.entries} bytes" if row.kind == RING else str(row.entries)


def _rules_table() -> str:
    rows = [(f"`{r.name}`", r.text) for r in rules()]
    return _table(("rule", "what the source did"), rows)


def main() -> None:
    """Draws the tables of bpf/README.md anew."""
    path = BPF_DIR / "README.md"
    path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
