"""The same calls over a perfect wire and over one that loses and repeats: the same records, the same charges.

The service is whole (store, ledger, leases); caller and carrier are endpoints of their own, with the digest between.
Retransmission moves the moments of a call by up to some seconds, so the tariff bills by the minute here, and talk ends
well inside one: what is compared is what a customer pays.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pysrv.billing.cdr import Cdr
from pysrv.sip import events as sip
from pysrv.sip.dialog import Dialog
from pysrv.sip.digest import answer_challenge
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import Flow
from pysrv.sip.message import Request, response_to
from pysrv.sip.uri import Uri
from tests.calls.playbook import APPLIANCE, SECRET, Wire, sdp, source
from tests.service.bench import PASSWORD, TRUNK, Bench, opened

ALICE = "192.0.2.11"
CALLS, APART_S = 60, 0.5
RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0.05,60,60\n"
BUSY_EVERY = 7


@dataclass
class Call:
    """The caller's side of one call."""

    index: int
    talk_s: float
    request: Request
    cseq: int = 1
    dialog: Dialog | None = None
    ends_at: float = 0.0


class Peer:
    """A user agent that acts by itself."""

    def __init__(self, stage: "Stage", name: str, host: str) -> None:
        self.stage, self.name, self.address = stage, name, (host, 5060)
        self.tokens = source(f"{name}{stage.seed}")
        self.endpoint = Endpoint(self.tokens, SECRET)
        self.flow = Flow("udp", self.address, APPLIANCE)
        self.contact = f"<sip:{name}@{host}:5060>".encode()

    def drain(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            self.heard(event)
        for payload, flow in self.endpoint.datagrams_to_send():
            self.stage.put(payload, flow)

    def heard(self, event: sip.Event) -> None:
        """Every peer agrees to whatever ends a call."""
        if isinstance(event, sip.RequestReceived) and event.request.method != b"INVITE":
            self.endpoint.respond(event.key, response_to(event.request, 200), self.stage.bench.now)


class Carrier(Peer):
    """Answers each call, or is busy for some."""

    def heard(self, event: sip.Event) -> None:
        if not isinstance(event, sip.RequestReceived) or event.request.method != b"INVITE":
            super().heard(event)
            return
        again = event.request.to.tag is not None  # within a dialog: a refresh of the session
        number = 0 if again else int(event.request.uri.user or b"0") % 1000
        status = 486 if not again and number % BUSY_EVERY == 0 else 200
        body = b"" if status == 486 else sdp(TRUNK, 12_000)
        headers = [(b"Contact", self.contact), *([(b"Content-Type", b"application/sdp")] if body else [])]
        answer = response_to(event.request, status, to_tag=b"t%d" % number, headers=headers, body=body)
        self.endpoint.respond(event.key, answer, self.stage.bench.now)


@dataclass
class Caller(Peer):
    """Places its calls, answers the challenge of each, and hangs up after a while."""

    stage: "Stage"
    calls: dict[bytes, Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.stage, "alice", ALICE)

    def place(self, index: int, talk_s: float) -> None:
        user = b"4930%03d" % index
        uri = Uri(b"sip", user, APPLIANCE[0].encode(), None)
        headers = [
            (b"From", b"<sip:alice@example.org>;tag=" + self.tokens()[:8]),
            (b"To", b"<sip:%b@example.org>" % user),
            (b"Call-ID", self.tokens()),
            (b"CSeq", b"1 INVITE"),
            (b"Contact", self.contact),
            (b"Content-Type", b"application/sdp"),
        ]
        call = Call(index, talk_s, Request.new(b"INVITE", uri, headers, sdp(ALICE, 10_000)))
        self.calls[call.request.call_id] = call
        self.endpoint.send_request(call.request, self.flow, self.stage.bench.now)

    def heard(self, event: sip.Event) -> None:
        if not isinstance(event, sip.ResponseReceived):
            super().heard(event)
            return
        response, call = event.response, self.calls[event.response.call_id]
        if response.cseq.method != b"INVITE" or response.status < 200:
            return
        if response.status == 407:
            self._prove(call, response.headers.get(b"proxy-authenticate") or b"")
        elif response.status == 200:
            if call.dialog is None:
                call.dialog = Dialog.uac(call.request, response, self.flow)
                call.ends_at = self.stage.bench.now + call.talk_s
            self.endpoint.send_ack(call.dialog.ack(response.cseq.number), self.flow)

    def hang_up(self) -> None:
        """End the calls whose time has come."""
        for call in self.calls.values():
            if call.dialog is not None and call.ends_at and call.ends_at <= self.stage.bench.now:
                call.ends_at = 0.0
                self.endpoint.send_request(call.dialog.request(b"BYE"), self.flow, self.stage.bench.now)

    def _prove(self, call: Call, challenge: bytes) -> None:
        call.cseq += 1
        request = call.request.copy()
        uri = request.uri.to_bytes()
        answer = answer_challenge(challenge, b"INVITE", uri, b"alice", PASSWORD.encode(), self.tokens()[:8])
        request.headers.remove(b"via")
        request.headers.set(b"cseq", b"%d INVITE" % call.cseq)
        request.headers.set(b"proxy-authorization", answer)
        call.request = Request.new(b"INVITE", request.uri, request.headers.items(), request.body)
        self.endpoint.send_request(call.request, self.flow, self.stage.bench.now)


class Stage:
    """The service, its two peers and the wire between them."""

    def __init__(self, bench: Bench, seed: int, loss: float) -> None:
        self.bench, self.seed = bench, seed
        self.wire, self.sent = Wire(loss, loss, random.Random(seed)), 0
        self.caller, self.carrier = Caller(self), Carrier(self, "carrier", TRUNK)
        self.peers: dict[str, Peer] = {ALICE: self.caller, TRUNK: self.carrier}

    def play(self) -> list[Cdr]:
        """All calls to their end; their records."""
        rng = random.Random(self.seed)
        for index in range(CALLS):
            self.caller.place(index, rng.uniform(5, 45) + 60 * rng.randrange(3))
            self.run(APART_S)
        self.run(300)
        return self.bench.store.cdrs(limit=10 * CALLS)

    def put(self, payload: bytes, flow: Flow) -> None:
        """Send a datagram; the wire decides what becomes of it."""
        self.sent += 1
        self.wire.put(payload, flow, self.bench.now)

    def run(self, seconds: float) -> None:
        until = self.bench.now + seconds
        self._settle()
        while (due := self._next()) is not None and due <= until:
            self.bench.now = max(self.bench.now, due)
            self.bench.service.handle_timer()
            for peer in self.peers.values():
                peer.endpoint.handle_timer(self.bench.now)
            self.caller.hang_up()
            self._deliver()
            self._settle()
        self.bench.now = until

    def _next(self) -> float | None:
        moments = [self.bench.service.get_timer(), *(peer.endpoint.get_timer() for peer in self.peers.values())]
        moments += [call.ends_at for call in self.caller.calls.values() if call.ends_at]
        moments += [self.wire.queue[0][0]] if self.wire.queue else []
        return min((moment for moment in moments if moment is not None), default=None)

    def _deliver(self) -> None:
        while self.wire.queue and self.wire.queue[0][0] <= self.bench.now:
            _, _, payload, flow = self.wire.queue.pop(0)
            arrived = Flow("udp", flow.remote, flow.local)
            if flow.remote == APPLIANCE:
                self.bench.service.receive_datagram(payload, arrived)
            else:
                self.peers[flow.remote[0]].endpoint.receive_datagram(payload, arrived, self.bench.now)

    def _settle(self) -> None:
        self.bench.turn()
        for message, flow in self.bench.sent:
            self.put(message.to_bytes(), flow)
        self.bench.sent.clear()
        for peer in self.peers.values():
            peer.drain()


def play(directory: Path, seed: int, loss: float) -> tuple[list[tuple[object, ...]], int, Stage]:
    """The records of all calls in the order of numbers, alice's balance, and the stage."""
    directory.mkdir()
    with opened(directory) as bench:
        ident = bench.store.import_begin("minutes")
        bench.store.import_rows(ident, 1, RATES)
        bench.store.import_commit(ident)
        bench.store.set_account("alice", deck="minutes", maxlines=0)
        bench.store.deposit("alice", 990_000_000)
        stage = Stage(bench, seed, loss)
        records = sorted(
            (row.callee, row.sip_status, row.cause, row.ended_by, row.billable_seconds, row.charge, row.refused_by)
            for row in stage.play()
        )
        account = bench.store.account("alice")
        assert account is not None
        assert (account.reserved, bench.store.open_calls(), bench.gate.sessions) == (0, [], {})
        assert bench.service.parts.endpoint.transactions == (0, 0)
        return list(records), account.balance, stage


@pytest.mark.parametrize("seed", [1, 2])
def test_five_percent_of_loss_and_repetition_change_no_record_and_no_charge(tmp_path: Path, seed: int) -> None:
    good, balance, smooth = play(tmp_path / "good", seed, 0.0)
    bad, lossy_balance, rough = play(tmp_path / "bad", seed, 0.05)
    assert rough.sent > smooth.sent * 1.05  # what was lost was sent again
    assert len(good) == CALLS
    assert {row[1] for row in good} == {200, 486}
    assert bad == good
    assert lossy_balance == balance == 1_000_000_000 - sum(int(str(row[5])) for row in good)
