"""The settings table as a whole: complete, consistent with itself, honest about what nothing acts on yet."""

from pathlib import Path
from typing import Any

import pytest

from appliance.config.render import chapter_rows
from appliance.config.row import Row, Scope
from appliance.config.schema import ALIASES, CHAPTERS, ROWS, UnknownSetting, row

IDLE = Path(__file__).with_name("idle-settings.txt")
ALL = list(ROWS.values())


def test_the_list_of_settings_that_nothing_acts_on_is_the_committed_one() -> None:
    """Whoever puts a setting in force takes it off the list; nothing is ever added."""
    assert [name for name, each in ROWS.items() if not each.in_force] == IDLE.read_text().split()


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_a_row_is_whole(each: Row[Any]) -> None:
    assert each.name == each.name.lower()
    assert each.sentence.endswith(".")
    assert each.kind.parse(each.kind.text(each.default)) == each.default
    assert each.acts_at
    assert all(name in ROWS and name != each.name for name in each.see)


@pytest.mark.parametrize("each", [each for each in ALL if each.strict], ids=lambda each: each.name)
def test_what_the_strict_profile_sets_is_allowed_and_strict(each: Row[Any]) -> None:
    strict = each.strict
    assert strict is not None
    assert strict.words()
    if strict.target:
        assert strict.accepts(each.kind, each.kind.parse(strict.target))
    else:
        assert not strict.accepts(each.kind, each.default)


def test_every_row_stands_in_one_chapter() -> None:
    names = [each.name for chapter in CHAPTERS for each in chapter_rows(chapter)]
    assert names == list(ROWS)
    assert len(set(names)) == len(names)


def test_names_are_found_in_any_case_and_by_alias() -> None:
    assert row("CallTimeout").name == "calltimeout"
    assert row("AuthType").name == "needauth"
    assert not set(ALIASES) & set(ROWS)


def test_an_unknown_name_is_refused_with_names_like_it() -> None:
    with pytest.raises(UnknownSetting, match="near: calltimeout"):
        row("calltimeot")


def test_settings_of_one_account_are_the_expected_ones() -> None:
    own = {name for name, each in ROWS.items() if each.scope is Scope.USER}
    assert own == {
        *("needauth", "authip", "authpin", "techprefix", "maxlines", "maxlinesoffpeak", "credit", "postpaid"),
        *("maxmonthlycredit", "maxmonthlycreditinc", "maxmonthlycreditend", "maxdailyminutes", "maxmonthlyminutes"),
        *("maxcps", "locklevel", "onlylocalaccess", "maxdailycredit", "blacklistlevel"),
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("calltimeout", "0", "calltimeout must be a duration"),
        ("localtlsport", "70000", "localtlsport must be 1 to 65535, not '70000'"),
        ("checkrtpaddr", "3", "checkrtpaddr must be one of 0 = any source"),
        ("quotadiscreason", "200", "quotadiscreason must be 400 to 699"),
        ("usetls", "perhaps", "usetls must be true or false"),
    ],
)
def test_a_refusal_names_the_setting_the_value_and_the_range(name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        row(name).parse(text)
