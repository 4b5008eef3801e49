"""A hundred live calls and an attacker who injects audio into them: none of it is heard, and the calls lose nothing.

The calls are SIPp's, on both sides; their RTP is generated at the addresses and ports that SIPp announced. The attacker
knows the appliance's ports, and for the forged packets each phone's address, port and SSRC too, which is more than can
be seen from anywhere but the path itself.
"""

import random
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_calls import pause
from tests.e2e.test_peers import tallies
from tests.lab.carrier import Carrier, Outcome, answering, calling, load, registering
from tests.lab.network import Lab
from tests.lab.product import Product
from tests.lab.scenarios import with_own_ports
from tests.lab.talk import EVIL, GOOD, PERIOD_S, Injector, Leg, Talkers, rtp

pytestmark = pytest.mark.load

CALLS, RATE = 100, 25.0
NUMBER = "4989123456"
CALLER_PORT, CARRIER_PORT = 30_000, 40_000
TALK_S, LIVE_MS = 10.0, 22_000
ATTACK_S, BATCH = 7.0, 40
LEARNING_PACKETS = 10
WRONG = 0x0BADBAD0
RULES = ("rtp_source", "rtp_ssrc", "rtp_sequence", "rtp_payload_type")


def table(path: Path, first: int, row: str = "") -> Path:
    """SIPp's table: a row for each call, with the RTP port of its phone at the end."""
    path.write_text("SEQUENTIAL\n" + "".join(f"{row}{first + 2 * n};\n" for n in range(CALLS)))
    return path


def shown(directory: Path) -> list[tuple[int, int]]:
    """The calls of a SIPp so far: the port of its phone, and the appliance's port that it was shown."""
    texts = [log.read_text() for log in directory.glob("*.log")]
    return [(int(own), int(ours)) for text in texts for own, ours in re.findall(r"^(\d+) (\d+)$", text, re.MULTILINE)]


class LiveCalls:
    """A hundred answered calls from carol's addresses to the carrier, and the legs of their media."""

    def __init__(self, lab: Lab, product: Product, directory: Path) -> None:
        self.caller, self.callee = lab.hosts["carol"], lab.hosts["trunk"]
        password = product.account("injected", "195", "--credit", "1000", "--deck", "retail", "--maxlines", "0")
        row = f"injected;[authentication username=injected password={password}];{NUMBER};"
        callers = table(directory / "callers.csv", CALLER_PORT, row)
        scenario = with_own_ports(calling(talk_ms=LIVE_MS), "[field3]")
        self._places = (directory / "callers", directory / "carrier")
        entered = load(
            lab, self.caller, directory / "register", registering(), callers, self.caller.gateway, calls=1, rate=1
        )
        assert (entered.succeeded, entered.failed) == (1, 0)
        self._carrier = Carrier(
            lab, self.callee, self._places[1], with_own_ports(answering(), "[field0]"),
            "-inf", str(table(directory / "carrier.csv", CARRIER_PORT)), "-trace_logs",
        )  # fmt: skip
        self.outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._load, args=(lab, scenario, callers), daemon=True)
        self._thread.start()

    def _load(self, lab: Lab, scenario: str, callers: Path) -> None:
        self.outcome = load(
            lab, self.caller, self._places[0], scenario, callers, self.caller.gateway,
            "-auth_uri", f"{NUMBER}@{self.caller.gateway}", "-trace_logs", calls=CALLS, rate=RATE,
        )  # fmt: skip

    def legs(self, patience_s: float = 30.0) -> list[Leg]:
        """Both ends of every call, once all are answered."""
        until = time.monotonic() + patience_s
        while min(len(seen := shown(place)) for place in self._places) < CALLS:
            assert time.monotonic() < until and self.outcome is None, f"{len(seen)} calls were answered"
            pause(0.05)
        numbers = random.Random(1)
        return [
            Leg(host, own, (host.gateway, ours), numbers.getrandbits(32) | 1, numbers.randrange(65_536))
            for host, place in zip((self.caller, self.callee), self._places, strict=True)
            for own, ours in shown(place)
        ]

    def end(self) -> Outcome:
        """All calls hung up, and how they went."""
        self._thread.join(60)
        self._carrier.close()
        assert self.outcome is not None
        return self.outcome


@pytest.fixture
def talkers(lab: Lab) -> Iterator[Talkers]:
    places = [(lab.hosts["carol"], CALLER_PORT + 2 * n) for n in range(CALLS)]
    made = Talkers(lab, [*places, *((lab.hosts["trunk"], CARRIER_PORT + 2 * n) for n in range(CALLS))])
    yield made
    made.close()


@pytest.fixture
def injector(lab: Lab) -> Iterator[Injector]:
    made = Injector(lab, lab.hosts["attacker"])
    yield made
    made.close()


def forged(leg: Leg, number: int) -> tuple[bytes, bytes, bytes, bytes]:
    """What nobody on the path can send but who sees it all: the phone's address and port, and all but one thing right.

    A wrong SSRC in order, the right one at a sequence far away in order, a wrong payload type, and RTCP's look.
    """
    far = leg.first + 20_000 + number
    return (
        rtp(EVIL, number, WRONG),
        rtp(EVIL, far, leg.ssrc),
        rtp(EVIL, leg.first + number, leg.ssrc, payload_type=8),
        rtp(EVIL, number, WRONG)[:1] + b"\xc8\xff\xff" + rtp(EVIL, number, WRONG)[4:],
    )


def attack(injector: Injector, legs: list[Leg], until: float) -> int:
    """Every stream from the attacker's own address and in its phone's name, as fast as he can; how many packets."""
    before, number, me = injector.sent, 0, injector.host.address
    while time.monotonic() < until:
        for leg in legs:
            own = (me, 5000 + leg.port % 1000)
            injector.send(rtp(EVIL, number, WRONG), own, leg.relay)
            injector.send(rtp(EVIL, leg.first + number, leg.ssrc), own, leg.relay)
            for packet in forged(leg, number):
                injector.send(packet, (leg.host.address, leg.port), leg.relay)
        number += 1
    return injector.sent - before


def test_nothing_injected_into_a_hundred_live_calls_is_heard(
    lab: Lab, product: Product, talkers: Talkers, injector: Injector, tmp_path: Path
) -> None:
    calls = LiveCalls(lab, product, tmp_path)
    legs = calls.legs()
    assert len({leg.relay for leg in legs}) == 2 * CALLS
    before = tallies(product)

    # While the streams are still learning: no phone has spoken yet, and the attacker speaks first.
    for number in range(LEARNING_PACKETS):
        for leg in legs:
            injector.send(rtp(EVIL, number, WRONG), (injector.host.address, 5004), leg.relay)
    while_learning = talkers.heard()[EVIL]

    with talkers.talk(legs, TALK_S) as heard:
        pause(1.0)
        sent = attack(injector, legs, time.monotonic() + ATTACK_S)
    outcome = calls.end()
    after = tallies(product)
    refused = {rule: after[rule] - before.get(rule, 0) for rule in RULES}

    assert while_learning <= 5
    assert heard.marks[EVIL] == 0, (
        f"{heard.marks[EVIL]} of {sent} injected; longest gap in the talk {heard.longest_gap_s:.3f} s"
    )
    assert heard.sent == 2 * CALLS * round(TALK_S / PERIOD_S)
    assert heard.marks[GOOD] >= 0.99 * heard.sent, (heard, refused)
    assert min(refused.values()) > CALLS, refused
    assert (outcome.succeeded, outcome.failed) == (CALLS, 0)
