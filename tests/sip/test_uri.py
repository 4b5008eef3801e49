"""URIs: reading, writing, comparing (RFC 3261 section 19.1, RFC 3966)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.sip.errors import BadMessage
from pysrv.sip.uri import Uri, escape_user

# RFC 3261 section 19.1.4, its table of examples
EQUIVALENT = [
    (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtLanTa.CoM;Transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;security=on"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;newparam=5"),
    (
        b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        b"sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    (b"tel:+1-201-555-0123", b"tel:+1.201.5550123"),
    (b"sip:a%3bb@example.com", b"sip:a%3Bb@example.com"),
    (b"sip:bob@[2001:DB8::1]", b"sip:bob@[2001:db8::1]"),
]
DIFFERENT = [
    (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtLanTa.CoM;Transport=UDP"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
    (b"sip:bob@phone21.boxesbybob.com", b"sip:bob@192.0.2.4"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;security=off"),
    (b"sip:bob@biloxi.com", b"sips:bob@biloxi.com"),
    (b"sip:bob@biloxi.com", b"sip:biloxi.com"),
    (b"sip:bob:secret@biloxi.com", b"sip:bob@biloxi.com"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;maddr=192.0.2.1"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;user=ip"),
    (b"sip:a;b@example.com", b"sip:a%3Bb@example.com"),
    (b"tel:+12015550123", b"tel:12015550123"),
    (b"tel:7042;phone-context=example.com", b"tel:7042"),
    (b"isbn:1", b"isbn:2"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris(one: bytes, other: bytes) -> None:
    assert Uri.parse(one).equivalent(Uri.parse(other))
    assert Uri.parse(other).equivalent(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris(one: bytes, other: bytes) -> None:
    assert not Uri.parse(one).equivalent(Uri.parse(other))
    assert not Uri.parse(other).equivalent(Uri.parse(one))


WELL_FORMED = [
    b"sip:example.com",
    b"sip:alice@example.com",
    b"sips:alice:pass%20word@example.com:5061;transport=tls;lr?Subject=x&Route=%3Csip:a%3E",
    b"sip:alice;day=tuesday@atlanta.com",
    b"sip:+1-212-555-1212:1234@gateway.com;user=phone",
    b"sip:user;par=u%40example.net@example.com",
    b"sip:[2001:db8::9:1]",
    b"sip:bob@[2001:db8::9:1]:5070;received=x",
    b"sip:example.com?subject",
    b"sip:host_with_underscore",
    b"tel:+358-555-1234567;postd=pp22",
    b"tel:*31#",
    b"http://www.example.com/x?y",
    b"urn:service:sos",
    b"mailto:a@b",
]
MALFORMED = [
    b"",
    b"sip:",
    b"sip:@example.com",
    b"sip:alice@",
    b"alice@example.com",
    b"sip:alice@example.com:",
    b"sip:alice@example.com:65536",
    b"sip:alice@example.com:5060x",
    b"sip:alice@exa mple.com",
    b" sip:alice@example.com",
    b"sip:alice@example.com ",
    b"sip:alice@example.com;",
    b"sip:alice@example.com;;lr",
    b"sip:alice@example.com; lr",
    b"sip:alice@example.com;=x",
    b"sip:a%4@example.com",
    b"sip:a%zz@example.com",
    b"sip:<a>@example.com",
    b'sip:"a"@example.com',
    b"sip:a@b@example.com",
    b"sip:alice@[2001:db8::1",
    b"sip:alice@2001:db8::1",
    b"sip:alice@example.com\r\nX: y",
    b"sip:ali\0ce@example.com",
    "sip:алиса@example.com".encode(),
    b"tel:",
    b"tel:abc@x",
    b"1sip:a@b",
    b"isbn:",
    b"isbn:a b",
    b"isbn:a\r\nb",
]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_a_well_formed_uri_comes_back_as_it_was(text: bytes) -> None:
    assert Uri.parse(text).to_bytes() == text


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_uri_is_a_bad_message(text: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


def test_all_parts_are_read() -> None:
    uri = Uri.parse(b"SIPS:alice:x@Example.COM:5061;Transport=TLS;lr?Subject=hi&Priority=")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == (b"sips", b"alice", b"x", b"Example.COM", 5061)
    assert (uri.param(b"transport"), uri.param(b"LR"), uri.param(b"maddr")) == (b"TLS", b"", None)
    assert uri.headers == ((b"Subject", b"hi"), (b"Priority", b""))
    assert Uri.parse(b"sip:[::1]").address == b"::1"


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        (b"sip:Alice@Example.COM:5070;transport=tcp", b"sip:Alice@example.com"),
        (b"sips:%61lice@example.com", b"sip:alice@example.com"),
        (b"sip:a%40b@example.com", b"sip:a%40b@example.com"),
        (b"sip:Example.com", b"sip:example.com"),
        (b"tel:+1-201", b"tel:+1201"),
    ],
)
def test_the_address_of_record_is_canonical(text: bytes, aor: bytes) -> None:
    assert Uri.parse(text).aor() == aor


def test_parameters_are_set_and_dropped_in_a_copy() -> None:
    uri = Uri.parse(b"sip:a@b;Transport=udp;lr?x=y")
    assert uri.with_param(b"transport", b"tcp").to_bytes() == b"sip:a@b;lr;transport=tcp?x=y"
    assert uri.without_params().to_bytes() == b"sip:a@b"
    assert uri.to_bytes() == b"sip:a@b;Transport=udp;lr?x=y"


@given(st.binary(min_size=1, max_size=20), st.sampled_from([b"example.com", b"192.0.2.1", b"[2001:db8::1]"]))
def test_any_user_can_be_escaped_and_comes_back(user: bytes, host: bytes) -> None:
    uri = Uri.parse(b"sip:" + escape_user(user) + b"@" + host)
    assert uri.equivalent(Uri.parse(uri.to_bytes()))
    assert uri.aor() == b"sip:" + escape_user(user) + b"@" + host


@given(st.binary(max_size=60))
def test_nothing_but_a_bad_message_is_raised(noise: bytes) -> None:
    for prefix in (b"", b"sip:", b"tel:", b"sip:a@b;"):
        try:
            uri = Uri.parse(prefix + noise)
        except BadMessage:
            continue
        assert Uri.parse(uri.to_bytes()) == uri
        assert uri.equivalent(uri)
