"""Calls of the past under other settings, as tables: numbers are clocks."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pysrv.billing.tariff import Rate
from pysrv.limits.facts import DestinationKind
from pysrv.limits.replay.outcome import Ending, Outcome
from pysrv.limits.replay.past import Move, PastCall, Start
from tests.limits.replay.month import DAY, MINUTE, ONE, Account, Settings, call, run

DYNAMIC = Settings(checkmaxdyndailycredit=1, maxdyndailycreditforenduser_min=10 * ONE)


def spend(day: int, amount: int, hour: int = 10) -> list[PastCall]:
    """Calls of a day that come to `amount` units of money, ten minutes each, one after the other."""
    at = day * DAY + hour * 3600
    whole = [call(at + 700 * number, 600) for number in range(amount // 10)]
    return whole + ([call(at + 700 * len(whole), amount % 10 * 60)] if amount % 10 else [])


def test_the_worked_example_of_the_dynamic_limit_day_by_day() -> None:
    days = [(0, 10), (2, 5), (3, 30), (4, 220), (5, 60)]  # Mon, Wed, Thu, Fri, Sat
    calls = {day: spend(day, amount, 1) for day, amount in days}
    outcome = run([each for day, _ in days for each in calls[day]], DYNAMIC)
    for day in (0, 2, 3, 5):
        assert all(outcome.of(each).ending is Ending.ALLOWED for each in calls[day]), day
    friday = [outcome.of(each) for each in calls[4]]
    assert [each.ending for each in friday] == [Ending.ALLOWED] * 21 + [Ending.REFUSED]
    assert friday[-1].setting == "checkmaxdyndailycredit"
    assert sum(sum(each.charges) for each in friday) == 210 * ONE
    assert outcome.blocks == [("alice", "checkmaxdyndailycredit", calls[4][-1].setup_at)]
    assert outcome.accounts[1].usage.peak == 30 * ONE, "a blocked day does not teach"


def test_the_first_day_has_the_minimum_alone_and_a_call_is_cut_at_the_second_at_which_it_is_used_up() -> None:
    past = call(1000, 1200)
    outcome = run([past], DYNAMIC).of(past)
    assert outcome == Outcome(Ending.CUT, 600, (10 * ONE,), "checkmaxdyndailycredit", "alice", outcome.sentence)
    assert "available" in outcome.sentence


def test_a_cut_falls_on_the_last_whole_increment() -> None:
    past = call(1000, 1200, rates=(Rate("49", ONE, 0, 60, 60),))
    assert run([past], Settings(maxdailycreditforenduser=10_500_000)).of(past).talk_s == 600


def test_two_calls_at_once_share_what_is_left() -> None:
    first, second = call(1000, 1200), call(1001, 1200)
    outcome = run([first, second], Settings(maxdailycreditforenduser=10 * ONE))
    assert 598 <= outcome.of(first).talk_s + outcome.of(second).talk_s <= 600
    assert abs(outcome.of(first).talk_s - outcome.of(second).talk_s) <= 30
    assert {outcome.of(first).ending, outcome.of(second).ending} == {Ending.CUT}


def test_a_blocked_account_stays_blocked_until_its_day_ends() -> None:
    calls = [call(1000, 1200), call(5000), call(DAY - 100, 30), call(DAY + 10)]
    outcome = run(calls, Settings(maxdailycreditforenduser=10 * ONE))
    assert [outcome.of(each).ending for each in calls] == [
        Ending.CUT, Ending.REFUSED, Ending.REFUSED, Ending.ALLOWED
    ]  # fmt: skip
    assert len(outcome.blocks) == 1


def test_a_balance_moves_with_deposits_at_their_time() -> None:
    poor = [call(1000, 300), Move(2000, 1, 10 * ONE), call(3000, 300)]
    prepaid = Account(postpaid=False)
    outcome = run(poor, accounts=[prepaid], starts={1: Start(balance=2 * ONE)})
    first, second = poor[0], poor[2]
    assert isinstance(first, PastCall) and isinstance(second, PastCall)
    assert (outcome.of(first).ending, outcome.of(first).talk_s, outcome.of(first).setting) == (
        Ending.CUT, 120, "credit"
    )  # fmt: skip
    assert outcome.of(second).ending is Ending.ALLOWED
    assert outcome.accounts[1].funds.balance == 5 * ONE


def test_a_deposit_in_mid_call_keeps_it_alive() -> None:
    past = call(1000, 300)
    outcome = run(
        [past, Move(1060, 1, 10 * ONE)], accounts=[Account(postpaid=False)], starts={1: Start(balance=2 * ONE)}
    )
    assert outcome.of(past) == Outcome(Ending.ALLOWED, 300, (5 * ONE,))


@pytest.mark.parametrize(
    ("account", "settings", "setting"),
    [
        (Account(maxlines=2), Settings(), "maxlines"),
        (Account(maxcps=Decimal("0.1")), Settings(), "maxcps"),
        (Account(), Settings(licensecfg={"calls": 2}), "licensecfg"),
        (Account(), Settings(maxcallperip=2), "maxcallperip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_counts_calls_stops_the_third(account: Account, settings: Settings, setting: str) -> None:
    past = [call(1000, 600), call(1011, 600), call(1013, 600)]
    assert [run(past, accounts=[account], settings=settings).of(each).setting for each in past] == ["", "", setting]
    assert all(each.ending is Ending.ALLOWED for each in run(past).outcomes.values()), "without the limit"


@pytest.mark.parametrize(
    ("settings", "setting"),
    [(Settings(maxdurationperip=700.0), "maxdurationperip"), (Settings(maxcostperip=11 * ONE), "maxcostperip")],
)
def test_talk_and_cost_from_one_address_are_cut_over_all_its_accounts(settings: Settings, setting: str) -> None:
    past = [call(1000, 600), call(1600, 600, chain=(2,)), call(1601, 60, chain=(2,), source="192.0.2.2")]
    outcome = run(past, settings, [Account(), Account(2, "bob")])
    assert [outcome.of(each).ending for each in past] == [Ending.ALLOWED, Ending.CUT, Ending.ALLOWED]
    assert outcome.of(past[1]).setting == setting


def test_a_resellers_limit_stops_whoever_is_below_and_is_named() -> None:
    seller = Account(9, "seller", "reseller", maxdailycredit=5 * ONE)
    past = [call(1000, 240, chain=(1, 9)), call(2000, 240, chain=(2, 9))]
    outcome = run(past, accounts=[Account(), Account(2, "bob"), seller])
    cut = outcome.of(past[1])
    assert (cut.ending, cut.account, cut.setting, cut.talk_s) == (Ending.CUT, "seller", "maxdailycredit", 60)
    assert cut.charges == (ONE, ONE)


def test_an_emergency_call_passes_everything_and_takes_a_line() -> None:
    emergency = call(1000, 600, callee="112", emergency=True, rates=(None,))
    outcome = run([emergency, call(1010)], accounts=[Account(postpaid=False, maxlines=1)])
    assert outcome.of(emergency) == Outcome(Ending.ALLOWED, 600, (0,))
    assert [each.setting for each in outcome.outcomes.values() if each.hit] == ["maxlines"]


def test_what_was_refused_by_something_else_is_taken_as_it_turned_out() -> None:
    past = call(1000, 0, refused_by="channels", ended_at=1000.0)
    assert run([past]).of(past).ending is Ending.TAKEN


def test_what_a_limit_refused_may_be_set_up_now_and_is_nothing_but_set_up() -> None:
    past = call(1000, 0, refused_by="maxlines", ended_at=1000.0)
    assert run([past]).of(past) == Outcome(Ending.ALLOWED)


def test_a_lock_that_came_later_hides_nothing_unless_it_is_tried() -> None:
    past, locked = call(1000), Account(locklevel=2, enabled=False, onlylocalaccess=True)
    assert run([past], accounts=[locked]).of(past).ending is Ending.ALLOWED
    assert run([past], accounts=[locked], asked={"locklevel"}).of(past).setting == "locklevel"


def test_a_price_that_is_missing_is_asked_about_when_it_is_tried() -> None:
    past = call(1000, rates=(None,))
    assert run([past], Settings(blocknotbilledcalls=1), asked={"blocknotbilledcalls"}).of(past).hit
    assert not run([past], Settings(blocknotbilledcalls=1)).of(past).hit


def test_a_rule_in_report_only_stops_nothing() -> None:
    past = [call(1000, 1200), call(1001, 60)]
    limits = Settings(maxdailycreditforenduser=10 * ONE), [Account(maxlines=1)]
    assert all(each.hit for each in run(past, *limits).outcomes.values())
    names = {"maxdailycreditforenduser", "maxlines"}
    assert not any(each.hit for each in run(past, *limits, report_only=names).outcomes.values())


class Satellite:
    """Facts of a later stage, which only it knows."""

    settings = frozenset({"locklevel"})

    def __call__(self, _past: PastCall) -> dict[str, Any]:
        return {"off_peak": True}


def test_further_facts_reach_the_stages() -> None:
    past = [call(1000, 600), call(1001)]
    account = Account(maxlinesoffpeak=1)
    assert run(past, accounts=[account], facts=Satellite()).of(past[1]).setting == "maxlinesoffpeak"
    assert not run(past, accounts=[account]).of(past[1]).hit


def test_local_calls_count_talk_time_and_no_money() -> None:
    past = call(1000, 300, rates=(None,), kind=DestinationKind.LOCAL)
    outcome = run([past], accounts=[Account(maxdailyminutes=2)]).of(past)
    assert (outcome.ending, outcome.talk_s, outcome.setting) == (Ending.CUT, 120, "maxdailyminutes")


def test_a_months_minutes_begin_with_what_was_used_before() -> None:
    past = call(1000, 300)
    started = {1: Start(seconds_month=180)}
    outcome = run([past], accounts=[Account(maxmonthlyminutes=4)], starts=started).of(past)
    assert (outcome.ending, outcome.talk_s) == (Ending.CUT, 60)


def test_what_an_operator_allowed_beyond_a_limit_counts_on_its_day() -> None:
    past = [call(1000, 900), call(DAY + 1000, 900)]
    outcome = run(past, Settings(maxdailycreditforenduser=10 * ONE), starts={1: Start(extras={0: 10 * ONE})})
    assert [outcome.of(each).ending for each in past] == [Ending.ALLOWED, Ending.CUT]


def test_leases_that_were_not_followed_are_taken_up_when_money_gets_short() -> None:
    early = call(1000, 3000)  # rich alone: 60.00 are there, 50.00 will be used
    late = [replace(call(2000 + number, 600), rates=(replace(MINUTE, per_minute=2 * ONE),)) for number in range(3)]
    settings = Settings(maxdailycreditforenduser=70 * ONE)
    quick, slow = run([early, *late], settings), run([early, *late], settings, follow=True)
    assert quick.outcomes == slow.outcomes
    assert quick.of(early).ending is Ending.CUT
    assert 69_900_000 < sum(sum(each.charges) for each in quick.outcomes.values()) <= 70 * ONE
