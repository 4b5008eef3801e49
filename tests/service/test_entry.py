"""needauth, from the account to the call: what each mode demands, and that nobody learns what was lacking."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pysrv.limits.credentials import AUTH_MODES, Mode, Register
from pysrv.sip.digest import answer_challenge
from pysrv.sip.message import Response
from tests.calls.playbook import APPLIANCE, sdp
from tests.service.bench import WALL, Bench, Client, opened
from tests.service.test_service import NUMBER, funds, hang_up, talking

OFFICE, ELSEWHERE, BOB = "192.0.2.50", "192.0.2.99", "192.0.2.12"
PREFIX = "99"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        made.store.set_account("bob", needauth=4)
        bob = Client(made, "bob", BOB)
        bob.register()
        made.take(BOB)
        yield made


def enter(bench: Bench, needauth: int, **fields: Any) -> None:
    """alice comes in by this mode, from the office's address."""
    mode = AUTH_MODES[needauth]
    place = f"{OFFICE}:5060" if mode.port else "192.0.2.48/28" if mode.networks else OFFICE
    wanted = {"needauth": needauth, "authip": (place,) if mode.address else ()} | fields
    wanted["techprefix"] = PREFIX if mode.prefix else ""
    bench.store.set_account("alice", **wanted)
    bench.service.operators.account_changed("alice")


@dataclass(frozen=True)
class Shown:
    """What a call shows: by default everything that any mode could demand."""

    address: str = OFFICE
    port: int = 5060
    prefix: str = PREFIX
    user: str = "alice"
    password: bool = True


def call(bench: Bench, mode: Mode, shown: Shown, number: str = "102") -> Response | None:
    """A call from alice's office; the last answer."""
    client = Client(bench, shown.user, shown.address, shown.port)
    dialled = (shown.prefix if mode.prefix else "") + number
    if shown.password and mode.password:
        return client.invite(dialled)
    bench.receive(client.message("INVITE", dialled), client.flow)
    answers = client.responses()
    return answers[-1] if answers else None


def rang(bench: Bench) -> bool:
    return any(getattr(message, "method", b"") == b"INVITE" for message in bench.take(BOB))


USED = [mode for mode in AUTH_MODES.values() if mode.number != 0]
LACKS = {
    "address": Shown(address=ELSEWHERE),
    "port": Shown(port=5099),
    "prefix": Shown(prefix=""),
    "user": Shown(user="nobody"),
    "password": Shown(password=False),
}


@pytest.mark.setting("needauth")
@pytest.mark.parametrize("mode", USED, ids=lambda mode: mode.words)
def test_a_call_that_shows_what_its_mode_demands_is_the_accounts(bench: Bench, mode: Mode) -> None:
    enter(bench, mode.number)
    call(bench, mode, Shown())
    assert rang(bench)
    (record,) = bench.store.open_calls()
    assert record.account == "alice"


@pytest.mark.setting("needauth")
@pytest.mark.setting("authip")
@pytest.mark.parametrize(
    ("mode", "lack"),
    [(mode, lack) for mode in USED for lack in LACKS if getattr(mode, lack)],
    ids=lambda value: value.words if isinstance(value, Mode) else value,
)
def test_a_call_that_lacks_one_of_them_is_answered_like_one_of_nobody(bench: Bench, mode: Mode, lack: str) -> None:
    enter(bench, mode.number)
    answer = call(bench, mode, LACKS[lack])
    assert answer is not None and not rang(bench)
    if lack == "prefix" and mode.address:
        assert answer.status == 403
        assert b'"techprefix"' in (answer.headers.get(b"warning") or b"")
        return
    stranger = Client(bench, "nobody", "192.0.2.98")
    bench.receive(stranger.message("INVITE", "102"), stranger.flow)
    (expected,) = stranger.responses()
    assert (answer.status, answer.reason) == (expected.status, expected.reason) == (407, expected.reason)
    assert [key for key, _ in answer.headers.items()] == [key for key, _ in expected.headers.items()]


@pytest.mark.setting("needauth")
@pytest.mark.parametrize("mode", [each for each in USED if each.address and each.password], ids=lambda mode: mode.words)
def test_the_right_password_from_the_wrong_address_counts_as_a_wrong_one(bench: Bench, mode: Mode) -> None:
    enter(bench, mode.number)
    call(bench, mode, Shown(address=ELSEWHERE))
    (attempt,) = bench.store.attempts()
    assert (attempt.kind, attempt.user, attempt.setting) == ("wrong_password", "alice", "needauth")
    assert attempt.detail.startswith(f"wrong password from {ELSEWHERE}:")


# -- registrations ------------------------------------------------------------------------------------------------


