"""Any sequence of messages, answers, failures and moments against one endpoint: what must hold whatever comes.

Invariants, checked after each step or when time has run out:
1. no exception escapes a verb, and none waits in the headers that every user reads;
2. a server transaction is told of once, and is never both told of and held twice;
3. on the wire, a server transaction has one final response, repeated byte for byte (an INVITE's 2xx too);
4. a client transaction ends with exactly one of final response, RequestTimedOut, TransportFailed (2xx to an INVITE may
   be told again, nothing else);
5. Cancelled, AckReceived with a key and AckTimedOut come at most once a transaction, the last two never both;
6. after handle_timer(now), get_timer() lies after now;
7. when time runs out, nothing is held and nothing armed, once the users have answered what they were asked.
"""

import random
from collections import Counter, defaultdict

import pytest

from pysrv.sip import events as tell
from pysrv.sip.endpoint import Endpoint, EndpointLimits
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.parser import parse_datagram
from tests.sip.playbook import TCP, UDP, our_request, request_bytes, token_source

METHODS = (b"INVITE", b"OPTIONS", b"REGISTER", b"BYE", b"MESSAGE")
STATUSES = (100, 180, 183, 200, 202, 302, 404, 486, 603)
FINALS = frozenset((*STATUSES[3:], 480))  # those that only users give: the endpoint refuses with others
SEEDS = range(150)
STEPS = 120


