"""The price of one call about to go out: what everybody pays, the ways it may take, and how loudly it is said that
somebody pays nothing. Kept with the call, so that its end costs what its beginning said."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from appliance.config.settings import Settings
from pysrv.billing.quote import CallQuotes, Quote, unpriced
from pysrv.billing.timeclass import TimeClass
from pysrv.limits.price import NOT_BILLED, RouteCost, Severity
from pysrv.service.quotes import Quotes, zone_of
from pysrv.service.routing import Routing, Way
from pysrv.store import Store
from pysrv.store.account import Account

LEVELS = {Severity.ERROR: logging.ERROR, Severity.CRITICAL: logging.CRITICAL}
Tell = Callable[..., None]
_log = logging.getLogger("pysrv.calls")


@dataclass(frozen=True, slots=True)
class Prices:
    """What the payers pay, the caller's account first, and every way to the number in the order to try."""

    sold: tuple[Quote, ...] = ()
    ways: tuple[Way, ...] = ()

    @property
    def routes(self) -> tuple[RouteCost, ...]:
        """As policy sees them."""
        return tuple(way.cost for way in self.ways)

    @property
    def kept(self) -> CallQuotes:
        """What is stored with the call."""
        return CallQuotes(self.sold, tuple(way.cost.cost for way in self.ways if not way.complaints))


NOTHING = Prices()


class Pricing:
    """Prices calls by the settings in force."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        report_only: Callable[[], Collection[str]],
        tell: Tell,
    ) -> None:
        self._store, self._settings, self._tell = store, settings, tell
        self._quotes = Quotes(store, settings, lambda: zone_of(settings()))
        self._routing = Routing(store, self._quotes, settings, report_only)

    def of(self, account: Account | None, number: str, at: float) -> Prices:
        """The prices of a call to a number that is no user's; an emergency costs its caller nothing."""
        pays = account is not None and number not in self._settings().emergencynumbers
        chain = self._store.chain(account) if account is not None and pays else ()
        sold = self._quotes.sell(chain, number, at)
        return Prices(sold, self._routing.ways(number, sold, at, judge=pays))

    def beyond(self, account: Account | None, number: str, at: float) -> Prices:
        """The prices of a call to another domain: everybody's own, and no trunk; a name is priced as no number is."""
        return Prices(self._quotes.sell(self._store.chain(account), number, at)) if account is not None else NOTHING

    def off_peak(self, at: float) -> bool:
        """Whether maxlinesoffpeak holds."""
        return self._quotes.time_class(at) is not TimeClass.PEAK

    def opened(self, call_id: str, number: str, prices: Prices) -> None:
        """A call goes out: its quotes are kept, and who pays nothing for it is told."""
        self._store.keep_quotes(call_id, prices.kept)
        for quote in unpriced(prices.sold):
            loud = NOT_BILLED[self._settings().notbilledcallerr]
            _log.log(
                LEVELS[loud.severity],
                "call without a price id=%s account=%s callee=%s severity=%s priority=%d: %s",
                call_id, quote.payer, number, loud.severity, loud.priority, quote.sentence,
            )  # fmt: skip
            why = f"{quote.deck}:{quote.why}"
            self._tell("not_billed", quote.payer, why, severity=str(loud.severity), call_id=call_id, why=quote.why)
