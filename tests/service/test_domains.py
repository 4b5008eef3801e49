"""fwdtootherdomains: calls to other domains, and that no name leads into our networks or back to us."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.sip.message import Response
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.test_service import funds, hang_up

ALICE, FAR = "192.0.2.11", "8.8.4.4"
DOMAIN = "far.example"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        use(made, localdomain="voip.example")
        for name in ("alice", "bob"):
            made.store.set_account(name, password="correct-horse-42", realm="voip.example")
        made.names[DOMAIN] = FAR
        yield made


def use(bench: Bench, **values: str) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(values))


def dial(bench: Bench, uri: str, caller: str = "alice", address: str = ALICE) -> Response | None:
    return Client(bench, caller, address).invite(uri)


def record(bench: Bench) -> tuple[str, int]:
    found = bench.store.cdrs()[0]
    return found.refused_by, found.sip_status


@pytest.mark.setting("fwdtootherdomains")
def test_a_call_to_another_domain_goes_there_while_it_is_allowed(bench: Bench) -> None:
    dial(bench, f"carol@{DOMAIN}")
    (invite,) = Client(bench, "carol", FAR).requests()
    assert str(invite.uri) == f"sip:carol@{DOMAIN}"
    assert invite.headers.get(b"p-asserted-identity") is None
    use(bench, fwdtootherdomains="false")
    answer = dial(bench, f"carol@{DOMAIN}")
    assert answer is not None and b'"fwdtootherdomains"' in (answer.headers.get(b"warning") or b"")
    assert record(bench) == ("fwdtootherdomains", 403)
    assert not bench.take(FAR)


@pytest.mark.setting("fwdtootherdomains")
def test_it_costs_what_the_deck_says_of_its_number(bench: Bench) -> None:
    alice, far = Client(bench, "alice", ALICE), Client(bench, "far", FAR)
    alice.invite(f"4930123@{DOMAIN}")
    (invite,) = far.requests()
    far.reply(invite, 200, sdp(FAR, 12_000))
    answer = alice.responses()[-1]
    bench.receive(alice.inside(answer, "ACK", answer.cseq.number), alice.flow)
    far.requests()
    bench.sleep(7)
    hang_up(alice, far, answer)
    found = bench.store.cdrs()[0]
    assert (found.charge, found.trunk, found.callee) == (70_000, f"domain {DOMAIN}", "4930123")
    assert funds(bench) == (9_930_000, 0)


def test_a_name_without_a_price_is_refused_where_calls_without_a_price_are(bench: Bench) -> None:
    use(bench, blocknotbilledcalls="1")
    dial(bench, f"carol@{DOMAIN}")
    assert record(bench) == ("blocknotbilledcalls", 403)


@pytest.mark.parametrize(
    "changes", [{"onlylocalaccess": True}, {"locklevel": 1}, {"maxlines": 1}], ids=lambda changes: next(iter(changes))
)
def test_it_passes_no_lock_and_no_limit(bench: Bench, changes: dict[str, int]) -> None:
    bench.store.set_account("alice", **changes)
    if "maxlines" in changes:
        dial(bench, f"carol@{DOMAIN}")
    dial(bench, f"carol@{DOMAIN}")
    assert bench.store.cdrs()[0].refused_by == next(iter(changes))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.9", "::1", "fd00::1", "224.0.0.5", "9.9.9.9"],
)
def test_no_name_leads_into_our_networks_or_back_to_us(bench: Bench, address: str) -> None:
    bench.own = {"9.9.9.9": "an address of this machine"}
    bench.names[DOMAIN] = address
    answer = dial(bench, f"carol@{DOMAIN}")
    assert answer is not None and answer.status == 403
    assert record(bench) == ("fwdtootherdomains", 403)
    assert not bench.take(address)


@pytest.mark.parametrize("host", ["far.example:22", "printer.local", "intranet", "db.internal"])
def test_other_services_and_names_that_are_not_public_are_not_called(bench: Bench, host: str) -> None:
    bench.names |= dict.fromkeys(("printer.local", "intranet", "db.internal"), FAR)
    dial(bench, f"carol@{host}")
    assert record(bench) == ("fwdtootherdomains", 403)
    assert not bench.take(FAR)


def test_a_name_that_has_no_address_yet_is_unavailable_for_now(bench: Bench) -> None:
    answer = dial(bench, "carol@unheard.example")
    assert answer is not None and (answer.status, answer.headers.get(b"retry-after")) == (503, b"2")
    assert bench.store.cdrs()[0].charge == 0


@pytest.mark.parametrize(
    "host", ["voip.example", "VOIP.example.", "sip.voip.example", "198.51.100.200", "[2001:db8::9]"]
)
def test_our_own_domain_and_bare_addresses_are_dialled_here(bench: Bench, host: str) -> None:
    Client(bench, "bob", "192.0.2.12").register()
    bench.take("192.0.2.12")
    dial(bench, f"102@{host}")
    assert [request.method for request in Client(bench, "bob", "192.0.2.12").requests()] == [b"INVITE"]


def test_without_a_domain_of_our_own_no_other_is_known(bench: Bench) -> None:
    use(bench, localdomain="")
    bench.store.set_account("alice", password="correct-horse-42", realm="appliance")
    answer = dial(bench, f"carol@{DOMAIN}")
    assert answer is not None and answer.status == 404
    assert not bench.take(FAR)


def test_an_emergency_number_is_never_sent_to_another_domain(bench: Bench) -> None:
    answer = dial(bench, f"112@{DOMAIN}")
    assert answer is not None and answer.status == 404
    assert not bench.take(FAR)


def test_a_trunk_reaches_no_other_domain_through_us(bench: Bench) -> None:
    answer = Client(bench, "carrier", TRUNK).invite(f"carol@{DOMAIN}")
    assert answer is not None and answer.status == 403
    assert not bench.take(FAR)


def test_a_name_that_leads_to_a_trunk_of_ours_or_brings_parameters_is_refused(bench: Bench) -> None:
    """The carrier would take the call from us, past routes, prices and lists."""
    for user, address in (("979123456", TRUNK), ("979123456%3Bnpdi", FAR)):
        bench.names[DOMAIN] = address
        answer = dial(bench, f"{user}@{DOMAIN}")
        assert answer is not None and answer.status == 403, user
        assert bench.take(address) == []
