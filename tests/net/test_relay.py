"""The userspace relay over loopback sockets: what arrives is what was sent, and nothing after the deadline."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from appliance.wire import RelaySession, RelayStream, WireError
from pysrv.net.relay import UserRelay
from tests.net.rtp import Phone, rtcp, rtp
from tests.ports import free_pair

NEVER_NS = 2**62
HERE = "127.0.0.1"


@pytest.fixture
def phones() -> Iterator[Callable[..., Phone]]:
    made: list[Phone] = []

    def make(address: str = HERE) -> Phone:
        made.append(Phone(address))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


@pytest.fixture
async def relay() -> AsyncIterator[UserRelay]:
    relay = UserRelay(asyncio.get_running_loop())
    yield relay
    relay.close_all()


def pair(a: Phone | None, b: Phone | None, **options: object) -> tuple[RelayStream, RelayStream]:
    """Rows of one stream between two phones; a phone that is None has announced nothing."""
    address_a, address_b = options.pop("addresses", (HERE, HERE))  # type: ignore[misc]
    port = free_pair()
    local_a, local_b = (address_a, port), (address_b, port + 1)
    return (
        RelayStream(local_a, local_b, a.at if a else None, **options),  # type: ignore[arg-type]
        RelayStream(local_b, local_a, b.at if b else None, **options),  # type: ignore[arg-type]
    )


def seen(relay: UserRelay) -> int:
    """Packets that the first stream has judged."""
    counters = relay.counters()[0].streams[0]
    return counters.packets + counters.dropped


async def settle() -> None:
    """Let the relay's readers run until nothing is readable any more."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_both_ways_carry_the_same_bytes_in_order(relay: UserRelay, phones: Callable[..., Phone]) -> None:
    a, b = phones(), phones()
    rows = pair(a, b)
    relay.open(RelaySession(1, NEVER_NS, rows))
    there = [rtp(bytes([n]) * 160, sequence=n) for n in range(100)]
    back = [rtp(bytes([n]) * 160, sequence=n, ssrc=9) for n in range(100, 200)]
    for one, other in zip(there, back, strict=True):
        a.send(one, rows[0].local)
        b.send(other, rows[1].local)
    assert [await b.receive() for _ in there] == there
    assert [await a.receive() for _ in back] == back
    (counters,) = relay.counters()
    assert [(c.packets, c.bytes, c.dropped, c.source) for c in counters.streams] == [
        (100, 100 * (172 + 42), 0, a.at),
        (100, 100 * (172 + 42), 0, b.at),
    ]
    assert all(0 < c.last_ns <= time.monotonic_ns() for c in counters.streams)


@pytest.mark.parametrize("addresses", [("::1", "::1"), (HERE, "::1")], ids=["IPv6", "IPv4 to IPv6"])
async def test_ipv6_and_mixed_sides_are_relayed(
    relay: UserRelay, phones: Callable[..., Phone], addresses: tuple[str, str]
) -> None:
    a, b = phones(addresses[0]), phones(addresses[1])
    rows = pair(a, b, addresses=addresses)
    relay.open(RelaySession(1, NEVER_NS, rows))
    a.send(rtp(b"there"), rows[0].local)
    assert await b.receive() == rtp(b"there")
    b.send(rtp(b"back"), rows[1].local)
    assert await a.receive() == rtp(b"back")


async def test_a_source_that_was_not_announced_is_heard_from_its_third_packet_on_and_answered(
    relay: UserRelay, phones: Callable[..., Phone]
) -> None:
    announced, behind_nat, thief, b = phones(), phones(), phones(), phones()
    rows = pair(announced, b)
    relay.open(RelaySession(1, NEVER_NS, rows))
    behind_nat.send(b"not RTP at all", rows[0].local)
    for number in (1, 2, 3):
        behind_nat.send(rtp(sequence=number), rows[0].local)
    assert await b.receive() == rtp(sequence=3)
    thief.send(rtp(b"stolen"), rows[0].local)
    b.send(rtp(b"answer"), rows[1].local)
    assert await behind_nat.receive() == rtp(b"answer")
    await settle()
    assert not b.received() and not thief.received() and not announced.received()
    assert relay.verdicts == {"rtp_malformed": 1, "rtp_learning": 2, "rtp_source": 1}
    assert relay.counters()[0].streams[0].dropped == 4