@pytest.mark.setting("needauth")
@pytest.mark.parametrize("mode", AUTH_MODES.values(), ids=lambda mode: mode.words)
def test_a_registration_shows_what_its_mode_demands_of_registrations(bench: Bench, mode: Mode) -> None:
    enter(bench, mode.number)
    for address, knows, accepted in (
        (OFFICE, True, True),
        (OFFICE, False, mode.registers in (Register.ADDRESS, Register.NAME)),
        (ELSEWHERE, True, mode.registers in (Register.PASSWORD, Register.NAME)),
        (ELSEWHERE, False, mode.registers is Register.NAME),
    ):
        client = Client(bench, "alice", address)
        if knows:
            answer = client.register()
        else:
            bench.receive(client.message("REGISTER", ""), client.flow)
            (answer,) = client.responses()
        assert answer is not None
        assert answer.status == (200 if accepted else 401), (address, knows)


def test_a_registration_by_address_names_its_account(bench: Bench) -> None:
    enter(bench, 1)
    client = Client(bench, "mallory", OFFICE)
    bench.receive(client.message("REGISTER", ""), client.flow)
    assert [answer.status for answer in client.responses()] == [401]


@pytest.mark.parametrize("extra", [b"Expires: 0", b"Contact: <sip:alice@192.0.2.50:5060>;expires=00"])
def test_a_datagram_from_the_right_address_takes_no_binding_away(bench: Bench, extra: bytes) -> None:
    enter(bench, 1)
    client = Client(bench, "alice", OFFICE)
    bench.receive(client.message("REGISTER", ""), client.flow)
    bench.receive(client.message("REGISTER", "", extra=(extra,)), client.flow)
    assert [answer.status for answer in client.responses()] == [200, 401]
    answer = client.register((b"Expires: 0",))
    assert answer is not None and answer.status == 200
    assert [binding.aor for binding in bench.service.parts.registrar.all_bindings(WALL + bench.now)] == ["bob"]


# -- tech prefix --------------------------------------------------------------------------------------------------


@pytest.mark.setting("techprefix")
@pytest.mark.parametrize("needauth", [2, 3])
def test_the_tech_prefix_is_taken_off_before_the_route_and_the_price(bench: Bench, needauth: int) -> None:
    enter(bench, needauth)
    alice, carrier = Client(bench, "alice", OFFICE), Client(bench, "carrier", "198.51.100.7")
    answer = talking(alice, carrier, PREFIX + NUMBER)
    bench.sleep(7)
    hang_up(alice, carrier, answer)
    (record,) = bench.store.cdrs()
    assert (record.callee, record.charge, record.account) == (NUMBER, 70_000, "alice")
    assert funds(bench)[0] == 10_000_000 - 70_000


@pytest.mark.setting("techprefix")
def test_without_its_tech_prefix_a_call_is_refused_and_its_record_says_so(bench: Bench) -> None:
    enter(bench, 3)
    call(bench, AUTH_MODES[3], Shown(prefix=""), NUMBER)
    (record,) = bench.store.cdrs()
    assert (record.account, record.refused_by, record.sip_status) == ("alice", "techprefix", 403)


def test_two_accounts_of_one_address_are_told_apart_by_their_prefixes(bench: Bench) -> None:
    enter(bench, 3)
    bench.store.set_account("bob", needauth=3, authip=(OFFICE,), techprefix="88")
    client = Client(bench, "pbx", OFFICE)
    bench.receive(client.message("INVITE", "88" + NUMBER), client.flow)
    (opened_call,) = bench.store.open_calls()
    assert (opened_call.account, opened_call.callee) == ("bob", NUMBER)
    bench.receive(client.message("INVITE", NUMBER), client.flow)
    assert client.responses()[-1].headers.get(b"warning") is None  # it could be either's: nobody is told a rule
    assert bench.store.cdrs()[0].refused_by == "techprefix"


@pytest.mark.setting("techprefix")
def test_a_message_is_sent_with_the_tech_prefix_too(bench: Bench) -> None:
    enter(bench, 3)
    client = Client(bench, "alice", OFFICE)
    answer = client.ask("MESSAGE", "102", extra=(b"Content-Type: text/plain",))
    assert answer is not None and answer.status == 403
    client.ask("MESSAGE", PREFIX + "102", extra=(b"Content-Type: text/plain",))
    assert [request.method for request in Client(bench, "bob", BOB).requests()] == [b"MESSAGE"]


# -- names, challenges, other accounts ----------------------------------------------------------------------------


@pytest.mark.setting("authip")
def test_a_dns_name_is_looked_up_anew_and_one_without_an_address_lets_nobody_in(bench: Bench) -> None:
    enter(bench, 1)
    bench.store.set_account("alice", authip=("pbx.example",))
    bench.service.operators.account_changed("alice")
    client = Client(bench, "pbx", OFFICE)
    assert client.invite("102") is not None and not rang(bench)
    bench.names["pbx.example"] = OFFICE
    bench.now += 6
    client.invite("102")
    assert rang(bench)
    bench.names["pbx.example"] = ELSEWHERE
    bench.now += 6
    client.invite("102")
    assert not rang(bench)


