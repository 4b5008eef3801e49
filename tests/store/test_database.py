import os
import sqlite3
import stat
from pathlib import Path

import pytest

from pysrv.store import BanRow, Reader, Store, StoreCode, StoreError, database
from pysrv.store.account import NewAccount
from pysrv.store.migrations import LATEST, MIGRATIONS


def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    return caught.value


def test_an_empty_file_is_migrated_to_the_latest_schema(store: Store) -> None:
    assert store.schema_version == LATEST
    assert store.damage(indexes=True) == []


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, LATEST + 1))


def test_opening_again_migrates_nothing_and_keeps_everything(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as first:
        first.set_setting("calltimeout", "1h")
        first.commit()
    with Store.open(tmp_path / "a.db") as second:
        assert second.overrides() == {"calltimeout": "1h"}


def test_a_step_that_fails_leaves_nothing_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ("CREATE TABLE half (x INTEGER) STRICT", "CREATE TABLE this is not SQL")
    monkeypatch.setattr("pysrv.store.schema.STATEMENTS_1", broken)
    assert refused(tmp_path / "a.db").code is StoreCode.FAILED
    with sqlite3.connect(tmp_path / "a.db") as raw:
        assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    monkeypatch.undo()
    Store.open(tmp_path / "a.db").close()


def test_the_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(tmp_path / "a.db") as store:
            store.add_ban(BanRow("192.0.2.1", "operator"))
            store.commit()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"a.db", "a.db-wal", "a.db-shm", "a.db.lock"}
    assert set(modes.values()) == {0o600}


def test_writes_are_durable_and_concurrent_reads_do_not_wait(store: Store) -> None:
    assert store._one("PRAGMA journal_mode") == ("wal",)
    assert store._one("PRAGMA synchronous") == (2,)


def test_nothing_is_seen_by_others_before_commit_and_all_of_it_after(store: Store) -> None:
    with store.reader() as reader:
        store.add_ban(BanRow("192.0.2.1", "operator"))
        assert len(store.bans()) == 1
        assert reader.bans() == []
        store.commit()
        assert len(reader.bans()) == 1


def test_a_rollback_takes_back_everything_since_the_last_commit(store: Store) -> None:
    store.add_ban(BanRow("192.0.2.1", "operator"))
    store.commit()
    store.add_ban(BanRow("192.0.2.2", "operator"))
    store.rollback()
    assert [ban.prefix for ban in store.bans()] == ["192.0.2.1"]


def test_commit_and_rollback_without_writes_are_fine(store: Store) -> None:
    store.commit()
    store.rollback()


def test_a_refused_call_leaves_the_rest_of_the_drain_alone(store: Store) -> None:
    store.add_ban(BanRow("192.0.2.1", "operator"))
    with pytest.raises(StoreError):
        store.import_commit(99)
    store.commit()
    assert len(store.bans()) == 1


