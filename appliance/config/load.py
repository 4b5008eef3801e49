"""Reads the settings file (TOML) and puts the layers together: defaults, then the file, then stored changes.

Text comes in as text: opening the file is the caller's. Every error names the line and the setting.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from appliance.config.fields import BadValue
from appliance.config.schema import UnknownSetting, row
from appliance.config.settings import BadSettings, Problem, Settings, parse_all

_KEY = re.compile(r"""^\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")
_POSITION = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and what was wrong with the stored changes, which then do not apply."""

    settings: Settings
    problems: tuple[Problem, ...] = ()


def parse_file(text: str) -> dict[str, Any]:
    """Typed values of a settings file by canonical name. Raises BadSettings with every problem and its line."""
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings([_syntax_problem(str(error), text)]) from None
    except RecursionError:
        raise BadSettings([Problem("", "brackets are nested too deeply")]) from None
    lines = {match[1]: number for number, match in _keys(text)}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in table.items():
        try:
            found = row(name)
            if found.name in values:
                raise BadValue(f"{found.name} is given twice (also as {name})")
            values[found.name] = found.kind.from_toml(value)
        except UnknownSetting as error:
            problems.append(Problem(name, _unknown(error, value), lines.get(name, 0)))
        except BadValue as error:
            words = str(error) if " is given twice" in str(error) else f"{name} {error}"
            problems.append(Problem(name, words, lines.get(name, 0)))
    if problems:
        raise BadSettings(sorted(problems, key=lambda problem: problem.line))
    return values


def _keys(text: str) -> list[tuple[int, re.Match[str]]]:
    found = ((number, _KEY.match(line)) for number, line in enumerate(text.splitlines(), 1))
    return [(number, match) for number, match in found if match]


def _unknown(error: UnknownSetting, value: object) -> str:
    return f"[{error.name}] is a table, but settings stand outside of tables" if isinstance(value, dict) else str(error)


def _syntax_problem(words: str, text: str) -> Problem:
    match = _POSITION.match(words)
    if match is None:
        return Problem("", words, len(text.splitlines()))
    return Problem("", f"column {match['column']}: {match['what'][:1].lower()}{match['what'][1:]}", int(match["line"]))


def load(file_text: str = "", stored: Mapping[str, str] | None = None, generation: int = 0) -> Loaded:
    """Settings from a file's text and stored changes; see `layered`. Raises BadSettings for the file."""
    return layered(parse_file(file_text), stored or {}, generation)


def layered(file: Mapping[str, Any], stored: Mapping[str, str], generation: int = 0) -> Loaded:
    """Settings from a file's typed values and stored changes. A stored change that no longer fits (an older version's,
    say) is left out and reported, so that the service still starts.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in stored.items():
        try:
            values |= parse_all({name: text})
        except BadSettings as error:
            problems += [Problem(p.name, f"stored change left out: {p.message}") for p in error.problems]
    return Loaded(Settings(file, values, generation), tuple(problems))
