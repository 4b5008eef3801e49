"""The worked examples of the documents, line by line, and what funds pay for by them."""

import pytest

from pysrv.billing import money
from pysrv.billing.examples import EXAMPLES, Example
from pysrv.billing.tariff import Rate, charge, price, seconds_affordable

BY_NAME = {example.name: example for example in EXAMPLES}


@pytest.mark.parametrize("worked", EXAMPLES, ids=lambda worked: worked.name)
def test_a_price_is_what_an_accountant_makes_of_it(worked: Example) -> None:
    due = charge(worked.rate, worked.seconds)
    assert due.total == price(worked.rate, worked.seconds) == money.parse(worked.total)
    lines = [(line.seconds, line.amount) for line in due.lines]
    assert lines == [(seconds, money.parse(amount)) for seconds, amount in worked.lines]


@pytest.mark.parametrize(
    ("name", "funds", "seconds"),
    [
        ("by the second", "1.00", 1000),
        ("by the minute", "0.35", 120),
        ("connect fee", "0.08", 30),
        ("connect fee", "0.0799", 0),
        ("10 s free, within", "0", 10),
        ("10 s free, by the minute", "0.119999", 10),
        ("10 s free, by the minute", "0.12", 70),
        ("tax", "0.118999", 0),
        ("tax", "0.119", 60),
        ("dollars", "1", 600),
        ("up to cents", "0.019", 60),
        ("nearest cent", "0.0149", 89),
    ],
)
def test_what_funds_pay_for_can_be_counted_by_hand(name: str, funds: str, seconds: int) -> None:
    assert seconds_affordable(BY_NAME[name].rate, money.parse(funds)) == seconds


def test_free_seconds_are_given_even_where_the_minimum_behind_them_cannot_be_paid() -> None:
    rate = Rate("49", 60_000, free_seconds=10, minimum_s=60)
    assert seconds_affordable(rate, 59_999) == 10
    assert seconds_affordable(rate, 60_000) == 70


def test_the_lines_name_the_deck_s_currency_and_the_tax() -> None:
    worked = BY_NAME["everything"]
    assert [line.text for line in charge(worked.rate, worked.seconds).lines] == [
        "first 5 s free",
        "connect fee 0.02 USD",
        "first 60 s at 0.10 USD/min, exchanged at 23/25",
        "1 x 60 s at 0.10 USD/min, exchanged at 23/25",
        "vat 19%",
    ]
