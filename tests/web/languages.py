"""What the web says, and what of it a catalogue lacks: found by Babel in templates, in `N_("...")` of Python, in menus,
and in the table of settings.

`python -m tests.web.languages` prints the missing entries as they are to be appended to the catalogue's two files.
"""

import ast
import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract
from babel.messages.pofile import read_po

from appliance.config.account import FIELDS, TYPES
from appliance.config.banning import BANNING
from appliance.config.limiting import ALWAYS_ACT, LIMITING
from appliance.config.schema import ROWS
from appliance.config.textual import Duration
from pysrv.limits import checklist
from pysrv.people.permissions import Role
from pysrv.web import entrance
from pysrv.web.rendering import LANGUAGES, PYSRV, ROOMS, SOURCE_LANGUAGE, catalogue_files
from tests.web.sentences import sentences

OPTIONS = {"silent": "false", "trimmed": "false", "newstyle_gettext": "true"}
SETTINGS = "appliance/config/chapters"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def _extracted(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        if path.suffix == ".py":
            found = list(extract("python", file, {"N_": None}))
        else:
            found = list(extract("jinja2", file, KEYWORDS, (), OPTIONS))
    for _line, words, _comments, _context in found:
        yield words if isinstance(words, str) else words[0]


def _menus() -> Iterator[tuple[str, str]]:
    rooms = [entrance.ROUTES]
    for room in ROOMS:
        if room != "web" and importlib.util.find_spec(f"pysrv.{room}"):
            rooms.append(importlib.import_module(f"pysrv.{room}").ROUTES)
    for route in (route for routes in rooms for route in routes):
        yield from ((words, f"menu of {route.path}") for words in (route.menu, route.group) if words)


def _checks() -> Iterator[str]:
    """What the security checklist says: its room is pure, and knows no mark of ours."""
    for check in checklist.CHECKS:
        yield from (check.title, check.why)
    yield from (why for _weight, why in checklist.SETTINGS.values())


def _settings() -> Iterator[str]:
    """What the table of settings says: sentences, chapters, what choices and special values mean."""
    for row in ROWS.values():
        yield from (row.sentence, row.chapter, row.lack(), row.strict.hint if row.strict else "")
        yield from (getattr(row.kind, "auto", ""), *getattr(row.kind, "labels", {}).values())
        yield from (getattr(row.kind, "zero", ""), *getattr(row.kind, "special", {}).values())
        yield "" if row.unit.startswith(("money", "%")) or isinstance(row.kind, Duration) else row.unit


def _accounts() -> Iterator[str]:
    """What the table of an account's fields says beyond the settings."""
    yield from TYPES.values()
    yield from (field.sentence for field in FIELDS.values())


def _rules() -> Iterator[str]:
    """What every rule that refuses something is for."""
    for rules in (BANNING, LIMITING, ALWAYS_ACT):
        yield from rules.values()


def said_by_settings() -> set[str]:
    """Every word that stands in the table of settings."""
    return {words for words in _settings() if words}


def said() -> dict[str, list[str]]:
    """Every word that the web shows, and where."""
    found: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in sorted((*(PYSRV / room).rglob("*.html"), *(PYSRV / room).rglob("*.py"))):
            for words in _extracted(path):
                found.setdefault(words, []).append(str(path.relative_to(PYSRV.parent)))
    for words in _checks():
        found.setdefault(words, []).append("pysrv/limits/checklist.py")
    for words in _accounts():
        found.setdefault(words, []).append("appliance/config/account.py")
    for words in _rules():
        found.setdefault(words, []).append("the rules")
    for words in said_by_settings():
        found.setdefault(words, []).append(SETTINGS)
    for words, place in sentences().items():
        found.setdefault(words, []).append(place)
    for words, place in (*_menus(), *((str(role), "the roles") for role in Role)):
        found.setdefault(words, []).append(place)
    return found


def translated(code: str) -> dict[str, str]:
    """The catalogue: words and translation; one that is empty or doubtful is none."""
    found = {}
    for path in catalogue_files(code):
        with path.open("rb") as file:
            for message in read_po(file, abort_invalid=True):
                if message.id:
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    text = message.string if isinstance(message.string, str) else "|".join(message.string or ())
                    found[key] = "" if message.fuzzy else text
    return found


def missing(code: str) -> dict[str, list[str]]:
    """Words without a translation, and where they stand."""
    known = translated(code)
    return {words: places for words, places in said().items() if not known.get(words)}


def unused(code: str) -> list[str]:
    """Entries of a catalogue that nothing says: no template, and no text of the office that a page shows as it is."""
    left_over = translated(code).keys() - said().keys()
    return sorted(left_over - _texts()) if left_over else []


def _texts() -> set[str]:
    """Every text in the office's Python: states, kinds and sentences come to the pages as values."""
    found: set[str] = set()
    for path in PYSRV.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value, node.value.replace("_", " ")}
    return found


def entries(words: dict[str, list[str]]) -> str:
    """Entries to append, still without their translation."""
    return "\n".join(
        f'#: {", ".join(sorted(set(places)))}\nmsgid {json.dumps(each, ensure_ascii=False)}\nmsgstr ""\n'
        for each, places in sorted(words.items(), key=lambda item: (item[1][0], item[0]))
    )


if __name__ == "__main__":
    for language in LANGUAGES.keys() - {SOURCE_LANGUAGE}:
        lacking = missing(language)
        of_rooms = sentences()
        kinds = {
            words: 1 if places == [SETTINGS] else 2 if words in of_rooms else 0 for words, places in lacking.items()
        }
        for kind, file in enumerate(catalogue_files(language)):
            part = {words: places for words, places in lacking.items() if kinds[words] == kind}
            print(f"# to append to {file}\n{entries(part)}")
        for left_over in unused(language):
            print(f"# nothing says {left_over!r} any more: take it out")
