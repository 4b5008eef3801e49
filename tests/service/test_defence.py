"""Whoever fails too often is banned, by the smallest ban that stops it; customers are not. Each limit on and off."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import wire
from appliance.config.banning import BANNING
from appliance.config.profiles import Profile, changes
from appliance.config.settings import Settings
from appliance.kernel.plan import limit_values
from pysrv.limits.sentence import PAIRS_BEFORE_ADDRESS
from pysrv.limits.strikes import PENDING_S, Rule
from pysrv.sip.digest import answer_challenge
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.sip.parser import parse_datagram
from pysrv.store import AllowRow
from pysrv.store.rows import NewAccount
from tests.calls.playbook import APPLIANCE
from tests.service import bench as benches
from tests.service.bench import PASSWORD, TRUNK, WALL, Bench, Client, opened

ALICE, BOT = "192.0.2.11", "192.0.2.66"
HOUR = 3600.0
FRAME = "AAFSRUdJU1RFUiBzaXA6eA0K"  # two bytes and "REGISTER sip:x"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        made.store._clock = lambda: WALL + made.now
        yield made


def limited(bench: Bench, **limits: object) -> None:
    bench.service.operators.apply_settings(Settings(limits))


def guess(bench: Bench, name: str, port: int, times: int = 1, address: str = BOT) -> None:
    """Wrong passwords for an account, each under a nonce of its own, from one port."""
    right, benches.PASSWORD = benches.PASSWORD, "guessed"
    try:
        for _ in range(times):
            Client(bench, name, address, port).register()
    finally:
        benches.PASSWORD = right


def knock(bench: Bench, times: int, address: str = BOT, port: int = 5060) -> None:
    """Requests without credentials, never answered."""
    for _ in range(times):
        bench.receive(
            Client(bench, "nobody", address, port).message("REGISTER", ""), Flow("udp", APPLIANCE, (address, port))
        )


def banned(bench: Bench) -> list[str]:
    return [row.source for row in bench.store.bans()]


# -- the limits, one by one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "bans"), [(3, [f"{BOT}:6000"]), (4, [])])
def test_maxfailedauthenabledipport_bans_the_port_from_which_wrong_passwords_come(
    bench: Bench, limit: int, bans: list[str]
) -> None:
    limited(bench, maxfailedauthenabledipport=limit)
    guess(bench, "alice", 6000, 4)
    assert banned(bench) == bans
    assert [f"{a}:{p}" for a, p in bench.gate.bans] == bans


@pytest.mark.parametrize(("limit", "bans"), [(5, [BOT]), (6, [])])
def test_maxfailedauthenabledip_counts_over_all_ports(bench: Bench, limit: int, bans: list[str]) -> None:
    limited(bench, maxfailedauthenabledip=limit)
    for port in range(6000, 6006):
        guess(bench, "alice", port)
    assert banned(bench) == bans


@pytest.mark.parametrize(("limit", "bans"), [(5, [BOT]), (6, [])])
def test_maxwrongauthfromip_counts_users_that_do_not_exist(bench: Bench, limit: int, bans: list[str]) -> None:
    limited(bench, maxwrongauthfromip=limit)
    guess(bench, "nobody", 6000, 6)
    assert banned(bench) == bans


@pytest.mark.parametrize(("limit", "bans"), [(5, [BOT]), (6, [])])
def test_maxwrongauthfromip_counts_challenges_that_nobody_answers(bench: Bench, limit: int, bans: list[str]) -> None:
    limited(bench, maxwrongauthfromip=limit)
    knock(bench, 6)
    assert banned(bench) == []
    bench.sleep(PENDING_S + 1)
    assert banned(bench) == bans


@pytest.mark.parametrize(("period", "bans"), [(10.0, []), (HOUR, [f"{BOT}:6000"])])
def test_maxsubfailauthperiod_is_how_far_back_failures_count(bench: Bench, period: float, bans: list[str]) -> None:
    limited(bench, maxfailedauthenabledipport=3, maxsubfailauthperiod=period)
    for _ in range(4):
        guess(bench, "alice", 6000)
        bench.sleep(5, 5)
    assert banned(bench) == bans


@pytest.mark.parametrize(("period", "bans"), [(10.0, []), (HOUR, [BOT])])
def test_maxwrongmsgallowed_and_its_period_ban_who_sends_what_cannot_be_read(
    bench: Bench, period: float, bans: list[str]
) -> None:
    limited(bench, maxwrongmsgallowed=3, maxwrongmsgperiod=period)
    for _ in range(4):
        bench.receive(b"REGISTER sip:x SIP/2.0\r\nCSeq: no\r\n\r\n", Flow("udp", APPLIANCE, (BOT, 5060)))
        bench.sleep(5, 5)
    assert banned(bench) == bans


def test_what_makes_no_sense_on_the_web_counts_as_wrong_messages_with_what_was_sent(bench: Bench) -> None:
    limited(bench, maxwrongmsgallowed=3)
    for number in range(4):
        assert bench.store.bans() == []
        bench.service.operators.wrong_web_request(BOT, f"malformed on the web: {number}\r\n")
    (ban,) = bench.store.bans()
    assert (ban.source, ban.rule, ban.scope, ban.proven) == (BOT, "maxwrongmsgallowed", "address", True)
    assert ban.samples[-1].startswith("malformed on the web: 3") and "\n" not in ban.samples[-1]


def test_methods_that_nobody_has_are_meaningless_messages(bench: Bench) -> None:
    limited(bench, maxwrongmsgallowed=3)
    stranger = Client(bench, "nobody", BOT)
    for _ in range(4):
        bench.receive(stranger.message("FOO", "102"), stranger.flow)
    assert banned(bench) == [BOT]


@pytest.mark.parametrize(("period", "bans"), [(10.0, []), (HOUR, [BOT])])
def test_maxsubsmmsgcount_and_its_period_ban_who_sends_too_much(bench: Bench, period: float, bans: list[str]) -> None:
    limited(bench, maxsubsmmsgcount=3, maxsubsmmsgperiod=period)
    stranger = Client(bench, "nobody", BOT)
    for _ in range(4):
        bench.receive(stranger.message("OPTIONS", "102"), stranger.flow)
        bench.sleep(5, 5)
    assert banned(bench) == bans


@pytest.mark.parametrize(("limit", "bans"), [(5, [BOT]), (6, [])])
def test_fastauthsubswrongusermsg_bans_who_leaves_challenges_unanswered(
    bench: Bench, limit: int, bans: list[str]
) -> None:
    limited(bench, fastauthsubswrongusermsg=limit)
    knock(bench, 6)
    bench.sleep(PENDING_S + 1)
    assert banned(bench) == bans


def test_fastauthsubswrongusermsg_times_ten_closes_the_registrar_to_strangers_and_not_to_customers(
    bench: Bench,
) -> None:
    limited(bench, fastauthsubswrongusermsg=1)
    Client(bench, "alice", ALICE).register()
    for last in range(11):
        knock(bench, 1, f"198.51.100.{last}")
    bench.sleep(PENDING_S + 1)
    stranger = Client(bench, "bob", "203.0.113.9")
    bench.receive(stranger.message("REGISTER", ""), stranger.flow)
    (answer,) = stranger.responses()
    assert (answer.status, answer.headers.get(b"retry-after")) == (503, b"20")
    served = Client(bench, "bob", ALICE, 5070).register()
    assert served is not None and served.status == 200
    bench.sleep(91)
    late = stranger.register()
    assert late is not None and late.status == 200


def test_a_flood_of_forged_datagrams_does_not_close_the_registrar_to_those_on_connections(bench: Bench) -> None:
    limited(bench, fastauthsubswrongusermsg=1)
    for last in range(11):
        knock(bench, 1, f"198.51.100.{last}")
    bench.sleep(PENDING_S + 1)
    for transport, status in (("udp", 503), ("tcp", 401)):
        stranger = Client(bench, "bob", "203.0.113.9")
        bench.sent.clear()
        bench.receive(stranger.message("REGISTER", ""), replace(stranger.flow, transport=transport))
        assert [answer.status for answer in stranger.responses()] == [status]


def test_what_the_kernel_counted_bans_as_well(bench: Bench) -> None:
    since = WALL + bench.now
    offence = wire.Offence(
        "maxwrongmsgallowed", BOT, 5060, 4001, since, since + 60, "sip_malformed", "AAFSRUdJU1RFUiBzaXA6eA0K"
    )
    bench.service.on_offences((offence, wire.Offence("maxwrongmsgallowed", "no address", 1, 5000, 0, 1, "x")))
    (ban,) = bench.store.bans()
    assert (ban.prefix, ban.count, ban.proven, ban.samples) == (
        BOT,
        4001,
        False,
        (f"REGISTER sip:x frame {FRAME}",),
    )


# -- whom a ban hits --------------------------------------------------------------------------------------------------


def test_a_bot_that_sends_every_guess_under_one_branch_is_counted_all_the_same(bench: Bench) -> None:
    limited(bench, maxfailedauthenabledipport=3)
    for number in range(4):
        bot = Client(bench, "alice", BOT, 6000)
        bench.sent.clear()
        bench.receive(bot.message("REGISTER", ""), bot.flow)
        (challenge,) = bot.responses()
        asked, uri = challenge.headers.get(b"www-authenticate") or b"", f"sip:{APPLIANCE[0]}".encode()
        answer = answer_challenge(asked, b"REGISTER", uri, b"alice", b"guess%d" % number, b"cnonce")
        guess = bot.message("REGISTER", "", extra=(b"Authorization: " + answer,), call_id="same")
        bench.receive(re.sub(rb"branch=\w+", b"branch=z9hG4bKsame", guess), bot.flow)
        bench.receive(re.sub(rb"branch=\w+", b"branch=z9hG4bKsame", guess), bot.flow)
    assert banned(bench) == [f"{BOT}:6000"]


def test_a_challenged_request_that_is_answered_counts_nowhere(bench: Bench) -> None:
    limited(bench, maxwrongauthfromip=1, fastauthsubswrongusermsg=1)
    for _ in range(20):
        answer = Client(bench, "alice", ALICE).register()
        assert answer is not None and answer.status == 200
    bench.sleep(PENDING_S + 1)
    assert banned(bench) == []


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


def test_a_rule_in_report_only_says_what_it_would_have_done(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    bench.store.set_report_only("maxfailedauthenabledipport", True)
    guess(bench, "alice", 6000, 2)
    assert banned(bench) == []
    assert "would ban source=192.0.2.66 rule=maxfailedauthenabledipport" in caplog.text
    assert bench.service.plan().report_only == ()  # the gate has no rule of that name
    assert set(BANNING) == {*Rule, "decoyextensions"}


# -- how long ---------------------------------------------------------------------------------------------------------


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


def test_the_gate_counts_with_the_same_figures(bench: Bench) -> None:
    limited(bench, maxsubsmmsgcount=10, maxsubsmmsgperiod=5.0, maxwrongmsgallowed=7, fastauthsubswrongusermsg=30)
    values = bench.service.plan().limits.values
    assert (values["messages_most"], values["messages_window"], values["wrong_most"]) == (10, 5_000_000_000, 7)
    assert (values["guard_burst"], values["guard_window"], values["budget_burst"]) == (30, 90_000_000_000, 300)
    assert values["budget_interval"] == 300_000_000
    assert (values["stranger_burst"], values["stranger_interval"]) == (3000, 5_000_000)  # room for 500 phones at once


def test_the_strict_profile_takes_30_messages_a_second_from_an_unknown_address(bench: Bench) -> None:
    bench.service.operators.apply_settings(Settings().with_changes(changes(Settings(), Profile.STRICT), 2))
    settings, values = bench.service.operators.settings(), bench.service.plan().limits.values
    assert (settings.maxfailedauthenabledipport, settings.maxfailedauthenabledip) == (5, 20)
    assert settings.maxsubfailauthperiod == HOUR
    assert (values["stranger_burst"], values["stranger_interval"]) == (450, 33_333_333)


@pytest.mark.setting("autofinetune")
def test_without_autofinetune_no_queue_at_the_office_shrinks_what_strangers_share(bench: Bench) -> None:
    assert "pressure_delay" not in bench.service.plan().limits.values  # the gate's own 50 ms
    bench.service.operators.apply_settings(Settings().with_changes({"autofinetune": "false"}, 2))
    year_ns = 365 * 86_400 * 10**9
    limits = bench.service.plan().limits
    assert limits.values["pressure_delay"] > year_ns
    assert limits.values["pressure_delay"] in limit_values(limits)  # which the gate takes


@pytest.mark.parametrize(("speed", "interval"), [(800_000, 10_000), (80_000, 100_000), (0, 0)])
def test_maxnetworkspeed_is_the_time_that_a_byte_takes_at_the_interface(
    bench: Bench, speed: int, interval: int
) -> None:
    limited(bench, maxnetworkspeed=speed)
    assert bench.service.plan().limits.values["interface_interval"] == interval


# -- avalanche --------------------------------------------------------------------------------------------------------


def test_500_phones_behind_one_address_come_back_within_10_s_and_nobody_is_banned(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(500):
        bench.store.add_account(NewAccount(f"phone{number}", PASSWORD, Settings().realm, (str(2000 + number),)), "test")
    bench.store.commit()
    caplog.set_level(logging.WARNING)
    began = bench.now
    phones = [Client(bench, f"phone{number}", ALICE, 10_000 + number) for number in range(500)]
    for phone in phones:
        first = phone.message("REGISTER", "")
        bench.receive(first, phone.flow)
        bench.receive(first, phone.flow)  # impatient, as phones are
        bench.now += 0.02
    guess(bench, "phone7", 50_000, 51, ALICE)  # a bot in their midst, before any of them is back
    for phone in phones:
        answer = phone.register()
        assert answer is not None and answer.status == 200
    assert bench.now - began <= 10.001
    offence = wire.Offence("fastauthsubswrongusermsg", ALICE, 10_000, 500, WALL + began, WALL + bench.now, "x")
    bench.service.on_offences((offence,))
    bench.sleep(PENDING_S + 1)
    assert banned(bench) == [f"{ALICE}:50000"]
    assert len(bench.gate.pairs) == 500


@pytest.mark.setting("treatusersasknownip")
def test_treatusersasknownip_makes_the_whole_address_of_a_customer_known(bench: Bench) -> None:
    Client(bench, "alice", ALICE).register()
    assert bench.gate.known == []
    limited(bench, treatusersasknownip=True)
    Client(bench, "alice", ALICE).register()
    assert bench.gate.known == [ALICE]


def test_over_tcp_the_address_of_a_customer_is_known_because_every_connection_has_a_new_port(bench: Bench) -> None:
    alice = Client(bench, "alice", ALICE)
    alice.flow = Flow("tcp", APPLIANCE, (ALICE, 40_000), 7)
    answer = alice.register()
    assert answer is not None and answer.status == 200
    assert bench.gate.known == [ALICE]


def test_a_device_that_moves_to_another_port_or_leaves_is_forgotten_where_it_was(bench: Bench) -> None:
    Client(bench, "alice", ALICE, 5060).register()
    bench.sleep(30, 10)
    expires = (b"Expires: 0",)
    assert list(bench.gate.pairs) == [(ALICE, 5060)]
    answer = Client(bench, "alice", ALICE, 5060).register(extra=expires)
    assert answer is not None and answer.status == 200
    assert bench.gate.pairs == {}
    assert bench.service.plan().known_pairs == ()
