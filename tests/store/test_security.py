from pathlib import Path

import pytest

from pysrv.people.permissions import Role
from pysrv.store import AllowRow, Attempt, BanRow, Store, StoreError
from pysrv.store.migrations import MIGRATIONS
from tests.store.conftest import Clock


def test_a_ban_is_listed_until_it_expires(store: Store, clock: Clock) -> None:
    store.add_ban(BanRow("192.0.2.1", "maxwrongmsgallowed", "5 in 10 s", expires_at=clock.now + 60))
    store.add_ban(BanRow("192.0.2.2", "operator", who="root"))
    assert [ban.prefix for ban in store.bans()] == ["192.0.2.1", "192.0.2.2"]
    clock.now += 60
    assert [ban.prefix for ban in store.bans()] == ["192.0.2.2"]
    assert store.expire_sources() == [("192.0.2.1", 0)]
    assert store.expire_sources() == []


def test_a_second_ban_replaces_the_first(store: Store, clock: Clock) -> None:
    store.add_ban(BanRow("192.0.2.1", "a"))
    store.add_ban(BanRow("192.0.2.1", "b", "worse"))
    assert store.bans() == [BanRow("192.0.2.1", "b", "worse", clock.now, 0.0, "")]


def test_bans_are_lifted_one_by_one_or_all(store: Store) -> None:
    for last in range(3):
        store.add_ban(BanRow(f"192.0.2.{last}", "operator"))
    assert store.remove_ban("192.0.2.0", "root")
    assert not store.remove_ban("192.0.2.0", "root")
    assert store.remove_bans("root") == 2
    assert store.bans() == []
    assert store.audit()[0].action == "ban.remove"


def test_a_ban_of_a_port_keeps_its_evidence_beside_the_ban_of_its_address(store: Store, clock: Clock) -> None:
    pair = BanRow(
        "192.0.2.1", "maxfailedauthenabledipport", "51 in 3600 s", clock.now, clock.now + 60, "", 5070, "address:port",
        True, True, 51, 50, 3600.0, 1, ("REGISTER sip:x SIP/2.0",), ("alice 192.0.2.1:5060",),
    )  # fmt: skip
    store.add_ban(pair)
    store.add_ban(BanRow("192.0.2.1", "operator"))
    assert store.bans()[1] == pair == store.ban("192.0.2.1", 5070)
    assert [ban.source for ban in store.bans()] == ["192.0.2.1", "192.0.2.1:5070"]
    assert store.ban_count() == 2
    assert store.remove_ban("192.0.2.1", "root")
    assert [ban.port for ban in store.bans()] == [5070]
    clock.now += 60
    assert store.ban("192.0.2.1", 5070) is None
    assert store.expire_sources() == [("192.0.2.1", 5070)]


def test_pairs_and_proven_addresses_that_were_banned_lately_are_counted(store: Store, clock: Clock) -> None:
    for port in (1, 2, 3):
        store.add_ban(BanRow("192.0.2.1", "r", created_at=clock.now - port, port=port, proven=port != 2))
    store.add_ban(BanRow("192.0.2.2", "r", proven=False))
    store.add_ban(BanRow("192.0.2.0/24", "r", proven=True, scope="network"))
    assert store.banned_pairs("192.0.2.1", clock.now - 2) == 1
    assert store.banned_pairs("192.0.2.1", clock.now - 3) == 2
    assert store.banned_addresses(clock.now - 10) == ["192.0.2.1"]


def test_how_often_a_source_was_banned_is_known_until_it_is_too_old_or_lifted(store: Store, clock: Clock) -> None:
    store.remember_ban("192.0.2.1", 0, 2, clock.now)
    assert store.repetitions("192.0.2.1", 0, clock.now - 1) == 2
    assert store.repetitions("192.0.2.1", 5060, clock.now - 1) == 0
    assert store.repetitions("192.0.2.1", 0, clock.now) == 0
    store.add_ban(BanRow("192.0.2.1", "r"))
    store.remove_ban("192.0.2.1")
    assert store.repetitions("192.0.2.1", 0, clock.now - 1) == 0
    store.remember_ban("192.0.2.2", 0, 2, clock.now)
    store.forget_repeaters(clock.now)
    assert store.repetitions("192.0.2.2", 0, 0.0) == 0


