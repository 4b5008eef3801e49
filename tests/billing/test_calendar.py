"""Days and months of a zone."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.calendar import Days, date_of, day_of, day_starts_at, first_day, month_of

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
ZONES = st.sampled_from([UTC, BERLIN, KOLKATA, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")])
INSTANTS = st.floats(1.6e9, 2.2e9)


def test_the_first_day_is_the_first_of_january_1970() -> None:
    assert (day_of(0.0), date_of(0), month_of(0)) == (0, date(1970, 1, 1), 1970 * 12)


@pytest.mark.parametrize("when", ["2026-03-29", "2026-10-25", "2026-12-31"])
def test_a_day_whose_clocks_are_changed_is_one_day(when: str) -> None:
    day = (date.fromisoformat(when) - date(1970, 1, 1)).days
    begins, ends = day_starts_at(day, BERLIN), day_starts_at(day + 1, BERLIN)
    assert day_of(begins, BERLIN) == day_of(ends - 1, BERLIN) == day
    assert day_of(ends, BERLIN) == day + 1
    assert round((ends - begins) / 3600) in (23, 24, 25)


@given(INSTANTS, ZONES)
def test_a_day_holds_the_instants_between_its_beginning_and_the_next_ones(at: float, zone: ZoneInfo) -> None:
    day = day_of(at, zone)
    assert day_starts_at(day, zone) <= at < day_starts_at(day + 1, zone)


@given(st.integers(2000 * 12, 2100 * 12))
def test_a_month_begins_with_its_first_day(month: int) -> None:
    assert month_of(first_day(month)) == month
    assert month_of(first_day(month) - 1) == month - 1
    assert date_of(first_day(month)).day == 1


@given(st.lists(INSTANTS, min_size=1, max_size=5), ZONES)
def test_what_is_remembered_agrees_with_what_is_computed(instants: list[float], zone: ZoneInfo) -> None:
    days = Days(zone)
    assert [days(at) for at in instants] == [day_of(at, zone) for at in instants]
