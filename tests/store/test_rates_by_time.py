"""Rates that differ by date and class, decks of a later day, and what is refused because it would be two prices."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from pysrv.billing.deck import RateError
from pysrv.billing.tariff import Rate, Rounding
from pysrv.billing.timeclass import TimeClass
from pysrv.store import Store, StoreError
from pysrv.store.migrations import MIGRATIONS, migrate
from tests.store.conftest import Clock

HEADER = "prefix,per_minute,time_class,valid_from,valid_until\n"
PEAK, OFFPEAK, WEEKEND, HOLIDAY = TimeClass


def day(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def imported(store: Store, rows: str, header: str = HEADER, deck: str = "d", effective_at: float = 0.0) -> None:
    number = store.import_begin(deck, effective_at=effective_at)
    store.import_rows(number, 1, header + rows)
    store.import_commit(number)


def per_minute(store: Store, number: str, at: str, kind: TimeClass | None = None) -> int | None:
    found = store.rate_for("d", number, day(at), kind)
    return found.per_minute // 10_000 if found else None


def test_a_rate_holds_from_its_first_day_to_its_last(store: Store) -> None:
    imported(store, "49,0.01,,2026-01-01,2026-06-30\n49,0.02,,2026-07-01,\n")
    assert per_minute(store, "491", "2025-12-31T23:59:59") is None
    assert per_minute(store, "491", "2026-01-01T00:00:00") == 1
    assert per_minute(store, "491", "2026-06-30T23:59:59") == 1
    assert per_minute(store, "491", "2026-07-01T00:00:00") == 2


def test_a_longer_prefix_whose_day_has_not_come_leaves_the_shorter_one(store: Store) -> None:
    imported(store, "49,0.01,,,\n4930,0.02,,2026-07-01,\n")
    assert per_minute(store, "49301", "2026-06-30") == 1
    assert per_minute(store, "49301", "2026-07-01") == 2


@pytest.mark.parametrize(("kind", "price"), [(PEAK, 4), (OFFPEAK, 3), (WEEKEND, 2), (HOLIDAY, 2), (None, 1)])
def test_the_nearest_class_that_a_prefix_has_prices_it(store: Store, kind: TimeClass | None, price: int) -> None:
    imported(store, "49,0.01,,,\n49,0.02,weekend,,\n49,0.03,offpeak,,\n49,0.04,peak,,\n")
    assert per_minute(store, "491", "2026-06-30", kind) == price


def test_a_deck_of_two_classes_has_a_price_at_the_weekend(store: Store) -> None:
    imported(store, "49,0.04,peak,,\n49,0.03,offpeak,,\n")
    assert per_minute(store, "491", "2026-06-30", HOLIDAY) == 3
    assert per_minute(store, "491", "2026-06-30") is None


@pytest.mark.parametrize(
    ("rows", "line", "column"),
    [
        ("49,1,,,\n49,2,,,\n", 3, "prefix"),
        ("49,1,peak,,\n49,2,peak,,\n", 3, "prefix"),
        ("49,1,,2026-01-01,\n49,2,,2026-01-01,\n", 3, "valid_from"),
        ("49,1,,2026-01-01,2026-06-30\n49,2,,2026-06-30,\n", 3, "valid_from"),
        ("49,1,,,\n33,1,,,\n49,2,,2026-06-30,\n", 4, "valid_from"),
        ("49,1,,2026-06-30,\n49,2,,,2026-06-30\n", 3, "valid_from"),
    ],
)
def test_two_rows_that_hold_at_one_instant_are_refused_with_their_line(
    store: Store, rows: str, line: int, column: str
) -> None:
    number = store.import_begin("d")
    with pytest.raises(RateError) as caught:
        store.import_rows(number, 1, HEADER + rows)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert store._one("SELECT count(*) FROM rates") == (0,)


def test_a_clash_with_a_row_of_an_earlier_piece_is_found(store: Store) -> None:
    number = store.import_begin("d")
    store.import_rows(number, 1, HEADER + "49,1,,,\n")
    with pytest.raises(RateError, match=r"^line 4, column valid_from: 49 holds at the same time twice"):
        store.import_rows(number, 3, "33,1,,,\n49,2,,2026-06-30,\n")


@pytest.mark.parametrize("rows", ["49,1,peak,,\n49,2,offpeak,,\n", "49,1,,,2026-06-30\n49,2,,2026-07-01,\n"])
def test_rows_that_never_hold_together_are_taken(store: Store, rows: str) -> None:
    imported(store, rows)
    assert len(store.rates("d")) == 2


def test_a_deck_may_be_imported_today_and_hold_from_monday(store: Store, clock: Clock) -> None:
    monday = clock.now + 3 * 86_400
    imported(store, "49,0.01,,,\n")
    imported(store, "49,0.02,,,\n", effective_at=monday)
    assert [(deck.name, deck.effective_at) for deck in store.decks()] == [("d", 0.0), ("d", monday)]
    prices = [store.rate_for("d", "491", at) for at in (clock.now, monday - 1, monday)]
    assert [rate and rate.per_minute for rate in prices] == [10_000, 10_000, 20_000]
    while store.sweep():
        pass
    assert store.rate_for("d", "491") == Rate("49", 10_000)
    clock.now = monday
    assert store.rate_for("d", "491") == Rate("49", 20_000)
    while store.sweep():
        pass
    assert [deck.effective_at for deck in store.decks()] == [monday]
    assert store._one("SELECT count(*) FROM rates") == (1,)


def test_an_import_replaces_what_holds_now_or_what_was_to_come_on_the_same_day(store: Store, clock: Clock) -> None:
    monday = clock.now + 3 * 86_400
    imported(store, "49,0.01,,,\n")
    imported(store, "49,0.02,,,\n", effective_at=monday)
    imported(store, "49,0.03,,,\n", effective_at=monday)
    imported(store, "49,0.04,,,\n")
    prices = [store.rate_for("d", "491", at) for at in (clock.now, monday)]
    assert [rate and rate.per_minute for rate in prices] == [40_000, 30_000]
    store.remove_deck("d", scheduled=True)
    assert [deck.effective_at for deck in store.decks()] == [0.0]
    with pytest.raises(StoreError, match="of a later day"):
        store.remove_deck("d", scheduled=True)


def test_all_terms_of_a_rate_are_kept(store: Store) -> None:
    header = "prefix,per_minute,free_seconds,rounding,destination,time_class\n"
    imported(store, "49,0.01,10,nearest 2,Germany,peak\n", header)
    expected = Rate(
        "49", 10_000, destination="Germany", free_seconds=10, rounding=Rounding.NEAREST, places=2, time_class="peak"
    )
    found = store.rate_for("d", "491", None, PEAK)
    assert found == expected
    assert isinstance(found.rounding, Rounding)


def test_a_deck_has_its_currency_and_its_tax(store: Store) -> None:
    number = store.import_begin("d", currency="USD", tax="vat")
    store.import_rows(number, 1, "prefix,per_minute\n49,1\n")
    assert store.import_commit(number).currency == "USD"
    priced = store.priced("d", "491")
    assert priced is not None
    assert (priced.deck.currency, priced.deck.tax) == ("USD", "vat")
    assert store.priced("none", "491") is None


def test_the_most_specific_prefix_is_that_of_any_deck_in_force(store: Store, clock: Clock) -> None:
    imported(store, "49,0.01,,,\n")
    assert store.known_digits("49171555") == 2
    imported(store, "49171,0.1,,,\n", deck="carrier")
    assert store.known_digits("49171555") == 5
    assert store.known_digits("49301") == 2
    assert store.known_digits("33") == 0
    imported(store, "491715,0.1,,,\n", deck="next", effective_at=clock.now + 60)
    assert store.known_digits("49171555") == 5
    assert store.known_digits("49171555", clock.now + 60) == 6
    with store.reader() as reader:
        store.commit()
        assert reader.known_digits("49171555") == store.known_digits("49171555")


def test_a_deck_is_listed_in_pieces_that_join(store: Store) -> None:
    imported(store, "".join(f"{row},0.01,{kind},,\n" for row in range(10, 20) for kind in ("", "peak")))
    whole = store.rates("d")
    pieces, after = [], None
    while piece := store.rates("d", limit=3, after=after):
        pieces += piece
        after = piece[-1]
    assert pieces == whole
    assert len(whole) == 20


def test_decks_of_the_schema_before_are_in_the_base_currency_and_always_hold(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    db = sqlite_utils.Database(path)
    for step in MIGRATIONS[:3]:
        step.apply(db)
    db.table("schema_versions").create({"version": int, "title": str, "applied_at": float}, pk="version", strict=True)
    db.table("schema_versions").insert({"version": 3, "title": "", "applied_at": 0.0})
    db.execute("INSERT INTO imports (id, deck, state, rates, started_at) VALUES (7, 'd', 'active', 1, 0)")
    db.execute("INSERT INTO rates VALUES (7, '49', 20000, 5, 60, 30, 10, 'Germany')")
    db.conn.commit()
    assert migrate(db, 0.0) == len(MIGRATIONS) - 3
    db.close()
    with Store.open(path) as store:
        assert store.rate_for("d", "4930") == Rate("49", 20_000, 5, 60, 30, 10, "Germany")
        assert store.decks()[0].currency == "EUR"
