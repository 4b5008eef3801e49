"""What is refused when an account is saved, and that the index follows every change, undone ones too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pysrv.store import Store, StoreError
from pysrv.store.account import NewAccount


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "entrances.db", lambda: 1_800_000_000.0) as opened:
        yield opened


def add(store: Store, name: str, **fields: Any) -> None:
    store.add_account(NewAccount(name, "correct-horse", "test", **fields))


def at(store: Store, address: str) -> list[str]:
    return [each.account for each in store.entrances().at(address)]


@pytest.mark.setting("needauth")
@pytest.mark.setting("authip")
@pytest.mark.setting("techprefix")
def test_accounts_whose_address_and_tech_prefix_coincide_are_refused_by_both_names(store: Store) -> None:
    add(store, "alice", needauth=9, authip=("192.0.2.0/24",))
    with pytest.raises(StoreError, match=r"bob \(192.0.2.7\) and alice \(192.0.2.0/24\) could not be told apart"):
        add(store, "bob", needauth=1, authip=("192.0.2.7",))
    assert store.account("bob") is None
    add(store, "bob", needauth=3, authip=("192.0.2.7",), techprefix="99")
    with pytest.raises(StoreError, match="bob"):
        add(store, "carol", needauth=2, techprefix="99")
    with pytest.raises(StoreError, match="alice"):
        store.set_account("bob", needauth=1)
    assert at(store, "192.0.2.7") == ["bob", "alice"]


def test_the_index_follows_what_is_added_changed_removed_and_undone(store: Store) -> None:
    store.entrances()
    add(store, "alice", needauth=1, authip=("192.0.2.1",))
    store.commit()
    assert at(store, "192.0.2.1") == ["alice"]
    store.set_account("alice", authip=("192.0.2.2",))
    assert (at(store, "192.0.2.1"), at(store, "192.0.2.2")) == ([], ["alice"])
    store.rollback()
    assert (at(store, "192.0.2.1"), at(store, "192.0.2.2")) == (["alice"], [])
    store.remove_account("alice")
    assert at(store, "192.0.2.1") == []
    add(store, "bob", needauth=1, authip=("192.0.2.1",))
    assert at(store, "192.0.2.1") == ["bob"]
    assert store.account_count() == 1


def test_an_account_that_comes_by_its_password_is_not_looked_at(store: Store) -> None:
    store.entrances()
    index = store.entrances()
    for number in range(50):
        add(store, f"phone{number}", authip=("192.0.2.1",))
    assert store.entrances() is index
    assert index.count == 0
