"""The same calls on a good wire and on one that loses and repeats: the records must be the same.

Phones act by themselves here: each call has a story (who does what and when) drawn from a seed.
"""

import random
from collections import Counter
from dataclasses import dataclass
from typing import TypeGuard

import pytest

from pysrv.calls import events as tell
from pysrv.calls.plan import CallPlan
from pysrv.sip import events as sip
from pysrv.sip.dialog import Dialog
from pysrv.sip.message import response_to
from tests.calls.playbook import Phone, Table, sdp

PAIRS = 50


@dataclass(frozen=True)
class Story:
    """One call: how the callee answers, after how long, and who hangs up after how long."""

    ending: str  # "caller", "callee", "busy", "decline", "cancel", "no answer", "hold"
    ring_s: float
    talk_s: float


def stories(seed: int, count: int) -> list[Story]:
    rng = random.Random(seed)
    endings = ("caller", "callee", "busy", "decline", "cancel", "no answer", "hold")
    return [Story(rng.choice(endings), rng.uniform(2, 6), rng.uniform(40, 60)) for _ in range(count)]


class Actor:
    """Plays both ends of one story, driven by what arrives and by moments."""

    def __init__(self, table: Table, story: Story, caller: Phone, callee: Phone) -> None:
        self.table, self.story, self.caller, self.callee = table, story, caller, callee
        self.at: list[tuple[float, str]] = []
        self.invite: sip.RequestReceived | None = None
        caller.script = self.caller_heard
        callee.script = self.callee_heard
        caller.dialog = callee.dialog = None
        self.acks: dict[bytes, object] = {}
        self.done = False

    def begin(self) -> None:
        self.caller.invite(self.callee.name)

    def later(self, wait_s: float, what: str) -> None:
        self.at.append((self.table.now + wait_s, what))

    def act(self, now: float) -> None:
        due = [what for at, what in self.at if at <= now]
        self.at = [(at, what) for at, what in self.at if at > now]
        for what in due:
            getattr(self, what)()

    # the callee

    def callee_heard(self, phone: Phone, event: sip.Event) -> None:
        if not isinstance(event, sip.RequestReceived):
            self.common(phone, event)
        elif event.request.method == b"INVITE" and event.request.to.tag is None:
            self.invite = event
            self.reply(180)
            if self.story.ending != "no answer":
                self.later(self.story.ring_s, "answer" if self.story.ending != "cancel" else "cancel")
        else:
            self.common(phone, event)

    def reply(self, status: int, body: bytes = b"") -> None:
        assert self.invite is not None
        headers = [(b"Contact", self.callee.contact)] + ([(b"Content-Type", b"application/sdp")] if body else [])
        response = response_to(
            self.invite.request, status, to_tag=b"tag" + self.callee.name.encode(), headers=headers, body=body
        )
        self.callee.endpoint.respond(self.invite.key, response, self.table.now)

    def answer(self) -> None:
        assert self.invite is not None
        status = {"busy": 486, "decline": 603}.get(self.story.ending, 200)
        if status == 200:
            tag = b"tag" + self.callee.name.encode()
            self.callee.dialog = Dialog.uas(self.invite.request, tag, self.callee.contact, self.callee.flow)
            if self.story.ending == "callee":
                self.later(self.story.talk_s, "callee_bye")
        self.reply(status, sdp(self.callee.address[0], 12_000) if status == 200 else b"")

    def callee_bye(self) -> None:
        assert self.callee.dialog is not None
        self.callee.endpoint.send_request(self.callee.dialog.request(b"BYE"), self.callee.flow, self.table.now)

    # the caller

    def cancel(self) -> None:
        self.caller.endpoint.cancel(self.caller.key, self.table.now)

    def caller_bye(self) -> None:
        assert self.caller.dialog is not None
        self.caller.endpoint.send_request(self.caller.dialog.request(b"BYE"), self.caller.flow, self.table.now)

    def hold(self) -> None:
        assert self.caller.dialog is not None
        body = sdp(self.caller.address[0], 10_000, direction="sendonly", version=2)
        request = self.caller.dialog.request(b"INVITE", ((b"Content-Type", b"application/sdp"),), body)
        self.caller.endpoint.send_request(request, self.caller.flow, self.table.now)

    def caller_heard(self, phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.ResponseReceived) and event.response.cseq.method == b"INVITE":
            if event.response.status == 200:
                self.accepted(phone, event)
        else:
            self.common(phone, event)

    def accepted(self, phone: Phone, event: sip.ResponseReceived) -> None:
        first = phone.dialog is None
        if first:
            assert phone.invite_request is not None
            phone.dialog = Dialog.uac(phone.invite_request, event.response, phone.flow)
            if self.story.ending == "hold":
                self.later(self.story.talk_s / 2, "hold")
            if self.story.ending in ("caller", "hold"):
                self.later(self.story.talk_s, "caller_bye")
        assert phone.dialog is not None
        phone.endpoint.send_ack(phone.dialog.ack(event.response.cseq.number), phone.flow)

    # both

    def common(self, phone: Phone, event: sip.Event) -> None:
        """What every phone does by itself."""
        if isinstance(event, sip.RequestReceived):
            self.serve(phone, event)
        elif isinstance(event, sip.Cancelled) and self.invite is not None:
            self.at = [(at, what) for at, what in self.at if what != "answer"]
            self.reply(487)
        elif phone.dialog is not None and _accepts(event):
            phone.endpoint.send_ack(phone.dialog.ack(event.response.cseq.number), phone.flow)

    def serve(self, phone: Phone, event: sip.RequestReceived) -> None:
        headers = [(b"Contact", phone.contact)]
        body = b""
        if event.request.method == b"INVITE":
            headers.append((b"Content-Type", b"application/sdp"))
            body = sdp(phone.address[0], 12_000, direction="recvonly", version=2)
        answer = response_to(event.request, 200, headers=headers, body=body)
        phone.endpoint.respond(event.key, answer, self.table.now)


