"""Spend limits as arithmetic: the worked example of the dynamic limit, and which rule makes which ceiling."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.ledger import Ceiling, Funds, Granted, Level, Shortfall, Unit, reserve
from pysrv.billing.tariff import Rate
from pysrv.billing.usage import Usage
from pysrv.limits.spend import BLOCKING, DYNAMIC, RULES, ceilings, dynamic_limit, reached_percent
from pysrv.limits.stages.table import STAGES

UNIT = 1_000_000


@dataclass(frozen=True)
class Account:
    type: str = "end_user"
    postpaid: bool = False
    maxdailycredit: int = 0
    maxmonthlycredit: int = 0
    maxdailyminutes: int = 0
    maxmonthlyminutes: int = 0


@dataclass(frozen=True)
class Settings:
    creditcheckforpostp: bool = False
    maxdailycreditperuser: bool | None = None
    maxdailycreditforenduser: int = 0
    maxdailycreditforts: int = 0
    checkmaxdyndailycredit: int = 0
    maxdyndailycreditforenduser_min: int = 10 * UNIT
    maxdynmaxdailycreditforts_min: int = 100 * UNIT
    maxdyndailycredit_multiplier: object = Decimal(7)


DYNAMIC_ON = Settings(checkmaxdyndailycredit=2)


NOTHING = Usage()


def limits(account: Account, settings: Settings, usage: Usage = NOTHING) -> dict[str, int]:
    return {each.setting: each.limit for each in ceilings(account, settings, usage)}


def test_the_worked_example_of_the_dynamic_limit_day_by_day() -> None:
    """Multiplier 7, minimum 10: each row is a day, what the account wants to spend, and what comes of it."""
    days = (
        # wants, ceiling, spends, blocked, peak after
        (10, 10, 10, False, 10),  # Monday: the first day, only the minimum holds
        (0, 70, 0, False, 10),  # Tuesday
        (5, 70, 5, False, 10),  # Wednesday: the peak stays
        (30, 70, 30, False, 30),  # Thursday: the peak becomes 30 at the day's end
        (500, 210, 210, True, 30),  # Friday: up to 210, then blocked
        (1, 210, 1, False, 30),  # Saturday: a blocked day does not teach
    )
    peak = 0
    for wants, ceiling, spends, blocked, after in days:
        limit = dynamic_limit(Account(), DYNAMIC_ON, peak * UNIT)
        assert limit == ceiling * UNIT
        usage = Usage(spent_today=spends * UNIT, peak=peak * UNIT, blocked=DYNAMIC if blocked else "")
        spent = min(wants, ceiling)
        assert (spent, wants > ceiling) == (spends, blocked)
        more = reserve((Level(1, funds_of(usage), Rate("49", 60 * UNIT)),))
        assert isinstance(more, Shortfall if spent == ceiling else Granted)
        peak = peak if blocked else max(peak, spent)
        assert peak == after


def funds_of(usage: Usage) -> Funds:
    return Funds(balance=10**12, ceilings=ceilings(Account(), DYNAMIC_ON, usage))


@pytest.mark.parametrize(
    ("kind", "check", "limit"),
    [
        ("end_user", 0, None),
        ("end_user", 1, 10 * UNIT),
        ("end_user", 2, 10 * UNIT),
        ("traffic_sender", 1, None),
        ("traffic_sender", 2, 100 * UNIT),
        ("reseller", 2, None),
    ],
)
def test_the_dynamic_limit_concerns_whom_the_setting_says(kind: str, check: int, limit: int | None) -> None:
    assert dynamic_limit(Account(kind), Settings(checkmaxdyndailycredit=check), 0) == limit


def test_a_multiplier_with_decimals_is_exact() -> None:
    settings = Settings(checkmaxdyndailycredit=1, maxdyndailycredit_multiplier=Decimal("1.1"))
    assert dynamic_limit(Account(), settings, 30 * UNIT) == 33 * UNIT


def test_of_an_own_and_a_general_daily_limit_the_lower_holds() -> None:
    settings = Settings(maxdailycreditforenduser=5 * UNIT)
    account = Account(maxdailycredit=9 * UNIT)
    found = ceilings(account, settings, Usage(spent_today=5 * UNIT))
    assert Funds(limited=False, ceilings=found).headroom == 0
    assert limits(account, settings) == {"maxdailycredit": 9 * UNIT, "maxdailycreditforenduser": 5 * UNIT}


@pytest.mark.parametrize(
    ("account", "settings", "wanted"),
    [
        (Account(maxdailycredit=1), Settings(maxdailycreditperuser=False), {}),
        (Account(maxdailycredit=1), Settings(maxdailycreditperuser=True), {"maxdailycredit": 1}),
        (Account("traffic_sender"), Settings(maxdailycreditforenduser=1), {}),
        (Account("traffic_sender"), Settings(maxdailycreditforts=1), {"maxdailycreditforts": 1}),
        (Account(maxmonthlycredit=1), Settings(), {"maxmonthlycredit": 1}),
        (Account(maxmonthlycredit=1, postpaid=True), Settings(), {}),
        (Account(maxmonthlycredit=1, postpaid=True), Settings(creditcheckforpostp=True), {"maxmonthlycredit": 1}),
        (Account(maxdailyminutes=2), Settings(), {"maxdailyminutes": 120}),
        (Account(maxmonthlyminutes=3), Settings(), {"maxmonthlyminutes": 180}),
    ],
)  # fmt: skip
def test_each_rule_makes_its_ceiling(account: Account, settings: Settings, wanted: dict[str, int]) -> None:
    assert limits(account, settings) == wanted


def test_what_an_operator_allows_today_is_added_to_daily_limits_alone() -> None:
    account = Account(maxdailycredit=5, maxmonthlycredit=50)
    assert limits(account, Settings(), Usage(extra=3)) == {"maxdailycredit": 8, "maxmonthlycredit": 50}


def test_a_blocked_account_has_nothing_left_whatever_its_limits_are_now() -> None:
    found = ceilings(Account(), Settings(), Usage(spent_today=7, blocked="maxdailycredit"))
    assert found == (Ceiling("maxdailycredit", 7, 7),)
    assert Funds(limited=False, ceilings=found, reserved=3).headroom == -3


def test_a_rule_in_report_only_makes_no_ceiling() -> None:
    usage = Usage(blocked="maxdailycredit")
    assert ceilings(Account(maxdailycredit=5), Settings(), usage, {"maxdailycredit"}) == ()


def test_every_rule_is_a_setting_of_the_stage_that_enforces_it() -> None:
    (stage,) = (stage for stage in STAGES if stage.name == "funds")
    assert {rule.setting for rule in RULES} <= set(stage.settings)
    assert {rule.setting for rule in RULES if rule.day} == BLOCKING


@pytest.mark.parametrize(
    ("limit", "settled", "reserved", "percent"), [(100, 0, 0, 0), (100, 50, 30, 80), (0, 0, 0, 100), (3, 2, 0, 66)]
)
def test_how_much_of_a_ceiling_is_used_counts_what_is_reserved(
    limit: int, settled: int, reserved: int, percent: int
) -> None:
    assert reached_percent(Ceiling("x", limit, settled), reserved) == percent


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 90)), max_size=40),
    st.integers(0, 3 * UNIT),
    st.integers(0, 20),
)
def test_no_number_of_calls_of_a_day_spends_more_than_its_limit(
    calls: list[tuple[int, int]], limit: int, minutes: int
) -> None:
    """Calls as (price per second in hundredths, talk time), settled one after the other or cut where the money ends."""
    account = Account(maxdailycredit=limit, maxdailyminutes=minutes)
    usage = Usage()
    for cents, wanted_s in calls:
        funds = Funds(limited=False, ceilings=ceilings(account, Settings(), usage))
        outcome = reserve((Level(1, funds, Rate("49", cents * 600_000)),))
        if isinstance(outcome, Shortfall):
            continue
        talk_s = min(wanted_s, outcome.lease.covered_s)
        usage = replace(
            usage,
            spent_today=usage.spent_today + cents * 10_000 * talk_s,
            seconds_today=usage.seconds_today + talk_s,
        )
        assert not limit or usage.spent_today <= limit
        assert not minutes or usage.seconds_today <= minutes * 60


def test_units_of_ceilings_are_not_mixed() -> None:
    assert {each.unit for each in ceilings(Account(maxdailyminutes=1), Settings(), Usage())} == {Unit.SECONDS}
