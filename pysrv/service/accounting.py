"""Money of running calls: a lease before the INVITE goes out, renewals while funds last, one settlement at the end.

The lease's end is the relay session's deadline in the kernel, on CLOCK_MONOTONIC. Before the answer a session may
carry early media for as long as the call may ring; from the answer on only what is reserved. The order at the end of
a call: the relay is closed, its final counters arrive, then CDR, charge and release are one store transaction.
"""

import heapq
import logging
from collections import Counter
from dataclasses import dataclass, replace

from appliance import wire
from pysrv.billing.cdr import Carried, Cdr
from pysrv.billing.lease import Lease, renewal_margin_s
from pysrv.billing.ledger import Levels, Shortfall
from pysrv.billing.tariff import talk_seconds
from pysrv.calls.causes import Cause
from pysrv.calls.events import CallAnswered, CallEnded, EndedBy, MediaChanged
from pysrv.calls.plan import TargetKind
from pysrv.service.exposure import ExposureBrake
from pysrv.service.fraud import Fraud
from pysrv.service.routing import Counting
from pysrv.service.spending import Spending
from pysrv.service.surroundings import Surroundings
from pysrv.service.tally import CallTally
from pysrv.store import Store

NS = 1_000_000_000
REFUSALS_A_MINUTE = 120  # of one source that are written down
_log = logging.getLogger("pysrv.calls")


@dataclass(slots=True)
class Running:
    """One call's money: its lease, its relay session and what its CDR will say."""

    cdr: Cdr
    lease: Lease
    early_until: float  # monotonic: how long media may flow before the answer
    answered: float | None = None  # monotonic
    session: int = 0
    streams: tuple[wire.RelayStream, ...] = ()
    ended: CallEnded | None = None
    trunks: tuple[str, ...] = ()  # that may still carry it, the one in use first
    failed: tuple[str, ...] = ()  # that did not, and were counted
    q850: int = 0  # a cause that says more than the status
    partners: tuple[str, ...] = ()  # calls that a transfer joined with this one: one conversation, several leases

    @property
    def deadline(self) -> float:
        """The instant (monotonic seconds) at which the kernel stops the audio."""
        return self.early_until if self.answered is None else self.answered + self.lease.covered_s


@dataclass(frozen=True, slots=True)
class LeaseLapsed:
    """A call whose lease ended without renewal, and what was short."""

    call_id: str
    shortfall: Shortfall