async def test_the_announced_source_takes_the_lock_from_one_that_was_learned(
    relay: UserRelay, phones: Callable[..., Phone]
) -> None:
    announced, other, b = phones(), phones(), phones()
    rows = pair(announced, b)
    relay.open(RelaySession(1, NEVER_NS, rows))
    for phone in (other, announced, other):
        for number in (1, 2, 3):
            phone.send(rtp(b"announced" if phone is announced else b"other", sequence=number), rows[0].local)
    expected = [rtp(b"other", sequence=3), *(rtp(b"announced", sequence=number) for number in (1, 2, 3))]
    assert [await b.receive() for _ in expected] == expected
    b.send(rtp(b"answer"), rows[1].local)
    assert await announced.receive() == rtp(b"answer")
    assert not other.received() and not b.received()


async def test_a_verdict_in_report_only_lets_packets_pass(relay: UserRelay, phones: Callable[..., Phone]) -> None:
    a, other, b = phones(), phones(), phones()
    rows = pair(a, b, learn=False)
    relay.limit({}, ("rtp_source",))
    relay.open(RelaySession(1, NEVER_NS, rows))
    other.send(rtp(b"other"), rows[0].local)
    assert await b.receive() == rtp(b"other")


async def test_without_learning_only_the_announced_source_passes(
    relay: UserRelay, phones: Callable[..., Phone]
) -> None:
    a, other, b = phones(), phones(), phones()
    rows = pair(a, b, learn=False)
    relay.open(RelaySession(1, NEVER_NS, rows))
    other.send(rtp(b"other"), rows[0].local)
    a.send(rtp(b"right"), rows[0].local)
    assert await b.receive() == rtp(b"right")
    assert relay.counters()[0].streams[0].dropped == 1


async def test_a_new_announced_remote_voids_what_was_learned(relay: UserRelay, phones: Callable[..., Phone]) -> None:
    first, fork, b = phones(), phones(), phones()
    rows = pair(first, b)
    relay.open(RelaySession(1, NEVER_NS, rows))
    first.send(rtp(b"1"), rows[0].local)
    await b.receive()
    moved = (RelayStream(rows[0].local, rows[0].peer_local, fork.at), rows[1])
    relay.open(RelaySession(1, NEVER_NS, moved))
    b.send(rtp(b"to the fork"), rows[1].local)
    assert await fork.receive() == rtp(b"to the fork")
    assert relay.counters()[0].streams[0].packets == 1  # kept streams keep their counters


@pytest.mark.parametrize(
    ("packet", "rtcp_row", "passes"),
    [
        (rtp(payload_type=0), False, True),
        (rtp(payload_type=0x80 | 101), False, True),
        (rtp(payload_type=8), False, False),
        (rtp(b"y" * 1441), False, False),
        (rtp()[:11], False, False),
        (b"\x00" + rtp()[1:], False, False),
        (b"\x8f" + rtp(b"")[1:], False, False),
        (b"\x90" + rtp(b"")[1:], False, False),
        (b"", False, False),
        (rtcp(), False, True),
        (rtcp(), True, True),
        (rtp(), True, False),
        (rtcp(words=6)[:20], True, False),
        (b"\x16\xfe\xfd" + bytes(40), False, False),
    ],
    ids=[
        "negotiated", "negotiated with marker", "not negotiated", "too long", "short", "version 0",
        "sources past the end", "extension past the end", "empty", "RTCP on the RTP port", "RTCP",
        "RTP on the RTCP port", "RTCP cut", "DTLS",
    ],
)  # fmt: skip
async def test_only_media_passes(
    relay: UserRelay, phones: Callable[..., Phone], packet: bytes, rtcp_row: bool, passes: bool
) -> None:
    a, b = phones(), phones()
    rows = pair(a, b, rtcp=rtcp_row, payload_types=() if rtcp_row else (0, 101))
    relay.open(RelaySession(1, NEVER_NS, rows))
    a.send(packet, rows[0].local)
    await until(lambda: seen(relay) == 1)
    assert b.received() == ([packet] if passes else [])


