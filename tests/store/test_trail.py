"""The chain of the audit trail: whole as it is written, and broken by any change, removal or insertion of a row."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysrv.people.permissions import Role
from pysrv.store import Store
from pysrv.store.database import link
from pysrv.store.errors import StoreError

COLUMNS = ("at", "who", "action", "subject", "before", "after", "digest")


def written(directory: str | Path, rows: int) -> Store:
    store = Store.open(Path(directory) / "a.db", lambda: 1_700_000_000.0)
    for number in range(rows):
        store.note(f"web:p{number % 3}", "call.hangup", f"call{number}", f"after {number}")
    for trigger in store._all("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"):
        store._write(f"DROP TRIGGER {trigger[0]}")  # who writes into the file does not ask them
    return store


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_removal_or_insertion_of_a_row_is_found(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 12))
    at = data.draw(st.integers(1, rows))
    with TemporaryDirectory() as directory, written(directory, rows) as store:
        head = store.audit_chain().head
        assert store.audit_chain(head).noted_at == rows
        match data.draw(st.sampled_from(["change", "remove", "insert", "swap"])):
            case "change":
                column = data.draw(st.sampled_from(COLUMNS))
                value = 12.5 if column == "at" else data.draw(st.text("ab", min_size=1, max_size=5))
                store._write(f"UPDATE audit SET {column} = ? WHERE id = ?", (value, at))
            case "remove":
                store._write("DELETE FROM audit WHERE id = ?", (at,))
            case "insert":
                store._write("UPDATE audit SET id = id + 1000 WHERE id >= ?", (at,))
                store._write("UPDATE audit SET id = id - 999 WHERE id >= 1000")
                made = (at, 1.0, "root", "x", "y", "", "")
                before = (store._one("SELECT digest FROM audit WHERE id = ?", (at - 1,)) or ("",))[0]
                sql = "INSERT INTO audit (id, at, who, action, subject, before, after, digest) VALUES (?,?,?,?,?,?,?,?)"
                store._write(sql, (*made, link(before, at, made[1:])))
            case _:
                other = at % rows + 1
                a, b = (store._one("SELECT who, subject FROM audit WHERE id = ?", (n,)) for n in (at, other))
                assert a and b
                for number, row in ((at, b), (other, a)):
                    store._write("UPDATE audit SET who = ?, subject = ? WHERE id = ?", (*row, number))
        found = store.audit_chain(head)
        assert found.broken_at or not found.noted_at


def test_who_forges_the_whole_chain_anew_is_found_by_a_noted_head(tmp_path: Path) -> None:
    with written(tmp_path, 5) as store:
        noted, head = store.audit_chain().head, ""
        store._write("UPDATE audit SET after = 'forged' WHERE id = 3")
        for number, *row in store._all("SELECT id, at, who, action, subject, before, after FROM audit ORDER BY id"):
            head = link(head, number, tuple(row))
            store._write("UPDATE audit SET digest = ? WHERE id = ?", (head, number))
        found = store.audit_chain(noted)
        assert (found.broken_at, found.noted_at) == (0, 0)


def test_an_untouched_trail_can_be_written_on_and_keeps_its_noted_head(tmp_path: Path) -> None:
    with written(tmp_path, 3) as store:
        noted = store.audit_chain().head
        store.note("root", "x", "y")
        found = store.audit_chain(noted)
        assert (found.rows, found.broken_at, found.noted_at) == (4, 0, 3)


def test_rows_are_never_changed_or_removed_by_the_appliance(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as store:
        store.note("root", "x", "y")
        for sql in ("UPDATE audit SET who = 'z'", "DELETE FROM audit"):
            with pytest.raises(StoreError, match="never changed"):
                store._write(sql)


def test_everything_about_people_stands_in_it_and_no_secret_does(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as store:
        store.add_administrator("olga", Role.OWNER, "correct-horse-42", "root")
        store.set_totp("olga", "A" * 32, "web:olga")
        store.set_recovery_codes("olga", ("abcde-fghjk",), "web:olga")
        assert store.use_recovery_code("olga", "abcde-fghjk", "web:olga")
        token = store.add_api_token("olga", "bot", ("*:read",), 4e9, "web:olga")
        store.forget_second_factor("olga", "root")
        rows = store.audit()
        assert [row.action.split(".")[-1] for row in rows][::-1] == [
            "add", "totp", "recovery_codes", "recovery_code", "add", "second_factor",
        ]  # fmt: skip
        for secret in ("correct-horse-42", "A" * 32, "abcde-fghjk", token):
            assert secret not in str(rows)
