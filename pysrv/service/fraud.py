"""Fraud at work: the facts of numbers and lists for every call, what patterns lead to, and what a restart remembers.

The rules are pysrv.limits.fraud and .patterns; the store keeps entries and records. Blacklists are in memory, changed
one by one as the store changes them.
"""

import bisect
import ipaddress
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from appliance import networks
from appliance.config.settings import Settings
from pysrv.billing import number as numbers
from pysrv.billing.cdr import Cdr
from pysrv.limits.blacklist import Blacklists, Entry, Hit, ListKind, ListSide
from pysrv.limits.facts import CallFacts, Destination, DestinationKind
from pysrv.limits.fraud import FraudFacts
from pysrv.limits.number_facts import UNKNOWN, NumberFacts
from pysrv.limits.patterns import LOCK_LEVELS, Attempt, Ended, Pattern, Patterns, Reaction
from pysrv.service import numbering
from pysrv.service.surroundings import Clock
from pysrv.store import Store
from pysrv.store.account import Account
from pysrv.store.blacklists import BlacklistRow

MOST_RECORDS = 50_000  # that a restart counts patterns from, the newest ones
WHO = "callpatternaction"
Tell = Callable[..., None]
"""Kind of notice, account, key, and its figures by name."""
_log = logging.getLogger("pysrv.limits")


