"""Our reading of valid messages beside that of sipmessage, an independent parser, over a corpus made at random.

The corpus has neither folded lines nor commas between elements: sipmessage reads neither.
"""

import random

import pytest
import sipmessage

from pysrv.sip.grammar import unescape, unquote
from pysrv.sip.headers import NameAddr, Via
from pysrv.sip.message import Request, Response
from pysrv.sip.parser import parse_datagram
from pysrv.sip.uri import Uri

HOSTS = ["example.com", "192.0.2.17", "a-b.example.org", "[2001:db8::1]"]
USERS = ["alice", "+15551234", "a.b-c_d", "%61lice", "1001", "x'y*z", "bob;day=tuesday"]
NAMES = ["", '"Alice" ', '"A, \\"B\\" <C>" ', "Bob ", "T. Watson ", '"Zoë" ']
METHODS = ["INVITE", "REGISTER", "OPTIONS", "BYE", "MESSAGE", "X-NEW.method"]


def uri(chance: random.Random) -> str:
    user = chance.choice(USERS) + chance.choice(["", "", ":secret"]) + "@" if chance.random() < 0.8 else ""
    port = chance.choice(["", "", ":5062"])
    params = "".join(chance.sample([";transport=tcp", ";lr", ";user=phone", ";x=%20y"], chance.randrange(3)))
    return chance.choice(["sip:", "sip:", "sips:"]) + user + chance.choice(HOSTS) + port + params


def address(chance: random.Random, *params: str) -> str:
    return f"{chance.choice(NAMES)}<{uri(chance)}>" + "".join(params)


def via(chance: random.Random) -> str:
    blank = chance.choice(["", "", " "])
    params = f";branch=z9hG4bK{chance.randrange(10**9)}" + chance.choice(["", ";rport", ";received=192.0.2.1"])
    transport = chance.choice(["UDP", "TCP", "TLS", "WSS"])
    return (
        f"SIP{blank}/{blank}2.0{blank}/{blank}{transport} {chance.choice(HOSTS)}{chance.choice(['', ':5070'])}{params}"
    )


def message(chance: random.Random) -> bytes:
    method, body = chance.choice(METHODS), "x" * chance.randrange(30)
    start = f"{method} {uri(chance)} SIP/2.0" if chance.random() < 0.7 else "SIP/2.0 200 All is well"
    lines = [
        *(f"{chance.choice(['Via', 'v', 'VIA'])}: {via(chance)}" for _ in range(chance.randint(1, 3))),
        f"{chance.choice(['From', 'f'])}: {address(chance, ';tag=', str(chance.randrange(10**6)))}",
        f"{chance.choice(['To', 't', 'TO'])}:{address(chance, *chance.choice([(), (';tag=abc',)]))}",
        f"{chance.choice(['Call-ID', 'i'])}: {chance.randrange(10**9)}@host",
        f"CSeq: {chance.randrange(2**31)} {method}",
        f"Max-Forwards: {chance.randrange(256)}",
        f"Contact: {address(chance, ';expires=60')}",
        f"Subject: {chance.choice(['here', 'and, there'])}",
        f"{chance.choice(['Content-Length', 'l'])}: {len(body)}",
    ]
    if chance.random() < 0.5:
        lines.append(f"m: {address(chance)}")
    chance.shuffle(lines)
    return "\r\n".join([start, *lines, "", body]).encode()


def same_uri(ours: Uri, theirs: sipmessage.URI) -> None:
    assert ours.scheme.decode() == theirs.scheme
    assert (None if ours.user is None else unescape(ours.user).decode()) == theirs.user
    assert (None if ours.password is None else ours.password.decode()) == theirs.password
    assert (ours.host.decode(), ours.port) == (theirs.host, theirs.port)
    read = {name.decode(): None if value is None else unescape(value).decode() for name, value in ours.params}
    assert read == dict(theirs.parameters)


def same_address(ours: NameAddr, theirs: sipmessage.Address) -> None:
    assert ours.display.decode() == theirs.name
    same_uri(ours.uri, theirs.uri)
    assert {name.decode(): value and unquote(value).decode() for name, value in ours.params} == dict(theirs.parameters)


def same_via(ours: Via, theirs: sipmessage.Via) -> None:
    assert (ours.transport.decode(), ours.host.decode(), ours.port) == (theirs.transport, theirs.host, theirs.port)
    assert {name.decode(): value and value.decode() for name, value in ours.params} == dict(theirs.parameters)


@pytest.mark.parametrize("seed", range(6))
def test_we_read_valid_messages_as_sipmessage_does(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        data = message(chance)
        ours, theirs = parse_datagram(data), sipmessage.Message.parse(data)
        if isinstance(ours, Request):
            assert isinstance(theirs, sipmessage.Request)
            assert ours.method.decode() == theirs.method
            same_uri(ours.uri, theirs.uri)
        else:
            assert isinstance(ours, Response)
            assert isinstance(theirs, sipmessage.Response)
            assert (ours.status, ours.reason.decode()) == (theirs.code, theirs.phrase)
        same_address(ours.from_, theirs.from_address)
        same_address(ours.to, theirs.to_address)
        assert [len(ours.vias), len(ours.contacts)] == [len(theirs.via), len(theirs.contact)]
        for our_via, their_via in zip(ours.vias, theirs.via, strict=True):
            same_via(our_via, their_via)
        for our_contact, their_contact in zip(ours.contacts, theirs.contact, strict=True):
            same_address(our_contact, their_contact)
        assert (ours.cseq.number, ours.cseq.method.decode()) == (theirs.cseq.sequence, theirs.cseq.method)
        assert (ours.call_id.decode(), ours.max_forwards) == (theirs.call_id, theirs.max_forwards)
        assert (ours.headers.get(b"subject") or b"").decode() == theirs.subject
        assert ours.body == theirs.body
