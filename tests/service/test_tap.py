"""What the service hears and says, remembered by call: a call over a trunk, a refused one, a wrong password."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.calls.ladder import ladder
from pysrv.calls.trace import Trace
from pysrv.sip.scrub import Caught
from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.test_service import hang_up, talking

NUMBER = "4930123456"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    return Client(bench, "alice", "192.0.2.11")


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


def drawn(trace: Trace) -> list[str]:
    """Each rung as `0>1 INVITE`."""
    return [f"{rung.source}>{rung.target} {rung.text}" for rung in ladder(trace).rungs]


def latest(bench: Bench, account: str) -> Trace:
    return next(bench.service.operators.traces().find(account))


def test_both_legs_of_a_call_are_one_ladder(bench: Bench, alice: Client, carrier: Client) -> None:
    hang_up(alice, carrier, talking(alice, carrier, NUMBER))
    (record,) = bench.store.cdrs()
    trace = bench.service.operators.traces().of_call(record.call_id)
    assert trace is not None
    assert (trace.account, len(trace.legs)) == ("alice", 2)
    assert drawn(trace) == [
        "0>1 INVITE", "1>0 407 Proxy Authentication Required",
        "0>1 INVITE", "1>2 INVITE", "2>1 200 Whatever", "1>2 ACK", "1>0 200 OK", "0>1 ACK",
        "0>1 BYE", "1>0 200 OK", "1>2 BYE", "2>1 200 Whatever",
    ]  # fmt: skip


def test_a_refused_call_has_a_trace_under_its_records_name(bench: Bench, alice: Client) -> None:
    assert alice.invite("999000999") is not None
    (record,) = bench.store.cdrs()
    trace = bench.service.operators.traces().of_call(record.call_id)
    assert trace is not None
    assert drawn(trace)[-1] == f"1>0 {record.sip_status} {drawn(trace)[-1].split(' ', 2)[2]}"
    assert bench.service.operators.traces().held == (1, 0)


def test_a_wrong_password_is_found_by_the_name_that_was_claimed(bench: Bench, alice: Client) -> None:
    login = b'Authorization: Digest username="alice", realm="x", nonce="00", uri="sip:x", response="5ec7e75ec7e7"'
    bench.receive(alice.message("REGISTER", "", extra=(login,)), alice.flow)
    trace = latest(bench, "alice")
    assert (trace.call_id, drawn(trace)[0]) == ("", "0>1 REGISTER")
    assert drawn(trace)[1].startswith("1>0 40")
    assert "5ec7e7" not in str(ladder(trace))


@pytest.mark.setting("calltraces")
def test_calltraces_says_how_many_calls_are_remembered(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.service.operators.apply_settings(Settings({"calltraces": 0}))
    hang_up(alice, carrier, talking(alice, carrier, NUMBER))
    assert bench.service.operators.traces().held == (0, 0)
    bench.service.operators.apply_settings(Settings({"calltraces": 1}))
    for _ in range(2):
        hang_up(alice, carrier, talking(alice, carrier, NUMBER))
    assert bench.service.operators.traces().held[0] == 1
    assert bench.service.operators.traces().of_call(bench.store.cdrs()[0].call_id) is not None


@pytest.mark.setting("hepserver")
def test_messages_are_exported_while_there_is_a_server_for_them(bench: Bench, alice: Client, carrier: Client) -> None:
    caught: list[Caught] = []
    bench.service.parts.tap.export = caught.append
    talking(alice, carrier, NUMBER)
    assert caught == []
    bench.service.operators.apply_settings(Settings({"hepserver": "192.0.2.99:9060", "calltraces": 0}))
    alice.invite(NUMBER)
    assert [each.text.partition(b" ")[0] for each in caught if not each.out] == [b"INVITE", b"INVITE"]
    assert all(b"response=" not in each.text for each in caught)
    assert any(each.flow.remote[0] == TRUNK for each in caught)


def test_what_is_exported_of_a_call_goes_by_the_callers_call_id(bench: Bench, alice: Client, carrier: Client) -> None:
    caught: list[Caught] = []
    bench.service.parts.tap.export = caught.append
    bench.service.operators.apply_settings(Settings({"hepserver": "192.0.2.99:9060"}))
    answer = talking(alice, carrier, NUMBER)
    assert {each.correlation for each in caught} == {answer.call_id}
    assert {each.flow.remote[0] for each in caught} == {alice.address, TRUNK}
