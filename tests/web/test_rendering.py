"""Numbers as each language writes them."""

import pytest

from pysrv.web.rendering import amount, count, plain, say, size


@pytest.mark.parametrize(
    ("number", "code", "written"), [(100_000, "en", "100,000"), (100_000, "de", "100.000"), (7.6, "de", "8")]
)
def test_a_count_has_its_thousands_apart_as_the_language_parts_them(number: float, code: str, written: str) -> None:
    assert count(number, code) == written


@pytest.mark.parametrize(
    ("number", "code", "written"),
    [(0.000333, "en", "0.000333"), (0.000333, "de", "0,000333"), (12345.6, "de", "12.346"), (0, "en", "0")],
)  # fmt: skip
def test_a_figure_has_four_digits_that_count_and_no_exponent(number: float, code: str, written: str) -> None:
    assert plain(number, code) == written


@pytest.mark.parametrize(
    ("text", "code", "written"),
    [
        ("0.03", "de", "0,03"), ("1250.00", "en", "1,250.00"), ("1250.00", "de", "1.250,00"),
        ("-0.030001", "de", "-0,030001"), ("7", "de", "7"), ("?", "de", "?"), ("", "de", ""),
    ],
)  # fmt: skip
def test_an_amount_keeps_all_of_its_decimals(text: str, code: str, written: str) -> None:
    assert amount(text, code) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("firewall[0].action: is missing", "firewall[0].action: fehlt"),
        ("allowed[0].prefix must be text, not 5", "allowed[0].prefix muss Text sein, nicht 5"),
        (
            "bans[0]: 0.0.0.0/0 would ban everyone; trunks[1] has no field 'x'; and 3 more faults",
            "bans[0]: 0.0.0.0/0 würde alle sperren; trunks[1] hat kein Feld 'x'; und 3 weitere Fehler",
        ),
        ("line 1, column 1: expecting value", "Zeile 1, Spalte 1: hier fehlt ein Wert"),
        ("Note: what nobody here says; so it stays", "Note: what nobody here says; so it stays"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_place_by_place(text: str, written: str) -> None:
    assert say(text, "de") == written


@pytest.mark.parametrize(
    ("number", "code", "written"),
    [(0, "en", "0 B"), (1023, "en", "1,023 B"), (3.25 * 2**30, "de", "3,2 GiB"), (2**50, "en", "1,024 TiB")],
)
def test_a_size_has_the_unit_that_fits_it(number: float, code: str, written: str) -> None:
    assert size(number, code) == written