class SourceCountries:
    """Which unwanted country an address lies in, by the networks that the operator had read from a database."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, bytes]] = {}  # country to digest and packed rows, in order and disjoint

    def load(self, store: Store, wanted: Iterable[str]) -> list[str]:
        """Takes the networks of these countries from the store; returns those that it does not have."""
        lists = {row.name: row for row in store.lists("country")}
        held = {}
        for country in wanted:
            if (row := lists.get(country)) is None:
                continue
            before = self._held.get(country)
            same = before is not None and before[0] == row.digest
            held[country] = before if before and same else (row.digest, b"".join(store.list_rows(row.id)))
        self._held = held
        return [country for country in wanted if country not in held]

    def of(self, address: str) -> str:
        """The country of an address; empty: none of those that are held."""
        try:
            row = networks.parsed(str(ipaddress.ip_address(address.partition("%")[0])))
        except ValueError:
            return ""
        for country, (_, packed) in self._held.items():
            if _holds(packed, row[:16]):
                return country
        return ""


def _holds(packed: bytes, address: bytes) -> bool:
    """Whether one of the rows holds an address of 16 bytes."""
    size = networks.ROW_BYTES
    count = len(packed) // size
    after = bisect.bisect_right(range(count), address, key=lambda at: packed[at * size : at * size + 16])
    if not after:
        return False
    found = packed[(after - 1) * size : after * size]
    return address <= networks.last_address(found)


class Fraud:
    """Gathers facts for admission; hears attempts and ended calls."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, tell: Tell) -> None:
        self._store, self._settings, self._clock, self._tell = store, settings, clock, tell
        self._patterns = Patterns()
        self._sources = SourceCountries()
        self.blacklists = Blacklists()
        self.blacklists.load(store.blacklist_entries())
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Another snapshot of the settings, other rules in report-only, or other networks of countries."""
        self._settings, self._reporting = settings, frozenset(self._store.report_only())
        for country in self._sources.load(self._store, settings.blocksourcecountries):
            _log.warning(
                "blocksourcecountries has %s, whose networks are not known: 'appliance blacklist countries'", country
            )

    def start(self) -> None:
        """Counts the patterns of the running period from the records, so that a restart forgets nothing. What they
        lead to was done when they were found."""
        self._patterns = Patterns()
        since = self._clock.wall() - self._settings.callpatternperiod
        for account, callee, setup_at, ended_at, talk_s in self._store.calls_since(since, MOST_RECORDS):
            national = callee.startswith("0")
            number = self._number(account, callee) if national or self._settings.maxcallcountries else UNKNOWN
            self._patterns.dialled(_attempt(account, callee, setup_at, number), self._settings)
            self._patterns.ended(Ended(account, _counted(callee, number), ended_at, talk_s), self._settings)

    # -- facts --------------------------------------------------------------------------------------------------------

    def number(self, account: Account | None, where: Destination) -> NumberFacts:
        """What the dialled number is to an account; nothing is known of numbers that stay here."""
        if where.kind is DestinationKind.LOCAL:
            return NumberFacts(foreign=False)
        return numbering.facts(where.number, self._home(account))

    def destination(self, where: Destination, number: NumberFacts) -> Destination:
        """The destination as the lock level sees it: whatever is dear is premium."""
        if where.kind is not DestinationKind.TRUNK:
            return where
        return replace(where, foreign=number.foreign, premium=bool(number.premium or number.satellite))

    def facts(
        self, account: Account | None, number: NumberFacts, where: Destination, source: str, caller: str
    ) -> FraudFacts:
        """All that the checks of a call look at."""
        country = self._sources.of(source) if account is not None else ""
        return FraudFacts(
            number, self._destination_hit(account, number, where), self._caller_hit(account, where, caller), country
        )

    def caller_refused(self, to: Destination, caller: str) -> str:
        """Why a number may not reach a user of ours; empty: it may."""
        hit = self._caller_hit(None, to, caller)
        return hit.words if hit is not None and self._settings.blacklists else ""

    def _destination_hit(self, account: Account | None, number: NumberFacts, where: Destination) -> Hit | None:
        """The entry that keeps the number out, as it was dialled or as it was understood."""
        if where.kind is DestinationKind.LOCAL:
            return None
        (names, level), now = self._level(account), self._clock.wall()
        wanted = dict.fromkeys((where.number, number.judged, *numbering.digit_runs(where.number)))
        hits = (self.blacklists.find(ListSide.DESTINATION, names, digits, level, now) for digits in wanted)
        return next((hit for hit in hits if hit is not None), None)

    def _caller_hit(self, account: Account | None, where: Destination, caller: str) -> Hit | None:
        """The entry that keeps the caller out. A user's own list is of those who call that user."""
        names, level = self._level(where.account if isinstance(where.account, Account) else account)
        called_by = numbers.normalise(caller) or ""
        return self.blacklists.find(ListSide.CALLER, names, called_by, level, self._clock.wall())

    def _number(self, account: str, number: str) -> NumberFacts:
        return numbering.facts(number, self._home(self._store.account(account)))

    def _home(self, account: Account | None) -> str:
        return (account.country if account is not None else "") or self._settings.homecountry

    def _level(self, account: Account | None) -> tuple[tuple[str, ...], int]:
        """Whose lists hold for an account (its own, and those of the resellers above it), and from which level on."""
        if account is None:
            return (), self._settings.blacklistlevel
        names = tuple(each.name for each in self._store.chain(account))
        return names, account.blacklistlevel or self._settings.blacklistlevel

    # -- what happens -------------------------------------------------------------------------------------------------

    def attempted(self, facts: CallFacts) -> None:
        """Somebody has dialled, whatever became of it."""
        if facts.account is None or facts.emergency:
            return
        attempt = _attempt(facts.account.name, facts.destination.number, facts.at, facts.fraud.number)
        self._react(self._patterns.dialled(attempt, self._settings))

    def ended(self, cdr: Cdr) -> None:
        """A call is over, or was refused."""
        if cdr.account and not cdr.emergency:
            talk_s = cdr.duration_s if cdr.answered else None
            number = self._number(cdr.account, cdr.callee) if cdr.callee.startswith("0") else UNKNOWN
            ended = Ended(cdr.account, _counted(cdr.callee, number), self._clock.wall(), talk_s)
            self._react(self._patterns.ended(ended, self._settings))

    def put(self, rows: Iterable[BlacklistRow]) -> None:
        """Entries have come, or were changed."""
        for row in rows:
            self.blacklists.add(entry_of(row))

    def drop(self, row: BlacklistRow) -> None:
        """An entry has gone."""
        self.blacklists.remove(entry_of(row))

    def expire(self) -> None:
        """Dynamic entries that ran out, in memory and in the store."""
        self.blacklists.expire(self._clock.wall())
        self._store.expire_blacklist()

    def _react(self, found: Iterable[Pattern]) -> None:
        for pattern in found:
            reported = pattern.setting in self._reporting or "callpatternaction" in self._reporting
            reaction = Reaction.REPORT if reported else Reaction(self._settings.callpatternaction)
            did = self._act(pattern, reaction)
            _log.warning(
                "call pattern account=%s setting=%s: %s%s", pattern.account, pattern.setting, pattern.sentence, did
            )
            self._tell(
                "call_pattern",
                pattern.account,
                f"{pattern.setting}:{pattern.range}:{int(self._clock.wall() // pattern.period_s)}",
                pattern=str(pattern.rule),
                setting=pattern.setting,
                range=pattern.range,
                count=pattern.count,
                allowed=pattern.allowed,
                period_s=int(pattern.period_s),
                reaction=did.removeprefix("; ") or "none",
            )

    def _act(self, pattern: Pattern, reaction: Reaction) -> str:
        """Does what the setting says; says what was done."""
        if reaction is Reaction.BLACKLIST and pattern.listed:
            return self._list(pattern)
        level = LOCK_LEVELS.get(reaction, 0)
        account = self._store.account(pattern.account)
        if account is None or account.locklevel >= level:
            return ""
        self._store.set_account(account.name, who=WHO, locklevel=level)
        day = self._store.today()
        self._tell("account_locked", account.name, f"{level}:{day}", locklevel=level, reason=pattern.sentence)
        return f"; locked at locklevel {level}"

    def _list(self, pattern: Pattern) -> str:
        until = self._clock.wall() + self._settings.dynamicblacklistperiod
        row = BlacklistRow(
            0, ListSide.DESTINATION.value, ListKind.DYNAMIC.value, pattern.listed,
            account="" if pattern.by_many else pattern.account, expires_at=until, reason=pattern.sentence,
        )  # fmt: skip
        self.put([self._store.add_blacklist(row, WHO)])
        key = f"{pattern.listed}:{self._store.today()}"
        self._tell(
            "blacklisted", pattern.account, key, number=pattern.listed, until=int(until), reason=pattern.sentence
        )
        whose = "everybody's" if pattern.by_many else "the account's"
        return f"; {pattern.listed} is on {whose} blacklist for {self._settings.dynamicblacklistperiod:g} s"


def _counted(number: str, facts: NumberFacts) -> str:
    """The number under which patterns count: one range, whichever way it is dialled."""
    return facts.judged if number.startswith("0") and facts.judged else number


def _attempt(account: str, number: str, at: float, facts: NumberFacts) -> Attempt:
    abroad = facts.countries[0] if facts.foreign and facts.countries else ""
    return Attempt(account, _counted(number, facts), at, abroad)


def entry_of(row: BlacklistRow) -> Entry:
    """A stored entry as the lists in memory take it."""
    return Entry(
        ListSide(row.side), ListKind(row.kind), row.digits, row.whole, row.account, row.confidence, row.expires_at
    )
