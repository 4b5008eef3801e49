"""Every word of the portal's templates and menu has a German one."""

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment

from pysrv.portal import ROUTES
from pysrv.web.rendering import PYSRV

TEMPLATES = sorted((PYSRV / "portal" / "templates").glob("*.html"))


def words_of(text: str) -> set[str]:
    found = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).extract_translations(text)  # type: ignore[attr-defined]
    return {said for _, _, message in found for said in (message if isinstance(message, tuple) else (message,)) if said}


def german() -> set[str]:
    with (PYSRV / "web" / "languages" / "de.po").open("rb") as file:
        return {message.id for message in read_po(file) if message.string and isinstance(message.id, str)}


@pytest.mark.parametrize("name", [path.name for path in TEMPLATES])
def test_every_word_of_a_template_has_a_german_one(name: str) -> None:
    said = words_of((PYSRV / "portal" / "templates" / name).read_text())
    assert said and said <= german()


def test_every_word_of_the_menu_has_a_german_one() -> None:
    assert {word for route in ROUTES for word in (route.menu, route.group) if word} <= german()
