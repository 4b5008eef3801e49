"""The ledger against its invariants: random interleavings of many calls on a chain of accounts."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pysrv.billing.lease import Lease
from pysrv.billing.ledger import (
    Ceiling,
    Funds,
    Granted,
    Level,
    Levels,
    Shortfall,
    Unit,
    release,
    renew,
    reserve,
    settle,
)
from pysrv.billing.tariff import Rate
from tests.billing.rates import rates

ONE = 1_000_000
RATE = Rate("49", per_minute=ONE)


def granted(outcome: Granted | Shortfall) -> Granted:
    assert isinstance(outcome, Granted)
    return outcome


def paid_by(funds: Funds, rate: Rate | None = RATE) -> Levels:
    return (Level(1, funds, rate),)


def test_a_reservation_takes_headroom_and_counts_the_call() -> None:
    outcome = granted(reserve(paid_by(Funds(balance=10 * ONE), RATE)))
    assert outcome.lease == Lease(RATE, 60, ONE)
    assert outcome.levels[0].funds == Funds(
        10 * ONE, reserved=ONE, running_per_minute=ONE, running_calls=1, reserved_s=60
    )


def test_without_money_for_one_increment_the_shortfall_names_credit_and_the_figures() -> None:
    short = reserve(paid_by(Funds(balance=100), RATE))
    assert short == Shortfall("credit", needed=16_667, available=100)
    assert short.sentence == "credit: 0.016667 needed, 0.0001 available"


def test_money_that_another_call_holds_is_not_lent_twice() -> None:
    outcome = granted(reserve(paid_by(Funds(balance=17_000), RATE)))
    assert isinstance(reserve(outcome.levels), Shortfall)


def test_a_call_settles_the_exact_charge_and_gives_the_rest_back() -> None:
    running = granted(reserve(paid_by(Funds(balance=10 * ONE), RATE)))
    ended = settle(running.levels, running.lease, 30)
    assert ended.charge.total == ONE // 2
    assert ended.levels[0].funds == Funds(balance=10 * ONE - ONE // 2)


def test_seconds_beyond_the_lease_are_not_charged_because_none_were_carried() -> None:
    running = granted(reserve(paid_by(Funds(balance=10 * ONE), RATE)))
    assert settle(running.levels, running.lease, 3600).charge.total == ONE


def test_a_call_that_was_never_answered_leaves_no_trace() -> None:
    before = Funds(balance=5 * ONE)
    running = granted(reserve(paid_by(before)))
    assert release(running.levels, running.lease).levels[0].funds == before


def test_a_postpaid_account_is_not_limited_by_its_balance() -> None:
    running = granted(reserve(paid_by(Funds(limited=False), RATE)))
    assert settle(running.levels, running.lease, 60).levels[0].funds.balance == -ONE


def test_a_free_call_runs_on_an_empty_account() -> None:
    running = granted(reserve(paid_by(Funds(), None)))
    assert running.lease == Lease(None, 60, 0)
    assert settle(running.levels, running.lease, 60).charge.total == 0


def test_two_hundred_calls_share_the_money_for_ninety_seconds_of_one() -> None:
    levels, leases, spent = paid_by(Funds(balance=ONE + ONE // 2)), [], 0
    for _ in range(200):
        outcome = reserve(levels)
        if isinstance(outcome, Granted):
            levels = outcome.levels
            leases.append(outcome.lease)
    running = list(leases)
    while running:
        lease = running.pop(0)
        outcome = renew(levels, lease)
        if isinstance(outcome, Granted):
            levels = outcome.levels
            running.append(outcome.lease)
            continue
        ended = settle(levels, lease, lease.covered_s)
        levels, spent = ended.levels, spent + ended.charge.total
    funds = levels[0].funds
    assert len(leases) > 10
    assert 0 <= funds.balance < 16_667
    assert (funds.reserved, funds.running_calls, funds.running_per_minute) == (0, 0, 0)
    assert spent + funds.balance == ONE + ONE // 2


def test_the_tightest_ceiling_is_named() -> None:
    funds = Funds(balance=10 * ONE, ceilings=(Ceiling("day", 2 * ONE, ONE), Ceiling("month", 3 * ONE, 3 * ONE - 5)))
    assert reserve(paid_by(funds)) == Shortfall("month", needed=16_667, available=5)


def test_a_ceiling_of_talk_time_holds_for_a_free_call_and_is_named_in_seconds() -> None:
    short = reserve(paid_by(Funds(ceilings=(Ceiling("minutes", 60, 60, Unit.SECONDS),)), None))
    assert isinstance(short, Shortfall)
    assert (short.setting, short.unit) == ("minutes", Unit.SECONDS)
    assert short.sentence == "minutes: 1 s of talk needed, 0 s available"


def test_a_reseller_without_funds_is_named_and_nobody_below_calls() -> None:
    levels = (Level(1, Funds(balance=ONE), RATE, "alice"), Level(2, Funds(), RATE, "reseller"))
    short = reserve(levels)
    assert isinstance(short, Shortfall)
    assert (short.account, short.sentence.split(":")[0]) == ("reseller", "credit of reseller")


def test_every_level_is_charged_by_its_own_rate() -> None:
    buys = Rate("49", per_minute=ONE // 2, initial_increment_s=60, next_increment_s=60)
    running = granted(reserve((Level(1, Funds(balance=9 * ONE), RATE), Level(2, Funds(balance=9 * ONE), buys))))
    ended = settle(running.levels, running.lease, 30)
    assert [due.total for due in ended.charges] == [ONE // 2, ONE // 2]
    assert [level.funds.balance for level in ended.levels] == [9 * ONE - ONE // 2] * 2


DAY, TIME = 3 * ONE // 2, 500
ACCOUNTS = (1, 2)


class Chain(RuleBasedStateMachine):
    """Any interleaving of starts, renewals and ends of calls of a prepaid account with a day's limits, below a
    prepaid reseller with a limit of talk time."""

    calls: Bundle[int] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.funds = {
            1: Funds(balance=2 * ONE, ceilings=(Ceiling("day", DAY, 0),)),
            2: Funds(balance=3 * ONE, ceilings=(Ceiling("time", TIME, 0, Unit.SECONDS),)),
        }
        self.postings = {1: [2 * ONE], 2: [3 * ONE]}
        self.leases: dict[int, Lease] = {}
        self.started = self.talked = 0

    def levels(self, *given: Rate | None) -> Levels:
        return tuple(Level(number, self.funds[number], rate) for number, rate in zip(ACCOUNTS, given, strict=True))

    def take(self, levels: Levels) -> None:
        self.funds = {level.account_id: level.funds for level in levels}

    def of(self, lease: Lease) -> Levels:
        return self.levels(lease.rate, lease.above[0].rate)

    @rule(target=calls, rate=st.one_of(st.none(), rates), above=st.one_of(st.none(), rates))
    def start(self, rate: Rate | None, above: Rate | None) -> int:
        self.started += 1
        outcome = reserve(self.levels(rate, above))
        if isinstance(outcome, Granted):
            self.take(outcome.levels)
            self.leases[self.started] = outcome.lease
        return self.started

    @rule(call=calls)
    def renew(self, call: int) -> None:
        if call in self.leases:
            outcome = renew(self.of(self.leases[call]), self.leases[call])
            if isinstance(outcome, Granted):
                self.take(outcome.levels)
                self.leases[call] = outcome.lease

    @rule(call=consumes(calls), talk_s=st.integers(0, 400))
    def end(self, call: int, talk_s: int) -> None:
        lease = self.leases.pop(call, None)
        if lease is not None:
            ended = settle(self.of(lease), lease, talk_s)
            reserved = (lease.reserved, lease.above[0].reserved)
            assert all(0 <= due.total <= held for due, held in zip(ended.charges, reserved, strict=True))
            self.take(ended.levels)
            self.talked += min(talk_s, lease.covered_s)
            for number, due in zip(ACCOUNTS, ended.charges, strict=True):
                self.postings[number].append(-due.total)

    @rule(amount=st.integers(1, ONE), number=st.sampled_from(ACCOUNTS))
    def deposit(self, amount: int, number: int) -> None:
        funds = self.funds[number]
        self.funds[number] = replace(funds, balance=funds.balance + amount)
        self.postings[number].append(amount)

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert all(0 <= funds.reserved <= funds.balance for funds in self.funds.values())

    @invariant()
    def no_ceiling_is_passed(self) -> None:
        spent = -sum(row for row in self.postings[1] if row < 0)
        assert spent == self.funds[1].ceilings[0].settled
        assert spent + self.funds[1].reserved <= DAY
        assert self.talked == self.funds[2].ceilings[0].settled
        assert self.talked + self.funds[2].reserved_s <= TIME

    @invariant()
    def the_balance_is_the_sum_of_its_postings(self) -> None:
        assert all(self.funds[number].balance == sum(rows) for number, rows in self.postings.items())

    @invariant()
    def what_is_reserved_belongs_to_running_calls(self) -> None:
        leases = self.leases.values()
        assert self.funds[1].reserved == sum(lease.reserved for lease in leases)
        assert self.funds[2].reserved == sum(lease.above[0].reserved for lease in leases)
        for funds in self.funds.values():
            assert funds.reserved_s == sum(lease.covered_s for lease in leases)
            assert funds.running_calls == len(leases)


Chain.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestChain = Chain.TestCase


@given(rates, st.integers(0, 10**8), st.integers(0, 5000))
def test_a_charge_never_exceeds_what_its_call_reserved(rate: Rate, balance: int, talk_s: int) -> None:
    outcome = reserve(paid_by(Funds(balance=balance), rate))
    if isinstance(outcome, Granted):
        assert settle(outcome.levels, outcome.lease, talk_s).charge.total <= outcome.lease.reserved <= balance
