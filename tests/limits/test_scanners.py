"""Scanners as the office knows them: the gate's names and shapes, and what an offer says about its maker."""

from dataclasses import replace

import pytest

from appliance.config.scanners import AGENTS
from pysrv.limits.scanners import AGENT, SHAPE, Scanners, Seen

NAMES = (b"via", b"from", b"to", b"call-id", b"cseq", b"contact", b"max-forwards", b"user-agent")
PHONE = Seen(
    NAMES, b"SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK-524287-1---a1b2;rport", b"<sip:1@x>;tag=8a7b",
    b"7f3a9c1e@192.0.2.7", b"<sip:1@192.0.2.7:5060>",
    b"Yealink SIP-T46U 108.86.0.45", b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=call\r\n",
)  # fmt: skip
VIA = b"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-3211757225;rport"
TOOL = replace(PHONE, via=VIA, call_id=b"575459366826", contact=b"sip:100@127.0.0.1:5060")


@pytest.fixture
def scanners() -> Scanners:
    return Scanners(AGENTS)


def test_a_telephone_is_no_scanner(scanners: Scanners) -> None:
    assert scanners.verdict(PHONE) is None
    assert scanners.verdict(replace(PHONE, user_agent=None, contact=None, body=b"")) is None


@pytest.mark.parametrize("name", [b"friendly-scanner", b"SIPVicious 0.3", b"foo sundayddr", b"Nmap NSE"])
def test_a_listed_name_is_found_in_any_case(scanners: Scanners, name: bytes) -> None:
    assert (scanners.verdict(replace(PHONE, user_agent=name)) or ("",))[0] == AGENT


def test_a_changed_name_does_not_hide_the_shape(scanners: Scanners) -> None:
    verdict, why = scanners.verdict(TOOL) or ("", "")
    assert verdict == SHAPE
    assert "SIPVicious" in why


@pytest.mark.parametrize(
    "seen",
    [
        replace(TOOL, via=PHONE.via),
        replace(TOOL, call_id=PHONE.call_id),
        replace(TOOL, contact=PHONE.contact),
        replace(TOOL, contact=b'"x" <sip:100@127.0.0.1>'),
    ],
)
def test_a_shape_needs_all_its_marks(scanners: Scanners, seen: Seen) -> None:
    assert scanners.verdict(seen) is None


@pytest.mark.parametrize(
    "names",
    [
        (b"via", b"max-forwards", b"to", b"from", b"user-agent", b"call-id", b"contact", b"cseq"),
        (b"via", b"max-forwards", b"to", b"from", b"call-id", b"contact", b"cseq", b"accept"),
        (b"via", b"to", b"from", b"call-id", b"contact", b"cseq", b"max-forwards", b"accept"),
    ],
)
def test_the_order_of_headers_speaks_where_the_branch_was_changed(scanners: Scanners, names: tuple[bytes, ...]) -> None:
    assert scanners.verdict(replace(TOOL, via=PHONE.via, names=names)) is not None
    assert scanners.verdict(replace(TOOL, via=PHONE.via, names=(names[1], names[0], *names[2:]))) is None


def test_nmaps_probe_is_known(scanners: Scanners) -> None:
    names = (b"via", b"from", b"to", b"call-id", b"cseq", b"max-forwards", b"content-length", b"contact")
    probe = Seen(names, b"SIP/2.0/TCP nm;branch=foo", b"<sip:nm@nm>;tag=root", b"50000", b"<sip:nm@nm>", None)
    assert (scanners.verdict(probe) or ("", ""))[1] == "the SIP probe of nmap's service detection"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"s=sipcli", True),
        (b"o=sipcli-Session 1700455834 1500967584 IN IP4 192.0.2.7", True),
        (b"s=SIPVicious", True),
        (b"s=-", False),
        (b"a=sipcli", False),
        (b"i=s=sipcli", False),
    ],
)
def test_an_offer_may_name_its_maker(scanners: Scanners, line: bytes, found: bool) -> None:
    verdict = scanners.verdict(replace(PHONE, body=b"v=0\r\n" + line + b"\r\nt=0 0\r\n"))
    assert (verdict is not None and verdict[0] == SHAPE) is found


def test_an_empty_list_lets_everybody_pass() -> None:
    assert Scanners(()).verdict(replace(TOOL, user_agent=b"friendly-scanner")) is None


def test_a_pattern_is_text_and_no_expression() -> None:
    assert Scanners(("a.c",)).verdict(replace(PHONE, user_agent=b"abc")) is None
    assert Scanners(("a.c",)).verdict(replace(PHONE, user_agent=b"xa.cx")) is not None
