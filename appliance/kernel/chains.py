"""The chains of the nftables gate and their rules. Pure.

It judges in the order of bpf/gate.c and counts under the names of bpf/verdicts.def, and does what nftables can do:
allow list, bans, devices known or banned by address and port, static rules, lists, rates, malformed packets, the start
of a SIP message. MISSING says what it cannot. A chain that is not gate is entered from it, by goto or jump.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from appliance.kernel import layout
from appliance.kernel.firewall import ALLOW, DENY, Rules
from appliance.kernel.policy import PolicyRow
from appliance.kernel.ruleset import CHAINS, FAMILIES, METERS, PAIR_METER, PROTOCOLS, reported

MISSING: Final = (
    "the stateless challenge: every stranger's request within its rate reaches the office",
    "answers from the kernel: keepalives, repeated registrations and 503 go through the office",
    "scanners by name and fingerprint",
    "the RTP firewall: audio is checked by the office's relay alone",
    "the form of the tunnel's messages: WireGuard itself is the first to look at them",
    "evidence: no offenders and no samples of dropped packets",
)
_WHOLE_64: Final = "ffff:ffff:ffff:ffff::"
# RFC 3261 and its extensions, by the length of what tells them: as bpf/sip.h, which says where each one comes from.
_METHODS: Final = ("INVITE ", "ACK ", "BYE ", "CANCEL ", "REGISTER", "OPTIONS ", "PRACK ", "UPDATE ", "INFO ",
                   "MESSAGE ", "REFER ", "SUBSCRIB", "NOTIFY ", "PUBLISH ")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules depend on beside the sets."""

    policy: PolicyRow
    firewall: Rules = field(default_factory=dict)
    countries_allowed: bool = False  # there is a list of countries that alone may come
    pressed: bool = False  # the service does not keep up: strangers share less

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
        yield f"{ip} saddr . th sport @known_pairs{digit} goto registered"
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


def _registered(judged: Judged) -> Iterator[str]:
    yield "jump refusal"
    yield "jump ports"
    yield from _rate(judged, PAIR_METER, "pair", "over_rate_pair", port=" . th sport")
    yield "goto service"


def _known(judged: Judged) -> Iterator[str]:
    yield "jump refusal"
    yield "jump ports"
    yield from _rate(judged, "knowns", "known", "over_rate_known")
    yield "goto service"


def _stranger(judged: Judged) -> Iterator[str]:
    yield "jump refusal_of_strangers"
    yield "jump ports"
    yield from _speed(judged)
    yield from _rate(judged, "strangers", "stranger", "over_rate_stranger")
    yield from _guard(judged)
    yield "jump budget"
    yield "goto service"


def _budget(judged: Judged) -> Iterator[str]:
    """What all strangers share; a chain of its own, because it alone changes when the service is under pressure."""
    burst, interval = judged.policy.limit("budget_burst"), judged.policy.limit("budget_interval")
    divisor = max(1, judged.policy.limit("pressure_divisor")) if judged.pressed else 1
    if interval:
        limit = f"limit rate over {rate(interval * divisor)} burst {max(1, burst // divisor)} packets"
        yield f"{limit} {judged.ends('over_budget')}"


