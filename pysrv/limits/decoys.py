"""Decoys: users and numbers that nobody has. Whoever asks for one, or says to be one, tries what there is. Pure.

A ban follows only where the address is proven, by a connection or by an answer to one of our challenges: anybody can
write somebody else's address on a datagram. Whoever logs in is no scanner, and from where customers are registered a
number may be mistyped: there only saying to be a decoy counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SETTING: Final = "decoyextensions"


class Role(StrEnum):
    """What the decoy was in the request."""

    SAYS_TO_BE = "says to be"
    ASKS_FOR = "asks for"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a request names: `claimed` in From and credentials (in To, of a REGISTER), `wanted` in its URI and To."""

    claimed: Sequence[str]
    wanted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Touch:
    """A decoy was touched. `bans`: the address is proven, and nobody's mistake can be the reason."""

    decoy: str
    role: Role
    bans: bool

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return f"{self.role} {self.decoy}, which is a decoy ({SETTING})"


class Decoys:
    """The list in force; names are compared without regard to case, numbers without their plus."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {_plain(name): name for name in names}

    def __bool__(self) -> bool:
        return bool(self._names)

    def find(self, names: Iterable[str]) -> str | None:
        """The first of `names` that is a decoy, as it stands in the list."""
        return next((self._names[_plain(name)] for name in names if _plain(name) in self._names), None)

    def touch(self, asked: Asked, *, proven: bool, neighbours: bool) -> Touch | None:
        """What a request of nobody that we know comes to. `neighbours`: devices are registered from its address."""
        if (decoy := self.find(asked.claimed)) is not None:
            return Touch(decoy, Role.SAYS_TO_BE, proven)
        if (decoy := self.find(asked.wanted)) is not None:
            return Touch(decoy, Role.ASKS_FOR, proven and not neighbours)
        return None


def taken(decoys: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which decoys are somebody's name or number: they cannot be decoys."""
    others = {_plain(name) for name in names}
    return [decoy for decoy in decoys if _plain(decoy) in others]


def _plain(name: str) -> str:
    return name.strip().lstrip("+").casefold()
