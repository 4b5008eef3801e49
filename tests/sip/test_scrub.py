"""What leaves a message before anybody looks at it, however it is written, and what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.sip.scrub import scrubbed

HEAD = b"INVITE sip:49301@x SIP/2.0\r\nFrom: <sip:alice@x>;tag=1\r\nCall-ID: c1\r\n"
SECRET = b"0123456789abcdef0123456789abcdef"
DIGEST = b'Digest username="alice", realm="x", nonce="n", uri="sip:x", response="' + SECRET + b'", cnonce="c"'
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 1 RTP/SAVP 0\r\n"


@pytest.mark.parametrize(
    "message",
    [
        HEAD + b"Authorization: " + DIGEST + b"\r\n\r\n",
        HEAD + b"Proxy-Authorization: " + DIGEST + b"\r\n\r\n",
        HEAD + b"pROXY-aUTHORIZATION \t:" + DIGEST + b"\r\n\r\n",
        HEAD + b"Authorization:\r\n " + DIGEST.replace(b", ", b",\r\n\t") + b"\r\n\r\n",
        HEAD.replace(b"\r\n", b"\n") + b"Authorization: " + DIGEST + b"\n\n",
        HEAD + b"Authorization: Basic " + SECRET + b"\r\n\r\n",
        HEAD + b"Authorization: Basic\r\n\t" + SECRET + b"\r\n\r\n",
        HEAD + b"Authorization: " + DIGEST,  # cut off
        HEAD + b"X-Copy: " + DIGEST + b"\r\n\r\n",
        HEAD + b'Authentication-Info: rspauth="' + SECRET + b'"\r\n\r\n',
        HEAD + b'Authentication-Info: nextnonce="' + SECRET + b'"\r\n\r\n',
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"a=crypto:1 AES_CM " + SECRET + b"\r\n",
        HEAD + b"Contact: <sip:alice:" + SECRET + b"@192.0.2.1>\r\n\r\n",
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + SECRET,
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"a=CRYPTO:1 X inline:" + SECRET + b"|2^20\r\n",
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"k=base64:" + SECRET + b"\r\n",
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"a=key-mgmt:mikey " + SECRET + b"\r\n",
        HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP + b"a=ice-pwd:" + SECRET + b"\r\n",
        HEAD + b"Content-Type: application/dtmf-relay\r\n\r\nSignal=" + SECRET,
        HEAD + b"Accept: application/sdp\r\nContent-Type: text/plain\r\n\r\n" + SECRET,
        HEAD + b"c: text/plain\r\n\r\n" + SECRET,
        HEAD + b"Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n" + SECRET,
        HEAD + b"\r\n" + SECRET,
    ],
)
def test_a_secret_is_gone_however_it_is_written(message: bytes) -> None:
    assert SECRET in message
    shown = scrubbed(message)
    assert SECRET not in shown
    assert shown.startswith(HEAD[:26])
    assert b"hidden)" in shown


def test_who_claims_to_be_whom_stays() -> None:
    shown = scrubbed(HEAD + b"Authorization: " + DIGEST + b"\r\nUser-Agent: phone\r\n\r\n")
    assert b'Authorization: Digest username="alice", (hidden)\r\nUser-Agent: phone\r\n\r\n' in shown


def test_a_message_without_secrets_stays_as_it_is() -> None:
    message = HEAD + b"Content-Type: application/sdp\r\n\r\n" + SDP
    assert scrubbed(message) is message


def test_a_description_keeps_all_but_its_keys() -> None:
    body = SDP + b"a=crypto:1 AES inline:" + SECRET + b"\r\na=sendrecv\r\n"
    assert scrubbed(HEAD + b"c: application/sdp\r\n\r\n" + body).endswith(b"a=crypto:(hidden)\r\na=sendrecv\r\n")


@given(st.lists(st.sampled_from([b"Authorization", b":", b"\r\n", b" ", b"response=", b"sip:a:b@", b"k=", b"\xff"])))
def test_nothing_that_arrives_makes_it_fail(parts: list[bytes]) -> None:
    scrubbed(b"".join(parts))
