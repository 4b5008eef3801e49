"""Rows of plan.py in an nftables table, as far as it can hold them; the others in memory.

Single addresses and devices are changed element by element; networks, lists, ports and chains are written as a whole.
Memory is the truth: what nftables refused, or somebody else removed, is written again from it.
Must not know: libnftables, the verbs.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from appliance import networks
from appliance.kernel import chains, firewall, layout, nfcounters, ruleset
from appliance.kernel.chains import Judged
from appliance.kernel.fake import MemoryTables
from appliance.kernel.lists import MemorySlots, Slot
from appliance.kernel.plan import MapName
from appliance.kernel.ruleset import Element
from appliance.wire import ListKind, WireError

MAX_LISTED: Final = 262_144  # networks of one list: a second's work
_SINGLES: Final = (MapName.SOURCES, MapName.PAIRS, MapName.BANS)
_NETWORKS: Final = {MapName.BAN_NETS: ("banned", "spared"), MapName.SOURCE_NETS: ("allowed", "known")}
_CHAINS: Final = "chains"
_LISTS: Final = "lists"
_BUDGET: Final = "budget"


class Runs(Protocol):
    """What carries commands out: all of them, or none and WireError."""

    def run(self, commands: Iterable[str], /) -> None: ...


class _Rules(firewall.MemoryRules):
    """Static rules: they lie in the chains."""

    def __init__(self, tables: "NftTables") -> None:
        super().__init__()
        self._tables = tables

    def replace(self, rows: firewall.Rules) -> None:
        changed = rows != self.held
        super().replace(rows)
        if changed:
            self._tables.touch(_CHAINS)


class _Slots(MemorySlots):
    """Imported lists: in memory until one is complete, then all of its kind in one set."""

    def __init__(self, tables: "NftTables") -> None:
        super().__init__()
        self._tables = tables

    def open(self, slot: int, row: Slot, expected: int) -> None:
        if expected > MAX_LISTED:
            words = f"nftables holds lists of {MAX_LISTED} networks at most here, not {expected}"
            raise WireError("gate_full", words, "the XDP gate holds more: see why it is not used")
        super().open(slot, row, expected)

    def show(self, masks: Mapping[ListKind, int]) -> None:
        super().show(masks)
        self._tables.touch(_LISTS)

    def rows_of(self, kind: ListKind) -> list[bytes]:
        """The rows of all lists of this kind that are in force."""
        shown = [slot for slot in self.packed if self.masks.get(kind, 0) >> slot & 1]
        return [row for slot in shown for row in networks.rows(self.packed[slot])]


class NftTables(MemoryTables):
    """Rows in memory, and the table that is made from them. `batch`: one transaction for all that happens inside."""

    def __init__(self, nft: Runs, table: str, *, owned: bool) -> None:
        super().__init__()
        self._nft, self._table, self._owned = nft, table, owned
        self._script: list[str] = []
        self._dirty: set[str] = set()
        self._depth = 0
        self._refused = False
        self._waiting = False  # the chains are an earlier keeper's, and judge until the first plan
        self._pressed = False
        self.interfaces: frozenset[str] = frozenset()
        self.firewall: _Rules = _Rules(self)
        self.list_slots: _Slots = _Slots(self)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing inside is written: settle() or wait_for_plan() follows."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._script, self._dirty = [], set()

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """All that happens inside comes into force at one instant; after an error inside, nothing does."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._refused |= bool(self._script or self._dirty)
            self._script, self._dirty = [], set()
            raise
        finally:
            self._depth -= 1
        if self._waiting:
            self.settle()
        else:
            self._commit()

    def wait_for_plan(self) -> None:
        """Single rows are written from now on; everything else with the first batch."""
        self._waiting = True

    def touch(self, what: str) -> None:
        """This part is to be written as a whole, now or at the end of the batch."""
        self._dirty.add(what)
        self._commit()

    def put(self, name: MapName, key: Any, row: Any) -> None:
        """One row."""
        self.put_many(name, {key: row})

    def put_many(self, name: MapName, rows: Mapping[Any, Any]) -> None:
        """Rows, new or changed."""
        if name in _SINGLES:
            changed = list(rows) if self._waiting else [key for key in rows if key in self._rows[name]]
            self._script += ruleset.removal(self._table, _places(name, changed))
            self._script += ruleset.addition(self._table, _elements(name, rows), time.monotonic_ns())
        super().put_many(name, rows)
        self.touch(_CHAINS if name is MapName.POLICY else name)

    def drop(self, name: MapName, key: Any) -> bool:
        """One row; False when there was none."""
        if key not in self._rows[name]:
            return False
        self.drop_many(name, [key])
        return True

    def drop_many(self, name: MapName, keys: Iterable[Any]) -> None:
        """Rows that may be there."""
        gone = [key for key in keys if key in self._rows[name]]
        if name in _SINGLES:
            self._script += ruleset.removal(self._table, _places(name, gone))
        super().drop_many(name, gone)
        self.touch(name)

    def pulse(self, at_ns: int, delay_ns: int) -> None:
        """The office is alive; when it falls behind, or has caught up, the strangers' budget changes."""
        super().pulse(at_ns, delay_ns)
        self.feel_pressure()

    def feel_pressure(self) -> None:
        """As rate.c's pressed(); a service that never gave a sign of life has no say."""
        at_ns, delay_ns = self.beat
        policy = self._rows[MapName.POLICY][0]
        late = time.monotonic_ns() > at_ns + policy.limit("pulse_patience")
        pressed = bool(at_ns) and (late or delay_ns > policy.limit("pressure_delay"))
        if pressed != self._pressed:
            self._pressed = pressed
            self.touch(_BUDGET)

    def tallies(self) -> list[tuple[int, int, int]]:
        """Packets, bytes, and packets that report-only let pass, by verdict."""
        found, none = nfcounters.read(self._table.split()[1]), (0, 0)
        return [
            (*found.get(verdict.name, none), found.get(ruleset.reported(verdict.name), none)[0])
            for verdict in layout.verdicts()
        ]

    def stands(self) -> bool:
        """Is the table there, and as it was written last?"""
        return not self._refused and bool(nfcounters.read(self._table.split()[1]))

    def set_interfaces(self, names: frozenset[str]) -> None:
        """The interfaces whose packets are judged."""
        self.interfaces = names
        self._script += self._interface_commands()
        self._commit()

    def settle(self, *, anew: bool = False) -> None:
        """Writes the whole table from memory in one transaction; `anew`: whatever had its name goes first."""
        now_ns = time.monotonic_ns()
        script = [*ruleset.absence(self._table)] if anew else []
        script += ruleset.declarations(self._table, owned=self._owned)
        script += (f"flush set {self._table} {name}" for name in ruleset.SINGLE_SETS)
        for name in _SINGLES:
            script += ruleset.addition(self._table, _elements(name, self._rows[name]), now_ns)
        script += self._interface_commands()
        script += self._whole({*_NETWORKS, MapName.SERVICE_PORTS, _LISTS, _CHAINS}, now_ns)
        self._script, self._dirty, self._waiting = [], set(), False
        self._run(script)

    def _commit(self) -> None:
        if self._depth:
            return
        dirty, self._dirty = set() if self._waiting else self._dirty, set()
        script, self._script = [*self._script, *self._whole(dirty, time.monotonic_ns())], []
        if script:
            self._run(script)

    def _run(self, script: list[str]) -> None:
        self._refused = True  # until it has been taken: memory is ahead of the table
        self._nft.run(script)
        self._refused = False

    def _whole(self, dirty: set[str], now_ns: int) -> Iterator[str]:
        for name in _NETWORKS.keys() & dirty:
            yield from (f"flush set {self._table} {each}" for each in ruleset.network_sets(_NETWORKS[name]))
            yield from ruleset.addition(self._table, ruleset.networks(name, self._rows[name], now_ns), now_ns)
        if MapName.SERVICE_PORTS in dirty:
            yield f"flush set {self._table} service_ports"
            ports = (ruleset.service_port(key) for key in self._rows[MapName.SERVICE_PORTS])
            yield from ruleset.addition(self._table, ports, now_ns)
        if _LISTS in dirty:
            for kind in ListKind:
                yield from (f"flush set {self._table} {kind}{digit}" for digit, _, _ in ruleset.FAMILIES)
                rows = self.list_slots.rows_of(kind)
                yield from ruleset.addition(self._table, ruleset.listed(kind, rows), now_ns)
        if dirty & {_CHAINS, _LISTS}:
            yield from chains.rules(self._table, self._judged())
        elif _BUDGET in dirty:
            yield from chains.pressure(self._table, self._judged())

    def _judged(self) -> Judged:
        countries = bool(self.list_slots.masks.get(ListKind.COUNTRY_ALLOW))
        return Judged(self._rows[MapName.POLICY][0], self.firewall.held, countries, self._pressed)

    def _interface_commands(self) -> Iterator[str]:
        yield f"flush set {self._table} interfaces"
        names = (Element("interfaces", f'"{name}"') for name in sorted(self.interfaces))
        yield from ruleset.addition(self._table, names, 0)


def _elements(name: MapName, rows: Mapping[Any, Any]) -> Iterator[Element]:
    return (each for key, row in rows.items() for each in ruleset.elements(name, key, row))


def _places(name: MapName, keys: Iterable[Any]) -> Iterator[Element]:
    return (each for key in keys for each in ruleset.places(name, key))
