"""The media of one call: two sides, the ports between them, and the streams that the relay is to carry.

The call control hands every offer and answer through here and sends on what it gets back. Each side sees the
appliance alone. Knows no SIP and no sockets; `now` is any monotonic clock in seconds (ports rest by it).

An offer is tentative until it is answered: while a re-offer is open the streams agreed before go on (RFC 3264
section 8), and `withdraw_offer` forgets one that was refused. The same offer may be answered again and again: each
fork's answer replaces the last (RFC 3261 section 13.2.2.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from appliance.wire import RelaySession, RelayStream
from pysrv.media import rewrite
from pysrv.media.agreement import Agreement, Rule, Side, reachable, rule_at
from pysrv.media.codecs import CONTROL_PPS
from pysrv.media.description import Description, address_text, read
from pysrv.media.errors import BadDescription, NotRelayable, PortsExhausted
from pysrv.media.ports import PortPool
from pysrv.media.state import load_agreement, load_told, store_agreement, store_told

__all__ = ["Checks", "MediaSession", "Side"]
_SESSION_ID_MASK = (1 << 62) - 1  # some phones read o= numbers as signed 64 bits


@dataclass(frozen=True, slots=True)
class Checks:
    """How sources are checked, and what may pass before the answer.

    `learn`: a source that nobody announced may become the remote. `final`: once it has, it stays so, even when the
    announced one turns up. `mute_a`, `mute_b`: until the answer nothing passes from this side.
    """

    learn: bool = True
    final: bool = False
    mute_a: bool = False
    mute_b: bool = False

    def mutes(self, side: Side) -> bool:
        """Whether `side` is not heard before the answer."""
        return self.mute_a if side is Side.A else self.mute_b


class MediaSession:
    """Rewrites the descriptions of one call and says which streams the relay should carry.

    `session` is the call's key at the relay (u64). Ports come from `pool`, two pairs for each stream, one facing
    each side; they stay the call's own through all re-offers until `release`.
    """

    def __init__(self, session: int, pool: PortPool, checks: Checks | None = None) -> None:
        self.session = session
        self._checks = checks or Checks()
        self.answered = False  # from here on both sides are heard, whatever the checks say of early media
        self.office = False  # the appliance itself is side B: it hears the caller's audio at the caller's own port
        self.near: dict[Side, str] = {}  # where each side's signalling comes from
        self._pool = pool
        self._ports: list[dict[Side, int]] = []  # by m= line; an empty dict: no ports (refused or switched off)
        self._local: dict[Side, str] = {}  # our address that faces the side
        self._agreed: Agreement | None = None
        self._open: Agreement | None = None  # offered, not answered
        self._told: dict[tuple[Side, str], tuple[int, bytes]] = {}  # (side, our address) -> o= version, body

    def forward_offer(
        self, from_side: Side, sdp: bytes, to_local_ip: str, now: float, *, from_local_ip: str | None = None
    ) -> bytes:
        """The offer of `from_side` as the other side is to see it.

        `to_local_ip` is our address that faces the receiver; with `from_local_ip`, the one that faces the sender,
        early media can flow before the answer. Forwarding again (to the next fork or route, also from another
        address) replaces the open offer. Raises BadDescription, NotRelayable, PortsExhausted; nothing changed then.
        """
        description = read(sdp)
        usable = [bool(media.port) and media.relayed for media in description.media]
        if any(media.port for media in description.media) and not any(usable):
            raise NotRelayable("no RTP stream in the offer")
        self._take_ports(usable, now)
        self._face(from_side, from_local_ip)
        self._face(from_side.other, to_local_ip)
        self._open = Agreement(from_side, description.media)
        mux = tuple(media.mux for media in description.media)
        return self._tell(from_side.other, description, usable, mux, answer=False)

    def forward_answer(
        self, from_side: Side, sdp: bytes, to_local_ip: str, now: float, *, from_local_ip: str | None = None
    ) -> bytes:
        """The answer of `from_side` to the last offer forwarded to it, as the offerer is to see it.

        Addresses as in `forward_offer`; `from_local_ip` tells from which of our addresses the fork that answered
        was called. Raises BadDescription: without an offer, or with another number of streams than it had.
        """
        standing = self._open or self._agreed
        if standing is None or standing.offerer is from_side:
            raise BadDescription("an SDP answer without an offer")
        description = read(sdp)
        if len(description.media) != len(standing.offer):
            raise BadDescription(f"the answer has {len(description.media)} streams, the offer {len(standing.offer)}")
        pairs = list(zip(standing.offer, description.media, strict=True))
        usable = [bool(ask.port and reply.port) and ask.relayed and reply.relayed for ask, reply in pairs]
        self._face(from_side, from_local_ip)
        self._face(from_side.other, to_local_ip)
        self._agree(Agreement(standing.offerer, standing.offer, description.media), now)
        mux = tuple(ask.mux and reply.mux for ask, reply in pairs)
        return self._tell(from_side.other, description, usable, mux, answer=True)

    def renew_side(self, side: Side, sdp: bytes) -> None:
        """Take up a description of `side` that goes no further: its answer to an offer that the appliance made itself.

        Raises BadDescription: before the first agreement, or with another number of streams than that had.
        """
        if self._agreed is None:
            raise BadDescription("no media agreed yet")
        media = read(sdp).media
        if len(media) != len(self._agreed.offer):
            raise BadDescription(f"{len(media)} streams instead of {len(self._agreed.offer)}")
        self._agreed = self._agreed.with_side(side, media)

    def withdraw_offer(self) -> None:
        """Forget the open offer, because it was refused: what was agreed before holds (RFC 3264 section 8)."""
        self._open = None

    @property
    def offer_open(self) -> bool:
        """Whether an offer waits for its answer."""
        return self._open is not None

    def streams(self) -> tuple[RelayStream, ...]:
        """The rows that the relay should have now: RTP and RTCP, both directions; none while a side is unknown.

        Rows come in pairs, the one that faces side A first. While the office is side B, its audio is all there is.
        """
        if len(self._local) < 2:
            return ()
        return tuple(row for index, ports in enumerate(self._ports) if ports for row in self._rows(index, ports))

    def relay_session(self, deadline_ns: int) -> RelaySession:
        """`streams` as the relay's session with a lease until `deadline_ns` (CLOCK_MONOTONIC; 0: not yet)."""
        return RelaySession(self.session, deadline_ns, self.streams())

    def release(self, now: float) -> None:
        """Give all ports back. The session is over; calling it again changes nothing."""
        for ports in self._ports:
            self._give_back(ports, now)
        self._agreed = self._open = None

    def to_dict(self) -> dict[str, Any]:
        """What was agreed, as plain JSON types, for a restart; an open offer is not part of it."""
        return {
            "session": self.session,
            "local": dict(self._local),
            "ports": [dict(ports) for ports in self._ports],
            "agreed": None if self._agreed is None else store_agreement(self._agreed),
            "told": store_told(self._told),
        }

    @classmethod
    def from_dict(
        cls, saved: dict[str, Any], pool: PortPool, now: float = 0.0, checks: Checks | None = None
    ) -> "MediaSession":
        """The session that `to_dict` described; its ports are reserved in `pool`.

        Raises ValueError when a port is not free there any more, KeyError or TypeError for anything not ours.
        """
        self = cls(int(saved["session"]), pool, checks)
        self._local = {Side(side): str(address) for side, address in saved["local"].items()}
        for row in saved["ports"]:
            self._ports.append({})
            for side, port in row.items():
                if not pool.reserve(port):
                    self.release(now)
                    raise ValueError(f"media port {port} is not free")
                self._ports[-1][Side(side)] = port
        if saved["agreed"] is not None:
            self._agreed = load_agreement(saved["agreed"])
        self._told = load_told(saved["told"])
        return self

    def _take_ports(self, usable: list[bool], now: float) -> None:
        """Ports for every usable stream that has none yet: all of them, or none and PortsExhausted."""
        rows = [*self._ports, *({} for _ in usable[len(self._ports) :])]
        wanting = [row for row, wanted in zip(rows, usable, strict=False) if wanted and not row]
        taken: list[int] = []
        try:
            for _ in range(2 * len(wanting)):
                taken.append(self._pool.take(now))
        except PortsExhausted:
            for port in taken:
                self._pool.give_back(port, now)
            raise
        for row, a, b in zip(wanting, taken[::2], taken[1::2], strict=True):
            row.update({Side.A: a, Side.B: b})
        self._ports = rows

    def _give_back(self, ports: dict[Side, int], now: float) -> None:
        for port in ports.values():
            self._pool.give_back(port, now)
        ports.clear()

    def _face(self, side: Side, address: str | None) -> None:
        if address is not None:
            self._local[side] = address_text(address)

    def _agree(self, new: Agreement, now: float) -> None:
        self._agreed, self._open = new.after(self._agreed), None
        for media, ports in zip(new.offer, self._ports, strict=False):
            if not media.port:  # switched off by the offerer: no fork's answer can bring it back
                self._give_back(ports, now)

    def _tell(
        self, to: Side, description: Description, usable: list[bool], mux: tuple[bool, ...], *, answer: bool
    ) -> bytes:
        ports = tuple(row[to] if ok and row else 0 for ok, row in zip(usable, self._ports, strict=False))
        address = self._local[to]
        body = rewrite.body(description, rewrite.Face(address, ports, mux, answer))
        version, before = self._told.get((to, address), (0, b""))
        if body != before:
            version += 1
            self._told[to, address] = version, body
        return rewrite.origin(address, self.session & _SESSION_ID_MASK, version) + body

    def _rows(self, index: int, ports: dict[Side, int]) -> Iterator[RelayStream]:
        agreed, pending = rule_at(self._agreed, index), rule_at(self._open, index)
        rule = agreed or pending
        if rule is None or not rule.runs:
            return
        rules = (rule,) if pending is None else (rule, pending)  # until a new offer is answered, both may be heard
        if self.office:
            yield replace(self._row(Side.A, ports, (rule,), rtcp=False), office=True, muted=False)
            return
        for side in Side:
            yield self._row(side, ports, rules, rtcp=False)
        if not rule.mux:
            for side in Side:
                yield self._row(side, ports, rules, rtcp=True)

    def _row(self, side: Side, ports: dict[Side, int], rules: tuple[Rule, ...], *, rtcp: bool) -> RelayStream:
        local, peer, checks = self._local[side], self._local[side.other], self._checks
        remote = (rules[0].rtcps if rtcp else rules[0].remotes).get(side)
        return RelayStream(
            local=(local, ports[side] + rtcp),
            peer_local=(peer, ports[side.other] + rtcp),
            remote=reachable(remote, local),
            learn=checks.learn,
            rtcp=rtcp,
            payload_types=() if rtcp else tuple(sorted(frozenset().union(*(rule.payload_types for rule in rules)))),
            muted=checks.mutes(side) and not self.answered,
            packets_per_s=_control_pps(rules) if rtcp else _most([rule.pace.packets_per_s for rule in rules]),
            packet_bytes=0 if rtcp else _most([rule.pace.packet_bytes for rule in rules]),
            near=_near(self.near.get(side, "")) if checks.learn else "",
            final=checks.final,
            dtls=any(rule.dtls for rule in rules),
            many=any(rule.many for rule in rules),
        )


def _near(signalling: str) -> str:
    """Where media is learned soonest. On loopback the address says nothing: a socket that is bound to none of them
    sends from 127.0.0.1, whichever its SDP names."""
    return "" if signalling and ip_address(signalling).is_loopback else signalling


def _most(figures: list[int]) -> int:
    """The largest limit; 0, which means none of its own, is larger than any."""
    return max(figures) if all(figures) else 0


def _control_pps(rules: tuple[Rule, ...]) -> int:
    """Packets of RTCP in a second: those of audio are few, feedback on video has no ceiling of its own."""
    return CONTROL_PPS if all(rule.pace.packets_per_s for rule in rules) else 0
