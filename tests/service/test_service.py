"""The service as a whole, without a socket: what a peer asks, what it is told, what it costs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pysrv.service import Service
from pysrv.service.feed import Happening, Kind
from pysrv.sip.message import Response
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, Bench, Client, opened

ALICE, BOB, STRANGER = "192.0.2.11", "192.0.2.12", "192.0.2.66"
NUMBER = "4930123456"  # 0.60 a minute by the second, no connect fee: 10,000 micro-units a second


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    return Client(bench, "alice", ALICE)


@pytest.fixture
def bob(bench: Bench) -> Client:
    return Client(bench, "bob", BOB)


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


def in_dialog(method: str, answer: Response, client: Client, seq: int) -> bytes:
    """A caller's request inside the dialog that a 200 has made."""
    contact = answer.contacts[0].uri.to_bytes().decode()
    return "\r\n".join(
        (
            f"{method} {contact} SIP/2.0",
            f"Via: SIP/2.0/UDP {client.address}:{client.port};branch=z9hG4bK{method}{seq}{answer.call_id.decode()}",
            "Max-Forwards: 70",
            f"From: {(answer.headers.get(b'from') or b'').decode()}",
            f"To: {(answer.headers.get(b'to') or b'').decode()}",
            f"Call-ID: {answer.call_id.decode()}",
            f"CSeq: {seq} {method}",
            "Content-Length: 0",
            "",
            "",
        )
    ).encode()


def talking(caller: Client, callee: Client, number: str) -> Response:
    """A call that the callee has answered and the caller acknowledged; its 200."""
    caller.invite(number)
    (invite,) = callee.requests()
    callee.reply(invite, 200, sdp(callee.address, 12_000))
    answer = caller.responses()[-1]
    assert answer.status == 200
    caller.bench.receive(in_dialog("ACK", answer, caller, answer.cseq.number), caller.flow)
    callee.requests()
    return answer


def hang_up(caller: Client, callee: Client, answer: Response) -> None:
    caller.bench.receive(in_dialog("BYE", answer, caller, answer.cseq.number + 1), caller.flow)
    assert [response.status for response in caller.responses()] == [200]
    (bye,) = callee.requests()
    assert bye.method == b"BYE"
    callee.reply(bye, 200)


def funds(bench: Bench, name: str = "alice") -> tuple[int, int]:
    """Balance and what is reserved of it, micro-units."""
    account = bench.store.account(name)
    assert account is not None
    return account.balance, account.reserved


# -- outside of calls ---------------------------------------------------------------------------------------------


def test_a_registration_is_challenged_then_kept_and_makes_its_device_known(bench: Bench, alice: Client) -> None:
    bench.receive(alice.message("REGISTER", ""), alice.flow)
    (challenge,) = alice.responses()
    assert challenge.status == 401
    assert challenge.headers.get(b"www-authenticate")
    assert not bench.store.bindings()
    answer = alice.register()
    assert answer is not None and answer.status == 200
    assert [(row.aor, row.remote_host) for row in bench.store.bindings()] == [("alice", ALICE)]
    assert list(bench.gate.pairs) == [(ALICE, 5060)]
    assert bench.gate.known == []  # not the whole address: others may be behind it


def test_users_that_do_not_exist_are_answered_like_those_that_do(bench: Bench) -> None:
    answers = []
    for name in ("alice", "nobody"):
        client = Client(bench, name, STRANGER)
        bench.receive(client.message("REGISTER", ""), client.flow)
        (answer,) = client.responses()
        answers.append((answer.status, answer.reason, [key for key, _ in answer.headers.items()]))
    assert answers[0] == answers[1]


def test_nobody_registers_for_somebody_else(bench: Bench, alice: Client) -> None:
    answer = alice.ask("REGISTER", "", to=b"<sip:bob@example.org>")
    assert answer is not None and answer.status == 403
    assert not bench.store.bindings()


def test_a_registration_that_repeats_the_challenges_to_tag_is_a_registration(bench: Bench, alice: Client) -> None:
    answer = alice.ask("REGISTER", "", to=b"<sip:alice@example.org>;tag=of-the-401")
    assert answer is not None and answer.status == 200


def test_an_account_locked_out_of_everything_does_not_register(bench: Bench, alice: Client) -> None:
    bench.store.set_account("alice", locklevel=4)
    answer = alice.register()
    assert answer is not None and answer.status == 403