def test_a_second_writer_is_told_that_another_office_runs(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db"):
        error = refused(tmp_path / "a.db")
    assert error.code is StoreCode.LOCKED
    assert "in use by another office" in error.message
    assert error.hint
    Store.open(tmp_path / "a.db").close()


def test_a_file_locked_from_outside_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "appliance.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store._run("PRAGMA busy_timeout=1")
    with pytest.raises(StoreError, match="locked by another process") as caught:
        store.add_ban(BanRow("192.0.2.1", "operator"))
    assert caught.value.code is StoreCode.LOCKED
    other.execute("ROLLBACK")
    store.add_ban(BanRow("192.0.2.1", "operator"))
    store.commit()


def test_a_file_that_is_no_database_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database at all " * 500)
    error = refused(tmp_path / "a.db")
    assert error.code is StoreCode.CORRUPT
    assert "backup" in error.hint


def test_a_database_with_overwritten_pages_is_called_damaged(tmp_path: Path) -> None:
    Store.open(tmp_path / "a.db").close()
    content = bytearray((tmp_path / "a.db").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(StoreError) as caught, Store.open(tmp_path / "a.db") as store:
        store.account("alice")
    assert caught.value.code is StoreCode.CORRUPT


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path / "a.db").close()
    with sqlite3.connect(tmp_path / "a.db") as raw:
        raw.execute("INSERT INTO schema_versions VALUES (?, 'tomorrow', 0)", (LATEST + 1,))
    error = refused(tmp_path / "a.db")
    assert error.code is StoreCode.TOO_NEW
    assert str(LATEST + 1) in error.message
    with pytest.raises(StoreError) as caught:
        Reader.open(tmp_path / "a.db")
    assert caught.value.code is StoreCode.TOO_NEW


@pytest.mark.parametrize("place", ["missing/a.db", "file/a.db", "."])
def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    error = refused(tmp_path / place)
    assert error.code is StoreCode.UNWRITABLE
    assert "cannot be opened" in error.message


def test_a_link_in_place_of_the_database_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    (tmp_path / "a.db").symlink_to(tmp_path / "precious")
    assert refused(tmp_path / "a.db").code is StoreCode.UNWRITABLE


def test_a_reader_of_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Reader.open(tmp_path / "a.db")
    assert caught.value.code is StoreCode.UNWRITABLE


def test_a_reader_cannot_write(store: Store) -> None:
    with store.reader() as reader, pytest.raises(StoreError):
        reader._run("DELETE FROM bans")


def test_a_full_disk_is_named_and_the_drain_must_be_rolled_back(store: Store) -> None:
    pages = store._one("PRAGMA page_count")
    assert pages is not None
    store._run(f"PRAGMA max_page_count={pages[0] + 2}")
    with pytest.raises(StoreError) as caught:
        for number in range(10_000):
            store.add_ban(BanRow(f"prefix {number}", "operator", "x" * 500))
    assert caught.value.code is StoreCode.FULL
    store.rollback()
    assert store.bans() == []


def test_a_transaction_that_sqlite_gave_up_is_never_committed_as_if_it_were_whole(store: Store) -> None:
    store.add_ban(BanRow("192.0.2.1", "operator"))
    store._sql.execute("ROLLBACK")  # as SQLite itself does after some I/O errors
    with pytest.raises(StoreError, match="gave the running transaction up"):
        store.add_ban(BanRow("192.0.2.2", "operator"))
    with pytest.raises(StoreError, match="gave the running transaction up"):
        store.commit()
    store.rollback()
    store.add_ban(BanRow("192.0.2.3", "operator"))
    store.commit()
    assert [ban.prefix for ban in store.bans()] == ["192.0.2.3"]


@pytest.mark.parametrize("table", ["postings", "audit"])
@pytest.mark.parametrize("change", ["UPDATE {} SET who = 'nobody'", "DELETE FROM {}"])
def test_postings_and_audit_rows_can_never_be_changed(store: Store, table: str, change: str) -> None:
    store.set_setting("calltimeout", "1h")
    store.add_account(NewAccount("a", "secret", "r"))
    store._write("INSERT INTO postings (account_id, at, kind, amount, balance_after) VALUES (1, 0, 'deposit', 1, 1)")
    with pytest.raises(StoreError, match="never changed or removed"):
        store._write(change.format(table))
    with pytest.raises(StoreError, match="never changed or removed"):
        store._write(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_a_store_that_can_be_written_has_no_trouble_and_keeps_what_is_under_way(store: Store) -> None:
    assert store.trouble() == ""
    assert not store._sql.in_transaction
    store.set_setting("calltimeout", "60", "test")
    assert store.trouble() == ""
    store.commit()
    assert store.overrides()["calltimeout"] == "60"


def test_a_disk_that_is_nearly_full_is_trouble(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LEAST_FREE_BYTES", 1 << 62)
    assert store.trouble() == "disk_full"
