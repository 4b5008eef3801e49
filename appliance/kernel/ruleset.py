"""The gate in the words of nft(8), for machines where no XDP program can be held: sets, chains and their rules. Pure.

It judges in the order of bpf/gate.c and counts under the names of bpf/verdicts.def, and does what nftables can do:
allow list, bans, devices known or banned by address and port, static rules, rates of sources, malformed packets, the
start of a SIP message. MISSING says what it cannot. Its counters hold whole IP packets, without Ethernet's header.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from appliance import networks as packed_networks
from appliance.config.options import DEFAULT_RUNTIME
from appliance.kernel import layout
from appliance.kernel.firewall import ALLOW, DENY, Rules
from appliance.kernel.plan import FOREVER, BanRow, MapName, PairRow, SourceRow
from appliance.kernel.policy import PolicyRow
from appliance.wire import ListKind, SourceClass

MISSING: Final = (
    "the stateless challenge: every stranger's request within its rate reaches the office",
    "answers from the kernel: keepalives, repeated registrations and 503 go through the office",
    "scanners by name and fingerprint",
    "the RTP firewall: audio is checked by the office's relay alone",
    "evidence: no offenders and no samples of dropped packets",
)
PRIORITY: Final = "raw - 10"  # before connection tracking, which a flood would fill
METER_SIZE: Final = 262_144
FAMILIES: Final = (("4", "ip", "ipv4_addr"), ("6", "ip6", "ipv6_addr"))
SINGLES: Final = ("banned", "spared", "allowed", "known")
PROTOCOLS: Final = {6: "tcp", 17: "udp"}
PAIRS: Final = ("banned_pairs", "known_pairs")
METERS: Final = ("strangers", "knowns", "fragments")
_WHOLE_64: Final = "ffff:ffff:ffff:ffff::"
# RFC 3261 and its extensions, by the length of what tells them: as bpf/sip.h, which says where each one comes from.
_METHODS: Final = ("INVITE ", "ACK ", "BYE ", "CANCEL ", "REGISTER", "OPTIONS ", "PRACK ", "UPDATE ", "INFO ",
                   "MESSAGE ", "REFER ", "SUBSCRIB", "NOTIFY ", "PUBLISH ")  # fmt: skip


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


# Rules


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules depend on beside the sets."""

    policy: PolicyRow
    firewall: Rules = field(default_factory=dict)
    countries_allowed: bool = False  # there is a list of countries that alone may come

    def ends(self, verdict: str) -> str:
        """What a rule does with a packet that it refuses; in report-only it counts, and the packet goes on."""
        if verdict in self.policy.reported:
            return f"counter name {reported(verdict)}"
        return f"counter name {verdict} drop"


def _passes(verdict: str) -> str:
    return f"counter name {verdict} accept"


def _gate(judged: Judged) -> Iterator[str]:
    yield "iifname != @interfaces accept"
    yield f"meta l4proto != {{ tcp, udp }} {_passes('other_protocol')}"
    yield f"ip saddr 224.0.0.0/3 {judged.ends('source_impossible')}"
    yield f"ip6 saddr {{ ff00::/8, ::ffff:0:0/96 }} {judged.ends('source_impossible')}"
    for flags, value in (("syn | fin", "syn | fin"), ("syn | rst", "syn | rst"), ("syn | ack | rst", "0")):
        yield f"tcp flags & ({flags}) == {value} {judged.ends('tcp_flags')}"
    yield f"udp sport 0 {judged.ends('udp_port_zero')}"
    yield f"udp dport 0 {judged.ends('udp_port_zero')}"
    yield "jump admission"
    for digit, ip, _ in FAMILIES:
        yield f"{ip} saddr @allowed{digit} goto allowed"
        yield f"{ip} saddr @allowed_nets{digit} goto allowed"
    for digit, ip, _ in FAMILIES:
        yield f"{ip} saddr . th sport @banned_pairs{digit} {judged.ends('banned_pair')}"
        yield f"{ip} saddr @banned{digit} {judged.ends('banned')}"
        yield f"{ip} saddr @banned_nets{digit} {judged.ends('banned_prefix')}"
        yield f"{ip} saddr . th sport @known_pairs{digit} goto known"
        yield f"{ip} saddr @spared{digit} {judged.ends('banned')}"
        yield f"{ip} saddr @spared_nets{digit} {judged.ends('banned_prefix')}"
        yield f"{ip} saddr @known{digit} goto known"
        yield f"{ip} saddr @known_nets{digit} goto known"
    yield "goto stranger"


def _admission(judged: Judged) -> Iterator[str]:
    """Static rules that let a source in before anything else is asked."""
    for head, action in _static(judged):
        yield f"{head} goto allowed" if action == ALLOW else f"{head} return"


def _refusal(judged: Judged) -> Iterator[str]:
    """Static rules that refuse, or that spare from lists; then lists of countries."""
    for head, action in _static(judged):
        yield f"{head} return" if action != DENY else f"{head} {judged.ends('firewall_denied')}"
    for digit, ip, _ in FAMILIES:
        yield f"{ip} saddr @country_deny{digit} {judged.ends('country_denied')}"
        if judged.countries_allowed:
            yield f"{ip} saddr != @country_allow{digit} {judged.ends('country_denied')}"


