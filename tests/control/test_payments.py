"""Verbs about payments: what an operator sees and decides, who may, and what is only written down for the cashier."""

from fractions import Fraction

import pytest

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.payment import Fact, FactKind
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import Powers, Role
from pysrv.store import NewAccount, Store
from tests.control.office import NOW, Operator, Service

STRIPE = Settings().with_changes({"paymentgateway": "stripe"}, 1)


def operator(store: Store, service: Service | None = None, licence: Licence | None = None) -> Operator:
    return Operator(Control(store, service, clock=lambda: NOW).session("root", licence))


def pay(store: Store, waits: bool = True, reference: str = "apl-1") -> int:
    account = store.account("alice") or store.add_account(NewAccount("alice", "s3cret-word", "pbx"))
    payment = store.add_payment(reference, "stripe", account, 20_000_000, "EUR", Fraction(1), NOW + 300)
    why = ("it is above paymentmaxauto (10.00)",) if waits else ()
    fact = Fact(FactKind.CAPTURED, f"pi-{reference}", f"pi-{reference}", 20_000_000, "EUR", NOW, reference)
    store.take_fact("stripe", fact, lambda *_: why, lock=False)
    store.commit()
    return payment.id


def test_a_list_shows_what_waits_and_why(store: Store) -> None:
    first, second = pay(store), pay(store, waits=False, reference="apl-2")
    root = operator(store)
    assert [row["id"] for row in root.ask("payments.list")["payments"]] == [second, first]
    [row] = root.ask("payments.list", status="waiting")["payments"]
    assert (row["id"], row["account"], row["captured"], row["credited"]) == (first, "alice", "20.00", "0.00")
    assert row["reasons"] == "it is above paymentmaxauto (10.00)"
    assert root.ask("payments.list", account="bob")["payments"] == []
    assert [row["id"] for row in root.ask("payments.list", limit=1, before_id=second)["payments"]] == [first]


def test_a_payment_is_shown_with_everything_that_was_said_of_it(store: Store) -> None:
    shown = operator(store).ask("payments.show", id=pay(store))
    assert [(fact["kind"], fact["amount"]) for fact in shown["facts"]] == [("captured", "20.00")]
    assert (shown["left"], shown["refunded"], shown["refunds"]) == ("20.00", "0.00", [])
    with pytest.raises(WireError, match="no payment"):
        operator(store).ask("payments.show", id=99)


def test_approving_credits_and_the_service_forgets_what_it_knew_of_the_account(store: Store) -> None:
    service = Service()
    answer = operator(store, service).ask("payments.approve", id=pay(store), note="he rang")
    assert (answer["payment"]["status"], answer["payment"]["credited"]) == ("approved", "20.00")
    assert (answer["payment"]["decided_by"], answer["payment"]["note"]) == ("root", "he rang")
    assert service.told == [("account", "alice")]
    with pytest.raises(WireError, match="does not wait"):
        operator(store, service).ask("payments.approve", id=1)
    assert store.account("alice").balance == 20_000_000  # type: ignore[union-attr]


def test_rejecting_and_refunding_are_written_down_for_the_cashier(store: Store) -> None:
    service = Service()
    root = operator(store, service)
    rejected = root.ask("payments.reject", id=pay(store))
    assert [(each["amount"], each["status"]) for each in rejected["refunds"]] == [("20.00", "wanted")]
    assert service.told == [("payments",)]
    number = pay(store, waits=False, reference="apl-2")
    refunded = root.ask("payments.refund", id=number, amount="5.00", note="half")
    assert (refunded["payment"]["credited"], refunded["left"]) == ("15.00", "15.00")
    with pytest.raises(WireError, match="can be given back"):
        root.ask("payments.refund", id=number, amount="15.01")
    with pytest.raises(WireError, match="not an amount"):
        root.ask("payments.refund", id=number, amount="all")
    assert store.account("alice").balance == 15_000_000  # type: ignore[union-attr]


def test_decisions_are_made_while_the_office_is_down_too(store: Store) -> None:
    assert operator(store).ask("payments.reject", id=pay(store))["payment"]["status"] == "rejected"


def test_a_note_is_one_short_line(store: Store) -> None:
    number = pay(store)
    for note in ("x" * 201, "a\nb"):
        with pytest.raises(WireError, match="printable"):
            operator(store).ask("payments.approve", id=number, note=note)


@pytest.mark.parametrize("role", list(Role))
def test_who_may_not_change_money_decides_nothing(store: Store, role: Role) -> None:
    number = pay(store)
    somebody = operator(store, Service(STRIPE), Licence(Powers.of(role), proven=True))
    may = role in (Role.OWNER, Role.ADMIN, Role.SALES)
    assert somebody.ask("payments.list")["payments"]
    if may:
        somebody.ask("payments.approve", id=number)
        unproven = operator(store, Service(STRIPE), Licence(Powers.of(role), proven=False))
        with pytest.raises(WireError, match="password"):
            unproven.ask("payments.refund", id=number)
        return
    for verb in ("approve", "reject", "refund"):
        with pytest.raises(WireError, match="may not change"):
            somebody.ask(f"payments.{verb}", id=number)
    with pytest.raises(WireError, match="may not change"):
        somebody.ask("payments.reconcile", since=NOW - 60)
    assert store.account("alice").balance == 0  # type: ignore[union-attr]


def test_a_comparison_is_asked_for_and_shown_when_it_is_done(store: Store) -> None:
    service = Service(STRIPE)
    root = operator(store, service)
    number = root.ask("payments.reconcile", since=NOW - 3600)["id"]
    assert service.told == [("payments",)]
    assert root.ask("payments.compared", id=number)["done"] is False
    line = '{"difference":"missing_here","payment_id":"pi","number":0,"account":"","at":1.0,"currency":"EUR",'
    store.note_comparison(
        number, f'{{"lines":[{line}"theirs":20000000,"ours":0}}],"more":0,"same":3,"foreign":1,"until":5.0}}'
    )
    found = root.ask("payments.compared", id=number)
    assert (found["done"], found["same"], found["foreign"], found["until"]) == (True, 3, 1, 5.0)
    assert (found["lines"][0]["theirs"], found["lines"][0]["ours"]) == ("20.00", "0.00")
    with pytest.raises(WireError, match="no comparison"):
        root.ask("payments.compared", id=99)


def test_a_comparison_needs_a_running_office_a_gateway_and_a_span(store: Store) -> None:
    with pytest.raises(WireError, match="not running"):
        operator(store).ask("payments.reconcile", since=NOW - 60)
    with pytest.raises(WireError, match="no gateway is in use"):
        operator(store, Service()).ask("payments.reconcile", since=NOW - 60)
    root = operator(store, Service(STRIPE))
    with pytest.raises(WireError, match="no gateway"):
        root.ask("payments.reconcile", since=NOW - 60, gateway="bank")
    for since, until in ((NOW, None), (NOW + 5, NOW + 9), (NOW - 400 * 86_400, None), (NOW - 5, NOW - 9)):
        with pytest.raises(WireError, match="at most a year"):
            root.ask("payments.reconcile", since=since, until=until)
