"""Any request: the gate answers it as the rules want, or leaves it; it echoes nothing that our own parser refuses.

The gate does not look at the headers that it does not copy: a request that is wrong there alone is challenged too, and
refused when it comes back with credentials.
"""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import wire
from appliance.kernel.testrun import Action
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Request, Response
from pysrv.sip.parser import parse_datagram
from tests.bpf.asking import STRANGER, STRANGER6, Ask, challenge, check_answer, datagram, packet_of, switch_on
from tests.bpf.rig import Out, Rig

MANY = {"stranger_interval": 0, "odd_interval": 0, "guard_burst": 0, "budget_interval": 0}
ONCE = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "CSeq": "CSeq", "Contact": "m"}


@pytest.fixture
def on(rig: Rig) -> Rig:
    switch_on(rig, limits=wire.Limits(MANY), challenge=challenge(), scanners=())
    return rig


def must_be_right(out: Out, payload: bytes, source: str, port: int) -> None:
    """An answer keeps every rule; whatever got one is a request that our own parser takes."""
    if out.action != Action.TX:
        assert out.verdict in ("sip_odd", "sip_request", "sip_unknown_method", "sip_keepalive", "nonce_valid"), (
            out.verdict
        )
        return
    status = 407 if payload.startswith(b"INVITE ") else 401
    check_answer(payload, out, status, source, port)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str, int]:
    """A well-formed request, however its headers are spelt, ordered and spaced."""
    source = draw(st.sampled_from([STRANGER, STRANGER6]))
    port = draw(st.integers(1, 65535))
    ask = Ask(draw(st.sampled_from(["REGISTER", "INVITE"])), source=source, port=port, rport=draw(st.booleans()))
    ask.vias = tuple(f"SIP/2.0/UDP 10.0.0.{n};branch=z9hG4bK{n}" for n in range(draw(st.integers(0, 3))))
    ask.call_id = draw(st.from_regex(r"\A[A-Za-z0-9.!%*_+`'~()<>:/?{}-]{1,40}(@[a-z0-9.]{1,20})?\Z"))
    name = draw(st.sampled_from(["", '"Alice" ', '"a, b; <c>" ', "Alice Cooper ", '""']))
    ask.from_ = f"{name}<sip:{draw(st.from_regex(r'[A-Za-z0-9_.!~*&=+$/-]{1,20}', fullmatch=True))}@a.example>;tag=x"
    ask.cseq = f"{draw(st.integers(0, 2_099_999_999))} {ask.method}"
    first, *lines = ask.to_bytes().split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    order = draw(st.permutations(lines))
    vias = iter([line for line in lines if line.startswith("Via")])
    order = [next(vias) if line.startswith("Via") else line for line in order]
    spelt = "\r\n".join([first, *(_spelt(line, draw) for line in order)])
    return f"{spelt}\r\n\r\n".encode("latin-1"), source, port


def _spelt(line: str, draw: st.DrawFn) -> str:
    name, _, value = line.partition(": ")
    name = draw(st.sampled_from([name, name.lower(), name.upper(), NAMES.get(name, name)]))
    return name + ":" + " " * draw(st.integers(0, 2)) + value


@ONCE
@given(asked=requests())
def test_a_well_formed_request_is_answered_however_it_is_written(on: Rig, asked: tuple[bytes, str, int]) -> None:
    payload, source, port = asked
    out = on.send(packet_of(payload, source, port))
    must_be_right(out, payload, source, port)
    request = parse_datagram(payload)
    assert isinstance(request, Request)
    to_port = port if request.top_via.rport is not None else request.top_via.port or 5060
    if to_port >= 1024 and port >= 1024 and b":6" not in re.findall(rb"^[vV].*", payload, re.MULTILINE)[0]:
        assert out.action == Action.TX, out.verdict


Change = tuple[int, str, bytes, int]
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 700),
        st.sampled_from(["set", "cut", "copy"]),
        st.binary(min_size=1, max_size=3),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=4,
)
SEPARATORS = b' \t\r\n;,:<>"=@\\'


@ONCE
@given(changes=MUTATIONS, separators=st.booleans(), method=st.sampled_from(["REGISTER", "INVITE", "ACK", "OPTIONS"]))
def test_garbage_is_never_echoed(on: Rig, changes: list[Change], separators: bool, method: str) -> None:
    payload = mutated(Ask(method).to_bytes(), changes, separators)
    out = on.send(packet_of(payload))
    if out.action != Action.TX:
        return
    try:
        parse_datagram(payload)
    except BadMessage:
        must_be_readable(out)
    else:
        must_be_right(out, payload, STRANGER, 5062)


def must_be_readable(out: Out) -> None:
    """All that was copied is what our own parser takes."""
    response = parse_datagram(datagram(out)[4])
    assert isinstance(response, Response)
    assert response.vias
    assert response.from_.uri
    assert response.to.tag
    assert response.call_id
    assert response.cseq.method


def mutated(payload: bytes, changes: list[Change], separators: bool) -> bytes:
    text = bytearray(payload)
    for place, how, noise, count in changes:
        at = place % len(text)
        if separators:
            noise = bytes(SEPARATORS[byte % len(SEPARATORS)] for byte in noise)
        if how == "set":
            text[at : at + len(noise)] = noise
        elif how == "cut" and len(text) > count + 20:
            del text[at : at + count]
        else:
            text[at:at] = text[at // 2 : at // 2 + count]
    return bytes(text)


@ONCE
@given(noise=st.binary(min_size=1, max_size=900))
def test_noise_behind_a_request_line_is_left_alone(on: Rig, noise: bytes) -> None:
    assert on.send(packet_of(b"REGISTER sip:a SIP/2.0\r\n" + noise)).action != Action.TX
