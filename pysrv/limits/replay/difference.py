"""What two courses of the same calls disagree about, summed while they run: by setting, by account, by day. Pure.

Memory grows with accounts and days, never with calls: of single calls the first few are kept. Money is what reaches the
owner (the charge of the topmost level), micro-units by currency; what a carrier would have taken is reckoned by the
share of the talk.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pysrv.limits.replay.outcome import SET_UP, TAKEN, Ending, Outcome
from pysrv.limits.replay.past import PastCall
from pysrv.limits.replay.standing import Standing

MOST_SHOWN = 100
Money = Counter[str]  # micro-units by currency


@dataclass(slots=True)
class Sums:
    """Calls that one course refused or cut and the other did not, what they lost, and what that saved."""

    refused: int = 0
    cut: int = 0
    freed: int = 0  # the other way round
    trusted: int = 0  # of accounts that look like customers
    talk_s: int = 0
    revenue: Money = field(default_factory=Counter)
    cost: Money = field(default_factory=Counter)
    first_at: float = 0.0


@dataclass(slots=True)
class DaySums:
    """One day: what calls came to in either course, what they stopped, and whom a daily limit blocked."""

    calls: int = 0
    before: Money = field(default_factory=Counter)
    after: Money = field(default_factory=Counter)
    hit: int = 0
    blocked: int = 0
    ceiling: int | None = None  # of the one account that is looked at


@dataclass(frozen=True, slots=True)
class Hit:
    """One call that the tried settings stop and those in force do not."""

    at: float
    call_id: str
    account: str
    callee: str
    ending: str
    setting: str
    sentence: str
    talk_s: int
    of_s: int


@dataclass(frozen=True, slots=True)
class Block:
    """An account that a daily limit stops for the rest of its day."""

    at: float
    account: str
    setting: str
    spent: int


class Difference:
    """Hears of both courses. `only`: the names of accounts that are looked at; nobody: all. Carriers cost `base`."""

    def __init__(
        self,
        accounts: Mapping[int, Standing],
        day_of: Callable[[float], int],
        only: Collection[str] = (),
        base: str = "",
    ) -> None:
        self._accounts, self._day_of, self._only, self._base = accounts, day_of, frozenset(only), base
        self._waiting: dict[str, Outcome] = {}
        self.calls = self.unlike = 0
        self.total = Sums()
        self.settings: dict[str, Sums] = {}
        self.accounts: dict[str, Sums] = {}
        self.days: dict[int, DaySums] = {}
        self.hits: list[Hit] = []
        self.blocks: list[Block] = []
        self.blocks_in_all = 0

    def recorded(self, call: PastCall) -> None:
        """The record is what was before, instead of a course."""
        self.before(call, of_record(call))

    def before(self, call: PastCall, outcome: Outcome) -> None:
        """What the call met under the settings in force."""
        other = self._waiting.pop(call.call_id, None)
        if other is None:
            self._waiting[call.call_id] = outcome
        else:
            self._add(call, outcome, other)

    def after(self, call: PastCall, outcome: Outcome) -> None:
        """What it met under those that are tried."""
        other = self._waiting.pop(call.call_id, None)
        if other is None:
            self._waiting[call.call_id] = outcome
        else:
            self._add(call, other, outcome)

    def blocked(self, standing: Standing, setting: str, at: float) -> None:
        """A daily limit blocks an account under the tried settings."""
        if self._only and standing.name not in self._only:
            return
        self.blocks_in_all += 1
        self._day(at).blocked += 1
        if len(self.blocks) < MOST_SHOWN:
            self.blocks.append(Block(at, standing.name, setting, standing.usage.spent_today + standing.held))

    def _day(self, at: float) -> DaySums:
        day = self._day_of(at)
        found = self.days.get(day)
        if found is None:
            found = self.days[day] = DaySums()
        return found

    def _seen(self, call: PastCall) -> Standing | None:
        """The account of the chain that is looked at: the caller's own unless one above it was named."""
        for each in call.chain:
            standing = self._accounts[each]
            if not self._only or standing.name in self._only:
                return standing
        return None

    def _add(self, call: PastCall, before: Outcome, after: Outcome) -> None:
        who = self._seen(call)
        if who is None:
            return
        self.calls += 1
        self.unlike += unlike(call, before)
        day = self._day(call.setup_at)
        day.calls += 1
        if before.charges:
            day.before[self._currency(call)] += before.charges[0]
        if after.charges:
            day.after[self._currency(call)] += after.charges[0]
        if len(self._only) == 1 and day.ceiling is None:
            day.ceiling = _money_limit(who)
        if after.hit and not (before.hit and after.talk_s == before.talk_s):
            day.hit += 1
            self._stopped(call, who, before, after)
        elif before.hit and not after.hit:
            for sums in (self.total, self._of(self.settings, before.setting), self._of(self.accounts, who.name)):
                sums.freed += 1

    def _stopped(self, call: PastCall, who: Standing, before: Outcome, after: Outcome) -> None:
        lost_s = before.talk_s - after.talk_s
        lost = (before.charges[0] if before.charges else 0) - (after.charges[0] if after.charges else 0)
        saved = call.cost * lost_s // call.talk_s if call.talk_s else 0
        rows = (self.total, self._of(self.settings, after.setting), self._of(self.accounts, who.name))
        for sums in rows:
            sums.refused += after.ending is Ending.REFUSED
            sums.cut += after.ending is Ending.CUT
            sums.trusted += who.trusted
            sums.talk_s += lost_s
            sums.revenue[self._currency(call)] += lost
            sums.cost[self._base or who.currency] += saved
            sums.first_at = min(sums.first_at or call.setup_at, call.setup_at)
        if len(self.hits) < MOST_SHOWN:
            self.hits.append(
                Hit(
                    call.setup_at, call.call_id, who.name, call.callee, str(after.ending), after.setting,
                    after.sentence, after.talk_s, before.talk_s,
                )
            )  # fmt: skip

    def _currency(self, call: PastCall) -> str:
        """In which the caller's own account pays: its charge is what a record knows."""
        return self._accounts[call.chain[0]].currency

    def _of(self, rows: dict[str, Sums], name: str) -> Sums:
        found = rows.get(name)
        if found is None:
            found = rows[name] = Sums()
        return found


def of_record(call: PastCall) -> Outcome:
    """What a record says became of a call."""
    if call.refused:
        return Outcome(Ending.REFUSED, setting=call.refused_by)
    charges = (call.charge, *(0 for _ in call.chain[1:])) if call.chain else ()
    ending = Ending.CUT if call.cut else Ending.ALLOWED
    return Outcome(ending, call.talk_s, charges, call.refused_by)


def unlike(call: PastCall, outcome: Outcome) -> bool:
    """Whether a course says something else of a call than its record does."""
    if outcome is TAKEN:
        return False
    if call.refused:
        return not outcome.hit or outcome is SET_UP
    return outcome.ending is Ending.REFUSED or outcome.talk_s != call.talk_s


def _money_limit(who: Standing) -> int | None:
    return min((each.limit for each in who.ceilings if each.unit == "money"), default=None)
