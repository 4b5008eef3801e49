"""Devices that logged in lately: believed without a new challenge, answered by the gate; every way in which it ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.config.settings import Settings
from pysrv.sip.digest import answer_challenge
from pysrv.sip.message import Response
from tests.calls.playbook import APPLIANCE
from tests.service.bench import PASSWORD, WALL, Bench, Client, opened

KEEP_S = 600.0
ADDRESS = "192.0.2.1"
EXPIRES = (b"Expires: 1000",)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        made.service.operators.apply_settings(Settings(stored={"cacheregistrations": KEEP_S}))
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    """Registered for 1000 s, just now."""
    client = Client(bench, "alice", ADDRESS)
    response = client.register(EXPIRES)
    assert response is not None
    assert response.status == 200
    return client


def again(client: Client, seq: int = 9, extra: tuple[bytes, ...] = EXPIRES) -> int:
    """The status of the same REGISTER without credentials."""
    client.bench.receive(client.message("REGISTER", "", extra=extra, call_id="again", seq=seq), client.flow)
    (response,) = client.responses()
    assert isinstance(response, Response)
    return response.status


@pytest.mark.setting("cacheregistrations")
def test_a_repeated_register_needs_no_challenge_and_renews_the_binding(bench: Bench, alice: Client) -> None:
    bench.now += 500
    assert again(alice) == 200
    (binding,) = bench.service.parts.registrar.all_bindings(WALL + bench.now)
    assert binding.expires_at == WALL + bench.now + 1000


@pytest.mark.setting("cacheregistrations")
def test_with_zero_everybody_is_challenged_and_the_gate_answers_nothing(bench: Bench) -> None:
    bench.service.operators.apply_settings(Settings())
    client = Client(bench, "alice", ADDRESS)
    client.register(EXPIRES)
    assert again(client) == 401
    assert bench.gate.remembered == []


def test_a_login_grows_old_from_the_password_on_however_often_the_device_comes(bench: Bench, alice: Client) -> None:
    for seq in range(3):
        bench.now += 199
        assert again(alice, seq + 10) == 200
    bench.now += 4
    assert again(alice, 20) == 401


@pytest.mark.setting("authfastusers")
@pytest.mark.parametrize(("challenged", "last"), [(True, 401), (False, 200)])
def test_with_authfastusers_off_a_device_that_comes_back_in_time_is_believed_on(
    bench: Bench, alice: Client, challenged: bool, last: int
) -> None:
    bench.service.operators.apply_settings(Settings(stored={"cacheregistrations": KEEP_S, "authfastusers": challenged}))
    alice.register(EXPIRES)
    for seq in range(3):
        bench.now += 250
        status = again(alice, seq + 10)
        assert status == (200 if (seq + 1) * 250 < KEEP_S else last)
    bench.now += KEEP_S + 1
    assert again(alice, 20) == 401


@pytest.mark.setting("sessionabsolutetimeout")
@pytest.mark.setting("authfastusers")
def test_a_device_is_believed_on_no_longer_than_a_session_may_last(bench: Bench, alice: Client) -> None:
    values = {"cacheregistrations": KEEP_S, "authfastusers": False, "sessionabsolutetimeout": 900.0}
    bench.service.operators.apply_settings(Settings(stored=values))
    alice.register((b"Expires: 900",))
    began = bench.now
    for seq in range(3):
        bench.now += 290
        assert again(alice, seq + 10, (b"Expires: 900",)) == 200
    assert bench.gate.remembered[-1].until <= WALL + began + 900
    bench.now += 31
    assert again(alice, 20, (b"Expires: 900",)) == 401


def test_another_source_contact_or_address_of_record_is_challenged(bench: Bench, alice: Client) -> None:
    assert again(Client(bench, "alice", ADDRESS, 5061)) == 401
    assert again(Client(bench, "alice", "192.0.2.2")) == 401
    assert again(Client(bench, "bob", ADDRESS)) == 401


@pytest.mark.parametrize("extra", [(b"Expires: 0",), (b"Expires: 00",)])
def test_nobody_is_unregistered_without_a_password(bench: Bench, alice: Client, extra: tuple[bytes, ...]) -> None:
    assert again(alice, extra=extra) == 401
    assert len(bench.service.parts.registrar.all_bindings(WALL + bench.now)) == 1


def test_the_right_password_under_a_nonce_that_grew_old_meanwhile_needs_no_new_challenge(
    bench: Bench, alice: Client
) -> None:
    stranger = Client(bench, "alice", ADDRESS, 5061)
    bench.receive(stranger.message("REGISTER", "", extra=EXPIRES), stranger.flow)
    (challenge,) = stranger.responses()
    value = challenge.headers.get(b"www-authenticate") or b""
    uri = f"sip:{APPLIANCE[0]}".encode()
    answer = b"Authorization: " + answer_challenge(value, b"REGISTER", uri, b"alice", PASSWORD.encode(), b"c")
    bench.now += 400
    assert again(alice, extra=(*EXPIRES, answer)) == 200
    assert again(stranger, extra=(*EXPIRES, answer)) == 401


# -- what the gate is told ----------------------------------------------------------------------------------------


def test_the_gate_answers_in_the_first_half_of_the_binding_and_never_past_the_login(
    bench: Bench, alice: Client
) -> None:
    (row,) = bench.gate.remembered
    now = WALL + bench.now
    assert (row.address, row.port) == (ADDRESS, 5060)
    assert (row.address_of_record, row.expires) == ("<sip:alice@example.org>", "1000")
    assert row.expires_at == now + 1000
    assert row.until == now + 500
    bench.now += 400
    assert again(alice) == 200
    renewed = bench.gate.remembered[-1]
    assert renewed.expires_at == now + 1400
    assert renewed.until == now + KEEP_S


def test_a_device_that_keeps_to_what_it_is_told_never_loses_its_binding(bench: Bench, alice: Client) -> None:
    """It comes back when 90 % of what it was told are over, whoever told it, for a day."""
    told, seq = 1000.0, 30
    for _ in range(200):
        bench.now += 0.9 * told
        now, row = WALL + bench.now, bench.gate.remembered[-1]
        (binding,) = bench.service.parts.registrar.all_bindings(now)
        assert binding.expires_at > now
        if now < row.until and not bench.gate.forgotten[len(bench.gate.remembered) - 1 :]:
            told = row.expires_at - now
            assert told > 0.5 * 1000
            continue
        seq += 2
        response = alice.register(EXPIRES)
        assert response is not None
        assert response.status == 200
        told = 1000.0


def test_where_another_device_is_registered_too_the_registrar_alone_can_answer(bench: Bench, alice: Client) -> None:
    bench.gate.remembered.clear()
    Client(bench, "alice", "192.0.2.9").register(EXPIRES)
    assert bench.gate.forgotten[-1] == wire.RefreshRef("<sip:alice@example.org>")
    assert bench.gate.remembered == []


@pytest.mark.parametrize(
    "extra", [(b"Path: <sip:192.0.2.200;lr>",), (b"Require: path",), (b"Contact: <sip:alice@192.0.2.77>",)]
)
def test_what_the_gate_could_not_answer_like_the_registrar_it_is_not_given(
    bench: Bench, extra: tuple[bytes, ...]
) -> None:
    Client(bench, "alice", ADDRESS).register((*EXPIRES, *extra))
    assert bench.gate.remembered == []


# -- the ends -----------------------------------------------------------------------------------------------------


def unregisters(bench: Bench, alice: Client) -> None:
    response = alice.register((b"Expires: 0",))
    assert response is not None
    assert response.status == 200


def guesses(bench: Bench, _: Client) -> None:
    attacker = Client(bench, "alice", "203.0.113.66")
    bench.receive(attacker.message("REGISTER", "", call_id="guess"), attacker.flow)
    (challenge,) = attacker.responses()
    nonce = (challenge.headers.get(b"www-authenticate") or b"").split(b'nonce="')[1].split(b'"')[0]
    answer = (
        b'Authorization: Digest username="alice", realm="appliance", nonce="%b", uri="sip:%b", response="%b", '
        b'algorithm=MD5, qop=auth, nc=00000001, cnonce="x"'
    ) % (nonce, attacker.flow.local[0].encode(), b"0" * 32)
    bench.receive(attacker.message("REGISTER", "", call_id="guess", seq=2, extra=(answer,)), attacker.flow)


def changes(**values: object) -> Callable[[Bench, Client], None]:
    def change(bench: Bench, _: Client) -> None:
        bench.store.set_account("alice", who="test", **values)
        bench.service.operators.account_changed("alice")

    return change


def removed(bench: Bench, _: Client) -> None:
    bench.store.remove_account("alice", "test")
    bench.service.operators.account_changed("alice")


def gate_ban(bench: Bench, _: Client) -> None:
    bench.service.operators.ban(wire.Ban(ADDRESS))


def own_ban(bench: Bench, _: Client) -> None:
    bench.service.operators.apply_settings(
        Settings(stored={"cacheregistrations": KEEP_S, "decoyextensions": ("9999",)})
    )
    Client(bench, "9999", ADDRESS).register()


def switched_off(bench: Bench, _: Client) -> None:
    bench.service.operators.apply_settings(Settings())


ENDS: dict[str, Callable[[Bench, Client], None]] = {
    "the device unregisters": unregisters,
    "somebody fails with the account's password": guesses,
    "the password is changed": changes(password="another-horse-43", realm="appliance"),
    "the account is locked": changes(locklevel=4),
    "the account is disabled": changes(enabled=False),
    "the account is removed": removed,
    "its address is banned by an operator": gate_ban,
    "its port is banned by a rule": own_ban,
    "the setting is taken back": switched_off,
}


@pytest.mark.parametrize("end", ENDS)
def test_nobody_is_believed_any_more_when(bench: Bench, alice: Client, end: str) -> None:
    ENDS[end](bench, alice)
    assert again(alice, 50) == 401


@pytest.mark.parametrize("end", [end for end in ENDS if "banned" not in end])
def test_the_gate_is_told_to_answer_no_more_when(bench: Bench, alice: Client, end: str) -> None:
    told = len(bench.gate.forgotten)
    ENDS[end](bench, alice)
    assert wire.RefreshRef("<sip:alice@example.org>") in bench.gate.forgotten[told:]
