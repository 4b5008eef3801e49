from dataclasses import replace

import pytest

from pysrv.billing.cdr import Carried, Cdr, EndedBy
from pysrv.billing.lease import Lease
from pysrv.billing.ledger import Shortfall
from pysrv.billing.tariff import Rate, charge
from pysrv.store import Account, CallState, NewAccount, NewCall, OpenCall, Store, StoreCode, StoreError
from tests.store.conftest import Clock

ONE = 1_000_000
RATE = Rate("49", per_minute=ONE)
ANSWERED = Cdr("c1", answered_at=100.0, ended_at=130.0, duration_s=29.2, ended_by=EndedBy.CALLER, sip_status=200)


def account(store: Store, balance: int = 10 * ONE, **fields: object) -> Account:
    return store.add_account(NewAccount("alice", "x", "example.com", balance=balance, **fields))  # type: ignore[arg-type]


def opened(
    store: Store, payer: Account | None, call_id: str = "c1", rate: Rate | None = RATE, **more: object
) -> OpenCall:
    new = NewCall(call_id, payer.id if payer else None, "101", "49301", "192.0.2.9", "carrier", rate, **more)  # type: ignore[arg-type]
    lease = store.open_call(new)
    assert isinstance(lease, Lease)
    call = store.open_call_by_id(call_id)
    assert call is not None
    assert call.lease == lease
    return call


def figures(store: Store) -> tuple[int, int, int, int]:
    found = store.account("alice")
    assert found is not None
    return found.balance, found.reserved, found.lines, found.running_per_minute


def test_an_opened_call_holds_its_first_lease(store: Store, clock: Clock) -> None:
    call = opened(store, account(store))
    assert call.lease == Lease(RATE, 60, ONE)
    assert (call.account, call.state, call.setup_at) == ("alice", CallState.SETUP, clock.now)
    assert figures(store) == (10 * ONE, ONE, 1, ONE)
    assert store.open_calls() == [call] == [store.open_call_by_id("c1")]


def test_a_call_that_cannot_be_paid_is_refused_and_leaves_nothing(store: Store) -> None:
    alice = account(store, balance=100)
    short = store.open_call(NewCall("c1", alice.id, "101", "49301", rate=RATE))
    assert isinstance(short, Shortfall)
    assert (short.setting, short.available) == ("credit", 100)
    assert store.open_calls() == []
    assert figures(store) == (100, 0, 0, 0)


def test_an_answered_call_knows_when_its_lease_ends(store: Store) -> None:
    opened(store, account(store))
    store.answer_call("c1", 1000.0, "second carrier", {"leg": [1, 2]})
    (call,) = store.open_calls()
    assert (call.state, call.trunk, call.snapshot, call.lease_ends_at) == (
        CallState.ANSWERED,
        "second carrier",
        {"leg": [1, 2]},
        1060.0,
    )


def test_an_answer_without_trunk_or_snapshot_keeps_what_was_known(store: Store) -> None:
    opened(store, account(store))
    store.save_snapshot("c1", {"a": 1})
    store.answer_call("c1", 1000.0)
    (call,) = store.open_calls()
    assert (call.trunk, call.snapshot) == ("carrier", {"a": 1})


def test_a_renewed_call_reserves_more(store: Store) -> None:
    opened(store, account(store, balance=12 * ONE))
    renewed = store.renew_lease("c1")
    assert renewed == Lease(RATE, 120, 2 * ONE)
    assert [call.lease for call in store.open_calls()] == [renewed]
    assert figures(store) == (12 * ONE, 2 * ONE, 1, ONE)


def test_a_renewal_that_cannot_be_paid_leaves_the_old_lease(store: Store) -> None:
    minutes = Rate("49", ONE, initial_increment_s=60, next_increment_s=60)
    call = opened(store, account(store, balance=ONE), rate=minutes)
    assert isinstance(store.renew_lease("c1"), Shortfall)
    assert store.open_calls() == [call]


def test_a_settled_call_has_a_cdr_a_posting_and_no_lease(store: Store) -> None:
    opened(store, account(store))
    cdr = store.settle(ANSWERED)
    half = ONE // 2
    assert (cdr.charge, cdr.billable_seconds, cdr.rate, cdr.prefix) == (half, 30, RATE, "49")
    assert (cdr.account, cdr.caller, cdr.callee, cdr.trunk, cdr.source) == (
        "alice",
        "101",
        "49301",
        "carrier",
        "192.0.2.9",
    )
    assert figures(store) == (10 * ONE - half, 0, 0, 0)
    assert store.open_calls() == []
    posting = store.postings("alice")[0]
    assert (posting.kind, posting.amount, posting.balance_after, posting.call_id) == (
        "charge",
        -half,
        10 * ONE - half,
        "c1",
    )


def test_a_second_settlement_changes_nothing_and_returns_the_first_record(store: Store) -> None:
    opened(store, account(store))
    first = store.settle(ANSWERED)
    before = figures(store)
    assert store.settle(replace(ANSWERED, duration_s=3000.0, cause=41)) == first
    assert figures(store) == before
    assert len(store.postings("alice")) == 2
    assert store.cdrs() == [first]


def test_a_call_id_that_ended_is_never_opened_again(store: Store) -> None:
    alice = account(store)
    opened(store, alice)
    with pytest.raises(StoreError) as caught:
        opened(store, alice)
    assert caught.value.code is StoreCode.CONFLICT
    store.settle(ANSWERED)
    with pytest.raises(StoreError) as caught:
        opened(store, alice)
    assert caught.value.code is StoreCode.CONFLICT
    assert figures(store)[1:] == (0, 0, 0)


