"""Every verdict of verdicts.def, each reached by at least one packet, with the action that the list promises."""

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q
from scapy.packet import Raw

from appliance import wire
from appliance.kernel import layout
from tests import streams
from tests.bpf import asking, registering, relaying, scanning
from tests.bpf.cases import (
    FIRST,
    FIRST6,
    FROM,
    FROM6,
    L2,
    L2_4,
    L2_6,
    LATER,
    SIP,
    STRANGER,
    TO,
    TO6,
    Case,
    bans,
    cut,
    denied,
    extended,
    ip6_fragment,
    later_media,
    limited,
    listing,
    padded,
    pair_bans,
    patched,
    phone_media,
    run_out,
    sent,
    session,
    sources,
    tcp,
    userspace,
    without_neighbour,
    without_state,
)
from tests.bpf.rig import OPTIONS, Rig, frame, rtcp, rtp

CASES: dict[str, list[Case]] = {
    "not_ip": [Case("an ARP request", L2 / ARP(pdst=TO)), Case("ARP in a VLAN", L2 / Dot1Q(vlan=5) / ARP(pdst=TO))],
    "other_protocol": [
        Case("a ping", L2 / IP(src=FROM, dst=TO) / ICMP()),
        Case("ESP over IPv6", L2 / IPv6(src=FROM6, dst=TO6, nh=50) / Raw(bytes(32))),
        Case("a later fragment of GRE", L2 / IP(src=FROM, dst=TO, frag=9, proto=47) / Raw(bytes(32))),
        Case("a v6 header with nothing behind it", L2 / IPv6(src=FROM6, dst=TO6, nh=59)),
    ],
    "other_port": [
        Case("DNS", frame(dport=53)),
        Case("TCP to the media range", tcp("S", 20000)),
        Case("SSH", tcp("S", 22)),
        Case("SIP in a plan without a service port", frame(), {"service_ports": ()}),
    ],
    "eth_truncated": [],
    "vlan_truncated": [Case("ends in the tag", cut(L2 / Dot1Q(vlan=5) / IP(), 16))],
    "vlan_too_deep": [Case("three tags", L2 / Dot1AD(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=7) / IP() / SIP)],
    "ip4_truncated": [Case("19 bytes of header", cut(L2 / IP(src=FROM, dst=TO) / SIP, 33))],
    "ip4_version": [Case("IPv6 in an IPv4 frame", L2_4 / IPv6(src=FROM6, dst=TO6) / SIP)],
    "ip4_header_length": [
        Case("four words", patched(L2 / IP(src=FROM, dst=TO) / SIP, 14, 0x44)),
        Case("sixty bytes that are not there", patched(L2 / IP(src=FROM, dst=TO) / UDP(), 14, 0x4F)),
    ],
    "ip4_total_length": [
        Case("longer than the frame", L2 / IP(src=FROM, dst=TO, len=900) / SIP),
        Case("shorter than its header", L2 / IP(src=FROM, dst=TO, len=19) / SIP),
    ],
    "ip6_truncated": [Case("39 bytes of header", cut(L2 / IPv6(src=FROM6, dst=TO6) / SIP, 53))],
    "ip6_version": [Case("IPv4 in an IPv6 frame", padded(L2_6 / IP(src=FROM, dst=TO) / SIP))],
    "ip6_payload_length": [Case("longer than the frame", L2 / IPv6(src=FROM6, dst=TO6, plen=900) / SIP)],
    "ip6_extension_truncated": [
        Case("an extension that passes the end", patched(extended(1), 55, 200)),
        Case(
            "a fragment header cut short",
            cut(ip6_fragment(0, 1, b""), 58)[:18] + b"\0\4" + cut(ip6_fragment(0, 1, b""), 58)[20:],
        ),
    ],
    "ip6_too_many_extensions": [Case("seven of them", extended(7))],
    "ip6_source_routed": [
        Case("type 0", L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrRouting(type=0, addresses=[TO6]) / SIP)
    ],
    "source_impossible": [
        Case("IPv4 multicast", frame(src="224.0.0.1")),
        Case("IPv4 broadcast", frame(src="255.255.255.255")),
        Case("IPv6 multicast", frame(src="ff02::1", dst=TO6)),
        Case("this network", frame(src="0.0.0.0")),
        Case("loopback's, not on lo", frame(src="127.0.0.1")),
        Case("no IPv6 address", frame(src="::", dst=TO6)),
        Case("IPv6 loopback, not on lo", frame(src="::1", dst=TO6)),
        Case("IPv4 mapped on the wire", frame(src="::ffff:10.0.0.1", dst=TO6)),
    ],
    "fragment_malformed": [
        Case("a UDP header in two", L2 / IP(src=FROM, dst=TO, flags="MF", proto=17) / Raw(bytes(4))),
        Case("a TCP header in two", L2 / IP(src=FROM, dst=TO, flags="MF", proto=6) / Raw(bytes(16))),
        Case("TCP flags overwritten", L2 / IP(src=FROM, dst=TO, frag=1, proto=6) / Raw(bytes(64))),
        Case("a v6 fragment of 4 bytes", ip6_fragment(0, 1, bytes(4))),
    ],
    "udp_truncated": [Case("4 bytes", padded(L2 / IP(src=FROM, dst=TO, proto=17) / Raw(bytes(4))))],
    "udp_length": [
        Case("longer than its packet", L2 / IP(src=FROM, dst=TO) / UDP(sport=1, dport=5060, len=900) / Raw(OPTIONS)),
        Case("below 8", L2 / IP(src=FROM, dst=TO) / UDP(sport=1, dport=5060, len=7) / Raw(OPTIONS)),
    ],
    "udp_port_zero": [Case("from port 0", frame(sport=0)), Case("to port 0", frame(dport=0))],
    "tcp_truncated": [Case("12 bytes", padded(L2 / IP(src=FROM, dst=TO, proto=6) / Raw(bytes(12))))],
    "tcp_header_length": [
        Case("four words", L2 / IP(src=FROM, dst=TO) / TCP(dport=5060, dataofs=4)),
        Case("past the end", L2 / IP(src=FROM, dst=TO) / TCP(dport=5060, dataofs=15)),
    ],
    "tcp_flags": [Case(f"flags {f or 'none'}", tcp(f)) for f in ("", "SF", "SR", "FPU", "F")],
    "source_allowed": [
        Case("an allowed address, rubbish", frame(b"rubbish!!"), sources(FROM, wire.SourceClass.ALLOW)),
        Case(
            "an allowed network that is banned too",
            frame(),
            sources("198.51.0.0/16", wire.SourceClass.ALLOW) | bans(FROM),
        ),
        Case("its later fragment", LATER, sources(FROM, wire.SourceClass.ALLOW)),
        Case("an allowed IPv6 network", frame(src=FROM6, dst=TO6), sources("2001:db8::/32", wire.SourceClass.ALLOW)),
    ],
    "banned": [
        Case("an IPv4 address", frame(), bans(FROM)),
        Case("an IPv6 address", frame(src=FROM6, dst=TO6), bans(FROM6)),
        Case("any port", tcp("S", 22), bans(FROM)),
        Case("a known source", frame(), bans(FROM) | sources(FROM, wire.SourceClass.KNOWN)),
        Case("a fragment", LATER, bans(FROM)),
        Case("in a VLAN", L2 / Dot1Q(vlan=5) / IP(src=FROM, dst=TO) / SIP, bans(FROM)),
    ],
    "banned_prefix": [
        Case("an IPv4 network", frame(), bans("198.51.100.0/24")),
        Case("the wider of two", frame(), bans("198.51.0.0/16", "198.51.101.0/24")),
        Case("an IPv6 network", frame(src=FROM6, dst=TO6), bans("2001:db8::/32")),
    ],
    "banned_pair": [
        Case("an IPv4 device", frame(), pair_bans(FROM)),
        Case("a known device", frame(), pair_bans(FROM) | {"known_pairs": (wire.KnownPair(FROM, 5060, 0.0),)}),
        Case("an IPv6 device over TCP", L2 / IPv6(src=FROM6, dst=TO6) / TCP(sport=5060, dport=5060), pair_bans(FROM6)),
    ],
    "firewall_denied": [
        Case("a network", frame(), denied("198.51.100.0/24")),
        Case("a port of ours", tcp("S", 22), denied(FROM, "tcp", 22)),
        Case("IPv6", frame(src=FROM6, dst=TO6), denied("2001:db8::/32")),
    ],
    "listed": [
        Case("an address", frame(), before=listing(FROM)),
        Case("a network", frame(), before=listing("198.51.100.0/24")),
        Case("IPv6", frame(src=FROM6, dst=TO6), before=listing("2001:db8::/32")),
    ],
    "country_denied": [
        Case("a country that is kept out", frame(), before=listing("198.51.0.0/16", kind=wire.ListKind.COUNTRY_DENY)),
        Case("none that is let in", frame(), before=listing("203.0.113.0/24", kind=wire.ListKind.COUNTRY_ALLOW)),
    ],
    "ban_expired": [Case("a ban that has run out", frame(), before=run_out, note="ban_expired")],
    "fragment_later": [
        Case("IPv4", LATER, before=sent(FIRST)),
        Case("IPv6", ip6_fragment(100, 0, bytes(64)), before=sent(FIRST6)),
    ],
    "fragment_refused": [
        Case("media", later_media(), session(), sent(phone_media(rtp(), flags="MF", id=9))),
    ],
    "fragment_unknown": [
        Case("IPv4", LATER),
        Case("IPv6", ip6_fragment(100, 0, bytes(64))),
    ],
    "over_speed": [
        Case("more than the interface may take in", frame(), limited(interface_interval=10**12, interface_depth=1)),
    ],
    "fragment_flood": [
        Case("over the bucket", LATER, limited(fragment_burst=1, fragment_interval=10**12), sent(LATER)),
    ],
    "over_rate_known": [
        Case(
            "the second in a bucket of one",
            frame(),
            limited(known_burst=1, known_interval=10**12) | sources(FROM, wire.SourceClass.KNOWN),
            sent(frame()),
        )
    ],
    "over_rate_stranger": [
        Case("the second in a bucket of one", frame(), limited(**STRANGER), sent(frame())),
        Case(
            "another address of its /64",
            frame(src="2001:db8:7::8", dst=TO6),
            limited(**STRANGER),
            sent(frame(src=FROM6, dst=TO6)),
        ),
    ],
    "over_rate_pair": [
        Case(
            "the second in a bucket of one",
            frame(),
            limited(pair_burst=1, pair_interval=10**12) | {"known_pairs": (wire.KnownPair(FROM, 5060, 0.0),)},
            sent(frame()),
        )
    ],
    "over_guard": [
        Case("the second in a bucket of one", frame(), limited(guard_burst=1, guard_window=10**12), sent(frame())),
    ],
    "over_budget": [
        Case(
            "the second in a bucket of one, of somebody else",
            frame(src="203.0.113.9"),
            limited(budget_burst=1, budget_interval=10**12),
            sent(frame()),
        ),
    ],
    "tcp_connections": [
        Case("the second at once", tcp("S"), limited(connect_burst=1, connect_interval=10**12), sent(tcp("S"))),
    ],
    "tcp_bytes": [
        Case("the second in a bucket of sixty", tcp("A"), limited(tcp_burst=60, tcp_interval=10**12), sent(tcp("A"))),
    ],
    "report_only": [
        Case("what would have been malformed", frame(sport=0), {"report_only": ("udp_port_zero",)}),
    ],
    "tcp_service": [
        Case("SYN", tcp("S")),
        Case("a segment", tcp("PA")),
        Case("the end", tcp("FA")),
        Case("reset", tcp("R")),
    ],
    "sip_request": [
        Case(f"{method}", frame(f"{method} sip:1@192.0.2.1 SIP/2.0\r\n".encode()))
        for method in (
            *("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE", "INFO", "MESSAGE"),
            *("REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH"),
        )
    ]
    + [
        Case("behind IPv4 options", L2 / IP(src=FROM, dst=TO, options=b"\x01" * 8) / SIP),
        Case("behind two VLAN tags", L2 / Dot1AD(vlan=5) / Dot1Q(vlan=6) / IP(src=FROM, dst=TO) / SIP),
        Case("behind IPv6 extensions", extended(5)),
        Case("behind hop-by-hop options", L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrHopByHop() / SIP),
        Case("in an atomic fragment", L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrFragment(nh=17, id=7) / SIP),
        Case("from a known source", frame(), sources(FROM, wire.SourceClass.KNOWN)),
        Case("with padding behind it", padded(frame(b"ACK sip:a")) + bytes(9)),
    ],
    "scanner_agent": [
        Case("by its name", frame(scanning.agent("friendly-scanner")), {"scanners": ("friendly-scanner",)})
    ],
    "scanner_shape": [Case("by its shape", frame(scanning.request(**scanning.SIPVICIOUS)), {"scanners": ("x-scan",)})],
    "registration_answered": [Case("said again", asking.Ask().packet(), registering.WITHIN, registering.accepted)],
    "sip_response": [Case("200", frame(b"SIP/2.0 200 OK\r\n\r\n"))],
    "sip_unknown_method": [
        Case("NEWMETHOD", frame(b"NEWMETHOD sip:a SIP/2.0\r\n")),
        Case("tel", frame(b"FOO tel:1 SIP/2.0\r\n")),
    ],
    "sip_fragment": [
        Case("IPv4", L2 / IP(src=FROM, dst=TO, flags="MF") / UDP(dport=5060, len=3000) / Raw(OPTIONS)),
        Case("IPv6", ip6_fragment(0, 1, bytes(UDP(sport=5060, dport=5060, len=3000, chksum=1)) + OPTIONS)),
    ],
    "sip_keepalive": [
        Case("CRLF", frame(b"\r\n")),
        Case("CRLFCRLF", frame(b"\r\n\r\n")),
        Case("before a start line", frame(b"\r\n" + OPTIONS)),
    ],
    "sip_empty": [Case("nothing", frame(b"")), Case("four zeros", frame(bytes(4)))],
    "sip_stun": [Case("a binding request", frame(b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)))],
    "sip_garbage": [
        Case("binary", frame(bytes(range(64)))),
        Case("HTTP", frame(b"GET / HTTP/1.1\r\n\r\n")),
        Case("lower case", frame(b"invite sip:a SIP/2.0\r\n")),
        Case("another version", frame(b"SIP/3.0 200 OK\r\n")),
        Case("a method without its space", frame(b"INVITE\tsip:a SIP/2.0\r\n")),
        Case("one letter", frame(b"x")),
        Case("five zeros", frame(bytes(5))),
        Case("a long token", frame(b"A" * 64)),
        Case("a scanner's probe", frame(b"\xff\xff\xff\xffgetinfo")),
    ],
    "rtp_to_user": [Case("userspace relays", phone_media(rtp()), session(), userspace)],
    "rtp_to_office": [Case("the office is the other side", phone_media(rtp()), session(office=True))],
    "rtp_no_session": [
        Case("no session at all", phone_media(rtp())),
        Case("another port", phone_media(rtp(), dport=20990), session()),
        Case("another address of ours", phone_media(rtp(), dst="10.77.2.1"), session()),
    ],
    "lease_closed": [Case("before the answer", phone_media(rtp()), session(deadline_ns=0))],
    "lease_lapsed": [Case("after the end", phone_media(rtp()), session(deadline_ns=1))],
    "rtp_fragment": [
        Case("a first fragment", phone_media(rtp(), flags="MF"), session()),
    ],
    "rtp_malformed": [
        Case("version 1", phone_media(rtp(version=1)), session()),
        Case("eleven bytes", phone_media(rtp()[:11]), session()),
        Case("contributing sources that are not there", phone_media(b"\x8f\0" + bytes(20)), session()),
        Case("an extension that is not there", phone_media(b"\x90\0" + bytes(10)), session()),
        Case(
            "an extension longer than the packet",
            phone_media(b"\x90\0" + bytes(10) + b"\0\0\0\x09" + bytes(8)),
            session(),
        ),
        Case("empty", phone_media(b""), session()),
    ],
    "rtcp_malformed": [
        Case("RTP on the RTCP port", relaying.control_from_phone(rtp()), session()),
        Case("longer than its datagram", relaying.control_from_phone(rtcp()[:12]), session()),
        Case("four bytes", relaying.control_from_phone(rtcp()[:4]), session()),
        Case("a bad report where both share a port", phone_media(rtcp()[:12]), session()),
    ],
    "rtp_too_long": [Case("1453 bytes", phone_media(rtp(size=1441)), session())],
    "rtp_stun": [Case("a binding request", phone_media(streams.stun()), session())],
    "rtp_dtls": [Case("a handshake without a fingerprint", phone_media(streams.dtls()), session())],
    "rtp_oversize": [Case("one byte too many", phone_media(rtp(size=149)), session(packet_bytes=160))],
    "rtp_learning": [
        Case("the first from another port", phone_media(rtp(), sport=4002), session()),
        Case("its second", phone_media(rtp(sequence=2), sport=4002), session(), sent(phone_media(rtp(), sport=4002))),
    ],
    "rtp_ssrc": [Case("another SSRC", phone_media(streams.rtp(2)), session(), sent(phone_media(rtp())))],
    "rtp_sequence": [
        Case("3000 ahead", phone_media(rtp(sequence=3001)), session(), sent(phone_media(rtp()))),
        Case("101 behind", phone_media(rtp(sequence=899)), session(), sent(phone_media(rtp(sequence=1000)))),
    ],
    "rtp_early": [Case("muted until the answer", phone_media(rtp()), session(muted=True))],
    "rtp_payload_type": [
        Case("type 97", phone_media(rtp(97)), session()),
        Case("with the marker", phone_media(rtp(18, marker=1)), session()),
    ],
    "rtp_source": [
        Case("another port than announced", phone_media(rtp(), sport=4002), session(learn=False)),
        Case("somebody else, after the phone", phone_media(rtp(), src=FROM), session(), sent(phone_media(rtp()))),
    ],
    "rtp_over_rate": [
        Case(
            "the second in a bucket of one",
            phone_media(rtp()),
            session() | limited(rtp_burst=1, rtp_interval=10**12),
            sent(phone_media(rtp())),
        )
    ],
    "rtp_hops": [Case("TTL 1", phone_media(rtp(), ttl=1), session())],
    "rtp_no_remote": [Case("a peer without an address", phone_media(rtp()), session(trunk_remote=None))],
    "rtp_no_route": [Case("no route", phone_media(rtp()), session(trunk_remote=("203.0.113.9", 40000)))],
    "rtp_no_neighbour": [Case("nobody there yet", phone_media(rtp()), without_neighbour())],
    "rtp_relayed": [
        Case("RTP", phone_media(rtp()), session()),
        Case("of 1452 bytes", phone_media(rtp(size=1440)), session()),
        Case("any payload type", phone_media(rtp(97)), session(payload_types=())),
        Case("payload type 101", phone_media(rtp(101)), session()),
        Case(
            "a banned range, but allowed",
            phone_media(rtp()),
            session() | sources("10.77.1.2", wire.SourceClass.ALLOW) | bans("10.0.0.0/8"),
        ),
    ],
    "rtcp_relayed": [
        Case("on its own port", relaying.control_from_phone(rtcp()), session()),
        Case("on the RTP port", phone_media(rtcp(201)), session()),
    ],
    "dtls_relayed": [Case("a handshake", phone_media(streams.dtls()), session(dtls=True))],
    "gate_fault": [Case("a stream without its state", phone_media(rtp()), session(), without_state)],
}

