"""Which trunks a call may take, in which order, and what each of them was worth: the shell around billing.lcr.

Every route is asked on its own whether it has a price, is not too dear and pays (limits.price), so that a call that
fails over never goes where it could not have gone at once.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.config.settings import Settings
from pysrv.billing.lcr import PREFIX_DIGITS, Candidate, Hour, Mode, Quality, Rules, order, weighed
from pysrv.billing.quote import Quote
from pysrv.limits.price import Complaint, RouteCost, complaints
from pysrv.service.quotes import Quotes
from pysrv.store import Reader, Route, Store, Trunk

PERMILLE_OF_PERCENT: Final = 10


@dataclass(frozen=True, slots=True)
class Way:
    """A trunk by one of its routes: what it costs, and why it is left out, if it is."""

    trunk: Trunk
    route: Route
    cost: RouteCost
    quality: Quality
    complaints: tuple[Complaint, ...] = ()


def rules_of(settings: Settings) -> Rules:
    """The settings of routing."""
    least = settings.routingminasr * PERMILLE_OF_PERCENT
    return Rules(Mode(settings.routing), int(settings.expectedtalk), settings.routingsamples, least)


class Routing:
    """Orders the routes for a number."""

    def __init__(
        self,
        store: Store | Reader,
        quotes: Quotes,
        settings: Callable[[], Settings],
        report_only: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`report_only`: settings by which no route is left out."""
        self._store, self._quotes, self._settings, self._report_only = store, quotes, settings, report_only

    def ways(self, number: str, sold: Sequence[Quote], at: float, *, judge: bool = True) -> tuple[Way, ...]:
        """Every way for a number in the order to try; those that will not do carry a complaint.

        `sold` is what the payers pay. Without `judge` (an emergency, nobody pays) none is left out.
        """
        settings = self._settings()
        rules, report_only = rules_of(settings), self._report_only()
        found: list[Way] = []
        trunks: set[str] = set()
        for trunk, route in self._store.routes_for(number):
            if rules.mode is not Mode.PRIORITY and trunk.name in trunks:
                continue  # its longest prefix speaks for it
            trunks.add(trunk.name)
            cost = self._cost(trunk, sold, number, at, rules.expected_s)
            quality = self.quality(trunk.name, number, at) if rules.mode is not Mode.PRIORITY else Quality()
            wrong = complaints(cost, settings, report_only) if judge else ()
            found.append(Way(trunk, route, cost, quality, wrong))
        return tuple(found[place] for place in order([_candidate(way) for way in found], rules))

    def _cost(self, trunk: Trunk, sold: Sequence[Quote], number: str, at: float, seconds: int) -> RouteCost:
        """What a trunk costs, and what is earned over it where that is asked."""
        cost = self._quotes.buy(trunk, number, at)
        if not self._settings().blocknotprofitablecalls:
            return RouteCost(trunk.name, cost)
        return RouteCost(trunk.name, cost, self._quotes.margins(sold, cost, seconds, at))

    def quality(self, trunk: str, number: str, at: float) -> Quality:
        """What a trunk did with numbers like this one within the window."""
        window = self._settings().routingwindow
        hours = self._store.trunk_hours(at - window, trunk, number[:PREFIX_DIGITS])
        return weighed((Hour(row.hour, row.attempts, row.answered, row.talk_s) for row in hours), at, window)


def _candidate(way: Way) -> Candidate:
    return Candidate(way.trunk.name, way.route.prefix, way.route.priority, way.cost.cost, way.quality)


class Counting:
    """Counts what trunks did with the calls that were offered to them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def carried(self, trunk: str, number: str, at: float, talk_s: int) -> None:
        """A call that ended on this trunk; `talk_s` 0: it was not answered."""
        self._store.count_attempt(trunk, number[:PREFIX_DIGITS], at, talk_s)

    def failed(self, trunk: str, number: str, at: float) -> None:
        """A call that left this trunk for the next one."""
        self._store.count_attempt(trunk, number[:PREFIX_DIGITS], at)