def test_bans_of_an_older_file_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.store.migrations.MIGRATIONS", MIGRATIONS[:2])
    with Store.open(tmp_path / "a.db") as old:
        old._write("INSERT INTO bans VALUES ('192.0.2.1', 'operator', 'noise', 5.0, 0.0, 'root')")
        old.commit()
    monkeypatch.undo()
    with Store.open(tmp_path / "a.db") as new:
        assert new.bans() == [BanRow("192.0.2.1", "operator", "noise", 5.0, 0.0, "root")]


def test_a_trusted_source_is_listed_until_it_expires_or_is_removed(store: Store, clock: Clock) -> None:
    store.add_allow(AllowRow("198.51.100.0/24", expires_at=clock.now + 5))
    store.add_allow(AllowRow("198.51.100.7", "known"))
    assert [(row.prefix, row.kind) for row in store.allows()] == [
        ("198.51.100.0/24", "allow"),
        ("198.51.100.7", "known"),
    ]
    clock.now += 5
    assert [row.prefix for row in store.allows()] == ["198.51.100.7"]
    assert store.remove_allow("198.51.100.7")
    assert store.allows() == []


def test_the_last_trust_is_remembered_until_there_is_another_or_it_is_taken_off(store: Store, clock: Clock) -> None:
    def state() -> tuple[bool, str | None, float]:
        ended = store.ended_allow()
        return store.trust_begun(), ended.prefix if ended else None, store.next_allow_end()

    assert state() == (False, None, 0.0)
    store.add_allow(AllowRow("192.0.2.1", expires_at=clock.now))  # an old file's: it had ended
    assert state() == (False, None, 0.0)
    start = clock.now
    store.add_allow(AllowRow("198.51.100.7", expires_at=start + 5))
    store.add_allow(AllowRow("198.51.100.8", expires_at=start + 9))
    assert state() == (True, None, start + 5)
    clock.now = start + 5
    assert state() == (True, None, start + 9)
    clock.now = start + 9
    for _ in range(2):
        store.expire_sources()
        assert store.allows() == [] and state() == (True, "198.51.100.8", 0.0)
    assert not store.remove_allow("198.51.100.7")
    store.add_allow(AllowRow("203.0.113.9"))
    assert state() == (True, None, 0.0)
    assert store.remove_allow("203.0.113.9") and state() == (False, None, 0.0)  # a person's word
    store.add_allow(AllowRow("198.51.100.8", expires_at=clock.now + 1))
    clock.now += 1
    assert state() == (True, "198.51.100.8", 0.0)
    assert store.remove_allow("198.51.100.8") and state() == (False, None, 0.0)


def test_an_entry_of_kind_known_stands_in_for_no_trust_that_has_ended(store: Store, clock: Clock) -> None:
    """Nor is it what says that somebody was trusted."""
    store.add_allow(AllowRow("192.0.2.9", "known", expires_at=clock.now + 99))
    store.add_allow(AllowRow("203.0.113.9", "known"))
    assert not store.trust_begun() and store.ended_allow() is None
    store.add_allow(AllowRow("198.51.100.7", expires_at=clock.now + 5))
    clock.now += 5
    for _ in range(2):
        ended = store.ended_allow()
        assert store.trust_begun() and ended is not None and ended.prefix == "198.51.100.7"
        assert store.trusted() == [] and store.next_allow_end() == clock.now + 94
        store.expire_sources()
    assert store.remove_allow("198.51.100.7") and not store.trust_begun()


