"""TLS as the service sees it: sips URIs, trunks that were agreed to be encrypted, the gate's ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.sip.events import Flow
from pysrv.sip.message import Request, Response
from pysrv.sip.parser import parse_datagram
from tests.calls.playbook import APPLIANCE, sdp
from tests.service.bench import TRUNK, Bench, Client, opened

ALICE, BOB = "192.0.2.11", "192.0.2.12"


class Secure(Client):
    """A peer that speaks over a TLS connection that it has opened."""

    def __init__(self, bench: Bench, name: str, address: str) -> None:
        super().__init__(bench, name, address)
        self.flow = Flow("tls", (APPLIANCE[0], 5061), (address, 40_000), 7)
        self.scheme = b"sip:"

    def message(self, *args: object, **more: object) -> bytes:
        method, uri, rest = super().message(*args, **more).split(b" ", 2)  # type: ignore[arg-type]
        return b" ".join((method, uri.replace(b"sip:", self.scheme), rest)).replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:

        def receive(payload: bytes, flow: Flow) -> None:
            if flow.transport == "udp":
                made.service.receive_datagram(payload, flow)
            else:
                made.service.receive_message(parse_datagram(payload), flow)
            made.turn()

        made.receive = receive  # type: ignore[method-assign]
        yield made


def contact_of(message: Request | Response) -> bytes:
    return message.headers.get(b"contact") or b""


@pytest.mark.parametrize(
    ("scheme", "contact"),
    [(b"sip:", b"<sip:appliance@192.0.2.1:5061;transport=tls>"), (b"sips:", b"<sips:appliance@192.0.2.1:5061>")],
)
def test_a_call_over_tls_reaches_a_telephone_on_its_connection(bench: Bench, scheme: bytes, contact: bytes) -> None:
    alice, bob = Secure(bench, "alice", ALICE), Secure(bench, "bob", BOB)
    assert (registered := bob.register()) is not None and registered.status == 200
    alice.scheme = scheme
    alice.invite("102")
    [(invite, flow)] = [row for row in bench.sent if isinstance(row[0], Request) and row[1].remote[0] == BOB]
    assert flow == bob.flow
    via = invite.headers.get(b"via") or b""
    assert via.startswith(b"SIP/2.0/TLS 192.0.2.1:5061;")
    assert contact_of(invite) == b"<sip:appliance@192.0.2.1:5061;transport=tls>"  # bob's own contact was no sips
    bob.reply(invite, 200, sdp(BOB, 20_000))
    answers = [message for message in bench.take(ALICE) if isinstance(message, Response) and message.status == 200]
    assert contact_of(answers[0]) == contact


def test_a_sips_call_goes_to_nobody_who_is_reached_in_the_clear(bench: Bench) -> None:
    alice, bob = Secure(bench, "alice", ALICE), Client(bench, "bob", BOB)
    bob.register()
    alice.scheme = b"sips:"
    assert (answer := alice.invite("102")) is not None and answer.status == 480
    assert bob.requests() == []
    assert (answer := alice.invite("4930123456")) is not None and answer.status >= 480
    assert bench.take(TRUNK) == []
    alice.scheme = b"sip:"
    alice.invite("102")
    assert [request.method for request in bob.requests()] == [b"INVITE"]


@pytest.mark.parametrize(
    ("agreed", "comes", "believed"),
    [
        ("udp", "udp", True), ("udp", "tls", True),
        ("tcp", "udp", False), ("tcp", "tcp", True), ("tcp", "tls", True),
        ("tls", "udp", False), ("tls", "tcp", False), ("tls", "tls", True),
    ],
)  # fmt: skip
def test_a_trunk_is_believed_over_what_was_agreed_or_better(
    bench: Bench, agreed: str, comes: str, believed: bool
) -> None:
    bench.store.set_trunk("carrier", transport=agreed)
    Client(bench, "bob", BOB).register()
    carrier = Client(bench, "carrier", TRUNK)
    carrier.flow = Flow(comes, APPLIANCE, (TRUNK, 40_000), 0 if comes == "udp" else 7)
    bench.receive(carrier.message("INVITE", "102", body=sdp(TRUNK, 9)), carrier.flow)
    invites = [request.method for request in Client(bench, "bob", BOB).requests()]
    assert invites == ([b"INVITE"] if believed else [])


def test_a_trunk_over_tls_is_called_from_the_port_of_tls(bench: Bench) -> None:
    bench.store.set_trunk("carrier", transport="tls", port=5061)
    Client(bench, "alice", ALICE).invite("4930123456")
    [(invite, flow)] = [row for row in bench.sent if isinstance(row[0], Request) and row[1].remote[0] == TRUNK]
    assert flow == Flow("tls", (APPLIANCE[0], 5061), (TRUNK, 5061))
    assert contact_of(invite) == b"<sip:appliance@192.0.2.1:5061;transport=tls>"


@pytest.mark.setting("usetls")
@pytest.mark.setting("usetlsforall")
@pytest.mark.setting("localtlsport")
@pytest.mark.parametrize(
    ("texts", "ports"),
    [
        ({}, [("tcp", 5061)]),
        ({"localtlsport": "5071"}, [("tcp", 5071)]),
        ({"usetls": "false"}, [("tcp", 5061)]),
        ({"usetlsforall": "false"}, [("tcp", 5061)]),
        ({"usetls": "false", "usetlsforall": "false"}, []),
        ({"localtlsport": "443"}, []),  # the keeper would refuse the whole plan
        ({"localtlsport": str(APPLIANCE[1])}, []),
    ],
)
def test_the_gate_guards_the_port_of_tls_where_it_is_open(
    bench: Bench, texts: dict[str, str], ports: list[tuple[str, int]]
) -> None:
    bench.service.operators.apply_settings(Settings().with_changes(texts, 1))
    always = [("udp", APPLIANCE[1]), ("tcp", APPLIANCE[1])]
    assert list(bench.service.plan().service_ports) == always + ports
