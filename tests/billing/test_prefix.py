from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.prefix import PrefixTable

digits = st.text("0123", max_size=6)


@given(st.dictionaries(digits, st.integers()), digits)
def test_the_longest_match_is_the_one_a_naive_search_finds(table: dict[str, int], number: str) -> None:
    naive = sorted((prefix for prefix in table if number.startswith(prefix)), key=len, reverse=True)
    found = PrefixTable(table.items())
    assert list(found.matches(number)) == [(prefix, table[prefix]) for prefix in naive]
    assert found.longest(number) == ((naive[0], table[naive[0]]) if naive else None)
    assert len(found) == len(table)


def test_a_removed_prefix_no_longer_matches() -> None:
    table = PrefixTable([("49", "de"), ("4930", "berlin")])
    table.remove("4930")
    table.remove("1")
    assert table.longest("493012") == ("49", "de")
    assert table.exact("4930") is None


def test_a_prefix_longer_than_the_number_does_not_match() -> None:
    assert PrefixTable([("4930", 1)]).longest("493") is None
