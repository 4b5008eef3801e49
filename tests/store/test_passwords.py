"""Passwords of people, the state that the sweep keeps, and the former password of a replaced one."""

import pytest

from pysrv.passwords import people
from pysrv.passwords.policy import GENERATED, Strength
from pysrv.store import NewAccount, SavedBinding, Store, StoreError
from tests.store.conftest import Clock

REALM = "voip.example.com"
PASSWORD = "Some-words-9"


@pytest.fixture
def alice(store: Store) -> int:
    return store.add_account(NewAccount("alice", PASSWORD, REALM, ("101",), strength=Strength(3, 15))).id


def web_hash(store: Store) -> str:
    return str((store._one("SELECT web_hash FROM accounts WHERE name = 'alice'") or ("",))[0])


def test_the_password_of_sip_is_good_for_the_web_and_hashed_when_it_is_first_used(store: Store, alice: int) -> None:
    assert not store.verify_account("alice", "wrong")
    assert web_hash(store) == ""
    with_reader = store.verify_account("alice", PASSWORD)
    assert with_reader
    assert web_hash(store).startswith("$argon2id$")
    assert store.verify_account("alice", PASSWORD)
    assert not store.verify_account("alice", PASSWORD.lower())


def test_a_reader_verifies_too(store: Store, alice: int) -> None:
    store.commit()
    with store.reader() as reader:
        assert reader.verify_account("alice", PASSWORD)
        assert not reader.verify_account("nobody", PASSWORD)
    assert web_hash(store) == ""


@pytest.mark.setting("uauthverifypwd")
@pytest.mark.parametrize("form", [f" {PASSWORD}\t", PASSWORD.swapcase(), "some-words-9"])
def test_a_lenient_comparison_forgives_what_keyboards_do_and_no_more(store: Store, alice: int, form: str) -> None:
    assert not store.verify_account("alice", form)
    assert store.verify_account("alice", form, lenient=True)
    assert not store.verify_account("alice", PASSWORD.upper(), lenient=True)


def test_an_account_that_is_not_there_or_disabled_is_refused_as_slowly(
    store: Store, alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set_web_password("alice", PASSWORD, own=False)
    compared: list[str] = []
    matches = people.matches
    monkeypatch.setattr(people, "matches", lambda wanted, word: compared.append(wanted) or matches(wanted, word))
    for name in ("alice", "nobody"):
        assert not store.verify_account(name, "wrong")
    assert len(compared) == 2  # one Argon2id for each, with the same parameters
    assert compared[0].split("$")[:4] == compared[1].split("$")[:4]
    store.set_account("alice", enabled=False)
    assert not store.verify_account("alice", PASSWORD)


def test_the_web_may_have_a_password_of_its_own_which_stays(store: Store, alice: int) -> None:
    store.set_web_password("alice", "words for the web", own=True)
    assert not store.verify_account("alice", PASSWORD)
    store.set_account("alice", password="another-one")
    assert store.verify_account("alice", "words for the web")
    assert not store.verify_account("alice", "another-one")


def test_a_new_password_takes_the_hash_of_the_old_one_along(store: Store, alice: int) -> None:
    store.set_web_password("alice", PASSWORD, own=False)
    store.set_account("alice", password="another-one")
    assert not store.verify_account("alice", PASSWORD)
    assert store.verify_account("alice", "another-one")


def test_nothing_of_a_removed_account_s_password_stays(store: Store, alice: int) -> None:
    store.set_web_password("alice", PASSWORD, own=True)
    store.replace_password(alice, "random", GENERATED, store._clock() + 60, "test")
    store.remove_account("alice")
    sql = "SELECT ha1_md5 || ha1_sha256 || web_hash || clear || former_ha1_md5 || former_ha1_sha256 FROM accounts"
    assert store._one(sql) == ("",)


def test_a_weak_password_is_news_once_until_another_is_set(store: Store, alice: int, clock: Clock) -> None:
    assert store.note_password_weak(alice, "is easy to guess")
    assert not store.note_password_weak(alice, "is easy to guess")
    assert [each.owner.name for each in store.passwords_warned(clock.now, 5)] == ["alice"]
    store.set_account("alice", password="another-one", strength=GENERATED)
    assert store.passwords_warned(clock.now, 5) == []
    (state,) = store.passwords()
    assert (state.strength, state.weak_why, state.searched) == (GENERATED, "", False)


def test_only_passwords_that_devices_use_are_checked_the_longest_unchecked_first(store: Store, alice: int) -> None:
    store.add_account(NewAccount("bob", PASSWORD, REALM))
    store.add_account(NewAccount("gateway", PASSWORD, REALM, needauth=1, authip=("192.0.2.9",)))
    store.add_account(NewAccount("gone", PASSWORD, REALM, enabled=False))
    store.note_password_checked(alice, searched=True)
    due = store.passwords_to_check(store._clock() + 1, 9)
    assert [each.owner.name for each in due] == ["bob", "alice"]
    assert store.passwords_to_check(store._clock(), 9) == due[:1]


def test_a_former_password_is_kept_for_its_time_and_not_longer(store: Store, alice: int, clock: Clock) -> None:
    before = store.account("alice")
    assert before is not None
    store.replace_password(alice, "random-words", GENERATED, clock.now + 60, "enforcestrongauth")
    assert store.former_ha1(alice) == (before.ha1_md5, before.ha1_sha256)
    assert store.forget_former() == 0
    clock.now += 60
    assert store.former_ha1(alice) is None
    assert store.forget_former() == 1
    assert store._one("SELECT former_ha1_md5 FROM accounts") == ("",)


def test_a_device_is_one_that_is_registered_from_exactly_there(store: Store, clock: Clock) -> None:
    row = SavedBinding("alice", "<sip:a@192.0.2.1>", "udp", "192.0.2.9", 5060, "192.0.2.1", 5062, clock.now + 9, "c", 1)
    store.save_binding(row)
    assert store.has_device("alice", "udp", "192.0.2.1", 5062)
    wrong = [("bob", "udp", "192.0.2.1", 5062), ("alice", "tcp", "192.0.2.1", 5062), ("alice", "udp", "192.0.2.1", 1)]
    assert not any(store.has_device(*each) for each in wrong)
    clock.now += 10
    assert not store.has_device("alice", "udp", "192.0.2.1", 5062)


def test_an_unknown_account_has_no_password_to_show_or_set(store: Store) -> None:
    with pytest.raises(StoreError, match="no account 'bob'"):
        store.reveal_password("bob")
    with pytest.raises(StoreError, match="no account 'bob'"):
        store.set_web_password("bob", "words", own=True)
