"""The nftables gate with real packets: whom it stops, whom it spares, and what is left of it."""

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from appliance import networks, wire
from appliance.kernel import link
from appliance.kernel.nft import Nft, remove_leftover
from appliance.kernel.nft_gate import NftGate
from appliance.wire import FirewallAction, FirewallRule, ListKind, SourceClass
from tests.kernel.conftest import Sockets
from tests.lab.network import Lab, entered
from tests.lab.waiting import until

TABLE = "inet appliance_test"
INVITE = b"INVITE sip:100@192.0.2.1 SIP/2.0\r\n\r\n"
PATIENCE_S = 30.0
PHONE, PHONE6 = "10.77.1.2", "fd77:1::2"


@pytest.fixture(scope="module")
def loaded(lab: Lab) -> Iterator[NftGate]:
    with entered(lab.appliance):
        gate = NftGate.load(TABLE, "the test wants it")
        gate.attach(lab.interfaces[0])
        try:
            yield gate
        finally:
            gate.close()


@pytest.fixture
def gate(loaded: NftGate, inside: Lab) -> NftGate:
    loaded.sync(plan())
    return loaded


def plan(**parts: object) -> wire.Plan:
    return wire.Plan(1, (("udp", 5060), ("tcp", 5060)), (20000, 29999), **parts)  # type: ignore[arg-type]


class Line:
    """A phone that says something to a port of the appliance, and whether it was heard there."""

    def __init__(self, lab: Lab, sockets: Sockets, *, six: bool = False, source: int = 5060, port: int = 5060) -> None:
        host = lab.hosts["phone"]
        self._mouth = sockets.at("phone", source, six=six)
        self._there = (host.gateway6 if six else host.gateway, port)
        self._ear = sockets._stack.enter_context(
            socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        )
        self._ear.bind(self._there)
        self._ear.setblocking(False)

    def heard(self, what: bytes = INVITE, times: int = 1) -> int:
        """How many of `times` arrive: on veth before sendto returns, or soon after, where ksoftirqd runs."""
        until, expected = time.monotonic() + PATIENCE_S, self._received() + times
        for _ in range(times):
            self._mouth.sendto(what, self._there)
        while self._received() < expected and time.monotonic() < until:
            time.sleep(0.001)
        arrived = 0
        while True:
            try:
                self._ear.recv(2048)
            except BlockingIOError:
                return arrived
            arrived += 1

    def _received(self) -> int:
        """Packets that this namespace's IP has taken in, which happens before the gate judges them."""
        if self._ear.family is socket.AF_INET6:
            lines = Path("/proc/thread-self/net/snmp6").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Ip6InReceives"))
        names, values = Path("/proc/thread-self/net/snmp").read_text().splitlines()[:2]
        return int(values.split()[names.split().index("InReceives")])


@pytest.fixture
def line(gate: NftGate, lab: Lab, sockets: Sockets) -> Line:
    return Line(lab, sockets)


@pytest.fixture
def line6(gate: NftGate, lab: Lab, sockets: Sockets) -> Line:
    return Line(lab, sockets, six=True)


def counted(gate: NftGate, verdict: str) -> int:
    return next(row.packets for row in gate.tallies() if row.verdict == verdict)


def test_a_banned_address_is_dropped_counted_and_heard_again_when_the_ban_is_lifted(gate: NftGate, line: Line) -> None:
    assert line.heard() == 1
    before = counted(gate, "banned")
    gate.ban(wire.Ban(PHONE, time.time() + 3600))
    assert line.heard(times=3) == 0
    assert counted(gate, "banned") == before + 3
    assert gate.bans()[0].prefix == PHONE
    gate.unban(wire.Prefix(PHONE))
    assert line.heard() == 1


def test_a_ban_ends_by_the_kernels_own_clock(gate: NftGate, line: Line) -> None:
    gate.ban(wire.Ban(PHONE, time.time() + 2.0))  # long enough for a busy machine to ask meanwhile
    assert line.heard() == 0
    until(line.heard)


