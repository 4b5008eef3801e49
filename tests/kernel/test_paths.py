"""Whole paths over veth, with plain sockets at both ends: what is relayed, what is dropped, what stays behind."""

import asyncio
import errno
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance import wire
from appliance.kernel import layout, link, syscall, testrun
from appliance.kernel.gate import Gate
from tests.kernel.conftest import Sockets, Tallied
from tests.lab.network import Lab, xdp_mode
from tests.lab.waiting import until

PACKETS = 200
BURST = 20  # a veth ring holds 256, and an emulated machine is slow to empty it
Where = tuple[str, int]


def plan(*sessions: wire.RelaySession, **parts: object) -> wire.Plan:
    return wire.Plan(1, (("udp", 5060),), (20000, 29999), sessions=sessions, **parts)  # type: ignore[arg-type]


def call(lab: Lab, *, phone6: bool = False, trunk6: bool = False, deadline_s: float = 60.0) -> wire.RelaySession:
    """One RTP stream each way between the phone's port 4000 and the trunk's port 40000."""
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    near = (phone.gateway6 if phone6 else phone.gateway, 20000)
    far = (trunk.gateway6 if trunk6 else trunk.gateway, 20002)
    return wire.RelaySession(
        7,
        time.monotonic_ns() + int(deadline_s * 1e9),
        (
            wire.RelayStream(near, far, (phone.address6 if phone6 else phone.address, 4000)),
            wire.RelayStream(far, near, (trunk.address6 if trunk6 else trunk.address, 40000)),
        ),
    )


def rtp(number: int) -> bytes:
    return b"\x80\x00" + number.to_bytes(2, "big") + bytes(8) + bytes(number + i & 255 for i in range(160 + number % 7))


def receive(at: socket.socket, count: int) -> list[tuple[bytes, Where]]:
    """Up to `count` datagrams, fewer when they stop coming."""
    found: list[tuple[bytes, Where]] = []
    try:
        while len(found) < count:
            payload, source = at.recvfrom(2048)
            found.append((payload, (source[0], source[1])))
    except TimeoutError:
        pass
    return found


def exchange(sender: socket.socket, to: Where, receiver: socket.socket, source: Where, first: int = 0) -> None:
    """Every packet sent arrives as it was, from the appliance's address on the other side."""
    for burst in range(first, first + PACKETS, BURST):
        packets = [rtp(burst + number) for number in range(BURST)]
        for packet in packets:
            sender.sendto(packet, to)
        arrived = sorted(receive(receiver, BURST))  # CPUs may overtake each other
        assert arrived == sorted((packet, source) for packet in packets)


@pytest.mark.parametrize("checksums", ["off", "on"], ids=["whole checksums", "partial checksums"])
@pytest.mark.parametrize(("phone6", "trunk6"), [(False, False), (True, True), (False, True), (True, False)])
def test_media_crosses_both_ways_untouched(
    gate: Gate, lab: Lab, sockets: Sockets, phone6: bool, trunk6: bool, checksums: str
) -> None:
    for host in lab.hosts.values():
        lab.run(host.namespace, ["ethtool", "-K", host.interface, "tx", checksums])
    assert [gate.attach(name).mode for name in lab.interfaces] == ["native", "native"]
    assert gate.status().relay == "kernel"
    session = call(lab, phone6=phone6, trunk6=trunk6)
    gate.sync(plan(session))
    near, far = session.streams[0].local, session.streams[1].local
    phone, trunk = sockets.at("phone", 4000, six=phone6), sockets.at("trunk", 40000, six=trunk6)
    warm(gate, trunk, far, phone, session)
    exchange(phone, near, trunk, far)
    exchange(trunk, far, phone, near, first=1000)
    streams = {stream.local: stream for stream in gate.close_session(7).streams}
    assert streams[near].packets == PACKETS
    assert streams[far].packets == PACKETS


def warm(gate: Gate, trunk: socket.socket, far: Where, phone: socket.socket, session: wire.RelaySession) -> None:
    """Until the kernel knows the next hop to the phone, which opening the session has asked for."""
    deadline = time.monotonic() + 30
    phone.settimeout(0.02)
    while time.monotonic() < deadline:
        trunk.sendto(rtp(0), far)
        try:
            phone.recvfrom(2048)
        except TimeoutError:
            continue
        break
    receive(phone, 1000)
    phone.settimeout(2.0)
    gate.close_session(session.session)
    gate.open_session(session)


