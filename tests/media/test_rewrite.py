"""What the other side sees: the same media in the same order, and of the client no address."""

import re
from ipaddress import ip_address

from hypothesis import given

from pysrv.media.description import read
from pysrv.media.errors import NotRelayable
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession, Side
from tests.media.sdp import Client, audio, clients, media_lines

OURS = "203.0.113.1"


def offered(sdp: bytes, to: str = OURS) -> bytes:
    return MediaSession(1, PortPool(20_000, 20_999)).forward_offer(Side.A, sdp, to, 0.0)


def _addresses_in(sdp: bytes) -> set[str]:
    """Every word of `sdp` that reads as an address, in normal form."""
    found = set()
    for word in re.split(r"[^0-9A-Fa-f:.]", sdp.decode()):
        for part in (word, word.strip(":"), word.partition(":")[2], word.rpartition(":")[0]):
            try:
                found.add(str(ip_address(part)))
            except ValueError:
                continue
    return found


@given(clients())
def test_no_address_of_the_client_is_left_anywhere(client: Client) -> None:
    try:
        seen = offered(client.sdp)
    except NotRelayable:
        return
    assert _addresses_in(seen) <= {OURS}
    for address in client.addresses:
        assert address.encode() not in seen


@given(clients())
def test_streams_keep_their_number_order_kind_and_codecs(client: Client) -> None:
    try:
        seen = offered(client.sdp)
    except NotRelayable:
        assert not any(media.port and media.relayed for media in read(client.sdp).media)
        return
    before, after = read(client.sdp).media, read(seen).media
    assert [media.kind for media in after] == [media.kind for media in before]
    for old, new in zip(before, after, strict=True):
        assert bool(new.port) == bool(old.port and old.relayed)
        assert new.formats == old.formats
        if new.port:
            assert new.codecs == old.codecs
            assert (new.remote, new.mux) == ((OURS, new.port), old.mux)


@given(clients())
def test_what_we_say_reads_as_itself(client: Client) -> None:
    """Rewriting a rewritten description changes addresses and ports and nothing else: nothing grows on the way."""
    try:
        once = offered(client.sdp)
    except NotRelayable:
        return
    twice = offered(once)
    assert twice == once


def test_keys_of_srtp_and_dtls_stay_untouched() -> None:
    keys = [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4",
        "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "a=setup:actpass",
        "a=tls-id:abc3de65cddef001be82",
    ]
    seen = offered(audio("192.168.1.5", 4000, "0", *keys, proto="RTP/SAVP")).decode()
    assert all(key in seen for key in keys)


def test_ice_and_bundle_are_gone_and_mid_is_not() -> None:
    sdp = audio(
        "192.168.1.5", 4000, "0", "a=ice-ufrag:F7gI", "a=ice-pwd:x9cml", "a=ice-options:trickle", "a=end-of-candidates",
        "a=candidate:1 1 UDP 1 phone.local 4000 typ host", "a=mid:0",
    ).replace(b"t=0 0", b"t=0 0\r\na=group:BUNDLE 0\r\na=ice-lite")  # fmt: skip
    seen = offered(sdp)
    assert not re.search(rb"ice-|candidate|BUNDLE", seen)
    assert b"a=mid:0" in seen


def test_the_origin_and_the_session_name_are_ours() -> None:
    seen = offered(audio().replace(b"s=-", b"s=Alice at 192.168.1.5")).split(b"\r\n")
    assert seen[:4] == [b"v=0", b"o=- 1 1 IN IP4 203.0.113.1", b"s=-", b"c=IN IP4 203.0.113.1"]
    assert b"s=A talk" in offered(audio().replace(b"s=-", b"s=A talk"))


def test_a_missing_time_line_is_put_in_before_the_attributes() -> None:
    seen = offered(audio().replace(b"t=0 0\r\n", b"a=x\r\n")).split(b"\r\n")
    assert seen[4:6] == [b"t=0 0", b"a=x"]


def test_an_ipv6_side_is_told_an_ipv6_address() -> None:
    seen = offered(audio(), "2001:db8::1")
    assert b"o=- 1 1 IN IP6 2001:db8::1\r\n" in seen
    assert b"c=IN IP6 2001:db8::1\r\n" in seen


def test_hold_by_an_unspecified_address_is_passed_on_in_the_other_family_too() -> None:
    assert b"\r\nc=IN IP4 0.0.0.0\r\n" in offered(audio("0.0.0.0", 4000, "0", "a=sendonly"))
    assert b"\r\nc=IN IP6 ::\r\n" in offered(audio("0.0.0.0"), "2001:db8::1")
    one_of_two = audio("192.0.2.5", 4000, "0", "c=IN IP4 0.0.0.0", "m=video 6000 RTP/AVP 96")
    head, first, second = offered(one_of_two).split(b"m=")
    assert (b"c=IN IP4 203.0.113.1" in head, b"c=IN IP4 0.0.0.0" in first, b"c=" in second) == (True, True, False)


def test_a_refused_stream_keeps_its_place_and_shows_nothing_else() -> None:
    seen = offered(
        audio("192.168.1.5", 4000, "0", "m=image 5000 udptl t38", "a=T38FaxVersion:0", "m=video 0 RTP/AVP 96")
    )
    assert media_lines(seen)[1:] == [b"m=image 0 udptl t38", b"m=video 0 RTP/AVP 96"]
    assert b"T38" not in seen
