"""Entrances: from where accounts come, indexed, so that a call costs as many looks as there are lengths of networks.

An entrance is one line of an account's `authip`, or its tech prefix alone (needauth 2). Pure: who resolves DNS names is
not known here, they are compared as names. No source may belong to two accounts (`collision`).
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from pysrv.limits.credentials import Mode, mode_of

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """One line of `authip`: a network (a single address is one of full length) or a DNS name; port 0: any."""

    network: Network | None = None
    name: str = ""
    port: int = 0

    @property
    def single(self) -> bool:
        """Whether it is one address or one name."""
        return self.network is None or self.network.prefixlen == self.network.max_prefixlen

    def __str__(self) -> str:
        if self.network is None:
            host = self.name
        else:
            host = str(self.network.network_address) if self.single else str(self.network)
        return f"[{host}]:{self.port}" if self.port and ":" in host else f"{host}:{self.port}" if self.port else host


ANYWHERE = Place()


def place_of(text: str) -> Place:
    """The place that a checked line of `authip` names. Raises ValueError for one that was not checked."""
    host, port = text, 0
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = int(rest.removeprefix(":") or 0)
    elif text.count(":") == 1:
        host, _, digits = text.partition(":")
        port = int(digits)
    try:
        return Place(_plain(ipaddress.ip_network(host)), "", port)
    except ValueError:
        return Place(None, host.lower().removesuffix("."), port)


def _plain(network: Network) -> Network:
    """An IPv4 address written as IPv6 is the IPv4 address."""
    if isinstance(network, IPv6Network) and network.prefixlen == 128:
        mapped = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network(mapped) if mapped is not None else network
    return network


@dataclass(frozen=True, slots=True)
class Entrance:
    """One place of one account; `place` ANYWHERE for needauth 2."""

    account: str
    mode: Mode
    place: Place
    prefix: str = ""

    def __str__(self) -> str:
        where = "" if self.place == ANYWHERE else str(self.place)
        dialled = f"tech prefix {self.prefix}" if self.prefix else ""
        return " with ".join(part for part in (where, dialled) if part)


def entrances_of(account: str, needauth: int, authip: Iterable[str], techprefix: str) -> tuple[Entrance, ...]:
    """Every entrance of an account; none for one that is found by its name alone."""
    mode = mode_of(needauth)
    prefix = techprefix if mode.prefix else ""
    if mode.address:
        return tuple(Entrance(account, mode, place_of(text), prefix) for text in authip)
    return (Entrance(account, mode, ANYWHERE, prefix),) if mode.prefix and prefix else ()


def lack(needauth: int, authip: Iterable[str], techprefix: str) -> str:
    """What an account's fields lack for its needauth, or have too much of; empty: nothing."""
    mode, texts = mode_of(needauth), tuple(authip)
    places = [place_of(text) for text in texts]
    if mode.address and not texts:
        return f"needauth {needauth} looks at the source address: authip must name one"
    if mode.prefix and not techprefix:
        return f"needauth {needauth} looks at what is dialled first: techprefix must not be empty"
    if mode.port and (bare := next((text for text, place in zip(texts, places, strict=True) if not place.port), "")):
        return f"needauth {needauth} looks at the port too: {bare} in authip has none"
    if mode.address and not mode.port and (odd := next((str(place) for place in places if place.port), "")):
        return f"needauth {needauth} looks at no port: {odd} in authip has one, which needauth 6 is for"
    if mode.address and not mode.networks and (wide := next((str(p) for p in places if not p.single), "")):
        return f"needauth {needauth} takes single addresses: {wide} in authip is a network, which 9 and 10 are for"
    return ""


