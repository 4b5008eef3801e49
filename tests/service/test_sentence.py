"""Whom a ban hits, and for how long: the smallest that stops an attacker, and nobody who did nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.config.settings import Settings
from pysrv.limits.sentence import PAIRS_BEFORE_ADDRESS
from pysrv.limits.strikes import PENDING_S
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.sip.parser import parse_datagram
from pysrv.store import AllowRow
from tests.calls.playbook import APPLIANCE
from tests.service.bench import TRUNK, Bench, Client
from tests.service.defence_bench import ALICE, BOT, HOUR, attacked, banned, guess, knock, limited


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with attacked(tmp_path) as made:
        yield made


def test_a_bot_beside_registered_phones_is_banned_by_its_port_and_they_are_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    limited(bench, maxfailedauthenabledip=10)
    Client(bench, "alice", BOT, 5060).register()
    guess(bench, "alice", 6000, 11)
    (ban,) = bench.store.bans()
    assert (ban.source, ban.rule, ban.neighbours) == (f"{BOT}:6000", "maxfailedauthenabledip", (f"alice {BOT}:5060",))
    assert (ban.count, ban.allowed, ban.window_s, ban.spares_known, ban.proven) == (11, 10, HOUR, True, True)
    assert len(ban.samples) == 5 and "wrong password of alice" in ban.samples[0]
    assert "banned source=192.0.2.66:6000 rule=maxfailedauthenabledip" in caplog.text
    assert "count=11 limit=10" in caplog.text


def test_a_bot_with_ever_new_ports_ends_by_its_address_and_the_phones_there_go_on(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    Client(bench, "alice", BOT, 5060).register()
    for port in range(6000, 6000 + PAIRS_BEFORE_ADDRESS + 1):
        guess(bench, "alice", port, 2)
    ban = bench.gate.bans[BOT, 0]
    assert isinstance(ban, wire.Ban) and ban.spares_known
    assert (BOT, 5060) in bench.gate.pairs and (BOT, 5060) not in bench.gate.bans


def test_forged_packets_get_no_registered_device_banned(bench: Bench) -> None:
    limited(bench, maxsubsmmsgcount=50, maxwrongmsgallowed=5, fastauthsubswrongusermsg=5, maxwrongauthfromip=5)
    Client(bench, "alice", ALICE).register()
    for _ in range(60):
        bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (ALICE, 5060)))
        knock(bench, 1, ALICE)
    bench.sleep(PENDING_S + 1)
    assert banned(bench) == []


def test_forged_ports_never_add_up_to_a_ban_of_the_address_that_customers_share(bench: Bench) -> None:
    limited(bench, maxwrongmsgallowed=1)
    Client(bench, "alice", ALICE).register()
    for port in range(6000, 6000 + 2 * PAIRS_BEFORE_ADDRESS):
        for _ in range(2):
            bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (ALICE, port)))
    assert (ALICE, 6000) in bench.gate.bans and (ALICE, 0) not in bench.gate.bans


def test_a_ban_of_what_may_be_forged_does_not_grow(bench: Bench) -> None:
    limited(bench, maxwrongmsgallowed=1, banperiod=60.0, banperiodmax=600.0)
    for _ in range(3):
        for _ in range(2):
            bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (BOT, 5060)))
        (ban,) = bench.store.bans()
        assert (ban.repetition, ban.expires_at - ban.created_at) == (0, 60.0)
        bench.sleep(70, 5)


def test_a_ban_of_what_may_be_forged_spares_who_proves_the_address_until_a_proven_one_takes_its_place(
    bench: Bench,
) -> None:
    limited(bench, maxwrongmsgallowed=1, maxwrongauthfromip=3)
    for _ in range(2):
        bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (BOT, 5060)))
    ban = bench.gate.bans[BOT, 0]
    assert isinstance(ban, wire.Ban) and ban.spares_known and ban.spares_proven
    for number in range(4):
        Client(bench, f"nobody{number}", BOT).register()
    ban = bench.gate.bans[BOT, 0]
    assert isinstance(ban, wire.Ban) and ban.spares_known and not ban.spares_proven
    assert [(row.source, row.rule) for row in bench.store.bans()] == [(BOT, "maxwrongauthfromip")]


def test_what_nobody_does_by_mistake_bans_at_once_and_by_the_port_beside_phones(bench: Bench) -> None:
    request = parse_datagram(Client(bench, "x", BOT, 6000).message("REGISTER", ""))
    assert isinstance(request, Request)
    bench.service.parts.defence.decoy(request, Flow("udp", APPLIANCE, (BOT, 6000)), "touched 999")
    Client(bench, "alice", ALICE, 5060).register()
    bench.service.parts.defence.decoy(request, Flow("udp", APPLIANCE, (ALICE, 6000)), "touched 999")
    assert banned(bench) == [f"{ALICE}:6000", BOT]
    assert bench.store.bans()[1].reason == "decoyextensions: once is enough"


def test_a_distributed_attack_ends_by_its_network(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    for last in range(8):
        guess(bench, "alice", 6000, 2, f"203.0.113.{last}")
    (ban,) = [row for row in bench.store.bans() if not row.port]
    assert (ban.source, ban.scope, ban.spares_known) == ("203.0.113.0/24", "network", True)


def test_an_ipv6_bot_that_changes_its_address_is_banned_by_its_64_bits(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledip=5)
    for last in range(6):
        guess(bench, "alice", 6000, 1, f"2001:db8::{last + 1:x}")
    assert banned(bench) == ["2001:db8::/64"]


def test_an_ipv6_bot_beside_a_phone_of_its_network_is_banned_by_its_own_address_and_port(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledip=5)
    Client(bench, "alice", "2001:db8::a", 5060).register()
    guess(bench, "alice", 6000, 6, "2001:db8::66")
    assert banned(bench) == ["[2001:db8::66]:6000"]


def test_a_network_in_which_a_trunk_lives_is_not_banned_as_a_whole(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    for last in range(8):
        guess(bench, "alice", 6000, 2, f"198.51.100.{last + 20}")
    (ban,) = [row for row in bench.store.bans() if not row.port]
    assert (ban.source, ban.scope) == ("198.51.100.27", "address")


@pytest.mark.parametrize(("needauth", "place"), [(1, BOT), (9, "192.0.2.64/26"), (1, "pbx.example"), (8, BOT)])
def test_an_account_that_is_believed_by_its_address_is_not_banned_for_packets_that_anybody_may_forge(
    bench: Bench, needauth: int, place: str
) -> None:
    limited(bench, maxwrongmsgallowed=1)
    bench.names["pbx.example"] = BOT
    bench.store.set_account("alice", needauth=needauth, authip=(place,))
    for _ in range(4):
        bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (BOT, 5060)))
    assert bool(banned(bench)) is (needauth == 8)


def test_a_network_in_which_such_an_account_lives_is_not_banned_as_a_whole(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    bench.store.set_account("bob", needauth=1, authip=("198.51.101.200",))
    for last in range(8):
        guess(bench, "alice", 6000, 2, f"198.51.101.{last + 20}")
    (ban,) = [row for row in bench.store.bans() if not row.port]
    assert ban.scope == "address"


@pytest.mark.parametrize("why", ["trunk", "allowed", "management"])
def test_trunks_allowed_sources_and_management_are_never_banned_automatically(
    bench: Bench, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    limited(bench, maxwrongmsgallowed=1)
    if why == "allowed":
        bench.store.add_allow(AllowRow("192.0.2.64/26"))
    elif why == "management":
        bench.store.managed_from(BOT, "ssh")
    source = TRUNK if why == "trunk" else BOT
    for _ in range(4):
        bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (source, 5060)))
    assert banned(bench) == []
    assert f"not banned source={source} rule=maxwrongmsgallowed" in caplog.text


def test_an_entry_of_kind_known_is_banned_like_anybody(bench: Bench) -> None:
    limited(bench, maxwrongmsgallowed=1)
    bench.store.add_allow(AllowRow("192.0.2.64/26", "known"))
    for _ in range(4):
        bench.receive(b"REGISTER x\r\n\r\n", Flow("udp", APPLIANCE, (BOT, 5060)))
    assert banned(bench) == [BOT]


def test_banperiod_doubles_with_each_repetition_up_to_banperiodmax(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1, banperiod=100.0, banperiodmax=300.0)
    lengths = []
    for _ in range(4):
        guess(bench, "alice", 6000, 2)
        (ban,) = bench.store.bans()
        lengths.append(round(ban.expires_at - ban.created_at))
        bench.sleep(lengths[-1] + 10, 5)
        assert banned(bench) == [] and not bench.gate.bans
    assert lengths == [100, 200, 300, 300]


def test_reenabledosblocked_ends_a_first_ban_and_every_count(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=3, reenabledosblocked=50.0)
    guess(bench, "alice", 6000, 3)
    bench.sleep(51, 5)
    guess(bench, "alice", 6000, 3)
    assert banned(bench) == []
    guess(bench, "alice", 6000, 1)
    (ban,) = bench.store.bans()
    assert ban.expires_at - ban.created_at == 50.0


def test_a_lifted_ban_is_forgotten_with_all_that_was_counted(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=3, maxfailedauthenabledip=6)
    guess(bench, "alice", 6000, 4)
    assert bench.store.remove_ban(BOT, "root", 6000)
    bench.service.operators.unban(BOT, 6000)
    assert not bench.gate.bans
    guess(bench, "alice", 6000, 3)
    assert banned(bench) == []


def test_bans_and_known_devices_survive_a_restart_in_the_plan(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    Client(bench, "alice", BOT, 5060).register()
    guess(bench, "alice", 6000, 2)
    again = Bench(bench.store, Settings())
    again.now = bench.now
    plan = again.service.plan()
    assert [(pair.address, pair.port) for pair in plan.known_pairs] == [(BOT, 5060)]
    assert [(ban.address, ban.port, ban.rule) for ban in plan.pair_bans] == [(BOT, 6000, "maxfailedauthenabledipport")]
    assert plan.bans == ()
