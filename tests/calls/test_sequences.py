"""Phones that do anything at any moment, and a service that does too: whatever happens, the invariants hold.

Invariants: nothing raises; one CallEnded for each CallRequested and nothing of that call after it; when all calls are
over, no transaction, dialog, alarm or port is left.
"""

import random

import pytest

from pysrv.calls import events as tell
from pysrv.calls.b2bua import UnknownCall
from pysrv.calls.causes import Cause
from pysrv.calls.plan import CallPlan, TargetKind, TrunkCredentials
from pysrv.sip import events as sip
from pysrv.sip.dialog import Dialog
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Request, Response, response_to
from tests.calls.playbook import Phone, Table, sdp

STATUSES = (100, 180, 180, 183, 183, 200, 200, 200, 200, 202, 301, 401, 403, 404, 408, 422, 480, 481, 486, 487)
STATUSES += (488, 491, 500, 503, 600, 603)
METHODS = (b"INVITE", b"INVITE", b"UPDATE", b"BYE", b"INFO", b"MESSAGE", b"REFER", b"PRACK", b"NOTIFY", b"OPTIONS")
HEADERS: tuple[tuple[tuple[bytes, bytes], ...], ...] = (
    (),
    ((b"Supported", b"100rel, timer"), (b"Session-Expires", b"90")),
    ((b"Require", b"100rel"),),
    ((b"Session-Expires", b"100;refresher=uac"), (b"Supported", b"timer")),
    ((b"Session-Expires", b"10"), (b"Supported", b"timer")),
    ((b"Replaces", b"x;to-tag=1;from-tag=2"),),
)


