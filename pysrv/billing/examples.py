"""Prices that can be checked by hand: the documents print them, the tests hold `tariff` to them.

Amounts are written as people write them; `by_hand` is what an accountant would put on paper.
"""

from dataclasses import dataclass
from typing import Any

from pysrv.billing import money
from pysrv.billing.tariff import Rate, Rounding


@dataclass(frozen=True, slots=True)
class Example:
    """A rate, a talk time, and what comes of it: the total, and each line's seconds and amount."""

    name: str
    rate: Rate
    seconds: int
    total: str
    lines: tuple[tuple[int, str], ...]
    by_hand: str


def _rate(per_minute: str, connect_fee: str = "0", /, **more: Any) -> Rate:
    return Rate("49", money.parse(per_minute), money.parse(connect_fee), **more)


Terms = dict[str, Any]
_MINUTES: Terms = {"initial_increment_s": 60, "next_increment_s": 60}
_SIX: Terms = {"initial_increment_s": 30, "next_increment_s": 6}
_DOLLARS: Terms = {"currency": "USD", "exchange_num": 23, "exchange_den": 25}
_VAT: Terms = {"tax": "vat", "tax_ppm": 190_000}
_CENT: Terms = {"places": 2}
_NEAREST: Terms = {"places": 2, "rounding": Rounding.NEAREST}
EXAMPLES = (
    Example("by the second", _rate("0.06"), 90, "0.09", ((1, "0.001"), (89, "0.089")), "0.06 x 90 / 60"),
    Example("by the minute", _rate("0.12", **_MINUTES), 61, "0.24", ((60, "0.12"), (60, "0.12")), "0.12 x 120 / 60"),
    Example("30/6", _rate("0.06", **_SIX), 31, "0.036", ((30, "0.03"), (6, "0.006")), "0.06 x 36 / 60"),
    Example(
        "connect fee", _rate("0.06", "0.05", **_SIX), 10, "0.08", ((0, "0.05"), (30, "0.03")), "0.05 + 0.06 x 30 / 60"
    ),
    Example("minimum of 20 s", _rate("0.06", minimum_s=20), 3, "0.02", ((1, "0.001"), (19, "0.019")), "0.06 x 20 / 60"),
    Example("10 s free, within", _rate("0.06", free_seconds=10), 10, "0", ((10, "0"),), "0"),
    Example(
        "10 s free, beyond",
        _rate("0.06", free_seconds=10),
        40,
        "0.03",
        ((10, "0"), (1, "0.001"), (29, "0.029")),
        "0.06 x (40 - 10) / 60",
    ),
    Example(
        "10 s free, connect fee",
        _rate("0.06", "0.02", free_seconds=10),
        5,
        "0.02",
        ((10, "0"), (0, "0.02")),
        "0.02: the fee is due, the time is free",
    ),
    Example(
        "10 s free, by the minute",
        _rate("0.12", free_seconds=10, **_MINUTES),
        11,
        "0.12",
        ((10, "0"), (60, "0.12")),
        "1 s beyond the free block is a minute: 0.12 x 60 / 60",
    ),
    Example("up", _rate("0.01"), 1, "0.000167", ((1, "0.000167"),), "0.01 / 60 = 0.0001666..., up"),
    Example(
        "up to cents",
        _rate("0.01", **_CENT),
        61,
        "0.02",
        ((1, "0.01"), (60, "0.01")),
        "0.01 x 61 / 60 = 0.010166..., up to 0.02",
    ),
    Example(
        "nearest cent",
        _rate("0.01", **_NEAREST),
        61,
        "0.01",
        ((1, "0"), (60, "0.01")),
        "0.01 x 61 / 60 = 0.010166..., nearest 0.01",
    ),
    Example(
        "half a cent goes up", _rate("0.03", **_NEAREST), 10, "0.01", ((1, "0"), (9, "0.01")), "0.03 x 10 / 60 = 0.005"
    ),
    Example("dollars", _rate("0.10", **_MINUTES, **_DOLLARS), 60, "0.092", ((60, "0.092"),), "0.10 x 23/25"),
    Example("tax", _rate("0.10", **_MINUTES, **_VAT), 60, "0.119", ((60, "0.10"), (0, "0.019")), "0.10 x 1.19"),
    Example(
        "everything",
        _rate("0.10", "0.02", free_seconds=5, **_MINUTES, **_DOLLARS, **_VAT),
        66,
        "0.240856",
        ((5, "0"), (0, "0.0184"), (60, "0.092"), (60, "0.092"), (0, "0.038456")),
        "(0.02 + 0.10 x 120 / 60) x 23/25 = 0.2024, x 1.19",
    ),
)
