"""The torture messages of RFC 4475 (3.1.1 to 3.4.1): each is refused by the layer that must, or served."""

import pytest

from pysrv.sip.endpoint import Endpoint
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow, MalformedReceived, RequestReceived
from pysrv.sip.message import Request, Response, response_to, validate_request
from pysrv.sip.parser import StreamParser, parse_datagram
from tests.sip.torture import Layer, Torture
from tests.sip.torture.application import APPLICATION
from tests.sip.torture.invalid import INVALID
from tests.sip.torture.valid import VALID

ALL = (*VALID, *INVALID, *APPLICATION)
BY_NAME = {torture.name: torture for torture in ALL}
FLOW = Flow("udp", ("192.0.2.200", 5060), ("198.51.100.7", 5060))


def parsed(name: str) -> Request:
    message = parse_datagram(BY_NAME[name].data)
    assert isinstance(message, Request)
    return message


def understand(message: Request | Response) -> None:
    """What a core asks of a message before it acts on it."""
    if isinstance(message, Request):
        validate_request(message)
        return
    _ = message.vias, message.from_, message.to, message.call_id, message.cseq, message.contacts


def objection(data: bytes) -> tuple[Layer, BadMessage | None]:
    try:
        message = parse_datagram(data)
    except BadMessage as bad:
        return Layer.PARSER, bad
    try:
        understand(message)
    except BadMessage as bad:
        return Layer.VALIDATION, bad
    return Layer.NONE, None


def test_the_rfc_has_forty_nine_messages_and_all_are_here() -> None:
    assert len(BY_NAME) == len(ALL) == 49


@pytest.mark.parametrize("torture", ALL, ids=lambda torture: torture.name)
def test_the_right_layer_objects_with_the_right_status(torture: Torture) -> None:
    layer, bad = objection(torture.data)
    if torture.layer in (Layer.PARSER, Layer.VALIDATION):
        assert layer is torture.layer
        assert bad is not None
        if torture.status is None:
            assert bad.message is None
        else:
            assert bad.status == torture.status
            assert isinstance(bad.message, Request)
            answer = parse_datagram(response_to(bad.message, bad.status, to_tag=b"x").to_bytes())
            assert isinstance(answer, Response)
            assert answer.top_via.branch == bad.message.top_via.branch
    else:
        assert bad is None


@pytest.mark.parametrize("torture", ALL, ids=lambda torture: torture.name)
def test_an_endpoint_survives_and_answers_what_it_must(torture: Torture) -> None:
    endpoint = Endpoint(lambda: b"0123456789abcdef", b"secret")
    endpoint.receive_datagram(torture.data, FLOW, 0.0)
    event, sent = endpoint.next_event(), endpoint.datagrams_to_send()
    if torture.layer in (Layer.PARSER, Layer.VALIDATION):
        assert isinstance(event, MalformedReceived)
        assert [int(data[8:11]) for data, _ in sent] == ([] if torture.status is None else [torture.status])
    elif torture.status in (416, 420):
        assert [int(data[8:11]) for data, _ in sent] == [torture.status]
    elif torture.data.startswith(b"SIP/2.0"):
        assert event is None
        assert not sent
    else:
        assert isinstance(event, RequestReceived)


@pytest.mark.parametrize("torture", VALID, ids=lambda torture: torture.name)
def test_a_stream_delivers_the_same_message(torture: Torture) -> None:
    whole = parse_datagram(torture.data)
    if "content-length" not in {name.decode() for name, _ in whole.headers.items()}:
        return
    parser = StreamParser()
    found = (item for octet in torture.data for item in parser.feed(bytes((octet,))))
    assert next(found).to_bytes() == whole.to_bytes()  # type: ignore[union-attr]


def test_wsinv_is_understood_in_every_part() -> None:
    request = parsed("wsinv")
    assert (request.from_.display, request.from_.tag, request.to.tag) == (
        b'J Rosenberg \\"',
        b"98asjd8",
        b"1918181833n",
    )
    assert (request.max_forwards, request.cseq.number, request.cseq.method) == (68, 9, b"INVITE")
    assert [(via.transport, via.host, via.branch) for via in request.vias] == [
        (b"UDP", b"192.0.2.2", b"390skdjuw"),
        (b"TCP", b"spindle.example.com", b"z9hG4bK9ikj8"),
        (b"UDP", b"192.168.255.111", b"z9hG4bK30239"),
    ]
    (contact,) = request.contacts
    assert contact.display == b'Quoted string ""'
    assert (contact.param(b"newparam"), contact.param(b"secondparam"), contact.param(b"q")) == (
        b"newvalue",
        b"",
        b"0.33",
    )
    assert request.headers.get(b"newfangledheader") == b"newfangled value continued newfangled value"
    assert request.headers.get(b"unknownheaderwithunusualvalue") == b";;,,;;,;"
    assert request.headers.get(b"subject") == b""
    (route,) = request.routes
    assert route.uri.param(b"unknownwith") == b"value"
    assert route.uri.param(b"unknown-no-value") == b""
    assert len(request.body) == 150