def test_options_are_answered_without_proof(bench: Bench) -> None:
    stranger = Client(bench, "nobody", STRANGER)
    answer = stranger.ask("OPTIONS", "")
    assert answer is not None and answer.status == 200
    assert b"INVITE" in (answer.headers.get(b"allow") or b"")


def test_a_message_reaches_the_other_user_under_the_senders_proven_name(
    bench: Bench, alice: Client, bob: Client
) -> None:
    bob.register()
    bench.take(BOB)
    assert (
        alice.ask("MESSAGE", "102", from_=b"<sip:president@example.org>", extra=(b"Content-Type: text/plain",)) is None
    )
    (message,) = bob.requests()
    assert (message.method, message.from_.uri.user) == (b"MESSAGE", b"alice")
    bob.reply(message, 200)
    assert [answer.status for answer in alice.responses()] == [200]


@pytest.mark.parametrize(("user", "status"), [("102", 480), ("999", 404)])
def test_a_message_to_nobody_says_so(alice: Client, user: str, status: int) -> None:
    answer = alice.ask("MESSAGE", user)
    assert answer is not None and answer.status == status


# -- calls that are allowed ---------------------------------------------------------------------------------------


def test_a_call_between_users_costs_nothing_and_hides_either_address(bench: Bench, alice: Client, bob: Client) -> None:
    bob.register()
    bench.take(BOB)
    alice.invite("102")
    (invite,) = bob.requests()
    assert ALICE.encode() not in invite.to_bytes()
    bob.reply(invite, 180)
    bob.reply(invite, 200, sdp(BOB, 12_000))
    ringing, answer = alice.responses()
    assert (ringing.status, answer.status) == (180, 200)
    assert BOB.encode() not in answer.to_bytes()
    bench.receive(in_dialog("ACK", answer, alice, answer.cseq.number), alice.flow)
    assert [request.method for request in bob.requests()] == [b"ACK"]
    bench.sleep(12.5)
    hang_up(alice, bob, answer)
    (record,) = bench.store.cdrs()
    assert (record.caller, record.callee, record.charge, record.sip_status) == ("101", "102", 0, 200)
    assert record.duration_s == pytest.approx(12.5)
    assert not bench.gate.sessions


@pytest.mark.parametrize(("seconds", "billed"), [(0.4, 1), (7.0, 7), (59.9, 60), (130.25, 131)])
def test_the_charge_is_exact(bench: Bench, alice: Client, carrier: Client, seconds: float, billed: int) -> None:
    answer = talking(alice, carrier, NUMBER)
    assert funds(bench)[1] > 0
    bench.sleep(seconds)
    hang_up(alice, carrier, answer)
    (record,) = bench.store.cdrs()
    assert (record.billable_seconds, record.charge, record.trunk) == (billed, billed * 10_000, "carrier")
    assert funds(bench) == (10_000_000 - billed * 10_000, 0)
    assert not bench.store.open_calls()