def test_opening_a_session_resolves_the_next_hop_before_the_first_packet(
    gate: Gate, lab: Lab, sockets: Sockets
) -> None:
    lab.run(lab.appliance, ["ip", "neigh", "flush", "all"])
    for name in lab.interfaces:
        gate.attach(name)
    gate.sync(plan())
    gate.open_session(call(lab))
    phone = lab.hosts["phone"]
    for _ in range(200):
        shown = lab.run(lab.appliance, ["ip", "neigh", "show", phone.address]).stdout
        if "lladdr" in shown:
            break
    assert "lladdr" in shown
    trunk, ear = sockets.at("trunk", 40000), sockets.at("phone", 4000)
    trunk.sendto(rtp(1), (lab.hosts["trunk"].gateway, 20002))
    assert receive(ear, 1) == [(rtp(1), (phone.gateway, 20000))]


def refuse_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no driver here had native XDP."""

    def generic_alone(program_fd: int, ifindex: int, flags: int) -> int:
        if flags == syscall.XDP_NATIVE:
            raise OSError(errno.EOPNOTSUPP, "no native XDP")
        return real(program_fd, ifindex, flags)

    real = syscall.link_xdp
    monkeypatch.setattr(syscall, "link_xdp", generic_alone)


def test_a_driver_without_native_xdp_gets_a_generic_gate_and_a_reason(
    gate: Gate, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_native(monkeypatch)
    name = lab.interfaces[0]
    with pytest.raises(wire.WireError, match="takes no native XDP program: its driver has no native XDP"):
        gate.attach(name, "native")
    assert gate.attach(name) == wire.Interface(name, "generic", "its driver has no native XDP")


def test_a_generic_gate_relays_too(gate: Gate, lab: Lab, sockets: Sockets) -> None:
    modes = [gate.attach(name, "generic") for name in lab.interfaces]
    assert {(mode.mode, mode.reason) for mode in modes} == {("generic", "asked for")}
    assert {xdp_mode(lab.appliance, name) for name in lab.interfaces} == {"generic"}
    session = call(lab)
    gate.sync(plan(session))
    near, far = session.streams[0].local, session.streams[1].local
    phone, trunk = sockets.at("phone", 4000), sockets.at("trunk", 40000)
    warm(gate, trunk, far, phone, session)
    exchange(phone, near, trunk, far)


def test_media_stop_at_the_deadline(gate: Gate, lab: Lab, sockets: Sockets, tally: Tallied) -> None:
    for name in lab.interfaces:
        gate.attach(name)
    session = call(lab)
    gate.sync(plan(session))
    near, far = session.streams[0].local, session.streams[1].local
    phone, trunk = sockets.at("phone", 4000), sockets.at("trunk", 40000)
    warm(gate, trunk, far, phone, session)
    deadline_ns = time.monotonic_ns() + 500_000_000
    gate.renew_lease(7, deadline_ns)
    trunk.settimeout(0.02)
    sent_ns, came = dict[bytes, int](), list[bytes]()
    # Until ten were sent too late: how many in all, and how near to the deadline, is the machine's affair.
    while sum(at >= deadline_ns for at in sent_ns.values()) < 10:
        packet = rtp(len(sent_ns))
        sent_ns[packet] = time.monotonic_ns()
        phone.sendto(packet, near)
        came += [payload for payload, _ in receive(trunk, 1)]
    came += [payload for payload, _ in receive(trunk, 1000)]
    assert came and all(sent_ns[packet] < deadline_ns for packet in came)
    assert tally("lease_lapsed") >= 10


def test_a_banned_source_gets_nothing_through(gate: Gate, lab: Lab, sockets: Sockets, tally: Tallied) -> None:
    for name in lab.interfaces:
        gate.attach(name)
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    gate.sync(plan(bans=(wire.Ban(phone.address),)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("0.0.0.0", 5060))
        service.settimeout(2)
        sockets.at("phone", 5060).sendto(b"OPTIONS sip:banned SIP/2.0\r\n\r\n", (phone.gateway, 5060))
        sockets.at("trunk", 5060).sendto(b"OPTIONS sip:free SIP/2.0\r\n\r\n", (trunk.gateway, 5060))
        assert receive(service, 1) == [(b"OPTIONS sip:free SIP/2.0\r\n\r\n", (trunk.address, 5060))]
    assert tally("banned") == 1


def test_fragments_of_a_large_invite_arrive_whole(gate: Gate, lab: Lab, sockets: Sockets, tally: Tallied) -> None:
    for name in lab.interfaces:
        gate.attach(name)
    gate.sync(plan())
    phone = lab.hosts["phone"]
    large = b"INVITE sip:1 SIP/2.0\r\n" + bytes(4000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("0.0.0.0", 5060))
        service.settimeout(2)
        sockets.at("phone", 5060).sendto(large, (phone.gateway, 5060))
        assert service.recvfrom(8192)[0] == large
    assert tally("sip_fragment") == 1
    assert tally("fragment_later") == 2


def test_closing_leaves_nothing_behind(inside: Lab, header_cache: Path) -> None:
    gate = Gate.load(header_cache=header_cache)
    number = syscall.program_id(gate.program_fd)
    for name in inside.interfaces:
        gate.attach(name)
    forwarding = Path("/proc/sys/net/ipv4/conf/lo/forwarding")
    assert forwarding.read_text().strip() == "1"
    gate.close()
    assert [link.attached(name) for name in inside.interfaces] == [("", 0), ("", 0)]
    assert forwarding.read_text().strip() == "0"
    assert number not in syscall.program_ids()


def test_a_killed_gate_is_detached_by_the_kernel(inside: Lab, header_cache: Path) -> None:
    name = inside.interfaces[0]
    work = f"""
