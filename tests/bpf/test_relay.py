"""What a relayed packet looks like on the other side, whose it may be, and what is counted of it."""

import fcntl
import socket
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from appliance import wire
from appliance.kernel import testrun
from appliance.kernel.testrun import Action
from tests.bpf.relaying import (
    PHONE,
    PHONE6,
    PHONE_LOCAL,
    PHONE_LOCAL6,
    TRUNK,
    TRUNK6,
    TRUNK_LOCAL,
    TRUNK_LOCAL6,
    Where,
    datagram,
    from_phone,
    from_trunk,
    session,
)
from tests.bpf.rig import FAR_FUTURE, GATE_MAC, PHONE_MAC, TRUNK_MAC, Out, Rig, rtp, soon

SIZES = [0, 1, 2, 3, 4, 31, 32, 33, 160, 511, 512, 513, 1000, 1025, 1440]


def mac_of(interface: str) -> str:
    """Asked by a socket, because /sys shows the namespace in which it was mounted."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking.fileno(), 0x8927, struct.pack("256s", interface.encode()))  # SIOCGIFHWADDR
    return ":".join(f"{byte:02x}" for byte in answer[18:24])


def whole(packet: Packet) -> Packet:
    """The packet with its checksums computed anew: what it must equal."""
    again = Ether(bytes(packet))
    for layer in (IP, UDP):
        if layer in again:
            del again[layer].chksum
    return Ether(bytes(again))


def check(out: Out, source: Where, target: Where, payload: bytes) -> Packet:
    """Addresses, ports, lengths, checksums and payload of what left the gate."""
    packet = out.ether
    six = ":" in target[0]
    network = packet[IPv6] if six else packet[IP]
    assert (network.src, network.dst) == (source[0], target[0])
    assert (packet[UDP].sport, packet[UDP].dport) == (source[1], target[1])
    assert packet[UDP].len == 8 + len(payload)
    assert bytes(packet[UDP].payload)[: len(payload)] == payload
    correct = whole(packet)
    if six:
        assert network.plen == packet[UDP].len
        assert packet[UDP].chksum == correct[UDP].chksum != 0
    else:
        assert network.len == 20 + packet[UDP].len
        assert network.chksum == correct[IP].chksum
        assert packet[UDP].chksum == 0
    return packet


def learned(rig: Rig, port: int) -> None:
    """The phone sends from another port than announced until it is heard."""
    verdicts = [rig.send(from_phone(rtp(sequence=n), sport=port)).verdict for n in (1, 2, 3)]
    assert verdicts == ["rtp_learning", "rtp_learning", "rtp_relayed"]


def test_a_phones_packet_leaves_for_the_trunk_from_the_trunks_side(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    out = rig.send(from_phone(rtp(), ttl=61, tos=0xB8, id=77))
    assert (out.verdict, out.action) == ("rtp_relayed", Action.REDIRECT)
    packet = check(out, TRUNK_LOCAL, TRUNK, rtp())
    assert (packet.src, packet.dst) == (mac_of("to-trunk"), TRUNK_MAC)
    assert (packet[IP].ttl, packet[IP].tos, packet[IP].id) == (60, 0xB8, 77)


def test_the_trunks_packet_goes_back_where_the_phone_sent_from(rig: Rig) -> None:
    limits = wire.Limits({"rtp_patience": 0})
    rig.sync(sessions=(session(phone_remote=("192.168.7.7", 5004)),), limits=limits)  # behind NAT: so the SDP
    learned(rig, 61000)
    out = rig.send(from_trunk(rtp()), "to-trunk")
    packet = check(out, PHONE_LOCAL, ("10.77.1.2", 61000), rtp())
    assert (packet.src, packet.dst) == (GATE_MAC, PHONE_MAC), "the frame goes back by the way it came"


def test_both_sides_on_one_interface_leave_by_tx(rig: Rig) -> None:
    rig.sync(sessions=(session(trunk_local=("10.77.1.1", 20002), trunk_remote=("10.77.1.2", 40000)),))
    out = rig.send(from_phone(rtp()))
    assert (out.verdict, out.action) == ("rtp_relayed", Action.TX)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_crosses_between_ip4_and_ip6_with_right_checksums(rig: Rig, size: int) -> None:
    payload = rtp(size=size)
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    check(rig.send(from_phone(payload)), TRUNK_LOCAL6, TRUNK6, payload)
    back = datagram(payload, TRUNK6, TRUNK_LOCAL6, TRUNK_MAC)
    check(rig.send(back, "to-trunk"), PHONE_LOCAL, PHONE, payload)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_stays_ip6_with_right_checksums(rig: Rig, size: int) -> None:
    payload = rtp(size=size)
    sides = {"phone_local": PHONE_LOCAL6, "phone_remote": PHONE6, "trunk_local": TRUNK_LOCAL6, "trunk_remote": TRUNK6}
    rig.sync(sessions=(session(**sides),))  # type: ignore[arg-type]
    packet = datagram(payload, PHONE6, PHONE_LOCAL6, PHONE_MAC)
    packet[IPv6].tc, packet[IPv6].fl, packet[IPv6].hlim = 0xB8, 0x12345, 9
    out = check(rig.send(packet), TRUNK_LOCAL6, TRUNK6, payload)
    assert (out[IPv6].tc, out[IPv6].fl, out[IPv6].hlim) == (0xB8, 0x12345, 8)


def test_a_partial_checksum_of_a_local_sender_is_replaced(rig: Rig) -> None:
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    packet = from_phone(rtp())
    packet[UDP].chksum = 0x1234
    check(rig.send(packet), TRUNK_LOCAL6, TRUNK6, rtp())


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ones(rig: Rig) -> None:
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    zeroed = rtp(size=2)[:12] + bytes(2)
    sent = rig.send(from_phone(zeroed)).ether
    payload = zeroed[:12] + sent[UDP].chksum.to_bytes(2, "big")
    assert rig.send(from_phone(payload)).ether[UDP].chksum == 0xFFFF


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=1440))
def test_any_payload_gets_a_right_checksum(rig: Rig, body: bytes) -> None:
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    payload = rtp(size=0) + body
    check(rig.send(from_phone(payload)), TRUNK_LOCAL6, TRUNK6, payload)


def test_sums_with_every_carry_are_right(rig: Rig) -> None:
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    for number in range(256):
        payload = rtp(size=0) + bytes(number * i + i // 3 & 255 for i in range(160 + number))
        check(rig.send(from_phone(payload)), TRUNK_LOCAL6, TRUNK6, payload)


def test_ip4_options_and_ethernet_padding_are_left_behind(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    packet = from_phone(rtp(size=4), options=b"\x01" * 12)
    out = rig.send(bytes(packet) + b"padding!")
    check(out, TRUNK_LOCAL, TRUNK, rtp(size=4))
    assert out.ether[IP].ihl == 5


def test_a_phone_in_a_vlan_is_answered_in_its_vlan(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    inner = from_phone(rtp())
    tagged = Ether(src=PHONE_MAC, dst=GATE_MAC) / Dot1AD(vlan=9) / Dot1Q(vlan=12, prio=5) / inner[IP]
    out = rig.send(tagged)
    assert check(out, TRUNK_LOCAL, TRUNK, rtp()).type == 0x0800, "the trunk's side has no VLAN"
    back = rig.send(from_trunk(rtp()), "to-trunk")
    packet = check(back, PHONE_LOCAL, PHONE, rtp())
    assert (packet[Dot1AD].vlan, packet[Dot1Q].vlan, packet[Dot1Q].prio) == (9, 12, 5)


def test_a_vlan_interface_below_the_route_adds_its_tag(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    phone, trunk = socket.if_nametoindex("to-phone"), socket.if_nametoindex("to-trunk")
    tag = socket.htons(0x8100) | socket.htons(42) << 16
    try:
        rig.gate.kernel.set_paths({phone: (phone, ()), trunk: (phone, (tag,))})
        out = rig.send(from_phone(rtp()))
        assert out.action is Action.TX
        assert check(out, TRUNK_LOCAL, TRUNK, rtp())[Dot1Q].vlan == 42
    finally:
        rig.gate.refresh_paths()


def test_the_first_source_is_locked_and_others_are_refused(rig: Rig) -> None:
    rig.sync(sessions=(session(phone_remote=None),), limits=wire.Limits({"rtp_patience": 0}))
    learned(rig, 6000)
    assert rig.send(from_phone(rtp(), sport=6002)).verdict == "rtp_source"
    assert rig.send(from_phone(rtp(sequence=4), sport=6000)).verdict == "rtp_relayed"


def test_the_announced_source_takes_the_way_back_over(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    learned(rig, 6000)
    check(rig.send(from_trunk(rtp()), "to-trunk"), PHONE_LOCAL, ("10.77.1.2", 6000), rtp())
    assert rig.send(from_phone(rtp())).verdict == "rtp_relayed"
    check(rig.send(from_trunk(rtp()), "to-trunk"), PHONE_LOCAL, PHONE, rtp())


def test_a_forged_packet_that_is_refused_does_not_draw_the_replies_away(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    rig.send(from_phone(rtp()))
    forged = rtp()[:8] + b"FORG" + rtp()[12:]
    assert rig.send(datagram(forged, PHONE, PHONE_LOCAL, "02:00:00:00:00:66")).verdict == "rtp_ssrc"
    assert rig.send(from_trunk(rtp()), "to-trunk").ether.dst == PHONE_MAC


def test_a_forged_source_on_another_interface_does_not_draw_the_replies_there(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    rig.send(from_phone(rtp()), "to-phone")
    rig.send(datagram(rtp(), PHONE, PHONE_LOCAL, "02:00:00:00:00:66"), "to-trunk")
    back = rig.send(from_trunk(rtp()), "to-trunk")
    assert (back.action, back.ether.dst) == (Action.REDIRECT, PHONE_MAC)


def test_a_gateway_that_changes_its_address_on_the_link_is_followed(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    rig.send(from_phone(rtp()))
    rig.send(datagram(rtp(), PHONE, PHONE_LOCAL, "02:00:00:00:00:66"))
    assert rig.send(from_trunk(rtp()), "to-trunk").ether.dst == "02:00:00:00:00:66"


def test_a_stream_is_held_to_the_packets_a_second_of_its_codecs(rig: Rig) -> None:
    rig.sync(sessions=(session(packets_per_s=100, muted=True),))  # muted: a packet that is not sent on stays the same
    before = rig.counts()
    testrun.run(rig.gate.program_fd, bytes(from_phone(rtp())), ifindex=socket.if_nametoindex("to-phone"), repeat=1000)
    ends = {name: rig.counts()[name][0] - before[name][0] for name in ("rtp_early", "rtp_over_rate")}
    assert sum(ends.values()) == 1000
    assert 100 <= ends["rtp_early"] <= 200, "a second's packets, and what comes in while the test runs"


def test_an_invalid_packet_locks_nobody_in(rig: Rig) -> None:
    rig.sync(sessions=(session(phone_remote=None),), limits=wire.Limits({"rtp_patience": 0}))
    for _ in range(4):
        rig.send(from_phone(rtp(97), sport=6666))
        rig.send(from_phone(rtp(version=1), sport=6666))
    learned(rig, 4000)


def test_without_learning_only_the_announced_source_may_send(rig: Rig) -> None:
    rig.sync(sessions=(session(learn=False),))
    assert rig.send(from_phone(rtp(), sport=PHONE[1] + 2)).verdict == "rtp_source"
    assert rig.send(from_phone(rtp())).verdict == "rtp_relayed"


def test_a_new_announcement_voids_what_was_learned(rig: Rig) -> None:
    rig.sync()
    rig.gate.open_session(session())
    learned(rig, 6000)
    moved = ("10.77.1.2", 7000)
    rig.gate.open_session(session(phone_remote=moved))
    check(rig.send(from_trunk(rtp()), "to-trunk"), PHONE_LOCAL, moved, rtp())
    assert rig.send(from_phone(rtp(), sport=7000)).verdict == "rtp_relayed"
    assert rig.send(from_phone(rtp(), sport=6000)).verdict == "rtp_source"


def test_the_same_session_again_keeps_lock_and_counters(rig: Rig) -> None:
    rig.sync()
    rig.gate.open_session(session())
    learned(rig, 6000)
    rig.gate.open_session(session())
    assert rig.send(from_phone(rtp(), sport=6002)).verdict == "rtp_source"
    counters = {s.local: s for s in rig.gate.session_counters(7).streams}
    assert (counters[PHONE_LOCAL].packets, counters[PHONE_LOCAL].dropped) == (1, 3)


def test_the_lease_opens_renews_and_ends_the_media(rig: Rig) -> None:
    rig.sync()
    rig.gate.open_session(session(deadline_ns=0))
    assert rig.send(from_phone(rtp())).verdict == "lease_closed"
    rig.gate.renew_lease(7, soon())
    assert rig.send(from_phone(rtp())).verdict == "rtp_relayed"
    rig.gate.renew_lease(7, time.monotonic_ns())
    assert rig.send(from_phone(rtp())).verdict == "lease_lapsed"
    rig.gate.renew_lease(7, FAR_FUTURE)
    assert rig.send(from_phone(rtp())).verdict == "rtp_relayed"
    rig.gate.close_session(7)
    assert rig.send(from_phone(rtp())).verdict == "rtp_no_session"


def test_a_plan_that_repeats_a_session_keeps_its_counters(rig: Rig) -> None:
    running = session()
    rig.sync(sessions=(running,))
    for _ in range(3):
        rig.send(from_phone(rtp()))
    assert rig.sync(sessions=(running,)).changed == 0
    assert sum(s.packets for s in rig.gate.session_counters(7).streams) == 3


def test_every_field_of_a_stream_is_found_again_in_the_kernel(rig: Rig) -> None:
    checks = {"near": "192.0.2.9", "final": True, "muted": True, "dtls": True, "many": True}
    running = session(payload_types=(0, 13, 101, 127), packets_per_s=150, packet_bytes=620, **checks)
    assert rig.sync(sessions=(running,)).added
    again = rig.sync(sessions=(running,))
    assert (again.added, again.changed, again.removed) == (0, 0, 0)


def test_counters_say_what_was_relayed_and_refused(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    before = time.monotonic_ns()
    frames = [bytes(from_phone(rtp(size=size))) for size in (20, 160, 400)]
    for sent in frames:
        rig.send(sent)
    rig.send(from_phone(rtp(97)))
    counters = rig.gate.close_session(7)
    streams = {s.local: s for s in counters.streams}
    phone = streams[PHONE_LOCAL]
    assert counters.found
    assert (phone.packets, phone.bytes, phone.dropped) == (3, sum(map(len, frames)), 1)
    assert phone.source == PHONE
    assert before < phone.last_ns < time.monotonic_ns()
    assert (streams[TRUNK_LOCAL].packets, streams[TRUNK_LOCAL].last_ns) == (0, 0)
    assert not rig.gate.close_session(7).found


def test_a_frame_of_another_ip_version_with_the_same_port_is_no_match(rig: Rig) -> None:
    rig.sync(sessions=(session(),))
    stray = datagram(rtp(), PHONE6, (PHONE_LOCAL6[0], PHONE_LOCAL[1]), PHONE_MAC)
    assert rig.send(stray).verdict == "rtp_no_session"


def test_a_trailer_behind_the_datagram_is_not_part_of_the_checksum(rig: Rig) -> None:
    rig.sync(sessions=(session(trunk_local=TRUNK_LOCAL6, trunk_remote=TRUNK6),))
    check(rig.send(bytes(from_phone(rtp(size=5))) + b"\xff" * 9), TRUNK_LOCAL6, TRUNK6, rtp(size=5))


def test_what_is_for_the_office_is_held_to_the_rules_of_a_relayed_packet_and_counted(rig: Rig) -> None:
    rig.sync(sessions=(session(office=True),))
    assert rig.send(from_phone(rtp())).verdict == "rtp_to_office"
    assert rig.send(from_phone(rtp(sequence=2), src="203.0.113.66")).verdict == "rtp_source"
    assert rig.send(from_phone(rtp(97, sequence=2))).verdict == "rtp_payload_type"
    out = rig.send(from_phone(rtp(sequence=2)))
    assert (out.verdict, out.action) == ("rtp_to_office", Action.PASS)
    counters = next(row for each in rig.gate.counters() for row in each.streams if row.local == PHONE_LOCAL)
    assert (counters.packets, counters.dropped, counters.source) == (2, 2, PHONE)
    rig.sync(sessions=(session(office=True, deadline_ns=1),))
    assert rig.send(from_phone(rtp(sequence=3))).verdict == "lease_lapsed"
    rig.sync(sessions=(session(),))
    assert rig.send(from_phone(rtp(sequence=4))).verdict == "rtp_relayed", "the lock outlives the change"
