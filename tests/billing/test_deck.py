from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pysrv.billing.deck import DeckReader, RateError
from pysrv.billing.tariff import Rate, Rounding

FULL = "prefix,destination,per_minute,connect_fee,initial_increment,next_increment,minimum\n"


def read(text: str) -> list[Rate]:
    return [rate for _, rate in DeckReader().feed(text, 1)]


def test_a_deck_is_read_with_all_its_columns() -> None:
    assert read(FULL + "49,Germany,0.02,0.05,60,30,10\n") == [Rate("49", 20_000, 50_000, 60, 30, 10, "Germany")]


def test_only_prefix_and_price_are_needed_and_the_order_is_free() -> None:
    assert read("per_minute,prefix\n1.5,+44\n") == [Rate("44", 1_500_000)]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffprefix,per_minute\r\n49,0.02\r\n",
        "prefix;per_minute\n49;0,02",
        "prefix\tper_minute\n49\t0,02\n\n",
        'Prefix, Per_Minute\n"49"," 0.02 "\n',
        "code;rate\n49;0.02\n",
    ],
)
def test_marks_line_ends_delimiters_and_decimal_commas_of_the_world_are_tolerated(text: str) -> None:
    assert read(text) == [Rate("49", 20_000)]


def test_empty_cells_take_the_defaults() -> None:
    assert read(FULL + "49,,0.02,,,,\n") == [Rate("49", 20_000)]


def test_pieces_continue_where_the_last_one_ended() -> None:
    reader = DeckReader()
    assert reader.feed("prefix,per_minute\n1,1\n", 1) == [(2, Rate("1", 1_000_000))]
    assert reader.feed("2,1\n\n3,1\n", 3) == [(3, Rate("2", 1_000_000)), (5, Rate("3", 1_000_000))]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("prefix,conect_fee,per_minute\n", 1, "conect_fee"),
        ("prefix\n49\n", 1, "per_minute"),
        ("prefix,code,rate\n", 1, "prefix"),
        ("", 1, "prefix"),
        ("prefix,per_minute\n49,1\n4x,1\n", 3, "prefix"),
        ("prefix,per_minute\n,1\n", 2, "prefix"),
        ("prefix,per_minute\n12345678901234567,1\n", 2, "prefix"),
        ("prefix,per_minute\n49,\n", 2, "per_minute"),
        ("prefix,per_minute\n49,cheap\n", 2, "per_minute"),
        ("prefix,per_minute\n49,-1\n", 2, "per_minute"),
        ("prefix,per_minute\n49,1,2\n", 2, ""),
        ("prefix,per_minute,next_increment\n49,1,0\n", 2, "next_increment"),
        ("prefix,per_minute,initial_increment\n49,1,1.5\n", 2, "initial_increment"),
        ("prefix,per_minute,minimum\n49,1,-1\n", 2, "minimum"),
        ("prefix,per_minute,destination\n49,1," + "x" * 101 + "\n", 2, "destination"),
        ('prefix,per_minute\n49,"1\n', 2, ""),
    ],
)
def test_an_error_names_line_and_column(text: str, line: int, column: str) -> None:
    with pytest.raises(RateError) as caught:
        read(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}")


def test_the_error_of_a_later_piece_counts_lines_over_the_whole_file() -> None:
    reader = DeckReader()
    reader.feed("prefix,per_minute\n", 1)
    with pytest.raises(RateError, match=r"^line 1002, column per_minute: '1\.0\.0' is not an amount"):
        reader.feed("1,1\n2,1.0.0\n", 1001)


def test_times_rounding_and_free_seconds_are_read() -> None:
    text = (
        "prefix;per_minute;free_seconds;rounding;time_class;valid_from;valid_until\n"
        "49;0,02;10;nearest 4;Off-Peak;2026-12-01;2026-12-31\n"
        "49;0,03;;up:2;always;2027-01-01T08:00:00+01:00;\n"
    )
    first, second = (rate for _, rate in DeckReader(ZoneInfo("Europe/Berlin")).feed(text, 1))
    assert (first.free_seconds, first.rounding, first.places) == (10, Rounding.NEAREST, 4)
    assert first.time_class == "offpeak"
    assert first.valid_from == datetime(2026, 11, 30, 23, tzinfo=UTC).timestamp()
    assert first.valid_until == datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()
    assert (second.time_class, second.places) == ("", 2)
    assert second.valid_from == datetime(2027, 1, 1, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("time_class", "night"),
        ("valid_from", "01.12.2026"),
        ("valid_until", "2026-02-30"),
        ("rounding", "down"),
        ("rounding", "up 7"),
        ("free_seconds", "-1"),
    ],
)
def test_an_error_in_a_newer_column_names_it(column: str, cell: str) -> None:
    with pytest.raises(RateError) as caught:
        read(f"prefix,per_minute,{column}\n49,1,{cell}\n")
    assert (caught.value.line, caught.value.column) == (2, column)


def test_a_rate_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(RateError, match="line 2: valid_until lies not after valid_from"):
        read("prefix,per_minute,valid_from,valid_until\n49,1,2026-12-02,2026-12-01\n")
