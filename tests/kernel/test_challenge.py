"""The challenge's part of the policy row: texts, keys, and what is refused."""

import dataclasses
import re

import pytest

from appliance import wire
from appliance.kernel.challenge import challenge_row
from pysrv.sip.nonces import NonceKeys

KEYS = NonceKeys(bytes(32), 3600)
WANTED = wire.Challenge(
    enabled=True, realm="pbx.example.net", keys=tuple(key.hex() for key in KEYS.slots(0.0)), server="appliance"
)


def changed(**parts: object) -> wire.Challenge:
    return dataclasses.replace(WANTED, **parts)  # type: ignore[arg-type]


def test_the_nonce_goes_where_the_text_has_room_for_it() -> None:
    row = challenge_row(WANTED, 0)
    for number in range(4):
        rest = row.answers[number].rest
        at = row.answers[number].nonce_at
        assert rest[at - 7 : at + 33] == b'nonce="' + b"0" * 32 + b'"'
    assert [answer.nonce_at for answer in row.answers[4:6]] == [0, 0]


def test_the_lean_text_ends_before_server() -> None:
    for answer in challenge_row(WANTED, 0).answers[:6]:
        assert answer.rest[answer.lean :] == b"Server: appliance\r\n\r\n"
        assert answer.rest[: answer.lean].endswith(b"Content-Length: 0\r\n")


def test_without_a_server_s_name_there_is_no_such_line() -> None:
    assert b"Server" not in challenge_row(changed(server=""), 0).answers[0].rest


def test_a_realm_with_quotes_is_quoted() -> None:
    (found,) = re.findall(rb'realm="(.*?)", nonce', challenge_row(changed(realm='a"b\\c'), 0).answers[0].rest)
    assert found == b'a\\"b\\\\c'


def test_tags_have_a_key_of_their_own() -> None:
    row = challenge_row(WANTED, 0)
    assert row.tag_key not in list(zip(row.keys[::2], row.keys[1::2], strict=True))


def test_without_keys_it_is_off() -> None:
    row = challenge_row(changed(keys=()), 0)
    assert (row.enabled, row.keys) == (False, (0,) * 8)


@pytest.mark.parametrize(
    "parts",
    [
        {"keys": ("00" * 15,) * 4},
        {"keys": ("00" * 16,) * 3},
        {"keys": ("zz" * 16,) * 4},
        {"epoch_s": 59},
        {"nonce_ttl_s": 0},
        {"nonce_ttl_s": 3601},
        {"realm": "x" * 400},
        {"realm": "a\r\nX: y"},
    ],
)
def test_what_cannot_be_served_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(wire.WireError) as refusal:
        challenge_row(changed(**parts), 0)
    assert refusal.value.code == "bad_challenge"