class Accounting:
    """All running calls by call id; every money movement goes through the store's ledger."""

    def __init__(
        self, store: Store, world: Surroundings, spending: Spending, fraud: Fraud, brake: ExposureBrake
    ) -> None:
        self._store, self._world, self._spending = store, world, spending
        self._trunks = Counting(store)
        self._fraud, self._brake = fraud, brake
        self.tally = CallTally()
        self.running: dict[str, Running] = {}
        self._by_session: dict[int, str] = {}
        self._due: list[tuple[float, str]] = []
        self._refusals: Counter[str] = Counter()  # of this minute, by source
        self._minute = 0

    def opened(self, cdr: Cdr, lease: Lease, early_s: float, now: float) -> None:
        """A call whose first lease the store has reserved."""
        self.running[cdr.call_id] = Running(cdr, lease, now + early_s)
        self._granted(cdr.call_id)

    def resumed(self, cdr: Cdr, lease: Lease, answered: float) -> None:
        """An answered call that an earlier process began; `answered` on the monotonic clock."""
        call = self.running[cdr.call_id] = Running(cdr, lease, answered, answered)
        self._push_deadline(cdr.call_id, call)

    def refused(self, cdr: Cdr, status: int, sentence: str, setting: str) -> None:
        """A call that policy refused before it was opened: only its record is kept, of one source so many a minute.

        Whoever forges a trunk's address, or knows one password, must not fill the disk with refusals.
        """
        self._fraud.ended(cdr)
        self.tally.ended(replace(cdr, sip_status=status, refused_by=setting))
        if not self._worth_a_record(cdr.source):
            return
        refusal = replace(
            cdr,
            ended_at=cdr.setup_at,
            cause=Cause.of_status(status).q850,
            sip_status=status,
            reason=sentence,
            refused_by=setting,
        )
        self._store.settle(refusal)

    def goes_over(self, call_id: str, trunks: tuple[str, ...]) -> None:
        """The trunks that will be tried for a call, in this order."""
        if (call := self.running.get(call_id)) is not None:
            call.trunks = trunks

    def route_failed(self, call_id: str, trunk: str) -> None:
        """A call has left a trunk; the next one is tried."""
        if (call := self.running.get(call_id)) is not None and call.trunks[:1] == (trunk,):
            call.trunks = call.trunks[1:]
            call.failed = (*call.failed, trunk)
            self._trunks.failed(trunk, call.cdr.callee, call.cdr.setup_at)

    def _worth_a_record(self, source: str) -> bool:
        minute = int(self._world.clock.monotonic() // 60)
        if minute != self._minute:
            self._minute = minute
            self._refusals.clear()
        self._refusals[source] += 1
        return self._refusals[source] <= REFUSALS_A_MINUTE

    def channels(self, trunk: str) -> int:
        """How many running calls a trunk carries, either way."""
        return sum(call.cdr.trunk == trunk or call.trunks[:1] == (trunk,) for call in self.running.values())

    def unreachable(self, call_id: str, q850: int, sentence: str, setting: str) -> None:
        """Note in the record why an allowed call reaches nobody."""
        if (call := self.running.get(call_id)) is not None:
            call.q850, call.cdr = q850, replace(call.cdr, reason=sentence, refused_by=setting)

    def renamed(self, call_id: str, to: str) -> None:
        """A running call that somebody else is about to take over makes room for his, or comes back."""
        call = self.running.pop(call_id)
        self._store.rename_call(call_id, to)
        call.cdr = replace(call.cdr, call_id=to)
        self.running[to] = call

    def handed_over(self, aside: str, call_id: str, cause: Cause, sentence: str, at: float) -> None:
        """The call `aside` has ended unanswered, and `call_id` goes on with its relay session."""
        old, new = self.running[aside], self.running[call_id]
        new.session, new.streams, old.session = old.session, old.streams, 0
        old.cdr = replace(old.cdr, reason=sentence)
        old.ended = CallEnded(aside, cause, EndedBy.CALLEE, at, None, None, at, None)
        self._settle(aside, old)
        self._tell_deadline(call_id)

    def media(self, event: MediaChanged) -> None:
        """The relay rows of a call: open them, or close when there are none any more."""
        call = self.running.get(event.call_id)
        if call is None or call.ended is not None:
            return
        session = event.session
        if not session.streams:
            self._close_relay(call)
            return
        call.session, call.streams = session.session, session.streams
        self._by_session[session.session] = event.call_id
        self._world.gate.open_session(replace(session, deadline_ns=_ns(self._media_deadline(event.call_id))))

    def joined(self, call_id: str, other_id: str) -> None:
        """Two calls are one conversation now: its audio ends with the first of their leases."""
        call, other = self.running.get(call_id), self.running.get(other_id)
        if call is None or other is None:
            return
        call.partners, other.partners = (*call.partners, other_id), (*other.partners, call_id)
        self._tell_deadline(call_id)

    def answered(self, event: CallAnswered) -> None:
        """Talk begins: from here on the deadline is the lease's end."""
        call = self.running.get(event.call_id)
        if call is None:
            return
        call.answered = event.at
        wall = self._wall(event.at)
        call.cdr = replace(call.cdr, answered_at=wall)
        trunk = event.target.label if event.target.kind is TargetKind.TRUNK else call.cdr.trunk
        call.trunks = (trunk,) if trunk else ()
        self._store.answer_call(event.call_id, wall, trunk)
        self._push_deadline(event.call_id, call)

    def renew_due(self, now: float) -> list[LeaseLapsed]:
        """Renew what ends soon; returns the calls whose lease has ended unrenewed (to be hung up)."""
        lapsed = []
        while self._due and self._due[0][0] <= now:
            _, call_id = heapq.heappop(self._due)
            call = self.running.get(call_id)
            if call is None or call.ended is not None or call.answered is None:
                continue
            outcome = self._renew(call_id, call, now)
            if isinstance(outcome, LeaseLapsed):
                lapsed.append(outcome)
        return lapsed

    def next_renewal(self) -> float | None:
        """When renew_due wants to be called."""
        return self._due[0][0] if self._due else None

    def ended(self, event: CallEnded) -> None:
        """The call is over: close its relay; the settlement follows its last counters."""
        call = self.running.get(event.call_id)
        if call is None:
            return
        call.ended = event
        if call.session:
            self._world.gate.close_session(call.session)
        else:
            self._settle(event.call_id, call)

    def session_closed(self, counters: wire.SessionCounters) -> None:
        """The relay's last word on a session."""
        call_id = self._by_session.pop(counters.session, None)
        call = self.running.get(call_id) if call_id is not None else None
        if call_id is None or call is None:
            return
        call.cdr = self._with_counters(call, counters)
        call.session = 0
        if call.ended is not None:
            self._settle(call_id, call)

    def silent(self, counters: wire.SessionCounters, since_ns: int) -> str | None:
        """The answered call of a session that has carried nothing, either way, since `since_ns` (monotonic)."""
        call_id = self._by_session.get(counters.session)
        call = self.running.get(call_id) if call_id is not None else None
        if call is None or call.answered is None or call.ended is not None or not counters.streams:
            return None
        last_ns = max(_ns(call.answered), *(row.last_ns for row in counters.streams))
        return call_id if last_ns < since_ns else None

    def lapsed(self, call_id: str, short: Shortfall) -> None:
        """Note in the record which limit ends the call."""
        call = self.running.get(call_id)
        if call is not None:
            self._spending.fell_short(short, call.cdr.account)
            call.cdr = replace(call.cdr, reason=f"lease ended: {short.sentence}", refused_by=short.setting)

    def cut(self, call_id: str, setting: str, reason: str) -> None:
        """Note in the record which rule ends the call."""
        if (call := self.running.get(call_id)) is not None:
            call.cdr = replace(call.cdr, reason=reason, refused_by=setting)

    def prices(self, account_id: int, name: str) -> dict[str, int]:
        """What each running call that an account pays for costs it a minute, as the caller's own or above it."""
        found = {}
        for call_id, call in self.running.items():
            above = [share.per_minute for share in call.lease.above if share.account_id == account_id]
            if call.ended is None and (above or call.cdr.account == name):
                found[call_id] = above[0] if above else call.lease.per_minute
        return found

    def call_of(self, session: int) -> str | None:
        """The call that a relay session belongs to."""
        return self._by_session.get(session)

    def _renew(self, call_id: str, call: Running, now: float) -> LeaseLapsed | None:
        before = self._store.levels_of_call(call_id) if self._spending.holds_back else ()
        renewed = self._store.renew_lease(call_id)
        if isinstance(renewed, Shortfall):
            if now >= call.deadline:
                return LeaseLapsed(call_id, renewed)
            # Not now, but perhaps before the end: another call may give funds back, or this one may end by itself.
            # Until then no limit was passed, and the day is not blocked.
            heapq.heappush(self._due, (min(call.deadline, now + max(0.25, (call.deadline - now) / 2)), call_id))
            return None
        self._report(call, before)
        call.lease = renewed
        self._granted(call_id)
        self._push_deadline(call_id, call)
        return None

    def _report(self, call: Running, before: Levels) -> None:
        """A ceiling in report-only would not have given the longer lease: counted and written down, once a call."""
        short = self._spending.unheard(before, call.cdr.source, call.lease) if before else None
        if short is None or call.cdr.emergency or short.setting in call.cdr.reports:
            return
        self._spending.report(short.setting)
        call.cdr = replace(call.cdr, reports=(*call.cdr.reports, short.setting))
        _log.info("call would be cut id=%s account=%s: %s", call.cdr.call_id, short.account, short.sentence)

    def _granted(self, call_id: str) -> None:
        levels = self._store.levels_of_call(call_id)
        self._spending.granted(call_id, levels)
        self._brake.granted(levels)

    def _conversation(self, call_id: str) -> dict[str, Running]:
        """The call and all that it was joined with, directly or not."""
        found: dict[str, Running] = {}
        names = [call_id]
        while names:
            name = names.pop()
            if name not in found and (call := self.running.get(name)) is not None:
                found[name] = call
                names += call.partners
        return found

    def _media_deadline(self, call_id: str) -> float:
        return min(call.deadline for call in self._conversation(call_id).values())

    def _tell_deadline(self, call_id: str) -> None:
        """The kernel hears until when every relay session of this conversation may carry audio."""
        calls = self._conversation(call_id).values()
        until = min(call.deadline for call in calls)
        for call in calls:
            if call.session:
                self._world.gate.renew_lease(call.session, _ns(until))

    def _push_deadline(self, call_id: str, call: Running) -> None:
        self._tell_deadline(call_id)
        margin = renewal_margin_s(call.deadline - self._world.clock.monotonic())
        heapq.heappush(self._due, (call.deadline - margin, call_id))

    def _close_relay(self, call: Running) -> None:
        if call.session:
            self._world.gate.close_session(call.session)

    def _settle(self, call_id: str, call: Running) -> None:
        event = call.ended
        assert event is not None
        cdr = replace(
            call.cdr,
            ringing_at=None if event.ringing_at is None else self._wall(event.ringing_at),
            ended_at=max(call.cdr.setup_at, self._wall(event.ended_at)),
            cause=call.q850 or event.cause.q850,
            sip_status=event.cause.status,
            reason=call.cdr.reason or event.cause.text,
            ended_by=event.ended_by.value,
            duration_s=event.duration_s,
            trunk=_trunk_of(event) or call.cdr.trunk,
        )
        stored = self._store.settle(cdr)
        self.tally.ended(stored)
        self._count(call, stored, _trunk_of(event))
        del self.running[call_id]
        owner = self._store.account(stored.account) if stored.account else None
        self._spending.ended(stored, owner.id if owner is not None else None)
        self._fraud.ended(stored)
        _log.info(
            "call ended id=%s account=%s callee=%s cause=%d status=%d seconds=%.1f charge=%d",
            call_id, stored.account, stored.callee, stored.cause, stored.sip_status, stored.duration_s, stored.charge,
        )  # fmt: skip

    def _count(self, call: Running, stored: Cdr, trunk: str) -> None:
        """The trunk's quality: a call that was answered, or one that its caller gave up before the trunk did."""
        if trunk and (stored.answered or trunk not in call.failed):
            self._trunks.carried(
                trunk, stored.callee, stored.setup_at, talk_seconds(stored.duration_s) if stored.answered else 0
            )

    def _with_counters(self, call: Running, counters: wire.SessionCounters) -> Cdr:
        """The CDR with RTP summed by direction: what arrived at a port that faces the caller came from the caller.

        MediaSession lists the caller's side of each flow first, so every other row faces the caller.
        """
        rtcp = {stream.local for stream in call.streams if stream.rtcp}
        from_caller = {stream.local for stream in call.streams[::2]}
        sums = {True: call.cdr.from_caller, False: call.cdr.from_callee}
        for row in (row for row in counters.streams if row.local not in rtcp):
            side = row.local in from_caller
            last_at = self._wall(row.last_ns / NS) if row.last_ns else 0.0
            sums[side] = Carried(
                sums[side].packets + row.packets, sums[side].bytes + row.bytes, max(sums[side].last_at, last_at)
            )
        return replace(call.cdr, from_caller=sums[True], from_callee=sums[False])

    def _wall(self, at: float) -> float:
        clock = self._world.clock
        return clock.wall() - (clock.monotonic() - at)


def _trunk_of(event: CallEnded) -> str:
    return event.target.label if event.target is not None and event.target.kind is TargetKind.TRUNK else ""


def _ns(at: float) -> int:
    return int(at * NS)
