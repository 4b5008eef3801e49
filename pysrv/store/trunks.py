"""Trunks, the numbers that may go over them, and the addresses from which they call us.

A trunk's password has to be said to the carrier, so it is kept as it is or sealed (`secrecy.py`) and shown to nobody.
"""

import ipaddress
import re
from typing import Any

from pysrv.billing.number import prefixes
from pysrv.store.database import Row
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.rows import NewTrunk, Route, Trunk
from pysrv.store.secrecy import TRUNK_PASSWORD, SecrecyReading, SecrecyWriting

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}", re.ASCII)
_DIGITS = re.compile(r"[0-9*#]{0,16}", re.ASCII)
_COLUMNS = "id, name, host, port, transport, user, password, max_channels, deck, enabled"
_PLAIN = ("host", "port", "transport", "user", "password", "max_channels", "deck", "enabled")
_LONGEST_PREFIX = 16
_MARKS = ", ".join("?" * (_LONGEST_PREFIX + 1))
_ROUTES_FOR = (
    "SELECT trunk_id, prefix, priority, strip, prepend FROM routes JOIN trunks ON trunks.id = trunk_id "  # noqa: S608
    f"WHERE trunks.enabled AND prefix IN ({_MARKS}) ORDER BY length(prefix) DESC, priority, routes.id"
)


class TrunkReading(SecrecyReading):
    """Questions about trunks."""

    def trunk(self, name: str) -> Trunk | None:
        """The trunk of that name."""
        row = self._one(f"SELECT {_COLUMNS} FROM trunks WHERE name = ?", (name,))  # noqa: S608
        return self._trunk(row) if row else None

    def trunks(self) -> list[Trunk]:
        """All trunks by name."""
        return [self._trunk(row) for row in self._all(f"SELECT {_COLUMNS} FROM trunks ORDER BY name")]  # noqa: S608

    def routes_for(self, number: str) -> list[tuple[Trunk, Route]]:
        """Enabled trunks for a number in the order to try: longest prefix first, then lowest priority."""
        tried = prefixes(number, _LONGEST_PREFIX)
        padded = tried + (None,) * (_LONGEST_PREFIX + 1 - len(tried))
        found = self._all(_ROUTES_FOR, padded)
        return [(self._trunk_by_id(row[0]), Route(*row[1:])) for row in found]

    def trunk_by_address(self, address: str) -> Trunk | None:
        """The enabled trunk that calls from this address: its own line first, else the narrowest network."""
        source = ipaddress.ip_address(address)
        best: tuple[int, int] | None = None
        for network, trunk_id in self._networks():
            if source in network and (best is None or network.prefixlen > best[0]):
                best = network.prefixlen, trunk_id
        trunk = self._trunk_by_id(best[1]) if best else None
        return trunk if trunk and trunk.enabled else None

    def _networks(self) -> list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]]:
        rows = self._all("SELECT network, trunk_id FROM trunk_inbound")
        return [(ipaddress.ip_network(row[0]), row[1]) for row in rows]

    def _trunk_by_id(self, trunk_id: int) -> Trunk:
        row = self._one(f"SELECT {_COLUMNS} FROM trunks WHERE id = ?", (trunk_id,))  # noqa: S608
        assert row is not None, "routes and addresses go with their trunk"
        return self._trunk(row)

    def _trunk(self, row: Row) -> Trunk:
        trunk_id = row[0]
        routes = self._all(
            "SELECT prefix, priority, strip, prepend FROM routes WHERE trunk_id = ? ORDER BY prefix, priority, id",
            (trunk_id,),
        )
        inbound = self._all("SELECT network FROM trunk_inbound WHERE trunk_id = ? ORDER BY network", (trunk_id,))
        fields: list[Any] = [
            *row[:6],
            self._opened(row[6], TRUNK_PASSWORD, trunk_id),
            tuple(Route(*route) for route in routes),
        ]
        fields += [tuple(_written(line[0]) for line in inbound), row[7], row[8], bool(row[9])]
        return Trunk(*fields)


