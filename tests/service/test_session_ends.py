"""For how long: every time limit of calls and registrations, long enough and too short."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import wire
from pysrv.sip.message import Response
from tests.service.bench import TRUNK, WALL, Bench, Client, opened
from tests.service.test_service import NUMBER, talking

ALICE, BOB = "192.0.2.11", "192.0.2.12"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    return Client(bench, "alice", ALICE)


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


def use(bench: Bench, **values: str) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(values))


def running(bench: Bench) -> int:
    return len(bench.service.parts.accounting.running)


@pytest.mark.setting("calltimeout")
@pytest.mark.setting("sessionabsolutetimeout")
@pytest.mark.parametrize("setting", ["calltimeout", "sessionabsolutetimeout"])
def test_a_call_lasts_no_longer_than_either_limit(bench: Bench, alice: Client, carrier: Client, setting: str) -> None:
    talking(alice, carrier, NUMBER)
    bench.sleep(61)
    assert running(bench) == 1
    use(bench, **{setting: "60s"})
    talking(alice, carrier, NUMBER)
    bench.sleep(59)
    assert running(bench) == 2
    bench.sleep(2)
    assert running(bench) == 1
    assert b"BYE" in [request.method for request in alice.requests()]


def ringing(bench: Bench, alice: Client, carrier: Client, status: int) -> None:
    """A call over the trunk that rings (180), or is not heard of at all (0)."""
    alice.invite(NUMBER)
    (invite,) = carrier.requests()
    if status:
        carrier.reply(invite, status)


def statuses(client: Client) -> list[int]:
    """The final answers, each once however often it is sent."""
    return sorted({answer.status for answer in client.responses() if answer.status >= 200})


@pytest.mark.setting("ringtimeout")
@pytest.mark.parametrize(("value", "ended"), [("90s", []), ("20s", [480])])
def test_a_call_rings_no_longer_than_ringtimeout(
    bench: Bench, alice: Client, carrier: Client, value: str, ended: list[int]
) -> None:
    use(bench, ringtimeout=value)
    ringing(bench, alice, carrier, 180)
    bench.sleep(21)
    assert statuses(alice) == ended
    assert (b"CANCEL" in [request.method for request in carrier.requests()]) is bool(ended)


@pytest.mark.setting("callinittimeout")
@pytest.mark.parametrize(("value", "ended"), [("30s", False), ("5s", True)])
def test_a_route_that_is_silent_for_callinittimeout_is_given_up(
    bench: Bench, alice: Client, carrier: Client, value: str, ended: bool
) -> None:
    use(bench, callinittimeout=value)
    ringing(bench, alice, carrier, 0)
    bench.sleep(6)
    assert bool(statuses(alice)) is ended
    assert running(bench) == (not ended)


@pytest.mark.setting("mediatimeout")
@pytest.mark.parametrize(("value", "ended"), [("5m", False), ("30s", True)])
def test_a_call_without_audio_for_mediatimeout_is_ended(
    bench: Bench, alice: Client, carrier: Client, value: str, ended: bool
) -> None:
    use(bench, mediatimeout=value)
    talking(alice, carrier, NUMBER)
    (session,) = bench.gate.sessions
    bench.sleep(31)
    silent = tuple(wire.StreamCounters(local=row.local, last_ns=0) for row in bench.gate.sessions[session].streams)
    bench.service.on_counters((wire.SessionCounters(session, True, silent),))
    bench.turn()
    assert running(bench) == (not ended)


@pytest.mark.setting("sessiontimer")
@pytest.mark.parametrize(("value", "asked"), [("30m", False), ("90s", True)])
def test_a_session_is_refreshed_as_sessiontimer_says_and_ends_when_nobody_answers(
    bench: Bench, alice: Client, carrier: Client, value: str, asked: bool
) -> None:
    use(bench, sessiontimer=value)
    talking(alice, carrier, NUMBER)
    bench.sleep(50)
    refreshes = [request.method for request in carrier.requests() if request.method in (b"INVITE", b"UPDATE")]
    assert bool(refreshes) is asked
    bench.sleep(40)
    assert running(bench) == (not asked)


@pytest.mark.setting("sessionabsolutetimeout")
def test_a_registration_is_granted_no_more_than_sessionabsolutetimeout(bench: Bench, alice: Client) -> None:
    for value, granted in (("12h", 3600), ("10m", 600), ("30s", 30)):
        use(bench, sessionabsolutetimeout=value)
        alice.register((b"Expires: 7200",))
        (binding,) = bench.service.parts.registrar.all_bindings(WALL + bench.now)
        assert binding.expires_at == WALL + bench.now + granted


# -- licensecfg ---------------------------------------------------------------------------------------------------


@pytest.mark.setting("licensecfg")
def test_no_more_devices_register_than_licensecfg_allows(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    first, second = Client(bench, "alice", ALICE), Client(bench, "bob", BOB)
    use(bench, licensecfg="registrations=1")
    assert status(first.register) == 200
    refused = second.register()
    assert refused is not None and refused.status == 503
    assert refused.headers.get(b"warning") == b'399 appliance "licensecfg"'
    assert "setting=licensecfg: 1 devices are registered, licensecfg allows 1" in caplog.text
    assert status(first.register) == 200  # who is there may stay
    assert status(lambda: first.register((b"Expires: 0",))) == 200
    assert status(second.register) == 200
    use(bench, licensecfg="")
    assert status(first.register) == 200


@pytest.mark.setting("licensecfg")
def test_no_more_calls_run_than_licensecfg_allows(bench: Bench, alice: Client, carrier: Client) -> None:
    talking(alice, carrier, NUMBER)
    use(bench, licensecfg="calls=1")
    refused = alice.invite(NUMBER)
    assert refused is not None and refused.status == 503
    assert b'"licensecfg"' in (refused.headers.get(b"warning") or b"")
    use(bench, licensecfg="calls=2")
    talking(alice, carrier, NUMBER)
    assert running(bench) == 2


def status(ask: Callable[[], Response | None]) -> int:
    answer = ask()
    return answer.status if answer is not None else 0
