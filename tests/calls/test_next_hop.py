"""Where requests inside a trunk's dialog go: to an address that the trunk named, and to nothing else."""

import pytest

from pysrv.calls.invitation import next_hop
from pysrv.sip.dialog import Dialog
from pysrv.sip.events import Flow
from pysrv.sip.message import Request, response_to
from pysrv.sip.uri import Uri

FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))


def hop(contact: bytes, flow: Flow = FLOW) -> tuple[str, int]:
    lines = [
        (b"Via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        (b"From", b"<sip:a@x>;tag=1"),
        (b"To", b"<sip:b@x>"),
        (b"Call-ID", b"1"),
        (b"CSeq", b"1 INVITE"),
    ]
    request = Request.new(b"INVITE", Uri.parse(b"sip:b@x"), lines)
    answer = response_to(request, 200, to_tag=b"2", headers=[(b"Contact", b"<" + contact + b">")])
    return next_hop(Dialog.uac(request, answer, flow), flow).remote


def test_an_address_is_followed() -> None:
    assert hop(b"sip:c@198.51.100.9:5070") == ("198.51.100.9", 5070)


@pytest.mark.parametrize(
    "contact",
    [
        b"sip:c@carrier.example.net",  # a name would have to be looked up
        b"sip:c@999.1.1.1",  # and so would what only looks like an address
        b"sip:c@1.2.3",
        b"sip:c@12345",
        b"sip:c@127.0.0.1:8443",
        b"sip:c@0.0.0.0",
        b"sip:c@239.1.1.1",
        b"sip:c@[2001:db8::1]",
        b"sip:c@[::1]",
    ],
)
def test_everything_else_goes_back_where_the_answer_came_from(contact: bytes) -> None:
    assert hop(contact) == FLOW.remote


@pytest.mark.parametrize("contact", [b"sip:c@10.0.0.5", b"sip:c@192.168.1.1:5070", b"sip:c@169.254.169.254"])
def test_who_speaks_from_a_public_address_leads_us_into_no_private_network(contact: bytes) -> None:
    public = Flow("udp", ("192.0.2.1", 5060), ("8.8.4.4", 5060))
    assert hop(contact, public) == public.remote
    assert hop(b"sip:c@8.8.8.8", public) == ("8.8.8.8", 5060)
    inside = Flow("udp", ("192.0.2.1", 5060), ("10.0.0.4", 5060))
    assert hop(contact, inside) != inside.remote
