"""Who is banned when a limit was passed, and for how long: the table, and the arithmetic. Pure.

A ban hits as few as possible: the offending address:port while others are registered behind the address, the whole
address when nobody is or when ever new ports offend, a network when many of its addresses were banned within an hour.
Every automatic ban leaves known pairs working. An address that was not proven may have been forged by anybody: its
ban does not grow, counts for no network, and never hits a registered device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pysrv.limits.sources import network_of, subject_of
from pysrv.limits.strikes import Rule, Trip

PAIRS_BEFORE_ADDRESS: Final = 8  # pairs of one address banned within an hour: then ports say nothing any more
ADDRESSES_BEFORE_NETWORK: Final = 8  # addresses of one /24 or /48 banned within an hour
RECENT_S: Final = 3600.0


class Scope(StrEnum):
    """What a ban covers."""

    NOBODY = "nobody"
    PAIR = "address:port"
    ADDRESS = "address"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A device that is registered: its account and the socket from which it speaks."""

    account: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about an address when a limit is passed.

    `exempt` says why nobody bans it automatically. `pairs` and `addresses` count bans within RECENT_S that rest on a
    proven address: of pairs of this one, and of others of its network.
    """

    neighbours: tuple[Neighbour, ...] = ()
    exempt: str = ""
    pairs: int = 0
    addresses: int = 0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What to ban: `subjects` are (address or network, port), port 0 for all. `why` is the row that decided."""

    scope: Scope
    subjects: tuple[tuple[str, int], ...]
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: the first whose `applies` holds decides."""

    why: str
    applies: Callable[[Trip, Standing], bool]
    scope: Scope


def offenders(trip: Trip, standing: Standing) -> tuple[tuple[str, int], ...]:
    """The sockets from which the most came: each has more than its share among as many as are banned one by one.

    A registered device is among them only when it proved that it was the one.
    """
    spared = set() if trip.proven else {(near.address, near.port) for near in standing.neighbours}
    share = trip.limit / PAIRS_BEFORE_ADDRESS
    found = [(trip.address, port) for port, count in sorted(trip.ports.items()) if port and count > share]
    return tuple(pair for pair in found if pair not in spared)


CASES: Final = (
    Case("exempt", lambda _, s: bool(s.exempt), Scope.NOBODY),
    Case("distributed attack", lambda t, s: t.proven and s.addresses + 1 >= ADDRESSES_BEFORE_NETWORK, Scope.NETWORK),
    Case("pairs keep coming", lambda t, s: t.proven and s.pairs >= PAIRS_BEFORE_ADDRESS, Scope.ADDRESS),
    Case("the rule is for pairs", lambda t, _: t.rule == Rule.WRONG_PAIR, Scope.PAIR),
    Case("others are registered here", lambda t, s: bool(s.neighbours and offenders(t, s)), Scope.PAIR),
    Case("a known network is served", lambda t, s: bool(s.neighbours) and not t.proven, Scope.NOBODY),
    Case("from many ports", lambda _, s: bool(s.neighbours), Scope.ADDRESS),
    Case("nobody else is here", lambda *_: True, Scope.ADDRESS),
)


def judge(trip: Trip, standing: Standing) -> Sentence:
    """What to ban for a limit that was passed."""
    case = next(case for case in CASES if case.applies(trip, standing))
    return Sentence(case.scope, _subjects(case.scope, trip, standing), case.why)


def _subjects(scope: Scope, trip: Trip, standing: Standing) -> tuple[tuple[str, int], ...]:
    match scope:
        case Scope.NOBODY:
            return ()
        case Scope.PAIR if trip.rule == Rule.WRONG_PAIR:
            return ((trip.address, trip.port),)
        case Scope.PAIR:
            return offenders(trip, standing)
        case Scope.ADDRESS:
            return ((subject_of(trip.address), 0),)
        case Scope.NETWORK:
            return ((network_of(subject_of(trip.address)), 0),)


def length_s(repetition: int, banperiod: float, banperiodmax: float, reenabledosblocked: float) -> float:
    """How long a ban lasts, in seconds. `repetition` 0 is the first: `reenabledosblocked` may end that one sooner.

    Each repetition doubles `banperiod`, up to `banperiodmax`.
    """
    longest = max(banperiodmax, 0.0)
    doubled = longest if repetition >= 64 else min(banperiod * 2.0**repetition, longest)
    return min(doubled, reenabledosblocked) if repetition == 0 else doubled
