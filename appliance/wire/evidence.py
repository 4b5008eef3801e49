"""What the gate saw: heartbeat, offences, offenders, sampled drops, tallies. Every `*_at` is Unix time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """The office is alive, and a datagram waits `queue_delay_ms` in its socket before it is read."""

    queue_delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Offence:
    """A source passed a limit in the kernel. `rule` is the setting, `count` what was seen since `since_at`.

    `sample` is the beginning of the packet that passed the limit, in base64, from its Ethernet header on.
    """

    rule: str
    address: str
    port: int
    count: int
    since_at: float
    at: float
    verdict: str
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """What the kernel saw since the last pulse; `lost` counts what was not kept."""

    offences: tuple[Offence, ...] = ()
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Top:
    """How many offenders to name."""

    limit: int = 20


@dataclass(frozen=True, slots=True)
class Offender:
    """One source and what the gate has seen of it on service ports since `since_at`. IPv6: its /64."""

    address: str
    messages: int
    wrong: int
    unauthenticated: int
    dropped: int
    since_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """Which sampled drops to return: the newest `limit`, of one source (a network, too) or verdict when named.

    `after`: only those with a higher `number`, for one who asks again and again.
    """

    limit: int = 100
    address: str = ""
    verdict: str = ""
    after: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A dropped packet: its verdict, its length on the wire, and its beginning in base64.

    `number` counts the samples since the keeper started.
    """

    at: float
    verdict: str
    interface: str
    bytes: int
    frame: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """One verdict's totals since the gate was loaded."""

    verdict: str
    action: str
    text: str
    packets: int
    bytes: int
    reported: int = 0  # packets that this verdict would have ended, were it not in report-only
