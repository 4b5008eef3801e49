"""Two endpoints over a network that loses, doubles and reorders: the users see what they would see over a good one.

No clock and no socket: time is the soonest of what is under way and what is armed.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from pysrv.sip import events as tell
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.message import Request, response_to
from pysrv.sip.uri import Uri
from tests.sip.playbook import token_source

CALLER, CALLEE = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OUTWARD, INWARD = tell.Flow("udp", CALLER, CALLEE), tell.Flow("udp", CALLEE, CALLER)

# What becomes of a request, told by its URI's user; with the end that both sides must see.
SCRIPTS = {
    b"answer": ["ResponseReceived 200"],
    b"slow": ["ResponseReceived 180", "ResponseReceived 200"],
    b"busy": ["ResponseReceived 486"],
    b"cancel": ["ResponseReceived 180", "ResponseReceived 487"],
    b"quick": ["ResponseReceived 200"],
    b"missing": ["ResponseReceived 404"],
}
METHOD = {b"quick": b"OPTIONS", b"missing": b"INFO"}


@dataclass(slots=True)
class Network:
    """How bad the path is: probabilities per datagram, and a delay drawn from a range of seconds."""

    loss: float = 0.0
    doubling: float = 0.0
    delay_s: tuple[float, float] = (0.01, 0.01)
    dice: random.Random = field(default_factory=lambda: random.Random(3261))

    def journeys(self) -> list[float]:
        """The delay of each copy that arrives."""
        copies = 2 if self.dice.random() < self.doubling else 1
        return [self.dice.uniform(*self.delay_s) for _ in range(copies) if self.dice.random() >= self.loss]


class World:
    """A caller, a callee and what lies between."""

    def __init__(self, network: Network) -> None:
        self.now = 0.0
        self.network = network
        self.caller = Endpoint(token_source(), b"caller")
        self.callee = Endpoint(token_source(), b"callee")
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._calls: dict[bytes, tuple[int, Request]] = {}
        self._cancelled: set[bytes] = set()
        self._asked: dict[bytes, Request] = {}
        self.seen: dict[int, list[str]] = {}  # by the caller, each thing once
        self.heard: Counter[str] = Counter()  # by the callee, all things

    def later(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), act))

    def place(self, number: int, user: bytes) -> None:
        """The caller begins a transaction."""
        method = METHOD.get(user, b"INVITE")
        pairs = (
            (b"from", b"<sip:us@example.com>;tag=%d" % number),
            (b"to", b"<sip:%b@example.com>" % user),
            (b"call-id", b"%d" % number),
            (b"cseq", b"1 " + method),
            (b"contact", b"<sip:us@192.0.2.1>"),
        )
        request = Request.new(method, Uri.parse(b"sip:%b@192.0.2.2" % user), pairs)
        self._calls[self.caller.send_request(request, OUTWARD, self.now)] = (number, request)
        self.seen[number] = []

    def run(self) -> None:
        """Until nothing is under way and nothing armed."""
        while (at := self._soonest()) is not None:
            assert at >= self.now
            self.now = at
            while self._agenda and self._agenda[0][0] <= at:
                heapq.heappop(self._agenda)[2]()
            self.caller.handle_timer(at)
            self.callee.handle_timer(at)
            self._settle()

    def _soonest(self) -> float | None:
        moments = [self.caller.get_timer(), self.callee.get_timer(), self._agenda[0][0] if self._agenda else None]
        return min((at for at in moments if at is not None), default=None)

    def _settle(self) -> None:
        while (event := self.caller.next_event()) is not None:
            self._caller_hears(event)
        while (event := self.callee.next_event()) is not None:
            self._callee_hears(event)
        for sender, receiver, back in ((self.caller, self.callee, INWARD), (self.callee, self.caller, OUTWARD)):
            for data, _ in sender.datagrams_to_send():
                for delay in self.network.journeys():
                    self.later(self.now + delay, partial(self._arrive, receiver, data, back))

    def _arrive(self, receiver: Endpoint, data: bytes, flow: tell.Flow) -> None:
        receiver.receive_datagram(data, flow, self.now)

    def _caller_hears(self, event: tell.Event) -> None:
        assert isinstance(event, tell.ResponseReceived | tell.RequestTimedOut), event
        number, request = self._calls[event.key]
        name = type(event).__name__
        if isinstance(event, tell.ResponseReceived):
            if event.response.status == 100:
                return
            name += f" {event.response.status}"
            if request.method == b"INVITE" and 200 <= event.response.status <= 299:
                ack = Request.new(b"ACK", request.uri, [(b"cseq", b"1 ACK"), *_kept(request, event)])
                self.caller.send_ack(ack, OUTWARD)
            if request.uri.user == b"cancel" and event.response.status == 180:
                self.caller.cancel(event.key, self.now)
        if name not in self.seen[number]:
            self.seen[number].append(name)

    def _callee_hears(self, event: tell.Event) -> None:
        assert not isinstance(event, tell.MalformedReceived), event
        self.heard[type(event).__name__] += 1
        if isinstance(event, tell.Cancelled):
            self._answer(event.key, 487)
        elif isinstance(event, tell.RequestReceived):
            self._asked[event.key] = event.request
            for delay, status in _answers(event.request.uri.user or b""):
                self.later(self.now + delay, partial(self._answer, event.key, status))

    def _answer(self, key: bytes, status: int) -> None:
        self.callee.respond(key, response_to(self._asked[key], status, to_tag=b"callee"), self.now)


def _kept(request: Request, event: tell.ResponseReceived) -> list[tuple[bytes, bytes]]:
    to = (b"to", event.response.headers.get(b"to") or b"")
    return [to, *((name, value) for name, value in request.headers.items() if name in (b"from", b"call-id"))]


def _answers(user: bytes) -> list[tuple[float, int]]:
    """When the callee's user answers, and what."""
    return {
        b"answer": [(0.0, 200)],
        b"slow": [(0.1, 180), (7.0, 200)],
        b"busy": [(0.3, 486)],
        b"cancel": [(0.1, 180)],
        b"quick": [(0.0, 200)],
        b"missing": [(0.9, 404)],
    }[user]


