"""How rates are written inside a row of a call: their terms travel with it, so its price can always be explained."""

import json
from functools import lru_cache

from pysrv.billing.lease import Share
from pysrv.billing.quote import CallQuotes, Quote
from pysrv.billing.tariff import Rate


@lru_cache(maxsize=4096)
def rate_text(rate: Rate | None) -> str | None:
    """A rate as JSON with its field names."""
    return None if rate is None else json.dumps(rate.to_dict(), separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def rate_of(text: str | None) -> Rate | None:
    """The rate that `rate_text` wrote."""
    return None if text is None else Rate.from_dict(json.loads(text))


@lru_cache(maxsize=4096)
def shares_text(shares: tuple[Share, ...]) -> str:
    """What the accounts above have reserved, as JSON."""
    rows = [[share.account_id, rate_text(share.rate), share.reserved] for share in shares]
    return json.dumps(rows, separators=(",", ":"))


@lru_cache(maxsize=4096)
def shares_of(text: str) -> tuple[Share, ...]:
    """The shares that `shares_text` wrote."""
    return tuple(Share(account_id, rate_of(rate), reserved) for account_id, rate, reserved in json.loads(text))


@lru_cache(maxsize=16_384)
def _quote_text(quote: Quote) -> str:
    return json.dumps(quote.to_dict(), separators=(",", ":"), ensure_ascii=False)


def quotes_text(quotes: CallQuotes) -> str:
    """What a call is priced by, as JSON. Most calls share their quotes with others."""
    sold, cost = (",".join(map(_quote_text, side)) for side in (quotes.sold, quotes.cost))
    return f'{{"sold":[{sold}],"cost":[{cost}]}}'


@lru_cache(maxsize=4096)
def quotes_of(text: str) -> CallQuotes:
    """The quotes that `quotes_text` wrote."""
    return CallQuotes.from_dict(json.loads(text))
