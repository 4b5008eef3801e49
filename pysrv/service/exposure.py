"""The exposure brake at work: looks at an account when one of its leases is granted or renewed, and remembers days.

The rule is pysrv.limits.exposure. Whoever ends calls asks `take` for those that have to end; nothing polls.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.config.settings import Settings
from pysrv.billing.ledger import Level as Payer
from pysrv.billing.ledger import Levels
from pysrv.limits.exposure import STAGES, Exposure, Level, Load, Usual, judge, to_cut, with_call
from pysrv.store import Store

MOST_REMEMBERED = 50_000  # accounts
GROWTH = 8  # a day's peak is written again when it has grown by an eighth
Tell = Callable[..., None]
"""Kind of notice, account, key, and its figures by name."""
Prices = Callable[[int, str], Mapping[str, int]]
"""Id and name of an account -> price a minute of each of its running calls, by call id."""
_log = logging.getLogger("pysrv.limits")


@dataclass(slots=True)
class _Day:
    """What is known of an account today, and what of it is written down."""

    day: int
    usual: Usual
    per_minute: int = 0
    dearest: int = 0
    alarmed: Level = Level.CALM


class ExposureBrake:
    """One for the service; `prices` knows the running calls."""

    def __init__(self, store: Store, settings: Settings, tell: Tell, prices: Prices) -> None:
        self._store, self._settings, self._tell, self._prices = store, settings, tell, prices
        self._days: OrderedDict[int, _Day] = OrderedDict()
        self._ends: dict[str, str] = {}
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Another snapshot of the settings, or other rules in report-only: it holds from the next look on."""
        self._settings, self._reporting = settings, frozenset(self._store.report_only())

    def facts(self, levels: Levels) -> tuple[tuple[str, int, Exposure], ...]:
        """How each account would stand with one more call at its rate; free calls change nothing."""
        found = []
        for level in levels:
            price = level.rate.paid_per_minute if level.rate is not None else 0
            if price:
                load = with_call(_load(level), price)
                found.append((level.account, price, judge(load, self._today(level).usual, self._settings)))
        return tuple(found)

    def granted(self, levels: Levels) -> None:
        """A lease was granted or renewed: every account that pays for it is looked at."""
        for level in levels:
            if level.rate is None or not level.rate.per_minute:
                continue
            day = self._today(level)
            now = judge(_load(level), day.usual, self._settings)
            self._note(level, day, now)
            if now.level is not Level.CALM:
                self._alarm(level, day, now)

    def take(self) -> dict[str, str]:
        """Calls that have to end, each with the reason; they are handed out once."""
        taken, self._ends = self._ends, {}
        return taken

    def _today(self, level: Payer) -> _Day:
        today = self._store.today()
        day = self._days.get(level.account_id)
        if day is None or day.day != today:
            usual = Usual(*self._store.usual_exposure(level.account_id, today))
            day = self._days[level.account_id] = _Day(today, usual)
            if len(self._days) > MOST_REMEMBERED:
                self._days.popitem(last=False)
        return day

    def _note(self, level: Payer, day: _Day, now: Exposure) -> None:
        """Writes the day's peaks down when they have grown, and its first alarm."""
        per_minute = level.funds.running_per_minute
        dearest = level.rate.paid_per_minute if level.rate is not None else 0
        grown = per_minute > day.per_minute + day.per_minute // GROWTH or dearest > day.dearest
        news = now.level > day.alarmed
        if not (grown or news):
            return
        day.per_minute, day.dearest = max(day.per_minute, per_minute), max(day.dearest, dearest)
        alarmed = max(day.alarmed, now.level) is not Level.CALM
        self._store.note_exposure(level.account_id, day.day, day.per_minute, day.dearest, alarmed=alarmed)

    def _alarm(self, level: Payer, day: _Day, now: Exposure) -> None:
        if now.level > day.alarmed:
            day.alarmed = now.level
            _log.warning("exposure account=%s setting=%s: %s", level.account, now.setting, now.sentence)
            self._tell(
                "exposure",
                level.account,
                f"{now.setting}:{day.day}",
                setting=now.setting,
                severity="warning" if now.level is Level.WARN else "critical",
                reaction=next(stage.does for stage in STAGES if stage.level is now.level),
                **now.figures,
            )
        if now.level is Level.CUT and "exposurecut" not in self._reporting:
            prices = self._prices(level.account_id, level.account)
            for call_id in to_cut(prices, now.load, day.usual, self._settings):
                self._ends[call_id] = f"{level.account}: {now.sentence}"


def _load(level: Payer) -> Load:
    return Load(level.funds.running_per_minute, level.funds.headroom)