def test_the_store_knows_of_a_call_before_the_carrier_does(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.service.receive_datagram(alice.message("INVITE", NUMBER), alice.flow)
    bench.turn()
    alice.responses()
    alice.invite(NUMBER)
    (opened_call,) = bench.store.reader().open_calls()  # another connection sees only what is committed
    assert opened_call.lease.reserved > 0
    assert [request.method for request in carrier.requests()] == [b"INVITE"]


def test_a_call_that_is_not_answered_gives_everything_back(bench: Bench, alice: Client, carrier: Client) -> None:
    alice.invite(NUMBER)
    (invite,) = carrier.requests()
    carrier.reply(invite, 486)
    assert [answer.status for answer in alice.responses()] == [486]
    (record,) = bench.store.cdrs()
    assert (record.charge, record.cause, record.sip_status) == (0, 17, 486)
    assert funds(bench) == (10_000_000, 0)


def test_a_user_without_a_device_is_unavailable_and_the_record_ends_no_earlier_than_it_began(
    bench: Bench, alice: Client
) -> None:
    answer = alice.invite("102")
    assert answer is not None and answer.status == 480
    (record,) = bench.store.cdrs()
    assert (record.charge, record.answered_at) == (0, None)
    assert record.ended_at >= record.setup_at


# -- calls that are refused: every stage names its setting to those who have proved who they are -------------------


@pytest.mark.parametrize(
    ("changes", "number", "status", "setting"),
    [
        ({"locklevel": 2}, "102", 403, "locklevel"),
        ({"locklevel": 1}, NUMBER, 403, "locklevel"),
        ({"onlylocalaccess": True}, NUMBER, 403, "onlylocalaccess"),
        ({"deck": ""}, NUMBER, 403, "blocknotbilledcalls"),
        ({}, "7000", 404, "routes"),
    ],
    ids=["locked", "locked abroad", "only local", "no price", "no route"],
)
def test_a_refusal_names_the_setting_that_caused_it(
    bench: Bench, alice: Client, bob: Client, changes: dict[str, Any], number: str, status: int, setting: str
) -> None:
    bench.service.operators.apply_settings(
        bench.service.operators.settings().with_changes({"blocknotbilledcalls": "1"})
    )
    bob.register()
    bench.take(BOB)
    if changes:
        bench.store.set_account("alice", **changes)
    answer = alice.invite(number)
    assert answer is not None and answer.status == status
    assert b'"%b"' % setting.encode() in (answer.headers.get(b"warning") or b"")
    (record,) = bench.store.cdrs()
    assert (record.refused_by, record.sip_status, record.charge) == (setting, status, 0)
    assert not bench.take(BOB) and not bench.take(TRUNK)
    assert funds(bench) == (10_000_000, 0)


def test_a_call_that_credit_does_not_buy_a_second_of_is_refused(bench: Bench, alice: Client) -> None:
    bench.store.adjust("alice", -9_995_000)
    answer = alice.invite(NUMBER)
    assert answer is not None and answer.status == bench.service.operators.settings().quotadiscreason
    assert bench.store.cdrs()[0].refused_by == "credit"
    assert not bench.take(TRUNK)


def test_no_more_calls_run_than_the_account_has_lines(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.store.set_account("alice", maxlines=1)
    answer = talking(alice, carrier, NUMBER)
    second = alice.invite(NUMBER)
    assert second is not None and second.status == 486
    assert bench.store.cdrs()[0].refused_by == "maxlines"
    hang_up(alice, carrier, answer)
    third = alice.invite(NUMBER)
    assert third is None or third.status < 300


def test_a_disabled_account_is_a_stranger(bench: Bench, alice: Client) -> None:
    bench.store.set_account("alice", enabled=False)
    answer = alice.invite(NUMBER)
    assert answer is not None and answer.status == 407
    assert not bench.take(TRUNK)


def test_a_trunk_reaches_users_and_not_other_trunks(bench: Bench, carrier: Client, bob: Client) -> None:
    bob.register()
    bench.take(BOB)
    answer = carrier.invite(NUMBER)
    assert answer is not None and answer.status == 403
    carrier.invite("102")
    assert [request.method for request in bob.requests()] == [b"INVITE"]


# -- leases -------------------------------------------------------------------------------------------------------


def test_a_lease_is_renewed_while_money_lasts_and_the_deadline_moves_with_it(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    answer = talking(alice, carrier, NUMBER)
    (session,) = bench.gate.sessions
    first = bench.gate.sessions[session].deadline_ns
    covered = bench.store.open_calls()[0].lease.covered_s
    assert first == int((bench.now + covered) * 1_000_000_000)
    bench.sleep(covered + 5)
    assert bench.gate.sessions[session].deadline_ns > int(bench.now * 1_000_000_000)
    hang_up(alice, carrier, answer)


def test_a_call_ends_when_its_lease_does_and_never_costs_more_than_there_was(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    bench.store.adjust("alice", -9_925_000)  # 0.075 is left: seven seconds and a half, so seven
    talking(alice, carrier, NUMBER)
    began = bench.now
    while bench.gate.sessions and bench.now < began + 30:
        bench.sleep(0.25)
    assert bench.now - began == pytest.approx(7.0, abs=0.5)
    assert [request.method for request in alice.requests()] == [b"BYE"]
    assert [request.method for request in carrier.requests()] == [b"BYE"]
    (record,) = bench.store.cdrs()
    assert (record.billable_seconds, record.charge, record.refused_by) == (7, 70_000, "credit")
    assert funds(bench) == (5_000, 0)


def test_two_calls_never_reserve_the_same_money(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.store.adjust("alice", -9_800_000)  # 0.20: twenty seconds in all
    first, second = talking(alice, carrier, NUMBER), talking(alice, carrier, NUMBER)
    assert first.call_id != second.call_id
    bench.sleep(40)
    assert not bench.store.open_calls()
    balance, reserved = funds(bench)
    assert reserved == 0
    assert 0 <= balance < 10_000
    assert sum(record.charge for record in bench.store.cdrs()) == 200_000 - balance


# -- restarts -----------------------------------------------------------------------------------------------------


def test_calls_that_died_with_the_process_are_settled_at_the_next_start(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    """Killed before its snapshot was written: what the kernel may have carried is charged, at most the lease."""
    talking(alice, carrier, NUMBER)
    (call,) = bench.store.open_calls()
    assert not call.snapshot
    bench.now += 3600
    again = Service(bench.store, bench.service.operators.settings(), bench._world())
    again.start()
    assert not bench.store.open_calls()
    (record,) = bench.store.cdrs()
    assert record.billable_seconds == call.lease.covered_s
    assert funds(bench) == (10_000_000 - record.charge, 0)


def test_an_answered_call_outlives_a_restart_and_is_charged_for_all_of_it(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    answer = talking(alice, carrier, NUMBER)
    bench.sleep(5)
    (call,) = bench.store.open_calls()
    assert call.snapshot
    bench.now += 3
    bench.service = Service(bench.store, bench.service.operators.settings(), bench._world())
    bench.service.start()
    bench.turn()
    assert [row.call_id for row in bench.store.open_calls()] == [call.call_id]
    bench.sleep(1)
    for peer in (alice, carrier):  # each is asked whether it is still there (RFC 4028)
        refresh = peer.requests()[0]
        assert refresh.method in (b"INVITE", b"UPDATE") and refresh.to.tag is not None
        peer.reply(refresh, 200, sdp(peer.address, 12_000))
    bench.sleep(1)
    for peer in (alice, carrier):
        assert {request.method for request in peer.requests()} <= {b"ACK", refresh.method}
    hang_up(alice, carrier, answer)
    (record,) = bench.store.cdrs()
    assert (record.billable_seconds, record.charge, record.trunk) == (10, 100_000, "carrier")
    assert funds(bench) == (9_900_000, 0)


def test_bindings_survive_a_restart(bench: Bench, alice: Client, bob: Client) -> None:
    bob.register()
    bench.take(BOB)
    bench.service = Service(bench.store, bench.service.operators.settings(), bench._world())
    bench.service.start()
    alice.invite("102")
    assert [request.method for request in bob.requests()] == [b"INVITE"]


def test_a_binding_that_ran_out_while_nothing_ran_leaves_no_row(bench: Bench, bob: Client) -> None:
    bob.register()
    bench.take(BOB)
    (row,) = bench.store.bindings()
    bench.store.save_binding(replace(row, aor="alice", expires_at=1.0))
    bench.service = Service(bench.store, bench.service.operators.settings(), bench._world())
    bench.service.start()
    assert bench.store._all("SELECT aor FROM bindings") == [("bob",)]


def test_a_phone_is_asked_to_dial_and_then_calls_like_any_other(bench: Bench, alice: Client, bob: Client) -> None:
    assert not bench.service.operators.dial("bob", "101")  # no phone of his is registered
    bob.register()
    bench.take(BOB)
    assert bench.service.operators.dial("bob", "4930111")
    bench.turn()
    (asked,) = bob.requests()
    assert asked.method == b"REFER" and (asked.headers.get(b"refer-to") or b"").startswith(b"<sip:4930111@")
    assert asked.headers.get(b"refer-sub") == b"false"
    bob.reply(asked, 202)
    assert not bench.store.open_calls()  # nothing runs and nothing is paid before the phone itself calls


def test_a_text_of_the_api_reaches_every_device_under_the_accounts_name(bench: Bench, bob: Client) -> None:
    assert bench.service.operators.page("alice", "102", "hello") == 0
    bob.register()
    bench.take(BOB)
    assert bench.service.operators.page("alice", "102", "grüß dich") == 1
    bench.turn()
    (message,) = bob.requests()
    assert (message.method, message.from_.uri.user, message.body.decode()) == (b"MESSAGE", b"alice", "grüß dich")
    bob.reply(message, 200)


def test_listeners_hear_of_devices_calls_refusals_and_settings(bench: Bench, alice: Client, bob: Client) -> None:
    heard: list[Happening] = []
    bench.service.parts.feed.listen(heard.append)
    bob.register()
    bench.take(BOB)
    alice.ask("INVITE", "999999")  # nobody
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes({"maxlines": "3"}, 9))
    bench.turn()
    kinds = [each.kind for each in heard]
    assert kinds[:2] == [Kind.REGISTERED, Kind.CALL_BEGUN] and kinds[-2:] == [Kind.CALL_REFUSED, Kind.SETTINGS]
    assert heard[0].figures["account"] == "bob" and heard[1].figures["account"] == "alice"
    assert heard[1].figures["call_id"] == heard[-2].figures["call_id"]
