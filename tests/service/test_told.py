"""Everything that the service tells stands in the table of kinds, with the figures that its text names."""

import ast
import re
import string
from pathlib import Path

import pytest

import pysrv
from appliance.cli.book import BOOK
from pysrv.limits.notices import ALIASES, KINDS, Figures, words

ROOMS = tuple(Path(pysrv.__file__).parent / room for room in ("service", "payments", "office", "control"))


def told() -> dict[str, tuple[set[str], bool]]:
    """Every kind that some room tells: the figures that it gives, and whether it gives others that stand elsewhere."""
    found: dict[str, tuple[set[str], bool]] = {}
    for path in (path for room in ROOMS for path in room.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            first, by = node.args[0], ast.unparse(node.func)
            if not isinstance(first, ast.Constant) or not re.fullmatch(r"[a-z_]+", str(first.value)):
                continue
            if by.endswith((".add_notice", "self._tell")) and len(node.args) > 2:
                figures = node.args[2]
                keys = figures.keys if isinstance(figures, ast.Dict) else [None]
                found[str(first.value)] = {ast.literal_eval(key) for key in keys if key is not None}, None in keys
            elif by.endswith("tell"):
                names = {each.arg for each in node.keywords if each.arg}
                found[str(first.value)] = names, any(each.arg is None for each in node.keywords)
    return found


def named(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_what_is_told_is_in_the_table_and_what_is_in_the_table_is_told() -> None:
    kinds = {ALIASES.get(kind, kind) for kind in told()}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("kind", sorted(told()))
def test_a_text_names_only_figures_that_are_given(kind: str) -> None:
    given, more = told()[kind]
    row = KINDS[ALIASES.get(kind, kind)]
    needed = named(row.subject + row.text + row.remedy) - {"account", "kind"}
    assert more or needed <= given
    assert row.money | row.times <= given or more


@pytest.mark.parametrize("kind", KINDS)
def test_a_remedy_names_commands_and_options_that_exist(kind: str) -> None:
    commands = dict(BOOK.rows())
    figures: Figures = dict.fromkeys(named(KINDS[kind].remedy) | {"remedy"}, "x")
    for line in re.findall(r"'appliance ([^']*)'", words(kind, "alice", figures).text):
        bare = line.split()
        command = next((commands[" ".join(bare[:size])] for size in (2, 1) if " ".join(bare[:size]) in commands), None)
        group = BOOK.root.commands.get(bare[0])
        assert command is not None or group is not None, line
        known = {name for each in (command.params if command else []) for name in (*each.opts, *each.secondary_opts)}
        assert {word for word in bare if word.startswith("--")} <= known, line
