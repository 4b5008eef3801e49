"""What a payment is worth, out of what its gateway said: in whatever order, and however often."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.payment import Fact, FactKind, credit, standing

PAID = 20_000_000


def said(kind: FactKind, ident: str, amount: int, currency: str = "EUR") -> Fact:
    return Fact(kind, ident, "pi_1", amount, currency)


def left(*facts: Fact, wanted: tuple[int, ...] = ()) -> int:
    return standing(PAID, "EUR", facts, wanted).left


REFUND = said(FactKind.REFUNDED, "re_1", 3_000_000)
DISPUTE = said(FactKind.DISPUTED, "dp_1", 8_000_000)


def test_what_nobody_took_back_is_left() -> None:
    assert left() == PAID


def test_refunds_add_up_and_a_sum_that_the_gateway_says_counts_once() -> None:
    other = said(FactKind.REFUNDED, "re_2", 2_000_000)
    assert left(REFUND, other) == PAID - 5_000_000
    assert left(REFUND, other, said(FactKind.REFUNDED_IN_ALL, "ch:5", 5_000_000)) == PAID - 5_000_000
    assert left(REFUND, said(FactKind.REFUNDED_IN_ALL, "ch:9", 9_000_000)) == PAID - 9_000_000


def test_a_refund_that_was_asked_for_is_gone_before_the_gateway_answers_and_counts_once_after() -> None:
    assert left(wanted=(3_000_000,)) == PAID - 3_000_000
    assert left(REFUND, wanted=(3_000_000,)) == PAID - 3_000_000


def test_an_open_dispute_holds_a_won_one_gives_back_a_lost_one_takes() -> None:
    won, lost = said(FactKind.DISPUTE_WON, "dp_1", 8_000_000), said(FactKind.DISPUTE_LOST, "dp_1", 6_000_000)
    assert left(DISPUTE) == PAID - 8_000_000
    assert left(DISPUTE, won) == PAID
    assert left(DISPUTE, lost) == PAID - 6_000_000
    assert left(DISPUTE, won, lost) == PAID - 6_000_000
    assert left(won) == PAID


def test_a_reversal_after_a_lost_dispute_is_the_same_money_and_a_refund_is_not() -> None:
    reversal = said(FactKind.REVERSED, "re_9", 8_000_000)
    assert left(DISPUTE, reversal) == PAID - 8_000_000
    assert left(reversal) == PAID - 8_000_000
    assert left(DISPUTE, reversal, REFUND) == PAID - 11_000_000


def test_what_is_said_in_another_currency_takes_all_of_it() -> None:
    assert left(said(FactKind.DISPUTED, "dp_1", 1, "USD")) == 0
    assert left(said(FactKind.REFUNDED, "re_1", 1, "USD")) == 0


def test_no_more_is_taken_back_than_was_paid() -> None:
    assert left(DISPUTE, said(FactKind.REFUNDED, "re_1", PAID), said(FactKind.REVERSED, "x", 2 * PAID)) == 0


KINDS = st.sampled_from([kind for kind in FactKind if kind not in (FactKind.PENDING, FactKind.FAILED)])
FACTS = st.lists(st.builds(said, KINDS, st.sampled_from("abc"), st.integers(1, 2 * PAID)), max_size=8)


@given(facts=FACTS, data=st.data())
def test_the_order_in_which_things_are_said_does_not_count(facts: list[Fact], data: st.DataObject) -> None:
    unique = list({(fact.kind, fact.ident): fact for fact in facts}.values())
    shuffled = data.draw(st.permutations(unique))
    assert left(*shuffled) == left(*unique)
    assert 0 <= left(*unique) <= PAID


def test_credit_in_another_currency_is_rounded_down() -> None:
    assert credit(20_000_000, Fraction(23, 25)) == 18_400_000
    assert credit(1, Fraction(2, 3)) == 0
