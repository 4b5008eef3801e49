"""Prices that can be checked by hand: docs/billing.md shows the same ones. Amounts in units of currency."""

from dataclasses import dataclass

import pytest

from pysrv.billing import money
from pysrv.billing.tariff import Rate, Rounding, charge, price, seconds_affordable


@dataclass(frozen=True)
class Worked:
    """A rate, a talk time, and what an accountant makes of it."""

    name: str
    rate: Rate
    seconds: int
    total: str
    lines: tuple[tuple[int, str], ...]


def micro(text: str) -> int:
    return money.parse(text)


def rate(per_minute: str, connect_fee: str = "0", **more: object) -> Rate:
    return Rate("49", micro(per_minute), micro(connect_fee), **more)  # type: ignore[arg-type]


MINUTES = {"initial_increment_s": 60, "next_increment_s": 60}
SIX = {"initial_increment_s": 30, "next_increment_s": 6}
DOLLARS = {"currency": "USD", "exchange_num": 23, "exchange_den": 25}
VAT = {"tax": "vat", "tax_ppm": 190_000}
PRICES = (
    Worked("by the second", rate("0.06"), 90, "0.09", ((1, "0.001"), (89, "0.089"))),
    Worked("by the minute", rate("0.12", **MINUTES), 61, "0.24", ((60, "0.12"), (60, "0.12"))),
    Worked("30/6", rate("0.06", **SIX), 31, "0.036", ((30, "0.03"), (6, "0.006"))),
    Worked("connect fee", rate("0.06", "0.05", **SIX), 10, "0.08", ((0, "0.05"), (30, "0.03"))),
    Worked("minimum", rate("0.06", minimum_s=20), 3, "0.02", ((1, "0.001"), (19, "0.019"))),
    Worked("free seconds, within", rate("0.06", free_seconds=10), 10, "0", ((10, "0"),)),
    Worked("free seconds, beyond", rate("0.06", free_seconds=10), 40, "0.03", ((10, "0"), (1, "0.001"), (29, "0.029"))),
    Worked("free seconds and fee", rate("0.06", "0.02", free_seconds=10), 5, "0.02", ((10, "0"), (0, "0.02"))),
    Worked("free seconds, minutes", rate("0.12", free_seconds=10, **MINUTES), 11, "0.12", ((10, "0"), (60, "0.12"))),
    # 0.01 / 60 = 0.000166..., rounded up once to 0.000167
    Worked("a micro-unit up", rate("0.01"), 1, "0.000167", ((1, "0.000167"),)),
    # 0.01 x 100 / 60 = 0.016666...: up to 0.02, nearest 0.02; x 61 / 60 = 0.010166...: up 0.02, nearest 0.01
    Worked("up to cents", rate("0.01", places=2), 61, "0.02", ((1, "0.01"), (60, "0.01"))),
    Worked("nearest cent", rate("0.01", rounding=Rounding.NEAREST, places=2), 61, "0.01", ((1, "0"), (60, "0.01"))),
    Worked(
        "half a cent goes up", rate("0.03", rounding=Rounding.NEAREST, places=2), 10, "0.01", ((1, "0"), (9, "0.01"))
    ),
    # 0.10 USD x 23/25 = 0.092 EUR
    Worked("dollars", rate("0.10", **MINUTES, **DOLLARS), 60, "0.092", ((60, "0.092"),)),
    # 0.10 x 1.19 = 0.119
    Worked("tax", rate("0.10", **MINUTES, **VAT), 60, "0.119", ((60, "0.10"), (0, "0.019"))),
    # (0.02 + 0.10 x 2) USD x 0.92 = 0.2024 EUR, x 1.19 = 0.240856
    Worked(
        "everything",
        rate("0.10", "0.02", free_seconds=5, **MINUTES, **DOLLARS, **VAT),
        66,
        "0.240856",
        ((5, "0"), (0, "0.0184"), (60, "0.092"), (60, "0.092"), (0, "0.038456")),
    ),
)


@pytest.mark.parametrize("worked", PRICES, ids=lambda worked: worked.name)
def test_a_price_is_what_an_accountant_makes_of_it(worked: Worked) -> None:
    due = charge(worked.rate, worked.seconds)
    assert due.total == price(worked.rate, worked.seconds) == micro(worked.total)
    assert [(line.seconds, line.amount) for line in due.lines] == [(s, micro(amount)) for s, amount in worked.lines]


@pytest.mark.parametrize(
    ("terms", "funds", "seconds"),
    [
        (rate("0.06"), "1.00", 1000),
        (rate("0.12", **MINUTES), "0.35", 120),
        (rate("0.06", "0.05", **SIX), "0.08", 30),
        (rate("0.06", "0.05", **SIX), "0.0799", 0),
        (rate("0.06", free_seconds=10), "0", 10),
        (rate("0.06", free_seconds=10, minimum_s=60), "0.05", 10),
        (rate("0.06", free_seconds=10, minimum_s=60), "0.06", 70),
        (rate("0.10", **MINUTES, **VAT), "0.118999", 0),
        (rate("0.10", **MINUTES, **VAT), "0.119", 60),
        (rate("0.10", **MINUTES, **DOLLARS), "1", 600),
    ],
)
def test_what_funds_pay_for_can_be_counted_by_hand(terms: Rate, funds: str, seconds: int) -> None:
    assert seconds_affordable(terms, micro(funds)) == seconds


def test_the_lines_name_the_deck_s_currency_and_the_tax() -> None:
    texts = [line.text for line in charge(PRICES[-1].rate, 66).lines]
    assert texts == [
        "first 5 s free",
        "connect fee 0.02 USD",
        "first 60 s at 0.10 USD/min, exchanged at 23/25",
        "1 x 60 s at 0.10 USD/min, exchanged at 23/25",
        "vat 19%",
    ]
