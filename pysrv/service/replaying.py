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
from pysrv.limits.replay.course import Course
from pysrv.limits.replay.difference import Difference
from pysrv.limits.replay.past import FactsOf, Move, PastCall, Start
from pysrv.limits.replay.standing import Standing
from pysrv.service.past import NumbersAndHours, Past
from pysrv.service.quotes import Quotes
from pysrv.store import Reader
from pysrv.store.account import Account

SAY_EVERY = 5_000  # records between two words about progress
Progress = Callable[[int, int], None]
"""Records done, and how many there are."""


class Zone:
    """The days that are looked at: whole ones of a time zone, today the last."""

    def __init__(self, name: str, now: float, days: int) -> None:
        self._zone, self.until = ZoneInfo(name or "UTC"), now
        self.first = Days(self._zone)(now) - days + 1
        self.since = day_starts_at(self.first, self._zone)

    @property
    def zone(self) -> ZoneInfo:
        """Where days begin."""
        return self._zone

    def days(self) -> Days:
        """What numbers the days."""
        return Days(self._zone)


class Replayer:
    """One comparison over one database. `names`: the accounts that are looked at, and that proposed fields are for;
    nobody: all. Prices and hours are those of `settings`, which are in force. `facts` knows what stages beside money,
    lines and addresses look at.
    """

    def __init__(self, reader: Reader, settings: Settings, zone: Zone, names: Collection[str] = ()) -> None:
        self._reader, self._settings, self._zone, self._names = reader, settings, zone, names
        self._accounts = reader.every_account()
        self._quotes = Quotes(reader, lambda: settings, lambda: zone.zone)
        self.facts: FactsOf = NumbersAndHours(self._accounts, settings.homecountry, self._quotes)
        self._reporting = frozenset(reader.report_only())
        self.since = zone.since

    def unknown(self) -> list[str]:
        """Names that no account has."""
        known = {account.name for account in self._accounts.values()}
        return [name for name in self._names if name not in known]

    def compare(
        self,
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
        difference = Difference(accounts, self._zone.days(), self._names, self._quotes.base)
        tried = Course(
            proposed, accounts, self._zone.days(), difference.after, blocked=difference.blocked, asked=asked,
            report_only=reporting, facts=self.facts,
        )  # fmt: skip
        if not asked:
            self._feed((tried,), difference, progress)
            return difference
        as_is = {
            key: Standing(each, self._settings, starts[key], asked, self._reporting)
            for key, each in self._accounts.items()
        }
        in_force = Course(
            self._settings, as_is, self._zone.days(), difference.before, asked=asked, report_only=self._reporting,
            facts=self.facts,
        )  # fmt: skip
        self._feed((in_force, tried), None, progress)
        return difference

    def _with(self, account: Account, fields: Mapping[str, Any]) -> Account:
        if not fields or (self._names and account.name not in self._names):
            return account
        if "maxlines" in fields and account.maxlinesoffpeak == account.maxlines:
            fields = {"maxlinesoffpeak": fields["maxlines"], **fields}  # as when they are set
        return replace(account, **fields)

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
        past = Past(self._accounts, self._quotes)
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
