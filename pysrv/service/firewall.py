"""What the operator has said about networks, as the gate takes it: static rules, countries, lists, protected addresses.

Rules travel in the plan. Lists and the networks of countries are larger: `ListLoader` compares what the keeper holds
with what the store has, by digest, and sends what is missing, one piece after the other.
"""

import base64
import hashlib
import ipaddress
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from appliance import networks, wire
from appliance.wire import FirewallAction, FirewallRule, KeeperVerb, ListKind, WireError
from pysrv.service.surroundings import Clock
from pysrv.store import Store
from pysrv.store.firewall import Rule

COUNTRIES = {ListKind.COUNTRY_DENY: "countries kept out", ListKind.COUNTRY_ALLOW: "countries let in"}
# Addresses of no country: RFC 1918, 6598, 3927, 1122, 4193, 4291. Letting countries in must not keep these out.
NOWHERE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
           "fc00::/7", "fe80::/10", "::1")  # fmt: skip
NOTED_FOR_S = 3600.0
_log = logging.getLogger("pysrv.service")


def gate_rules(store: Store) -> tuple[FirewallRule, ...]:
    """The rules about networks; those about countries become lists."""
    return tuple(
        FirewallRule(rule.prefix, FirewallAction(rule.action), rule.protocol, rule.port)
        for rule in store.firewall_rules()
        if rule.prefix
    )


def protected(store: Store, host: Mapping[str, str]) -> dict[str, str]:
    """Networks that no ban, deny or list may cover, each with the reason; `host` says what is the machine's own."""
    found = dict(host)
    for row in store.trusted():
        found.setdefault(row.prefix, "on the allow list")
    for seen in store.management():
        found[seen.address] = seen.why
    return found


def covered(prefix: str, guarded: Mapping[str, str]) -> tuple[str, str] | None:
    """The first protected network that `prefix` has an address in common with, and why it is protected."""
    row = networks.parsed(prefix)
    return next(
        ((each, why) for each, why in guarded.items() if networks.overlap(row, networks.parsed(each))),
        None,
    )


def refuse_protected(prefix: str, guarded: Mapping[str, str], what: str = "banning") -> None:
    """Raises WireError("protected") that names the address and the reason."""
    if hit := covered(prefix, guarded):
        words = f"{what} {prefix} would cut off {hit[0]}: {hit[1]}"
        raise WireError("protected", words, "'appliance firewall protected' lists what is never cut off")


def deciding(rules: list[Rule], address: str, protocol: str, port: int) -> Rule | None:
    """The rule about networks that decides a packet from `address` to our `port`; None: none matches.

    As bpf/firewall.c: the longest network, and of two as long the one that names a port. `port` 0: any other port.
    """
    where = networks.parsed(address)
    best: tuple[int, bool] = (-1, False)
    found = None
    for rule in rules:
        if not rule.prefix or (rule.port and (rule.port != port or rule.protocol not in ("any", protocol))):
            continue
        row = networks.parsed(rule.prefix)
        rank = (row[16], bool(rule.port))
        if rank > best and networks.overlap(row, where):
            best, found = rank, rule
    return found


def piece_holds(piece: bytes, address: bytes) -> bytes | None:
    """The row of a piece that holds an address of 16 bytes."""
    if address < piece[:16] or networks.last_address(piece[-networks.ROW_BYTES :]) < address:
        return None
    row = address + networks.SINGLE
    return next((found for found, _ in networks.clashes(networks.rows(piece), [row])), None)


class Managers:
    """Addresses from which the appliance is managed, so that not every request of a panel is written down."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._seen: dict[str, float] = {}

    def noted(self, address: str, why: str) -> bool:
        """Protects the address, unless that was done within NOTED_FOR_S; True: it was news."""
        now = self._clock.wall()
        self._seen = {each: at for each, at in self._seen.items() if now - at < NOTED_FOR_S}
        if not address or address in self._seen:
            return False
        self._seen[address] = now
        self._store.managed_from(str(ipaddress.ip_address(address.partition("%")[0])), why)
        return True


class Line(Protocol):
    """The gate's client, as far as lists need it."""

    def ask(
        self,
        verb: KeeperVerb,
        args: Any,
        done: Callable[[dict[str, Any]], None],
        refused: Callable[[WireError], None],
    ) -> None:
        """Queue a verb; while the keeper is away neither callback is called."""

    def flush(self) -> None:
        """Send what is queued."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list that the gate should hold. `parts` are ids in the store; `more` are rows that belong to it besides."""

    name: str
    digest: str
    kind: ListKind
    entries: int
    parts: tuple[int, ...]
    more: bytes = b""


