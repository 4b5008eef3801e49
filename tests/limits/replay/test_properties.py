"""A month that the rules themselves have made is not changed by them; and what is not followed makes no difference."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pysrv.billing.tariff import Rate
from pysrv.limits.replay.difference import unlike
from pysrv.limits.replay.outcome import Ending, Outcome
from pysrv.limits.replay.past import Move, PastCall, Start
from tests.limits.replay.month import DAY, ONE, Account, Run, Settings, call, run

RATES = (Rate("49", ONE), Rate("44", ONE // 3, 50_000, 60, 60), Rate("1", 7 * ONE, 0, 30, 6), None)
ACCOUNTS = [
    Account(1, "alice", maxlines=2),
    Account(2, "bob", postpaid=False),
    Account(3, "carol", "traffic_sender", maxdailycredit=25 * ONE, maxcps=Decimal(1)),
    Account(9, "seller", "reseller", maxdailycredit=60 * ONE, maxmonthlyminutes=300),
]
STARTS = {2: Start(balance=20 * ONE)}
LIMITS = Settings(checkmaxdyndailycredit=2, maxdyndailycreditforenduser_min=15 * ONE, maxdailycreditforts=40 * ONE)
BY_ADDRESS = replace(LIMITS, maxcallperip=20, maxdurationperip=7200.0, maxcostperip=90 * ONE)
DEAR = Rate("7", 30 * ONE, 0, 60, 60)
CUT_AS_A_LATER_IS_RENEWED = [call(0, 300, rates=(RATES[2],)), call(70, 61, rates=(RATES[1],))]
"""At 125 the first call's lease ends, which is cut and blocks the day, and the second one's is due for renewal."""
CUT_AS_AN_EARLIER_IS_RENEWED = [
    call(0, 125, rates=(RATES[1],)),
    call(80, 60, rates=(replace(DEAR, per_minute=24 * ONE, initial_increment_s=30, next_increment_s=30),)),
]
"""The other way round, at 115: the first call is renewed before the second one is cut, and talks on."""
TAKEN_UP_BEFORE_A_RENEWAL = [
    call(35, 60, chain=(2,)),
    call(85, 0, chain=(2,), rates=(replace(RATES[2], per_minute=5 * ONE),)),
    call(95, 60, chain=(2,), rates=(DEAR,)),
]
"""The first call is taken up at 85, five seconds before its lease is renewed; at 95 it holds two minutes."""
TWO_LEASES_END_AT_ONCE = [
    call(340, 61, chain=(2,), rates=(RATES[1],)),
    call(340, 120, chain=(2, 9), rates=(RATES[1], DEAR)),
    call(360, 110, chain=(2, 9), rates=(DEAR, DEAR)),
]
"""The second call is followed from the start, the first one from 360 on; both are cut at 405."""


@st.composite
def attempts(draw: st.DrawFn) -> list[PastCall | Move]:
    """Calls and deposits in order: of three days, or of ten minutes in which many things are due at one instant."""
    events: list[PastCall | Move] = []
    times = draw(st.sampled_from([range(int(3 * DAY)), range(0, 600, 5)]))
    for at in sorted(draw(st.lists(st.sampled_from(times), min_size=1, max_size=60))):
        if draw(st.integers(0, 15)) == 0:
            events.append(Move(float(at), 2, draw(st.integers(-2, 20)) * ONE))
            continue
        who = draw(st.sampled_from([1, 2, 3]))
        chain = (who, 9) if draw(st.booleans()) else (who,)
        rates = tuple(draw(st.sampled_from(RATES)) for _ in chain)
        talk_s = draw(st.sampled_from([0, 1, 20, 59, 61, 300, 1500, 4000]))
        source = draw(st.sampled_from(["192.0.2.1", "192.0.2.2"]))
        events.append(call(float(at), talk_s, chain=chain, rates=rates, source=source))
    return events


def recorded(past: PastCall, outcome: Outcome) -> PastCall:
    """What the office writes down of a call that had this outcome."""
    if outcome.ending is Ending.REFUSED:
        return replace(past, answered_at=None, ended_at=past.setup_at, talk_s=0, refused_by=outcome.setting)
    charge = outcome.charges[0] if outcome.charges else 0
    if outcome.ending is Ending.ALLOWED:
        return replace(past, charge=charge)
    assert past.answered_at is not None
    ended_at = past.answered_at + outcome.talk_s
    return replace(past, talk_s=outcome.talk_s, ended_at=ended_at, refused_by=outcome.setting, charge=charge)


def written(events: Sequence[PastCall | Move], made: Run) -> list[PastCall | Move]:
    return [each if isinstance(each, Move) else recorded(each, made.of(each)) for each in events]


@settings(max_examples=150, deadline=None)
@given(attempts(), st.sampled_from([LIMITS, BY_ADDRESS]))
@example(CUT_AS_A_LATER_IS_RENEWED, LIMITS)
@example(CUT_AS_AN_EARLIER_IS_RENEWED, LIMITS)
def test_the_settings_that_made_a_month_change_nothing_in_it(events: list[PastCall | Move], limits: Settings) -> None:
    live = run(events, limits, ACCOUNTS, STARTS, follow=True)
    month = written(events, live)
    again = run(month, limits, ACCOUNTS, STARTS)
    for past in month:
        assert isinstance(past, Move) or not unlike(past, again.of(past)), (past, again.of(past))
    assert {(who, setting) for who, setting, _ in again.blocks} == {(who, setting) for who, setting, _ in live.blocks}


@settings(max_examples=150, deadline=None)
@given(attempts(), st.sampled_from([LIMITS, BY_ADDRESS]))
@example(TAKEN_UP_BEFORE_A_RENEWAL, LIMITS)
@example(TWO_LEASES_END_AT_ONCE, LIMITS)
def test_following_only_leases_that_may_be_short_is_following_all(
    events: list[PastCall | Move], limits: Settings
) -> None:
    quick, slow = (run(events, limits, ACCOUNTS, STARTS, follow=follow) for follow in (False, True))
    assert quick.outcomes == slow.outcomes
    assert quick.blocks == slow.blocks


@settings(max_examples=100, deadline=None)
@given(attempts())
def test_no_account_passes_a_limit_and_nothing_stays_held(events: list[PastCall | Move]) -> None:
    made = run(events, LIMITS, ACCOUNTS, STARTS)
    for who in made.accounts.values():
        assert (who.lines, who.held, who.held_s, who.liability, who.liability_s, who.per_minute) == (0,) * 6
        assert not who.runs
    spent: dict[tuple[int, int], int] = {}
    ends = {each.call_id: each for each in events if isinstance(each, PastCall)}
    for call_id, outcome in made.outcomes.items():
        past = ends[call_id]
        until = (past.answered_at or past.setup_at) + outcome.talk_s
        for who_id, charge in zip(past.chain, outcome.charges, strict=False):
            key = who_id, int(until // DAY)
            spent[key] = spent.get(key, 0) + charge
    assert all(amount <= 60 * ONE for (who_id, _), amount in spent.items() if who_id == 9)
    assert all(amount <= 25 * ONE for (who_id, _), amount in spent.items() if who_id == 3)
