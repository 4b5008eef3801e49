from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing import deck_text
from pysrv.billing.deck import DeckReader
from pysrv.billing.tariff import Rate, Rounding
from pysrv.billing.timeclass import TimeClass

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400.0
instants = st.one_of(
    st.just(0.0), st.integers(1, 20_000).map(lambda day: day * DAY), st.integers(10**8, 2 * 10**9).map(float)
)
decks = st.builds(
    Rate,
    prefix=st.from_regex(r"[1-9][0-9]{1,8}", fullmatch=True),
    per_minute=st.integers(0, 10**8),
    connect_fee=st.integers(0, 10**7),
    initial_increment_s=st.integers(1, 600),
    next_increment_s=st.integers(1, 600),
    minimum_s=st.integers(0, 600),
    destination=st.text("Aé, ;\"'x", max_size=12).map(str.strip),
    free_seconds=st.integers(0, 600),
    rounding=st.sampled_from(Rounding),
    places=st.integers(0, 6),
    time_class=st.sampled_from(("", *TimeClass)),
    valid_from=instants,
)


@given(st.lists(decks, max_size=5), st.sampled_from((UTC, BERLIN)), st.one_of(st.none(), st.integers(1, 10**7)))
def test_a_deck_that_is_written_is_read_back(rates: list[Rate], zone: tzinfo, length: int | None) -> None:
    if length is not None:
        rates = [Rate.from_dict(rate.to_dict() | {"valid_until": rate.valid_from + length}) for rate in rates]
    text = deck_text.header() + deck_text.lines(rates, zone)
    assert [rate for _, rate in DeckReader(zone).feed(text, 1)] == rates


@pytest.mark.parametrize(
    ("rounding", "places", "text"),
    [
        (Rounding.UP, 6, ""),
        (Rounding.NEAREST, 6, "nearest"),
        (Rounding.UP, 2, "up 2"),
        (Rounding.NEAREST, 0, "nearest 0"),
    ],
)
def test_the_usual_rounding_is_left_out(rounding: Rounding, places: int, text: str) -> None:
    assert deck_text.rounding(Rate("1", 1, rounding=rounding, places=places)) == text
