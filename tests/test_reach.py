"""Every verb is reachable from the command, the panel and the API, or stands in a table that says why not.

A verb is reached where its name stands in the code; names that are put together (`f"payments.{what}"`) count for every
verb that they can make.
"""

import ast
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from appliance.cli import absent as command
from pysrv.api import table as api
from pysrv.control.table import VERBS
from pysrv.panel import absent as panel

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES: Mapping[str, Mapping[str, str]] = {"appliance": command.ABSENT, "pysrv/panel": panel.ABSENT}


def named(directory: str) -> set[str]:
    """Verbs that the code below a directory names; the tables of what is absent do not count."""
    found: set[str] = set()
    for file in sorted((REPOSITORY / directory).rglob("*.py")):
        if file.name != "absent.py":
            patterns = set(_texts(ast.parse(file.read_text(encoding="utf-8"))))
            found |= {verb for verb in VERBS for pattern in patterns if fnmatchcase(verb, pattern)}
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "*" not in node.value:
            yield node.value.replace("[", "[[]")
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)  # type: ignore[misc]
            if text.endswith(".*") and text.count("*") == 1:
                yield text


@pytest.mark.parametrize("place", PLACES)
def test_every_verb_is_reached_or_its_absence_has_a_reason(place: str) -> None:
    reached, absent = named(place), PLACES[place]
    personal = {verb for verb in VERBS if verb.startswith(command.PERSONAL)} if place == "appliance" else set()
    assert set(VERBS) - reached - personal == set(absent)
    assert all(absent.values())


def test_every_verb_is_reached_from_somewhere() -> None:
    endpoints = {endpoint.verb for endpoint in api.ENDPOINTS}
    assert set(VERBS) == named("appliance") | named("pysrv/panel") | endpoints
