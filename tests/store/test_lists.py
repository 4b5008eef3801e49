"""Imported lists, firewall rules and the change that waits, as rows."""

from pathlib import Path

import pytest

from pysrv.store import Store, StoreError
from pysrv.store.firewall import PendingChange, Rule, match_text
from tests.store.conftest import Clock

ONE, TWO = bytes(16) + b"\x80", bytes(15) + b"\x01\x80"


def imported(store: Store, name: str, *pieces: bytes, kind: str = "ban") -> int:
    ident = store.list_begin(name, kind, "a test", 3, "root")
    for piece in pieces:
        store.list_rows_add(ident, piece)
    return store.list_commit(ident).id


def test_a_list_keeps_its_pieces_their_count_and_a_digest_of_them(store: Store) -> None:
    ident = imported(store, "feed", ONE, TWO)
    (row,) = store.lists()
    assert (row.name, row.entries, row.skipped, row.source, row.who) == ("feed", 2, 3, "a test", "root")
    assert list(store.list_rows(ident)) == [ONE, TWO]
    assert store.list_named("feed") == row
    other = imported(store, "same rows", ONE + TWO)
    assert store.lists()[1].digest == row.digest
    assert store.list_pieces(other) == 1


def test_nobody_sees_a_list_before_it_is_whole_and_a_restart_forgets_it(store: Store, tmp_path: Path) -> None:
    ident = store.list_begin("feed", "ban", "a test", 0)
    store.list_rows_add(ident, ONE)
    store.commit()
    assert store.lists() == []
    store.close()
    with Store.open(tmp_path / "appliance.db") as again:
        assert again._one("SELECT count(*) FROM list_rows") == (0,)
        with pytest.raises(StoreError, match="no import"):
            again.list_rows_add(ident, TWO)


def test_countries_are_no_ban_lists(store: Store) -> None:
    imported(store, "CN", ONE, kind="country")
    assert ([row.name for row in store.lists()], [row.name for row in store.lists("country")]) == ([], ["CN"])


@pytest.mark.parametrize("name", ["", "x" * 65, "line\nend"])
def test_a_list_has_a_name_that_can_be_shown(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a list's name"):
        store.list_begin(name, "ban", "", 0)


def test_a_rule_with_the_same_match_replaces_the_other(store: Store) -> None:
    first = store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", "", "udp", 5060))
    second = store.add_firewall_rule(Rule(0, "allow", "192.0.2.0/24", "", "udp", 5060))
    store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", ""))
    assert first.id == second.id
    assert [(rule.action, match_text(rule)) for rule in store.firewall_rules()] == [
        ("allow", "192.0.2.0/24 port 5060/udp"),
        ("deny", "192.0.2.0/24"),
    ]


def test_rules_can_be_put_back_with_their_numbers(store: Store) -> None:
    for number in range(3):
        store.add_firewall_rule(Rule(0, "deny", f"192.0.2.{number}", ""))
    before = store.firewall_rules()
    store.remove_firewall_rule(before[1].id)
    store.replace_firewall_rules(before)
    assert store.firewall_rules() == before


def test_one_change_waits_at_a_time(store: Store, clock: Clock) -> None:
    change = PendingChange("a test", "{}", clock.now, clock.now + 60, "root")
    store.set_pending_change(change)
    with pytest.raises(StoreError, match="waits already"):
        store.set_pending_change(change)
    assert store.drop_pending_change("confirmed", "root") == change
    assert store.drop_pending_change("confirmed") is None
    assert [row.action for row in store.audit()] == ["change.confirmed"]


def test_managements_addresses_are_kept_for_a_day(store: Store, clock: Clock) -> None:
    store.managed_from("192.0.2.7", "ssh")
    clock.now += 80_000
    store.managed_from("192.0.2.8", "ssh")
    clock.now += 10_000
    assert [row.address for row in store.management()] == ["192.0.2.8"]