def play(network: Network, transactions: int) -> World:
    """Place many transactions, 10 ms apart, and let time run out."""
    world = World(network)
    users = itertools.cycle(SCRIPTS)
    for number in range(transactions):
        user = next(users)
        world.later(number * 0.01, partial(world.place, number, user))
    world.run()
    return world


@pytest.mark.parametrize(
    ("network", "transactions"),
    [
        pytest.param(Network(), 600, id="good"),
        pytest.param(Network(loss=0.05), 3000, id="5 % lost"),
        pytest.param(Network(loss=0.2, doubling=0.2), 900, id="20 % lost, 20 % doubled"),
        pytest.param(Network(doubling=1.0), 600, id="everything doubled"),
        pytest.param(Network(loss=0.05, doubling=0.1, delay_s=(0.01, 0.4)), 900, id="lost, doubled and reordered"),
    ],
)
def test_the_users_see_the_same_over_a_bad_network(network: Network, transactions: int) -> None:
    world = play(network, transactions)
    users = list(itertools.islice(itertools.cycle(SCRIPTS), transactions))
    for number, user in enumerate(users):
        finals = [seen for seen in world.seen[number] if seen != "ResponseReceived 180"]
        assert finals == [SCRIPTS[user][-1]], (number, user)
    answered = sum(user in (b"answer", b"slow") for user in users)
    assert world.heard == Counter(
        RequestReceived=transactions, AckReceived=answered, Cancelled=sum(user == b"cancel" for user in users)
    )


@pytest.mark.parametrize("network", [Network(), Network(loss=0.05)], ids=["good", "5 % lost"])
def test_both_ends_are_empty_when_time_has_run_out(network: Network) -> None:
    world = play(network, 300)
    for sip in (world.caller, world.callee):
        layer = sip._layer
        held = (layer.clients, layer.servers, layer.origins, layer.acks, layer.repetitions, layer.streams)
        assert not any(held)
        assert len(layer.timers) == 0


def test_a_dead_network_times_everything_out() -> None:
    world = play(Network(loss=1.0), 60)
    assert set(map(tuple, world.seen.values())) == {("RequestTimedOut",)}
    assert world.heard == Counter()