def test_again_moves_the_end_of_a_ban(gate: NftGate, line: Line) -> None:
    gate.ban(wire.Ban(PHONE, time.time() + 3600))
    gate.ban(wire.Ban(PHONE, time.time() + 0.1))
    until(line.heard)


@pytest.mark.parametrize("prefix", [PHONE6, "fd77:1::/64", "fd77::/16"])
def test_ip6_addresses_and_networks_are_banned_too(gate: NftGate, line6: Line, prefix: str) -> None:
    assert line6.heard() == 1
    gate.ban(wire.Ban(prefix))
    assert line6.heard() == 0
    gate.unban(wire.Prefix(prefix))
    assert line6.heard() == 1


def test_nested_networks_are_no_conflict_and_the_narrow_one_outlives_the_wide(gate: NftGate, line: Line) -> None:
    gate.ban(wire.Ban("10.77.1.0/24"))
    gate.ban(wire.Ban("10.77.0.0/16"))
    gate.ban(wire.Ban("10.0.0.0/8", time.time() + 3600))
    assert line.heard() == 0
    gate.unban(wire.Prefix("10.0.0.0/8"))
    gate.unban(wire.Prefix("10.77.0.0/16"))
    assert line.heard() == 0
    gate.unban(wire.Prefix("10.77.1.0/24"))
    assert line.heard() == 1


def test_one_device_is_banned_and_its_neighbour_behind_the_address_is_not(
    gate: NftGate, line: Line, lab: Lab, sockets: Sockets
) -> None:
    neighbour = Line(lab, sockets, source=5070, port=5061)
    gate.ban_pair(wire.PairBan(PHONE, 5060))
    assert (line.heard(), neighbour.heard()) == (0, 1)
    gate.unban_pair(wire.Pair(PHONE, 5060))
    assert line.heard() == 1


def test_a_known_device_works_on_where_a_ban_spares_it_and_not_where_it_does_not(gate: NftGate, line: Line) -> None:
    gate.know_pair(wire.KnownPair(PHONE, 5060, time.time() + 60))
    gate.ban(wire.Ban(PHONE, spares_known=True))
    assert line.heard() == 1
    gate.forget_pair(wire.Pair(PHONE, 5060))
    assert line.heard() == 0
    gate.know_pair(wire.KnownPair(PHONE, 5060, time.time() + 60))
    gate.ban(wire.Ban(PHONE))
    assert line.heard() == 0


@pytest.mark.parametrize("prefix", [PHONE, "10.77.1.0/24"])
def test_the_allow_list_comes_before_every_ban(gate: NftGate, line: Line, prefix: str) -> None:
    gate.sync(plan(bans=(wire.Ban(PHONE),), sources=(wire.Source(prefix),)))
    assert line.heard() == 1
    gate.disallow(wire.Prefix(prefix))
    assert line.heard() == 0


def test_a_stranger_has_the_burst_and_a_known_source_more(gate: NftGate, line: Line, line6: Line) -> None:
    limits = wire.Limits({"stranger_burst": 5, "stranger_interval": 10**11, "known_burst": 9, "known_interval": 10**11})
    gate.sync(plan(limits=limits))
    before = counted(gate, "over_rate_stranger")
    assert (line.heard(times=20), line6.heard(times=20)) == (5, 5)
    assert counted(gate, "over_rate_stranger") == before + 30
    gate.allow(wire.Source(PHONE, SourceClass.KNOWN))
    assert line.heard(times=20) == 9


def test_a_known_device_has_a_bucket_of_its_own(gate: NftGate, line: Line) -> None:
    gate.sync(plan(limits=wire.Limits({"stranger_burst": 1, "pair_burst": 7, "pair_interval": 10**11})))
    gate.know_pair(wire.KnownPair(PHONE, 5060, time.time() + 60))
    before = counted(gate, "over_rate_pair")
    assert line.heard(times=10) == 7
    assert counted(gate, "over_rate_pair") == before + 3


