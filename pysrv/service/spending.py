"""Spend limits at work: what limits a call now, who is told when one is near or passed, and the turn of the month.

The rules are pysrv.limits.spend; the store asks for them at every grant and every renewal of a lease.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from zoneinfo import ZoneInfo

from appliance.config.settings import Settings
from pysrv.billing import ledger
from pysrv.billing.calendar import Days
from pysrv.billing.cdr import Cdr
from pysrv.billing.lease import Lease
from pysrv.billing.ledger import Ceiling, Level, Levels, Shortfall, Unit
from pysrv.billing.usage import Usage
from pysrv.limits.addresses import Addresses
from pysrv.limits.decision import Refuse
from pysrv.limits.facts import AddressUse
from pysrv.limits.own import own_ceilings
from pysrv.limits.spend import BLOCKING, RULES, ceilings, reached_percent
from pysrv.service.surroundings import Clock
from pysrv.store import Store
from pysrv.store.account import Account
from pysrv.store.rows import OpenCall

DAY_S = 86_400.0
EVERYBODY = -1  # of maxcallperuserid
CEILINGS = frozenset(("maxdurationperip", "maxcostperip", *(rule.setting for rule in RULES)))
_log = logging.getLogger("pysrv.limits")
Tell = Callable[..., None]
"""Kind of notice, account, key, and its figures by name."""


class Spending:
    """Gives the store its limits and watches what becomes of them."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, tell: Tell) -> None:
        self._store, self._settings, self._clock, self._tell = store, settings, clock, tell
        self._addresses = Addresses(float(settings.maxcallperperiod) * DAY_S)
        self._reporting: frozenset[str] = frozenset()
        self._told: set[tuple[str, str, int, int]] = set()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Another snapshot of the settings, or other rules in report-only: it holds from the next lease on."""
        before, self._settings = self._settings, settings
        self._reporting = frozenset(self._store.report_only())
        self._store.use_limits(self._ceilings, Days(ZoneInfo(settings.timezone or "UTC")))
        window_s = float(settings.maxcallperperiod) * DAY_S
        if settings.maxcallperuserid != before.maxcallperuserid or window_s != self._addresses.window_s:
            self.start()

    def start(self) -> None:
        """Takes the windows of addresses from the records and the running calls; forgets counts of long ago."""
        self._store.drop_old_reports(self._store.today())
        self._addresses = Addresses(float(self._settings.maxcallperperiod) * DAY_S)
        since = self._clock.wall() - self._addresses.window_s
        for row in self._store.calls_by_source(since, self._settings.maxcallperuserid):
            self._addresses.ended("", *row)
        for opened in self._store.open_calls():
            self.holds(opened)

    @property
    def report_only(self) -> Collection[str]:
        """Settings whose refusals are reported and not enforced."""
        return self._reporting

    @property
    def holds_back(self) -> bool:
        """Whether a ceiling only reports."""
        return not self._reporting.isdisjoint(CEILINGS)

    def unheard(self, levels: Levels, source: str, lease: Lease | None = None) -> Shortfall | None:
        """What ceilings that only report would have said to a first lease, or to more of one; None: nothing.

        They are left out of what a lease is given by, so they are asked here, apart.
        """
        if not self.holds_back:
            return None
        whole = tuple(self._with_every(level, source) for level in levels)
        granted = ledger.reserve(whole) if lease is None else ledger.renew(whole, lease)
        return granted if isinstance(granted, Shortfall) and granted.setting in self._reporting else None

    def report(self, setting: str) -> None:
        """A rule that only reports would have refused a call: it is counted."""
        self._store.note_reported(setting, self._store.today())

    def address(self, account: Account | None, source: str) -> AddressUse | None:
        """What came from a source address; None: the limits of addresses do not concern this account."""
        if not self._concerns(account.id if account is not None else None):
            return None
        return self._addresses.use(source, self._clock.wall())

    def holds(self, opened: OpenCall) -> None:
        """A call has a lease, or a longer one."""
        if self._concerns(opened.account_id) and not opened.emergency:
            self._addresses.holds(opened.call_id, opened.source, opened.lease.covered_s, opened.lease.reserved)

    def granted(self, call_id: str, levels: tuple[Level, ...]) -> None:
        """A lease was given or renewed: the address holds it, and owners hear of limits that come near."""
        opened = self._store.open_call_by_id(call_id)
        if opened is not None:
            self.holds(opened)
        for level in levels:
            self._warn(level)
            self._warn_of_credit(level)

    def ended(self, cdr: Cdr, account_id: int | None) -> None:
        """A call was settled."""
        if self._concerns(account_id) and not cdr.emergency:
            self._addresses.ended(cdr.call_id, cdr.source, cdr.setup_at, cdr.billable_seconds, cdr.charge)

    def refused(self, refusal: Refuse, payer: str) -> None:
        """A call was refused: when a daily limit did it, as for a lease."""
        account = refusal.figures.get("account", "")
        if refusal.setting in BLOCKING:
            self.fell_short(Shortfall(refusal.setting, int(refusal.figures["needed"]), 0, str(account)), payer)

    def fell_short(self, short: Shortfall, payer: str) -> None:
        """A lease was refused: a daily limit blocks its account until the day ends, and everybody concerned is told."""
        account = self._store.account(short.account) if short.account else None
        if account is None or short.setting not in BLOCKING or not self._is_used_up(account, short, payer):
            return
        if self._store.block_today(account.id, short.setting):
            usage = self._store.usage(account.id)
            _log.warning("account blocked for today account=%s setting=%s", account.name, short.setting)
            self._tell(
                "spend_blocked",
                account.name,
                f"{short.setting}:{usage.day}",
                setting=short.setting,
                spent=usage.spent_today + account.reserved,
            )

    def _is_used_up(self, account: Account, short: Shortfall, payer: str) -> bool:
        """Whether what was talked leaves no room, for the next increment when the account itself called (`payer`).

        What ringing calls hold comes back, and one customer's dear call must not close its reseller to all others.
        """
        ceiling = next((each for each in self._store.ceilings(account) if each.setting == short.setting), None)
        if ceiling is None:
            return False
        talked = ceiling.settled + account.reserved - self._store.held_by_ringing(account.id)
        return talked + (short.needed if account.name == payer else 1) > ceiling.limit

    def turn_month(self) -> None:
        """Monthly limits grow once a month has ended."""
        if grown := self._store.turn_month():
            _log.info("monthly limits grew accounts=%d", grown)

    def _concerns(self, account_id: int | None) -> bool:
        wanted = self._settings.maxcallperuserid
        return wanted in (EVERYBODY, account_id)

    def _ceilings(self, account: Account, usage: Usage, source: str) -> tuple[Ceiling, ...]:
        return self._limits(account, usage, source, self._reporting)

    def _limits(self, account: Account, usage: Usage, source: str, without: Collection[str]) -> tuple[Ceiling, ...]:
        found = ceilings(account, self._settings, usage, without) + own_ceilings(account.own, usage)
        return found + self._of_address(account, source, without) if source else found

    def _with_every(self, level: Level, source: str) -> Level:
        account = self._store.account_by_id(level.account_id)
        if account is None:
            return level
        limits = self._limits(account, self._store.usage(account.id), source, ())
        return replace(level, funds=replace(level.funds, ceilings=limits))

    def _of_address(self, account: Account, source: str, without: Collection[str]) -> tuple[Ceiling, ...]:
        """Duration and cost of all calls of one address, over all its accounts."""
        settings = self._settings
        limits = (
            ("maxdurationperip", int(settings.maxdurationperip), Unit.SECONDS),
            ("maxcostperip", settings.maxcostperip, Unit.MONEY),
        )
        wanted = [row for row in limits if row[1] and row[0] not in without]
        if not wanted or (use := self.address(account, source)) is None:
            return ()
        used = {Unit.SECONDS: use.seconds, Unit.MONEY: use.cost}
        return tuple(Ceiling(name, limit, used[unit], unit, whole=True) for name, limit, unit in wanted)

    def _warn(self, level: Level) -> None:
        steps = sorted((int(step) for step in self._settings.spendwarnings), reverse=True)
        for ceiling in level.funds.ceilings if steps else ():
            reserved = level.funds.reserved_s if ceiling.unit is Unit.SECONDS else level.funds.reserved
            percent = reached_percent(ceiling, reserved)
            step = next((step for step in steps if percent >= step), None)
            told = (level.account, ceiling.setting, self._store.today(), step or 0)
            if step is None or told in self._told:
                continue
            if len(self._told) >= 100_000:
                self._told.clear()
            self._told.add(told)
            key = f"{ceiling.setting}:{told[2]}:{step}"
            self._tell(
                "spend_warning",
                level.account,
                key,
                setting=ceiling.setting,
                percent=percent,
                limit=ceiling.limit,
                unit=str(ceiling.unit),
            )

    def _warn_of_credit(self, level: Level) -> None:
        """A prepaid account that has little left is told so once a day."""
        funds, limit = level.funds, self._settings.creditwarning
        left = funds.balance - funds.reserved
        told = (level.account, "creditwarning", self._store.today(), 0)
        if not limit or not funds.limited or left >= limit or told in self._told:
            return
        self._told.add(told)
        self._tell("credit_low", level.account, f"{told[2]}", setting="creditwarning", left=left, limit=limit)
