"""How rates are written inside a row of a call: their terms travel with it, so its price can always be explained."""

import json
from functools import lru_cache

from pysrv.billing.tariff import Rate


@lru_cache(maxsize=4096)
def rate_text(rate: Rate | None) -> str | None:
    """A rate as JSON with its field names."""
    return None if rate is None else json.dumps(rate.to_dict(), separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def rate_of(text: str | None) -> Rate | None:
    """The rate that `rate_text` wrote."""
    return None if text is None else Rate(**json.loads(text))
