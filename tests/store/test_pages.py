"""Some rows of many, chosen by words, and the refused among calls and attempts."""

import pytest

from pysrv.billing.cdr import Cdr
from pysrv.store import Store, security
from pysrv.store.rows import Attempt, BanRow, NewAccount, NewCall, SavedBinding


def test_running_calls_are_found_by_whoever_takes_part_and_the_newest_come_first(store: Store) -> None:
    alice = store.add_account(NewAccount("alice", "correct-horse-42", "sip", ("101",), balance=10**8))
    store.open_call(NewCall("c1", alice.id, "101", "49301", "192.0.2.1", trunk="carrier", setup_at=1.0))
    store.open_call(NewCall("c2", None, "bob", "49302", "192.0.2.2", setup_at=2.0))
    store.open_call(NewCall("c3", None, "100%", "49303", "192.0.2.3", setup_at=3.0))
    for words, names in {
        "": ["c3", "c2", "c1"], "ALICE": ["c1"], "4930": ["c3", "c2", "c1"], "192.0.2.2": ["c2"], "carrier": ["c1"],
        "c2": ["c2"], "%": ["c3"], "_": [], "'": [],
    }.items():  # fmt: skip
        page, total = store.open_call_page(words, 10)
        assert ([call.call_id for call in page], total) == (names, len(names)), words
    page, total = store.open_call_page("", 1, 1)
    assert ([call.call_id for call in page], total) == (["c2"], 3)


def test_bindings_and_bans_that_have_run_out_are_on_no_page(store: Store) -> None:
    now = store._clock()
    for name, expires_at in (("alice", now + 60), ("bob", now - 1)):
        store.save_binding(SavedBinding(name, "sip:x", "udp", "", 0, "192.0.2.1", 5060, expires_at, "c", 1))
        store.add_ban(BanRow(f"192.0.2.{len(name)}", "operator", f"of {name}", now - 5, expires_at))
    assert [row.aor for row in store.binding_page("", 10)[0]] == ["alice"]
    bans, total = store.ban_page("of", 10)
    assert ([ban.reason for ban in bans], total) == (["of alice"], 1)


def refusals(store: Store) -> None:
    store.add_account(NewAccount("alice", "correct-horse-42", "sip", ("101",)))
    for number, (account, callee, source, setting) in enumerate(
        [
            ("alice", "4930111", "192.0.2.1", "credit"),
            ("", "4930222", "192.0.2.2", "needauth"),
            ("alice", "4930222", "192.0.2.2", ""),
        ]
    ):
        store.settle(Cdr(f"r{number}", account, "101", callee, source, setup_at=number, refused_by=setting))


def test_refused_calls_are_found_by_account_last_digits_and_address(store: Store) -> None:
    refusals(store)
    found = {
        "all": store.refused_page(), "account": store.refused_page(account="alice"),
        "digits": store.refused_page(callee="0222"), "address": store.refused_page(source="192.0.2.2"),
        "other": store.refused_page(account="bob"), "both": store.refused_page(account="alice", callee="0222"),
    }  # fmt: skip
    assert {name: [cdr.call_id for cdr in cdrs] for name, cdrs in found.items()} == {
        "all": ["r1", "r0"], "account": ["r0"], "digits": ["r1"], "address": ["r1"], "other": [], "both": [],
    }  # fmt: skip


def test_calls_that_failed_are_found_with_the_refused_ones_and_answered_ones_are_not(store: Store) -> None:
    refusals(store)
    store.settle(Cdr("absent", "", "101", "102", "192.0.2.1", setup_at=9.0, sip_status=480))
    store.settle(Cdr("talked", "", "101", "102", "192.0.2.1", setup_at=9.0, answered_at=9.5, sip_status=480))
    assert [cdr.call_id for cdr in store.refused_page()] == ["absent", "r1", "r0"]


def test_attempts_are_found_by_user_among_the_newest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        store.record_attempt(Attempt(number, "192.0.2.1", "wrong_password", f"user{number % 2}"))
    assert [each.at for each in store.attempts(3, user="user1")] == [9, 7, 5]
    assert store.attempts(user="nobody") == []
    monkeypatch.setattr(security, "ATTEMPTS_SEARCHED", 4)
    assert [each.at for each in store.attempts(user="user1")] == [9, 7]
