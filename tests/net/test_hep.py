"""HEP version 3 as a Homer server reads it: a decoder of its own, written from the specification, over real sockets."""

import socket
import struct
from collections.abc import Iterator

import pytest

from appliance.config.schema import row
from appliance.config.settings import Settings
from pysrv.net.hep import MOST_BYTES, HepExport, Sender, encode
from pysrv.sip.events import Flow
from pysrv.sip.scrub import Caught

MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: c1\r\n\r\n"
FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.11", 5062))


def caught(flow: Flow = FLOW, *, out: bool = False, at: float = 1_800_000_000.25, text: bytes = MESSAGE) -> Caught:
    return Caught(at, out, flow, text, b"c1")


def decoded(packet: bytes) -> dict[int, bytes]:
    """Value by generic chunk type."""
    assert packet[:4] == bytes((0x48, 0x45, 0x50, 0x33))
    assert int.from_bytes(packet[4:6]) == len(packet)
    found, rest = {}, packet[6:]
    while rest:
        vendor, kind, length = (int.from_bytes(rest[at : at + 2]) for at in (0, 2, 4))
        assert vendor == 0
        assert kind not in found
        assert 6 <= length <= len(rest)
        found[kind], rest = rest[6:length], rest[length:]
    return found


@pytest.fixture
def homer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def settings(server: str, **more: object) -> Settings:
    return Settings({"hepserver": server, **more})


def where(homer: socket.socket) -> str:
    return f"127.0.0.1:{homer.getsockname()[1]}"


def test_a_message_is_told_with_its_ends_its_time_and_its_call() -> None:
    assert decoded(encode(caught(), Sender(2001))) == {
        1: b"\x02",
        2: b"\x11",
        3: bytes((192, 0, 2, 11)),
        4: bytes((192, 0, 2, 1)),
        7: (5062).to_bytes(2),
        8: (5060).to_bytes(2),
        9: (1_800_000_000).to_bytes(4),
        10: (250_000).to_bytes(4),
        11: b"\x01",
        12: (2001).to_bytes(4),
        15: MESSAGE,
        17: b"c1",
    }


def test_what_we_send_comes_from_us() -> None:
    chunks = decoded(encode(caught(out=True), Sender(1)))
    assert (chunks[3][-1], chunks[4][-1]) == (1, 11)
    assert (chunks[7], chunks[8]) == ((5060).to_bytes(2), (5062).to_bytes(2))


def test_ipv6_and_streams_have_their_own_numbers() -> None:
    flow = Flow("tcp", ("2001:db8::1", 5060), ("fe80::2%eth0", 40_000), 7)
    chunks = decoded(encode(caught(flow), Sender(1)))
    assert (chunks[1], chunks[2]) == (b"\x0a", b"\x06")
    assert chunks[5] == socket.inet_pton(socket.AF_INET6, "fe80::2")
    assert chunks[6] == socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    assert 3 not in chunks


def test_a_time_that_rounds_up_is_still_a_time() -> None:
    chunks = decoded(encode(caught(at=1_799_999_999.9999999), Sender(1)))
    assert (chunks[9], chunks[10]) == ((1_800_000_000).to_bytes(4), bytes(4))


def test_a_packet_that_no_datagram_can_carry_is_refused() -> None:
    most = MOST_BYTES - len(encode(caught(text=b""), Sender(1)))
    assert len(encode(caught(text=b"x" * most), Sender(1))) == MOST_BYTES
    with pytest.raises(OverflowError):
        encode(caught(text=b"x" * (most + 1)), Sender(1))


@pytest.mark.setting("hepserver")
def test_a_message_reaches_the_server_and_without_one_goes_nowhere(homer: socket.socket) -> None:
    snapshot = [settings("")]
    export = HepExport(lambda: snapshot[0], lambda host: host)
    export.send(caught())
    assert (export.sent, export.dropped) == (0, 1)
    snapshot[0] = settings(where(homer))
    export.send(caught())
    assert decoded(homer.recv(65_535))[15] == MESSAGE
    assert (export.sent, export.dropped) == (1, 1)
    export.close()


@pytest.mark.setting("hepcaptureid")
def test_the_server_hears_by_which_number_it_knows_us(homer: socket.socket) -> None:
    for number in (2001, 7):
        export = HepExport(lambda number=number: settings(where(homer), hepcaptureid=number), lambda host: host)
        export.send(caught())
        assert struct.unpack("!I", decoded(homer.recv(65_535))[12]) == (number,)
        export.close()


@pytest.mark.setting("heppassword")
def test_a_key_is_sent_when_there_is_one(homer: socket.socket) -> None:
    export = HepExport(lambda: settings(where(homer), heppassword="myHep"), lambda host: host)
    export.send(caught())
    assert decoded(homer.recv(65_535))[14] == b"myHep"
    assert 14 not in decoded(encode(caught(), Sender(1)))
    export.close()


def test_a_name_without_an_address_drops_and_counts(homer: socket.socket) -> None:
    addresses = {"homer.example.org": None}
    export = HepExport(lambda: settings(f"homer.example.org:{homer.getsockname()[1]}"), addresses.get)
    export.send(caught())
    assert (export.sent, export.dropped) == (0, 1)
    addresses["homer.example.org"] = "127.0.0.1"  # type: ignore[assignment]
    export.send(caught())
    assert decoded(homer.recv(65_535))[17] == b"c1"


def test_what_cannot_be_sent_is_counted_and_raises_nothing(homer: socket.socket) -> None:
    export = HepExport(lambda: settings(where(homer)), lambda host: host)
    export.send(caught(text=b"x" * MOST_BYTES))
    export.send(caught(Flow("udp", ("", 0), ("nonsense", 0))))
    assert (export.sent, export.dropped) == (0, 2)


def test_an_ipv6_server_is_reached(homer: socket.socket) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        try:
            six.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        six.settimeout(5)
        export = HepExport(lambda: settings(f"[::1]:{six.getsockname()[1]}"), lambda host: host)
        export.send(caught())
        assert decoded(six.recv(65_535))[15] == MESSAGE


@pytest.mark.parametrize("text", ["", "homer:9060", "192.0.2.1:9060", "[2001:db8::1]:9060"])
def test_a_server_is_a_host_and_a_port(text: str) -> None:
    assert row("hepserver").parse(text) == text


@pytest.mark.parametrize(
    "text",
    ["homer", "homer:0", "homer:65536", "homer:99999999999", "2001:db8::1:9060", "[homer]:1", "a/b:1", ":1", "x:1²"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hepserver must be HOST:PORT or \[IPV6\]:PORT"):
        row("hepserver").parse(text)
