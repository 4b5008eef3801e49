"""The verbs of the gate over tables in memory: sessions, bans, expiry, status."""

import pytest

from appliance import wire
from appliance.kernel import layout, plan
from appliance.kernel.fake import FakeGate
from appliance.kernel.plan import MapName

A, B = ("10.0.0.1", 20000), ("10.0.0.1", 20002)
BOOT = 1_700_000_000


class Clock:
    def __init__(self) -> None:
        self.ns = 10**12

    def monotonic(self) -> int:
        return self.ns

    def unix(self) -> int:
        return BOOT * 10**9 + self.ns

    def at(self, seconds: float) -> float:
        """Unix time `seconds` from now."""
        return BOOT + self.ns / 1e9 + seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> FakeGate:
    made = FakeGate(monotonic_ns=clock.monotonic, unix_ns=clock.unix)
    made.attach("eth0")
    return made


def session(number: int = 7, deadline_ns: int = 99, first: int = 20000) -> wire.RelaySession:
    a, b = ("10.0.0.1", first), ("10.0.0.1", first + 2)
    return wire.RelaySession(number, deadline_ns, (wire.RelayStream(a, b, ("192.0.2.1", 9)), wire.RelayStream(b, a)))


def whole(**parts: object) -> wire.Plan:
    return wire.Plan(3, (("udp", 5060),), (20000, 29999), **parts)  # type: ignore[arg-type]


def test_a_session_opens_renews_counts_and_closes(gate: FakeGate) -> None:
    gate.open_session(session())
    gate.renew_lease(7, 500)
    assert gate.tables.rows(MapName.LEASES) == {7: 500}
    gate.count(A, 3, 200, now_ns=123, dropped=1)
    (counters,) = gate.counters()
    assert (counters.session, counters.found) == (7, True)
    assert counters.streams[0] == wire.StreamCounters(A, 3, 600, 1, 123)
    assert gate.close_session(7).streams[0].packets == 3
    assert gate.current()[MapName.STREAMS] == {}
    assert gate.tables.states() == {}
    assert gate.counters() == []


def test_an_unknown_session_is_not_found_and_cannot_be_renewed(gate: FakeGate) -> None:
    assert gate.close_session(1) == wire.SessionCounters(1, found=False)
    assert gate.session_counters(1) == wire.SessionCounters(1, found=False)
    with pytest.raises(wire.WireError, match="no media session 1"):
        gate.renew_lease(1, 5)


def test_the_same_session_again_replaces_its_streams(gate: FakeGate) -> None:
    gate.open_session(session(first=20000))
    gate.count(A, 5, 10, now_ns=1)
    gate.open_session(session(first=20000))
    assert gate.session_counters(7).streams[0].packets == 5
    gate.open_session(session(first=21000))
    assert {s.local[1] for s in gate.session_counters(7).streams} == {21000, 21002}
    gate.open_session(session(8, first=20000))
    assert gate.session_counters(8).streams[0].packets == 0, "a port's next session starts from nothing"


def test_a_port_belongs_to_one_session_at_a_time(gate: FakeGate) -> None:
    gate.open_session(session())
    with pytest.raises(wire.WireError, match="port 20000 belongs to session 7") as refused:
        gate.open_session(session(8))
    assert refused.value.code == "port_in_use"
    assert not gate.session_counters(8).found
    gate.close_session(7)
    gate.open_session(session(8))


def test_a_plan_replaces_what_was_opened_one_by_one(gate: FakeGate) -> None:
    gate.open_session(session(7))
    gate.open_session(session(8, first=21000))
    gate.count(A, 5, 10, now_ns=1)
    applied = gate.sync(whole(sessions=(session(7),)))
    assert applied.removed == 3, "one lease and two streams"
    assert [c.session for c in gate.counters()] == [7]
    assert gate.session_counters(7).streams[0].packets == 5
    assert gate.sync(whole(sessions=(session(7),))) == wire.Applied(0, 0, 0)


def test_bans_are_listed_with_what_was_said_of_them_and_end_in_time(gate: FakeGate, clock: Clock) -> None:
    short = wire.Ban("192.0.2.1", clock.at(10), "maxfailedauthenabledip", "801 wrong passwords")
    gate.ban(short)
    gate.ban(wire.Ban("198.51.100.0/24"))
    assert gate.bans() == [short, wire.Ban("198.51.100.0/24")]
    assert gate.status().bans == 2
    clock.ns += 11 * 10**9
    assert gate.bans() == [wire.Ban("198.51.100.0/24")]
    assert gate.tick() == 1
    assert gate.tables.rows(MapName.BANS) == {}