class Chaos:
    """One run, fully decided by its seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        loss = self.rng.choice((0.0, 0.0, 0.1))
        self.table = Table("a", "b", "c", loss=loss, repeat=loss, seed=seed)
        self.phones = [self.table[name] for name in "abc"]
        self.dialogs: list[tuple[Phone, Dialog]] = []
        self.invites: list[tuple[Phone, bytes]] = []
        self.undecided: list[tell.ServiceEvent] = []
        self.running: set[str] = set()
        self.over: set[str] = set()
        self.closing = False
        self.table.decide = self.hear

    def run(self, steps: int) -> None:
        actions = (self.invite, self.respond, self.respond, self.respond, self.ask, self.ask, self.ack, self.ack)
        actions += (self.cancel, self.decide, self.decide, self.wait, self.hang_up, self.toggle)
        for _ in range(steps):
            self.rng.choice(actions)()
        self.finish()

    def finish(self) -> None:
        """The service closes down; phones answer nothing any more."""
        self.closing = True
        for event in self.undecided:
            if isinstance(event, tell.CallRequested) and event.call_id in self.running:
                self.table.b2bua.refuse(event.call_id, 503, "", (), self.table.now)
        for call_id in sorted(self.running):
            self.table.b2bua.hangup(call_id, Cause.of_q850(16), self.table.now)
        self.table.run(60)
        assert not self.running
        self.table.run(300)
        assert not self.table.b2bua.calls
        assert self.table.b2bua.remnants == (0, 0, 0)
        assert self.table.endpoint.transactions == (0, 0)
        assert self.table.ports.in_use == 0

    def hear(self, event: tell.ServiceEvent) -> None:
        if isinstance(event, tell.CallRequested):
            assert event.call_id not in self.running | self.over
            self.running.add(event.call_id)
            self.undecided.append(event)
            if self.closing:
                self.table.b2bua.refuse(event.call_id, 503, "", (), self.table.now)
            return
        assert event.call_id in self.running, event
        if isinstance(event, tell.CallEnded):
            self.running.remove(event.call_id)
            self.over.add(event.call_id)
        elif isinstance(event, tell.TransferRequested):
            self.undecided.append(event)

    # --- the service ---

    def decide(self) -> None:
        if not self.undecided:
            return
        event = self.undecided.pop(self.rng.randrange(len(self.undecided)))
        table, now = self.table, self.table.now
        targets = self.targets()
        try:
            if isinstance(event, tell.TransferRequested):
                if self.rng.random() < 0.3:
                    table.b2bua.refuse_transfer(event.call_id, event.transfer_id, 603, now)
                else:
                    table.b2bua.transfer(event.call_id, event.transfer_id, () if event.replaces else targets, now)
            elif isinstance(event, tell.CallRequested):
                if self.rng.random() < 0.15:
                    table.b2bua.refuse(event.call_id, 403, "", (), now)
                elif event.replaces is not None and self.rng.random() < 0.8:
                    table.b2bua.replace(event.call_id, now)
                else:
                    table.b2bua.admit(event.call_id, targets, self.plan(), now)
        except UnknownCall:
            assert event.call_id in self.over
        table.settle()

    def targets(self) -> list[tuple[object, ...]]:
        groups = []
        for _ in range(self.rng.randint(0, 3)):
            kind = self.rng.choice(list(TargetKind))
            credentials = self.rng.choice((None, TrunkCredentials("u", "p")))
            names = self.rng.sample("abc", self.rng.randint(1, 3))
            groups.append(tuple(self.table.target(name, kind=kind, credentials=credentials) for name in names))
        return groups

    def plan(self) -> CallPlan:
        rng = self.rng
        return CallPlan(
            ring_timeout_s=rng.uniform(5, 60),
            call_init_timeout_s=rng.uniform(1, 30),
            call_timeout_s=rng.choice((20.0, 14_400.0)),
            session_expires_s=rng.choice((90, 1800)),
            follow_redirects=rng.random() < 0.5,
            block_early_media=rng.random() < 0.2,
            media=rng.random() < 0.9,
        )

    def hang_up(self) -> None:
        if self.running and self.rng.random() < 0.2:
            call_id = self.rng.choice(sorted(self.running))
            self.table.b2bua.hangup(call_id, Cause.of_status(403), self.table.now)
            self.table.settle()

    # --- the phones ---

    def body(self, phone: Phone) -> bytes:
        chance = self.rng.random()
        if chance < 0.2:
            return b""
        if chance < 0.25:
            return b"v=0\r\nnonsense"
        if chance < 0.3:
            return sdp(phone.address[0], 0)
        return sdp(
            phone.address[0], 10_000 + 2 * self.rng.randrange(50), direction=self.rng.choice(("sendrecv", "sendonly"))
        )

    def invite(self) -> None:
        phone = self.rng.choice(self.phones)
        headers = self.rng.choice(HEADERS)
        if self.dialogs and self.rng.random() < 0.2:
            call_id, local, remote = self.rng.choice(self.dialogs)[1].id
            headers = ((b"Replaces", b"%b;to-tag=%b;from-tag=%b" % (call_id, remote, local)),)
        self.invites.append((phone, phone.invite("abc"[self.rng.randrange(3)], self.body(phone), headers)))

    def respond(self) -> None:
        waiting = [(phone, event) for phone in self.phones for event in phone.requests]
        if not waiting:
            return
        phone, event = self.rng.choice(waiting)
        status = self.rng.choice(STATUSES)
        tag = self.rng.choice((b"t1", b"t1", b"t1", b"t2"))
        headers: list[tuple[bytes, bytes]] = [(b"Contact", phone.contact), (b"Allow", b"UPDATE, INVITE, INFO, MESSAGE")]
        if 100 < status < 200 and self.rng.random() < 0.4:
            headers += [(b"Require", b"100rel"), (b"RSeq", b"%d" % self.rng.randint(1, 3))]
        if status in (401, 407):
            headers.append((b"WWW-Authenticate", b'Digest realm="r", nonce="%d"' % self.rng.randrange(9)))
        if status == 422:
            headers.append((b"Min-SE", b"%d" % self.rng.choice((10, 200, 4000))))
        body = self.body(phone) if event.request.method in (b"INVITE", b"UPDATE", b"PRACK") and status < 300 else b""
        if body:
            headers.append((b"Content-Type", b"application/sdp"))
        if status >= 200 and self.rng.random() < 0.9:
            phone.requests.remove(event)
        response = response_to(event.request, status, to_tag=tag, headers=headers, body=body)
        phone.endpoint.respond(event.key, response, self.table.now)
        if event.request.method == b"INVITE" and event.request.to.tag is None and 100 < status < 300:
            self.dialogs.append((phone, Dialog.uas(event.request, tag, phone.contact, phone.flow)))
        self.table.settle()

    def ack(self) -> None:
        for phone in self.phones:
            answers = [event for event in phone.events if isinstance(event, sip.ResponseReceived)]
            phone.events.clear()
            for event in answers:
                if event.response.cseq.method == b"INVITE" and 100 < event.response.status < 300:
                    self.acknowledge(phone, event.response)
        self.table.settle()

    def acknowledge(self, phone: Phone, answer: Response) -> None:
        known = [d for p, d in self.dialogs if p is phone and d.id[0] == answer.call_id and d.id[2] == answer.to.tag]
        dialog = known[0] if known else self.dialog_from(phone, answer)
        if dialog is None:
            return
        if answer.status >= 200 and self.rng.random() < 0.9:
            body = self.body(phone) if self.rng.random() < 0.5 else b""
            headers = ((b"Content-Type", b"application/sdp"),) if body else ()
            phone.endpoint.send_ack(dialog.ack(answer.cseq.number, headers, body), phone.flow)
        number = answer.headers.get(b"rseq")
        if number is not None and self.rng.random() < 0.8:
            rack = b"%b %d INVITE" % (number, answer.cseq.number)
            body = self.body(phone) if self.rng.random() < 0.3 else b""
            self.send(phone, dialog, b"PRACK", ((b"RAck", rack),), body)

    def dialog_from(self, phone: Phone, answer: Response) -> Dialog | None:
        request = Request.new(
            b"INVITE", phone.uri, [(b"From", answer.headers.get(b"from") or b""), (b"Call-ID", answer.call_id),
            (b"CSeq", b"%d INVITE" % answer.cseq.number), (b"Contact", phone.contact)],
        )  # fmt: skip
        try:
            dialog = Dialog.uac(request, answer, phone.flow)
        except BadMessage:
            return None
        self.dialogs.append((phone, dialog))
        return dialog

    def ask(self) -> None:
        if not self.dialogs:
            return
        phone, dialog = self.rng.choice(self.dialogs)
        method = self.rng.choice(METHODS)
        headers: tuple[tuple[bytes, bytes], ...] = self.rng.choice(HEADERS[:5])
        body = b""
        if method in (b"INVITE", b"UPDATE"):
            body = self.body(phone)
        elif method == b"REFER":
            headers = (*headers, (b"Refer-To", self.refer_to()))
        elif method == b"PRACK":
            headers = (*headers, (b"RAck", b"1 1 INVITE"))
        self.send(phone, dialog, method, headers, body)
        self.table.settle()

    def refer_to(self) -> bytes:
        if self.rng.random() < 0.5:
            return b"<sip:a@example.org>"
        call_id, local, remote = self.rng.choice(self.dialogs)[1].id
        return b"<sip:a@example.org?Replaces=%b%%3Bto-tag%%3D%b%%3Bfrom-tag%%3D%b>" % (call_id, remote, local)

    def send(
        self, phone: Phone, dialog: Dialog, method: bytes, headers: tuple[tuple[bytes, bytes], ...], body: bytes
    ) -> None:
        if body:
            headers = (*headers, (b"Content-Type", b"application/sdp"))
        request = dialog.request(method, headers, body)
        if self.rng.random() < 0.05:
            request.headers.set(b"CSeq", b"1 " + method)
        key = phone.endpoint.send_request(request, phone.flow, self.table.now)
        if method == b"INVITE":
            self.invites.append((phone, key))

    def cancel(self) -> None:
        if self.invites:
            phone, key = self.invites.pop(self.rng.randrange(len(self.invites)))
            phone.endpoint.cancel(key, self.table.now)
            self.table.settle()

    def wait(self) -> None:
        self.table.run(self.rng.choice((0.3, 1.0, 5.0, 20.0, 40.0)))

    def toggle(self) -> None:
        self.table.down = set(self.rng.sample("abc", 1)) if self.rng.random() < 0.3 else set()


@pytest.mark.parametrize("block", range(10))
def test_whatever_phones_and_service_do_the_invariants_hold(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        Chaos(seed).run(80)
