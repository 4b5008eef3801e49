"""RFC 4028 as arithmetic: what we grant, what we take, when a session is over."""

import pytest

from pysrv.calls.session_timer import SessionTimer, TooShort, after_422, of_request, of_response
from pysrv.sip.message import Request, Response
from pysrv.sip.uri import Uri

URI = Uri(b"sip", b"a", b"example.org")


def request(*headers: tuple[bytes, bytes]) -> Request:
    return Request.new(b"INVITE", URI, headers)


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ((), SessionTimer(1800, ours=True, peer_supports=False)),
        (((b"Supported", b"timer"),), SessionTimer(1800, ours=True, peer_supports=True)),
        (((b"Session-Expires", b"600"), (b"Supported", b"timer")), SessionTimer(600, True, True)),
        (((b"Session-Expires", b"600;refresher=uac"), (b"Supported", b"timer")), SessionTimer(600, False, True)),
        (((b"Session-Expires", b"600 ; Refresher=UAS"), (b"Supported", b"timer")), SessionTimer(600, True, True)),
        (((b"Session-Expires", b"9999"), (b"Supported", b"timer")), SessionTimer(1800, True, True)),
        (((b"x", b"9999"), (b"Min-SE", b"3600"), (b"Supported", b"timer")), SessionTimer(3600, True, True)),
        (((b"Session-Expires", b"600;refresher=uac"),), SessionTimer(600, True, False)),
        (((b"Session-Expires", b"rubbish"), (b"Supported", b"timer")), SessionTimer(1800, True, True)),
        (((b"Session-Expires", b"50"), (b"Supported", b"timer")), TooShort(90)),
        (((b"Session-Expires", b"50"),), SessionTimer(90, True, False)),
    ],
)
def test_what_a_request_is_granted(headers: tuple[tuple[bytes, bytes], ...], granted: object) -> None:
    assert of_request(request(*headers), 1800, 90) == granted


def test_the_refresher_refreshes_at_half_and_gives_up_before_the_end() -> None:
    assert SessionTimer(1800).refresh_at(100.0) == 1000.0
    assert SessionTimer(1800).expires_at(100.0) == 100.0 + 1800 - 32
    assert SessionTimer(90).expires_at(0.0) == 60.0


@pytest.mark.parametrize(
    ("value", "agreed"),
    [
        (None, SessionTimer(1800, True, False)),
        (b"900;refresher=uac", SessionTimer(900, True, True)),
        (b"900;refresher=uas", SessionTimer(900, False, True)),
        (b"1", SessionTimer(90, True, True)),
    ],
)
def test_what_a_response_agrees_to(value: bytes | None, agreed: SessionTimer) -> None:
    headers = [] if value is None else [(b"Session-Expires", value)]
    assert of_response(Response.new(200, headers=headers), SessionTimer(1800)) == agreed


@pytest.mark.parametrize(
    ("least", "seconds"), [(b"2000", 2000), (b"1800", None), (b"90", None), (b"999999999", 86_400), (b"", None)]
)
def test_a_422_raises_the_interval_once_and_only_upwards(least: bytes, seconds: int | None) -> None:
    longer = after_422(Response.new(422, headers=[(b"Min-SE", least)]), SessionTimer(1800))
    assert (longer.interval_s if longer else None) == seconds


def test_roles_are_written_from_the_senders_side() -> None:
    assert SessionTimer(600, ours=True).in_request(90)[0] == (b"Session-Expires", b"600;refresher=uac")
    assert SessionTimer(600, ours=False).in_request(90)[0] == (b"Session-Expires", b"600;refresher=uas")
    ours = SessionTimer(600, ours=True, peer_supports=True).in_response()
    assert ours == ((b"Require", b"timer"), (b"Session-Expires", b"600;refresher=uas"))
