"""Every word of the web has its translation, in every language, with the same places to fill."""

import re

import pytest

from pysrv.web.rendering import LANGUAGES, SOURCE_LANGUAGE, catalogue_files
from tests.web.languages import SETTINGS, entries, missing, said, translated, unused

OTHERS = sorted(LANGUAGES.keys() - {SOURCE_LANGUAGE})
_PLACES = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_has_a_translation(code: str) -> None:
    lacking = missing(code)
    command = "'python -m tests.web.languages' lists them all"
    assert not lacking, f"{len(lacking)} words are missing in {code} ({command}):\n{entries(lacking)}"


@pytest.mark.parametrize("code", OTHERS)
def test_every_entry_of_a_catalogue_is_said_somewhere(code: str) -> None:
    left_over = unused(code)
    assert not left_over, f"{code} translates what nothing says: {left_over}"


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_fills_in_the_same_places(code: str) -> None:
    wrong = {
        words: text
        for words, text in translated(code).items()
        if text and any(set(_PLACES.findall(part)) - set(_PLACES.findall(words)) for part in text.split("|"))
    }
    assert not wrong, f"{code}: places that the words have not: {wrong}"


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_says_nothing_twice(code: str) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in catalogue_files(code))
    found = re.findall(r'^msgid "(.+)"$', text, re.MULTILINE)
    twice = sorted({words for words in found if found.count(words) > 1})
    assert not twice, f"{code}: {twice}"


def test_words_are_found_in_templates_menus_and_python() -> None:
    found = said()
    assert "pysrv/web/templates/login.html" in found["Password"]
    assert "menu of /panel/accounts" in found["Accounts"]
    assert "the roles" in found["owner"]
    assert found["Longest automatic ban."] == [SETTINGS]