def _accepts(event: sip.Event) -> TypeGuard[sip.ResponseReceived]:
    if not isinstance(event, sip.ResponseReceived):
        return False
    return event.response.cseq.method == b"INVITE" and event.response.status == 200


def play(count: int, seed: int, loss: float, repeat: float) -> tuple[Table, list[tuple[object, ...]]]:
    """All stories, and for each the record that came of it."""
    names = [f"{role}{index}" for index in range(PAIRS) for role in ("a", "b")]
    table = Table(*names, loss=loss, repeat=repeat, seed=seed)
    callers: dict[str, str] = {}
    records: dict[str, tuple[object, ...]] = {}

    def decide(event: tell.ServiceEvent) -> None:
        match event:
            case tell.CallRequested():
                user = event.request.uri.user.decode()
                callers[event.call_id] = user
                plan = CallPlan(ring_timeout_s=20, call_init_timeout_s=30)
                table.b2bua.admit(event.call_id, [table.target(user)], plan, table.now)
            case tell.CallEnded():
                assert event.call_id not in records
                answered = event.answered_at is not None
                records[event.call_id] = (event.cause.q850, event.cause.status, event.ended_by, answered)
            case _:
                pass

    table.decide = decide
    played: list[tuple[object, ...]] = []
    told = stories(seed, count)
    for start in range(0, count, PAIRS):
        actors = [
            Actor(table, story, table[f"a{index}"], table[f"b{index}"])
            for index, story in enumerate(told[start : start + PAIRS])
        ]
        for actor in actors:
            actor.begin()
        for _ in range(400):
            table.run(0.5)
            for actor in actors:
                actor.act(table.now)
            table.settle()
            if not table.b2bua.calls and not any(actor.at for actor in actors):
                break
        by_callee = {callers[call_id]: record for call_id, record in records.items()}
        played += [by_callee[f"b{index}"] for index in range(len(actors))]
        callers.clear()
        records.clear()
        table.service.clear()
        table.run(140)
        for phone in table.phones.values():
            phone.requests.clear()
            phone.responses.clear()
            phone.events.clear()
    return table, played


@pytest.mark.parametrize("seed", [1, 2])
def test_loss_and_repetition_change_no_record(seed: int) -> None:
    _, good = play(150, seed, 0.0, 0.0)
    table, bad = play(150, seed, 0.05, 0.05)
    assert len(table.ladder) > 1500
    assert Counter(good) == Counter(bad)
    assert good == bad
    assert table.ports.in_use == 0
    assert table.b2bua.remnants == (0, 0, 0)
    assert table.endpoint.transactions == (0, 0)
