"""One course of past calls through the pipeline: what each would have met under some settings. Pure; times are Unix.

Setups come in their order. Between them calls end, leases are renewed and days turn, by one heap of moments. A call is
decided by the same stages and the same ledger as a live one. Two things are left out because they cannot matter:

- stages none of whose settings is in question: what they said is taken as it turned out;
- leases of accounts with so much room that none could be short (`Standing.roomy`): they are followed from the moment
  at which one could be, with what they would hold by then.
"""

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Final

from pysrv.billing import ledger
from pysrv.billing.calendar import Days
from pysrv.billing.lease import LONGEST_S, Lease, Share, renewal_margin_s
from pysrv.billing.ledger import Ceiling, Level, Shortfall, Unit
from pysrv.billing.tariff import Rate, billable_seconds, price
from pysrv.limits import pipeline
from pysrv.limits.addresses import Addresses
from pysrv.limits.decision import Refuse
from pysrv.limits.facts import AddressUse, Auth, CallFacts, Destination, Load, Pace
from pysrv.limits.pace import Paces
from pysrv.limits.pipeline import Mode
from pysrv.limits.replay.outcome import ALWAYS, SET_UP, TAKEN, Ending, Outcome
from pysrv.limits.replay.past import FactsOf, Move, NoFurtherFacts, PastCall, ReplaySettings
from pysrv.limits.replay.standing import Standing
from pysrv.limits.stages.spend import NAME as FUNDS
from pysrv.limits.stages.table import STAGES

DAY_S = 86_400.0
EVERYBODY: Final = -1  # of maxcallperuserid
AHEAD_S: Final = LONGEST_S + 10  # a lease is renewed 10 s before its end, so it covers at most so much of the future
Ended = Callable[[PastCall, Outcome], None]
Blocked = Callable[[Standing, str, float], None]
"""Whom a daily limit blocks, the setting, and when."""


class _Moment(IntEnum):
    """What is due; at one instant in this order, and by the order of setups.

    What cut a call, when its record was made, was a renewal that came to nothing, in its turn among all others. A cut
    that came before them would block an account for a renewal that the record knows to have been given.
    """

    END = 0
    RENEW = 1
    CUT = 2


class Running:
    """A call that was allowed, or is asked about. `lease` None: it is not followed. `number` goes by setups."""

    __slots__ = ("call", "costs", "covers_s", "ended", "lease", "levels", "limits", "number", "rates")

    def __init__(
        self, number: int, call: PastCall, levels: tuple[Standing, ...], rates: tuple[Rate | None, ...]
    ) -> None:
        self.number, self.call, self.levels, self.rates = number, call, levels, rates
        self.lease: Lease | None = None
        self.ended = False
        self.limits: tuple[Ceiling, ...] = ()
        lasts_s, first = call.talk_s + AHEAD_S, rates[0] if rates else None
        self.covers_s = billable_seconds(first, lasts_s) if first is not None else lasts_s
        self.costs = _prices(rates, self.covers_s)


