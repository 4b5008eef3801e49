"""Entries of blacklists and what accounts are used to, as rows."""

import pytest

from pysrv.store import Store, StoreError, blacklists
from pysrv.store.blacklists import BlacklistFilter, BlacklistRow
from pysrv.store.rows import NewAccount
from tests.store.conftest import Clock

SATELLITES = BlacklistRow(0, "destination", "fixed", "881", reason="satellites")
PEST = BlacklistRow(0, "caller", "smart", "491511234", whole=True, account="alice", confidence=4)


def dynamic(digits: str, expires_at: float) -> BlacklistRow:
    return BlacklistRow(0, "destination", "dynamic", digits, expires_at=expires_at)


def test_an_entry_is_kept_with_who_made_it_and_audited(store: Store, clock: Clock) -> None:
    made = store.add_blacklist(SATELLITES, "root")
    assert (made.digits, made.whole, made.created_at, made.who) == ("881", False, clock.now, "root")
    assert store.blacklist() == [made]
    assert store.remove_blacklist(made.id, "root") == made
    assert store.blacklist() == []
    assert [row.action for row in store.audit()][:2] == ["blacklist.remove", "blacklist.add"]
    with pytest.raises(StoreError, match="no entry"):
        store.remove_blacklist(made.id)


def test_an_entry_at_the_same_place_is_replaced(store: Store) -> None:
    store.put_blacklist([PEST, SATELLITES])
    store.put_blacklist([BlacklistRow(0, "caller", "smart", "491511234", True, "alice", 6, reason="worse")])
    rows = store.blacklist()
    assert [(row.digits, row.confidence, row.reason) for row in rows] == [
        ("491511234", 6, "worse"),
        ("881", 0, "satellites"),
    ]
    assert store.blacklist_counts() == {"fixed": 1, "smart": 1}


def test_entries_are_chosen_by_side_kind_account_and_digits(store: Store) -> None:
    store.put_blacklist([SATELLITES, PEST, dynamic("8816", 9e9), dynamic("88", 9e9)])

    def chosen(**wanted: str) -> list[str]:
        return [row.digits for row in store.blacklist(BlacklistFilter(**wanted))]

    assert chosen(side="caller") == ["491511234"]
    assert chosen(kind="dynamic") == ["8816", "88"]
    assert chosen(account="") == ["881", "8816", "88"]
    assert chosen(digits="881") == ["881", "8816"]
    assert chosen(holds="881612345") == ["881", "8816", "88"]
    assert chosen(holds="491511234") == ["491511234"]
    assert chosen(holds="4915112345") == []  # it is about this number alone
    assert [row.digits for row in store.blacklist(limit=2)] == ["881", "491511234"]


def test_all_entries_are_read_as_the_lists_in_memory_take_them(store: Store) -> None:
    store.put_blacklist([SATELLITES, PEST, dynamic("8816", 9e9)])
    assert list(store.blacklist_entries()) == [
        ("destination", "fixed", "881", 0, "", 0, 0.0),
        ("caller", "smart", "491511234", 1, "alice", 4, 0.0),
        ("destination", "dynamic", "8816", 0, "", 0, 9e9),
    ]


def test_dynamic_entries_end_and_are_never_too_many(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_blacklist([SATELLITES, dynamic("1", clock.now + 10), dynamic("2", clock.now + 20)])
    clock.now += 10
    assert store.expire_blacklist() == 1
    assert [row.digits for row in store.blacklist()] == ["881", "2"]
    monkeypatch.setattr(blacklists, "MOST_DYNAMIC", 3)
    store.put_blacklist(dynamic(str(each), clock.now + 20) for each in range(10, 15))
    assert store.expire_blacklist() == 3
    assert [row.digits for row in store.blacklist(BlacklistFilter(kind="dynamic"))] == ["12", "13", "14"]
    assert store.expire_blacklist() == 0


def test_what_is_usual_comes_from_earlier_days_without_an_alarm(store: Store) -> None:
    account = store.add_account(NewAccount("alice", "correct-horse-42", "appliance"), "test").id
    assert store.usual_exposure(account, 100) == (0, 0)
    store.note_exposure(account, 90, 500, 20, alarmed=False)
    store.note_exposure(account, 90, 300, 30, alarmed=False)
    store.note_exposure(account, 91, 9000, 900, alarmed=False)
    store.note_exposure(account, 91, 1, 1, alarmed=True)
    store.note_exposure(account, 100, 7000, 700, alarmed=False)
    assert store.usual_exposure(account, 100) == (500, 30)
    assert store.usual_exposure(account, 101) == (7000, 700)
    assert store.usual_exposure(account, 151) == (7000, 700)  # the 90th day is too long ago
    assert store.prune_exposure(152) == 2
    assert store.prune_exposure(152) == 0
