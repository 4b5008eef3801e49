"""The verbs about sources: bans, trust, single devices, and the end of each in time.

Every row that ends lies in the tables until its instant, which the kernel itself looks at, and is removed here soon
after. Must not know: bcc, bytes of a row, media.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import Any, Final

from appliance import wire
from appliance.kernel import plan
from appliance.kernel.plan import FOREVER, BanRow, Endpoint, MapName, PairRow, SourceRow
from appliance.kernel.tables import Grounded, Tables

_BANS: Final = (MapName.BANS, MapName.BAN_NETS)
_SOURCES: Final = (MapName.SOURCES, MapName.SOURCE_NETS)
TIMED: Final = (*_BANS, *_SOURCES, MapName.PAIRS)


class SourceVerbs(Grounded):
    """Who may send. Every refusal is a wire.WireError."""

    def __init__(self, tables: Tables, monotonic_ns: Callable[[], int], unix_ns: Callable[[], int]) -> None:
        super().__init__(tables, monotonic_ns, unix_ns)
        self._protected: list[plan.Network] = []
        self._notes: dict[tuple[MapName, Any], wire.Ban] = {}
        self._timed: dict[MapName, dict[Any, Any]] = {name: {} for name in TIMED}
        self._expiries: list[tuple[int, MapName, Any]] = []
        self._due: dict[tuple[MapName, Any], int] = {}

    # Addresses and networks

    def ban(self, ban: wire.Ban) -> None:
        """Bans an address or network; again changes its expiry.

        One that has expired already is refused, and so is one that covers a protected address ("protected").
        """
        row = BanRow(self._deadline(ban.expires_at, ban.prefix), ban.spares_known, ban.spares_proven)
        name, key = plan.place(_BANS, plan.bannable(ban.prefix))
        plan.refuse_protected(self._protected, ban.prefix)
        self._put_timed(name, key, row)
        self._notes[name, key] = ban

    def unban(self, prefix: wire.Prefix) -> None:
        """Lifts exactly this ban. Raises WireError("not_banned")."""
        name, key = plan.place(_BANS, prefix.prefix)
        if not self._drop_timed(name, key):
            raise wire.WireError("not_banned", f"{prefix.prefix} is not banned", "list the bans for what covers it")

    def bans(self) -> list[wire.Ban]:
        """Every ban that holds now. A ban of an earlier keeper has the rule `unknown` until the next plan."""
        now_ns, found = self._monotonic_ns(), []
        for name in _BANS:
            for key, row in self._timed[name].items():
                if not row.until_ns or row.until_ns > now_ns:
                    found.append(self._notes.get((name, key)) or self._anonymous(name, key, row))
        return found

    def _anonymous(self, name: MapName, key: Any, row: BanRow) -> wire.Ban:
        ((text, _),) = plan.ban_texts({name: {key: row}})
        until, spares = self._unix(row.until_ns), (row.spares_known, row.spares_proven)
        return wire.Ban(text, until, "unknown", "found in the kernel", *spares)

    def _unix(self, until_ns: int) -> float:
        return (until_ns + self.boot_ns) / 1e9 if until_ns else 0.0

    def allow(self, source: wire.Source) -> None:
        """Trusts an address or network as `source.kind` says; again changes kind and expiry."""
        row = SourceRow(self._deadline(source.expires_at, source.prefix), source.kind)
        self._put_timed(*plan.place(_SOURCES, source.prefix), row)

    def disallow(self, prefix: wire.Prefix) -> None:
        """Takes exactly this trust back. Raises WireError("not_listed")."""
        name, key = plan.place(_SOURCES, prefix.prefix)
        if not self._drop_timed(name, key):
            raise wire.WireError("not_listed", f"{prefix.prefix} is neither allowed nor known")

    # Single devices, by address and port

    def know_pair(self, known: wire.KnownPair) -> None:
        """A device is registered from here; again moves its expiry. A ban of it stays."""
        until_ns = self._pair_deadline(known.expires_at, known.address)
        self._change_pair(plan.endpoint((known.address, known.port)), known_until_ns=until_ns)

    def forget_pair(self, pair: wire.Pair) -> None:
        """The device is not registered any more. One that was not known is no error: bindings end by themselves."""
        self._change_pair(plan.endpoint((pair.address, pair.port)), known_until_ns=0)

    def ban_pair(self, ban: wire.PairBan) -> None:
        """Bans one device; others behind its address stay. Refused for a protected address ("protected")."""
        until_ns = self._pair_deadline(ban.expires_at, ban.address)
        plan.refuse_protected(self._protected, ban.address)
        self._change_pair(plan.endpoint((ban.address, ban.port)), banned_until_ns=until_ns)

    def unban_pair(self, pair: wire.Pair) -> None:
        """Lifts the ban of one device. Raises WireError("not_banned")."""
        where = plan.endpoint((pair.address, pair.port))
        if not self._timed[MapName.PAIRS].get(where, PairRow()).banned_until_ns:
            raise wire.WireError("not_banned", f"{pair.address} port {pair.port} is not banned")
        self._change_pair(where, banned_until_ns=0)

    def _change_pair(self, where: Endpoint, **instants: int) -> None:
        row = self._timed[MapName.PAIRS].get(where, PairRow())._replace(**instants)
        if row == PairRow():
            self._drop_timed(MapName.PAIRS, where)
        else:
            self._put_timed(MapName.PAIRS, where, row)

    def _pair_deadline(self, expires_at: float, address: str) -> int:
        return self._deadline(expires_at, address) or FOREVER

    # What all have in common

    def _deadline(self, expires_at: float, prefix: str) -> int:
        until_ns = plan.deadline(expires_at, self.boot_ns)
        if until_ns and until_ns <= self._monotonic_ns():
            raise wire.WireError("bad_time", f"{prefix}: expires_at lies in the past")
        return until_ns

    def _put_timed(self, name: MapName, key: Any, row: Any) -> None:
        self.tables.put(name, key, row)
        self._timed[name][key] = row
        self._await(name, key, row)

    def _await(self, name: MapName, key: Any, row: Any) -> None:
        """One entry at most waits for each row: a device that registers every minute leaves no trail of them."""
        end_ns = _end(row)
        if end_ns and end_ns < self._due.get((name, key), FOREVER):
            self._due[name, key] = end_ns
            heapq.heappush(self._expiries, (end_ns, name, key))

    def _drop_timed(self, name: MapName, key: Any) -> bool:
        self._notes.pop((name, key), None)
        self._timed[name].pop(key, None)
        return self.tables.drop(name, key)

    def _note_bans(self, bans: Iterable[wire.Ban]) -> None:
        self._notes = {plan.place(_BANS, ban.prefix): ban for ban in bans}

    def _watch(self, rows: plan.Rows) -> None:
        self._timed = {name: dict(rows[name]) for name in TIMED}
        self._due = {(name, key): _end(row) for name in TIMED for key, row in rows[name].items() if _end(row)}
        self._expiries = [(end_ns, name, key) for (name, key), end_ns in self._due.items()]
        heapq.heapify(self._expiries)

    def _expire(self) -> int:
        """Removes what has ended; how many rows went."""
        now_ns, gone = self._monotonic_ns(), 0
        while self._expiries and self._expiries[0][0] <= now_ns:
            end_ns, name, key = heapq.heappop(self._expiries)
            if self._due.get((name, key)) != end_ns:
                continue  # an earlier end was put before this one
            del self._due[name, key]
            row = self._timed[name].get(key)
            if row is None:
                continue
            if 0 < _end(row) <= now_ns:
                gone += self._drop_timed(name, key)
            else:
                self._await(name, key, row)
        return gone

    def _ban_count(self) -> int:
        return sum(len(self._timed[name]) for name in _BANS)

    def _pair_count(self) -> int:
        return len(self._timed[MapName.PAIRS])


def _end(row: Any) -> int:
    """The instant from which on the row says nothing; 0: never."""
    if not isinstance(row, PairRow):
        return int(row.until_ns)
    end_ns = max(row)
    return 0 if end_ns == FOREVER else end_ns
