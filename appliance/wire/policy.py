"""What packets are judged by, and the whole desired state of the gate."""

from dataclasses import dataclass, field
from enum import StrEnum

from appliance.wire.media import RelaySession
from appliance.wire.sources import Ban, KnownPair, PairBan, Source


class FirewallAction(StrEnum):
    """What a static rule does with what it matches."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """A static rule: the most specific network that matches wins, and a rule with a port before one without.

    `protocol` is udp, tcp or any; `port` 0: every port (and then `protocol` is any).
    """

    prefix: str
    action: FirewallAction
    protocol: str = "any"
    port: int = 0


@dataclass(frozen=True, slots=True)
class Challenge:
    """The stateless SIP challenge. `keys`: 16 bytes each in hex, by slot (nonce time / `epoch_s`) modulo their number.

    `nonce_ttl_s` is how old a nonce may be. Disabled, or without keys, strangers go to the service within their bucket.
    """

    enabled: bool = False
    realm: str = ""
    keys: tuple[str, ...] = ()
    epoch_s: int = 3600
    nonce_ttl_s: int = 300
    server: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The slots of bpf/limits.def by name; a slot that is missing keeps its default."""

    values: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole desired state of the gate, as the office knows it."""

    generation: int
    service_ports: tuple[tuple[str, int], ...]  # ("udp", 5060), ("tcp", 5060)
    relay_ports: tuple[int, int]  # first and last port of the media range
    limits: Limits = field(default_factory=Limits)
    sources: tuple[Source, ...] = ()
    bans: tuple[Ban, ...] = ()
    sessions: tuple[RelaySession, ...] = ()
    known_pairs: tuple[KnownPair, ...] = ()
    pair_bans: tuple[PairBan, ...] = ()
    firewall: tuple[FirewallRule, ...] = ()
    challenge: Challenge = field(default_factory=Challenge)
    scanners: tuple[str, ...] = ()  # substrings of User-Agents that are refused
    report_only: tuple[str, ...] = ()  # verdicts that are counted and not acted on
    protected: tuple[str, ...] = ()  # addresses and networks that no ban may cover: the management's own
    administrators: tuple[Source, ...] = ()  # whom SSH answers beside the tunnel (appliance/door.py)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a sync changed, in rows, and what it left out.

    `skipped`: bans and denies that cover a protected address, and names in `report_only` that no rule has.
    """

    added: int
    changed: int
    removed: int
    skipped: tuple[str, ...] = ()