def test_strangers_share_a_budget_that_shrinks_when_the_service_falls_behind(gate: NftGate, line: Line) -> None:
    limits = {"budget_burst": 8, "budget_interval": 10**11, "pressure_divisor": 4, "pressure_delay": 10**6}
    gate.sync(plan(limits=wire.Limits(limits)))
    assert line.heard(times=10) == 8
    before = counted(gate, "over_budget")
    gate.pulse(wire.Pulse(queue_delay_ms=5.0))
    assert line.heard(times=10) == 2
    assert counted(gate, "over_budget") == before + 8
    gate.pulse(wire.Pulse(queue_delay_ms=0.0))
    assert line.heard(times=10) == 8
    gate.sync(plan(limits=wire.Limits(limits | {"budget_burst": 9, "pressure_delay": 2**62 - 1})))  # autofinetune off
    gate.pulse(wire.Pulse(queue_delay_ms=999_999.0))
    assert line.heard(times=10) == 9


def test_a_source_may_connect_only_so_often(gate: NftGate, lab: Lab) -> None:
    gate.sync(plan(limits=wire.Limits({"connect_burst": 3, "connect_interval": 10**11})))
    host = lab.hosts["phone"]
    before = counted(gate, "tcp_connections")
    with socket.create_server((host.gateway, 5060)):
        for number in range(5):
            with lab.socket(host.namespace, socket.SOCK_STREAM) as opened:
                opened.settimeout(0.2)
                try:
                    opened.connect((host.gateway, 5060))
                except TimeoutError:
                    assert number >= 3
    assert counted(gate, "tcp_connections") >= before + 2


def test_a_burst_of_strangers_elsewhere_takes_nothing_from_other_ports(
    gate: NftGate, lab: Lab, sockets: Sockets
) -> None:
    gate.sync(plan(limits=wire.Limits({"stranger_burst": 1, "stranger_interval": 10**11})))
    other = Line(lab, sockets, source=5080, port=8080)
    assert other.heard(times=10) == 10


def test_audio_goes_to_the_office(gate: NftGate, lab: Lab, sockets: Sockets) -> None:
    media = Line(lab, sockets, source=4000, port=20000)
    before = counted(gate, "rtp_to_user")
    assert media.heard(b"\x80" + bytes(171), times=4) == 4
    assert counted(gate, "rtp_to_user") == before + 4
    assert (gate.status().relay, gate.status().relay_reason) == ("user", "nftables does not relay")


@pytest.mark.parametrize(
    ("payload", "verdict", "passes"),
    [
        (INVITE, "sip_request", True),
        (b"SUBSCRIBE sip:a SIP/2.0\r\n\r\n", "sip_request", True),
        (b"SIP/2.0 200 OK\r\n\r\n", "sip_response", True),
        (b"DANCE sip:a SIP/2.0\r\n\r\n", "sip_unknown_method", True),
        (b"\r\n\r\n", "sip_keepalive", True),
        (b"", "sip_empty", False),
        (bytes(4), "sip_empty", False),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "sip_stun", False),
        (b"\x16\x03\x01 what", "sip_garbage", False),
        (b"hello hello", "sip_garbage", False),
    ],
)
def test_the_start_of_a_datagram_is_named_as_the_xdp_gate_names_it(
    gate: NftGate, line: Line, payload: bytes, verdict: str, passes: bool
) -> None:
    before = counted(gate, verdict)
    assert line.heard(payload) == passes
    assert counted(gate, verdict) == before + 1


def test_tcp_flags_that_no_stack_sends_end_here(gate: NftGate, lab: Lab) -> None:
    before = counted(gate, "tcp_flags")
    where = lab.hosts["phone"].gateway
    script = "from scapy.all import IP, TCP, send\nfor flags in ('', 'SF', 'SR', 'FPU'):\n"
    script += f"    send(IP(dst='{where}') / TCP(dport=5060, flags=flags), verbose=0)"
    done = lab.run(lab.hosts["phone"].namespace, [sys.executable, "-c", script])
    assert done.returncode == 0, done.stderr
    assert counted(gate, "tcp_flags") == before + 4


