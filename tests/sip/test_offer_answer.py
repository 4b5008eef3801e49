"""Offer and answer: turns, glare, answers that do not fit (RFC 3264)."""

from collections.abc import Callable

import pytest

from pysrv.sip.errors import BadMessage
from pysrv.sip.offer_answer import REFUSALS, TABLE, Move, OfferAnswer, Turn, direction_between, misfit
from pysrv.sip.sdp import Direction, SessionDescription


def description(*media: bytes) -> SessionDescription:
    lines = b"".join(b"m=" + line + b"\r\n" for line in media)
    return SessionDescription.parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + lines)


OFFER = description(b"audio 4000 RTP/AVP 0 8", b"video 0 RTP/AVP 31", b"video 5000 RTP/SAVP 97")
ANSWER = description(b"audio 6000 RTP/AVP 0", b"video 0 RTP/AVP 31", b"video 0 RTP/SAVP 97")


def at(turn: Turn) -> OfferAnswer:
    exchange = OfferAnswer()
    if turn is Turn.LOCAL_OFFER:
        exchange.offer(OFFER)
    elif turn is Turn.REMOTE_OFFER:
        exchange.peer_offers(OFFER)
    return exchange


MOVES: dict[Move, Callable[[OfferAnswer], None]] = {
    Move.OFFER: lambda exchange: exchange.offer(OFFER),
    Move.ANSWER: lambda exchange: exchange.answer(ANSWER),
    Move.PEER_OFFERS: lambda exchange: exchange.peer_offers(OFFER),
    Move.PEER_ANSWERS: lambda exchange: exchange.peer_answers(ANSWER),
    Move.END: lambda exchange: exchange.end(),
}


@pytest.mark.parametrize("turn", list(Turn))
@pytest.mark.parametrize("move", list(Move))
def test_every_move_goes_where_the_table_says_or_is_refused(turn: Turn, move: Move) -> None:
    exchange = at(turn)
    after = TABLE.get((turn, move))
    if after is not None:
        MOVES[move](exchange)
        assert exchange.turn is after
        return
    with pytest.raises((BadMessage, ValueError)) as caught:
        MOVES[move](exchange)
    assert exchange.turn is turn
    refusal = REFUSALS.get((turn, move))
    assert isinstance(caught.value, ValueError) == (refusal is None)
    if isinstance(caught.value, BadMessage):
        assert refusal is not None
        assert caught.value.status == refusal[0]


def test_glare_is_491() -> None:
    with pytest.raises(BadMessage) as caught:
        at(Turn.LOCAL_OFFER).peer_offers(OFFER)
    assert caught.value.status == 491


def test_what_was_agreed_is_kept_for_both_sides() -> None:
    exchange = at(Turn.LOCAL_OFFER)
    exchange.peer_answers(ANSWER)
    assert (exchange.local, exchange.remote) == (OFFER, ANSWER)
    exchange.peer_offers(ANSWER)
    exchange.answer(description(*[b"audio 1 RTP/AVP 0", b"video 0 RTP/AVP 31", b"video 0 RTP/SAVP 97"]))
    assert exchange.remote is ANSWER


def test_an_offer_that_came_to_nothing_leaves_the_last_agreement() -> None:
    exchange = at(Turn.LOCAL_OFFER)
    exchange.peer_answers(ANSWER)
    exchange.peer_offers(description(b"audio 1 RTP/AVP 9"))
    exchange.end()
    assert (exchange.local, exchange.remote, exchange.turn) == (OFFER, ANSWER, Turn.STABLE)


@pytest.mark.parametrize(
    ("media", "why"),
    [
        ([b"audio 1 RTP/AVP 0"], "1 streams answered, 3 offered"),
        ([b"video 1 RTP/AVP 0", b"video 0 RTP/AVP 31", b"video 0 RTP/SAVP 97"], "stream 1 changed its kind"),
        ([b"audio 1 RTP/AVP 0", b"video 9 RTP/AVP 31", b"video 0 RTP/SAVP 97"], "stream 2 was not offered"),
        ([b"audio 1 RTP/AVP 0", b"video 0 RTP/AVP 31", b"video 9 RTP/AVP 97"], "stream 3 changed its transport"),
        ([b"audio 1 RTP/AVP", b"video 0 RTP/AVP 31", b"video 0 RTP/SAVP 97"], "stream 1 has no format"),
        ([b"audio 0 RTP/AVP 0", b"video 0 x 31", b"video 0 x 97"], ""),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_what_is_wrong(media: list[bytes], why: str) -> None:
    answer = description(*media)
    assert misfit(OFFER, answer) == why
    if why:
        with pytest.raises(BadMessage) as caught:
            at(Turn.LOCAL_OFFER).peer_answers(answer)
        assert caught.value.status == 488
        with pytest.raises(ValueError, match=why):
            at(Turn.REMOTE_OFFER).answer(answer)


@pytest.mark.parametrize(
    ("offered", "answered", "agreed"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendonly", "recvonly", "recvonly"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendrecv", "sendonly"),
        ("recvonly", "recvonly", "inactive"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_an_answer_does_no_more_than_the_offer_allows(offered: str, answered: str, agreed: str) -> None:
    given, said, due = (Direction(word.encode()) for word in (offered, answered, agreed))
    assert direction_between(given, said) is due
