"""What an attacker may try at the service as a whole, and what comes of it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.service import accounting
from pysrv.service.journal import Formatter, visible
from pysrv.sip.events import Flow
from pysrv.sip.parser import parse_datagram
from pysrv.store.rows import NewAccount
from tests.calls.playbook import APPLIANCE, sdp
from tests.service.bench import PASSWORD, TRUNK, Bench, Client, opened

ALICE, BOB, STRANGER = "192.0.2.11", "192.0.2.12", "192.0.2.66"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def test_a_device_whose_name_is_no_utf8_registers(bench: Bench) -> None:
    alice = Client(bench, "alice", ALICE)
    answer = alice.register(extra=(b"User-Agent: T\xe9l\xe9phone",))
    assert answer is not None and answer.status == 200
    assert bench.store.bindings()[0].user_agent == "T\\xe9l\\xe9phone"


def test_the_name_of_a_device_cannot_steer_a_terminal(bench: Bench) -> None:
    Client(bench, "alice", ALICE).register(extra=(b"User-Agent: phone\xc2\x9b2J\xe2\x80\xae",))
    assert bench.store.bindings()[0].user_agent == "phone\\x9b2J\\u202e"


def test_a_wrong_password_is_kept_with_its_address_port_and_program_and_steers_no_terminal(bench: Bench) -> None:
    alice = Client(bench, "alice", ALICE)
    bench.store.set_account("alice", password="another-horse-43", realm=bench.store.account("alice").realm)  # type: ignore[union-attr]
    alice.register(extra=(b"User-Agent: Snom\xc2\x9b2J " + b"x" * 100,))
    (attempt,) = bench.store.attempts()
    host, port = alice.flow.remote
    assert attempt.detail == f"wrong password from {host}:{port}, program Snom\\x9b2J {'x' * 55}"


@pytest.mark.parametrize("method", ["OPTIONS", "SUBSCRIBE", "PUBLISH", "BYE", "INFO", "REGISTER", "INVITE", "MESSAGE"])
def test_a_strangers_requests_leave_no_state(bench: Bench, method: str) -> None:
    stranger = Client(bench, "nobody", STRANGER)
    for _ in range(50):
        bench.receive(stranger.message(method, "102"), stranger.flow)
    assert len(stranger.responses()) == 50
    assert bench.service.parts.endpoint.transactions == (0, 0)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "UPDATE", "REFER", "INFO", "OPTIONS", "NOTIFY", "MESSAGE"])
def test_requests_of_dialogs_that_do_not_exist_leave_no_state(bench: Bench, method: str) -> None:
    stranger = Client(bench, "nobody", STRANGER)
    for _ in range(50):
        bench.receive(stranger.message(method, "102", to=b"<sip:102@example.org>;tag=guessed"), stranger.flow)
    assert bench.service.parts.endpoint.transactions == (0, 0)


def test_a_number_with_control_characters_neither_forges_a_line_nor_is_stored_as_it_came(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.service.operators.apply_settings(Settings().with_changes({"validateinput": "0"}))  # which would refuse it
    Client(bench, "alice", ALICE).invite("1%0d%0aINFO%20pysrv.auth%1b%5b31m")
    assert [cdr.callee for cdr in bench.store.cdrs()] == ["1\\x0d\\x0aINFO pysrv.auth\\x1b[31m"]
    assert not any("\n" in record.getMessage() for record in caplog.records)


def test_a_record_of_the_log_is_one_line() -> None:
    record = logging.LogRecord("pysrv.x", logging.INFO, "", 0, "user=%s", ("a\r\nb\x1b[2J\u202e\x9b",), None)
    assert Formatter("%(name)s: %(message)s").format(record) == "pysrv.x: user=a\\x0d\\x0ab\\x1b[2J\\u202e\\x9b"
    assert visible("Jörg 漢字") == "Jörg 漢字"


def test_a_fault_at_one_message_spares_the_others_of_its_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice, stranger = Client(bench, "alice", ALICE), Client(bench, "nobody", STRANGER)

    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(bench.service.parts.registration, "register", broken)
    alice.register()
    assert bench.service.parts.counts.faults == 1
    bench.receive(stranger.message("OPTIONS", "102"), stranger.flow)
    assert [answer.status for answer in stranger.responses()] == [200]
    assert "broken" in caplog.text


def test_a_call_that_money_cannot_follow_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Client(bench, "alice", ALICE)

    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(bench.service.parts.accounting, "opened", broken)
    answer = alice.invite("4930123456")
    assert answer is not None and answer.status >= 400
    assert not bench.service.parts.b2bua.calls


def test_a_call_without_a_price_does_not_leave_unnoticed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.store.set_account("alice", deck="")
    Client(bench, "alice", ALICE).invite("4930123456")
    assert "call without a price" in caplog.text
    assert "account=alice callee=4930123456" in caplog.text


def test_a_call_without_a_price_is_refused_where_the_operator_asks_for_it(bench: Bench) -> None:
    bench.store.set_account("alice", deck="")
    bench.service.operators.apply_settings(Settings({"blocknotbilledcalls": 1}))
    answer = Client(bench, "alice", ALICE).invite("4930123456")
    assert answer is not None and answer.status == 403


def test_nothing_leaves_over_a_trunk_for_a_spoofed_trunk_a_stranger_or_an_empty_account(bench: Bench) -> None:
    bench.store.adjust("bob", -10_000_000, who="test")
    for peer in (Client(bench, "carrier", TRUNK), Client(bench, "bob", BOB), Client(bench, "nobody", STRANGER)):
        answer = peer.invite("4930123456")
        assert answer is not None and answer.status >= 400
        assert not peer.requests()
    assert not bench.take(TRUNK)


def test_what_a_caller_claims_to_be_does_not_reach_a_trunk(bench: Bench) -> None:
    claims = (b"P-Asserted-Identity: <sip:1900@x>", b"Remote-Party-ID: <sip:1900@x>", b"Diversion: <sip:1900@x>")
    Client(bench, "alice", ALICE).invite("4930123456", extra=claims, from_=b'"1900" <sip:1900@example.org>')
    (sent,) = Client(bench, "carrier", TRUNK).requests()
    assert sent.headers.get(b"p-asserted-identity") == b"<sip:101@192.0.2.1>"
    assert sent.from_.uri.user == b"101"
    assert b"remote-party-id" not in sent.headers and b"diversion" not in sent.headers


def test_calls_side_by_side_do_not_spend_the_same_money_twice(bench: Bench) -> None:
    alice = Client(bench, "alice", ALICE)
    bench.store.set_account("alice", maxlines=0)
    bench.store.adjust("alice", 25_000 - 10_000_000, who="test")  # two seconds and a half at 0.60 a minute
    answers = [alice.invite("4930123456") for _ in range(6)]
    assert sum(answer is None or answer.status < 300 for answer in answers) <= 2
    account = bench.store.account("alice")
    assert account is not None and account.reserved <= account.balance


def test_a_trunk_over_tcp_is_not_believed_over_udp(bench: Bench) -> None:
    bench.store.set_trunk("carrier", transport="tcp")
    Client(bench, "bob", BOB).register()
    answer = Client(bench, "carrier", TRUNK).invite("102")
    assert answer is not None and answer.status == 407
    over_tcp = Client(bench, "carrier", TRUNK)
    over_tcp.flow = Flow("tcp", APPLIANCE, (TRUNK, 40_000), 7)
    bench.service.receive_message(parse_datagram(over_tcp.message("INVITE", "102", body=sdp(TRUNK, 9))), over_tcp.flow)
    bench.turn()
    assert [request.method for request in Client(bench, "bob", BOB).requests()] == [b"INVITE"]


@pytest.mark.parametrize(("locklevel", "status"), [(0, 202), (3, 480)])
def test_a_transfer_is_no_way_around_a_lock(bench: Bench, locklevel: int, status: int) -> None:
    bench.store.add_account(NewAccount("carol", PASSWORD, Settings().realm, ("103",)), "test")
    alice, bob, carol = Client(bench, "alice", ALICE), Client(bench, "bob", BOB), Client(bench, "carol", "192.0.2.13")
    bob.register()
    carol.register()
    bench.store.set_account("carol", locklevel=locklevel)
    alice.invite("102")
    (invite,) = bob.requests()
    bob.reply(invite, 200, sdp(BOB, 10_000))
    answer = next(each for each in alice.responses() if each.status == 200)
    bench.receive(alice.inside(answer, "ACK", 2), alice.flow)
    bench.receive(alice.inside(answer, "REFER", 3, b"Refer-To: <sip:103@example.org>"), alice.flow)
    assert [each.status for each in alice.responses()] == [status]


def test_refusals_do_not_fill_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "REFUSALS_A_MINUTE", 3)
    trunk = Client(bench, "carrier", TRUNK)
    for number in range(10):
        bench.receive(trunk.message("INVITE", f"9{number}", body=sdp(TRUNK, 9)), trunk.flow)
    assert [answer.status for answer in trunk.responses()] == [404] * 10
    assert len(bench.store.cdrs()) == 3
    bench.sleep(60, 60)
    trunk.invite("99")
    assert len(bench.store.cdrs()) == 4