def test_a_phone_behind_the_address_of_another_account_is_asked_for_its_own_password(bench: Bench) -> None:
    enter(bench, 1)
    bob = Client(bench, "bob", OFFICE, 6000)
    bench.receive(bob.message("INVITE", "101"), bob.flow)
    assert [answer.status for answer in bob.responses()] == [407]


def credentials(bench: Bench, address: str, user: str, password: str) -> bytes:
    """The answer to a challenge that somebody at this address got, for a call to 102."""
    stranger = Client(bench, "mallory", address)
    bench.receive(stranger.message("REGISTER", ""), stranger.flow)
    challenge = stranger.responses()[-1].headers.get(b"www-authenticate") or b""
    uri = f"sip:102@{APPLIANCE[0]}".encode()
    return b"Proxy-Authorization: " + answer_challenge(
        challenge, b"INVITE", uri, user.encode(), password.encode(), b"c"
    )


@pytest.mark.parametrize("user", ["bob", "nobody"])
def test_credentials_that_are_refused_are_not_made_good_by_the_address(bench: Bench, user: str) -> None:
    enter(bench, 1)
    client = Client(bench, "pbx", OFFICE)
    guess = credentials(bench, OFFICE, user, "wrong")
    bench.receive(client.message("INVITE", "102", extra=(guess,)), client.flow)
    assert [answer.status for answer in client.responses()] == [407]
    assert [row.user for row in bench.store.attempts()] == [user]


@pytest.mark.parametrize("needauth", [5, 7])
def test_a_device_may_answer_the_gates_challenge_with_any_password(bench: Bench, needauth: int) -> None:
    enter(bench, needauth)
    client = Client(bench, "alice", OFFICE)
    answer = credentials(bench, OFFICE, "alice", "no password of hers")
    bench.receive(client.message("INVITE", "102", extra=(answer,)), client.flow)
    assert rang(bench)
    assert bench.store.attempts() == []


def test_a_call_is_taken_over_by_who_showed_more_than_a_name_alone(bench: Bench) -> None:
    answer = talking(Client(bench, "alice", OFFICE), Client(bench, "bob", BOB), "102")
    ours, theirs = (answer.to.tag or b""), (answer.from_.tag or b"")
    replaces = b"Replaces: %b;to-tag=%b;from-tag=%b" % (answer.call_id, ours, theirs)
    bench.store.set_account("bob", needauth=5)
    newcomer = Client(bench, "bob", ELSEWHERE)
    bench.receive(newcomer.message("INVITE", "101", extra=(replaces,), body=sdp(ELSEWHERE, 12_000)), newcomer.flow)
    assert newcomer.responses()[-1].status == 403
    bench.store.set_account("bob", needauth=4)
    assert not Client(bench, "bob", BOB).requests()
    newcomer.invite("101", extra=(replaces,))
    assert [request.method for request in Client(bench, "bob", BOB).requests()] == [b"INVITE"]  # bob's media move


def test_a_disabled_account_is_nobody_at_its_own_address(bench: Bench) -> None:
    enter(bench, 1, enabled=False)
    answer = call(bench, AUTH_MODES[1], Shown())
    assert answer is not None and answer.status == 407


# -- the gate -----------------------------------------------------------------------------------------------------


def known(bench: Bench) -> dict[str, str]:
    return {row.prefix: row.reason for row in bench.service.plan().sources}


@pytest.mark.setting("needauth")
@pytest.mark.parametrize("mode", USED, ids=lambda mode: mode.words)
def test_the_gate_knows_where_accounts_come_from_that_bring_no_password(bench: Bench, mode: Mode) -> None:
    before = bench.gate.resyncs
    enter(bench, mode.number)
    mine = {prefix for prefix, reason in known(bench).items() if reason == "account alice"}
    pairs = {(row.address, row.port) for row in bench.service.plan().known_pairs}
    believed = mode.address and not mode.password
    assert mine == ({"192.0.2.48/28" if mode.networks else OFFICE} if believed and not mode.port else set())
    assert ((OFFICE, 5060) in pairs) is mode.port
    assert bench.gate.resyncs > before or not mode.address


def test_the_gate_forgets_an_account_that_is_disabled_or_gone(bench: Bench) -> None:
    enter(bench, 1)
    assert OFFICE in known(bench)
    enter(bench, 1, enabled=False)
    assert OFFICE not in known(bench)
    enter(bench, 1, enabled=True)
    before = bench.gate.resyncs
    bench.store.remove_account("alice")
    bench.service.operators.account_changed("alice")
    assert OFFICE not in known(bench)
    assert bench.gate.resyncs > before


def test_the_gate_follows_a_dns_name(bench: Bench) -> None:
    enter(bench, 1)
    bench.store.set_account("alice", authip=("pbx.example",))
    bench.names["pbx.example"] = OFFICE
    assert known(bench)[OFFICE] == "account alice"
