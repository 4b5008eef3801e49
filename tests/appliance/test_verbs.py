"""The table of verbs: complete, closed, and deaf to nonsense."""

import json
from typing import Any

import pytest

from appliance import verbs, wire
from appliance.kernel.fake import FakeGate
from appliance.verbs import VERBS, Bounds, Caller, Verb, answer
from appliance.wire import KeeperVerb


@pytest.fixture
def gate() -> FakeGate:
    gate = FakeGate()
    gate.attach("eth0")
    return gate


def asked(gate: FakeGate, line: bytes, caller: Caller = Caller.OFFICE) -> dict[str, Any]:
    said: list[str] = []
    reply: dict[str, Any] = json.loads(answer(gate, caller, line, said.append))
    return reply | {"said": said}


def test_every_verb_of_the_protocol_has_one_row() -> None:
    assert set(VERBS) == set(KeeperVerb)


def test_hello_with_another_version_is_refused(gate: FakeGate) -> None:
    reply = asked(gate, wire.request(1, "hello", wire.Hello(version=99)))
    assert reply["error"]["code"] == "version"


def test_a_session_lives_through_its_verbs(gate: FakeGate) -> None:
    stream = wire.RelayStream(("192.0.2.1", 20000), ("192.0.2.1", 20002), ("198.51.100.7", 4000))
    assert asked(gate, wire.request(1, "open_session", wire.RelaySession(7, 0, (stream,))))["result"] == {}
    assert asked(gate, wire.request(2, "renew_lease", wire.Renewal(7, 10)))["result"] == {}
    assert [row["session"] for row in asked(gate, wire.request(3, "counters"))["result"]["sessions"]] == [7]
    assert asked(gate, wire.request(4, "close_session", wire.SessionRef(7)))["result"]["found"] is True
    assert asked(gate, wire.request(5, "renew_lease", wire.Renewal(7, 10)))["error"]["code"] == "no_session"


def test_bans_and_sources_come_and_go(gate: FakeGate) -> None:
    asked(gate, wire.request(1, "ban", wire.Ban("192.0.2.7")))
    asked(gate, wire.request(2, "allow", wire.Source("192.0.2.0/24")))
    assert asked(gate, wire.request(3, "status"))["result"]["bans"] == 1
    assert [ban["prefix"] for ban in asked(gate, wire.request(4, "bans"))["result"]["bans"]] == ["192.0.2.7"]
    assert asked(gate, wire.request(5, "unban", wire.Prefix("192.0.2.7")))["ok"]
    assert asked(gate, wire.request(6, "disallow", wire.Prefix("192.0.2.0/24")))["ok"]
    assert len(asked(gate, wire.request(7, "tallies"))["result"]["tallies"]) > 3


def test_a_plan_is_in_force_with_its_generation(gate: FakeGate) -> None:
    plan = wire.Plan(5, (("udp", 5060),), (20000, 29999))
    assert asked(gate, wire.request(1, "sync", plan))["result"]["added"] > 0
    assert asked(gate, wire.request(2, "hello", wire.Hello()))["result"]["generation"] == 5


@pytest.mark.parametrize(
    ("line", "code", "ident"),
    [
        (b"", "bad_line", 0),
        (b"\xff\xfe", "bad_line", 0),
        (b"[" * 100_000, "bad_line", 0),
        (b"[]", "bad_line", 0),
        (b'{"id":"x","verb":"status"}', "bad_line", 0),
        (b'{"id":true,"verb":"status"}', "bad_line", 0),
        (b'{"id":3}', "unknown_verb", 3),
        (b'{"id":3,"verb":["status"]}', "unknown_verb", 3),
        (b'{"id":3,"verb":"__class__"}', "unknown_verb", 3),
        (b'{"id":3,"verb":"status","args":{"more":1}}', "bad_args", 3),
        (b'{"id":3,"verb":"status","args":[]}', "bad_args", 3),
        (b'{"id":3,"verb":"ban","args":{}}', "bad_args", 3),
        (b'{"id":3,"verb":"ban","args":{"prefix":7}}', "bad_args", 3),
        (b'{"id":3,"verb":"renew_lease","args":{"session":1,"deadline_ns":"soon"}}', "bad_args", 3),
    ],
)
def test_nonsense_is_refused_and_named(gate: FakeGate, line: bytes, code: str, ident: int) -> None:
    reply = asked(gate, line)
    assert (reply["ok"], reply["error"]["code"], reply["id"]) == (False, code, ident)
    assert reply["said"] == []


