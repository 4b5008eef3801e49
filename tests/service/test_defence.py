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
from pysrv.limits.strikes import PENDING_S, Rule
from pysrv.sip.digest import answer_challenge
from pysrv.sip.events import Flow
from pysrv.store.rows import NewAccount
from tests.calls.playbook import APPLIANCE
from tests.service.bench import PASSWORD, WALL, Bench, Client
from tests.service.defence_bench import ALICE, BOT, HOUR, attacked, banned, guess, knock, limited

FRAME = "AAFSRUdJU1RFUiBzaXA6eA0K"  # two bytes and "REGISTER sip:x"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with attacked(tmp_path) as made:
        yield made


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


def test_a_rule_in_report_only_says_what_it_would_have_done(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    limited(bench, maxfailedauthenabledipport=1)
    bench.store.set_report_only("maxfailedauthenabledipport", True)
    guess(bench, "alice", 6000, 2)
    assert banned(bench) == []
    assert "would ban source=192.0.2.66 rule=maxfailedauthenabledipport" in caplog.text
    assert bench.service.plan().report_only == ()  # the gate has no rule of that name
    assert set(BANNING) == {*Rule, "decoyextensions"}


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
