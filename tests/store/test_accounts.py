import hashlib
from pathlib import Path

import pytest

from pysrv.billing.lease import Lease
from pysrv.billing.tariff import Rate
from pysrv.store import AccountType, NewAccount, NewCall, Store, StoreCode, StoreError
from pysrv.store.rows import AccountFilter

REALM = "voip.example.com"
ALICE = NewAccount("alice", "s3cret-word", REALM, numbers=("+49 30 1234", "101"), balance=5_000_000)


def refused(action: object) -> StoreError:
    assert callable(action)
    with pytest.raises(StoreError) as caught:
        action()
    return caught.value


def test_an_account_is_stored_and_found_by_name_id_and_number(store: Store) -> None:
    alice = store.add_account(ALICE)
    assert (alice.name, alice.numbers, alice.type, alice.balance) == (
        "alice",
        ("49301234", "101"),
        AccountType.END_USER,
        5_000_000,
    )
    assert store.account("alice") == alice
    assert store.account_by_id(alice.id) == alice
    assert store.account_by_number("101") == alice
    assert store.account_by_number("49301234") == alice
    assert store.accounts() == [alice]


def test_what_is_unknown_is_none(store: Store) -> None:
    assert store.account("nobody") is None
    assert store.account_by_number("999") is None
    assert store.account_by_id(1) is None


def test_a_password_is_kept_as_ha1_and_nothing_else(store: Store, tmp_path: Path) -> None:
    alice = store.add_account(ALICE)
    store.commit()
    text = b"alice:voip.example.com:s3cret-word"
    assert alice.ha1_md5 == hashlib.md5(text).hexdigest()
    assert alice.ha1_sha256 == hashlib.sha256(text).hexdigest()
    assert not any(b"s3cret-word" in path.read_bytes() for path in tmp_path.iterdir())


def test_no_secret_is_shown_when_an_account_is_printed(store: Store) -> None:
    alice = store.add_account(ALICE)
    assert "s3cret" not in repr(ALICE)
    assert alice.ha1_md5 not in repr(alice)
    assert alice.ha1_sha256 not in repr(alice)


def test_a_first_balance_is_a_posting(store: Store) -> None:
    store.add_account(ALICE, who="root")
    (posting,) = store.postings("alice")
    assert (posting.kind, posting.amount, posting.balance_after, posting.who) == (
        "deposit",
        5_000_000,
        5_000_000,
        "root",
    )


def test_a_taken_name_is_a_conflict(store: Store) -> None:
    store.add_account(ALICE)
    error = refused(lambda: store.add_account(ALICE))
    assert (error.code, error.message) == (StoreCode.CONFLICT, "there is already an account 'alice'")


