"""Ways of calling that only fraud has: what an account does within a period, counted. Pure.

RULES is the table. Whatever is counted has a ceiling, so that no caller can fill the memory; counting begins anew from
the call records after a restart, by the same two ways in. REACTIONS says what a hit leads to.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Final, Protocol, TypeVar

from pysrv.limits.windows import Window

BLOCK_DIGITS: Final = 3  # a range is a number without its last three digits
SHORTEST_RANGE: Final = 5  # digits; a shorter range would be half a country, and is never put on a list
NEAR: Final = 10  # numbers so far apart are still neighbours
MOST_ACCOUNTS = 10_000
MOST_NUMBERS = 500  # of one range and account
MOST_HELD = 200_000  # numbers of all ranges together: about 40 MB
MOST_TOLD: Final = 10_000
MANY_ACCOUNTS: Final = 3  # from so many on, a range is everybody's concern


K = TypeVar("K")
V = TypeVar("V")


class Rule(StrEnum):
    """What was found."""

    SHORT_ACCOUNT = "short calls of an account"
    SHORT_RANGE = "short calls to a range"
    SEQUENTIAL = "numbers in sequence"
    COUNTRIES = "calls to many countries"
    FAILED = "failed attempts"


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One row of RULES: the setting that switches it on, and what it counts."""

    rule: Rule
    setting: str
    counts: str


RULES: Final = (
    RuleRow(Rule.SHORT_ACCOUNT, "maxshortcalls", "answered calls of one account shorter than shortcallseconds"),
    RuleRow(Rule.SHORT_RANGE, "maxshortcalls", "the same to one thousand of numbers, by all accounts together"),
    RuleRow(Rule.SEQUENTIAL, "maxsequentialcalls", "different numbers at most 10 apart, dialled by one account"),
    RuleRow(Rule.COUNTRIES, "maxcallcountries", "different countries abroad that one account calls"),
    RuleRow(Rule.FAILED, "maxfailedcalls", "calls of one account that were not answered"),
)


class Reaction(Enum):
    """What a hit leads to, by `callpatternaction`."""

    REPORT = 0
    BLACKLIST = 1
    LOCK_FOREIGN = 2
    LOCK_OUTGOING = 3


REACTIONS: Final = {
    Reaction.REPORT: "a notice",
    Reaction.BLACKLIST: "also a dynamic entry for the range, where the rule has one: the account's own, or one for all "
    "when at least three accounts did it together",
    Reaction.LOCK_FOREIGN: "also the account is locked out of foreign and premium numbers",
    Reaction.LOCK_OUTGOING: "also the account is locked out of outgoing calls",
}
LOCK_LEVELS: Final = {Reaction.LOCK_FOREIGN: 1, Reaction.LOCK_OUTGOING: 2}


