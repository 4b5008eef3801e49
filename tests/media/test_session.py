"""One call's media as a ladder: offers and answers cross, ports stay, rows follow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire import RelayStream
from pysrv.media.errors import BadDescription, MediaError, NotRelayable, PortsExhausted
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession, Side
from tests.media.sdp import Client, audio, clients, media_lines, port_of

FACING_A, FACING_B = "203.0.113.1", "198.51.100.1"
PHONE_A, PHONE_B = "192.168.1.5", "10.9.8.7"


class Call:
    """A session with its two faces."""

    def __init__(
        self, ports: tuple[int, int] = (20_000, 20_099), faces: tuple[str, str] = (FACING_A, FACING_B)
    ) -> None:
        self.pool = PortPool(*ports, quarantine_s=0.0)
        self.media = MediaSession(7, self.pool)
        self.faces = dict(zip(Side, faces, strict=True))

    def offer(self, side: Side, sdp: bytes) -> bytes:
        return self.media.forward_offer(side, sdp, self.faces[side.other], 0.0, from_local_ip=self.faces[side])

    def answer(self, side: Side, sdp: bytes) -> bytes:
        return self.media.forward_answer(side, sdp, self.faces[side.other], 0.0, from_local_ip=self.faces[side])

    def rows(self, *, rtcp: bool = False) -> dict[str, RelayStream]:
        """The rows of the first stream by the side they face."""
        found = [row for row in self.media.streams() if row.rtcp is rtcp]
        return {side.value: row for side, row in zip(Side, found, strict=False)}


def a_call_that_talks() -> Call:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000))
    call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
    return call


def test_each_side_is_told_the_port_that_faces_it() -> None:
    call = Call()
    to_b = call.offer(Side.A, audio(PHONE_A, 4000))
    to_a = call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
    rows = call.rows()
    assert rows["a"].local == (FACING_A, port_of(to_a))
    assert rows["b"].local == (FACING_B, port_of(to_b))
    assert (rows["a"].peer_local, rows["b"].peer_local) == (rows["b"].local, rows["a"].local)
    assert (rows["a"].remote, rows["b"].remote) == ((PHONE_A, 4000), (PHONE_B, 6000))
    assert rows["a"].payload_types == rows["b"].payload_types == (0, 101)


def test_rtcp_has_rows_of_its_own_one_port_up() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000, "0", "a=rtcp:4055"))
    call.answer(Side.B, audio(PHONE_B, 6000, "0"))
    rtp, rtcp = call.rows(), call.rows(rtcp=True)
    for side in "ab":
        assert rtcp[side].local == (rtp[side].local[0], rtp[side].local[1] + 1)
        assert rtcp[side].payload_types == ()
    assert (rtcp["a"].remote, rtcp["b"].remote) == ((PHONE_A, 4055), (PHONE_B, 6001))


def test_rtcp_shares_the_port_only_if_both_sides_say_so() -> None:
    both, one = Call(), Call()
    for call in (both, one):
        assert b"a=rtcp-mux" in call.offer(Side.A, audio(PHONE_A, 4000, "0", "a=rtcp-mux", "a=rtcp:4001"))
        assert len(call.media.streams()) == 4  # not settled yet
    assert b"a=rtcp-mux" in both.answer(Side.B, audio(PHONE_B, 6000, "0", "a=rtcp-mux"))
    assert b"a=rtcp-mux" not in one.answer(Side.B, audio(PHONE_B, 6000, "0"))
    assert (len(both.media.streams()), len(one.media.streams())) == (2, 4)


def test_an_answer_cannot_share_the_port_when_the_offer_did_not() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000, "0"))
    assert b"a=rtcp-mux" not in call.answer(Side.B, audio(PHONE_B, 6000, "0", "a=rtcp-mux"))
    assert len(call.media.streams()) == 4


def test_early_media_has_rows_before_the_answer() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000, "0 8 101"))
    rows = call.rows()
    assert (rows["a"].remote, rows["b"].remote, rows["b"].learn) == ((PHONE_A, 4000), None, True)
    assert rows["b"].payload_types == (0, 8, 101)


def test_without_knowing_our_own_address_there_are_no_rows_yet() -> None:
    call = Call()
    call.media.forward_offer(Side.A, audio(), FACING_B, 0.0)
    assert call.media.streams() == ()
    call.media.forward_answer(Side.B, audio(PHONE_B), FACING_A, 0.0)
    assert len(call.media.streams()) == 4


def test_sides_of_different_families_are_joined() -> None:
    call = Call(faces=(FACING_A, "2001:db8::1"))
    to_b = call.offer(Side.A, audio(PHONE_A))
    to_a = call.answer(Side.B, audio("2001:db8::77", 6000))
    assert b"IN IP6 2001:db8::1" in to_b and b"IN IP4 " + FACING_A.encode() in to_a
    rows = call.rows()
    assert rows["a"].peer_local[0] == "2001:db8::1"
    assert rows["b"].remote == ("2001:db8::77", 6000)


def test_an_address_of_the_wrong_family_is_learned_instead() -> None:
    call = Call()
    call.offer(Side.A, audio("2001:db8::5"))
    assert call.rows()["a"].remote is None


def test_no_description_aims_media_at_the_machine_itself() -> None:
    call = Call()
    call.offer(Side.A, audio("127.0.0.1", 5060))
    assert call.rows()["a"].remote is None
    local = Call(faces=("127.0.0.1", "127.0.0.1"))
    local.offer(Side.A, audio("127.0.0.1", 4000))
    assert local.rows()["a"].remote == ("127.0.0.1", 4000)


def test_numbers_of_the_same_codec_may_differ_by_side() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000, "96 97 98", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 iLBC/8000"))
    call.answer(Side.B, audio(PHONE_B, 6000, "111", "a=rtpmap:111 OPUS/48000/2"))
    assert call.rows()["a"].payload_types == (96, 111)


def test_each_fork_s_answer_replaces_the_last() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A))
    first = call.answer(Side.B, audio("10.1.1.1", 6000, "0"))
    second = call.answer(Side.B, audio("10.2.2.2", 7000, "8"))
    assert port_of(first) == port_of(second)
    assert call.rows()["b"].remote == ("10.2.2.2", 7000)
    assert call.rows()["b"].payload_types == (8,)


def test_a_fork_behind_another_of_our_addresses_moves_that_side() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A))
    call.media.forward_offer(Side.A, audio(PHONE_A), "198.51.100.9", 0.0)
    call.media.forward_answer(Side.B, audio(PHONE_B), FACING_A, 0.0, from_local_ip=FACING_B)
    assert call.rows()["b"].local[0] == FACING_B


def test_the_next_route_gets_the_same_offer() -> None:
    call = Call()
    first = call.offer(Side.A, audio())
    assert call.offer(Side.A, audio()) == first
    assert call.pool.in_use == 2


def test_a_re_offer_keeps_the_ports_and_raises_the_version_once() -> None:
    call = a_call_that_talks()
    before = call.media.streams()
    same = call.offer(Side.A, audio(PHONE_A, 4000))
    assert b"o=- 7 1 " in same
    call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
    assert call.media.streams() == before
    changed = call.offer(Side.A, audio(PHONE_A, 4000, "0 8 101", "a=sendonly"))
    assert b"o=- 7 2 " in changed and b"a=sendonly" in changed
    assert port_of(changed) == port_of(same)


def test_a_re_offer_from_the_other_side_keeps_the_ports_too() -> None:
    call = a_call_that_talks()
    before = call.rows()
    to_a = call.offer(Side.B, audio(PHONE_B, 6100, "0 101"))
    to_b = call.answer(Side.A, audio(PHONE_A, 4000, "0 101"))
    after = call.rows()
    assert (port_of(to_a), port_of(to_b)) == (before["a"].local[1], before["b"].local[1])
    assert after["b"].remote == (PHONE_B, 6100) and after["a"] == before["a"]


def test_what_was_agreed_goes_on_while_a_re_offer_is_open() -> None:
    call = a_call_that_talks()
    call.offer(Side.A, audio(PHONE_A, 4444, "0 101 9"))
    rows = call.rows()
    assert rows["a"].remote == (PHONE_A, 4000)
    assert rows["a"].payload_types == (0, 9, 101)  # the new ones may come early (RFC 3264 section 8.3.1)
    call.media.withdraw_offer()
    assert call.rows() == a_call_that_talks().rows()


def test_a_refused_re_offer_leaves_everything_as_it_was() -> None:
    call = a_call_that_talks()
    before = call.media.streams()
    call.offer(Side.B, audio(PHONE_B, 0, "0"))
    call.media.withdraw_offer()
    assert call.media.streams() == before


def test_hold_and_resume_by_direction_keep_the_rows() -> None:
    call = a_call_that_talks()
    before = call.media.streams()
    for line in ("a=sendonly", "a=inactive", "a=sendrecv"):
        assert line.encode() in call.offer(Side.A, audio(PHONE_A, 4000, "0 101", line))
        call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
        assert call.media.streams() == before


def test_hold_by_an_unspecified_address_keeps_where_the_holder_was() -> None:
    call = a_call_that_talks()
    before = call.rows()
    assert b"c=IN IP4 0.0.0.0" in call.offer(Side.A, audio("0.0.0.0", 4000, "0 101"))
    call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
    assert call.rows() == before
    call.offer(Side.A, audio(PHONE_A, 4002, "0 101"))
    call.answer(Side.B, audio(PHONE_B, 6000, "0 101"))
    assert call.rows()["a"].remote == (PHONE_A, 4002)


def test_an_offer_in_the_answer_s_place_is_answered_by_the_caller() -> None:
    """An INVITE without SDP: the callee's 200 offers, the caller's ACK answers."""
    call = Call()
    to_a = call.offer(Side.B, audio(PHONE_B, 6000))
    to_b = call.answer(Side.A, audio(PHONE_A, 4000))
    rows = call.rows()
    assert (rows["a"].local[1], rows["b"].local[1]) == (port_of(to_a), port_of(to_b))
    assert (rows["a"].remote, rows["b"].remote) == ((PHONE_A, 4000), (PHONE_B, 6000))


def test_video_refused_in_the_answer_has_no_rows_and_can_come_later() -> None:
    call = Call()
    both = audio(PHONE_A, 4000, "0", "m=video 5000 RTP/AVP 96")
    call.offer(Side.A, both)
    to_a = call.answer(Side.B, audio(PHONE_B, 6000, "0", "m=video 0 RTP/AVP 96"))
    assert port_of(to_a, 1) == 0
    assert len(call.media.streams()) == 4
    call.offer(Side.A, both)
    assert port_of(call.answer(Side.B, audio(PHONE_B, 6000, "0", "m=video 7000 RTP/AVP 96")), 1) != 0
    assert len(call.media.streams()) == 8


def test_a_stream_that_is_switched_off_gives_its_ports_back_once_agreed() -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A, 4000, "0", "m=video 5000 RTP/AVP 96"))
    call.answer(Side.B, audio(PHONE_B, 6000, "0", "m=video 7000 RTP/AVP 96"))
    assert call.pool.in_use == 4
    call.offer(Side.B, audio(PHONE_B, 6000, "0", "m=video 0 RTP/AVP 96"))
    assert call.pool.in_use == 4
    call.answer(Side.A, audio(PHONE_A, 4000, "0", "m=video 0 RTP/AVP 96"))
    assert call.pool.in_use == 2 and len(call.media.streams()) == 4


def test_fax_beside_audio_is_refused_and_alone_is_488() -> None:
    call = Call()
    seen = call.offer(Side.A, audio(PHONE_A, 4000, "0", "m=image 5000 udptl t38"))
    assert media_lines(seen)[1] == b"m=image 0 udptl t38"
    with pytest.raises(NotRelayable) as caught:
        call.offer(Side.A, audio(PHONE_A, 4000, "t38", proto="udptl"))
    assert caught.value.status == 488


@pytest.mark.parametrize("answer", [audio(PHONE_B, 6000, "0", "m=video 7000 RTP/AVP 96"), b"v=0\r\n"])
def test_an_answer_with_another_number_of_streams_is_refused(answer: bytes) -> None:
    call = Call()
    call.offer(Side.A, audio(PHONE_A))
    with pytest.raises(BadDescription, match="streams"):
        call.answer(Side.B, answer)


def test_an_answer_without_an_offer_is_refused() -> None:
    call = Call()
    with pytest.raises(BadDescription, match="without an offer"):
        call.answer(Side.B, audio())
    call.offer(Side.A, audio())
    with pytest.raises(BadDescription, match="without an offer"):
        call.answer(Side.A, audio())


def test_an_offer_that_finds_no_port_takes_none() -> None:
    call = Call(ports=(20_000, 20_005))
    with pytest.raises(PortsExhausted):
        call.offer(Side.A, audio(PHONE_A, 4000, "0", "m=video 5000 RTP/AVP 96"))
    assert call.pool.in_use == 0 and call.media.streams() == ()
    call.offer(Side.A, audio(PHONE_A, 4000, "0"))
    assert call.pool.in_use == 2


def test_release_gives_every_port_back_and_twice_does_no_harm() -> None:
    call = a_call_that_talks()
    call.media.release(1.0)
    call.media.release(2.0)
    assert call.pool.in_use == 0 and call.media.streams() == ()


def test_a_side_s_answer_to_our_own_offer_moves_its_remote() -> None:
    call = a_call_that_talks()
    call.media.renew_side(Side.A, audio(PHONE_A, 4888, "0 101"))
    assert call.rows()["a"].remote == (PHONE_A, 4888)
    with pytest.raises(BadDescription):
        call.media.renew_side(Side.A, b"v=0\r\n")


def test_a_call_outlives_a_restart() -> None:
    call = a_call_that_talks()
    call.offer(Side.A, audio(PHONE_A, 4000, "0 101", "a=sendonly"))
    call.answer(Side.B, audio(PHONE_B, 6000, "0 101", "a=recvonly"))
    saved = json.loads(json.dumps(call.media.to_dict()))
    pool = PortPool(20_000, 20_099)
    again = MediaSession.from_dict(saved, pool)
    assert again.streams() == call.media.streams()
    assert pool.in_use == 2
    offer = audio(PHONE_A, 4000, "0 101")
    assert again.forward_offer(Side.A, offer, FACING_B, 0.0) == call.offer(Side.A, offer)
    with pytest.raises(ValueError, match="is not free"):
        MediaSession.from_dict(saved, pool)
    assert pool.in_use == 2


steps = st.lists(
    st.tuples(st.sampled_from(["offer", "answer", "withdraw"]), st.sampled_from(Side), clients()), max_size=6
)


@given(steps)
def test_whatever_is_offered_and_answered_rows_come_in_pairs_on_our_own_ports(
    steps: list[tuple[str, Side, Client]],
) -> None:
    call = Call()
    for verb, side, client in steps:
        try:
            if verb == "withdraw":
                call.media.withdraw_offer()
            else:
                call.offer(side, client.sdp) if verb == "offer" else call.answer(side, client.sdp)
        except MediaError:
            pass
        rows = {row.local: row for row in call.media.streams()}
        assert len(rows) == len(call.media.streams())
        for local, row in rows.items():
            assert rows[row.peer_local].peer_local == local
            assert 20_000 <= local[1] <= 20_099 and local[1] % 2 == row.rtcp
        restored = MediaSession.from_dict(call.media.to_dict(), PortPool(20_000, 20_099))
        if not call.media.offer_open:
            assert restored.streams() == call.media.streams()
    call.media.release(0.0)
    assert call.pool.in_use == 0
