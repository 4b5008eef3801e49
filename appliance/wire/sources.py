"""Who may pass, who may not, and devices by address and port. `*_at` is Unix time in seconds."""

from dataclasses import dataclass
from enum import StrEnum


class SourceClass(StrEnum):
    """How much the gate trusts a source: `allow` passes everything, `known` has the generous bucket."""

    ALLOW = "allow"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address or network: `192.0.2.7`, `2001:db8::/32`."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Source:
    """A trusted source. `expires_at` 0: until removed."""

    prefix: str
    kind: SourceClass = SourceClass.ALLOW
    expires_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ban:
    """A banned source. `expires_at` 0: until lifted; `rule` names the setting or `operator`.

    With `spares_known`, known pairs inside the prefix go on working: so every automatic ban is made. With
    `spares_proven` as well, only datagrams that prove nothing are kept out while the kernel challenges strangers: so a
    ban is made whose reason anybody may have forged.
    """

    prefix: str
    expires_at: float = 0.0
    rule: str = "operator"
    reason: str = ""
    spares_known: bool = False
    spares_proven: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One socket of one device: an address and a UDP or TCP port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A device that is registered from here. A ban of its address that was made automatically leaves it working."""

    address: str
    port: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class PairBan:
    """A banned socket behind an address that stays open for others; fields as in `Ban`."""

    address: str
    port: int
    expires_at: float = 0.0
    rule: str = "operator"
    reason: str = ""