# An Ethernet header is what BPF_PROG_TEST_RUN and every driver ask of a frame, so no packet can show this one.
UNREACHABLE = {"eth_truncated"}

ROWS = [(verdict, case) for verdict, cases in CASES.items() for case in cases]


def action_of(verdict: str) -> str:
    return next(row.action for row in layout.verdicts() if row.name == verdict)


@pytest.mark.parametrize(("verdict", "case"), ROWS, ids=[f"{verdict}: {case.about}" for verdict, case in ROWS])
def test_a_packet_ends_as_its_row_says(rig: Rig, verdict: str, case: Case) -> None:
    rig.sync(**case.parts)
    try:
        if case.before:
            case.before(rig)
        out = rig.send(case.packet)
    finally:
        rig.gate._set_relay(True, "")
    if case.note:
        assert out.notes == (case.note,)
        return
    assert out.verdict == verdict
    expected = {
        "PASS": {"PASS"},
        "DROP": {"DROP"},
        "ABORT": {"ABORTED"},
        "FORWARD": {"TX", "REDIRECT"},
        "REPLY": {"TX"},
    }
    assert out.action.name in expected[action_of(verdict)]


def test_every_verdict_has_a_case() -> None:
    """In the table above, or in the tests of the stage that it belongs to."""
    names = {verdict.name for verdict in layout.verdicts()}
    here = Path(__file__)
    stages = " ".join(path.read_text(encoding="utf-8") for path in here.parent.glob("test_*.py") if path != here)
    assert CASES.keys() <= names, "the table has cases of what is no verdict"
    assert {name for name in names - CASES.keys() if f'"{name}"' not in stages} == set()
    assert {name for name, cases in CASES.items() if not cases} == UNREACHABLE


def test_every_verdict_has_an_action_and_a_sentence() -> None:
    assert len({verdict.name for verdict in layout.verdicts()}) == len(layout.verdicts())
    for verdict in layout.verdicts():
        assert verdict.action in layout.ACTIONS
        assert verdict.text
