"""Scanners get no answer from the service, and who touches a decoy under a proven address is banned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.sip.events import Flow
from pysrv.sip.parser import parse_datagram
from pysrv.store.rows import AllowRow
from tests.calls.playbook import APPLIANCE
from tests.service.bench import Bench, Client, opened

SCANNER = (b"User-Agent: friendly-scanner",)
ATTACKER = "203.0.113.66"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def use(bench: Bench, **values: object) -> None:
    bench.service.operators.apply_settings(Settings(stored=values))


def over_tcp(client: Client) -> Client:
    client.flow = Flow("tcp", APPLIANCE, (client.address, client.port), "7")
    return client


def banned(bench: Bench) -> list[tuple[str, str]]:
    return [(row.source, row.rule) for row in bench.store.bans()]


# -- scanners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE"])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_scanner_gets_no_answer_over_any_transport(bench: Bench, method: str, tcp: bool) -> None:
    client = Client(bench, "x", ATTACKER)
    assert (over_tcp(client) if tcp else client).ask(method, "100", extra=SCANNER) is None
    assert bench.service.parts.endpoint.transactions == (0, 0)


def test_with_an_empty_list_a_scanner_is_answered_like_anybody(bench: Bench) -> None:
    use(bench, blockua=())
    response = Client(bench, "x", ATTACKER).ask("OPTIONS", "100", extra=SCANNER)
    assert response is not None
    assert response.status == 200


def test_the_gate_gets_the_list(bench: Bench) -> None:
    assert "friendly-scanner" in bench.service.plan().scanners
    use(bench, blockua=("other",))
    assert bench.service.plan().scanners == ("other",)


def test_in_report_only_a_scanner_is_answered(bench: Bench) -> None:
    bench.store.set_report_only("scanner_agent", on=True, who="test")
    assert Client(bench, "x", ATTACKER).ask("OPTIONS", "100", extra=SCANNER) is not None


def test_a_registered_device_the_allow_list_and_trunks_may_call_themselves_what_they_like(bench: Bench) -> None:
    alice = Client(bench, "alice", "192.0.2.1")
    assert alice.register() is not None
    response = alice.ask("OPTIONS", "", extra=SCANNER)
    assert response is not None
    for kind in ("allow", "known"):  # to the gate a known source is no stranger either
        bench.store.add_allow(AllowRow("203.0.113.0/24", kind))
        assert Client(bench, "x", ATTACKER).ask("OPTIONS", "", extra=SCANNER) is not None
        assert over_tcp(Client(bench, "x", ATTACKER)).ask("OPTIONS", "", extra=SCANNER) is not None
    bench.store.remove_allow("203.0.113.0/24")
    assert Client(bench, "x", ATTACKER).ask("OPTIONS", "", extra=SCANNER) is None


# -- decoys -------------------------------------------------------------------------------------------------------


def test_an_answer_to_a_challenge_in_a_decoys_name_bans_the_address(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    Client(bench, "9999", ATTACKER).register()
    assert banned(bench) == [(ATTACKER, "decoyextensions")]


def test_a_wrong_password_on_the_way_to_a_decoy_bans_the_address(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    Client(bench, "nobody", ATTACKER).invite("9999")
    assert banned(bench) == [(ATTACKER, "decoyextensions")]


def test_over_tcp_the_first_request_is_enough(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    client = over_tcp(Client(bench, "x", ATTACKER))
    message = parse_datagram(client.message("REGISTER", "", to=b"<sip:9999@example.org>"))
    bench.service.receive_message(message, client.flow)
    bench.turn()
    assert banned(bench) == [(ATTACKER, "decoyextensions")]


def test_over_tcp_what_wants_no_credentials_touches_a_decoy_too(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    client = over_tcp(Client(bench, "x", ATTACKER))
    client.ask("OPTIONS", "100")
    assert banned(bench) == []
    client.ask("OPTIONS", "9999")
    assert banned(bench) == [(ATTACKER, "decoyextensions")]


def test_a_scan_fills_no_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(20):
        Client(bench, "x", ATTACKER).ask("OPTIONS", "100", extra=SCANNER)
    assert caplog.text.count("verdict=scanner_agent") == 1


def test_a_datagram_that_anybody_may_have_sent_bans_nobody(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    client = Client(bench, "x", ATTACKER)
    for method in ("REGISTER", "INVITE", "MESSAGE", "OPTIONS"):
        bench.receive(client.message(method, "9999", from_=b"<sip:9999@example.org>"), client.flow)
    assert banned(bench) == []


def test_whoever_is_logged_in_may_mistype_a_number(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    alice = Client(bench, "alice", "192.0.2.1")
    alice.register()
    alice.invite("9999")
    assert banned(bench) == []


def test_behind_customers_only_the_port_of_who_says_to_be_a_decoy_is_banned(bench: Bench) -> None:
    use(bench, decoyextensions=("9999",))
    Client(bench, "alice", "192.0.2.1").register()
    Client(bench, "nobody", "192.0.2.1", 7001).invite("9999")
    assert banned(bench) == []
    Client(bench, "9999", "192.0.2.1", 7002).register()
    assert list(bench.gate.bans) == [("192.0.2.1", 7002)]


def test_an_account_that_was_made_after_the_list_is_no_decoy(bench: Bench) -> None:
    use(bench, decoyextensions=("101",))
    Client(bench, "nobody", ATTACKER).invite("101")
    assert banned(bench) == []


def test_without_decoys_nobody_is_banned(bench: Bench) -> None:
    Client(bench, "9999", ATTACKER).register()
    assert banned(bench) == []
    assert bench.service.plan().bans == ()
