"""The settings file: every error names its line and its setting."""

import pytest

from appliance.config.load import parse_file
from appliance.config.settings import BadSettings, Problem


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadSettings) as refused:
        parse_file(text)
    return [(problem.line, problem.name) for problem in refused.value.problems]


def test_every_wrong_line_is_named_in_order() -> None:
    assert problems('# ours\nmaxlines = "many"\ncalltimeout = 5\nnonsense = 1\n') == [(2, "maxlines"), (4, "nonsense")]


def test_a_fault_of_syntax_names_line_and_column() -> None:
    with pytest.raises(BadSettings, match=r"line 2: column 13"):
        parse_file("maxlines = 3\nringtimeout 5\n")


def test_a_value_of_another_type_is_refused_with_the_range() -> None:
    with pytest.raises(BadSettings, match="line 1: maxlines must be 0 to 1000000, 0 = off"):
        parse_file("maxlines = [1]")


def test_a_date_is_no_value() -> None:
    assert problems("maxlines = 2026-01-01") == [(1, "maxlines")]


def test_a_table_is_refused_by_name() -> None:
    with pytest.raises(BadSettings, match=r"\[limits\] is a table"):
        parse_file("[limits]\nmaxlines = 3")


def test_a_key_given_twice_is_refused() -> None:
    assert problems("maxlines = 1\nmaxlines = 2")[0][0] == 2


def test_deep_nesting_is_refused_and_does_not_crash() -> None:
    assert len(problems("x = " + "[" * 100_000)) == 1


def test_names_may_be_written_in_any_case() -> None:
    assert parse_file("MaxLines = 4") == {"maxlines": 4}


def test_a_problem_outside_of_a_file_has_no_line() -> None:
    assert str(Problem("a", "a is wrong")) == "a is wrong"
