"""Bans, trust and buckets: who is recognised, for how long, and how much each may send."""

import ipaddress
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import wire
from appliance.kernel import layout, plan
from tests.bpf.rig import Rig, frame

FROM, FROM6 = "198.51.100.7", "2001:db8:7::7"
NEVER = 10**12


def ban_net(rig: Rig, prefix: str, until_ns: int) -> None:
    rig.gate.tables.put(plan.MapName.BAN_NETS, layout.network(prefix), plan.BanRow(until_ns))


def test_a_ban_holds_until_its_instant_and_no_longer(rig: Rig) -> None:
    bans = plan.MapName.BANS
    rig.gate.tables.put(bans, layout.address(FROM), plan.BanRow(time.monotonic_ns() + 10**10))
    assert rig.send(frame()).verdict == "banned"
    rig.gate.tables.put(bans, layout.address(FROM), plan.BanRow(time.monotonic_ns()))
    out = rig.send(frame())
    assert (out.verdict, out.notes) == ("sip_request", ("ban_expired",))


def test_an_expired_network_does_not_hide_the_wider_one(rig: Rig) -> None:
    ban_net(rig, "198.51.0.0/16", 0)
    for length in (18, 20, 24):
        ban_net(rig, f"198.51.100.0/{length}", 1)
    assert rig.send(frame()).verdict == "banned_prefix"


def test_an_expired_trust_leaves_a_stranger(rig: Rig) -> None:
    row = plan.SourceRow(1, wire.SourceClass.ALLOW)
    rig.gate.tables.put(plan.MapName.SOURCES, layout.address(FROM), row)
    assert rig.send(frame(b"garbage!")).verdict == "sip_garbage"


def test_a_narrow_trust_stands_inside_a_wide_ban(rig: Rig) -> None:
    rig.gate.ban(wire.Ban("198.51.0.0/16"))
    rig.gate.allow(wire.Source(FROM))
    assert rig.send(frame()).verdict == "source_allowed"
    rig.gate.disallow(wire.Prefix(FROM))
    assert rig.send(frame()).verdict == "banned_prefix"
    rig.gate.unban(wire.Prefix("198.51.0.0/16"))
    assert rig.send(frame()).verdict == "sip_request"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_networks_match_as_a_naive_list_would(rig: Rig, data: st.DataObject) -> None:
    ip4 = st.builds(
        lambda a, n: f"{ipaddress.IPv4Address(a)}/{n}", st.integers(0x0A000000, 0x0AFFFFFF), st.integers(6, 31)
    )
    ip6 = st.builds(
        lambda a, n: f"{ipaddress.IPv6Address(a)}/{n}",
        st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + (1 << 90)),
        st.integers(20, 127),
    )
    prefixes = data.draw(st.lists(ip4 | ip6, min_size=1, max_size=8))
    networks = [ipaddress.ip_network(prefix, strict=False) for prefix in prefixes]
    near = data.draw(st.sampled_from(networks))
    flipped = int(near.network_address) ^ data.draw(st.integers(0, (1 << near.max_prefixlen - near.prefixlen + 2) - 1))
    source = type(near.network_address)(flipped)
    rig.sync(bans=tuple(wire.Ban(prefix) for prefix in prefixes))
    banned = any(source.version == net.version and source in net for net in networks)
    out = rig.send(frame(src=str(source), dst="10.77.1.1" if source.version == 4 else "fd77:1::1"))
    assert (out.verdict == "banned_prefix") == banned


def spend(rig: Rig, packets: int, **changes: str) -> list[str]:
    return [rig.send(frame(**changes)).verdict for _ in range(packets)]  # type: ignore[arg-type]


def age(rig: Rig, by_ns: int) -> None:
    """As if all buckets had been left alone for `by_ns`."""
    for key, row in list(rig.buckets.items()):
        full_ns = max(0, int.from_bytes(row, "little") - by_ns)
        rig.buckets.update(key, full_ns.to_bytes(8, "little"))


def limits(**values: int) -> wire.Limits:
    return wire.Limits(values)


def test_a_bucket_gives_its_depth_at_once_and_then_one_per_interval(rig: Rig) -> None:
    rig.sync(limits=limits(stranger_burst=3, stranger_interval=NEVER))
    assert spend(rig, 5) == ["sip_request"] * 3 + ["over_rate_stranger"] * 2
    age(rig, NEVER)
    assert spend(rig, 2) == ["sip_request", "over_rate_stranger"]
    age(rig, 100 * NEVER)
    assert spend(rig, 4) == ["sip_request"] * 3 + ["over_rate_stranger"], "it never holds more than its depth"


def test_a_known_source_has_the_generous_bucket(rig: Rig) -> None:
    values = limits(stranger_burst=1, stranger_interval=NEVER, known_burst=4, known_interval=NEVER)
    rig.sync(limits=values, sources=(wire.Source(FROM, wire.SourceClass.KNOWN),))
    assert spend(rig, 5) == ["sip_request"] * 4 + ["over_rate_known"]
    assert spend(rig, 2, src="198.51.100.8") == ["sip_request", "over_rate_stranger"]


def test_an_interval_of_zero_takes_the_limit_away(rig: Rig) -> None:
    rig.sync(limits=limits(stranger_burst=1, stranger_interval=0))
    assert spend(rig, 5) == ["sip_request"] * 5


def test_one_ip6_network_of_64_bits_shares_a_bucket_and_another_does_not(rig: Rig) -> None:
    rig.sync(limits=limits(stranger_burst=2, stranger_interval=NEVER))
    here = {"dst": "fd77:1::1"}
    assert spend(rig, 1, src="2001:db8:7::1", **here) == ["sip_request"]
    assert spend(rig, 2, src="2001:db8:7:0:ffff::2", **here) == ["sip_request", "over_rate_stranger"]
    assert spend(rig, 1, src="2001:db8:7:1::1", **here) == ["sip_request"]


def test_traffic_for_other_ports_costs_nothing(rig: Rig) -> None:
    rig.sync(limits=limits(stranger_burst=1, stranger_interval=NEVER))
    assert [rig.send(frame(dport=53)).verdict for _ in range(3)] == ["other_port"] * 3
    assert spend(rig, 1) == ["sip_request"]


def test_limits_without_a_plan_are_the_defaults(rig: Rig) -> None:
    row = rig.gate.tables.rows(plan.MapName.POLICY)[0]
    assert row.limits == tuple(slot.default for slot in layout.limits())