from pathlib import Path
from appliance.kernel.gate import Gate
gate = Gate.load(header_cache=Path({str(header_cache)!r}))
print(gate.attach({name!r}).mode, flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=layout.BPF_DIR.parent,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "native\n"
        assert link.attached(name)[0] == "native"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    until(lambda: link.attached(name) == ("", 0))  # a moment after its last reference


def test_somebody_elses_program_is_not_touched(gate: Gate, lab: Lab) -> None:
    name = lab.interfaces[0]
    held = link.attach(testrun.pass_program(), name)
    try:
        with pytest.raises(wire.WireError, match=f"{name} already carries another XDP program") as refused:
            gate.attach(name)
        assert refused.value.code == "xdp_busy"
    finally:
        link.detach(held)
    assert gate.attach(name).mode == "native"


def test_an_interface_that_is_not_there_is_named(gate: Gate) -> None:
    with pytest.raises(wire.WireError, match="no interface 'nix0'") as refused:
        gate.attach("nix0")
    assert "to-phone" in refused.value.hint


def test_loopback_is_generic_and_relays_in_userspace(gate: Gate, tally: Tallied) -> None:
    assert gate.attach("lo") == wire.Interface("lo", "generic", "loopback has no driver")
    assert gate.attach("lo").mode == "generic", "again is no change"
    status = gate.status()
    assert (status.relay, status.relay_reason) == ("user", "lo is attached, and XDP cannot send on loopback")
    gate.sync(plan())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        ear.bind(("127.0.0.1", 20000))
        ear.settimeout(2)
        mouth.sendto(rtp(1), ("127.0.0.1", 20000))
        assert ear.recv(2048) == rtp(1)
    assert tally("rtp_to_user") == 1


def test_media_passes_to_userspace_when_that_is_wanted(gate: Gate, lab: Lab) -> None:
    gate.attach(lab.interfaces[0])
    gate.relay_in_userspace("chosen")
    gate.attach(lab.interfaces[1])
    assert (gate.status().relay, gate.status().relay_reason) == ("user", "chosen")
    gate._user_relay = ""


def test_a_card_that_hides_vlan_tags_can_be_told_to_leave_them(lab: Lab, inside: Lab) -> None:
    name = lab.interfaces[0]
    assert not link.strip_tags(name, strip=True), "as it was"
    assert link.strip_tags(name, strip=False)
    assert "rx-vlan-offload: off" in lab.run(lab.appliance, ["ethtool", "-k", name]).stdout
    assert link.strip_tags(name, strip=True)
    assert not link.strip_tags("lo", strip=True), "a driver without the choice is no error"


async def test_a_keeper_with_a_running_loop_can_attach_and_look(inside: Lab, header_cache: Path) -> None:
    gate = Gate.load(header_cache=header_cache)
    try:
        await asyncio.sleep(0)
        assert gate.attach(inside.interfaces[0]).mode == "native"
        assert link.addresses(inside.interfaces[0]) == [inside.hosts["phone"].gateway, inside.hosts["phone"].gateway6]
        gate.sync(plan(call(inside)))
    finally:
        gate.close()


def test_a_peer_with_a_pass_program_receives_what_is_redirected(lab: Lab) -> None:
    host = lab.hosts["phone"]
    assert xdp_mode(host.namespace, host.interface) == "native", "the laboratory gives every peer one"
