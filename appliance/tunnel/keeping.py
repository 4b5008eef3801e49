"""The keeper's tunnel: its book on disk, its interface, its rules, and the verbs that change them.

What the book says is brought about at each start and after each change, and looked after once a second; what cannot be
had is said and tried again, and keeps the rest of the appliance from nothing. Every refusal is a wire.WireError. Not
for several threads.
"""

import contextlib
import hashlib
import ipaddress
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from appliance import wire
from appliance.config.options import DEFAULT_RUNTIME, RunOptions
from appliance.kernel import uapi, wireguard
from appliance.kernel.nft import Nft, remove_leftover
from appliance.kernel.uapi import Heard, PeerRow
from appliance.tunnel import book, keys, rules
from appliance.tunnel.book import Book
from appliance.wire import WireError

FILE: Final = "tunnel.json"
NAME: Final = "appl-tunnel"
MOST_WHO: Final = 120  # characters of who lets somebody in
LOOK_EVERY: Final = 5  # ticks, of a second each


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tunnel of one appliance lies, and what it must keep off.

    `taken`: UDP ports, first and last, that are other parts' of the appliance; `closed`: TCP ports that are not for
    administrators; `survive`: the interface stays when the keeper ends.
    """

    directory: Path
    interface: str
    table: str
    listen: tuple[str, ...]
    taken: tuple[tuple[int, int], ...]
    closed: tuple[int, ...]
    survive: bool


def place_of(options: RunOptions) -> Place:
    """The place of the appliance with these options; two on one machine have names of their own."""
    usual = options.runtime == DEFAULT_RUNTIME
    digest = hashlib.sha256(options.runtime.encode()).hexdigest()[:8]
    return Place(
        Path(options.state) / "tunnel",
        NAME if usual else f"appl-t-{digest}",
        "inet appliance_tunnel" + ("" if usual else f"_{digest}"),
        options.listen,
        ((options.sip_port, options.sip_port), (options.rtp_first, options.rtp_last)),
        (options.sip_port,),
        options.pin,
    )


class Tunnel:
    """Call `start()` once, `tick()` each second, `close()` at the end. `guard` is told the port whose messages the gate
    looks at (0: none); it may raise WireError."""

    def __init__(
        self,
        place: Place,
        guard: Callable[[int], None],
        say: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._place, self._guard, self._say, self._wall = place, guard, say, wall
        self._book: Book | None = None
        self._interface: wireguard.Interface | None = None
        self._addresses: tuple[str, ...] = ()
        self._problem = ""
        self._ticks = 0

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Reads the book and brings it about. What cannot be had is said."""
        try:
            self._book = self._read()
            if self._book is not None and self._book.on:
                self._bring_about(self._book)
                self._say(f"tunnel up on udp port {self._book.port}, carried by {self._carrier()}")
            else:
                self._clear()
        except WireError as error:
            self._fail(error)
            if self._book is None:  # nobody knows any more whom an interface of an earlier keeper lets in
                self._say("whatever there was of the tunnel is taken down")
                try:
                    self._clear()
                except WireError as left:
                    self._say(f"and could not be: {left.message}")

    def tick(self) -> None:
        """What somebody has taken away is made again."""
        self._ticks += 1
        if self._book is None or not self._book.on or self._ticks % LOOK_EVERY:
            return
        try:
            if self._interface is None or not self._interface.stands() or not self._ruled():
                self._bring_about(self._book)
                self._say("tunnel made anew: it was not there any more")
        except WireError as error:
            self._fail(error)

    def close(self) -> None:
        """Nothing is left of it, unless it is to survive."""
        if not self._place.survive:
            with contextlib.suppress(WireError):
                self._clear()

    # -- verbs ----------------------------------------------------------------------------------------------------

    def status(self, query: wire.TunnelQuery) -> wire.TunnelStatus:
        """What it is now."""
        kept = self._book
        if kept is None:
            return wire.TunnelStatus(False, book.DEFAULT_PORT, "", "", self._place.interface, problem=self._problem)
        up = kept.on and not self._problem
        heard: dict[str, Heard] = {}
        if up and query.heard and self._interface is not None:
            with contextlib.suppress(WireError):
                heard = self._interface.heard()
        return wire.TunnelStatus(
            on=kept.on,
            port=kept.port,
            endpoint=self._endpoint(kept),
            public_key=keys.public_key(kept.private_key),
            interface=self._place.interface,
            kind=self._carrier() if up else "",
            problem=self._problem if kept.on else "",
            addresses=self._addresses if up else (),
            networks=(kept.network4, kept.network6) if up else (),
            peers=tuple(_shown(kept, peer, heard.get(peer.public_key, Heard())) for peer in kept.peers),
            by_panel=kept.by_panel,
        )

    def switch(self, wanted: wire.TunnelSwitch) -> wire.TunnelStatus:
        """On or off, with port, endpoint and network as they are told."""
        kept = self._made()
        new = replace(
            kept,
            on=wanted.on,
            port=self._port(wanted.port) if wanted.port else kept.port,
            endpoint=book.host(wanted.endpoint) if wanted.endpoint else kept.endpoint,
            network4=book.network4(wanted.network) if wanted.network else kept.network4,
            by_panel=kept.by_panel if wanted.by_panel is None else wanted.by_panel,
        )
        if new.network4 != kept.network4 and kept.peers:
            hint = "remove the peers first: their addresses lie in it"
            raise WireError("conflict", "the network inside cannot change while there are peers", hint)
        if new.on:
            self._port(new.port)
            self._told_endpoint(new)  # a tunnel to which nobody finds the way is not opened
        self._become(new)
        self._say(f"tunnel {'on' if new.on else 'off'}, udp port {new.port}")
        return self.status(wire.TunnelQuery())

    def ask_root(self) -> None:
        """Raises WireError while only root may add peers: whoever took the office over would let himself in."""
        if not self._made().by_panel:
            hint = "on the machine: 'appliance tunnel add NAME'; 'appliance tunnel on --by-panel' lets the panel do it"
            raise WireError("forbidden", "only root lets peers into the tunnel", hint)

    def add(self, new: wire.NewPeer) -> wire.PeerMade:
        """One more peer, and his configuration."""
        _check_who(new.by)
        private = "" if new.public_key else keys.private_key()
        public = new.public_key or keys.public_key(private)
        made = self._made().with_peer(new.name, public, new.by, self._wall())
        endpoint = self._told_endpoint(made)
        self._become(made)
        self._say(f"tunnel: peer {new.name} added{f' by {new.by}' if new.by else ''}")
        peer = made.peer(new.name)
        return wire.PeerMade(_shown(made, peer, Heard()), book.peer_text(made, peer, private, endpoint))

    def remove(self, ref: wire.PeerRef) -> None:
        """A peer less; what he has open ends."""
        _check_who(ref.by)
        self._become(self._made().without_peer(ref.name))
        self._say(f"tunnel: peer {ref.name} removed{f' by {ref.by}' if ref.by else ''}")

    # -- inside ---------------------------------------------------------------------------------------------------

    def _made(self) -> Book:
        """The book; a new one where there is none. One that cannot be read is not written over."""
        if self._book is None:
            self._book = self._read() or book.fresh(wireguard.all_networks())
        return self._book

    def _become(self, new: Book) -> None:
        """Brings `new` about and keeps it; where that fails, everything is as before."""
        old = self._made()
        try:
            if new.on:
                self._bring_about(new)
            else:
                self._clear()
            self._write(new)
        except WireError:
            with contextlib.suppress(WireError):
                if old.on:
                    self._bring_about(old)
                else:
                    self._clear()
            raise
        self._book = new

    def _bring_about(self, wanted: Book) -> None:
        """Rules first: there is no moment at which the interface is there without them. Raises WireError."""
        place = self._place
        nft = Nft()
        try:
            nft.run(rules.presence(place.table, place.interface, (wanted.network4, wanted.network6), place.closed))
            if self._interface is not None and not self._interface.stands():
                self._interface.remove()
                self._interface = None
            if self._interface is None:
                self._interface = wireguard.raised(place.interface, survive=place.survive)
            self._addresses = self._interface.become(
                wanted.private_key, wanted.port, [_row(wanted, peer) for peer in wanted.peers],
                wanted.interface_addresses(),
            )  # fmt: skip
            self._guard(wanted.port)
            if nft.knows(f"set {rules.MACHINE_SET}"):
                nft.run(rules.machine_port(wanted.port))
        finally:
            nft.close()
        self._problem = ""

    def _clear(self) -> None:
        """No interface, no port, no rules."""
        if self._interface is not None:
            self._interface.remove()
            self._interface = None
        wireguard.remove(self._place.interface)
        self._addresses = ()
        self._guard(0)
        remove_leftover(self._place.table)
        with contextlib.suppress(WireError):
            nft = Nft()
            try:
                if nft.knows(f"set {rules.MACHINE_SET}"):
                    nft.run(rules.machine_port(0))
            finally:
                nft.close()

    def _ruled(self) -> bool:
        nft = Nft()
        try:
            return nft.knows(f"chain {self._place.table} entrance")
        finally:
            nft.close()

    def _carrier(self) -> str:
        return self._interface.kind if self._interface is not None else ""

    def _fail(self, error: WireError) -> None:
        words = f"{error.message}: {error.hint}" if error.hint else error.message
        if words != self._problem:
            self._say(f"no tunnel: {words}")
        self._problem = words

    def _port(self, port: int) -> int:
        if not 1 <= port <= 65535:
            raise WireError("invalid", f"{port} is no port", "1 to 65535")
        if any(first <= port <= last for first, last in self._place.taken):
            raise WireError("invalid", f"udp port {port} is for SIP or media here", "choose another one")
        return port

    def _endpoint(self, kept: Book) -> str:
        """What peers are told; empty: nothing was named, and no address of the appliance is one for others."""
        return kept.endpoint or next((each for each in self._place.listen if _for_others(each)), "")

    def _told_endpoint(self, kept: Book) -> str:
        """With a port: the tunnel's, unless another one is forwarded to it. Raises WireError where there is none."""
        place = self._endpoint(kept)
        if not place:
            listen = ", ".join(self._place.listen) or "nothing"
            words = f"there is no address that peers could be told: the appliance listens on {listen}"
            raise WireError("conflict", words, "'appliance tunnel on --endpoint NAME' says where peers find it")
        if kept.endpoint:
            with_port = not place.endswith("]") and ":" in place
            return place if with_port else f"{place}:{kept.port}"
        return f"[{place}]:{kept.port}" if ":" in place else f"{place}:{kept.port}"

    def _read(self) -> Book | None:
        path = self._place.directory / FILE
        try:
            return book.read(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            hint = "put a copy of it back, or remove it: then peers have to be made anew"
            raise WireError("bad_book", f"{path} cannot be read: {error}", hint) from None

    def _write(self, new: Book) -> None:
        """Whole or not at all, and for root alone. Raises WireError."""
        directory = self._place.directory
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            path = directory / f"{FILE}.new"
            with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(new.to_json())
                file.flush()
                os.fsync(file.fileno())
            path.replace(directory / FILE)
        except OSError as error:
            raise WireError("not_written", f"{directory}/{FILE} cannot be written: {error.strerror}") from None


def _row(kept: Book, peer: book.Peer) -> PeerRow:
    return PeerRow(peer.public_key, peer.shared_secret, kept.allowed(peer.number))


def _shown(kept: Book, peer: book.Peer, heard: uapi.Heard) -> wire.TunnelPeer:
    return wire.TunnelPeer(
        peer.name, peer.public_key, kept.addresses(peer.number), peer.added_at, peer.added_by, heard.endpoint,
        heard.handshake_at, heard.received_bytes, heard.sent_bytes,
    )  # fmt: skip


def _check_who(text: str) -> None:
    """Raises WireError for what would be more than a name in the journal and on root's terminal: the office says it."""
    if len(text) > MOST_WHO or not text.isprintable():
        raise WireError("invalid", f"{text!r:.60} is nobody's name", f"at most {MOST_WHO} printable characters")


def _for_others(address: str) -> bool:
    """Whether somebody on another machine could send there."""
    found = ipaddress.ip_address(address)
    return not (found.is_loopback or found.is_link_local or found.is_unspecified)
