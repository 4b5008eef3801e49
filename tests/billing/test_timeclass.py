from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import hours
from pysrv.billing.timeclass import FALLBACK, PlanError, TimeClass, TimePlan, peak_of, plan_of, time_class

BERLIN = ZoneInfo("Europe/Berlin")
PLAN = plan_of("Mon-Fri 08:00-20:00, Sat 09:00-12:00", ("Sat", "Sun"), ("12-25", "2026-04-03", "02-29"))


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("when", "kind"),
    [
        ("2026-11-02T07:59:59", TimeClass.OFFPEAK),  # a Monday
        ("2026-11-02T08:00:00", TimeClass.PEAK),
        ("2026-11-02T19:59:59", TimeClass.PEAK),
        ("2026-11-02T20:00:00", TimeClass.OFFPEAK),
        ("2026-11-07T08:59:59", TimeClass.WEEKEND),  # a Saturday
        ("2026-11-07T09:00:00", TimeClass.PEAK),
        ("2026-11-07T12:00:00", TimeClass.WEEKEND),
        ("2026-11-08T10:00:00", TimeClass.WEEKEND),
        ("2026-12-25T10:00:00", TimeClass.HOLIDAY),  # a Friday of every year
        ("2026-12-26T10:00:00", TimeClass.PEAK),
        ("2026-04-03T10:00:00", TimeClass.HOLIDAY),  # Good Friday of one year
        ("2027-04-03T08:00:00", TimeClass.WEEKEND),
        ("2028-02-29T10:00:00", TimeClass.HOLIDAY),
    ],
)
@pytest.mark.setting("peakhours")
@pytest.mark.setting("weekend")
@pytest.mark.setting("holidays")
def test_an_instant_has_its_class(when: str, kind: TimeClass) -> None:
    assert time_class(at(when), BERLIN, PLAN) is kind


def test_the_class_is_that_of_the_zone_in_summer_and_in_winter() -> None:
    assert time_class(at("2026-07-06T06:30:00", ZoneInfo("UTC")), BERLIN, PLAN) is TimeClass.PEAK
    assert time_class(at("2026-11-02T06:30:00", ZoneInfo("UTC")), BERLIN, PLAN) is TimeClass.OFFPEAK


def test_a_day_whose_clocks_are_changed_has_the_class_that_its_clock_shows() -> None:
    plan = plan_of("Sun 02:00-03:00", (), ())
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0).timestamp()
    assert [time_class(first + hour * 3600, BERLIN, plan) for hour in (-1, 0, 1, 2)] == [
        TimeClass.OFFPEAK,
        TimeClass.PEAK,
        TimeClass.PEAK,
        TimeClass.OFFPEAK,
    ]


def test_a_range_of_days_may_go_round_the_week_s_end() -> None:
    assert [span.weekday for span in peak_of("Fri-Mon 10:00-11:00")] == [4, 5, 6, 0]


def test_an_empty_plan_is_always_off_peak() -> None:
    assert time_class(0.0, UTC, TimePlan()) is TimeClass.OFFPEAK


def test_every_class_falls_back_on_what_always_holds() -> None:
    assert set(FALLBACK) == set(TimeClass)
    assert all(classes[0] == kind and classes[-1] == "" for kind, classes in FALLBACK.items())


@pytest.mark.parametrize(
    "text", ["Mon 8-20", "Mon-Fri 20:00-08:00", "Mun 08:00-20:00", "08:00-20:00", "Mon 08:60-20:00", "Mon 08:00-24:01"]
)
def test_hours_that_cannot_be_are_refused_by_the_plan_and_by_the_setting(text: str) -> None:
    with pytest.raises(PlanError):
        peak_of(text)
    assert not hours.is_hours(text)


words = st.text("MonTueWdFriSat 0123456789:-,", max_size=24)
spans = st.builds("{}-{} {:02}:{:02}-{:02}:{:02}".format, *[st.sampled_from(("Mon", "Fri", "sun", "Xyz"))] * 2,
                  *[st.integers(0, 25), st.integers(0, 60)] * 2)  # fmt: skip


@given(st.one_of(words, spans))
def test_the_setting_takes_what_the_plan_takes(text: str) -> None:
    try:
        peak_of(text)
    except PlanError:
        assert not hours.is_hours(text)
    else:
        assert hours.is_hours(text)


@pytest.mark.parametrize(
    ("text", "fits"), [("12-25", True), ("02-29", True), ("2027-02-29", False), ("13-01", False), ("1-1", False)]
)
def test_the_setting_takes_the_holidays_that_the_plan_takes(text: str, fits: bool) -> None:
    assert hours.is_holiday(text) is fits
    if fits:
        plan_of("", (), (text,))
    else:
        with pytest.raises(PlanError):
            plan_of("", (), (text,))