def test_a_verb_is_refused_to_whom_its_row_does_not_name(gate: FakeGate, monkeypatch: pytest.MonkeyPatch) -> None:
    row = VERBS[KeeperVerb.BAN]
    monkeypatch.setitem(verbs._BY_NAME, "ban", Verb(frozenset({Caller.ROOT}), row.args, row.act))  # type: ignore[arg-type]
    line = wire.request(1, "ban", wire.Ban("192.0.2.7"))
    assert asked(gate, line)["error"]["code"] == "forbidden"
    assert asked(gate, line, Caller.ROOT)["ok"]


def test_a_fault_of_the_gate_is_said_and_refused(gate: FakeGate, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[wire.Ban]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gate, "bans", broken)
    reply = asked(gate, wire.request(9, "bans"))
    assert reply["error"]["code"] == "internal"
    assert reply["said"] == ["verb failed: OSError: [Errno 28] No space left on device"]


BOUNDS = Bounds((20000, 29999), frozenset((("udp", 5060), ("tcp", 5060))))


@pytest.mark.parametrize(
    ("service_ports", "relay_ports", "code"),
    [
        ((("udp", 5060), ("tcp", 5060)), (20000, 29999), ""),
        ((("tcp", 22),), (20000, 29999), "forbidden"),
        ((("udp", 53),), (20000, 29999), "forbidden"),
        ((("udp", 5060), ("tcp", 5060), ("tcp", 5061)), (20000, 29999), ""),
        ((("udp", 5061),), (20000, 29999), "forbidden"),
        ((("tcp", 1023),), (20000, 29999), "forbidden"),
        ((("tcp", 5061), ("tcp", 5062)), (20000, 29999), "forbidden"),
        ((("udp", 5060),), (1, 4999), "forbidden"),
        ((), (20000, 65535), "forbidden"),
    ],
)
def test_a_plan_reaches_for_no_ports_but_those_of_the_start(
    gate: FakeGate, service_ports: tuple[tuple[str, int], ...], relay_ports: tuple[int, int], code: str
) -> None:
    line = wire.request(1, "sync", wire.Plan(1, service_ports, relay_ports))
    reply = json.loads(answer(gate, Caller.OFFICE, line, print, BOUNDS))
    assert reply.get("error", {}).get("code", "") == code


HOSTILE = (
    b'{"id":1,"verb":"sync","args":{"generation":1,"service_ports":[],"relay_ports":[0,0],"bans":[{"prefix":"::/0"}]}}',
    b'{"id":1,"verb":"ban","args":{"prefix":"0.0.0.0/0"}}',
    b'{"id":1,"verb":"ban","args":{"prefix":"192.0.2.1","expires_at":NaN}}',
    b'{"id":1,"verb":"ban","args":{"prefix":"192.0.2.1","expires_at":Infinity}}',
    b'{"id":1,"verb":"ban","args":{"prefix":"192.0.2.1","expires_at":-1e308}}',
    b'{"id":1,"verb":"renew_lease","args":{"session":-1,"deadline_ns":1}}',
    b'{"id":1,"verb":"renew_lease","args":{"session":1,"deadline_ns":99999999999999999999999}}',
    b'{"id":1,"verb":"open_session","args":{"session":1,"deadline_ns":1,"streams":[{"local":["x",1],"peer_local":["",0]}]}}',
    b'{"id":1,"verb":"open_session","args":{"session":1,"deadline_ns":1,"streams":[{"local":["192.0.2.1",99999],'
    b'"peer_local":["192.0.2.1",2]}]}}',
    b'{"id":1,"verb":"sync","args":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"id":1,"verb":"sync","args":{"generation":1' + b"0" * 5000 + b"}}",
)


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_office_is_refused_without_a_fault(gate: FakeGate, line: bytes) -> None:
    reply = asked(gate, line)
    assert reply["ok"] is False
    assert reply["said"] == []