@dataclass(slots=True, eq=False)
class Entrances:
    """The index. `networks` has one table for each length of prefix that occurs; `count` grows with each entrance."""

    of_account: dict[str, tuple[Entrance, ...]] = field(default_factory=dict)
    names: dict[str, list[Entrance]] = field(default_factory=dict)
    prefixes: dict[str, Entrance] = field(default_factory=dict)
    networks: dict[tuple[int, int], dict[int, list[Entrance]]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, found: Iterable[Entrance]) -> "Entrances":
        """An index of these."""
        index = cls()
        for entrance in found:
            index.add(entrance)
        return index

    def add(self, entrance: Entrance) -> None:
        """One more."""
        self.count += 1
        self.of_account[entrance.account] = (*self.of_account.get(entrance.account, ()), entrance)
        place = entrance.place
        if place == ANYWHERE:
            self.prefixes[entrance.prefix] = entrance
        elif place.network is None:
            self.names.setdefault(place.name, []).append(entrance)
        else:
            table = self.networks.setdefault((place.network.version, place.network.prefixlen), {})
            table.setdefault(int(place.network.network_address), []).append(entrance)

    def at(self, address: str) -> Iterator[Entrance]:
        """Those that an address is in, the narrowest network first; DNS names are the caller's to add."""
        parsed = ipaddress.ip_address(address)
        mapped = getattr(parsed, "ipv4_mapped", None)
        parsed = mapped if mapped is not None else parsed
        number, bits = int(parsed), parsed.max_prefixlen
        for version, length in sorted(self.networks, reverse=True):
            if version == parsed.version:
                key = number >> (bits - length) << (bits - length)
                yield from self.networks[version, length].get(key, ())

    def by_prefix(self, dialled: str) -> Entrance | None:
        """The account whose tech prefix alone is enough, the longest first."""
        for length in range(min(len(dialled), 16), 0, -1):
            if (found := self.prefixes.get(dialled[:length])) is not None:
                return found
        return None

    def collision(self, wanted: Entrance) -> Entrance | None:
        """Somebody else's entrance that the same call could come in by."""
        if not wanted.mode.by_source:
            return None
        rivals = (each for each in self._near(wanted) if each.account != wanted.account and each.mode.by_source)
        return next((each for each in rivals if each.prefix == wanted.prefix and _meet(each.place, wanted.place)), None)

    def _near(self, wanted: Entrance) -> Iterator[Entrance]:
        place = wanted.place
        if place == ANYWHERE:
            yield from (each for found in self.of_account.values() for each in found)
            return
        if wanted.prefix in self.prefixes:
            yield self.prefixes[wanted.prefix]
        if place.network is None:
            yield from self.names.get(place.name, ())
            return
        yield from self.at(str(place.network.network_address))
        if not place.single:
            yield from self.within(place.network)

    def within(self, network: Network) -> Iterator[Entrance]:
        """Those that lie inside a network."""
        for (version, length), table in self.networks.items():
            if version == network.version and length > network.prefixlen:
                yield from (each for found in table.values() for each in found)


def _meet(one: Place, other: Place) -> bool:
    """Whether some source is in both."""
    if ANYWHERE in (one, other):
        return True
    if one.port and other.port and one.port != other.port:
        return False
    if one.network is None or other.network is None:
        return one.network is other.network and one.name == other.name
    return one.network.version == other.network.version and one.network.overlaps(other.network)


def pick(found: Iterable[Entrance], port: int, dialled: str, named: str) -> tuple[Entrance | None, tuple[str, ...]]:
    """The entrance that a call without password comes in by, and the accounts that only lacked their tech prefix.

    `found` has the narrowest first; `named` is the account that From names. What says more goes first: a user name, a
    port, the longer prefix.
    """
    best: Entrance | None = None
    lacking: dict[str, None] = {}
    for each in found:
        mode = each.mode
        if mode.password or (mode.port and each.place.port != port) or (mode.user and each.account != named):
            continue
        if mode.prefix and not dialled.startswith(each.prefix):
            lacking[each.account] = None
        elif best is None or _rank(each) > _rank(best):
            best = each
    return best, tuple(lacking)


def _rank(entrance: Entrance) -> tuple[bool, bool, int]:
    return entrance.mode.user, entrance.mode.port, len(entrance.prefix)
