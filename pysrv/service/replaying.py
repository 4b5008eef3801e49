"""Records of the store made into calls of the past, and sent through the courses that are compared.

Works on a connection that cannot write, in a process of its own (pysrv.control.replaying).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from heapq import merge
from typing import Any
from zoneinfo import ZoneInfo

from appliance.config.settings import Settings
from pysrv.billing.calendar import Days, day_starts_at
from pysrv.billing.number import normalise
from pysrv.billing.tariff import Rate, talk_seconds
from pysrv.limits.facts import DestinationKind
from pysrv.limits.replay.course import Course
from pysrv.limits.replay.difference import Difference
from pysrv.limits.replay.past import FactsOf, Move, NoFurtherFacts, PastCall, Start
from pysrv.limits.replay.standing import Standing
from pysrv.store import Reader
from pysrv.store.account import Account
from pysrv.store.accounts import DEEPEST
from pysrv.store.history import Record

MOST_RATES = 200_000
SAY_EVERY = 5_000  # records between two words about progress
Progress = Callable[[int, int], None]
"""Records done, and how many there are."""


class Past:
    """Makes the calls. Accounts and their chains are those of now; rates are the recorded ones where there are any."""

    def __init__(self, reader: Reader, accounts: Mapping[int, Account]) -> None:
        self._reader, self._accounts = reader, accounts
        self._chains = {key: self._chain(account) for key, account in accounts.items()}
        self._names = {account.name: key for key, account in accounts.items()}
        self._numbers = {number: key for key, account in accounts.items() for number in account.numbers}
        self._rates: dict[tuple[str, str], Rate | None] = {}

    def call(self, record: Record) -> PastCall:
        """The call of one record."""
        chain = self._chains.get(record.account_id, ()) if record.account_id is not None else ()
        callee_id = self._callee(record.callee)
        local = callee_id is not None or not chain
        talk_s = 0 if record.answered_at is None else talk_seconds(record.duration_s)
        return PastCall(
            record.call_id,
            chain,
            record.source,
            record.caller,
            record.callee,
            record.setup_at,
            record.answered_at,
            max(record.ended_at, record.setup_at),
            talk_s,
            DestinationKind.LOCAL if local else DestinationKind.TRUNK,
            (None,) * len(chain) if local else self._of_levels(record, chain),
            record.cost,
            record.charge,
            record.emergency,
            record.refused_by,
            callee_id,
        )

    def _chain(self, account: Account) -> tuple[int, ...]:
        chain = [account.id]
        while account.parent_id is not None and len(chain) <= DEEPEST:
            account = self._accounts[account.parent_id]
            chain.append(account.id)
        return tuple(chain)

    def _callee(self, callee: str) -> int | None:
        found = self._names.get(callee)
        if found is None:
            found = self._numbers.get(callee) or self._numbers.get(normalise(callee) or "")
        return found

    def _of_levels(self, record: Record, chain: tuple[int, ...]) -> tuple[Rate | None, ...]:
        """What was charged by, else what the decks say now."""
        answered = record.answered_at is not None
        first = record.rate if record.rate is not None or answered else self._rate(chain[0], record.callee)
        if len(chain) == 1:
            return (first,)
        if len(record.above) == len(chain) - 1:
            return (first, *record.above)
        return (first, *(self._rate(each, record.callee) for each in chain[1:]))

    def _rate(self, account_id: int, number: str) -> Rate | None:
        deck = self._accounts[account_id].deck
        if not deck:
            return None
        key = deck, number
        if key not in self._rates:
            if len(self._rates) >= MOST_RATES:
                self._rates.clear()
            self._rates[key] = self._reader.rate_for(deck, number)
        return self._rates[key]


class Zone:
    """The days that are looked at: whole ones of a time zone, today the last."""

    def __init__(self, name: str, now: float, days: int) -> None:
        self._zone, self.until = ZoneInfo(name or "UTC"), now
        self.first = Days(self._zone)(now) - days + 1
        self.since = day_starts_at(self.first, self._zone)

    def days(self) -> Days:
        """What numbers the days."""
        return Days(self._zone)


class Replayer:
    """One comparison over one database. `names`: the accounts that are looked at, and that proposed fields are for;
    nobody: all. `facts` knows what later stages look at.
    """

    def __init__(self, reader: Reader, zone: Zone, names: Collection[str] = (), facts: FactsOf | None = None) -> None:
        self._reader, self._zone, self._names = reader, zone, names
        self.facts: FactsOf = facts or NoFurtherFacts()
        self._accounts = reader.every_account()
        self._reporting = frozenset(reader.report_only())
        self.since = zone.since

    def unknown(self) -> list[str]:
        """Names that no account has."""
        known = {account.name for account in self._accounts.values()}
        return [name for name in self._names if name not in known]

    def compare(
        self,
        settings: Settings,
        proposed: Settings,
        fields: Mapping[str, Any],
        asked: frozenset[str],
        progress: Progress,
    ) -> Difference:
        """What is proposed beside what is in force; with nothing `asked`, what is in force beside the records.

        Who tries a rule that only reports wants to see it act.
        """
        starts, reporting = self._starts(), self._reporting - asked
        changed = {key: self._with(each, fields) for key, each in self._accounts.items()}
        accounts = {key: Standing(each, proposed, starts[key], asked, reporting) for key, each in changed.items()}
        difference = Difference(accounts, self._zone.days(), self._names)
        tried = Course(
            proposed, accounts, self._zone.days(), difference.after, blocked=difference.blocked, asked=asked,
            report_only=reporting, facts=self.facts,
        )  # fmt: skip
        if not asked:
            self._feed((tried,), difference, progress)
            return difference
        as_is = {
            key: Standing(each, settings, starts[key], asked, self._reporting) for key, each in self._accounts.items()
        }
        in_force = Course(
            settings, as_is, self._zone.days(), difference.before, asked=asked, report_only=self._reporting,
            facts=self.facts,
        )  # fmt: skip
        self._feed((in_force, tried), None, progress)
        return difference

    def _with(self, account: Account, fields: Mapping[str, Any]) -> Account:
        wanted = fields and (not self._names or account.name in self._names)
        return replace(account, **fields) if wanted else account

    def _feed(self, courses: tuple[Course, ...], records: Difference | None, progress: Progress) -> None:
        """Every call and every movement of money through the courses; `records` hears what was written down."""
        total, done = self._reader.count_records(self._zone.since, self._zone.until), 0
        progress(0, total)
        for event in self._events():
            if isinstance(event, Move):
                for course in courses:
                    course.move(event)
                continue
            for course in courses:
                course.attempt(event)
            if records is not None:
                records.recorded(event)
            done += 1
            if done % SAY_EVERY == 0:
                progress(done, max(total, done))
        for course in courses:
            course.finish()
        progress(done, done)

    def _events(self) -> Iterable[PastCall | Move]:
        since, until = self._zone.since, self._zone.until
        past = Past(self._reader, self._accounts)
        calls: Iterable[PastCall | Move] = map(past.call, self._reader.records(since, until))
        moves: Iterable[PastCall | Move] = [Move(*each) for each in self._reader.moves(since, until)]
        return merge(calls, moves, key=_at)

    def _starts(self) -> dict[int, Start]:
        reader, first = self._reader, self._zone.first
        balances, peaks = reader.balances_at(self._zone.since), reader.peaks_before(first)
        used, extras = reader.used_in_month_before(first), reader.extras(first)
        paid, blocked = reader.ever_paid(), reader.blocked_since(first)
        return {
            key: Start(
                first, balances.get(key, 0), peaks.get(key, 0), *used.get(key, (0, 0)), extras.get(key),
                _trusted(account, key in paid, key in blocked),
            )
            for key, account in self._accounts.items()
        }  # fmt: skip


def _at(event: PastCall | Move) -> float:
    return event.at if isinstance(event, Move) else event.setup_at


def _trusted(account: Account, paid: bool, blocked: bool) -> bool:
    """It was never blocked since, is not locked, and somebody pays for it."""
    return account.enabled and not account.locklevel and not blocked and (paid or account.postpaid)
