"""Offer and answer: whose turn it is, and whether an answer fits its offer (RFC 3264; RFC 6337 for who may when).

Knows descriptions, not the messages that carry them. The machine is a table that is run, and can be read.
"""

from enum import Enum, auto
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.sdp import Direction, SessionDescription


class Turn(Enum):
    """Where an exchange stands."""

    STABLE = auto()
    LOCAL_OFFER = auto()  # we offered, they answer
    REMOTE_OFFER = auto()  # they offered, we answer


class Move(Enum):
    """What can be done."""

    OFFER = auto()
    ANSWER = auto()
    PEER_OFFERS = auto()
    PEER_ANSWERS = auto()
    END = auto()  # the offer was refused or withdrawn: what was agreed before stays


TABLE: Final[dict[tuple[Turn, Move], Turn]] = {
    (Turn.STABLE, Move.OFFER): Turn.LOCAL_OFFER,
    (Turn.STABLE, Move.PEER_OFFERS): Turn.REMOTE_OFFER,
    (Turn.STABLE, Move.END): Turn.STABLE,
    (Turn.LOCAL_OFFER, Move.PEER_ANSWERS): Turn.STABLE,
    (Turn.LOCAL_OFFER, Move.END): Turn.STABLE,
    (Turn.REMOTE_OFFER, Move.ANSWER): Turn.STABLE,
    (Turn.REMOTE_OFFER, Move.END): Turn.STABLE,
}
# what the peer is answered for a move that the table does not have
REFUSALS: Final[dict[tuple[Turn, Move], tuple[int, str]]] = {
    (Turn.LOCAL_OFFER, Move.PEER_OFFERS): (491, "our offer is not answered yet"),
    (Turn.REMOTE_OFFER, Move.PEER_OFFERS): (500, "your last offer is not answered yet"),
    (Turn.STABLE, Move.PEER_ANSWERS): (400, "an answer without an offer"),
    (Turn.REMOTE_OFFER, Move.PEER_ANSWERS): (400, "an answer to an offer of one's own"),
}


class OfferAnswer:
    """One dialog's exchange. `local` and `remote` are what was agreed last, None before the first agreement.

    The peer's missteps raise BadMessage with the status to answer, our own ValueError.
    """

    __slots__ = ("_offer", "local", "remote", "turn")

    def __init__(self) -> None:
        self.turn = Turn.STABLE
        self.local: SessionDescription | None = None
        self.remote: SessionDescription | None = None
        self._offer: SessionDescription | None = None

    def offer(self, description: SessionDescription) -> None:
        """We offer. Raises ValueError when it is not our turn."""
        self._move(Move.OFFER)
        self._offer = description

    def peer_offers(self, description: SessionDescription) -> None:
        """They offer. Raises BadMessage: 491 on glare, 500 when theirs before is still open (RFC 3261 14.2)."""
        self._move(Move.PEER_OFFERS)
        self._offer = description

    def answer(self, description: SessionDescription) -> None:
        """We answer. Raises ValueError when there is nothing to answer or the answer does not fit."""
        offered = self._offer
        if self.turn is Turn.REMOTE_OFFER and offered is not None and (wrong := misfit(offered, description)):
            raise ValueError(wrong)
        self._move(Move.ANSWER)
        self.local, self.remote, self._offer = description, offered, None

    def peer_answers(self, description: SessionDescription) -> None:
        """They answer. Raises BadMessage(400) without an offer, (488) for an answer that does not fit."""
        offered = self._offer
        if self.turn is Turn.LOCAL_OFFER and offered is not None and (wrong := misfit(offered, description)):
            raise BadMessage(488, wrong)
        self._move(Move.PEER_ANSWERS)
        self.local, self.remote, self._offer = offered, description, None

    def end(self) -> None:
        """The open offer came to nothing."""
        self._move(Move.END)
        self._offer = None

    def _move(self, move: Move) -> None:
        after = TABLE.get((self.turn, move))
        if after is None:
            refusal = REFUSALS.get((self.turn, move))
            if refusal is not None:
                raise BadMessage(*refusal)
            raise ValueError(f"{move.name.lower()} while the exchange is {self.turn.name.lower()}")
        self.turn = after


def misfit(offer: SessionDescription, answer: SessionDescription) -> str:
    """Why an answer does not fit its offer (RFC 3264 section 6), "" if it does.

    Directions are not judged: too many phones answer `sendrecv` to `sendonly`; `direction_between` says what it means.
    """
    if len(offer.media) != len(answer.media):
        return f"{len(answer.media)} streams answered, {len(offer.media)} offered"
    for number, (asked, given) in enumerate(zip(offer.media, answer.media, strict=True), 1):
        if asked.kind != given.kind:
            return f"stream {number} changed its kind"
        if given.port and not asked.port:
            return f"stream {number} was not offered"
        if given.port and asked.proto != given.proto:
            return f"stream {number} changed its transport"
        if given.port and not given.formats:
            return f"stream {number} has no format"
    return ""


def direction_between(offered: Direction, answered: Direction) -> Direction:
    """What the answerer may do in the end: no more than the offer leaves to it."""
    allowed = offered.mirrored
    if Direction.INACTIVE in (allowed, answered):
        return Direction.INACTIVE
    if allowed is Direction.SENDRECV:
        return answered
    return allowed if answered in (allowed, Direction.SENDRECV) else Direction.INACTIVE
