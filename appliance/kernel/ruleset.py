"""The gate in the words of nft(8), for machines where no XDP program can be held: the table, its sets, what they hold.

Counters are named as bpf/verdicts.def names verdicts, and hold IP packets, without Ethernet's header. The rules are
chains.py's. Pure.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from appliance import networks as packed_networks
from appliance.config.options import DEFAULT_RUNTIME
from appliance.kernel import layout
from appliance.kernel.plan import FOREVER, BanRow, MapName, PairRow, SourceRow
from appliance.wire import ListKind, SourceClass

PRIORITY: Final = "raw - 10"  # before connection tracking, which a flood would fill
METER_SIZE: Final = 262_144
FAMILIES: Final = (("4", "ip", "ipv4_addr"), ("6", "ip6", "ipv6_addr"))
SINGLES: Final = ("banned", "spared", "allowed", "known")
PROTOCOLS: Final = {6: "tcp", 17: "udp"}
PAIRS: Final = ("banned_pairs", "known_pairs")
METERS: Final = ("strangers", "guarded", "knowns", "connects", "streams")
PAIR_METER: Final = "devices"
CHAINS: Final = (
    "tcp_service",
    "budget",
    "service",
    "fragment",
    "ports",
    "allowed",
    "refusal",
    "refusal_of_strangers",
    "admission",
    "known",
    "registered",
    "stranger",
    "gate",
)  # gate is the one that packets enter


@dataclass(frozen=True, slots=True)
class Element:
    """One element of one set; `until_ns` on CLOCK_MONOTONIC, 0: no end."""

    table_set: str
    key: str
    until_ns: int = 0

    def text(self, now_ns: int) -> str:
        """As nft reads it, with the time that is left."""
        if not self.until_ns:
            return self.key
        return f"{self.key} timeout {max(1, math.ceil((self.until_ns - now_ns) / 1e6))}ms"


def table_name(runtime: str) -> str:
    """The table of the appliance with this runtime directory: two appliances on one machine have one each."""
    other = "" if runtime == DEFAULT_RUNTIME else "_" + hashlib.sha256(runtime.encode()).hexdigest()[:8]
    return f"inet appliance{other}"


@cache
def version() -> str:
    """Names what the table is made of: one of another version is replaced and not taken over."""
    made = "\n".join(declarations("inet x", owned=False, mark=""))
    return f"layout_{hashlib.sha256(made.encode()).hexdigest()[:8]}"


def absence(table: str) -> tuple[str, str]:
    """Commands after which there is no such table, whether or not there was one."""
    return f"add table {table}", f"delete table {table}"


def declarations(table: str, *, owned: bool, mark: str | None = None) -> Iterator[str]:
    """The table with its counters, sets and empty chains; once more is no change. `owned`: ends with its owner."""
    yield f"add table {table} {{ flags owner; }}" if owned else f"add table {table}"
    yield f"add set {table} {version() if mark is None else mark} {{ type mark; }}"  # its name tells the layout
    for verdict in layout.verdicts():
        yield f"add counter {table} {verdict.name}"
        if verdict.action == "DROP":
            yield f"add counter {table} {reported(verdict.name)}"
    yield f"add set {table} interfaces {{ type ifname; }}"
    yield f"add set {table} service_ports {{ type inet_proto . inet_service; }}"
    for digit, _, kind in FAMILIES:
        for name in SINGLES:
            yield f"add set {table} {name}{digit} {{ type {kind}; flags timeout; }}"
            yield f"add set {table} {name}_nets{digit} {{ type {kind}; flags interval, timeout; }}"
        for name in PAIRS:
            yield f"add set {table} {name}{digit} {{ type {kind} . inet_service; flags timeout; }}"
        for name in METERS:
            yield f"add set {table} {name}{digit} {{ type {kind}; size {METER_SIZE}; flags dynamic, timeout; }}"
        key = f"{kind} . inet_service"
        yield f"add set {table} {PAIR_METER}{digit} {{ type {key}; size {METER_SIZE}; flags dynamic, timeout; }}"
        for kind_of_list in ListKind:
            yield f"add set {table} {kind_of_list}{digit} {{ type {kind}; flags interval; }}"
    for chain in CHAINS:
        hook = f"{{ type filter hook prerouting priority {PRIORITY}; }}" if chain == "gate" else ""
        yield f"add chain {table} {chain} {hook}".rstrip()


SINGLE_SETS: Final = tuple(f"{name}{digit}" for name in (*SINGLES, *PAIRS) for digit, _, _ in FAMILIES)


def network_sets(names: Iterable[str]) -> Iterator[str]:
    """The sets that hold networks of these names."""
    return (f"{name}_nets{digit}" for name in names for digit, _, _ in FAMILIES)


def reported(verdict: str) -> str:
    """The counter of packets that report-only let pass."""
    return f"reported_{verdict}"


# Elements


def service_port(key: tuple[int, int]) -> Element:
    """The element of a guarded port, by (protocol number, port)."""
    return Element("service_ports", f"{PROTOCOLS[key[0]]} . {key[1]}")


def digit_of(packed: bytes) -> str:
    """The ending of the sets that hold this address."""
    return "4" if layout.is_ip4(packed) else "6"


def elements(name: MapName, key: Any, row: Any) -> Iterator[Element]:
    """The elements that stand for a row of single addresses or devices."""
    if name is MapName.PAIRS:
        ip, port = key
        where, digit = f"{layout.address_text(ip)} . {port}", digit_of(ip)
        yield from _pair(row, where, digit)
    elif name is MapName.BANS:
        yield Element(f"{_ban_set(row)}{digit_of(key)}", layout.address_text(key), row.until_ns)
    elif name is MapName.SOURCES:
        yield Element(f"{_source_set(row)}{digit_of(key)}", layout.address_text(key), row.until_ns)


def places(name: MapName, key: Any) -> Iterator[Element]:
    """Every place in which `elements` may have put this key."""
    if name is MapName.PAIRS:
        yield from elements(name, key, PairRow(FOREVER, FOREVER))
    elif name is MapName.BANS:
        yield from (each for spares in (False, True) for each in elements(name, key, BanRow(0, spares)))
    elif name is MapName.SOURCES:
        yield from (each for kind in SourceClass for each in elements(name, key, SourceRow(0, kind)))


def _pair(row: PairRow, where: str, digit: str) -> Iterator[Element]:
    for name, until_ns in (("known_pairs", row.known_until_ns), ("banned_pairs", row.banned_until_ns)):
        if until_ns:
            yield Element(f"{name}{digit}", where, 0 if until_ns == FOREVER else until_ns)


def _ban_set(row: BanRow) -> str:
    return "spared" if row.spares_known else "banned"


def _source_set(row: SourceRow) -> str:
    return "allowed" if row.kind is SourceClass.ALLOW else "known"


def networks(name: MapName, rows: Mapping[Any, Any], now_ns: int) -> Iterator[Element]:
    """The elements for the networks of a map: of nested ones the widest, as nftables takes no overlap.

    What a narrower one would add after the end of the wider comes back when the row of the wider is removed.
    """
    chosen = _ban_set if name is MapName.BAN_NETS else _source_set
    widest: dict[str, dict[tuple[bytes, int], int]] = {}
    for (packed, bits), row in sorted(rows.items(), key=lambda item: item[0][1]):
        if not row.until_ns or row.until_ns > now_ns:
            table_set = f"{chosen(row)}_nets{'4' if layout.is_ip4(packed) and bits >= 96 else '6'}"
            taken = widest.setdefault(table_set, {})
            if not any(_masked(packed, wider) in taken for wider in range(bits)):
                taken[packed, bits] = row.until_ns
    for table_set, taken in widest.items():
        for (packed, bits), until_ns in taken.items():
            yield Element(table_set, layout.network_text(packed, bits), until_ns)


def listed(kind: ListKind, rows: Iterable[bytes]) -> Iterator[Element]:
    """The elements for all lists of a kind; `rows` as appliance.networks packs them."""
    for row in packed_networks.merged(rows):
        yield Element(f"{kind}{digit_of(row[:16]) if row[16] >= 96 else '6'}", packed_networks.text(row))


def _masked(packed: bytes, bits: int) -> tuple[bytes, int]:
    mask = ((1 << bits) - 1) << (128 - bits)
    return (int.from_bytes(packed, "big") & mask).to_bytes(16, "big"), bits


def addition(table: str, added: Iterable[Element], now_ns: int) -> Iterator[str]:
    """Commands that add elements, a command for each set."""
    by_set: dict[str, list[str]] = {}
    for each in added:
        by_set.setdefault(each.table_set, []).append(each.text(now_ns))
    for table_set, texts in by_set.items():
        yield f"add element {table} {table_set} {{ {', '.join(texts)} }}"


def removal(table: str, gone: Iterable[Element]) -> Iterator[str]:
    """Commands that remove elements whether or not they are there: nft of Debian 12 cannot say that at once."""
    for each in gone:
        bare = f"element {table} {each.table_set} {{ {each.key} }}"
        yield f"add {bare}"
        yield f"delete {bare}"