def test_a_ban_that_was_prolonged_does_not_end_at_its_first_end(gate: FakeGate, clock: Clock) -> None:
    gate.ban(wire.Ban("192.0.2.1", clock.at(10)))
    gate.ban(wire.Ban("192.0.2.1", clock.at(100)))
    clock.ns += 50 * 10**9
    assert gate.tick() == 0
    assert len(gate.bans()) == 1
    clock.ns += 51 * 10**9
    assert gate.tick() == 1


def test_what_is_not_there_cannot_be_lifted(gate: FakeGate) -> None:
    with pytest.raises(wire.WireError, match=r"192\.0\.2\.1 is not banned"):
        gate.unban(wire.Prefix("192.0.2.1"))
    with pytest.raises(wire.WireError, match=r"192\.0\.2\.1 is neither allowed nor known"):
        gate.disallow(wire.Prefix("192.0.2.1"))


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0", "::/64", "nonsense", "1.2.3.4/40"])
def test_a_ban_of_everybody_or_of_nobody_is_refused(gate: FakeGate, prefix: str) -> None:
    with pytest.raises(wire.WireError, match=r"prefix|ban|nonsense|every"):
        gate.ban(wire.Ban(prefix))
    assert gate.bans() == []


def test_a_ban_in_the_past_is_refused(gate: FakeGate, clock: Clock) -> None:
    with pytest.raises(wire.WireError, match="lies in the past"):
        gate.ban(wire.Ban("192.0.2.1", clock.at(-1)))


def test_trust_ends_in_time_too(gate: FakeGate, clock: Clock) -> None:
    gate.allow(wire.Source("192.0.2.1", wire.SourceClass.KNOWN, clock.at(5)))
    assert len(gate.tables.rows(MapName.SOURCES)) == 1
    clock.ns += 6 * 10**9
    assert gate.tick() == 1
    assert gate.tables.rows(MapName.SOURCES) == {}


def test_a_clock_that_is_set_moves_the_end_and_one_that_is_slewed_does_not(gate: FakeGate, clock: Clock) -> None:
    before = gate.boot_ns
    gate._unix_ns = lambda: clock.unix() + 400_000_000
    assert gate.boot_ns == before
    gate._unix_ns = lambda: clock.unix() + 3600 * 10**9
    assert gate.boot_ns == before + 3600 * 10**9


def test_status_says_who_relays_and_why() -> None:
    made = FakeGate(relay=False)
    assert made.status().relay_reason == "no interface is attached"
    assert made.attach("eth0") == wire.Interface("eth0", "native")
    status = made.status()
    assert (status.relay, status.relay_reason) == ("user", "the fake gate was told so")
    made.close()
    assert made.closed


def test_who_relays_is_in_the_configuration_row(gate: FakeGate) -> None:
    gate.sync(whole())
    row = gate.tables.rows(MapName.POLICY)[0]
    assert row[:4] == (3, 20000, 29999, True)
    gate.detach_all()
    assert gate.tables.rows(MapName.POLICY)[0].relay_here is False


def test_limits_hold_from_the_first_packet_on(gate: FakeGate) -> None:
    assert gate.tables.rows(MapName.POLICY)[0].limits == tuple(slot.default for slot in layout.limits())


def test_tallies_have_the_words_of_the_list(gate: FakeGate) -> None:
    gate.tally("banned", 5, 700)
    row = next(row for row in gate.tallies() if row.verdict == "banned")
    assert row == wire.Tally("banned", "DROP", "source address is banned", 5, 700)


DEVICE = wire.Pair("192.0.2.1", 5062)


def pairs(gate: FakeGate) -> dict[object, plan.PairRow]:
    return gate.tables.rows(MapName.PAIRS)


def test_a_device_is_known_until_its_registration_ends(gate: FakeGate, clock: Clock) -> None:
    gate.know_pair(wire.KnownPair("192.0.2.1", 5062, clock.at(10)))
    gate.know_pair(wire.KnownPair("192.0.2.1", 5062, clock.at(100)))
    assert gate.status().pairs == 1
    clock.ns += 50 * 10**9
    assert gate.tick() == 0
    clock.ns += 51 * 10**9
    assert gate.tick() == 1
    assert pairs(gate) == {}


