"""Where the gate's rows lie, and the clocks they are measured by: what every topic of the surface stands on."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from appliance.kernel.evidence import Witness
from appliance.kernel.firewall import Rules
from appliance.kernel.lists import Slots
from appliance.kernel.maps import StreamState
from appliance.kernel.plan import Endpoint, MapName

_CLOCK_SLIP_NS: Final = 500_000_000


class RuleSet(Protocol):
    """Where firewall rules lie."""

    def replace(self, rows: Rules, /) -> None: ...


class Tables(Protocol):
    """Where rows lie; see maps.KernelTables for the words."""

    @property
    def list_slots(self) -> Slots: ...
    @property
    def firewall(self) -> RuleSet: ...
    @property
    def witness(self) -> Witness: ...

    def rows(self, name: MapName) -> dict[Any, Any]: ...
    def put(self, name: MapName, key: Any, row: Any) -> None: ...
    def drop(self, name: MapName, key: Any) -> bool: ...
    def put_many(self, name: MapName, rows: Mapping[Any, Any]) -> None: ...
    def drop_many(self, name: MapName, keys: Iterable[Any]) -> None: ...
    def open_state(self, local: Endpoint) -> None: ...
    def state(self, local: Endpoint) -> StreamState | None: ...
    def close_state(self, local: Endpoint) -> None: ...
    def states(self) -> dict[Endpoint, StreamState]: ...
    def pulse(self, at_ns: int, delay_ns: int) -> None: ...
    def guard_tunnel(self, port: int) -> None: ...
    def tallies(self) -> list[tuple[int, int, int]]: ...


class Grounded:
    """Tables, and two clocks: CLOCK_MONOTONIC, by which the kernel judges, and Unix time, in which people think."""

    def __init__(
        self,
        tables: Tables,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.tables = tables
        self._monotonic_ns, self._unix_ns = monotonic_ns, unix_ns
        self._boot_ns = unix_ns() - monotonic_ns()

    @property
    def boot_ns(self) -> int:
        """Unix ns at which CLOCK_MONOTONIC was 0; follows the wall clock when it is set, not slewed."""
        boot_ns = self._unix_ns() - self._monotonic_ns()
        if abs(boot_ns - self._boot_ns) > _CLOCK_SLIP_NS:
            self._boot_ns = boot_ns
        return self._boot_ns