def _guard(judged: Judged) -> Iterator[str]:
    """Without a challenge nothing proves an address here, so the guard counts every stranger's datagram."""
    burst, window = judged.policy.limit("guard_burst"), judged.policy.limit("guard_window")
    if burst and window:
        yield from _meter("guarded", window // burst, burst, judged.ends("over_guard"))


def _speed(judged: Judged) -> Iterator[str]:
    """Strangers have half of what an interface may take in at once; the others are not counted here."""
    interval, depth = judged.policy.limit("interface_interval"), judged.policy.limit("interface_depth")
    if interval:
        most = max(1, depth * 1000 // interval // 2)
        yield f"limit rate over {_bytes_rate(interval)} burst {most} bytes {judged.ends('over_speed')}"


def _ports(judged: Judged) -> Iterator[str]:
    for head in ("ip frag-off & 0x1fff != 0", "frag frag-off != 0"):
        yield f"{head} goto fragment"
    yield from _media(judged)
    yield f"meta l4proto . th dport != @service_ports {_passes('other_port')}"


def _fragment(judged: Judged) -> Iterator[str]:
    burst, interval = judged.policy.limit("fragment_burst"), judged.policy.limit("fragment_interval")
    if interval:
        yield f"limit rate over {rate(interval)} burst {max(1, burst)} packets {judged.ends('fragment_flood')}"
    yield _passes("fragment_unknown")


def _media(judged: Judged) -> Iterator[str]:
    first, last = judged.policy.relay_first, judged.policy.relay_last
    if last:
        yield f"udp dport {first}-{last} {_passes('rtp_to_user')}"


def _rate(judged: Judged, meter: str, slot: str, verdict: str, port: str = "") -> Iterator[str]:
    """Datagrams of a source, or of a device when `port` says so."""
    burst, interval = judged.policy.limit(f"{slot}_burst"), judged.policy.limit(f"{slot}_interval")
    if interval:
        yield from _meter(meter, interval, burst, judged.ends(verdict), port=port)


def _meter(
    meter: str, interval_ns: int, burst: int, ends: str, head: str = "meta l4proto udp", port: str = ""
) -> Iterator[str]:
    silent_s = math.ceil(burst * interval_ns / 1e9) + 1
    limit = f"limit rate over {rate(interval_ns)} burst {max(1, burst)} packets"
    for digit, owner in _owners(port):
        yield f"{head} update @{meter}{digit} {{ {owner} timeout {silent_s}s {limit} }} {ends}"


def _owners(port: str = "") -> Iterator[tuple[str, str]]:
    """Who shares a meter's element: an IPv4 address, or an IPv6 /64; with `port` one device, by its whole address."""
    for digit, ip, _ in FAMILIES:
        yield digit, f"{ip} saddr{port}" if port or digit == "4" else f"{ip} saddr & {_WHOLE_64}"


def _tcp(judged: Judged) -> Iterator[str]:
    """How often a source may connect, and how many bytes it may send."""
    burst, interval = judged.policy.limit("connect_burst"), judged.policy.limit("connect_interval")
    if interval:
        head = "tcp flags & (syn | ack) == syn"
        yield from _meter("connects", interval, burst, judged.ends("tcp_connections"), head)
    most, byte_ps = judged.policy.limit("tcp_burst"), judged.policy.limit("tcp_interval")
    if byte_ps:
        silent_s = math.ceil(most * byte_ps / 1e12) + 1
        limit = f"limit rate over {_bytes_rate(byte_ps)} burst {max(1, most)} bytes"
        for digit, owner in _owners():
            yield f"update @streams{digit} {{ {owner} timeout {silent_s}s {limit} }} {judged.ends('tcp_bytes')}"
    yield _passes("tcp_service")


def _bytes_rate(byte_ps: int) -> str:
    return f"{max(1, round(1e12 / byte_ps))} bytes/second"


def rate(interval_ns: int) -> str:
    """One packet every `interval_ns` as nft says it, to within a hundredth."""
    for unit, seconds in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)):
        packets = seconds * 1e9 / interval_ns
        if packets >= 100 or unit == "day":
            return f"{max(1, round(packets))}/{unit}"
    raise AssertionError("unreachable: the last unit always serves")


def _service(judged: Judged) -> Iterator[str]:
    yield "meta l4proto tcp goto tcp_service"
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


_WRITTEN: Final = {
    "tcp_service": _tcp,
    "budget": _budget,
    "service": _service,
    "fragment": _fragment,
    "ports": _ports,
    "allowed": _allowed,
    "refusal": _refusal,
    "refusal_of_strangers": _refusal_of_strangers,
    "admission": _admission,
    "known": _known,
    "registered": _registered,
    "stranger": _stranger,
    "gate": _gate,
}


def rules(table: str, judged: Judged) -> Iterator[str]:
    """All chains anew. What the meters know goes, because an element keeps the rate under which it came."""
    for digit, _, _ in FAMILIES:
        yield from (f"flush set {table} {meter}{digit}" for meter in (*METERS, PAIR_METER))
    for chain in CHAINS:
        yield f"flush chain {table} {chain}"
    for chain, written in _WRITTEN.items():
        yield from (f"add rule {table} {chain} {rule}" for rule in written(judged))


def pressure(table: str, judged: Judged) -> Iterator[str]:
    """The strangers' shared budget anew, and nothing else."""
    yield f"flush chain {table} budget"
    yield from (f"add rule {table} budget {rule}" for rule in _budget(judged))
