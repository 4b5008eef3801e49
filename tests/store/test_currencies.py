from fractions import Fraction

import pytest

from pysrv.store import Store, StoreCode, StoreError


def test_a_currency_has_the_rate_of_its_day(store: Store) -> None:
    store.set_currency("USD", "0.92")
    store.set_currency("USD", "0.95", 2_000.0)
    store.set_currency("HUF", "1/400", 3_000.0)
    assert store.exchange_rates(1_999.0) == {"USD": Fraction(23, 25)}
    assert store.exchange_rates(2_000.0) == {"USD": Fraction(19, 20)}
    assert store.exchange_rates(3_000.0) == {"USD": Fraction(19, 20), "HUF": Fraction(1, 400)}
    with store.reader() as reader:
        store.commit()
        assert all(reader.exchange_rates(at) == store.exchange_rates(at) for at in (0.0, 1_999.0, 2_500.0, 3_000.0))


def test_a_currency_that_is_removed_has_no_rate(store: Store) -> None:
    store.set_currency("USD", "0.92", who="root")
    store.remove_currency("USD", "root")
    assert store.exchange_rates(0.0) == {}
    assert [row.action for row in store.audit(subject="USD")] == ["currencies.remove", "currencies.set"]
    with pytest.raises(StoreError, match="no exchange rate of 'USD'"):
        store.remove_currency("USD")


def test_a_tax_is_set_changed_and_removed(store: Store) -> None:
    store.set_tax("vat", 190_000, "Germany")
    store.set_tax("vat", 200_000)
    tax = store.tax("vat")
    assert tax is not None and tax.ppm == 200_000
    assert store.tax("gst") is None
    store.remove_tax("vat")
    assert store.taxes() == []


def test_a_tax_of_a_deck_in_use_stays(store: Store) -> None:
    store.set_tax("vat", 190_000)
    number = store.import_begin("retail", tax="vat")
    store.import_rows(number, 1, "prefix,per_minute\n49,1\n")
    store.import_commit(number)
    with pytest.raises(StoreError, match="deck retail is taxed by vat") as caught:
        store.remove_tax("vat")
    assert caught.value.code is StoreCode.CONFLICT


@pytest.mark.parametrize("name", ["", "VAT 19", "none", "x" * 33])
def test_a_tax_s_name_is_plain(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a tax's name"):
        store.set_tax(name, 1)