def wanted_lists(store: Store) -> list[Wanted]:
    """Every list that should be in force: the imported ones, and one for the countries of each action."""
    found = [Wanted(row.name, row.digest, ListKind.BAN, row.entries, (row.id,)) for row in store.lists()]
    known = {row.name: row for row in store.lists("country")}
    rules = [rule for rule in store.firewall_rules() if rule.country in known]
    for kind, action in ((ListKind.COUNTRY_DENY, "deny"), (ListKind.COUNTRY_ALLOW, "allow")):
        rows = [known[rule.country] for rule in rules if rule.action == action]
        if rows:
            more = b"" if action == "deny" else b"".join(networks.merged(map(networks.parsed, NOWHERE)))
            entries = sum(row.entries for row in rows) + len(more) // networks.ROW_BYTES
            digest = hashlib.sha256("".join(sorted(row.digest for row in rows)).encode()).hexdigest()
            found.append(Wanted(COUNTRIES[kind], digest, kind, entries, tuple(row.id for row in rows), more))
    return found


class ListLoader:
    """Makes the gate's lists those of the store, and knows which are in force."""

    def __init__(self, store: Store, line: Line) -> None:
        self._store, self._line = store, line
        self._held: dict[str, str] = {}  # name to digest of what the keeper said it holds
        self._left: list[Wanted] = []
        self._under_way: Wanted | None = None
        self._again = False
        self._pieces: Iterator[bytes] = iter(())
        self._sent = 0
        self.refused: dict[str, str] = {}  # lists that the keeper did not take, and why

    @property
    def held(self) -> Mapping[str, str]:
        """Name to digest of the lists in force."""
        return self._held

    def connected(self) -> None:
        """The keeper has taken the plan: what does it hold?"""
        self._under_way, self._left, self._again = None, [], False
        self._compare()

    def changed(self) -> None:
        """A list came, went or was replaced."""
        if self._under_way is not None:
            self._again = True
        else:
            self._compare()

    def _compare(self) -> None:
        self._line.ask(KeeperVerb.LISTS, None, self._found, self._refused)
        self._line.flush()

    def _found(self, result: dict[str, Any]) -> None:
        rows = [wire.from_dict(wire.ListStatus, row) for row in result.get("lists", [])]
        self._held = {row.name: row.digest for row in rows if row.complete}
        wanted = wanted_lists(self._store)
        names = {each.name for each in wanted}
        for name in {row.name for row in rows} - names:
            self._line.ask(KeeperVerb.DROP_LIST, wire.ListRef(name), partial(self._dropped, name), self._refused)
        self._left = [each for each in wanted if self._held.get(each.name) != each.digest]
        self._next()

    def _dropped(self, name: str, _: dict[str, Any]) -> None:
        self._held.pop(name, None)

    def _next(self) -> None:
        self._under_way = None
        if self._again:
            self._again = False
            self._compare()
            return
        if self._left:
            self._under_way = self._left.pop(0)
            self._pieces, self._sent = self._rows(self._under_way), 0
            self._send(first=True)
        self._line.flush()

    def _rows(self, wanted: Wanted) -> Iterator[bytes]:
        for part in wanted.parts:
            yield from self._store.list_rows(part)
        if wanted.more:
            yield wanted.more

    def _send(self, *, first: bool = False) -> None:
        """The next piece; an empty one with the mark of the last puts the list in force."""
        wanted, piece = self._under_way, next(self._pieces, b"")
        if wanted is None:
            return
        self._sent += len(piece) // networks.ROW_BYTES
        if not piece and self._sent != wanted.entries:  # replaced meanwhile: what took its place is loaded next
            self._again = True
            self._next()
            return
        text = base64.b64encode(piece).decode()
        chunk = wire.ListChunk(wanted.name, wanted.digest, text, first, not piece, wanted.kind, wanted.entries)
        self._line.ask(KeeperVerb.LOAD_LIST, chunk, self._loaded, self._refused)
        self._line.flush()

    def _loaded(self, result: dict[str, Any]) -> None:
        status = wire.from_dict(wire.ListStatus, result)
        wanted = self._under_way
        if wanted is None or status.name != wanted.name:
            return
        if not status.complete:
            self._send()
            return
        self._held[status.name] = status.digest
        self.refused.pop(status.name, None)
        _log.info("list in force name=%r networks=%d", status.name, status.entries)
        self._next()

    def _refused(self, error: WireError) -> None:
        if self._under_way is not None:
            _log.error("list refused by the gate name=%r: %s", self._under_way.name, error.message)
            self.refused[self._under_way.name] = error.message
            if error.code != "keeper_lost":
                self._next()
