"""The desired rows of a plan, and the difference between two sets of rows."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import wire
from appliance.kernel import layout, plan
from appliance.kernel.plan import MapName

keys = st.integers(0, 9)
rows = st.dictionaries(st.sampled_from(MapName), st.dictionaries(keys, st.integers(0, 3), max_size=6))


def applied(current: plan.Rows, change: plan.PlanDiff) -> dict[MapName, dict[Any, Any]]:
    result = copy.deepcopy(current)
    for name, gone in change.removes.items():
        for key in gone:
            del result[name][key]
    for part in (change.adds, change.changes):
        for name, changed in part.items():
            result.setdefault(name, {}).update(changed)
    return {name: table for name, table in result.items() if table}


@given(rows, rows)
def test_a_difference_leads_to_the_desired_rows(current: plan.Rows, desired: plan.Rows) -> None:
    change = plan.diff(current, desired)
    assert applied(current, change) == {name: table for name, table in desired.items() if table}


@given(rows, rows)
def test_a_difference_holds_nothing_needless(current: plan.Rows, desired: plan.Rows) -> None:
    change = plan.diff(current, desired)
    for name, added in change.adds.items():
        assert not added.keys() & current.get(name, {}).keys()
    for name, changed in change.changes.items():
        assert all(current[name][key] != row for key, row in changed.items())
    for name, gone in change.removes.items():
        assert not set(gone) & desired.get(name, {}).keys()


@given(rows)
def test_equal_rows_differ_in_nothing(same: plan.Rows) -> None:
    assert plan.diff(same, copy.deepcopy(same)) == plan.PlanDiff()
    assert plan.diff(same, same).applied == wire.Applied(0, 0, 0)


def desired(boot_ns: int = 0, now_ns: int = 10**9, **parts: Any) -> plan.Rows:
    whole = {"generation": 1, "service_ports": (("udp", 5060),), "relay_ports": (20000, 29999), **parts}
    return plan.desired(wire.Plan(**whole), boot_ns=boot_ns, now_ns=now_ns, relay_here=True)


def test_single_addresses_and_networks_lie_in_maps_of_their_own() -> None:
    found = desired(bans=(wire.Ban("192.0.2.1"), wire.Ban("192.0.2.0/24"), wire.Ban("2001:db8::/32")))
    assert found[MapName.BANS] == {layout.address("192.0.2.1"): plan.BanRow(0)}
    assert found[MapName.BAN_NETS].keys() == {layout.network("192.0.2.0/24"), layout.network("2001:db8::/32")}


def test_expiry_is_turned_into_the_kernels_clock_and_what_has_expired_is_left_out() -> None:
    boot_ns, now_ns = 1_700_000_000 * 10**9, 5 * 10**9
    bans = (wire.Ban("192.0.2.1", 1_700_000_006.0), wire.Ban("192.0.2.2", 1_700_000_004.0))
    found = desired(boot_ns, now_ns, bans=bans)
    assert found[MapName.BANS] == {layout.address("192.0.2.1"): plan.BanRow(6 * 10**9)}


def test_limits_that_are_not_named_have_their_default() -> None:
    found = desired(limits=wire.Limits({"rtp_burst": 5}))[MapName.POLICY][0]
    assert found.limits == tuple(5 if slot.name == "rtp_burst" else slot.default for slot in layout.limits())


def test_each_stream_knows_what_its_peer_announced() -> None:
    a, b = ("10.0.0.1", 20000), ("10.0.0.1", 20002)
    session = wire.RelaySession(7, 99, (wire.RelayStream(a, b, ("192.0.2.1", 9)), wire.RelayStream(b, a, None)))
    found = desired(sessions=(session,))
    streams = found[MapName.STREAMS]
    assert found[MapName.LEASES] == {7: 99}
    assert streams[plan.endpoint(b)].peer_remote == plan.endpoint(("192.0.2.1", 9))
    assert streams[plan.endpoint(a)].peer_remote is None


@pytest.mark.parametrize(
    ("remote", "near", "learn", "far"),
    [
        (("192.0.2.1", 9), "192.0.2.1", True, False),
        (("10.1.1.1", 9), "192.0.2.1", True, True),
        (("192.0.2.1", 9), "", True, True),
        (None, "192.0.2.1", True, True),
        (("10.1.1.1", 9), "192.0.2.1", False, False),
    ],
    ids=["behind no NAT", "behind NAT", "signalling unknown", "nothing announced", "learning off"],
)
def test_media_are_learned_anywhere_only_if_signalling_and_announcement_differ(
    remote: tuple[str, int] | None, near: str, learn: bool, far: bool
) -> None:
    rows = plan.stream_rows(wire.RelaySession(7, 99, (wire.RelayStream(A, B, remote, learn, near=near),)))
    assert rows[plan.endpoint(A)].learn_far is far


@pytest.mark.parametrize(("pps", "pace"), [(0, (0, 0)), (10, (50, 100_000_000)), (150, (150, 6_666_666))])
def test_a_stream_may_send_a_second_of_packets_at_once(pps: int, pace: tuple[int, int]) -> None:
    rows = plan.stream_rows(wire.RelaySession(7, 99, (wire.RelayStream(A, B, packets_per_s=pps),)))
    assert rows[plan.endpoint(A)].pace == pace


A, B = ("10.0.0.1", 20000), ("10.0.0.1", 20002)
ONE_WAY = (wire.RelayStream(A, B),)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("bad_limit", {"limits": wire.Limits({"nonsense": 1})}, "no limit slot 'nonsense'"),
    ("bad_limit", {"limits": wire.Limits({"rtp_burst": -1})}, "rtp_burst"),
    ("bad_prefix", {"bans": (wire.Ban("192.0.2.0/33"),)}, "192.0.2.0/33"),
    ("bad_prefix", {"bans": (wire.Ban("nonsense"),)}, "nonsense"),
    ("bad_prefix", {"bans": (wire.Ban("192.0.2.1/"),)}, "192.0.2.1/"),
    ("bad_prefix", {"bans": (wire.Ban("0.0.0.0/0"),)}, "would ban everyone"),
    ("bad_prefix", {"bans": (wire.Ban("::/0"),)}, "would ban everyone"),
    ("bad_prefix", {"sources": (wire.Source("::/64"),)}, "every IPv4 address"),
    ("bad_time", {"bans": (wire.Ban("192.0.2.1", -1.0),)}, "expires_at"),
    ("bad_port", {"service_ports": (("sctp", 5060),)}, "sctp"),
    ("bad_port", {"service_ports": (("udp", 70000),)}, "70000"),
    ("bad_port", {"relay_ports": (30000, 20000)}, "30000-20000"),
    ("bad_port", {"service_ports": (("udp", 20001),)}, "media range"),
    ("bad_address", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(("here", 2), B),)),)}, "'here'"),
    ("bad_port", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(("10.0.0.1", 0), B),)),)}, "port 0"),
    ("bad_session", {"sessions": (wire.RelaySession(1, 0, ()), wire.RelaySession(1, 0, ()))}, "twice"),
    ("bad_session", {"sessions": (wire.RelaySession(-1, 0, ()),)}, "64 bits"),
    ("bad_deadline", {"sessions": (wire.RelaySession(1, -1, ()),)}, "64 bits"),
    ("bad_stream", {"sessions": (wire.RelaySession(1, 0, ONE_WAY * 2),)}, "two streams"),
    ("bad_stream", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(A, B, payload_types=(128,)),)),)}, "128"),
    ("bad_stream", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(A, B, packets_per_s=-1),)),)}, "-1"),
    ("bad_stream", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(A, B, packet_bytes=65536),)),)}, "65536"),
    ("bad_address", {"sessions": (wire.RelaySession(1, 0, (wire.RelayStream(A, B, near="here"),)),)}, "'here'"),
    ("port_in_use", {"sessions": (wire.RelaySession(1, 0, ONE_WAY), wire.RelaySession(2, 0, ONE_WAY))}, "session 1"),
]


@pytest.mark.parametrize(("code", "parts", "says"), WRONG, ids=[f"{code} {says}" for code, _, says in WRONG])
def test_a_plan_with_a_wrong_entry_is_refused_by_name(code: str, parts: dict[str, Any], says: str) -> None:
    with pytest.raises(wire.WireError) as refused:
        desired(**parts)
    assert refused.value.code == code
    assert says in str(refused.value)


def test_another_announcement_has_another_mark() -> None:
    assert plan.mark(None) == 0
    marks = {plan.mark(plan.endpoint(("192.0.2.1", port))) for port in range(1, 1000)}
    assert len(marks) == 999
