"""Imported lists of networks, by name and in parts."""

from dataclasses import dataclass
from enum import StrEnum


class ListKind(StrEnum):
    """What a list does with the networks on it."""

    BAN = "ban"  # whoever is on it and not known is kept out
    COUNTRY_DENY = "country_deny"  # everybody on it is kept out
    COUNTRY_ALLOW = "country_allow"  # everybody who is on no such list is kept out


@dataclass(frozen=True, slots=True)
class ListRef:
    """An imported ban list by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListStatus:
    """An imported ban list in the kernel. `digest` is what its loader called this content."""

    name: str
    digest: str
    entries: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ListChunk:
    """A part of a list: `packed` is base64 of appliance.networks' rows, address (IPv4 mapped) and prefix bits.

    `first` begins the list anew beside what is in force; `last` puts it in force and removes what it replaces.
    `entries` says with the first part how many rows there will be at most.
    """

    name: str
    digest: str
    packed: str
    first: bool = False
    last: bool = False
    kind: ListKind = ListKind.BAN
    entries: int = 0