def _refusal_of_strangers(judged: Judged) -> Iterator[str]:
    """The same, with the imported lists of banned networks: they leave alone who is known here."""
    for head, action in _static(judged):
        yield f"{head} return" if action != DENY else f"{head} goto refusal"
    for digit, ip, _ in FAMILIES:
        yield f"{ip} saddr @ban{digit} {judged.ends('listed')}"
    yield "goto refusal"


def _static(judged: Judged) -> Iterator[tuple[str, int]]:
    """Static rules so that the first match is right: the longest network, and of two as long the one with a port."""
    for key, action in sorted(judged.firewall.items(), key=lambda item: (-item[0].bits, not item[0].port)):
        head = _source(key.ip, key.bits)
        if key.port:
            head = f"{head} {PROTOCOLS[key.protocol]} dport {key.port}"
        yield head, action


def _source(ip: bytes, bits: int) -> str:
    if bits >= 96 and layout.is_ip4(ip):
        return f"ip saddr {layout.network_text(ip, bits)}" if bits > 96 else "meta nfproto ipv4"
    return f"ip6 saddr {layout.network_text(ip, bits)}" if bits else "meta nfproto { ipv4, ipv6 }"


def _allowed(judged: Judged) -> Iterator[str]:
    yield from _media(judged)
    yield _passes("source_allowed")


def _known(judged: Judged) -> Iterator[str]:
    yield "jump refusal"
    yield "jump ports"
    yield from _rate(judged, "knowns", "known", "over_rate_known")
    yield "goto service"


def _stranger(judged: Judged) -> Iterator[str]:
    yield "jump refusal_of_strangers"
    yield "jump ports"
    yield from _rate(judged, "strangers", "stranger", "over_rate_stranger")
    yield "goto service"


def _ports(judged: Judged) -> Iterator[str]:
    for head in ("ip frag-off & 0x1fff != 0", "frag frag-off != 0"):
        yield f"{head} goto fragment"
    yield from _media(judged)
    yield f"meta l4proto . th dport != @service_ports {_passes('other_port')}"


def _fragment(judged: Judged) -> Iterator[str]:
    yield from _rate(judged, "fragments", "fragment", "fragment_flood")
    yield _passes("fragment_later")


def _media(judged: Judged) -> Iterator[str]:
    first, last = judged.policy.relay_first, judged.policy.relay_last
    if last:
        yield f"udp dport {first}-{last} {_passes('rtp_to_user')}"


def _rate(judged: Judged, meter: str, slot: str, verdict: str) -> Iterator[str]:
    burst, interval = judged.policy.limit(f"{slot}_burst"), judged.policy.limit(f"{slot}_interval")
    if not interval:
        return
    silent_s = math.ceil(burst * interval / 1e9) + 1
    for digit, ip, _ in FAMILIES:
        owner = f"{ip} saddr" if digit == "4" else f"{ip} saddr & {_WHOLE_64}"
        limit = f"limit rate over {rate(interval)} burst {max(1, burst)} packets"
        yield f"update @{meter}{digit} {{ {owner} timeout {silent_s}s {limit} }} {judged.ends(verdict)}"


def rate(interval_ns: int) -> str:
    """One packet every `interval_ns` as nft says it, to within a hundredth."""
    for unit, seconds in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)):
        packets = seconds * 1e9 / interval_ns
        if packets >= 100 or unit == "day":
            return f"{max(1, round(packets))}/{unit}"
    raise AssertionError("unreachable: the last unit always serves")


def _service(judged: Judged) -> Iterator[str]:
    yield f"meta l4proto tcp {_passes('tcp_service')}"
    yield f"ip frag-off & 0x2000 != 0 {_passes('sip_fragment')}"
    yield f"exthdr frag exists {_passes('sip_fragment')}"
    yield f"udp length 8 {judged.ends('sip_empty')}"
    yield f"@th,64,64 {_hex('SIP/2.0 ')} {_passes('sip_response')}"
    for length in sorted({len(method) for method in _METHODS}):
        starts = ", ".join(_hex(method) for method in _METHODS if len(method) == length)
        yield f"@th,64,{8 * length} {{ {starts} }} {_passes('sip_request')}"
    yield f"@th,96,32 0x2112a442 {judged.ends('sip_stun')}"
    yield f"@th,64,16 0x0d0a {_passes('sip_keepalive')}"
    yield f"udp length <= 12 @th,64,8 0 {judged.ends('sip_empty')}"
    yield f"@th,64,8 < 0x41 {judged.ends('sip_garbage')}"
    yield f"@th,64,8 > 0x5a {judged.ends('sip_garbage')}"
    yield _passes("sip_unknown_method")


def _hex(text: str) -> str:
    return "0x" + text.encode("ascii").hex()


CHAINS: Final = {
    "service": _service,
    "fragment": _fragment,
    "ports": _ports,
    "allowed": _allowed,
    "refusal": _refusal,
    "refusal_of_strangers": _refusal_of_strangers,
    "admission": _admission,
    "known": _known,
    "stranger": _stranger,
    "gate": _gate,
}


def rules(table: str, judged: Judged) -> Iterator[str]:
    """All chains anew. What the meters know goes, because an element keeps the rate under which it came."""
    for digit, _, _ in FAMILIES:
        yield from (f"flush set {table} {meter}{digit}" for meter in METERS)
    for chain in CHAINS:
        yield f"flush chain {table} {chain}"
    for chain, written in CHAINS.items():
        yield from (f"add rule {table} {chain} {rule}" for rule in written(judged))


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