def test_a_banned_device_that_is_known_is_known_again_afterwards(gate: FakeGate, clock: Clock) -> None:
    where = plan.endpoint(("192.0.2.1", 5062))
    gate.know_pair(wire.KnownPair("192.0.2.1", 5062, 0.0))
    gate.ban_pair(wire.PairBan("192.0.2.1", 5062, clock.at(10)))
    assert pairs(gate)[where] == plan.PairRow(plan.FOREVER, clock.ns + 10 * 10**9)
    gate.unban_pair(DEVICE)
    assert pairs(gate)[where] == plan.PairRow(plan.FOREVER)
    with pytest.raises(wire.WireError, match="port 5062 is not banned"):
        gate.unban_pair(DEVICE)
    gate.forget_pair(DEVICE)
    gate.forget_pair(DEVICE)
    assert pairs(gate) == {}


def test_a_device_that_registers_often_leaves_one_end_to_wait_for(gate: FakeGate, clock: Clock) -> None:
    for minute in range(100):
        gate.know_pair(wire.KnownPair("192.0.2.1", 5062, clock.at(60 * minute + 60)))
    assert len(gate._expiries) == 1


PROTECTED = ("198.51.100.10", "2001:db8:1::/48", "10.0.0.0/8")


@pytest.mark.parametrize(
    "prefix", ["198.51.100.10", "198.51.100.0/24", "2001:db8::/32", "2001:db8:1:2::9", "10.1.2.0/24", "8.0.0.0/5"]
)
def test_a_ban_that_covers_the_management_is_refused_and_left_out_of_a_plan(gate: FakeGate, prefix: str) -> None:
    applied = gate.sync(whole(protected=PROTECTED, bans=(wire.Ban(prefix), wire.Ban("192.0.2.7"))))
    assert applied.skipped == (prefix,)
    assert [ban.prefix for ban in gate.bans()] == ["192.0.2.7"]
    with pytest.raises(wire.WireError, match="covers an address of the management") as refused:
        gate.ban(wire.Ban(prefix))
    assert refused.value.code == "protected"


def test_a_protected_device_is_never_banned(gate: FakeGate) -> None:
    banned = wire.PairBan("198.51.100.10", 22)
    applied = gate.sync(whole(protected=PROTECTED, pair_bans=(banned,)))
    assert applied.skipped == ("198.51.100.10 port 22",)
    with pytest.raises(wire.WireError, match="covers an address of the management"):
        gate.ban_pair(banned)
    gate.ban(wire.Ban("198.51.100.11"))
    gate.ban(wire.Ban("2001:db8:2::/48"))


def test_a_plan_brings_devices_that_are_known_and_banned(gate: FakeGate, clock: Clock) -> None:
    gate.sync(
        whole(
            known_pairs=(wire.KnownPair("192.0.2.1", 5062, clock.at(10)), wire.KnownPair("192.0.2.2", 1, clock.at(-1))),
            pair_bans=(wire.PairBan("192.0.2.1", 5062),),
        )
    )
    assert list(pairs(gate).values()) == [plan.PairRow(clock.ns + 10 * 10**9, plan.FOREVER)]


def test_what_no_rule_is_called_is_skipped_in_report_only_and_the_plan_holds(gate: FakeGate) -> None:
    applied = gate.sync(whole(report_only=("banned", "nonsense", "sip_request", "over_rate_stranger")))
    assert applied.skipped == ("nonsense", "sip_request")
    assert gate.tables.rows(MapName.POLICY)[0].reported == {"banned", "over_rate_stranger"}


def test_a_pulse_says_how_long_a_datagram_waits(gate: FakeGate, clock: Clock) -> None:
    assert gate.status().queue_delay_ms < 0
    assert gate.pulse(wire.Pulse(12.5)) == wire.Events()
    assert gate.memory.beat == (clock.ns, 12_500_000)
    assert gate.status().queue_delay_ms == 12.5
    with pytest.raises(wire.WireError, match="queue_delay_ms"):
        gate.pulse(wire.Pulse(-1.0))
