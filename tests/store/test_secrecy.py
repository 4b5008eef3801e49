"""Secrets at rest: sealed, bound to their rows, converted in bites; a key that is not there destroys nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.passwords.vault import KEY_FILE
from pysrv.store import NewAccount, NewTrunk, Store, StoreCode, StoreError
from pysrv.store.secrecy import PLACES

REALM = "voip.example.com"
PASSWORD = "s3cret-word-of-alice"
SECRETS = ("httpapikey",)
CARRIER = "carrier-pass-word"


@pytest.fixture
def full(store: Store) -> Iterator[Store]:
    """With one secret of every kind."""
    store.add_account(NewAccount("alice", PASSWORD, REALM, balance=5))
    store.add_trunk(NewTrunk("carrier", "192.0.2.1", user="u", password=CARRIER))
    store.set_setting("httpapikey", "api-key-value", secret=True)
    store.set_setting("maxlines", "3")
    store.put_secret("nonce", b"\x01" * 32)
    store.commit()
    return store


def everything(path: Path) -> bytes:
    """What a thief of the database's files reads."""
    return b"".join(each.read_bytes() for each in path.iterdir() if each.name.startswith("appliance.db"))


def convert(store: Store, level: int, bite: int = 1) -> None:
    store.protect(level)
    store.commit()
    while store.convert(bite, SECRETS):
        store.commit()
    store.commit()


def secrets_of(store: Store) -> tuple[object, ...]:
    account, trunk = store.account("alice"), store.trunk("carrier")
    assert account is not None
    assert trunk is not None
    return account.ha1_md5, account.ha1_sha256, trunk.password, store.overrides(), store.get_or_make("nonce", 32)


@pytest.mark.setting("securepasswords")
def test_sealed_nothing_of_a_secret_stands_in_the_files_and_everything_works_on(full: Store, tmp_path: Path) -> None:
    before = secrets_of(full)
    md5, sha256 = str(before[0]).encode(), str(before[1]).encode()
    needles = (md5, sha256, CARRIER.encode(), b"api-key-value", b"\x01" * 32)
    assert all(needle in everything(tmp_path) for needle in needles)
    convert(full, 2)
    assert not any(needle in everything(tmp_path) for needle in needles)
    assert secrets_of(full) == before
    assert full.overrides()["maxlines"] == "3"
    assert full.account_by_id(1) == full.account("alice")
    with full.reader() as reader:
        assert reader.account("alice") == full.account("alice")
    convert(full, 1)
    assert secrets_of(full) == before
    assert md5 in everything(tmp_path)


def test_what_is_written_while_sealed_is_sealed_at_once(full: Store, tmp_path: Path) -> None:
    convert(full, 2)
    full.set_account("alice", password="another-word")
    full.add_account(NewAccount("bob", "words-of-bob", REALM))
    full.set_trunk("carrier", password="newer-pass-word")
    full.set_setting("httpapikey", "newer-key-value", secret=True)
    full.put_secret("nonce", b"\x02" * 32)
    full.commit()
    kept = everything(tmp_path)
    found = full.account("bob"), full.account("alice")
    assert all(each is not None and len(each.ha1_md5) == 32 and each.ha1_md5.encode() not in kept for each in found)
    assert not any(word in kept for word in (b"newer-pass-word", b"newer-key-value", b"\x02" * 32))
    assert full.get_or_make("nonce", 32) == b"\x02" * 32


def test_a_conversion_goes_in_bites_and_on_after_a_restart(full: Store, tmp_path: Path) -> None:
    for number in range(20):
        full.add_account(NewAccount(f"user{number}", f"word-{number}", REALM))
    full.protect(2)
    assert full.convert(5, SECRETS)
    full.commit()
    full.close()
    with Store.open(tmp_path / "appliance.db", lambda: 1.0) as again:
        assert not again.is_converted
        while again.convert(5, SECRETS):
            again.commit()
        again.commit()
        assert all(each.ha1_md5.startswith("sealed:") for each in again.accounts())
        found = again.account("user7")
        assert found is not None
        assert len(found.ha1_md5) == 32


def test_a_sealed_value_of_one_row_does_not_work_in_another(full: Store) -> None:
    full.add_account(NewAccount("mallory", "words-of-mallory", REALM))
    convert(full, 2)
    full._write("UPDATE accounts SET ha1_md5 = (SELECT ha1_md5 FROM accounts WHERE name = 'mallory') WHERE id = 1")
    full._forget()
    with pytest.raises(StoreError, match="belongs to another row"):
        full.account("alice")


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_without_its_key_the_store_does_not_open_and_nothing_changes(full: Store, tmp_path: Path, how: str) -> None:
    convert(full, 2)
    before = secrets_of(full)
    full.close()
    key = tmp_path / KEY_FILE
    right = key.read_bytes()
    if how == "missing":
        key.unlink()
    else:
        key.write_text("ab" * 32 + "\n")
    with pytest.raises(StoreError) as caught:
        Store.open(tmp_path / "appliance.db")
    assert caught.value.code is StoreCode.SEALED
    assert KEY_FILE in caught.value.message
    assert "restore it" in caught.value.hint
    key.write_bytes(right)
    key.chmod(0o600)
    with Store.open(tmp_path / "appliance.db", lambda: 1.0) as again:
        assert secrets_of(again) == before


def test_where_no_key_can_be_made_the_level_stays(full: Store, tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(StoreError, match=KEY_FILE):
        full.protect(2)
    assert full.secrecy == 1
    assert full.is_converted


def test_a_level_that_is_rolled_back_is_forgotten(full: Store) -> None:
    full.protect(2)
    full.rollback()
    assert full.secrecy == 1
    full.add_account(NewAccount("bob", "words", REALM))
    found = full.accounts()[-1]
    assert len(found.ha1_md5) == 32


def test_a_secret_may_not_look_sealed(full: Store) -> None:
    with pytest.raises(StoreError, match="may not begin like a sealed one"):
        full.set_trunk("carrier", password="sealed:1:abc")


def test_the_places_are_columns_that_exist(store: Store) -> None:
    for place in PLACES:
        assert store._rows(place, None, 5) == []


@pytest.mark.setting("securepasswords")
def test_as_entered_a_password_can_be_shown_and_goes_with_the_next_level(full: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not kept in clear"):
        full.reveal_password("alice")
    convert(full, 0)
    full.set_account("alice", password="entered-word")
    full.commit()
    assert full.reveal_password("alice", "root") == "entered-word"
    assert full.audit()[0].action == "account.password_shown"
    full.commit()
    assert b"entered-word" in everything(tmp_path)
    convert(full, 1)
    assert b"entered-word" not in everything(tmp_path)
    with pytest.raises(StoreError, match="securepasswords"):
        full.reveal_password("alice")


@pytest.mark.setting("securepasswords")
def test_as_entered_a_password_follows_the_realm(full: Store) -> None:
    convert(full, 0)
    full.add_account(NewAccount("bob", "words-of-bob", REALM))
    wanted = Store.account
    assert full.change_realm("new.example.com") == ["alice"]
    bob, alice = wanted(full, "bob"), wanted(full, "alice")
    assert bob is not None
    assert alice is not None
    assert (bob.realm, alice.realm) == ("new.example.com", REALM)
    full.set_account("bob", password="words-of-bob")
    assert full.account("bob") == bob
