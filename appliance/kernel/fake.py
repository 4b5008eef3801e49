"""A gate without a kernel, for the tests of others: the same surface over tables in memory.

Packets do not arrive by themselves: `count()` says what the kernel would have counted.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appliance import wire
from appliance.kernel import layout, plan, policy
from appliance.kernel.evidence import MemoryWitness
from appliance.kernel.firewall import MemoryRules
from appliance.kernel.lists import MemorySlots
from appliance.kernel.maps import StreamState
from appliance.kernel.plan import Endpoint, MapName
from appliance.kernel.surface import GateSurface


class MemoryTables:
    """Tables as dicts."""

    def __init__(self) -> None:
        self._rows: dict[MapName, dict[Any, Any]] = {name: {} for name in MapName}
        self._rows[MapName.POLICY][0] = policy.fresh()
        self._states: dict[Endpoint, StreamState] = {}
        self.beat = (0, 0)
        self.tunnel_port = 0
        self.list_slots = MemorySlots()
        self.firewall = MemoryRules()
        self.witness = MemoryWitness()
        self.verdicts = {verdict.name: (0, 0, 0) for verdict in layout.verdicts()}

    def rows(self, name: MapName) -> dict[Any, Any]:
        return dict(self._rows[name])

    def put(self, name: MapName, key: Any, row: Any) -> None:
        self._rows[name][key] = row

    def drop(self, name: MapName, key: Any) -> bool:
        return self._rows[name].pop(key, None) is not None

    def put_many(self, name: MapName, rows: Mapping[Any, Any]) -> None:
        self._rows[name].update(rows)

    def drop_many(self, name: MapName, keys: Iterable[Any]) -> None:
        for key in list(keys):
            self._rows[name].pop(key, None)

    def open_state(self, local: Endpoint) -> None:
        self._states.setdefault(local, StreamState())

    def state(self, local: Endpoint) -> StreamState | None:
        return self._states.get(local)

    def close_state(self, local: Endpoint) -> None:
        self._states.pop(local, None)

    def states(self) -> dict[Endpoint, StreamState]:
        return dict(self._states)

    def set_state(self, local: Endpoint, state: StreamState) -> None:
        self._states[local] = state

    def pulse(self, at_ns: int, delay_ns: int) -> None:
        self.beat = (at_ns, delay_ns)

    def guard_tunnel(self, port: int) -> None:
        self.tunnel_port = port

    def tallies(self) -> list[tuple[int, int, int]]:
        return list(self.verdicts.values())


class FakeGate(GateSurface):
    """The keeper's gate, in memory; `relay` says whether its interfaces relay in the kernel."""

    def __init__(self, *, relay: bool = True, **clocks: Callable[[], int]) -> None:
        self.memory = MemoryTables()
        self.closed = False
        self._can_relay = relay
        super().__init__(self.memory, **clocks)

    def attach(self, ifname: str, mode: str = "auto") -> wire.Interface:
        """Attaches to a name; nothing else happens."""
        self._interfaces[ifname] = wire.Interface(ifname, "native" if mode in ("auto", "careful") else mode)
        self._set_relay(self._can_relay, "" if self._can_relay else "the fake gate was told so")
        return self._interfaces[ifname]

    def relay_in_userspace(self, reason: str) -> None:
        """As Gate's."""
        self._can_relay = False
        self._set_relay(False, reason)

    def detach_all(self) -> None:
        """Forgets the interfaces."""
        self._interfaces.clear()
        self._set_relay(False, "no interface is attached")

    def settle_pins(self) -> None:
        """There are none."""

    def close(self) -> None:
        """After this, `closed` is True."""
        self.detach_all()
        self.closed = True

    def count(self, local: tuple[str, int], packets: int, size: int, now_ns: int, dropped: int = 0) -> None:
        """As if `packets` packets of `size` bytes each had been relayed from `local`, the last one at `now_ns`."""
        where = plan.endpoint(local)
        old = self.memory.state(where) or StreamState()
        state = old._replace(
            packets=old.packets + packets,
            bytes=old.bytes + packets * size,
            dropped=old.dropped + dropped,
            last_ns=now_ns,
        )
        self.memory.set_state(where, state)

    def tally(self, verdict: str, packets: int, size: int = 0, reported: int = 0) -> None:
        """As if `packets` packets, `size` bytes together, had ended as `verdict`, and `reported` would have."""
        had = self.memory.verdicts[verdict]
        self.memory.verdicts[verdict] = (had[0] + packets, had[1] + size, had[2] + reported)