class PatternSettings(Protocol):
    """The settings that the rules read, by their names. Durations in seconds; a count of 0 is off."""

    @property
    def maxshortcalls(self) -> int: ...
    @property
    def shortcallseconds(self) -> float: ...
    @property
    def maxsequentialcalls(self) -> int: ...
    @property
    def maxcallcountries(self) -> int: ...
    @property
    def maxfailedcalls(self) -> int: ...
    @property
    def callpatternperiod(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that somebody has dialled. `at` in Unix seconds; `country` is set for calls abroad."""

    account: str
    number: str
    at: float
    country: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. `talk_s` None: it was not answered."""

    account: str
    number: str
    at: float
    talk_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule that was passed: by whom, to which range (empty: none), and the figures.

    `by_many`: several accounts did it together, so a list for all may be made of it. One alone must not be able to
    close a range for everybody.
    """

    rule: Rule
    setting: str
    account: str
    range: str
    count: int
    allowed: int
    period_s: float
    by_many: bool = False

    @property
    def sentence(self) -> str:
        """For the log and the operator."""
        to = f" to {self.range}..." if self.range else ""
        return (
            f"{self.rule}{to}: {self.count} within {self.period_s:g} s by {self.account}, "
            f"{self.setting} is {self.allowed}"
        )

    @property
    def listed(self) -> str:
        """The prefix that may be put on a blacklist; empty: none that is long enough."""
        return self.range if len(self.range) >= SHORTEST_RANGE else ""


def range_of(number: str) -> str:
    """The thousand that a number lies in."""
    return number[:-BLOCK_DIGITS]


@dataclass(slots=True)
class _Block:
    """The different numbers of one range that one account has dialled: in order, and when last."""

    numbers: list[int] = field(default_factory=list)
    at: dict[int, float] = field(default_factory=dict)

    def dial(self, number: int, at: float, since: float) -> int:
        """Notes one; returns how many neighbours it has, itself included, within what is not older than `since`."""
        if len(self.at) >= MOST_NUMBERS:
            self.numbers, self.at = [], {}  # no setting allows so many: it was told long ago
        if number not in self.at:
            insort(self.numbers, number)
        self.at[number] = at
        self._forget(since)
        return self._run(number)

    def _forget(self, since: float) -> None:
        old = [number for number, at in self.at.items() if at < since]
        for number in old:
            del self.at[number]
            del self.numbers[bisect_left(self.numbers, number)]

    def _run(self, number: int) -> int:
        first = last = bisect_left(self.numbers, number)
        while first and self.numbers[first] - self.numbers[first - 1] <= NEAR:
            first -= 1
        while last + 1 < len(self.numbers) and self.numbers[last + 1] - self.numbers[last] <= NEAR:
            last += 1
        return last - first + 1


@dataclass(slots=True)
class _Countries:
    """When an account last called each country abroad."""

    at: dict[str, float] = field(default_factory=dict)

    def call(self, country: str, at: float, since: float) -> int:
        self.at[country] = at  # there are 250 of them
        self.at = {each: seen for each, seen in self.at.items() if seen >= since}
        return len(self.at)


Found = list[Pattern]


class Patterns:
    """What all accounts did lately. Times may only grow."""

    def __init__(self) -> None:
        self._short: Window[str] = Window(sources=MOST_ACCOUNTS)
        self._short_ranges: Window[str] = Window(sources=MOST_ACCOUNTS)
        self._failed: Window[str] = Window(sources=MOST_ACCOUNTS)
        self._blocks: OrderedDict[tuple[str, str, int], _Block] = OrderedDict()
        self._held = 0
        self._countries: OrderedDict[str, _Countries] = OrderedDict()
        self._told: OrderedDict[tuple[Rule, str, str], float] = OrderedDict()

    def dialled(self, event: Attempt, settings: PatternSettings) -> Found:
        """Counts one attempt; the rules that it passes, each told once in a period for the same account and range."""
        if not event.account:
            return []
        return self._news((self.sequential(event, settings), self.countries(event, settings)), event.at)

    def ended(self, event: Ended, settings: PatternSettings) -> Found:
        """Counts the end of one call; the rules that it passes, likewise."""
        if not event.account:
            return []
        passed = (
            self.short_of_account(event, settings),
            self.short_to_range(event, settings),
            self.failed(event, settings),
        )
        return self._news(passed, event.at)

    def _news(self, passed: Iterable[Pattern | None], at: float) -> Found:
        return [pattern for pattern in passed if pattern is not None and self._is_news(pattern, at)]

    def sequential(self, event: Attempt, settings: PatternSettings) -> Pattern | None:
        """Many different numbers beside each other, in whatever order they are dialled."""
        if not settings.maxsequentialcalls or not (event.number.isascii() and event.number.isdigit()):
            return None
        key = event.account, range_of(event.number), len(event.number)
        block = _kept(self._blocks, key, _Block, MOST_HELD)
        before = len(block.at)
        run = block.dial(int(event.number), event.at, event.at - settings.callpatternperiod)
        self._held += len(block.at) - before
        while self._held > MOST_HELD and len(self._blocks) > 1:
            self._held -= len(self._blocks.popitem(last=False)[1].at)
        return self._passed(Rule.SEQUENTIAL, "maxsequentialcalls", event, key[1], run, settings)

    def countries(self, event: Attempt, settings: PatternSettings) -> Pattern | None:
        """Calls to many different countries abroad."""
        if not settings.maxcallcountries or not event.country:
            return None
        seen = _kept(self._countries, event.account, _Countries, MOST_ACCOUNTS)
        count = seen.call(event.country, event.at, event.at - settings.callpatternperiod)
        return self._passed(Rule.COUNTRIES, "maxcallcountries", event, "", count, settings)

    def short_of_account(self, event: Ended, settings: PatternSettings) -> Pattern | None:
        """Many answered calls that end at once."""
        if not _is_short(event, settings):
            return None
        count = self._short.add(event.account, event.at, settings.callpatternperiod)
        return self._passed(Rule.SHORT_ACCOUNT, "maxshortcalls", event, "", count, settings)

    def short_to_range(self, event: Ended, settings: PatternSettings) -> Pattern | None:
        """The same to one range, by whoever: the one who is paid for it sits there."""
        to = range_of(event.number)
        if not _is_short(event, settings) or len(to) < SHORTEST_RANGE:
            return None
        count = self._short_ranges.add(to, event.at, settings.callpatternperiod, port=hash(event.account))
        found = self._passed(Rule.SHORT_RANGE, "maxshortcalls", event, to, count, settings)
        by_many = found is not None and len(self._short_ranges.ports(to)) >= MANY_ACCOUNTS
        return replace(found, by_many=True) if found is not None and by_many else found

    def failed(self, event: Ended, settings: PatternSettings) -> Pattern | None:
        """Many calls that reach nobody."""
        if not settings.maxfailedcalls or event.talk_s is not None:
            return None
        count = self._failed.add(event.account, event.at, settings.callpatternperiod)
        return self._passed(Rule.FAILED, "maxfailedcalls", event, "", count, settings)

    def _passed(
        self, rule: Rule, setting: str, event: Attempt | Ended, to: str, count: int, settings: PatternSettings
    ) -> Pattern | None:
        allowed: int = getattr(settings, setting)
        if count <= allowed:
            return None
        return Pattern(rule, setting, event.account, to, count, allowed, settings.callpatternperiod)

    def _is_news(self, pattern: Pattern, at: float) -> bool:
        who = "" if pattern.rule is Rule.SHORT_RANGE else pattern.account
        key = pattern.rule, who, pattern.range
        if at < self._told.get(key, at) + pattern.period_s and key in self._told:
            return False
        self._told[key] = at
        self._told.move_to_end(key)
        if len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        return True


def _is_short(event: Ended, settings: PatternSettings) -> bool:
    return bool(settings.maxshortcalls) and event.talk_s is not None and event.talk_s < settings.shortcallseconds


def _kept(kept: OrderedDict[K, V], key: K, make: Callable[[], V], most: int) -> V:
    """The value of a key, which becomes the youngest; the oldest gives way."""
    found = kept.get(key)
    if found is None:
        found = kept[key] = make()
        if len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return found
