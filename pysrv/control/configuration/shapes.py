"""What stands in a document, one dataclass for each kind of entry: names, types and defaults of its fields."""

from dataclasses import dataclass, field

from appliance.wire import SourceClass


@dataclass(frozen=True, slots=True)
class Currency:
    """What one unit is worth in the base currency, from an instant on (empty: always)."""

    code: str
    rate: str
    valid_from: str = ""


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax scheme, such as `19%`."""

    name: str
    percent: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Deck:
    """A rate deck without its rates; `effective_at` empty: in force."""

    deck: str
    currency: str
    tax: str = ""
    effective_at: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Numbers that begin with `prefix` (empty: all)."""

    prefix: str = ""
    priority: int = 100
    strip: int = 0
    prepend: str = ""


@dataclass(frozen=True, slots=True)
class Trunk:
    """A trunk; `password` null: it is not in the document."""

    name: str
    host: str
    port: int = 5060
    transport: str = "udp"
    user: str = ""
    password: str | None = field(default=None, repr=False)
    inbound: tuple[str, ...] = ()
    max_channels: int = 0
    deck: str = ""
    enabled: bool = True
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportOnly:
    """A verdict that only counts."""

    verdict: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """A trusted address or network, until an instant (empty: for good)."""

    prefix: str
    kind: SourceClass = SourceClass.ALLOW
    reason: str = ""
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class Banned:
    """An address or network that somebody has banned by hand, until an instant (empty: until lifted)."""

    prefix: str
    rule: str = "operator"
    reason: str = ""
    expires_at: str = ""
