"""What the gate answers beside the challenge: keepalives and OPTIONS of known sources, a 503 now and then, no ACK."""

from appliance import wire
from appliance.kernel.testrun import Action
from tests.bpf.asking import (
    INVITE,
    KNOWN,
    STRANGER,
    STRANGER6,
    Ask,
    answered,
    changed,
    check_answer,
    datagram,
    packet_of,
    switch_on,
)
from tests.bpf.rig import Rig

# -- ACK


def test_the_ack_of_our_407_is_absorbed(on: Rig) -> None:
    response = answered(on, INVITE, "challenge_407", 407)
    to = (response.headers.get(b"to") or b"").decode()
    assert on.send(changed(INVITE, method="ACK", to=to).packet()).verdict == "ack_absorbed"


def test_any_other_ack_goes_to_the_service(on: Rig) -> None:
    response = answered(on, INVITE, "challenge_407", 407)
    tag = (response.to.tag or b"").decode()
    for wrong in (tag[:-1] + ("0" if tag[-1] != "0" else "1"), "abc", tag + "0"):
        ask = changed(INVITE, method="ACK", to=f"<sip:2000@pbx.example.net>;tag={wrong}")
        assert on.send(ask.packet()).verdict == "sip_request"
    ask = changed(INVITE, method="ACK", to=f"<sip:2000@pbx.example.net>;tag={tag}", call_id="another")
    assert on.send(ask.packet()).verdict == "sip_request"


# -- known sources


def test_options_of_a_known_source_is_answered_with_200(rig: Rig) -> None:
    switch_on(rig, **KNOWN)
    response = answered(rig, Ask("OPTIONS"), "options_answered", 200)
    assert b"REGISTER" in (response.headers.get(b"allow") or b"")
    assert response.headers.get(b"accept") == b"application/sdp"
    answered(rig, Ask("OPTIONS", source=STRANGER6), "options_answered", 200)


def test_options_of_a_known_source_that_asks_for_more_goes_to_the_service(rig: Rig) -> None:
    switch_on(rig, **KNOWN)
    assert rig.send(Ask("OPTIONS", lines=("Require: foo",)).packet()).verdict == "sip_request"
    assert rig.send(Ask("OPTIONS", to="<sip:a@b>;tag=1").packet()).verdict == "sip_request"
    assert rig.send(Ask("OPTIONS", lines=("Subject: a", " b")).packet()).verdict == "sip_request"


def test_a_double_crlf_of_a_known_source_is_answered_with_one(rig: Rig) -> None:
    switch_on(rig, **KNOWN)
    for source in (STRANGER, STRANGER6):
        out = rig.send(packet_of(b"\r\n\r\n", source, 40000))
        assert (out.verdict, out.action) == ("keepalive_answered", Action.TX)
        assert datagram(out)[1:] == (5060, source, 40000, b"\r\n")


def test_a_single_crlf_of_a_known_source_wants_no_answer(rig: Rig) -> None:
    switch_on(rig, **KNOWN)
    assert rig.send(packet_of(b"\r\n")).verdict == "keepalive_absorbed"


def test_keepalives_of_strangers_are_not_answered(on: Rig) -> None:
    assert on.send(packet_of(b"\r\n\r\n")).action != Action.TX


# -- slip


def test_every_nth_request_over_the_limit_gets_503(rig: Rig) -> None:
    switch_on(rig, limits=wire.Limits({"stranger_burst": 1, "stranger_interval": 10**12, "slip_every": 3}))
    answered(rig, Ask(), "challenge_401", 401)
    outs = [rig.send(Ask().packet()) for _ in range(6)]
    assert sorted(out.verdict for out in outs) == ["over_rate_stranger"] * 4 + ["slip_503"] * 2
    slipped = next(out for out in outs if out.verdict == "slip_503")
    response = check_answer(Ask().to_bytes(), slipped, 503, STRANGER, 5062)
    assert response.headers.get(b"retry-after") == b"30"


def test_an_ack_over_the_limit_gets_no_503(rig: Rig) -> None:
    switch_on(rig, limits=wire.Limits({"stranger_burst": 1, "stranger_interval": 10**12, "slip_every": 1}))
    ack = changed(INVITE, method="ACK", to="<sip:a@b>;tag=1")
    rig.send(ack.packet())
    assert rig.send(ack.packet()).verdict == "over_rate_stranger"
    assert rig.send(Ask(lines=("Subject: a", " b")).packet()).verdict == "over_rate_stranger"