def test_static_rules_hold_by_port_and_network(gate: NftGate, line: Line, lab: Lab, sockets: Sockets) -> None:
    other = Line(lab, sockets, source=5070, port=5062)
    deny_port = FirewallRule("10.77.0.0/16", FirewallAction.DENY, "udp", 5060)
    gate.sync(plan(firewall=(deny_port,)))
    assert (line.heard(), other.heard()) == (0, 1)
    gate.sync(plan(firewall=(deny_port, FirewallRule("10.77.1.0/24", FirewallAction.ALLOW)), bans=(wire.Ban(PHONE),)))
    assert (line.heard(), other.heard()) == (1, 1)
    gate.sync(plan(firewall=(FirewallRule("0.0.0.0/0", FirewallAction.DENY),)))
    assert (line.heard(), other.heard()) == (0, 0)


def chunk(name: str, *prefixes: str, kind: ListKind = ListKind.BAN, entries: int = 0) -> wire.ListChunk:
    rows = b"".join(networks.merged(networks.parsed(each) for each in prefixes))
    packed = base64.b64encode(rows).decode()
    return wire.ListChunk(name, "digest", packed, first=True, last=True, kind=kind, entries=entries)


def test_an_imported_list_bans_strangers_and_leaves_alone_who_is_known(gate: NftGate, line: Line) -> None:
    gate.load_list(chunk("bad", "10.77.1.0/24", "192.0.2.1"))
    try:
        assert line.heard() == 0
        gate.know_pair(wire.KnownPair(PHONE, 5060, time.time() + 60))
        assert line.heard() == 1
        gate.forget_pair(wire.Pair(PHONE, 5060))
    finally:
        gate.drop_list(wire.ListRef("bad"))
    assert line.heard() == 1


def test_countries_that_alone_may_come_shut_out_the_others(gate: NftGate, line: Line) -> None:
    gate.load_list(chunk("here", "192.0.2.0/24", kind=ListKind.COUNTRY_ALLOW))
    try:
        assert line.heard() == 0
    finally:
        gate.drop_list(wire.ListRef("here"))
    assert line.heard() == 1


def test_a_list_that_is_too_long_for_nftables_is_refused_with_the_figure(gate: NftGate) -> None:
    with pytest.raises(wire.WireError, match="262144 networks at most") as refused:
        gate.load_list(chunk("world", "192.0.2.1", entries=300_000))
    assert refused.value.code == "gate_full"


def test_report_only_lets_pass_and_counts(gate: NftGate, line: Line) -> None:
    gate.sync(plan(bans=(wire.Ban(PHONE),), report_only=("banned",)))
    assert line.heard(times=2) == 2
    assert next(row.reported for row in gate.tallies() if row.verdict == "banned") >= 2


def test_a_plan_comes_into_force_whole_or_not_at_all(gate: NftGate, line: Line) -> None:
    gate.sync(plan(bans=(wire.Ban(PHONE),)))
    with pytest.raises(wire.WireError):
        gate.sync(plan(bans=(wire.Ban("0.0.0.0/0"),)))
    assert line.heard() == 0
    assert gate.sync(plan(bans=(wire.Ban(PHONE),))).removed == 0


def test_a_rule_set_that_somebody_flushed_is_written_again(gate: NftGate, lab: Lab, sockets: Sockets) -> None:
    flushed = NftGate.load("inet appliance_flushed", "test", pinned=True)
    try:
        flushed.attach(lab.interfaces[0])
        flushed.sync(plan(bans=(wire.Ban(PHONE),)))
        line = Line(lab, sockets, source=5099, port=5060)
        subprocess.run(["nft", "delete", "table", "inet", "appliance_flushed"], check=True)
        assert line.heard() == 1
        flushed.tick()
        assert line.heard() == 0
    finally:
        flushed.remove()


