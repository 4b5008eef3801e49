import pytest

from pysrv.billing.number import normalise, prefix_digits, prefixes


@pytest.mark.parametrize(
    ("dialled", "number"),
    [("+49 (30) 12-34", "49301234"), ("101", "101"), ("*43", "*43"), ("+49.30/1", "49301"), ("0049", "0049")],
)
def test_visual_separators_and_the_plus_are_dropped(dialled: str, number: str) -> None:
    assert normalise(dialled) == number


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("0049 30 1234", "49301234"),
        ("0012125550100", "12125550100"),
        ("000", "000"),
        ("0011493012345", "0011493012345"),
        ("1001234567", "1001234567"),
        ("00123", "00123"),
    ],
)
def test_two_zeros_before_a_country_code_mean_plus(dialled: str, number: str) -> None:
    assert normalise(dialled) == number


@pytest.mark.parametrize("dialled", ["", "+", "alice", "12a", "+*43", "1" * 33, "٤٩", "+٤٩", "1;2", "1\n"])
def test_what_is_no_number_is_none(dialled: str) -> None:
    assert normalise(dialled) is None


@pytest.mark.parametrize(
    ("written", "prefix"),
    [("+49", "49"), ("0049", "49"), ("001", "1"), ("49", "49"), ("0", "0"), ("000", "000"), ("0011", "0011")],
)
def test_a_prefix_is_written_as_the_numbers_are(written: str, prefix: str) -> None:
    assert prefix_digits(written) == prefix


def test_prefixes_go_from_the_longest_to_the_empty_one() -> None:
    assert prefixes("4930") == ("4930", "493", "49", "4", "")
    assert prefixes("123456", longest=2) == ("12", "1", "")