class TrunkWriting(TrunkReading, SecrecyWriting):
    """Changes of trunks, and the memory that makes routing cheap."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._trunk_memory: dict[int, Trunk] = {}
        self._network_memory: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]] | None = None

    def _forget(self) -> None:
        self._trunk_memory.clear()
        self._network_memory = None
        super()._forget()

    def trunk(self, name: str) -> Trunk | None:
        """The trunk of that name, remembered until any trunk changes."""
        held = next((trunk for trunk in self._trunk_memory.values() if trunk.name == name), None)
        if held is None and (held := super().trunk(name)) is not None:
            self._trunk_memory[held.id] = held
        return held

    def _trunk_by_id(self, trunk_id: int) -> Trunk:
        held = self._trunk_memory.get(trunk_id)
        if held is None:
            held = self._trunk_memory[trunk_id] = super()._trunk_by_id(trunk_id)
        return held

    def _networks(self) -> list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]]:
        if self._network_memory is None:
            self._network_memory = super()._networks()
        return self._network_memory

    def add_trunk(self, new: NewTrunk, who: str = "") -> Trunk:
        """Adds a trunk. CONFLICT: name or an inbound network is taken. INVALID: says what."""
        if not _NAME.fullmatch(new.name):
            raise _invalid(f"{new.name!r} cannot be a trunk's name: letters, digits and ._-, at most 64")
        if self.trunk(new.name):
            raise StoreError(StoreCode.CONFLICT, f"there is already a trunk {new.name!r}")
        values = {name: getattr(new, name) for name in _PLAIN} | {"password": ""}
        _check(new.name, values)
        with self._atomic():
            names = ", ".join(("name", *_PLAIN))
            sql = f"INSERT INTO trunks ({names}) VALUES ({', '.join('?' * 9)}) RETURNING id"  # noqa: S608
            trunk_id = int(self._write(sql, (new.name, *values.values())).fetchone()[0])
            self._keep_password_of(trunk_id, new.password)
            self._route(trunk_id, new.name, new.routes)
            self._inbound(trunk_id, new.name, new.inbound)
            self._audit(who, "trunk.add", new.name)
        self._forget()
        return self._named_trunk(new.name)

    def set_trunk(self, name: str, *, who: str = "", **changes: Any) -> Trunk:
        """Changes fields of NewTrunk other than the name; `routes` and `inbound` replace all there were."""
        before = self._named_trunk(name)
        if unknown := set(changes) - {*_PLAIN, "routes", "inbound"}:
            raise _invalid(f"{', '.join(sorted(unknown))}: not to be set on a trunk")
        _check(name, changes)
        with self._atomic():
            for field, value in changes.items():
                self._change_trunk(before, field, value, who)
        self._forget()
        return self._named_trunk(name)

    def remove_trunk(self, name: str, who: str = "") -> None:
        """Removes a trunk with its routes and addresses; running calls over it go on."""
        trunk = self._named_trunk(name)
        with self._atomic():
            self._write("DELETE FROM trunks WHERE id = ?", (trunk.id,))
            self._audit(who, "trunk.remove", name)
        self._forget()

    def _named_trunk(self, name: str) -> Trunk:
        trunk = self.trunk(name)
        if trunk is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no trunk {name!r}", "trunks list shows all")
        return trunk

    def _change_trunk(self, before: Trunk, field: str, value: Any, who: str) -> None:
        if field == "routes":
            self._route(before.id, before.name, tuple(value))
        elif field == "inbound":
            self._inbound(before.id, before.name, tuple(value))
        elif field == "password":
            self._keep_password_of(before.id, value)
        else:
            self._write(f"UPDATE trunks SET {field} = ? WHERE id = ?", (value, before.id))  # noqa: S608
        shown = ("", "") if field == "password" else (str(getattr(before, field)), str(value))
        self._audit(who, f"trunk.{field}", before.name, *shown)

    def _keep_password_of(self, trunk_id: int, password: str) -> None:
        kept = self._kept(password, TRUNK_PASSWORD, trunk_id)
        self._write("UPDATE trunks SET password = ? WHERE id = ?", (kept, trunk_id))

    def _route(self, trunk_id: int, name: str, routes: tuple[Route, ...]) -> None:
        self._write("DELETE FROM routes WHERE trunk_id = ?", (trunk_id,))
        for route in routes:
            if not (_DIGITS.fullmatch(route.prefix) and _DIGITS.fullmatch(route.prepend)) or route.strip < 0:
                raise _invalid(f"{name}: route {route.prefix!r}: prefix and prepend are at most 16 digits, strip >= 0")
            row = (trunk_id, route.prefix, route.priority, route.strip, route.prepend)
            self._write("INSERT INTO routes (trunk_id, prefix, priority, strip, prepend) VALUES (?, ?, ?, ?, ?)", row)

    def _inbound(self, trunk_id: int, name: str, inbound: tuple[str, ...]) -> None:
        self._write("DELETE FROM trunk_inbound WHERE trunk_id = ?", (trunk_id,))
        for written in inbound:
            network = _network(name, written)
            taken = self._one(
                "SELECT name FROM trunk_inbound JOIN trunks ON trunks.id = trunk_id WHERE network = ?", (network,)
            )
            if taken:
                raise StoreError(StoreCode.CONFLICT, f"{written} already belongs to trunk {taken[0]}")
            self._write("INSERT INTO trunk_inbound VALUES (?, ?)", (network, trunk_id))


def _network(name: str, written: str) -> str:
    try:
        return str(ipaddress.ip_network(written.strip()))
    except ValueError as error:
        raise _invalid(f"{name}: inbound {written!r} is no address or network: {error}") from None


def _written(network: str) -> str:
    address, _, length = network.partition("/")
    return address if length == ("128" if ":" in address else "32") else network


def _check(name: str, values: dict[str, Any]) -> None:
    if not _HOST.fullmatch(str(values.get("host", "host"))):
        raise _invalid(f"{name}: host {values['host']!r} is no address or DNS name")
    if not 1 <= values.get("port", 5060) <= 65535:
        raise _invalid(f"{name}: port is 1 to 65535")
    if values.get("transport", "udp") not in ("udp", "tcp", "tls"):
        raise _invalid(f"{name}: transport is udp, tcp or tls")
    if values.get("max_channels", 0) < 0:
        raise _invalid(f"{name}: max_channels is 0 (no ceiling) or more")


def _invalid(message: str) -> StoreError:
    return StoreError(StoreCode.INVALID, message)
