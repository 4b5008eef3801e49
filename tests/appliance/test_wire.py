"""The control protocol's codec: round trips, and refusals that name the field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import wire
from appliance.wire import WireError

STREAM = wire.RelayStream(("192.0.2.1", 20000), ("2001:db8::1", 20002), None, payload_types=(0, 8))
VALUES: list[Any] = [
    wire.Hello(),
    wire.Interface("eth0", "native"),
    wire.GateStatus(1, (wire.Interface("lo", "generic", "loopback"),), "user", "lo", True, 7, 1, 2, 1.5),
    wire.Prefix("2001:db8::/32"),
    wire.Source("192.0.2.7", wire.SourceClass.KNOWN, 5.0, "trunk"),
    wire.Ban("192.0.2.7", 5.0, "maxwrongauthfromip", "2500 in 1 h"),
    STREAM,
    wire.RelaySession(2**64 - 1, 2**63, (STREAM, STREAM)),
    wire.Renewal(1, 2),
    wire.SessionRef(1),
    wire.SessionCounters(1, True, (wire.StreamCounters(("192.0.2.1", 20000), 1, 2, 3, 4, ("192.0.2.9", 5)),)),
    wire.Plan(1, (("udp", 5060),), (20000, 29999), wire.Limits({"stranger_burst": 300}), bans=(wire.Ban("192.0.2.7"),)),
    wire.Applied(1, 2, 3),
    wire.Tally("BANNED", "DROP", "the source is banned", 1, 2),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_shape_survives_the_wire(value: Any) -> None:
    line = wire.request(3, "any", value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert wire.from_dict(type(value), wire.decode(line)["args"]) == value
    assert wire.from_dict(type(value), wire.to_dict(value)) == value


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        (wire.Ban, {}, "prefix"),
        (wire.Ban, {"prefix": 7}, "Ban.prefix must be text, not 7"),
        (wire.Ban, {"prefix": "::1", "reason": "\ud83d"}, "Ban.reason holds half of a character"),
        (wire.Ban, {"prefix": "x", "expires_at": "soon"}, "Ban.expires_at must be a number"),
        (wire.Ban, {"prefix": "x", "more": 1}, "Ban has no field 'more'"),
        (wire.Ban, [], "Ban must be an object"),
        (wire.Renewal, {"session": True, "deadline_ns": 1}, "Renewal.session must be a whole number, not True"),
        (wire.Source, {"prefix": "x", "kind": "friend"}, "Source.kind must be one of allow, known"),
        (wire.Plan, {"generation": 1, "service_ports": [["udp"]], "relay_ports": [1, 2]}, "Plan.service_ports[0]"),
        (wire.Plan, {"generation": 1, "service_ports": [], "relay_ports": 5}, "Plan.relay_ports must be a list"),
        (wire.Limits, {"values": {"burst": "many"}}, "Limits.values must be a whole number, not 'many'"),
        (wire.Limits, {"values": []}, "Limits.values must be an object"),
        (wire.RelaySession, {"session": 1, "deadline_ns": 1, "streams": [{}]}, "RelayStream"),
        (wire.RelaySession, {"session": 1, "deadline_ns": 1, "streams": [5]}, "RelayStream must be an object"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: type[Any], args: Any, says: str) -> None:
    with pytest.raises(WireError) as refusal:
        wire.from_dict(kind, args)
    assert refusal.value.code == "bad_args"
    assert says in refusal.value.message


def test_a_whole_number_serves_as_seconds() -> None:
    assert wire.from_dict(wire.Ban, {"prefix": "x", "expires_at": 5}) == wire.Ban("x", 5.0)


def test_a_refusal_carries_code_message_and_hint() -> None:
    reply = wire.decode(wire.refusal(4, WireError("busy", "it is busy", "wait")))
    assert reply == {"id": 4, "ok": False, "error": {"code": "busy", "message": "it is busy", "hint": "wait"}}


@given(st.binary(max_size=200))
def test_decode_raises_nothing_but_its_own_error(line: bytes) -> None:
    try:
        wire.decode(line)
    except WireError as error:
        assert error.code == "bad_line"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_NAMES = st.sampled_from(["session", "deadline_ns", "streams", "prefix", "expires_at", "limits", "bans", "generation"])


@given(st.sampled_from(VALUES), st.dictionaries(_NAMES, _JSON, max_size=4))
def test_from_dict_raises_nothing_but_its_own_error(value: Any, changes: dict[str, Any]) -> None:
    args = json.loads(json.dumps(wire.to_dict(value))) | changes
    try:
        assert isinstance(wire.from_dict(type(value), args), type(value))
    except WireError as error:
        assert error.code == "bad_args"
