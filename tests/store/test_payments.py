"""Payments in the store: credited once whatever comes, taken back below zero if need be, and calls closed then."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pysrv.billing.ledger import Level, Shortfall, renew, reserve
from pysrv.billing.payment import Fact, FactKind, History, PaymentStatus, standing
from pysrv.billing.tariff import Rate
from pysrv.store import NewAccount, Store, StoreError
from pysrv.store.payment_reading import Payment
from tests.store.conftest import Clock

PAID = 20_000_000
REFERENCE = "apl-1"
ONE = Fraction(1)


def at_once(_payment: Payment, _fact: Fact, _history: History) -> tuple[str, ...]:
    return ()


def waits(_payment: Payment, _fact: Fact, _history: History) -> tuple[str, ...]:
    return ("it is the first",)


def begin(store: Store, name: str = "alice", reference: str = REFERENCE) -> Payment:
    account = store.account(name) or store.add_account(NewAccount(name, "s3cret-word", "pbx"))
    payment = store.add_payment(reference, "stripe", account, PAID, "EUR", ONE, 0.0)
    store.note_order(payment.id, f"cs-{reference}")
    return payment


def said(kind: FactKind, ident: str, amount: int, payment_id: str = "pi_1", reference: str = "") -> Fact:
    return Fact(kind, ident, payment_id, amount, "EUR", 1.0, reference)


def captured(reference: str = REFERENCE, payment_id: str = "pi_1", amount: int = PAID) -> Fact:
    return said(FactKind.CAPTURED, payment_id, amount, payment_id, reference)


def balance(store: Store, name: str = "alice") -> int:
    account = store.account(name)
    assert account is not None
    return account.balance


def code_of(change: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as error:
        change()
    return f"{error.value.code}: {error.value.message}"


CAPTURED = captured()
STORY = (
    CAPTURED,
    said(FactKind.REFUNDED, "re_1", 3_000_000),
    said(FactKind.REFUNDED_IN_ALL, "ch:3", 3_000_000),
    said(FactKind.REFUNDED_IN_ALL, "ch:5", 5_000_000),
    said(FactKind.DISPUTED, "dp_1", 9_000_000),
    said(FactKind.DISPUTE_WON, "dp_1", 9_000_000),
    said(FactKind.DISPUTED, "dp_2", 4_000_000),
    said(FactKind.REVERSED, "rv_1", 2_000_000),
    Fact(FactKind.PENDING, "cs", "", reference=REFERENCE),
    Fact(FactKind.FAILED, "cs:expired", "", reference=REFERENCE),
)
numbers = itertools.count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.one_of(st.integers(0, len(STORY) - 1), st.sampled_from(["restart", "crash", "commit"])), max_size=30
    ),
    data=st.data(),
)
def test_whatever_comes_however_often_and_whenever_it_ends_the_credit_is_what_was_said(
    tmp_path: Path, events: list[int | str], data: st.DataObject
) -> None:
    """A crash throws away what was not committed; the gateway sends again what it got no answer to."""
    path = tmp_path / f"{next(numbers)}.db"
    store = Store.open(path, Clock())
    begin(store)
    store.commit()
    answered: set[int] = set()
    pending: set[int] = set()
    for event in events:
        if isinstance(event, int):
            store.take_fact("stripe", STORY[event], at_once, lock=False)
            pending.add(event)
        else:
            if event != "crash":
                store.commit()
                answered |= pending
            pending.clear()
            if event != "commit":
                store.close()
                store = Store.open(path, Clock())
        _consistent(store)
    for event in data.draw(st.permutations(sorted(set(range(len(STORY))) - answered))):
        store.take_fact("stripe", STORY[event], at_once, lock=False)
    _consistent(store)
    assert balance(store) == PAID - 5_000_000 - 4_000_000
    assert store.payment(1).status is PaymentStatus.APPROVED  # type: ignore[union-attr]
    store.close()


def _consistent(store: Store) -> None:
    """The balance is the sum of its postings, and what the facts that are known so far make of the payment."""
    payment = store.payment_of_reference(REFERENCE)
    assert payment is not None
    postings = store.postings("alice")
    assert balance(store) == sum(posting.amount for posting in postings) == payment.posted
    assert sum(posting.kind == "deposit" for posting in postings) <= 1
    if payment.captured:
        assert payment.posted == standing(PAID, "EUR", store.payment_facts(payment)).left
    else:
        assert payment.posted == 0


def test_a_fact_is_news_once(store: Store) -> None:
    begin(store)
    assert [store.take_fact("stripe", CAPTURED, at_once, lock=False).news for _ in range(3)] == [True, False, False]
    assert [posting.amount for posting in store.postings("alice")] == [PAID]


def test_the_same_names_at_two_gateways_are_two_payments(store: Store) -> None:
    begin(store)
    taken = store.take_fact("paypal", CAPTURED, at_once, lock=False)
    assert (taken.news, balance(store)) == (False, 0)


def test_a_payment_that_waits_is_credited_by_a_decision_alone_and_once(store: Store) -> None:
    number = begin(store).id
    store.take_fact("stripe", CAPTURED, waits, lock=False)
    assert (balance(store), store.payment(number).reasons) == (0, "it is the first")  # type: ignore[union-attr]
    store.approve_payment(number, "root", "spoke to him")
    assert balance(store) == PAID
    assert "does not wait" in code_of(lambda: store.approve_payment(number, "root"))
    assert "does not wait" in code_of(lambda: store.reject_payment(number, "root"))
    assert balance(store) == PAID
    actions = [(row.who, row.action) for row in store.audit(10) if row.action.startswith("payment")]
    assert actions == [("root", "payment.credit"), ("root", "payment.approved"), ("gateway stripe", "payment.waiting")]


def test_what_was_taken_back_while_it_waited_is_not_credited(store: Store) -> None:
    number = begin(store).id
    store.take_fact("stripe", CAPTURED, waits, lock=False)
    store.take_fact("stripe", said(FactKind.REFUNDED, "re_1", 15_000_000), waits, lock=False)
    store.approve_payment(number, "root")
    assert balance(store) == 5_000_000


def test_a_rejected_payment_is_never_credited_and_goes_back(store: Store) -> None:
    number = begin(store).id
    store.take_fact("stripe", CAPTURED, waits, lock=False)
    store.reject_payment(number, "root")
    [refund] = store.payment_refunds(number)
    assert (refund.amount, refund.status, refund.key) == (PAID, "wanted", "apl-1-refund-1")
    assert store.refunds_to_send("stripe", store._clock()) == [refund]
    assert store.payments_wait_until("stripe") == refund.next_at
    assert store.refunds_to_send("paypal", store._clock()) == []
    assert store.payments_wait_until("paypal") is None
    assert (balance(store), store.postings("alice")) == (0, [])


def test_no_more_can_be_given_back_than_is_left(store: Store) -> None:
    number = begin(store).id
    assert "is open" in code_of(lambda: store.refund_payment(number, None, "root"))
    store.take_fact("stripe", CAPTURED, at_once, lock=False)
    store.refund_payment(number, 12_000_000, "root")
    assert balance(store) == 8_000_000
    assert "8.00 EUR can be given back" in code_of(lambda: store.refund_payment(number, 8_000_001, "root"))
    assert "8.00 EUR can be given back" in code_of(lambda: store.refund_payment(number, 0, "root"))
    store.refund_payment(number, None, "root")
    assert "0.00 EUR can be given back" in code_of(lambda: store.refund_payment(number, None, "root"))
    assert balance(store) == 0


def test_a_chargeback_goes_below_zero_closes_calls_and_ends_those_that_run(store: Store) -> None:
    begin(store)
    store.take_fact("stripe", CAPTURED, at_once, lock=True)
    rate = Rate("49", 1_000_000)
    account = store.account("alice")
    assert account is not None
    running = reserve([Level(account.id, account.funds, rate)])
    assert not isinstance(running, Shortfall)
    store.adjust("alice", -18_000_000)  # talked away
    taken = store.take_fact("stripe", said(FactKind.DISPUTED, "dp_1", PAID), at_once, lock=True)
    assert (taken.moved, taken.locked, balance(store)) == (-PAID, True, -18_000_000)
    account = store.account("alice")
    assert account is not None
    assert account.locklevel == 2
    assert isinstance(reserve([Level(account.id, account.funds, rate)]), Shortfall)
    held = running.levels[0].funds
    poorer = Level(account.id, replace(held, balance=account.balance), rate)
    assert isinstance(renew([poorer], running.lease), Shortfall)


def test_a_dispute_that_is_heard_of_before_its_payment_locks_with_it_and_credits_nothing(store: Store) -> None:
    begin(store)
    early = store.take_fact("stripe", said(FactKind.DISPUTED, "dp_1", PAID), at_once, lock=True)
    assert (early.news, early.payment, early.locked) == (True, None, False)
    taken = store.take_fact("stripe", CAPTURED, at_once, lock=True)
    assert (taken.locked, taken.moved, balance(store)) == (True, 0, 0)


def test_what_belongs_to_no_payment_of_ours_is_forgotten_after_a_year_and_a_dispute_of_ours_is_not(
    store: Store, clock: Clock
) -> None:
    begin(store)
    store.take_fact("stripe", CAPTURED, at_once, lock=False)
    store.take_fact("stripe", said(FactKind.REFUNDED, "re_1", 1), at_once, lock=False)
    store.take_fact("stripe", said(FactKind.REFUNDED, "re_2", 1, "pi_foreign"), at_once, lock=False)
    assert store.drop_unclaimed_facts() == 0
    clock.now += 401 * 86_400
    assert store.drop_unclaimed_facts() == 1
    assert len(store.payment_facts(store.payment(1))) == 2  # type: ignore[arg-type]


def test_a_removed_account_is_not_credited_and_its_chargeback_still_counts(store: Store) -> None:
    number = begin(store).id
    store.take_fact("stripe", CAPTURED, waits, lock=False)
    store.remove_account("alice")
    assert "was removed" in code_of(lambda: store.approve_payment(number, "root"))
    store.reject_payment(number, "root")


def test_a_name_that_was_given_again_does_not_inherit_the_lock(store: Store) -> None:
    begin(store)
    store.take_fact("stripe", CAPTURED, at_once, lock=True)
    store.remove_account("alice")
    store.add_account(NewAccount("alice", "s3cret-word", "pbx"))
    taken = store.take_fact("stripe", said(FactKind.DISPUTED, "dp_1", PAID), at_once, lock=True)
    assert (taken.locked, balance(store)) == (False, 0)
    assert store.account("alice").locklevel == 0  # type: ignore[union-attr]


def test_history_tells_what_the_account_did_before(store: Store, clock: Clock) -> None:
    for number in range(4):
        begin(store, reference=f"apl-{number}")
        fact = captured(f"apl-{number}", f"pi_{number}", (number + 1) * 1_000_000)
        store.take_fact("stripe", fact, at_once, lock=False)
        clock.now += 1000
    failed = begin(store, reference="apl-f")
    store.note_payment_failed(failed.id, "declined")
    begin(store, reference="apl-left")
    clock.now += 3601
    store.take_fact("stripe", said(FactKind.DISPUTED, "dp_1", 1, "pi_0"), at_once, lock=False)
    history = store.payment_history(begin(store, reference="apl-new"))
    assert (history.first, history.usual, history.recent, history.failed) == (False, 2_500_000, 0, 2)
    assert (history.disputed, history.exists, history.age_s) == (True, True, 7601.0)
    clock.now -= 2002
    assert store.payment_history(begin(store, reference="apl-newer")).recent == 2
