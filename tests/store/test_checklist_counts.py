"""What the security checklist counts comes out of indexes that hold the faults alone."""

import re
from pathlib import Path

import pytest

from pysrv.store import NewAccount, Store
from pysrv.store.schema_checklist import DECKLESS, IN_USE, LAX, WEAK

FAULTS = {"weak_passwords": WEAK, "accounts_lax": LAX, "accounts_deckless": DECKLESS}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "appliance.db")


@pytest.mark.parametrize("index", FAULTS)
def test_no_account_without_the_fault_is_read(store: Store, index: str) -> None:
    sql = f"EXPLAIN QUERY PLAN SELECT name FROM accounts WHERE {IN_USE} AND {FAULTS[index]} ORDER BY name LIMIT 9"
    step = str(store._all(sql)[0][3])
    assert re.fullmatch(rf"(SCAN|SEARCH) accounts USING (COVERING )?INDEX {index}( \(.*\))?", step), step


def test_the_newest_deed_of_a_kind_is_found_without_a_walk_over_the_trail(store: Store) -> None:
    sql = "EXPLAIN QUERY PLAN SELECT max(at) FROM audit WHERE action = 'backup'"
    step = str(store._all(sql)[0][3])
    assert "audit_by_action" in step


def test_accounts_come_and_go_with_their_faults(store: Store) -> None:
    for name in ("bea", "abe", "tariffed"):
        store.add_account(NewAccount(name, "correct-horse-42", "sip", (), deck="retail" if name == "tariffed" else ""))
    assert store.deckless_names(9) == ["abe", "bea"]
    assert store.deckless_names(1) == ["abe"]
    assert store.lax_names(9) == []
    for fault, names in (("needauth = 0", store.lax_names), ("weak_since = 5.0", store.weak_names)):
        store._write(f"UPDATE accounts SET {fault} WHERE name = 'bea'")
        assert names(9) == ["bea"]
    store._write("UPDATE accounts SET enabled = 0 WHERE name = 'bea'")
    assert store.lax_names(9) == store.weak_names(9) == []
    assert store.deckless_names(9) == ["abe"]