def test_a_call_that_was_never_answered_costs_nothing(store: Store) -> None:
    opened(store, account(store))
    cdr = store.settle(Cdr("c1", ended_at=9.0, sip_status=486, cause=17))
    assert (cdr.charge, cdr.billable_seconds, cdr.answered) == (0, 0, False)
    assert figures(store) == (10 * ONE, 0, 0, 0)
    assert [row.kind for row in store.postings("alice")] == ["deposit"]


def test_an_answer_that_the_record_forgot_is_still_paid(store: Store) -> None:
    opened(store, account(store))
    store.answer_call("c1", 100.0)
    assert store.settle(Cdr("c1", ended_at=130.0, duration_s=30.0)).charge == ONE // 2


def test_a_charge_never_exceeds_the_lease(store: Store) -> None:
    opened(store, account(store))
    assert store.settle(replace(ANSWERED, duration_s=60.4)).charge == ONE


def test_a_stored_record_is_read_back_as_it_was_returned_and_explains_its_price(store: Store) -> None:
    opened(store, account(store))
    media = Carried(1500, 258_000, 129.9)
    cdr = store.settle(replace(ANSWERED, from_caller=media, ringing_at=98.0, reason="Normal call clearing"))
    read = store.cdr("c1")
    assert read == cdr
    assert read is not None
    assert read.from_caller == media
    assert read.rate is not None
    assert sum(line.amount for line in charge(read.rate, read.billable_seconds).lines) == read.charge


def test_a_postpaid_account_goes_below_zero(store: Store) -> None:
    opened(store, account(store, balance=0, postpaid=True))
    store.settle(ANSWERED)
    assert figures(store) == (-ONE // 2, 0, 0, 0)


def test_an_emergency_call_passes_an_empty_account_and_costs_nothing(store: Store) -> None:
    call = opened(store, account(store, balance=0), emergency=True)
    assert call.lease == Lease(None, 60, 0)
    cdr = store.settle(ANSWERED)
    assert (cdr.charge, cdr.emergency) == (0, True)


def test_a_call_that_nobody_pays_still_has_a_lease_that_ends(store: Store) -> None:
    call = opened(store, None)
    assert call.lease == Lease(None, 60, 0)
    renewed = store.renew_lease("c1")
    assert renewed == Lease(None, 120, 0)
    assert store.settle(ANSWERED).charge == 0


def test_a_refused_call_leaves_a_cdr_that_names_the_setting(store: Store) -> None:
    account(store)
    refused = Cdr("c9", account="alice", caller="101", callee="870", sip_status=403, refused_by="credit", setup_at=5.0)
    assert store.settle(refused) == refused
    assert store.cdr("c9") == refused
    assert figures(store) == (10 * ONE, 0, 0, 0)


def test_what_a_call_costs_us_comes_from_the_trunks_rate(store: Store) -> None:
    opened(store, account(store))
    assert store.settle(ANSWERED, Rate("49", per_minute=400_000)).cost == 200_000


def test_verbs_on_a_call_that_is_not_open_say_so(store: Store) -> None:
    for verb in (
        lambda: store.renew_lease("x"),
        lambda: store.answer_call("x", 1.0),
        lambda: store.save_snapshot("x", {}),
    ):
        with pytest.raises(StoreError, match="no call 'x' is open"):
            verb()


def test_a_call_of_an_unknown_account_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no account with id 77"):
        store.open_call(NewCall("c1", 77, "1", "2"))


@pytest.mark.parametrize(
    ("carried_until", "seconds"),
    [(1030.0, 30), (1059.9, 60), (5000.0, 60), (900.0, 1)],
)
def test_a_call_that_a_restart_interrupted_pays_what_was_carried_within_its_lease(
    store: Store, carried_until: float, seconds: int
) -> None:
    opened(store, account(store))
    store.answer_call("c1", 1000.0)
    (call,) = store.open_calls()
    cdr = store.close_interrupted(call, carried_until)
    assert (cdr.billable_seconds, cdr.cause, cdr.ended_by) == (seconds, 41, EndedBy.APPLIANCE)
    assert cdr.caller == "101"
    assert figures(store)[1:] == (0, 0, 0)


def test_a_call_that_a_restart_interrupted_before_its_answer_is_free(store: Store) -> None:
    opened(store, account(store))
    assert store.close_interrupted(store.open_calls()[0], 5000.0).charge == 0


def test_two_hundred_calls_on_money_for_ninety_seconds_never_overspend(store: Store) -> None:
    alice = account(store, balance=ONE + ONE // 2)
    calls = [f"call {number}" for number in range(200)]
    outcomes = [store.open_call(NewCall(call, alice.id, "1", "49", rate=RATE)) for call in calls]
    assert any(isinstance(outcome, Shortfall) for outcome in outcomes)
    running = store.open_calls()
    while running:
        call = running.pop(0)
        if isinstance(store.renew_lease(call.call_id), Lease):
            running += [held for held in [store.open_call_by_id(call.call_id)] if held]
        else:
            store.settle(replace(ANSWERED, call_id=call.call_id, duration_s=float(call.lease.covered_s)))
        balance, reserved, *_ = figures(store)
        assert 0 <= reserved <= balance
    balance, *rest = figures(store)
    assert rest == [0, 0, 0]
    assert balance < charge(RATE, 1).total
    assert sum(posting.amount for posting in store.postings("alice")) == balance