class Course:
    """One course. `ended` hears of every call once, when it is over; `blocked` of every account that a day's limit
    stops. `asked` names settings that are tried: what they decide is in question too. `follow`: every lease.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        accounts: Mapping[int, Standing],
        days: Days,
        ended: Ended,
        *,
        blocked: Blocked = lambda *_: None,
        asked: Collection[str] = (),
        report_only: Collection[str] = (),
        facts: FactsOf | None = None,
        follow: bool = False,
    ) -> None:
        self._settings, self._accounts, self._days = settings, accounts, days
        self._ended, self._blocked, self._report_only, self._follow = ended, blocked, report_only, follow
        self._facts: FactsOf = facts or NoFurtherFacts()
        self._decided = ALWAYS | frozenset(asked) | self._facts.settings
        self._stages = tuple(stage for stage in STAGES if self._decided.intersection(stage.settings))
        self._beside_funds = tuple(stage for stage in self._stages if stage.name != FUNDS)
        self._heap: list[tuple[float, int, int, Running]] = []
        self._number = self._count = 0
        self._most_calls = settings.licensecfg.get("calls", 0)
        self._paces = Paces() if any(each.maxcps for each in accounts.values()) else None
        self._sums = bool(settings.maxdurationperip or settings.maxcostperip)
        window_s = float(settings.maxcallperperiod) * DAY_S
        self._addresses = Addresses(window_s) if self._sums or settings.maxcallperip else None

    # -- what comes in --------------------------------------------------------------------------------------------

    def attempt(self, call: PastCall) -> None:
        """The next call, not earlier than the one before."""
        now = call.setup_at
        if self._heap and self._heap[0][0] <= now:
            self.advance(now)
        if call.refused and call.refused_by not in self._decided:
            self._ended(call, TAKEN)
            return
        accounts = self._accounts
        levels = tuple([accounts[each] for each in call.chain])
        day = self._days(now)
        for level in levels:
            if level.day != day:
                level.turn(day)
        rates = (None,) * len(levels) if call.emergency else call.rates
        self._number += 1
        run = Running(self._number, call, levels, rates)
        followed = self._must_follow(run, now)
        facts = self._facts_of(run, followed)
        stages = self._stages if followed else self._beside_funds
        decision = pipeline.decide(facts, mode=Mode.REPLAY, report_only=self._report_only, stages=stages)
        if isinstance(decision, Refuse):
            self._refuse(run, decision, now)
        elif call.refused:
            self._ended(call, SET_UP)  # nobody knows how long it would have been
        else:
            self._start(run, facts if followed else None)

    def move(self, move: Move) -> None:
        """Money came or went, not earlier than what came before."""
        self.advance(move.at)
        standing = self._accounts.get(move.account_id)
        if standing is not None:
            standing.turn(self._days(move.at))
            standing.move(move.amount)

    def advance(self, now: float) -> None:
        """Everything that is due by now."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, what, _, run = heapq.heappop(heap)
            if run.ended:
                continue
            if what == _Moment.RENEW:
                self._renew(run, at)
            elif what == _Moment.CUT and run.lease is not None:
                self._end_cut(run, run.lease, at)
            else:
                self._end(run, at, run.call.talk_s)

    def finish(self) -> None:
        """Lets every call that still runs come to its end."""
        self.advance(float("inf"))

    # -- setup ----------------------------------------------------------------------------------------------------

    def _must_follow(self, run: Running, now: float) -> bool:
        """Whether a lease of this call may be short; then those of its poor accounts' other calls are followed too."""
        if run.call.emergency or not run.levels:
            return False
        run.limits = self._of_address(run.call, now) if self._sums else ()
        followed = self._follow or bool(run.limits)
        for level, rate, cost in zip(run.levels, run.rates, run.costs, strict=False):
            if not level.roomy(cost, run.covers_s, rate.paid_per_minute if rate is not None else 0):
                followed = True
                for other in list(level.runs.values()):
                    self._take_up(other, now)
        return followed

    def _facts_of(self, run: Running, followed: bool) -> CallFacts:
        call, levels, settings = run.call, run.levels, self._settings
        callee = self._accounts.get(call.callee_id) if call.callee_id is not None else None
        facts = CallFacts(
            call.call_id,
            call.source,
            Auth.PROVEN if levels else Auth.TRUNK,
            levels[0] if levels else None,
            call.caller,
            Destination(call.kind, call.callee, callee),
            run.rates[0] if run.rates else None,
            settings,
            at=call.setup_at,
            above=levels[1:],
            levels=self._levels(run) if followed else (),
            load=Load(self._count, self._most_calls),
            paces=self._pace(call, levels) if self._paces is not None else (),
            address=self._address(call, call.setup_at) if self._addresses is not None else None,
        )
        further = self._facts(call)
        return replace(facts, **further) if further else facts  # type: ignore[arg-type]  # as FactsOf says

    def _levels(self, run: Running) -> ledger.Levels:
        return tuple(
            [
                Level(level.id, level.funds_with(run.limits), rate, level.name)
                for level, rate in zip(run.levels, run.rates, strict=False)
            ]
        )

    def _pace(self, call: PastCall, levels: Sequence[Standing]) -> tuple[Pace, ...]:
        if self._paces is None or call.emergency:
            return ()
        return self._paces.attempt([(level.name, level.maxcps) for level in levels], call.setup_at)

    def _concerns(self, call: PastCall) -> bool:
        wanted = self._settings.maxcallperuserid
        return wanted in (EVERYBODY, call.chain[0] if call.chain else None)

    def _address(self, call: PastCall, now: float) -> AddressUse | None:
        if self._addresses is None or not self._concerns(call):
            return None
        return self._addresses.use(call.source, now)

    def _of_address(self, call: PastCall, now: float) -> tuple[Ceiling, ...]:
        use = self._address(call, now)
        if use is None:
            return ()
        limits = (
            ("maxdurationperip", int(self._settings.maxdurationperip), use.seconds, Unit.SECONDS),
            ("maxcostperip", self._settings.maxcostperip, use.cost, Unit.MONEY),
        )
        wanted = [row for row in limits if row[1] and row[0] not in self._report_only]
        return tuple(Ceiling(name, limit, used, unit, whole=True) for name, limit, used, unit in wanted)

    def _refuse(self, run: Running, refusal: Refuse, now: float) -> None:
        whose = str(refusal.figures.get("account", ""))
        self._block(run, refusal.setting, whose, now)
        first = run.levels[0].name if run.levels else ""
        outcome = Outcome(Ending.REFUSED, setting=refusal.setting, account=whose or first, sentence=refusal.sentence)
        self._ended(run.call, outcome)

    def _block(self, run: Running, setting: str, whose: str, now: float) -> None:
        for level in run.levels:
            if level.name == whose and level.block(setting):
                self._blocked(level, setting, now)

    def _start(self, run: Running, facts: CallFacts | None) -> None:
        call = run.call
        if facts is not None:
            granted = ledger.reserve(facts.levels)
            assert not isinstance(granted, Shortfall), "the stage of funds has asked the same"
            run.lease = granted.lease
        for level, rate, cost in zip(run.levels, run.rates, run.costs, strict=False):
            level.lines += 1
            if not call.emergency:
                level.liability += cost
                level.liability_s += run.covers_s
                if rate is not None:
                    level.per_minute += rate.paid_per_minute
                if facts is None:
                    level.runs[call.call_id] = run
        self._count += 1
        self._push(call.ended_at, _Moment.CUT if call.cut else _Moment.END, run)
        if run.lease is not None:
            self._hold(run, Lease(), run.lease)
            self._arm(run, call.setup_at)
        elif self._addresses is not None and self._concerns(call):
            self._addresses.holds(call.call_id, call.source, 0, 0)

    # -- leases ---------------------------------------------------------------------------------------------------

    def _take_up(self, run: Running, now: float) -> None:
        """Follows a call whose lease was never in question, from what it holds by now."""
        first = run.rates[0] if run.rates else None
        answered, covered_s = run.call.answered_at, 0
        while True:
            covered_s += LONGEST_S
            if first is not None:
                covered_s = billable_seconds(first, covered_s)
            if answered is None or answered + covered_s - renewal_margin_s(covered_s) > now:
                break
        shares = tuple(
            Share(level.id, rate, price(rate, covered_s) if rate is not None else 0)
            for level, rate in zip(run.levels[1:], run.rates[1:], strict=False)
        )
        run.lease = Lease(first, covered_s, price(first, covered_s) if first is not None else 0, shares)
        for level in run.levels:
            level.runs.pop(run.call.call_id, None)
        self._hold(run, Lease(), run.lease)
        self._arm(run, run.call.setup_at)  # the moment goes by the length that was granted, not by what is left of it

    def _hold(self, run: Running, before: Lease, after: Lease) -> None:
        """The accounts hold what the lease holds more than before."""
        was = {share.account_id: share.reserved for share in before.above}
        more = [
            after.reserved - before.reserved,
            *(each.reserved - was.get(each.account_id, 0) for each in after.above),
        ]
        for level, amount in zip(run.levels, more, strict=False):
            level.held += amount
            level.held_s += after.covered_s - before.covered_s
        if self._addresses is not None and self._concerns(run.call):
            self._addresses.holds(run.call.call_id, run.call.source, after.covered_s, after.reserved)

    def _arm(self, run: Running, now: float) -> None:
        """The next renewal, if the call still runs then; as the office does it."""
        answered, lease = run.call.answered_at, run.lease
        if answered is None or lease is None:
            return
        deadline = answered + lease.covered_s
        at = deadline - renewal_margin_s(deadline - max(now, answered))
        if at < run.call.ended_at:
            self._push(at, _Moment.RENEW, run)

    def _renew(self, run: Running, now: float) -> None:
        lease, answered = run.lease, run.call.answered_at
        assert lease is not None, "only leases that are followed are renewed"
        assert answered is not None, "only leases of answered calls are renewed"
        day = self._days(now)
        for level in run.levels:
            level.turn(day)
        if self._sums:
            run.limits = self._of_address(run.call, now)
        granted = ledger.renew(self._levels(run), lease)
        if not isinstance(granted, Shortfall):
            self._hold(run, lease, granted.lease)
            run.lease = granted.lease
            self._arm(run, now)
            return
        deadline = answered + lease.covered_s
        if now < deadline:  # another call may give funds back before that
            self._push(min(deadline, now + max(0.25, (deadline - now) / 2)), _Moment.RENEW, run)
        else:
            self._block(run, granted.setting, granted.account, now)
            self._end(run, now, lease.covered_s, granted)

    # -- the end --------------------------------------------------------------------------------------------------

    def _end(self, run: Running, now: float, talk_s: int, short: Shortfall | None = None) -> None:
        call, lease = run.call, run.lease
        run.ended = True
        if lease is not None:
            talk_s = min(talk_s, lease.covered_s)
        charges = _prices(run.rates, talk_s)
        day = self._days(now) if run.levels else 0
        for level, rate, cost, charge in zip(run.levels, run.rates, run.costs, charges, strict=False):
            level.lines -= 1
            if call.emergency:
                continue
            level.liability -= cost
            level.liability_s -= run.covers_s
            if rate is not None:
                level.per_minute -= rate.paid_per_minute
            level.runs.pop(call.call_id, None)
            if talk_s:
                if level.day != day:
                    level.turn(day)
                level.pay(charge, talk_s)
        if lease is not None:
            self._let_go(run, lease)
        if self._addresses is not None and self._concerns(call) and not call.emergency:
            self._left(run, talk_s, charges[0] if charges else 0)
        self._count -= 1
        if short is None:
            self._ended(call, Outcome(Ending.ALLOWED, talk_s, charges))
        else:
            self._ended(call, Outcome(Ending.CUT, talk_s, charges, short.setting, short.account, short.sentence))

    def _end_cut(self, run: Running, lease: Lease, now: float) -> None:
        """A call that a limit cut, in the record, ends here in any case; what is asked is whether it would again."""
        if self._sums:
            run.limits = self._of_address(run.call, now)
        granted = ledger.renew(self._levels(run), lease)
        if not isinstance(granted, Shortfall):
            self._end(run, now, run.call.talk_s)
            return
        self._block(run, granted.setting, granted.account, now)
        self._end(run, now, run.call.talk_s, granted)

    def _let_go(self, run: Running, lease: Lease) -> None:
        for level, amount in zip(run.levels, (lease.reserved, *(each.reserved for each in lease.above)), strict=False):
            level.held -= amount
            level.held_s -= lease.covered_s

    def _left(self, run: Running, talk_s: int, charge: int) -> None:
        rate = run.rates[0] if run.rates else None
        billed_s = billable_seconds(rate, talk_s) if rate is not None else 0
        if self._addresses is not None:
            self._addresses.ended(run.call.call_id, run.call.source, run.call.setup_at, billed_s, charge)

    def _push(self, at: float, what: _Moment, run: Running) -> None:
        heapq.heappush(self._heap, (at, what, run.number, run))


def _prices(rates: Sequence[Rate | None], seconds: int) -> tuple[int, ...]:
    return tuple([price(rate, seconds) if rate is not None else 0 for rate in rates])
