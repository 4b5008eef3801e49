"""What the conductor needs of the world, as protocols: the gate, and the local address that faces a peer.

The store is used as it is (pysrv.store); sockets, the keeper's client and the clock come through here, so that tests
drive the whole service without a kernel and without a wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from appliance import wire
from pysrv.media.spoken import Tongue
from pysrv.sip.siphash import KeyedHash, siphash_24

THIS_MACHINE = "an address of this machine"  # how `Surroundings.host` calls one


class Gate(Protocol):
    """The verbs of the kernel's side, queued until flush()."""

    @property
    def status(self) -> wire.GateStatus | None:
        """What the keeper runs; None while it is away."""

    def open_session(self, session: wire.RelaySession) -> None:
        """Relay these streams until the deadline; the same session again replaces its streams."""

    def renew_lease(self, session: int, deadline_ns: int) -> None:
        """Move a session's deadline."""

    def close_session(self, session: int) -> None:
        """End a session; its last counters come back as an event."""

    def request_counters(self) -> None:
        """Ask for the counters of all sessions; they come back as an event."""

    def resync(self) -> None:
        """Send the whole plan again: something in it has changed."""

    def allow(self, source: wire.Source) -> None:
        """Trust a source."""

    def disallow(self, prefix: str) -> None:
        """Trust a source no more."""

    def ban(self, ban: wire.Ban) -> None:
        """Drop a source at the NIC."""

    def unban(self, prefix: str) -> None:
        """Lift a ban."""

    def ban_pair(self, ban: wire.PairBan) -> None:
        """Drop what comes from one port of an address."""

    def unban_pair(self, pair: wire.Pair) -> None:
        """Lift the ban of a port."""

    def know_pair(self, pair: wire.KnownPair) -> None:
        """A device speaks from here until then."""

    def forget_pair(self, pair: wire.Pair) -> None:
        """No device speaks from here any more."""

    def ask(
        self,
        verb: wire.KeeperVerb,
        args: Any,
        done: Callable[[dict[str, Any]], None],
        refused: Callable[[wire.WireError], None],
    ) -> None:
        """Queue any verb; while the keeper is away neither callback is called."""

    def remember(self, refresh: wire.Refresh) -> None:
        """Answer repetitions of a REGISTER."""

    def forget(self, ref: wire.RefreshRef) -> None:
        """Answer them no more."""

    def flush(self) -> None:
        """Send what is queued."""


class Voice(Protocol):
    """What the office itself says on a relay session; what it hears there comes back as a key."""

    def begin(self, session: int, tongue: Tongue) -> None:
        """Speak like this from now on."""

    def play(self, session: int, clips: tuple[str, ...], *, again: bool = False, after_s: float = 0.0) -> float:
        """Say these clips, in the place of what is being said, beginning after `after_s`; returns how many seconds
        they take. `again`: the last one over and over, until something else is said."""

    def hush(self, session: int) -> None:
        """Say no more."""

    def end(self, session: int) -> None:
        """Neither speak nor hear any more."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks: `monotonic` for timers and leases (CLOCK_MONOTONIC, seconds), `wall` for records (Unix time)."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything outside the service that is not its store."""

    gate: Gate
    clock: Clock
    facing: Callable[[str, float], str | None]  # peer address, now -> our address on that side
    resolve: Callable[[str], str | None]  # host name -> address, None while it is not known
    tokens: Callable[[], bytes]
    pick: Callable[[int], int]  # an unguessable number below the argument
    boot_id: str  # of this run of the machine: its monotonic clock means nothing to the next
    sip_port: int
    relay_ports: tuple[int, int]
    keyed_hash: KeyedHash = siphash_24  # of nonces; the ring gives a faster one
    voice: Voice | None = None  # None: no access number is served
    host: Callable[[], Mapping[str, str]] = dict  # the machine's own addresses and gateways, each with what it is
    lookup: Callable[[str], str | None] = lambda _: None  # as resolve, for names that callers choose: kept apart
