"""Every word of the web has its translation, in every language, with the same places to fill."""

import re
from pathlib import Path

import pytest

from appliance.errands import MOST_WANTED, Errands
from appliance.tunnel import book
from appliance.wire import WireError
from pysrv.web.rendering import LANGUAGES, SOURCE_LANGUAGE, catalogue_files, say
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


def test_what_the_keeper_refuses_is_read_in_german_by_whoever_asked_in_the_panel(tmp_path: Path) -> None:
    errands, kept = Errands(tmp_path, tmp_path, lambda _: None, by_unit=True), book.fresh()
    for _ in range(MOST_WANTED):
        errands.audit()
    said = {
        errands.audit: "zu viele Prüfungen wurden verlangt",
        lambda: kept.peer("laptop"): "der Tunnel hat keinen Teilnehmer 'laptop'",
        lambda: kept.with_peer("../x", "", "", 1.0): "'../x' kann kein Name eines Teilnehmers sein",
        lambda: kept.with_peer("x", "y", "", 1.0): "das ist kein Schlüssel von WireGuard",
        lambda: Errands(tmp_path, tmp_path / "no", lambda _: None, by_unit=True).audit(): "siehe das Protokoll",
    }
    for ask, words in said.items():
        with pytest.raises(WireError) as refused:
            ask()
        told = f"{say(refused.value.message, 'de')}; {say(refused.value.hint, 'de')}"
        assert words in told and refused.value.hint not in told
