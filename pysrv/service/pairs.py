"""Devices that the gate knows by address and port: those that are registered, and those that proved a password lately.

A bot behind the same address translation as a customer's phones has another port, and gains nothing from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from appliance import wire
from pysrv.calls.bindings import Binding
from pysrv.calls.registrar import Change, Saved
from pysrv.limits.sentence import Neighbour
from pysrv.limits.sources import subject_of
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import Flow

PROVEN_S = 3600.0  # how long a password proves a device that is not registered, seconds
PROVEN_REFRESH_S = 900.0
MOST_PROVEN = 262_144
SLACK_S = 30.0  # the gate is not told of an expiry that is later by less: one socket may hold a thousand devices

Pair = tuple[str, int]


@dataclass(slots=True)
class _Device:
    """One binding: where its REGISTER came from, and until when it holds."""

    account: str
    pair: Pair
    expires_at: float


class KnownPairs:
    """The pairs, and what the gate is told of them."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._devices: dict[tuple[str, str], _Device] = {}  # by account and contact
        self._at: dict[Pair, set[tuple[str, str]]] = {}
        self._behind: dict[str, set[Pair]] = {}
        self._proven: dict[Pair, float] = {}
        self._told: dict[Pair, float] = {}  # until when the gate knows each

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take up bindings that were stored, at start: the plan tells the gate."""
        for binding in bindings:
            self._put(binding)

    def change(self, changes: Iterable[Change]) -> None:
        """Follow the registrar, and tell the gate."""
        for change in changes:
            key = (change.binding.aor, change.binding.contact_text)
            before = self._drop(key)
            if isinstance(change, Saved):
                device = self._put(change.binding)
                self._know(device.pair, device.expires_at)
                if before is None or before.pair == device.pair:
                    continue
            if before is not None and before.pair not in self._at:
                self._proven.pop(before.pair, None)
                self._told.pop(before.pair, None)
                self._world.gate.forget_pair(wire.Pair(*before.pair))

    def proven(self, flow: Flow) -> None:
        """A password was proven from here: the device is known for a while, registered or not."""
        now, pair = self._world.clock.wall(), flow.remote
        if self._proven.get(pair, 0.0) - now > PROVEN_S - PROVEN_REFRESH_S:
            return
        if len(self._proven) >= MOST_PROVEN:
            self._proven.clear()  # the gate keeps its own copies until they expire
        self._proven[pair] = now + PROVEN_S
        self._know(pair, now + PROVEN_S)

    def holds(self, pair: Pair) -> bool:
        """Whether a device is known here."""
        now = self._world.clock.wall()
        return self._told.get(pair, 0.0) > now or self._until(pair) > now

    def neighbours(self, address: str) -> tuple[Neighbour, ...]:
        """Devices that are registered now from this address (IPv6: its /64)."""
        now = self._world.clock.wall()
        pairs = sorted(self._behind.get(subject_of(address), ()))
        found = [(pair, self._devices[key]) for pair in pairs for key in sorted(self._at[pair])]
        return tuple(Neighbour(device.account, *pair) for pair, device in found if device.expires_at > now)

    def rows(self) -> tuple[wire.KnownPair, ...]:
        """Every known pair, for the gate's plan."""
        now = self._world.clock.wall()
        self._proven = {pair: until for pair, until in self._proven.items() if until > now}
        rows = ((pair, self._until(pair)) for pair in {*self._at, *self._proven})
        self._told = {pair: until for pair, until in rows if until > now}
        return tuple(wire.KnownPair(*pair, until) for pair, until in self._told.items())

    def _know(self, pair: Pair, until: float) -> None:
        if until - self._told.get(pair, 0.0) > SLACK_S:
            self._told[pair] = until
            self._world.gate.know_pair(wire.KnownPair(*pair, until))

    def _until(self, pair: Pair) -> float:
        registered = (self._devices[key].expires_at for key in self._at.get(pair, ()))
        return max(self._proven.get(pair, 0.0), max(registered, default=0.0))

    def _put(self, binding: Binding) -> _Device:
        key, pair = (binding.aor, binding.contact_text), binding.flow.remote
        self._drop(key)
        device = self._devices[key] = _Device(binding.aor, pair, binding.expires_at)
        self._at.setdefault(pair, set()).add(key)
        self._behind.setdefault(subject_of(pair[0]), set()).add(pair)
        return device

    def _drop(self, key: tuple[str, str]) -> _Device | None:
        device = self._devices.pop(key, None)
        if device is None:
            return None
        self._at[device.pair].discard(key)
        if not self._at[device.pair]:
            del self._at[device.pair]
            subject = subject_of(device.pair[0])
            self._behind[subject].discard(device.pair)
            if not self._behind[subject]:
                del self._behind[subject]
        return device
