"""PINs: found, replaced, gone, never in clear; and the numbers that cards are called from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.passwords import pins
from pysrv.store import Store
from pysrv.store.account import AccountType, NewAccount
from pysrv.store.cards import DRAWS, PROOFS_KEPT
from pysrv.store.errors import StoreError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.db", lambda: 1_800_000_000.0) as made:
        yield made


def card(store: Store, name: str = "card", kind: AccountType = AccountType.CALLING_CARD) -> int:
    return store.add_account(NewAccount(name, "secret", "example.org", type=kind)).id


def test_a_card_is_found_by_its_pin_and_by_no_other(store: Store) -> None:
    card(store)
    card(store, "other")
    made = {name: store.make_pin(name, 12) for name in ("card", "other")}
    for name, pin in made.items():
        found = store.card_by_pin(pin)
        assert found is not None and found.name == name
    assert store.card_by_pin(made["card"][::-1] + "0") is None
    assert store.card_by_pin("") is None


def test_neither_file_nor_audit_has_the_pin_in_clear(store: Store, tmp_path: Path) -> None:
    card(store)
    pin = store.make_pin("card", 12, "operator")
    store.commit()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert pin.encode() not in held
    assert b"$argon2id$" in held


def test_a_new_pin_ends_the_old_one_and_a_dropped_one_is_nobody_s(store: Store) -> None:
    ident = card(store)
    first = store.make_pin("card", 10)
    store.note_proof(ident, "account alice")
    second = store.make_pin("card", 10)
    assert store.card_by_pin(first) is None
    assert store.proof_age(ident, "account alice") is None, "what was proven by the old one is not by the new"
    store.drop_pin("card")
    assert store.card_by_pin(second) is None
    assert not store.has_pin(ident)


@pytest.mark.parametrize("change", ["removed", "type"])
def test_the_pin_of_what_is_no_card_any_more_opens_nothing(store: Store, change: str) -> None:
    card(store)
    pin = store.make_pin("card", 12)
    store.set_card_callers("card", ("49170111",))
    if change == "removed":
        store.remove_account("card")
    else:
        store.set_account("card", type=AccountType.END_USER)
    assert store.card_by_pin(pin) is None
    assert store.card_by_caller("49170111") is None


@pytest.mark.parametrize("length", [9, 21])
def test_a_pin_that_is_too_short_to_be_safe_or_too_long_to_key_in_is_not_made(store: Store, length: int) -> None:
    card(store)
    with pytest.raises(StoreError, match="10 to 20 digits"):
        store.make_pin("card", length)


def test_only_cards_have_pins(store: Store) -> None:
    card(store, "alice", AccountType.END_USER)
    with pytest.raises(StoreError, match="no calling card"):
        store.make_pin("alice", 12)


def test_new_pins_go_to_empty_shelves_while_there_are_any(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shelves = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(Store, "_shelf", lambda _self, _pin: next(shelves))
    card(store)
    card(store, "other")
    store._keep_pin(store._card("card"), next(shelves) + "$argon2id$", "")
    store._free_pin(12)
    assert next(shelves, None) is None, "the taken one was passed by"


def test_a_full_installation_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "_on_shelf", lambda _self, _shelf: 99)
    card(store)
    with pytest.raises(StoreError, match="too many cards"):
        store.make_pin("card", 12)
    assert DRAWS > 1


def test_a_wrong_pin_costs_as_much_as_a_right_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    card(store)
    pin = store.make_pin("card", 12)
    wrong = next(each for n in range(99) if store._shelf(each := f"{n:012d}") != store._shelf(pin))
    compared: list[str] = []
    matches = pins.matches
    monkeypatch.setattr(pins, "matches", lambda kept, text: compared.append(kept) or matches(kept, text))
    for text in (pin, wrong):
        store.card_by_pin(text)
    assert len(compared) == 2  # one Argon2id for each, with the same parameters
    assert compared[0].split("$")[:4] == compared[1].split("$")[:4]


def test_a_number_calls_for_one_card_alone(store: Store) -> None:
    ident = card(store)
    card(store, "other")
    store.set_card_callers("card", ("+49 170 111", "101", "101"))
    assert store.card_callers(ident) == ("49170111", "101")
    with pytest.raises(StoreError, match="already calls for card"):
        store.set_card_callers("other", ("101",))
    store.set_card_callers("card", ())
    store.set_card_callers("other", ("101",))
    found = store.card_by_caller("101")
    assert found is not None and found.name == "other"


def test_what_is_no_number_is_refused(store: Store) -> None:
    card(store)
    with pytest.raises(StoreError, match="numbers of digits"):
        store.set_card_callers("card", ("alice",))


def test_only_the_newest_proofs_are_kept(store: Store) -> None:
    ident = card(store)
    for n in range(PROOFS_KEPT + 5):
        store._clock = lambda n=n: 1000.0 + n  # type: ignore[misc]
        store.note_proof(ident, f"trunk {n}")
    assert store.proof_age(ident, "trunk 0") is None
    assert store.proof_age(ident, f"trunk {PROOFS_KEPT + 4}") == 0.0