def test_intmeth_keeps_its_odd_characters_and_its_answer_is_safe_to_write() -> None:
    request = parsed("intmeth")
    assert request.method == b"!interesting-Method0123456789_*+`.%indeed'~"
    assert request.to.display == b"BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.uri.password == b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.call_id == b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert request.from_.tag == b"_token~1'+`*%!-."
    assert parse_datagram(response_to(request, 200, to_tag=b"x").to_bytes()).to.tag == b"x"
    with pytest.raises(BadMessage):
        request.headers.add(b"x-copy", request.headers.get(b"to") or b"")
    assert b"\x00" not in request.to.to_bytes()


def test_escapes_in_uris_are_resolved_where_they_are_compared() -> None:
    request = parsed("esc01")
    assert request.uri.aor() == b"sip:sips%3Auser%40example.com@example.net"
    assert request.to.uri.aor() == b"sip:user@example.com"
    assert request.contacts[0].uri.param(b"lr") == b""
    assert request.contacts[0].uri.param(b"name") == b"v%61lue%25%34%31"
    assert request.contacts[0].uri.aor() == b"sip:caller@host5.example.net"


def test_two_null_users_are_two_contacts() -> None:
    one, two = parsed("escnull").contacts
    assert not one.uri.equivalent(two.uri)


def test_a_percent_that_is_no_escape_stays() -> None:
    request = parsed("esc02")
    assert request.method == b"RE%47IST%45R"
    assert request.to.display == b"%Z%45"
    assert len(request.contacts) == 2
    assert request.top_via.branch == b"z9hG4bK209%fzsnel234"


def test_long_values_are_kept_whole() -> None:
    request = parsed("longreq")
    assert len(request.vias) == 34
    assert len(request.from_.tag or b"") == 155
    assert request.top_via.host == b"sip33.example.com"


def test_octets_behind_the_message_are_ignored() -> None:
    request = parsed("dblreq")
    assert (request.method, request.body) == (b"REGISTER", b"")
    assert b"INVITE" not in request.to_bytes()


def test_a_multipart_body_stays_as_it_is() -> None:
    assert parsed("mpart01").body.endswith(b"--7a9cbec02ceef655--\r\n")
    assert parsed("mpart01").content_type == b"multipart/mixed"


def test_a_reason_phrase_may_be_empty_or_in_any_script() -> None:
    empty, russian = parse_datagram(BY_NAME["noreason"].data), parse_datagram(BY_NAME["unreason"].data)
    assert isinstance(empty, Response)
    assert isinstance(russian, Response)
    assert (empty.status, empty.reason) == (100, b"")
    assert "девяносто" in russian.reason.decode()


def test_an_unknown_parameter_belongs_to_the_contact_or_to_its_uri() -> None:
    outside, inside = parsed("cparam01").contacts[0], parsed("cparam02").contacts[0]
    assert (outside.param(b"unknownparam"), outside.uri.param(b"unknownparam")) == (b"", None)
    assert (inside.param(b"unknownparam"), inside.uri.param(b"unknownparam")) == (None, b"")


def test_headers_in_a_contact_uri_are_kept() -> None:
    assert parsed("regescrt").contacts[0].uri.headers == ((b"Route", b"%3Csip:sip.example.com%3E"),)


def test_a_request_without_call_id_from_and_to_still_gets_an_answer() -> None:
    layer, bad = objection(BY_NAME["insuf"].data)
    assert layer is Layer.VALIDATION
    assert bad is not None
    assert isinstance(bad.message, Request)
    answer = response_to(bad.message, 400, to_tag=b"x")
    assert answer.headers.get(b"cseq") == b"193942 INVITE"
    assert b"to" not in answer.headers


def test_an_old_request_without_branch_or_tag_is_understood() -> None:
    request = parsed("inv2543")
    assert request.top_via.branch is None
    assert request.from_.tag is None
    assert request.body.startswith(b"v=0")
