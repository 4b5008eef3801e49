"""Every setting of money, limits, fraud, authentication, notices, payments and sessions is shown by a test, off and on.

A test says which by `@pytest.mark.setting("name")`; one that walks a table of cases marks each with `case.name`. This
file reads the sources, so that it costs nothing and needs no other test to have run. And code reads what is in force.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from appliance.config.row import Place
from appliance.config.schema import ROWS

TESTS = Path(__file__).parent
PLACES = {Place.LIMITS, Place.BILLING, Place.FRAUD, Place.AUTH, Place.NOTIFY, Place.IVR, Place.PAYMENTS}
SESSIONS = {
    "sessionabsolutetimeout", "calltimeout", "mediatimeout", "ringtimeout", "callinittimeout", "sessiontimer",
    "fwdtootherdomains", "fs_restrictsiptolocal", "blockearlymedia", "blockearlymedia_in", "licensecfg",
}  # fmt: skip
WANTED = sorted(
    name for name, row in ROWS.items() if row.in_force and (PLACES.intersection(row.acts_at) or name in SESSIONS)
)


def literals(call: ast.Call) -> list[str]:
    return [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


@cache
def marked() -> frozenset[str]:
    """Every name that a mark of the tests says, or that the first text of a case in a file of marked tables is."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if "mark.setting(" not in text or path == Path(__file__):
            continue
        tables = "mark.setting(case." in text or "mark.setting(name" in text or "mark.setting(row" in text
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setting":
                found.update(literals(node))
            elif tables and isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ROWS:
                found.add(node.value)
    return frozenset(found)


@pytest.mark.parametrize("name", WANTED)
def test_a_setting_in_force_is_shown_off_and_on(name: str) -> None:
    assert name in marked(), f"no test is marked @pytest.mark.setting({name!r})"


def test_a_mark_names_a_setting() -> None:
    assert sorted(marked() - set(ROWS)) == []


def words_of_code() -> Iterator[str]:
    """Attributes and texts of the product, but for what declares settings or prints their documents."""
    root = TESTS.parent
    for path in sorted([*root.glob("appliance/**/*.py"), *root.glob("pysrv/**/*.py")]):
        declares = path.is_relative_to(root / "appliance/config") and path.stem != "settings"
        if declares or path.stem.endswith("_page"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"[a-z]\w+", node.value)  # SQL, and tables that name a setting


def test_code_reads_every_setting_in_force_and_no_other() -> None:
    read = set(words_of_code())
    read |= {word.removesuffix("_hash") for word in read}  # of a secret the store keeps no more
    assert [name for name, row in ROWS.items() if (name in read) is not row.in_force] == []
