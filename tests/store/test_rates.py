from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pysrv.billing.deck import RateError
from pysrv.billing.number import prefix_digits
from pysrv.billing.tariff import Rate
from pysrv.store import Store, StoreCode, StoreError

HEADER = "prefix,per_minute\n"


def imported(store: Store, deck: str, rows: str) -> None:
    number = store.import_begin(deck)
    store.import_rows(number, 1, HEADER + rows)
    store.import_commit(number)


def test_a_deck_is_imported_in_pieces_and_priced_by_the_longest_prefix(store: Store) -> None:
    number = store.import_begin("gold")
    assert store.import_rows(number, 1, HEADER + "49,0.02\n") == 1
    assert store.import_rows(number, 3, "4930,0.01\n491,0.2\n") == 2
    deck = store.import_commit(number)
    assert (deck.name, deck.rates) == ("gold", 3)
    assert store.decks() == [deck]
    assert store.rate_for("gold", "493012") == Rate("4930", 10_000)
    assert store.rate_for("gold", "4989") == Rate("49", 20_000)
    assert store.rate_for("gold", "33") is None
    assert store.rate_for("silver", "49") is None


def test_nobody_sees_an_import_before_it_is_committed(store: Store) -> None:
    imported(store, "gold", "49,0.02\n")
    number = store.import_begin("gold")
    store.import_rows(number, 1, HEADER + "49,0.99\n")
    assert store.rate_for("gold", "491") == Rate("49", 20_000)
    store.import_commit(number)
    assert store.rate_for("gold", "491") == Rate("49", 990_000)


def test_an_aborted_import_leaves_the_deck_in_use(store: Store) -> None:
    imported(store, "gold", "49,0.02\n")
    number = store.import_begin("gold")
    store.import_rows(number, 1, HEADER + "33,0.99\n")
    store.import_abort(number)
    assert store.rate_for("gold", "33") is None
    with pytest.raises(StoreError) as caught:
        store.import_commit(number)
    assert caught.value.code is StoreCode.NOT_FOUND


@pytest.mark.parametrize("second", ["49,0.03\n", "33,1\n33,2\n"])
def test_a_prefix_that_appears_twice_is_named_with_its_line(store: Store, second: str) -> None:
    number = store.import_begin("gold")
    store.import_rows(number, 1, HEADER + "49,0.02\n")
    with pytest.raises(RateError, match="appears twice") as caught:
        store.import_rows(number, 3, second)
    assert (caught.value.line, caught.value.column) == (3 if second.startswith("49") else 4, "prefix")


def test_a_bad_line_takes_nothing_of_its_piece_and_the_drain_goes_on(store: Store) -> None:
    number = store.import_begin("gold")
    with pytest.raises(RateError, match="line 3"):
        store.import_rows(number, 1, HEADER + "49,0.02\n33,x\n")
    assert store._one("SELECT count(*) FROM rates") == (0,)
    store.import_abort(number)
    store.commit()


def test_an_empty_file_replaces_nothing(store: Store) -> None:
    imported(store, "gold", "49,0.02\n")
    number = store.import_begin("gold")
    store.import_rows(number, 1, HEADER)
    with pytest.raises(StoreError, match="has no rates"):
        store.import_commit(number)
    assert store.rate_for("gold", "491") == Rate("49", 20_000)


def test_old_rates_are_swept_away_in_bites(store: Store) -> None:
    imported(store, "gold", "".join(f"{1000 + row},1\n" for row in range(50)))
    imported(store, "gold", "49,0.02\n")
    assert store._one("SELECT count(*) FROM rates") == (51,)
    bites = 0
    while store.sweep(20):
        bites += 1
    assert bites == 3
    assert store._one("SELECT count(*) FROM rates") == (1,)
    assert store._one("SELECT count(*) FROM imports") == (1,)


def test_an_import_that_a_crash_interrupted_is_swept_away(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as store:
        number = store.import_begin("gold")
        store.import_rows(number, 1, HEADER + "49,0.02\n")
        store.commit()
    with Store.open(tmp_path / "a.db") as store:
        while store.sweep():
            pass
        assert store._one("SELECT count(*) FROM rates") == (0,)


def test_a_removed_deck_prices_nothing(store: Store) -> None:
    imported(store, "gold", "49,0.02\n")
    assert store.rate_for("gold", "49")
    store.remove_deck("gold")
    assert store.rate_for("gold", "49") is None
    with pytest.raises(StoreError, match="there is no rate deck 'gold'"):
        store.remove_deck("gold")


def test_rates_are_listed_by_the_start_of_their_prefix(store: Store) -> None:
    imported(store, "gold", "49,1\n4930,2\n5,3\n4,4\n")
    assert [rate.prefix for rate in store.rates("gold", "49")] == ["49", "4930"]
    assert [rate.prefix for rate in store.rates("gold")] == ["4", "49", "4930", "5"]
    assert len(store.rates("gold", limit=2)) == 2
    with pytest.raises(StoreError, match="there is no rate deck 'x'"):
        store.rates("x")


digits = st.text("012", min_size=1, max_size=5).filter(lambda prefix: prefix_digits(prefix) == prefix)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(digits, st.integers(0, 99), min_size=1), st.lists(digits, min_size=1, max_size=10))
def test_a_price_is_the_one_of_the_longest_prefix(store: Store, table: dict[str, int], numbers: list[str]) -> None:
    imported(store, "d", "".join(f"{prefix},{price}\n" for prefix, price in table.items()))
    with store.reader() as reader:
        store.commit()
        for number in numbers:
            longest = max((prefix for prefix in table if number.startswith(prefix)), key=len, default=None)
            expected = None if longest is None else Rate(longest, table[longest] * 1_000_000)
            assert store.rate_for("d", number) == expected == reader.rate_for("d", number)