class Fuzzer:
    """A random peer and a random user around one endpoint, and everything that was observed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 1000.0
        self.flow = self.dice.choice((UDP, UDP, TCP))
        self.sip = Endpoint(token_source(), b"secret", limits=EndpointLimits(max_server_transactions=40))
        self.heard: list[bytes] = [request_bytes()]  # what a peer may say again
        self.ours: list[Request] = []
        self.clients: dict[bytes, bytes] = {}  # key: method
        self.asked: dict[bytes, tell.RequestReceived] = {}
        self.stateless: set[bytes] = set()
        self.told: dict[bytes, Counter[str]] = defaultdict(Counter)
        self.finals: dict[bytes, set[bytes]] = defaultdict(set)

    def step(self) -> None:
        """One thing happens."""
        acts = (
            self.peer_requests, self.peer_requests, self.peer_repeats, self.peer_repeats, self.peer_responds,
            self.peer_responds, self.peer_mutilates, self.user_answers, self.user_answers, self.user_asks,
            self.user_cancels, self.user_refuses, self.time_passes, self.time_passes, self.transport_fails,
        )  # fmt: skip
        self.dice.choice(acts)()
        self.observe()

    def receive(self, data: bytes) -> None:
        if self.flow is UDP:
            self.sip.receive_datagram(data, UDP, self.now)
        else:
            try:
                message = parse_datagram(data)
            except Exception:
                return  # the framing's matter
            self.sip.receive_message(message, TCP, self.now)

    def peer_requests(self) -> None:
        number = self.dice.randint(1, 4)
        method = self.dice.choice((*METHODS, b"ACK", b"CANCEL", b"INVITE"))
        branch = self.dice.choice((b"z9hG4bK", b"old")) + b"%d" % self.dice.randint(1, 6)
        tags = [b"", b"user", *(self.sip.stateless_tag(self.asked[key].request) for key in list(self.asked)[:2])]
        data = request_bytes(method, branch, number, to_tag=self.dice.choice(tags))
        self.heard.append(data)
        self.receive(data)

    def peer_repeats(self) -> None:
        self.receive(self.dice.choice(self.heard[-8:]))

    def peer_responds(self) -> None:
        if self.ours:
            request = self.dice.choice(self.ours[-5:])
            tag = self.dice.choice((b"one", b"two"))
            data = response_to(request, self.dice.choice(STATUSES), to_tag=tag).to_bytes()
            self.heard.append(data)
            self.receive(data)

    def peer_mutilates(self) -> None:
        data = bytearray(self.dice.choice(self.heard))
        for _ in range(self.dice.randint(1, 4)):
            place = self.dice.randrange(len(data))
            data[place : place + self.dice.randint(0, 9)] = self.dice.randbytes(self.dice.randint(0, 3))
        self.receive(bytes(data))

    def user_answers(self) -> None:
        if self.asked:
            event = self.dice.choice(list(self.asked.values()))
            response = response_to(event.request, self.dice.choice(STATUSES), to_tag=b"user")
            self.sip.respond(event.key, response, self.now)

    def user_refuses(self) -> None:
        if self.asked:
            event = self.dice.choice(list(self.asked.values()))
            if self.told[event.key].total() == 1 and not self.finals[event.key]:
                self.stateless.add(event.key)
                self.sip.respond_stateless(event.request, response_to(event.request, 401), event.flow)

    def user_asks(self) -> None:
        request = our_request(self.dice.choice(METHODS), len(self.ours) + 1)
        key = self.sip.send_request(request, self.flow, self.now)
        self.clients[key] = request.method

    def user_cancels(self) -> None:
        if self.clients:
            self.sip.cancel(self.dice.choice(list(self.clients)), self.now)

    def time_passes(self) -> None:
        self.pass_until(self.now + self.dice.choice((0.01, 0.3, 0.6, 5.0, 33.0)))

    def transport_fails(self) -> None:
        if self.dice.random() < 0.2:
            self.sip.transport_failed(self.flow, self.now)

    def pass_until(self, until: float) -> None:
        while (at := self.sip.get_timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.sip.handle_timer(self.now)
            following = self.sip.get_timer()
            assert following is None or following > self.now
            self.observe()
        self.now = until

    def observe(self) -> None:
        """Take all that was told and sent, and check what can be checked at once."""
        while (event := self.sip.next_event()) is not None:
            self._note(event)
        for data, _ in self.sip.datagrams_to_send():
            message = parse_datagram(data)
            if isinstance(message, Request):
                self.ours.append(message)
            elif message.status in FINALS:
                self._note_final(message, data)

    def _note(self, event: tell.Event) -> None:
        if isinstance(event, tell.RequestReceived | tell.AckReceived | tell.ResponseReceived):
            message = event.response if isinstance(event, tell.ResponseReceived) else event.request
            _ = message.from_, message.to, message.call_id, message.cseq, message.contacts, message.record_routes
        if isinstance(event, tell.MalformedReceived) or event.key is None:
            return
        match event:
            case tell.RequestReceived():
                self._begin(event)
            case tell.ResponseReceived():
                status = event.response.status
                name = "1xx" if status < 200 else "2xx" if status < 300 else "failure"
                self.told[event.key][name] += 1
            case _:
                self.told[event.key][type(event).__name__] += 1
        if event.key in self.clients:
            self._check_client(event.key)
        else:
            self._check_server(event.key)

    def _begin(self, event: tell.RequestReceived) -> None:
        """What is told of is what is held: a repetition would be another message than the one held."""
        assert self.sip._layer.servers[event.key].request is event.request
        self.asked[event.key] = event
        self.told[event.key] = Counter(RequestReceived=1)
        self.finals[event.key] = set()
        self.stateless.discard(event.key)

    def _note_final(self, response: Response, data: bytes) -> None:
        if b"branch=old" in data:
            return  # RFC 2543: the response does not say which transaction it belongs to
        for key, event in self.asked.items():
            same = event.request.top_via == response.top_via and event.request.cseq == response.cseq
            if same and key not in self.stateless and response.to.tag == b"user":
                self.finals[key].add(data)
                assert len(self.finals[key]) == 1, (key, self.finals[key])

    def _check_client(self, key: bytes) -> None:
        told = self.told[key]
        again = self.clients[key] == b"INVITE"
        ends = (min(told["2xx"], 1) if again else told["2xx"]) + told["failure"]
        assert ends + told["RequestTimedOut"] + told["TransportFailed"] <= 1, (key, told)

    def _check_server(self, key: bytes) -> None:
        told = self.told[key]
        assert told["RequestReceived"] == 1, (key, told)
        assert told["Cancelled"] <= 1, (key, told)
        assert told["AckReceived"] + told["AckTimedOut"] <= 1, (key, told)

    def finish(self) -> None:
        """The user answers what is left, and time runs out."""
        for event in list(self.asked.values()):
            self.sip.respond(event.key, response_to(event.request, 480, to_tag=b"user"), self.now)
        for key in self.clients:
            self.sip.cancel(key, self.now)
        self.observe()
        self.pass_until(self.now + 200.0)
        layer = self.sip._layer
        assert self.sip.get_timer() is None
        held = (layer.clients, layer.servers, layer.origins, layer.acks, layer.repetitions, layer.streams)
        assert not any(held), held
        for key in self.clients:
            told = self.told[key]
            ends = told["2xx"] + told["failure"] + told["RequestTimedOut"] + told["TransportFailed"]
            assert ends >= 1, (key, told)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_comes_the_invariants_hold(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    for _ in range(STEPS):
        fuzzer.step()
    fuzzer.finish()
