"""What a call would cost its caller: his own price alone, without trunk, deck or anybody above."""

from dataclasses import dataclass

from appliance.wire import WireError
from pysrv.billing import number as numbers
from pysrv.billing.tariff import charge
from pysrv.control.decks import rate_shape
from pysrv.control.mine.holder import Answer, Holder
from pysrv.control.quoting import LONGEST_S, charge_shape
from pysrv.limits import price
from pysrv.service.quotes import Quotes, zone_of

TOLD = ("prefix", "destination", "per_minute", "connect_fee")


@dataclass(frozen=True, slots=True)
class QuoteFor:
    """A call to think of, and how long it lasts, seconds."""

    number: str
    seconds: int = 60


def quote(holder: Holder, args: QuoteFor) -> Answer:
    """mine.quote: now, by his own rate. `rate` null: there is no price, and `refused` says whether it would
    not go out. `inside`: a user of this server has the number, and nobody pays."""
    number = numbers.normalise(args.number)
    if number is None:
        raise WireError("invalid", f"{args.number[:40]!r} is no number", "type it with its country, such as 4930123456")
    if not 0 <= args.seconds <= LONGEST_S:
        raise WireError("invalid", f"a call lasts 0 to {LONGEST_S} seconds here")
    settings, store = holder.settings, holder.store
    quotes = Quotes(store, lambda: settings, lambda: zone_of(settings))
    sold = quotes.sell(store.chain(holder.account), number, holder.desk.clock())
    rate = sold[0].rate
    told: Answer = {"number": number, "seconds": args.seconds, "currency": sold[0].currency}
    if store.account_by_number(number) is not None:
        return told | {"refused": False, "rate": None, "lines": [], "total": "0.00", "inside": True}
    told |= {
        "inside": False,
        "refused": price.billed(sold, settings) is not None,
        "rate": None,
        "lines": [],
        "total": "0.00",
    }
    if rate is None:
        return told
    shown = dict(rate_shape(rate))
    return told | {"rate": {name: shown[name] for name in TOLD}} | charge_shape(charge(rate, args.seconds))
