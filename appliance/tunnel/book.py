"""What is kept of the tunnel: whether it is on, its port and networks, its key, and who may come. Pure but for chance.

Addresses follow from a peer's number: the appliance is number 1 in both networks. The IPv6 network is a unique local
one of RFC 4193, with 40 bits of chance.
"""

import ipaddress
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from appliance.tunnel import keys
from appliance.wire import WireError

DEFAULT_PORT: Final = 51820  # the one that everybody else's examples have
MOST_PEERS: Final = 64
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,31}")
HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
IPV4_BITS: Final = range(16, 27)  # of the network inside: room for all peers, and no whole private range
OWN: Final = 1


@dataclass(frozen=True, slots=True)
class Peer:
    """One who may come; his private key is his alone."""

    name: str
    number: int
    public_key: str
    shared_secret: str
    added_at: float
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """The whole state. `endpoint`: what peers are told, empty for the appliance's first address. `by_panel`: the office
    may add peers too."""

    on: bool
    port: int
    network4: str
    network6: str
    private_key: str
    endpoint: str = ""
    peers: tuple[Peer, ...] = ()
    by_panel: bool = False

    def addresses(self, number: int) -> tuple[str, str]:
        """Both addresses of a number."""
        return tuple(str(ipaddress.ip_network(net)[number]) for net in (self.network4, self.network6))  # type: ignore[return-value]

    def interface_addresses(self) -> tuple[str, ...]:
        """The appliance's own, each with the length of its network."""
        nets = (self.network4, self.network6)
        return tuple(f"{each}/{net.rpartition('/')[2]}" for each, net in zip(self.addresses(OWN), nets, strict=True))

    def allowed(self, number: int) -> tuple[str, ...]:
        """The networks of one peer: himself."""
        four, six = self.addresses(number)
        return f"{four}/32", f"{six}/128"

    def peer(self, name: str) -> Peer:
        """Raises WireError("not_found")."""
        for peer in self.peers:
            if peer.name == name:
                return peer
        raise WireError("not_found", f"the tunnel has no peer {name!r:.60}", "'appliance tunnel show' lists them")

    def with_peer(self, name: str, public_key: str, by: str, now: float) -> "Book":
        """One more peer. Raises WireError: "invalid", "conflict"."""
        if not NAME.fullmatch(name):
            hint = "letters, digits and . _ @ - , at most 32, a letter or digit first"
            raise WireError("invalid", f"{name!r:.60} cannot be a peer's name", hint)
        keys.checked_public_key(public_key)
        for peer in self.peers:
            if name == peer.name:
                raise WireError("conflict", f"there is a peer {name!r} already", "remove it, or choose another name")
            if public_key == peer.public_key:
                raise WireError("conflict", f"this key is that of {peer.name!r}", "each peer has a key of its own")
        if public_key == keys.public_key(self.private_key):
            raise WireError("invalid", "that is the appliance's own key", "take the peer's")
        if len(self.peers) >= MOST_PEERS:
            raise WireError("conflict", f"the tunnel has {MOST_PEERS} peers at most", "remove one that is not used")
        taken = {peer.number for peer in self.peers}
        number = next(each for each in range(OWN + 1, MOST_PEERS + OWN + 2) if each not in taken)
        new = Peer(name, number, public_key, keys.shared_secret(), round(now, 3), by)
        return replace(self, peers=(*self.peers, new))

    def without_peer(self, name: str) -> "Book":
        """One peer less. Raises WireError("not_found")."""
        gone = self.peer(name)
        return replace(self, peers=tuple(peer for peer in self.peers if peer is not gone))

    def to_json(self) -> str:
        """What `read` reads back."""
        return json.dumps(asdict(self), indent=1) + "\n"


def fresh(taken: Iterable[str] = ()) -> Book:
    """A tunnel that is off, with a key and networks of its own; `taken`: networks that its own must not touch."""
    others = [net for net in (ipaddress.ip_network(text, strict=False) for text in taken) if net.version == 4]
    four = next((net for net in _candidates() if not any(net.overlaps(other) for other in others)), _candidate())
    six = ipaddress.ip_network(((0xFD << 120) | (secrets.randbits(40) << 80), 64))
    return Book(False, DEFAULT_PORT, str(four), str(six), keys.private_key())


def _candidates() -> Iterator[ipaddress.IPv4Network]:
    """Networks to choose from; where all of 10.0.0.0/8 has an owner, others."""
    for _ in range(1000):
        yield _candidate()
    for second in range(16, 32):
        yield ipaddress.IPv4Network(f"172.{second}.{secrets.randbelow(256)}.0/24")


def _candidate() -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24")


def network4(text: str) -> str:
    """The IPv4 network inside the tunnel. Raises WireError("invalid")."""
    try:
        net = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise WireError("invalid", f"{text!r:.60} is no IPv4 network: {error}", "such as 10.99.7.0/24") from None
    if not net.is_private or net.prefixlen not in IPV4_BITS:
        hint = f"a private one with /{IPV4_BITS[0]} to /{IPV4_BITS[-1]}, such as 10.99.7.0/24"
        raise WireError("invalid", f"{net} cannot be the network inside the tunnel", hint)
    return str(net)


def host(text: str) -> str:
    """What peers are told as the appliance's place: a name or an address, perhaps with a port. Raises WireError."""
    bare, _, port = text.rpartition(":") if re.fullmatch(r"(\[.*\]|[^:]*):[0-9]{1,5}", text) else (text, "", "")
    name = bare.removeprefix("[").removesuffix("]")
    try:
        name = str(ipaddress.ip_address(name))
    except ValueError:
        if not HOST.fullmatch(name) or len(name) > 253:
            hint = "a name or an address, with :PORT where another one is forwarded to the tunnel's"
            raise WireError("invalid", f"{text!r:.80} is no place that peers could be told", hint) from None
    if port and not 1 <= int(port) <= 65535:
        raise WireError("invalid", f"{port} is no port", "1 to 65535")
    written = f"[{name}]" if ":" in name else name
    return f"{written}:{int(port)}" if port else written


def read(text: str) -> Book:
    """The book that `to_json` wrote. Raises ValueError with what is wrong."""
    values: Any = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("it holds no object")
    try:
        peers = tuple(Peer(**peer) for peer in values.pop("peers", ()))
        book = Book(**values, peers=peers)
        for key in (book.private_key, *(each for peer in peers for each in (peer.public_key, peer.shared_secret))):
            keys.key_bytes(key)
        for number in (OWN, *(peer.number for peer in peers)):
            book.addresses(number)
        if not 1 <= book.port <= 65535:
            raise ValueError(f"{book.port} is no port")
        if type(book.by_panel) is not bool:
            raise ValueError("by_panel must be true or false")
    except (TypeError, AttributeError, IndexError, WireError) as error:
        raise ValueError(str(error)) from None
    return book


def peer_text(book: Book, peer: Peer, private: str, endpoint: str) -> str:
    """What wg-quick(8) and the programs on telephones read. `private` empty: the peer has it himself."""
    secret = f"PrivateKey = {private}" if private else "# PrivateKey = the one that belongs to the key you brought"
    return "\n".join((
        f"# {peer.name}: the appliance's tunnel for administrators",
        "[Interface]",
        secret,
        f"Address = {', '.join(book.allowed(peer.number))}",
        "",
        "[Peer]",
        f"PublicKey = {keys.public_key(book.private_key)}",
        f"PresharedKey = {peer.shared_secret}",
        f"Endpoint = {endpoint}",
        f"AllowedIPs = {', '.join(book.allowed(OWN))}",
        "",
    ))  # fmt: skip