def test_attempts_are_kept_newest_first_and_pruned_in_bites(store: Store) -> None:
    for at in range(10):
        store.record_attempt(Attempt(float(at), f"192.0.2.{at % 2}", "wrong_password", "bob", "needauth", "x" * 900))
    assert [row.at for row in store.attempts(limit=3)] == [9.0, 8.0, 7.0]
    assert [row.at for row in store.attempts(source="192.0.2.1")] == [9.0, 7.0, 5.0, 3.0, 1.0]
    assert len(store.attempts()[0].detail) == 500
    assert [store.prune_attempts(keep=4, limit=5) for _ in range(3)] == [5, 1, 0]
    assert [row.at for row in store.attempts()] == [9.0, 8.0, 7.0, 6.0]


def test_a_secret_is_made_once_and_survives_a_restart(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as store:
        made = store.get_or_make("nonce", 32)
        assert len(made) == 32
        assert store.get_or_make("nonce", 32) == made
        assert store.get_or_make("other", 32) != made
        store.commit()
    with Store.open(tmp_path / "a.db") as store:
        assert store.get_or_make("nonce", 32) == made
        store.put_secret("nonce", b"x" * 32)
        assert store.get_or_make("nonce", 32) == b"x" * 32


def test_the_administrators_password_is_made_once_and_kept_as_argon2id(store: Store, tmp_path: Path) -> None:
    password = store.ensure_admin()
    assert password is not None
    assert len(password) >= 20
    assert store.ensure_admin() is None
    store.commit()
    row = store._one("SELECT password_hash FROM administrators")
    assert row is not None
    assert row[0].startswith("$argon2id$")
    assert not any(password.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_only_the_right_password_of_a_known_administrator_passes(store: Store) -> None:
    password = store.ensure_admin()
    assert password is not None
    assert store.verify_admin("admin", password)
    assert not store.verify_admin("admin", password + "x")
    assert not store.verify_admin("root", password)
    store.set_admin_password("admin", "a new password", "root")
    assert store.verify_admin("admin", "a new password")
    assert not store.verify_admin("admin", password)
    assert [person.name for person in store.administrators()] == ["admin"]


def test_a_short_administrators_password_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="at least 8 characters"):
        store.add_administrator("admin", Role.OWNER, "short")


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("kind", ["known", "allow"])
def test_what_trusts_nobody_ends_no_trust_by_taking_its_place(
    store: Store, clock: Clock, kind: str, *, ended: bool
) -> None:
    """An entry of kind known, or one that had ended when it was written."""

    def state() -> tuple[bool, str | None, float]:
        found = store.ended_allow()
        return store.trust_begun(), found.prefix if found else None, found.expires_at if found else 0.0

    store.add_allow(AllowRow("198.51.100.7", expires_at=clock.now + 5 if ended else 0.0))
    clock.now += 9
    until = clock.now - 4 if ended else clock.now
    for _ in range(2):
        end = clock.now + 60 if kind == "known" else clock.now - 1
        store.add_allow(AllowRow("198.51.100.7", kind, expires_at=end, who="eve"))
        assert state() == (True, "198.51.100.7", until)
        store.expire_sources()
        assert store.trusted() == [] and state() == (True, "198.51.100.7", until)
        clock.now += 61
        store.expire_sources()  # this row has an end too
        assert store.allows() == [] and state() == (True, "198.51.100.7", until)
    assert [(row.who, row.before, row.after) for row in store.audit(limit=1)] == [("eve", kind, kind)]
    assert store.remove_allow("198.51.100.7", "root") and state() == (False, None, 0.0)
    assert [(row.who, row.action) for row in store.audit(limit=1)] == [("root", "allow.remove")]


def test_what_took_a_trusts_place_is_as_any_other_once_somebody_else_is_trusted(store: Store, clock: Clock) -> None:
    store.add_allow(AllowRow("198.51.100.7"))
    store.add_allow(AllowRow("198.51.100.7", "known"))
    clock.now += 1
    store.add_allow(AllowRow("203.0.113.9"))
    assert store.ended_allow() is None and store.trust_begun()
    assert store.remove_allow("203.0.113.9") and not store.trust_begun()  # a person's word
    store.add_allow(AllowRow("198.51.100.7"))
    assert store.remove_allow("198.51.100.7") and not store.trust_begun()
    store.add_allow(AllowRow("198.51.100.7", "known"))
    assert not store.trust_begun()
