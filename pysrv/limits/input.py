"""What input is refused at which strictness (validateinput): one table, asked by every interface. Pure.

Queries are parameterised and pages escaped whatever the level; this keeps out what has no business in a name, so that
it is not stored for some other program that is less careful (CWE-20). A level refuses all that the ones before refuse.
What is legal stays: O'Brien, "Bob <bob@example.org>" and <sip:bob@example.org> are refused at no level below 5.
Passwords, PINs, keys, tokens and certificates are never looked into: they may hold anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import category

MOST_DEPTH: Final = 16  # of lists in lists
_SECRET = re.compile(
    r"pass|pwd|secret|token|authkey|apikey|^key|_key|^auth(md5|hash|nonce)$|(^|_)pins?$|certificate|pem$|nonce|cookie",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f\ufffe\uffff]")
_SQL = re.compile(
    r"""['"]\s*(?:or|and)\s+['"(]?\w+['")]?\s*(?:=|<|>|like\b|is\b|in\b)  # a condition that is always true
    |['"]\s*(?:\)\s*)*(?:--|\#|/\*|;\s*\w)                              # a quote, then a comment or a statement
    |;\s*(?:(?:drop|alter|create|truncate)\s+(?:table|index|view|trigger|database|user)|delete\s+from|insert\s+into
            |update\s+\w+\s+set|attach\s+database|pragma\s+\w|exec\s)
    |\bunion\s+(?:all\s+)?select\b
    |\b(?:load_extension|xp_cmdshell|pg_sleep|benchmark)\s*\(
    |\bwaitfor\s+delay\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKUP = re.compile(
    r"""<[/!?]?[a-z][a-z0-9-]*(?:\s[^<>@]*)?/?>
    |<\s*/?\s*(?:script|img|svg|iframe|object|embed|style|link|meta|body|html|form|input|video|audio|math)\b
    |<!--|<!\[|<!doctype|<\?xml
    |\b(?:java|vb)script\s*:""",
    re.IGNORECASE | re.VERBOSE,
)
_TRICKS = re.compile(r"\.\.[/\\]|\$\{|\{\{|\{%|<%|`|%(?:00|0a|0d|3c|3e|2e%2e)|&#x?[0-9a-f]+;?", re.IGNORECASE)
_SIGNS = frozenset(" \t\r\n.,:;@+-_/'\"()&*#=?!%[]|")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: from which level on it holds, its name in the count of refusals, and what it refuses."""

    level: int
    name: str
    words: str


CONTROL = Rule(1, "control", "control characters")
SQL = Rule(2, "sql", "text that reads like SQL")
MARKUP = Rule(3, "markup", "markup and scripts")
TRICKS = Rule(4, "tricks", "ways out of folders, templates, encoded or invisible characters")
ALPHABET = Rule(5, "alphabet", "characters that are neither letters, digits, spaces nor common signs")
RULES: Final = (CONTROL, SQL, MARKUP, TRICKS, ALPHABET)


@dataclass(frozen=True, slots=True)
class Found:
    """Where something was found that a rule refuses."""

    field: str
    rule: Rule


def refused(level: int, text: str) -> Rule | None:
    """The rule that refuses a text at this level (0 to 5); None: it may come in."""
    return next((rule for rule in RULES if rule.level <= level and _breaks(rule, text)), None)


def first_refused(level: int, given: Any, field: str = "") -> Found | None:
    """The first text within plain JSON types that is refused. `field` names it, and says whether it is a secret."""
    if not level:
        return None
    for name, text in _texts(given, field, MOST_DEPTH):
        if (rule := refused(level, text)) is not None:
            return Found(name, rule)
    return None


def _texts(given: Any, field: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text with the field that it stands in; names count as texts of the field that has them."""
    match given:
        case str():
            if not is_secret(field):
                yield field, given
        case dict() if depth:
            line = given.get("line")
            place = f"line {line}: " if isinstance(line, int) else ""  # a row of a sheet says where it stands
            for name, value in given.items():
                yield field, str(name)
                for inside, text in _texts(value, str(name), depth - 1):
                    yield place + inside, text
        case list() | tuple() if depth:
            for value in given:
                yield from _texts(value, field, depth - 1)


def is_secret(field: str) -> bool:
    """Whether a field of this name holds what nobody looks into."""
    return _SECRET.search(field) is not None


def _breaks(rule: Rule, text: str) -> bool:
    if rule is CONTROL:
        return _CONTROL.search(text) is not None
    if rule is SQL:
        return _SQL.search(text) is not None
    if rule is MARKUP:
        return _MARKUP.search(text) is not None
    if rule is TRICKS:
        return _TRICKS.search(text) is not None or (not text.isascii() and any(category(c) == "Cf" for c in text))
    return not all(sign in _SIGNS or category(sign)[0] in "LMN" for sign in text)