def test_a_table_that_is_owned_cannot_be_flushed_by_others_and_ends_with_its_owner(inside: Lab) -> None:
    gate = NftGate.load("inet appliance_owned", "test")
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    other = Nft()
    assert other.knows("table inet appliance_owned")
    gate.close()
    assert not other.knows("table inet appliance_owned")


def test_a_pinned_table_judges_on_and_the_next_keeper_takes_it_over(gate: NftGate, lab: Lab, sockets: Sockets) -> None:
    table = "inet appliance_pinned"
    first = NftGate.load(table, "test", pinned=True)
    first.attach(lab.interfaces[0])
    first.sync(plan(bans=(wire.Ban(PHONE),)))
    first.close()
    line = Line(lab, sockets, source=5098, port=5060)
    assert line.heard() == 0, "nobody is there, and it still holds"
    second = NftGate.load(table, "test", pinned=True)
    assert second.attach(lab.interfaces[0]).mode == "nftables"
    assert line.heard() == 0, "until the first plan"
    second.sync(plan())
    assert line.heard() == 1
    second.close()
    assert remove_leftover(table)
    assert not remove_leftover(table)


def test_a_table_of_another_layout_is_replaced_in_one_step(lab: Lab, inside: Lab) -> None:
    table = "inet appliance_old"
    nft = Nft()
    nft.run(
        [
            f"add table {table}",
            f"add set {table} banned4 {{ type ipv6_addr; }}",
            f"add set {table} layout_0 {{ type mark; }}",
        ]
    )
    gate = NftGate.load(table, "test", pinned=True)
    gate.sync(plan(bans=(wire.Ban(PHONE),)))
    assert not nft.knows(f"set {table} layout_0")
    gate.remove()


def test_two_appliances_side_by_side_have_tables_of_their_own(lab: Lab, inside: Lab, line: Line) -> None:
    other = NftGate.load("inet appliance_second", "test")
    other.attach(lab.interfaces[1])
    other.sync(plan(bans=(wire.Ban(PHONE),)))
    assert line.heard() == 1, "the other one judges other interfaces"
    other.close()
    assert line.heard() == 1


def test_a_vlan_interface_that_comes_later_is_guarded_too(
    gate: NftGate, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, later = lab.interfaces
    tagged = {socket.if_nametoindex(base): (2, ()), socket.if_nametoindex(later): (2, (7,))}
    monkeypatch.setattr(link, "paths", lambda names: tagged if names == [base] else {})
    gate.tick()
    assert gate._written.interfaces == {base, later}
    monkeypatch.undo()
    gate.tick()
    assert gate._written.interfaces == {base}


def test_status_says_which_protection_is_missing_and_an_unknown_interface_is_named(gate: NftGate) -> None:
    status = gate.status()
    assert status.interfaces[0] == wire.Interface("to-phone", "nftables", "the test wants it")
    assert any("stateless challenge" in each for each in status.missing)
    with pytest.raises(wire.WireError, match="no interface 'nix0'"):
        gate.attach("nix0")


def _takes(act: Callable[[], object]) -> float:
    """Seconds of one go."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def test_a_hundred_thousand_bans_are_one_transaction_and_no_weight_on_the_counters(gate: NftGate, line: Line) -> None:
    bans = tuple(wire.Ban(f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}") for i in range(100_000))
    single_s = min(_takes(partial(gate.ban, wire.Ban(f"198.18.0.{i}"))) for i in range(5))
    all_s = _takes(partial(gate.sync, plan(bans=bans)))
    assert all_s < len(bans) * single_s / 4, "they are not written one by one"
    assert gate.status().bans == 100_000
    assert min(_takes(gate.tallies) for _ in range(3)) < all_s / 10, "counters are read alone"
    assert line.heard() == 1
