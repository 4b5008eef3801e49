"""Days of accounts in the store: settlements, blocks, the month's turn, and the chain that is charged."""

from datetime import UTC

import pytest

from pysrv.billing.calendar import Days, day_of, first_day, month_of
from pysrv.billing.cdr import Cdr
from pysrv.billing.ledger import Ceiling, Shortfall
from pysrv.billing.tariff import Rate
from pysrv.store import Store, StoreError
from pysrv.store.account import Account, AccountType, NewAccount
from pysrv.store.rows import NewCall
from tests.store.conftest import Clock

ONE = 1_000_000
RATE, HALF = Rate("49", per_minute=ONE), Rate("49", per_minute=ONE // 2)
DAY = 86_400.0


def account(store: Store, name: str = "alice", **fields: object) -> Account:
    return store.add_account(NewAccount(name, "x", "example.com", balance=100 * ONE, **fields))  # type: ignore[arg-type]


def talk(store: Store, account_id: int, call_id: str, seconds: float, *above: Rate) -> Cdr:
    store.open_call(NewCall(call_id, account_id, "101", "49301", "192.0.2.1", rate=RATE, above=above))
    return store.settle(Cdr(call_id, answered_at=1.0, duration_s=seconds))


def test_a_settled_call_counts_on_the_day_on_which_it_is_settled(store: Store, clock: Clock) -> None:
    alice = account(store)
    talk(store, alice.id, "a", 30)
    assert (store.usage(alice.id).spent_today, store.usage(alice.id).seconds_today) == (ONE // 2, 30)
    clock.now += DAY
    assert store.usage(alice.id).spent_today == 0
    assert store.usage(alice.id).peak == ONE // 2
    talk(store, alice.id, "b", 60)
    rows = [(row.spent, row.calls) for row in store.days("alice")]
    assert rows == [(ONE, 1), (ONE // 2, 1)]


def test_what_is_remembered_of_a_day_is_what_a_fresh_look_finds(store: Store) -> None:
    alice = account(store)
    for number in range(3):
        talk(store, alice.id, str(number), 10 + number)
    held = store.usage(alice.id)
    store._forget()
    assert store.usage(alice.id) == held


def test_a_blocked_day_does_not_teach(store: Store, clock: Clock) -> None:
    alice = account(store)
    talk(store, alice.id, "a", 30)
    assert store.block_today(alice.id, "maxdailycredit")
    assert not store.block_today(alice.id, "other")
    assert store.usage(alice.id).blocked == "maxdailycredit"
    clock.now += DAY
    assert (store.usage(alice.id).blocked, store.usage(alice.id).peak) == ("", 0)


def test_an_operator_lifts_a_block_for_today(store: Store, clock: Clock) -> None:
    alice = account(store)
    store.block_today(alice.id, "maxdailycredit")
    assert store.allow_today("alice", 5).extra == 5
    assert store.usage(alice.id).blocked == ""
    clock.now += DAY
    assert store.usage(alice.id).extra == 0
    with pytest.raises(StoreError, match="at least 0"):
        store.allow_today("alice", -1)


def test_the_limits_that_the_store_is_given_bound_every_lease(store: Store) -> None:
    alice = account(store)
    asked: list[tuple[str, str]] = []

    def ceilings(who: Account, usage: object, source: str) -> tuple[Ceiling, ...]:
        asked.append((who.name, source))
        return (Ceiling("day", ONE, usage.spent_today),)  # type: ignore[attr-defined]

    store.use_limits(ceilings, Days(UTC))
    talk(store, alice.id, "a", 45)
    assert asked[0] == ("alice", "192.0.2.1")
    store.open_call(NewCall("b", alice.id, "101", "49301", rate=RATE))
    while not isinstance(short := store.renew_lease("b"), Shortfall):
        pass
    assert (short.setting, short.account) == ("day", "alice")
    assert store.usage(alice.id).spent_today + store.account("alice").reserved <= ONE  # type: ignore[union-attr]


def test_every_level_of_a_chain_is_charged_and_written_down(store: Store) -> None:
    reseller = account(store, "reseller", type=AccountType.RESELLER)
    alice = account(store, parent="reseller")
    store.open_call(NewCall("a", alice.id, "101", "49301", rate=RATE, above=(HALF,)))
    assert [store.account(name).lines for name in ("alice", "reseller")] == [1, 1]  # type: ignore[union-attr]
    store.settle(Cdr("a", answered_at=1.0, duration_s=60))
    assert store.account("alice").balance == 99 * ONE  # type: ignore[union-attr]
    assert store.account("reseller").balance == 100 * ONE - ONE // 2  # type: ignore[union-attr]
    assert store._all("SELECT level, account_id, amount FROM charges ORDER BY level") == [
        (0, alice.id, ONE),
        (1, reseller.id, ONE // 2),
    ]
    assert [row.amount for row in store.postings("reseller")] == [-ONE // 2, 100 * ONE]


def test_nobody_is_above_himself_and_only_resellers_are_above_anybody(store: Store) -> None:
    account(store, "one", type=AccountType.RESELLER)
    account(store, "two", type=AccountType.RESELLER, parent="one")
    account(store)
    for name, parent, words in (("one", "two", "below it"), ("one", "one", "itself"), ("two", "alice", "no reseller")):
        with pytest.raises(StoreError, match=words):
            store.set_account(name, parent=parent)
    with pytest.raises(StoreError, match="accounts are below one"):
        store.remove_account("one")
    with pytest.raises(StoreError, match="one stays a reseller"):
        store.set_account("one", type=AccountType.END_USER)


def test_a_month_turns_once_and_its_first_month_is_not_looked_back_on(store: Store, clock: Clock) -> None:
    alice = account(store, maxmonthlycredit=10, maxmonthlycreditinc=4, maxmonthlycreditend=17)
    assert store.turn_month() == 0
    talk(store, alice.id, "a", 10)
    for limit in (14, 14, 14):
        clock.now = first_day(month_of(day_of(clock.now)) + 1) * DAY + 5
        store.turn_month()
        assert store.turn_month() == 0
        assert store.account("alice").maxmonthlycredit == limit  # type: ignore[union-attr]
    talk(store, alice.id, "b", 10)
    clock.now = first_day(month_of(day_of(clock.now)) + 2) * DAY + 5  # a month was slept through
    assert store.turn_month() == 1
    assert store.account("alice").maxmonthlycredit == 17  # type: ignore[union-attr]
