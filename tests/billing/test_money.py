import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing import money


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("1.25", 1_250_000),
        ("0", 0),
        (".5", 500_000),
        ("5.", 5_000_000),
        ("-3", -3_000_000),
        ("+0.000001", 1),
        (" 7.10 ", 7_100_000),
        ("1.2500000000", 1_250_000),
        ("999999999999", 999_999_999_999_000_000),
    ],
)
def test_an_amount_is_read_exactly(text: str, micro: int) -> None:
    assert money.parse(text) == micro


@pytest.mark.parametrize("text", ["", ".", "1,25", "1e3", "0x10", "--1", "1.2.3", "EUR 5", "١", "nan", "1_000"])
def test_what_is_no_amount_is_refused_by_name(text: str) -> None:
    with pytest.raises(money.MoneyError, match="is not an amount"):
        money.parse(text)


def test_more_than_six_decimals_are_refused_and_not_rounded() -> None:
    with pytest.raises(money.MoneyError, match="more than 6 decimals"):
        money.parse("0.0000001")


@pytest.mark.parametrize("text", ["1000000000000", "9" * 100_000])
def test_an_amount_beyond_the_range_is_refused_quickly(text: str) -> None:
    with pytest.raises(money.MoneyError, match="too large"):
        money.parse(text)


@pytest.mark.parametrize(("micro", "text"), [(1_250_000, "1.25"), (1, "0.000001"), (-500_000, "-0.50"), (0, "0.00")])
def test_an_amount_is_written_with_two_decimals_or_as_many_as_it_needs(micro: int, text: str) -> None:
    assert money.format(micro) == text


def test_without_places_no_point_is_written() -> None:
    assert money.format(3_000_000, places=0) == "3"


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_written_and_read_again_an_amount_is_the_same(micro: int) -> None:
    assert money.parse(money.format(micro)) == micro
