"""Whom of the allow list panel and SSH answer: what `allowtrustedip` and `remoteadmin` come to, and what opens
both.

SSH goes by the panel's rule, but for `remoteadmin` 0: that shuts the panel to all but this machine, and leaves SSH.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, Protocol

from appliance.config.private import PRIVATE, meets

HONOUR_LISTED: Final = "appliance settings set allowtrustedip 3"  # all that is on the list opens SSH from then on
REACH_TRUSTED: Final = "appliance settings set remoteadmin 1"  # and the panel, as far as the list is honoured
DECIDING: Final = frozenset({"remoteadmin", "allowtrustedip", "trustsubnet", "trustlanip"})  # beside the list


class Where(IntEnum):
    """allowtrustedip: where a trusted address is honoured."""

    NOWHERE = 0
    THIS_HOST = 1
    PRIVATE_RANGES = 2
    LISTED = 3
    CONSOLE_TOO = 4


class Reach(IntEnum):
    """remoteadmin: from where the administrators' part of the web is reached, beside this machine."""

    NOWHERE = 0
    TRUSTED = 1
    ANYWHERE = 2


class Extent(StrEnum):
    """How much of the allow list opens something."""

    NONE = "none"
    PRIVATE = "private"
    ALL = "all"

    def holds(self, prefix: str) -> bool:
        """Whether an address or network, or a part of it, is among them."""
        return self is Extent.ALL or (self is Extent.PRIVATE and meets(prefix, map(str, PRIVATE)))


@dataclass(frozen=True, slots=True)
class Opening:
    """How much of the allow list opens the panel, and how much SSH."""

    panel: Extent
    ssh: Extent


class OpeningSettings(Protocol):
    """The settings that are read, by their names."""

    @property
    def allowtrustedip(self) -> int: ...
    @property
    def remoteadmin(self) -> int: ...


_SPANS: Final[Mapping[int, Extent]] = {
    Where.PRIVATE_RANGES: Extent.PRIVATE,
    Where.LISTED: Extent.ALL,
    Where.CONSOLE_TOO: Extent.ALL,
}


def opening(settings: OpeningSettings) -> Opening:
    """What these settings come to; of a value that is none of theirs nothing is opened."""
    if settings.remoteadmin == Reach.ANYWHERE:
        return Opening(Extent.ALL, Extent.ALL)
    honoured = _SPANS.get(settings.allowtrustedip, Extent.NONE)
    return Opening(honoured if settings.remoteadmin == Reach.TRUSTED else Extent.NONE, honoured)
