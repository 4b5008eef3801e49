"""What is counted of a day's calls: the same however often and whenever it is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.billing.cdr import Cdr
from pysrv.store import Store
from pysrv.store.account import NewAccount

MORNING = 1_800_000_000.0
ONE = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.db", lambda: MORNING) as made:
        made.add_account(NewAccount("alice", "secret", "example.org"))
        made.commit()
        yield made


def ended(store: Store, call_id: str, at: float, charge: int = 0, refused_by: str = "") -> None:
    """A call record; that of a call which was never opened has no charge, so it is written beside it."""
    store.settle(Cdr(call_id, "alice", "101", "4930123", setup_at=at, ended_at=at, refused_by=refused_by))
    if charge:
        values = (charge, at, call_id)
        store._write("UPDATE cdrs SET charge = ?, currency = 'EUR', answered_at = ? WHERE call_id = ?", values)


def test_what_is_counted_grows_with_the_records_and_begins_anew_with_the_day(store: Store) -> None:
    assert store.counted_since(MORNING).calls == 0
    ended(store, "yesterday", MORNING - 9, ONE)
    ended(store, "first", MORNING + 1, ONE)
    assert store.counted_since(MORNING).charged == {"EUR": ONE}
    ended(store, "late", MORNING - 5, ONE)  # it was set up before, and ends now
    ended(store, "refused", MORNING + 2, refused_by="maxlines")
    ended(store, "second", MORNING + 3, 2 * ONE)
    counted = store.counted_since(MORNING)
    assert (counted.calls, counted.answered, counted.refused, counted.charged) == (3, 2, 1, {"EUR": 3 * ONE})
    assert store.counted_since(MORNING) == counted
    assert store.counted_since(MORNING + 86_400).calls == 0
    assert store.counted_since(MORNING) == counted
    store.commit()
    with store.reader() as reader:
        assert reader.counted_since(MORNING) == counted


def test_what_is_taken_back_is_not_counted(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.together():
        ended(store, "lost", MORNING + 1, ONE)
        assert store.counted_since(MORNING).calls == 1
        raise ZeroDivisionError
    assert store.counted_since(MORNING).calls == 0
    ended(store, "kept", MORNING + 2, 2 * ONE)  # it gets the number of the lost one
    assert store.counted_since(MORNING).charged == {"EUR": 2 * ONE}
