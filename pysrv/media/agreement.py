"""An offer and its answers, and what follows from them for each stream: who may send what, and where to.

Knows no ports of ours. RFC 3264; RFC 5761 section 5.1.1 (RTCP shares the port only if both sides say so).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from pysrv.media.codecs import Pace, name_of, pace
from pysrv.media.description import Endpoint, Media


class Side(StrEnum):
    """`A`: the caller's leg, `B`: the callee's."""

    A = "a"
    B = "b"

    @property
    def other(self) -> "Side":
        """The opposite leg."""
        return Side.B if self is Side.A else Side.A


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who offered what and, once there is an answer, what the other side said (same number of streams)."""

    offerer: Side
    offer: tuple[Media, ...]
    answer: tuple[Media, ...] = ()

    def of(self, side: Side) -> tuple[Media, ...]:
        """The streams as `side` described them; empty while it has not."""
        return self.offer if side is self.offerer else self.answer

    def after(self, old: "Agreement | None") -> "Agreement":
        """This agreement in the place of `old`: streams that an unspecified address holds keep where they were."""
        if old is None:
            return self
        answerer = self.offerer.other
        return replace(
            self,
            offer=keep_remotes(self.offer, old.of(self.offerer)),
            answer=keep_remotes(self.answer, old.of(answerer)),
        )

    def with_side(self, side: Side, media: tuple[Media, ...]) -> "Agreement":
        """The same agreement with one side described anew."""
        media = keep_remotes(media, self.of(side))
        return replace(self, offer=media) if side is self.offerer else replace(self, answer=media)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one stream: both sides' addresses as far as known, and what may pass."""

    runs: bool
    mux: bool
    payload_types: frozenset[int]
    remotes: dict[Side, Endpoint | None]
    rtcps: dict[Side, Endpoint | None]
    pace: Pace  # what either side can send at most
    dtls: bool  # keys come by a DTLS handshake between the sides (RFC 5764)
    many: bool  # several senders' numbers share the stream


def rule_at(agreement: Agreement | None, index: int) -> Rule | None:
    """The rule of one stream; None when the agreement has no such stream."""
    if agreement is None or index >= len(agreement.offer):
        return None
    offer = agreement.offer[index]
    known = {agreement.offerer: offer}
    if agreement.answer:
        known[agreement.offerer.other] = agreement.answer[index]
    types = _negotiated(offer, known.get(agreement.offerer.other))
    return Rule(
        runs=all(media.port and media.relayed for media in known.values()),
        mux=len(known) == 2 and all(media.mux for media in known.values()),
        payload_types=types,
        remotes={side: media.remote for side, media in known.items()},
        rtcps={side: media.rtcp for side, media in known.items()},
        pace=_pace(tuple(known.values()), types),
        dtls=all(media.fingerprint for media in known.values()),
        many=offer.kind != "audio",
    )


def _pace(known: tuple[Media, ...], types: frozenset[int]) -> Pace:
    maps = {number: name for media in known for number, name in media.codecs}
    codecs = [name_of(number, maps) for number in types]
    longest_ms = max(media.maxptime_ms for media in known)
    return pace(known[0].kind, codecs, [media.ptime_ms for media in known], longest_ms)


def _negotiated(offer: Media, answer: Media | None) -> frozenset[int]:
    """Payload types that either side may send: the answer's, and the offer's own numbers for the same codecs."""
    if answer is None:
        return frozenset(offer.formats)
    chosen = {name for number, name in answer.codecs if number in answer.formats}
    return frozenset(answer.formats) | {
        number for number, name in offer.codecs if name in chosen and number in offer.formats
    }


def keep_remotes(new: tuple[Media, ...], old: tuple[Media, ...]) -> tuple[Media, ...]:
    """A stream held by an unspecified address keeps the place it had: the other side stops by itself, and what the
    holder sends (music) still passes."""
    kept = [
        replace(media, remote=before.remote, rtcp=before.rtcp) if media.held and media.remote is None else media
        for media, before in zip(new, old, strict=False)
    ]
    return (*kept, *new[len(kept) :])


def reachable(remote: Endpoint | None, local: str) -> Endpoint | None:
    """`remote` if packets from `local` can and should go there: same family, and the machine's own loopback never
    from another interface (a description must not aim media at local services)."""
    if remote is None:
        return None
    there, here = _kind(remote[0]), _kind(local)
    if there.version != here.version or (there.loopback and not here.loopback):
        return None
    return remote


class _Kind(NamedTuple):
    version: int
    loopback: bool


@lru_cache(maxsize=4096)
def _kind(address: str) -> _Kind:
    ip = ip_address(address)
    return _Kind(ip.version, ip.is_loopback)