async def test_a_lease_of_zero_is_closed_until_renewed(relay: UserRelay, phones: Callable[..., Phone]) -> None:
    a, b = phones(), phones()
    rows = pair(a, b)
    relay.open(RelaySession(1, 0, rows))
    a.send(rtp(b"early"), rows[0].local)
    await until(lambda: relay.counters()[0].streams[0].dropped == 1)
    assert relay.renew(1, NEVER_NS)
    a.send(rtp(b"now"), rows[0].local)
    assert await b.receive() == rtp(b"now")


async def test_the_deadline_is_a_sharp_edge(phones: Callable[..., Phone]) -> None:
    clock = [1_000]
    relay = UserRelay(asyncio.get_running_loop(), lambda: clock[0])
    a, b = phones(), phones()
    rows = pair(a, b)
    relay.open(RelaySession(1, 2_000, rows))
    for now_ns in (1_999, 2_000, 2_001):
        clock[0] = now_ns
        a.send(rtp(b"%d" % now_ns), rows[0].local)
        await until(lambda n=now_ns: seen(relay) == n - 1_998)
    assert b.received() == [rtp(b"1999")]
    relay.close_all()


async def test_on_the_real_clock_audio_ends_at_the_deadline_and_not_before(phones: Callable[..., Phone]) -> None:
    judged_ns: list[int] = []

    def clock() -> int:
        judged_ns.append(time.monotonic_ns())
        return judged_ns[-1]

    relay = UserRelay(asyncio.get_running_loop(), clock)
    a, b = phones(), phones()
    rows = pair(a, b)
    deadline_ns = time.monotonic_ns() + 500_000_000
    relay.open(RelaySession(1, deadline_ns, rows))
    while not judged_ns or judged_ns[-1] < deadline_ns:  # until one comes too late, however busy the machine is
        a.send(rtp(time.monotonic_ns().to_bytes(8, "big")), rows[0].local)
        await asyncio.sleep(0.005)  # fewer than a socket's buffer holds
    relay.close_all()
    sent_ns = [int.from_bytes(packet[12:], "big") for packet in b.received()]
    assert len(sent_ns) == sum(at < deadline_ns for at in judged_ns) < len(judged_ns)
    assert max(sent_ns) < deadline_ns


async def test_a_flooding_stream_is_held_to_its_rate(relay: UserRelay, phones: Callable[..., Phone]) -> None:
    a, b = phones(), phones()
    rows = pair(a, b)
    relay.limit({"rtp_burst": 10, "rtp_interval": 10**12})
    relay.open(RelaySession(1, NEVER_NS, rows))
    for n in range(30):
        a.send(rtp(sequence=n), rows[0].local)
    await until(lambda: relay.counters()[0].streams[0].dropped == 20)
    assert len(b.received()) == 10


async def test_closing_frees_the_ports_and_returns_the_final_counters(
    relay: UserRelay, phones: Callable[..., Phone]
) -> None:
    a, b = phones(), phones()
    rows = pair(a, b)
    relay.open(RelaySession(1, NEVER_NS, rows))
    a.send(rtp(), rows[0].local)
    await b.receive()
    final = relay.close(1)
    assert final.found and final.streams[0].packets == 1
    assert relay.close(1).found is False and not relay.renew(1, NEVER_NS) and len(relay) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(rows[0].local)


async def test_a_busy_port_refuses_the_session_and_keeps_nothing(relay: UserRelay) -> None:
    rows = pair(None, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        squatter.bind(rows[1].local)
        with pytest.raises(WireError, match=f"{rows[1].local[1]} is in use"):
            relay.open(RelaySession(1, NEVER_NS, rows))
    assert len(relay) == 0
    relay.open(RelaySession(1, NEVER_NS, rows))


async def test_a_stranger_s_address_refuses_the_session(relay: UserRelay) -> None:
    with pytest.raises(WireError, match="192\\.0\\.2\\.1:20000"):
        relay.open(RelaySession(1, NEVER_NS, (RelayStream(("192.0.2.1", 20_000), (HERE, 20_002)),)))
