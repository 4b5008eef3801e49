"""The ledger against its invariants: random interleavings of many calls on one account."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pysrv.billing.lease import Lease
from pysrv.billing.ledger import Funds, Granted, Shortfall, release, renew, reserve, settle
from pysrv.billing.tariff import Rate
from tests.billing.rates import rates

ONE = 1_000_000
RATE = Rate("49", per_minute=ONE)


def granted(outcome: Granted | Shortfall) -> Granted:
    assert isinstance(outcome, Granted)
    return outcome


def test_a_reservation_takes_headroom_and_counts_the_call() -> None:
    outcome = granted(reserve(Funds(balance=10 * ONE), RATE))
    assert outcome.lease == Lease(RATE, 60, ONE)
    assert outcome.funds == Funds(10 * ONE, reserved=ONE, running_per_minute=ONE, running_calls=1)


def test_without_money_for_one_increment_the_shortfall_names_credit_and_the_figures() -> None:
    short = reserve(Funds(balance=100), RATE)
    assert short == Shortfall("credit", needed=16_667, available=100)
    assert short.sentence == "credit: 0.016667 needed, 0.0001 available"


def test_money_that_another_call_holds_is_not_lent_twice() -> None:
    outcome = granted(reserve(Funds(balance=17_000), RATE))
    assert isinstance(reserve(outcome.funds, RATE), Shortfall)


def test_a_call_settles_the_exact_charge_and_gives_the_rest_back() -> None:
    running = granted(reserve(Funds(balance=10 * ONE), RATE))
    ended = settle(running.funds, running.lease, 30)
    assert ended.charge.total == ONE // 2
    assert ended.released == ONE // 2
    assert ended.funds == Funds(balance=10 * ONE - ONE // 2)


def test_seconds_beyond_the_lease_are_not_charged_because_none_were_carried() -> None:
    running = granted(reserve(Funds(balance=10 * ONE), RATE))
    assert settle(running.funds, running.lease, 3600).charge.total == ONE


def test_a_call_that_was_never_answered_leaves_no_trace() -> None:
    before = Funds(balance=5 * ONE)
    running = granted(reserve(before, RATE))
    assert release(running.funds, running.lease).funds == before


def test_a_postpaid_account_is_not_limited_by_its_balance() -> None:
    running = granted(reserve(Funds(limited=False), RATE))
    assert settle(running.funds, running.lease, 60).funds.balance == -ONE


def test_a_free_call_runs_on_an_empty_account() -> None:
    running = granted(reserve(Funds(), None))
    assert running.lease == Lease(None, 60, 0)
    assert settle(running.funds, running.lease, 60).charge.total == 0


def test_two_hundred_calls_share_the_money_for_ninety_seconds_of_one() -> None:
    funds, leases, spent = Funds(balance=ONE + ONE // 2), [], 0
    for _ in range(200):
        outcome = reserve(funds, RATE)
        if isinstance(outcome, Granted):
            funds = outcome.funds
            leases.append(outcome.lease)
    running = list(leases)
    while running:
        lease = running.pop(0)
        outcome = renew(funds, lease)
        if isinstance(outcome, Granted):
            funds = outcome.funds
            running.append(outcome.lease)
            continue
        ended = settle(funds, lease, lease.covered_s)
        funds, spent = ended.funds, spent + ended.charge.total
    assert len(leases) > 10
    assert 0 <= funds.balance < 16_667
    assert (funds.reserved, funds.running_calls, funds.running_per_minute) == (0, 0, 0)
    assert spent + funds.balance == ONE + ONE // 2


class OneAccount(RuleBasedStateMachine):
    """Any interleaving of starts, renewals and ends of calls on one prepaid account."""

    calls: Bundle[int] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.funds = Funds(balance=2 * ONE)
        self.postings = [2 * ONE]
        self.leases: dict[int, Lease] = {}
        self.started = 0

    @rule(target=calls, rate=st.one_of(st.none(), rates))
    def start(self, rate: Rate | None) -> int:
        self.started += 1
        outcome = reserve(self.funds, rate)
        if isinstance(outcome, Granted):
            self.funds, self.leases[self.started] = outcome.funds, outcome.lease
        return self.started

    @rule(call=calls)
    def renew(self, call: int) -> None:
        if call in self.leases:
            outcome = renew(self.funds, self.leases[call])
            if isinstance(outcome, Granted):
                self.funds, self.leases[call] = outcome.funds, outcome.lease

    @rule(call=consumes(calls), talk_s=st.integers(0, 400))
    def end(self, call: int, talk_s: int) -> None:
        lease = self.leases.pop(call, None)
        if lease is not None:
            ended = settle(self.funds, lease, talk_s)
            assert 0 <= ended.charge.total <= lease.reserved
            assert ended.charge.total + ended.released == lease.reserved
            self.funds = ended.funds
            self.postings.append(-ended.charge.total)

    @rule(amount=st.integers(1, ONE))
    def deposit(self, amount: int) -> None:
        self.funds = Funds(
            self.funds.balance + amount, self.funds.reserved, self.funds.running_per_minute, self.funds.running_calls
        )
        self.postings.append(amount)

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert 0 <= self.funds.reserved <= self.funds.balance

    @invariant()
    def the_balance_is_the_sum_of_its_postings(self) -> None:
        assert self.funds.balance == sum(self.postings)

    @invariant()
    def what_is_reserved_belongs_to_running_calls(self) -> None:
        assert self.funds.reserved == sum(lease.reserved for lease in self.leases.values())
        assert self.funds.running_per_minute == sum(lease.per_minute for lease in self.leases.values())
        assert self.funds.running_calls == len(self.leases)


OneAccount.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOneAccount = OneAccount.TestCase


@given(rates, st.integers(0, 10**8), st.integers(0, 5000))
def test_a_charge_never_exceeds_what_its_call_reserved(rate: Rate, balance: int, talk_s: int) -> None:
    outcome = reserve(Funds(balance=balance), rate)
    if isinstance(outcome, Granted):
        assert settle(outcome.funds, outcome.lease, talk_s).charge.total <= outcome.lease.reserved <= balance
