"""Calls that outlive a restart of the service."""

import json

import pytest

from pysrv.calls import events as tell
from pysrv.calls.b2bua import B2bua
from pysrv.calls.plan import B2buaConfig, CallPlan, TargetKind, TrunkCredentials
from pysrv.media.ports import PortPool
from pysrv.sip.endpoint import Endpoint
from tests.calls.playbook import SECRET, Table, sdp, source, talking
from tests.calls.test_transfer import attended


def restart(table: Table, *call_ids: str, credentials: TrunkCredentials | None = None) -> None:
    """The process dies; another one takes the calls up from what was saved."""
    saved = [json.loads(json.dumps(table.b2bua.snapshot(call_id))) for call_id in call_ids]
    tokens = source("after the restart")
    table.endpoint = Endpoint(tokens, SECRET)
    table.ports = PortPool(20_000, 20_999)
    table.b2bua = B2bua(table.endpoint, table.ports, B2buaConfig(), tokens)
    for snapshot in saved:
        assert table.b2bua.restore(snapshot, table.now, lambda label: credentials) == snapshot["call_id"]
    table.settle()
    table.run(0.1)
    for phone in table.phones.values():
        for event in list(phone.requests):
            if event.request.method == b"UPDATE":
                phone.respond(200, method=b"UPDATE")


@pytest.mark.parametrize(("who", "other"), [("alice", "bob"), ("bob", "alice")])
def test_a_restored_call_goes_on_and_ends_as_any_other(who: str, other: str) -> None:
    table = Table()
    call_id = talking(table)
    rows = table.all(tell.MediaChanged)[-1].session
    in_use = table.ports.in_use
    table.run(50)
    restart(table, call_id)
    assert table.all(tell.MediaChanged)[-1].session == rows
    assert table.ports.in_use == in_use
    one, two = table[who], table[other]
    one.request(b"INVITE", sdp(one.address[0], 17_000, version=5))
    two.respond(200, sdp(two.address[0], 12_000, version=5))
    one.ack(one.last_response(b"INVITE"))
    table.run(50)
    one.bye()
    two.respond(200, method=b"BYE")
    ended = table.take(tell.CallEnded)
    assert (ended.call_id, ended.ended_by.value) == (call_id, "caller" if who == "alice" else "callee")
    assert ended.duration_s == pytest.approx(100, abs=1)
    assert ended.target is not None
    assert ended.target.uri.user == b"bob"
    table.assert_clean()


def test_a_party_that_left_during_the_restart_is_found_out_at_once() -> None:
    table = Table()
    call_id = talking(table)
    saved = table.b2bua.snapshot(call_id)
    table["bob"].dialog = None
    table.down.add("bob")
    restart(table, call_id)
    assert saved is not None
    table.run(40)
    assert table.take(tell.CallEnded).cause.q850 == 102
    table["alice"].respond(200, method=b"BYE")
    table.assert_clean()


def test_a_call_keeps_its_time_limit_over_a_restart() -> None:
    table = Table()
    call_id = talking(table, plan=CallPlan(call_timeout_s=100))
    table.run(50)
    restart(table, call_id)
    table.run(49)
    assert not table.all(tell.CallEnded)
    table.run(2)
    assert table.take(tell.CallEnded).duration_s == pytest.approx(100, abs=0.1)
    for phone in (table["alice"], table["bob"]):
        phone.respond(200, method=b"BYE")
    table.assert_clean()


def test_calls_that_were_joined_still_end_together() -> None:
    table = Table("alice", "bob", "carol")
    first, second = attended(table)
    table["carol"].respond(200, sdp(table["carol"].address[0], 12_000, version=2))
    table["alice"].respond(200, sdp(table["alice"].address[0], 10_000, version=3))
    table.service.clear()
    restart(table, first, second)
    table["carol"].bye()
    table["alice"].respond(200, method=b"BYE")
    assert {event.call_id for event in table.all(tell.CallEnded)} == {first, second}


def test_a_trunks_challenge_is_answered_after_a_restart_and_no_secret_is_saved() -> None:
    table = Table()
    credentials = TrunkCredentials("user", "top-secret")
    table["alice"].invite("4930123")
    call_id = table.admit(table.target("bob", kind=TargetKind.TRUNK, label="carrier", credentials=credentials))
    table["bob"].respond(200, sdp(table["bob"].address[0], 12_000))
    table["alice"].established()
    assert "top-secret" not in json.dumps(table.b2bua.snapshot(call_id))
    restart(table, call_id, credentials=credentials)
    table["alice"].bye()
    table["bob"].respond(407, headers=((b"Proxy-Authenticate", b'Digest realm="r", nonce="n"'),), method=b"BYE")
    assert b'username="user"' in table["bob"].last_request(b"BYE").headers.get(b"proxy-authorization")
    table["bob"].respond(200, method=b"BYE")
    table.assert_clean()


def test_a_call_that_is_not_answered_has_no_snapshot() -> None:
    table = Table()
    table["alice"].invite()
    call_id = table.admit("bob")
    assert table.b2bua.snapshot(call_id) is None
    assert table.b2bua.snapshot("nobody") is None


def test_what_is_no_snapshot_is_refused_with_a_reason() -> None:
    table = Table()
    call_id = talking(table)
    saved = table.b2bua.snapshot(call_id)
    assert saved is not None
    with pytest.raises(ValueError, match="running already"):
        table.b2bua.restore(saved, table.now)
    with pytest.raises(ValueError, match="not a snapshot"):
        table.b2bua.restore({}, table.now)
    with pytest.raises(ValueError, match="port"):
        table.b2bua.restore({**saved, "call_id": "other"}, table.now)
    restarted = Table()
    broken = {**saved, "legs": {**saved["legs"], "callee": {}}}
    with pytest.raises(ValueError, match="not a snapshot"):
        restarted.b2bua.restore(broken, table.now)
    assert restarted.b2bua.remnants == (0, 0, 0)
    assert restarted.ports.in_use == 0
    with pytest.raises(ValueError, match="version"):
        table.b2bua.restore({**saved, "call_id": "other", "version": 99}, table.now)
