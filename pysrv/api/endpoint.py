"""An endpoint of the API as a row: method and path, the verb behind it, and where that verb's arguments come from.

Pure. What the fields of the arguments are stands in the verb's dataclass and nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from pysrv.control.table import VERBS

ROOT: Final = "/api/v1"
BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
_BRACES = re.compile(r"{(\w+)}")
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an endpoint. `field`: its name in the verb's arguments; `hint`: its type there."""

    name: str
    field: str
    hint: Any
    required: bool
    default: Any = None


@dataclass(frozen=True, slots=True)
class Pages:
    """How a list is cut into pages. `rows`: under which name the answer holds it. `by`: the fields that order it; with
    `passed`, the arguments by which the verb goes on behind them, else the whole list is ordered here."""

    rows: str
    by: tuple[str, ...]
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row. GET and DELETE take arguments from the query, the others from the body, all of them from the path.

    `inside`: the body is this field of the arguments. `names`: other names of the path's arguments. `without`: fields
    that have no place here. `secret`: the answer is shown once and never kept. `status` of what went well.
    """

    method: str
    path: str
    verb: str
    says: str
    pages: Pages | None = None
    inside: str = ""
    names: Mapping[str, str] = field(default_factory=lambda: _NONE)
    without: frozenset[str] = frozenset()
    status: int = 200
    secret: bool = False

    @property
    def has_body(self) -> bool:
        """Whether its arguments come in a body."""
        return self.method in BODIES

    def placed(self) -> tuple[Argument, ...]:
        """The arguments that the path holds, in its order."""
        known = {each.field: each for each in arguments_of(self.verb)}
        return tuple(
            Argument(name, self.names.get(name, name), known[self.names.get(name, name)].hint, required=True)
            for name in _BRACES.findall(self.path)
        )

    def told(self) -> tuple[Argument, ...]:
        """The arguments that query or body hold, those of pages left out."""
        gone = self.without | {each.field for each in self.placed()}
        if self.pages is not None:
            gone |= {*self.pages.passed, "limit"}
        return tuple(each for each in arguments_of(self.verb) if each.field not in gone)


@cache
def arguments_of(verb: str) -> tuple[Argument, ...]:
    """All arguments of a verb, by its dataclass."""
    kind = VERBS[verb].args
    hints = get_type_hints(kind)
    return tuple(
        Argument(
            each.name,
            each.name,
            hints[each.name],
            required=each.default is MISSING and each.default_factory is MISSING,
            default=None if each.default is MISSING else each.default,
        )
        for each in fields(kind)
    )
