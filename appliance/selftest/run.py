"""Runs the attacks: a range, a gate in its middle, customers who must not notice, one attack after the other.

Nothing of the machine is touched but its CPUs: the gate under test is loaded beside a running one, unpinned, in
namespaces of its own. Every attack is bounded in packets and in time. Must not know: the command line.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from appliance import wire
from appliance.kernel import layout, testrun
from appliance.kernel.gate import Gate
from appliance.kernel.range import Range, entered
from appliance.selftest.attacks import ATTACKS, Aim, Attack
from appliance.selftest.customers import FIRST_PORT, PHONE_SIP_PORT, SIP_PORT, Customers, Kept, sessions
from appliance.selftest.frames import Wire
from appliance.selftest.generator import Generator, Sent
from appliance.selftest.report import Report, Result

PARTIES: Final = ("attacker", "phone", "trunk")
FIRST_ATTACKER: Final = 10  # the last byte of its address
MOST_PACKETS: Final = 20_000_000
MOST_SECONDS: Final = 60.0
WARM_UP_S: Final = 0.5
_SERIES: Final = 400

Progress = Callable[[int, int, str], None]


def attack(seconds: float, mode: str = "auto", progress: Progress = lambda *_: None) -> Report:
    """Every attack for `seconds` each, MOST_SECONDS at most, against a gate with its default limits.

    `progress` gets (done, total, what comes now). Raises WireError when there is no range or no gate.
    """
    seconds = min(seconds, MOST_SECONDS)
    with ExitStack() as stack:
        rest = stack.enter_context(_on_one_processor())
        ground = stack.enter_context(Range(PARTIES))
        gate = stack.enter_context(_gate(ground, mode))
        customers = stack.enter_context(Customers(ground, rest))
        bout = _Bout(ground, gate, customers)
        progress(0, len(ATTACKS) + 1, "quiet")
        bout.watch(WARM_UP_S)  # the relay locks onto its sources
        quiet = bout.quiet(seconds)
        results = []
        for number, row in enumerate(ATTACKS, 1):
            progress(number, len(ATTACKS) + 1, row.name)
            results.append(bout.run(row, seconds))
        progress(len(ATTACKS) + 1, len(ATTACKS) + 1, "")
        status = gate.status()
        return Report(
            made_at=round(time.time(), 3),
            gate=layout.version(),
            kernel=platform.release(),
            processor=_processor(),
            mode=", ".join(sorted({interface.mode for interface in status.interfaces})),
            quiet=quiet,
            results=tuple(results),
        )


@contextmanager
def _on_one_processor() -> Iterator[set[int]]:
    """Keeps the attack on one CPU, which it saturates; gives the others, for those who must not notice."""
    usable = os.sched_getaffinity(0)
    chosen = max(usable)
    os.sched_setaffinity(0, {chosen})
    try:
        yield usable - {chosen} or usable
    finally:
        os.sched_setaffinity(0, usable)


@contextmanager
def _gate(ground: Range, mode: str) -> Iterator[Gate]:
    with entered(ground.middle):
        gate = Gate.load()
        try:
            for party in ground.parties.values():
                gate.attach(party.middle_interface, mode)
            gate.sync(plan(ground))
            yield gate
        finally:
            gate.close()


def plan(ground: Range) -> wire.Plan:
    """What the service would have told the gate of these customers."""
    phone = ground.parties["phone"]
    return wire.Plan(
        generation=1,
        service_ports=(("udp", SIP_PORT), ("tcp", SIP_PORT)),
        relay_ports=(FIRST_PORT, FIRST_PORT + 9999),
        sessions=sessions(ground),
        known_pairs=(wire.KnownPair(phone.address, PHONE_SIP_PORT, time.time() + 3600),),
        challenge=wire.Challenge(enabled=True, realm="selftest", keys=tuple(os.urandom(16).hex() for _ in range(4))),
        scanners=("friendly-scanner",),
    )


class _Bout:
    """One range with its gate and its customers."""

    def __init__(self, ground: Range, gate: Gate, customers: Customers) -> None:
        self._ground, self._gate, self._customers = ground, gate, customers
        self._addresses = count(FIRST_ATTACKER)

    def watch(self, seconds: float) -> None:
        """Lets the customers, who are another process, talk for a while."""
        time.sleep(seconds)

    def quiet(self, seconds: float) -> Result:
        """The customers alone."""
        before = self._customers.kept()
        self.watch(seconds)
        row = Attack("none", "customers alone, to compare with", lambda _: [], lambda _: 0)
        return _result(row, Sent(0, seconds), 0, {}, self._customers.kept().since(before))

    def run(self, row: Attack, seconds: float) -> Result:
        """One attack, while the customers go on."""
        frames = row.frames(self._aim())
        namespace = self._ground.parties["attacker"].namespace
        with Generator(namespace, frames, forge=row.forge) as generator:
            before, tallied = self._customers.kept(), self._tallies()
            sent = generator.run_for(seconds, MOST_PACKETS)
            kept = self._customers.kept().since(before)
        moved = {name: now - tallied.get(name, 0) for name, now in self._tallies().items()}
        ns = self._program_ns(frames)  # now: the attacker's limits are used up, as in the flood's course
        return _result(row, sent, ns, {name: packets for name, packets in moved.items() if packets}, kept)

    def _aim(self) -> Aim:
        """Another address for each attack: what one of them has used up is not missing in the next."""
        attacker, phone = self._ground.parties["attacker"], self._ground.parties["phone"]
        macs, network = (attacker.mac, attacker.gateway_mac), attacker.address.rpartition(".")[0]
        own = f"{network}.{next(self._addresses)}"
        return Aim(Wire(*macs, own, attacker.gateway), Wire(*macs, phone.address, phone.gateway))

    def _tallies(self) -> dict[str, int]:
        return {tally.verdict: tally.packets for tally in self._gate.tallies()}

    def _program_ns(self, frames: list[bytes]) -> int:
        """The median of single runs: a frame that is answered comes out changed, so none is run twice."""
        with entered(self._ground.middle):
            some = [frames[i % len(frames)] for i in range(_SERIES)]
            runs = sorted(testrun.run(self._gate.program_fd, frame).ns for frame in some)
        return runs[len(runs) // 2]


def _result(row: Attack, sent: Sent, ns: int, verdicts: dict[str, int], kept: Kept) -> Result:
    return Result(
        attack=row.name,
        says=row.says,
        packets=sent.packets,
        seconds=round(sent.seconds, 3),
        mpps=round(sent.packets / sent.seconds / 1e6, 3) if sent.seconds else 0.0,
        ns=ns,
        verdicts=verdicts,
        through=kept.others_arrived,
        through_allowed=int(row.through(sent.seconds)),
        media_sent=kept.media_sent,
        media_kept=kept.media_arrived,
        requests_sent=kept.requests_sent,
        requests_kept=kept.requests_arrived,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