def test_a_taken_number_is_a_conflict_and_adds_nothing(store: Store) -> None:
    store.add_account(ALICE)
    error = refused(lambda: store.add_account(NewAccount("bob", "x", REALM, ("101",), balance=7)))
    assert (error.code, error.message) == (StoreCode.CONFLICT, "number 101 already belongs to alice")
    assert store.account("bob") is None
    assert store._one("SELECT count(*), sum(amount) FROM postings") == (1, 5_000_000)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "al ice"}, "name"),
        ({"name": "al:ice"}, "name"),
        ({"name": ""}, "name"),
        ({"password": ""}, "password"),
        ({"realm": ""}, "realm"),
        ({"realm": 'a"b'}, "realm"),
        ({"numbers": ("12x",)}, "number"),
        ({"type": "king"}, "type"),
        ({"locklevel": 5}, "locklevel"),
        ({"maxlines": -1}, "maxlines"),
        ({"currency": "euro"}, "currency"),
        ({"display_name": "a\nb"}, "display_name"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(store: Store, fields: dict[str, object], word: str) -> None:
    values = {"name": "bob", "password": "x", "realm": REALM} | fields
    error = refused(lambda: store.add_account(NewAccount(**values)))  # type: ignore[arg-type]
    assert error.code is StoreCode.INVALID
    assert word in error.message


def test_fields_are_changed_and_each_change_is_audited(store: Store) -> None:
    store.add_account(ALICE)
    changed = store.set_account("alice", who="root", maxlines=2, locklevel=1, enabled=False, numbers=("102", "101"))
    assert (changed.maxlines, changed.locklevel, changed.enabled, changed.numbers) == (2, 1, False, ("102", "101"))
    trail = {(row.action, row.before, row.after, row.who) for row in store.audit(subject="alice")}
    assert ("account.maxlines", "5", "2", "root") in trail
    assert ("account.numbers", "49301234 101", "102 101", "root") in trail


def test_a_remembered_account_is_read_anew_after_every_change(store: Store) -> None:
    store.add_account(ALICE)
    for field, value in (("maxlines", 9), ("enabled", False), ("deck", "gold"), ("numbers", ("7",))):
        store.account("alice")
        store.set_account("alice", **{field: value})
        assert getattr(store.account("alice"), field) == value
    store.deposit("alice", 1)
    found = store.account("alice")
    assert found is not None
    assert found.balance == 5_000_001
    store.commit()
    store.set_account("alice", maxlines=1)
    store.rollback()
    found = store.account("alice")
    assert found is not None
    assert found.maxlines == 9


def test_a_new_password_replaces_both_hashes_and_stays_out_of_the_audit(store: Store) -> None:
    before = store.add_account(ALICE)
    after = store.set_account("alice", password="other-word")
    assert after.ha1_md5 != before.ha1_md5
    assert after.ha1_sha256 == hashlib.sha256(b"alice:voip.example.com:other-word").hexdigest()
    assert not any("other-word" in row.before + row.after for row in store.audit())


def test_a_balance_is_not_set_but_moved(store: Store) -> None:
    store.add_account(ALICE)
    assert "balance: not to be set" in refused(lambda: store.set_account("alice", balance=9)).message
    store.deposit("alice", 1_000_000, who="root", note="cash")
    store.adjust("alice", -2_000_000, who="root", note="correction")
    moves = [(row.kind, row.amount, row.balance_after, row.note) for row in store.postings("alice")]
    assert moves[:2] == [("adjustment", -2_000_000, 4_000_000, "correction"), ("deposit", 1_000_000, 6_000_000, "cash")]


def test_money_that_running_calls_have_reserved_cannot_be_taken_away(store: Store) -> None:
    alice = store.add_account(ALICE)
    assert isinstance(store.open_call(NewCall("c", alice.id, "1", "2", rate=Rate("2", 1_000_000))), Lease)
    error = refused(lambda: store.adjust("alice", -5_000_000))
    assert error.code is StoreCode.INVALID
    assert "reserved" in error.message


def test_a_balance_beyond_the_range_is_refused(store: Store) -> None:
    store.add_account(ALICE)
    assert refused(lambda: store.deposit("alice", 10**18)).code is StoreCode.INVALID
    assert refused(lambda: store.deposit("alice", 0)).code is StoreCode.INVALID


def test_a_removed_account_frees_name_and_numbers_and_keeps_its_history(store: Store) -> None:
    old = store.add_account(ALICE)
    store.remove_account("alice", "root")
    assert store.account("alice") is None
    assert store.account_by_number("101") is None
    assert store.accounts() == []
    kept = store.account_by_id(old.id)
    assert kept is not None
    assert (kept.enabled, kept.ha1_md5, kept.ha1_sha256) == (False, "", "")
    assert store.add_account(ALICE).id != old.id
    assert len(store.postings("alice")) == 1


def test_an_account_with_a_running_call_is_not_removed(store: Store) -> None:
    alice = store.add_account(ALICE)
    store.open_call(NewCall("c", alice.id, "101", "102"))
    assert refused(lambda: store.remove_account("alice")).code is StoreCode.CONFLICT


@pytest.mark.parametrize("verb", ["set_account", "remove_account"])
def test_an_unknown_account_is_named(store: Store, verb: str) -> None:
    error = refused(lambda: getattr(store, verb)("bob"))
    assert (error.code, error.message) == (StoreCode.NOT_FOUND, "there is no account 'bob'")


def test_that_nobody_has_a_name_or_number_is_remembered_only_until_somebody_has(store: Store) -> None:
    assert store.account("carol") is None
    assert store.account_by_number("333") is None
    store.add_account(NewAccount("carol", "secret", "voip.example", ("333",)))
    assert (found := store.account("carol")) is not None
    assert found == store.account_by_number("333")
    assert store.account_by_number("334") is None
    store.set_account("carol", numbers=("334",))
    assert store.account_by_number("333") is None
    assert store.account_by_number("334") is not None


def test_what_a_rolled_back_account_had_is_nobodys_again(store: Store) -> None:
    store.add_account(NewAccount("carol", "secret", "voip.example", ("333",)))
    store.rollback()
    assert store.account("carol") is None
    assert store.account_by_number("333") is None


def test_lines_off_peak_follow_those_of_the_day_until_they_are_set_apart(store: Store) -> None:
    store.add_account(NewAccount("carol", "secret", REALM, maxlines=9))
    assert store.account("carol").maxlinesoffpeak == 9  # type: ignore[union-attr]
    assert store.set_account("carol", maxlines=3).maxlinesoffpeak == 3
    assert store.set_account("carol", maxlinesoffpeak=1).maxlines == 3
    assert store.set_account("carol", maxlines=7).maxlinesoffpeak == 1


def test_accounts_are_listed_page_by_page_and_found_by_a_part_of_a_name_or_the_begin_of_a_number(store: Store) -> None:
    for name, number in (("anna", "4930"), ("Bert", "4940"), ("carla", "5030")):
        store.add_account(NewAccount(name, "correct-horse", "sip", (number,), display_name=f"{name} Muster"))
    names = [each.name for each in store.accounts()]
    assert [each.name for each in store.accounts_page(AccountFilter(), limit=2)] == names[:2]
    assert [each.name for each in store.accounts_page(AccountFilter(), names[1])] == names[2:]
    for search, found in (("ER", ["Bert", "anna", "carla"]), ("ann", ["anna"]), ("49", ["Bert", "anna"]), ("930", [])):
        assert [each.name for each in store.accounts_page(AccountFilter(search))] == found, search
    assert store.accounts_page(AccountFilter("%")) == []
    assert store.accounts_page(AccountFilter(type="reseller")) == []
    assert sorted(store.account_words()) == sorted([*names, "4930", "4940", "5030"])
