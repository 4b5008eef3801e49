"""Known devices' REGISTERs that say nothing new, answered at the gate: what is left of the binding, and never more."""

import time
from dataclasses import replace

import pytest

from appliance import wire
from appliance.kernel.plan import MapName
from tests.bpf.asking import STRANGER, STRANGER6, Ask, answered, challenge
from tests.bpf.registering import ON, PORT, remembered
from tests.bpf.rig import Rig

PASSED, ANSWERED = "sip_request", "registration_answered"


@pytest.fixture
def known(rig: Rig) -> Rig:
    pairs = tuple(wire.KnownPair(source, PORT, 2.0**32) for source in (STRANGER, STRANGER6))
    rig.sync(known_pairs=pairs, challenge=challenge(), **ON)
    return rig


@pytest.mark.parametrize("source", [STRANGER, STRANGER6])
def test_a_repeated_register_is_told_what_is_left_of_the_binding(known: Rig, source: str) -> None:
    ask = Ask(source=source)
    remembered(known, ask)
    response = answered(known, ask, ANSWERED, 200)
    (contact,) = response.contacts
    assert contact.uri.user == b"1000"
    assert contact.uri.to_bytes() in ask.to_bytes()
    assert 597 <= int(contact.param(b"expires") or b"") <= 600
    again = answered(known, replace(ask, cseq="2 REGISTER"), ANSWERED, 200)
    assert again.cseq.number == 2
    assert again.to.tag == response.to.tag


def test_the_time_that_is_left_grows_shorter_with_the_binding(known: Rig) -> None:
    ask = Ask()
    remembered(known, ask, expires_at=time.time() + 70, until=time.time() + 35)
    assert 68 <= int(answered(known, ask, ANSWERED, 200).contacts[0].param(b"expires") or b"") <= 70


def test_other_headers_may_change(known: Rig) -> None:
    ask = Ask()
    remembered(known, ask)
    other = replace(
        ask, call_id="another", from_="<sip:1000@pbx.example.net>;tag=2", lines=("Authorization: Digest x=1",)
    )
    answered(known, other, ANSWERED, 200)


ASKED = {
    "expires is 0": Ask(names={"Expires": "X-Was"}, lines=("Expires: 0",)),
    "expires is another": Ask(names={"Expires": "X-Was"}, lines=("Expires: 60",)),
    "expires is absent": Ask(names={"Expires": "X-Was"}),
    "the address of record is another": Ask(to="<sip:1001@pbx.example.net>"),
    "the contact is another": Ask(names={"Contact": "X-Was"}, lines=("Contact: <sip:1000@192.0.2.1>",)),
    "there are two contacts": Ask(lines=("Contact: <sip:1000@192.0.2.1>",)),
    "there is no contact": Ask(names={"Contact": "X-Was"}),
    "something is required": Ask(lines=("Require: outbound",)),
    "it came through a proxy": Ask(vias=("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",)),
    "it is an INVITE": Ask(method="INVITE"),
    "To has a tag": Ask(to="<sip:1000@pbx.example.net>;tag=1"),
    "a header is folded": Ask(lines=("X-Folded: a", " b")),
}


@pytest.mark.parametrize("about", ASKED)
def test_the_office_is_asked_when(known: Rig, about: str) -> None:
    remembered(known, Ask())
    assert known.send(ASKED[about].packet()).verdict == PASSED


def test_another_port_of_the_address_is_another_device(known: Rig) -> None:
    remembered(known, Ask())
    known.sync(known_pairs=(wire.KnownPair(STRANGER, 5063, 2.0**32),), **ON)
    remembered(known, Ask())
    assert known.send(Ask(port=5063).packet()).verdict == PASSED


def test_a_device_that_is_not_known_is_not_answered_for(rig: Rig) -> None:
    rig.sync(**ON)
    remembered(rig, Ask())
    assert rig.send(Ask().packet()).verdict == PASSED


def test_off_nothing_is_answered(known: Rig) -> None:
    known.sync(known_pairs=(wire.KnownPair(STRANGER, PORT, 2.0**32),), challenge=challenge())
    remembered(known, Ask())
    assert known.send(Ask().packet()).verdict == PASSED


def test_past_its_time_a_registration_is_the_offices_again(known: Rig) -> None:
    ask = Ask()
    remembered(known, ask)
    tables = known.gate.tables
    ((key, row),) = tables.rows(MapName.REFRESHES).items()
    tables.put(MapName.REFRESHES, key, row._replace(until_ns=time.monotonic_ns() - 1))
    assert known.send(ask.packet()).verdict == PASSED


@pytest.mark.parametrize(
    ("about", "verdict"),
    [
        ("forgotten by name", PASSED),
        ("forgotten by address", PASSED),
        ("a ban that spares the device", PASSED),
        ("a ban", "banned"),
        ("a ban of the device", "banned_pair"),
        ("a new plan", PASSED),
    ],
)
def test_an_answered_registration_ends_with(known: Rig, about: str, verdict: str) -> None:
    ask, gate = Ask(), known.gate
    remembered(known, ask)
    answered(known, ask, ANSWERED, 200)
    match about:
        case "forgotten by name":
            gate.forget(wire.RefreshRef(ask.to))
        case "forgotten by address":
            gate.forget(wire.RefreshRef(address=STRANGER))
        case "a ban":
            gate.ban(wire.Ban(STRANGER))
        case "a ban that spares the device":
            gate.ban(wire.Ban(STRANGER, spares_known=True))
        case "a ban of the device":
            gate.ban_pair(wire.PairBan(STRANGER, PORT))
        case _:
            known.sync(known_pairs=(wire.KnownPair(STRANGER, PORT, 2.0**32),), challenge=challenge(), **ON)
    assert known.send(ask.packet()).verdict == verdict
