"""The policy changes at one instant, and rules in report-only only count."""

import threading

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from appliance import wire
from appliance.kernel import layout, plan, testrun
from tests.bpf.cases import L2
from tests.bpf.rig import Rig, frame

FROM = "198.51.100.7"
NEVER = 10**12


def reported(rig: Rig, verdict: str) -> int:
    return next(t.reported for t in rig.gate.tallies() if t.verdict == verdict)


@pytest.mark.parametrize(
    ("verdict", "parts"),
    [
        ("banned", {"bans": (wire.Ban(FROM),)}),
        ("banned_prefix", {"bans": (wire.Ban("198.51.100.0/24"),)}),
        ("banned_pair", {"pair_bans": (wire.PairBan(FROM, 5060),)}),
        ("over_rate_stranger", {"limits": wire.Limits({"stranger_burst": 0, "stranger_interval": NEVER})}),
        ("over_guard", {"limits": wire.Limits({"guard_burst": 1, "guard_window": 1 << 61})}),
        ("over_budget", {"limits": wire.Limits({"budget_burst": 0, "budget_interval": NEVER})}),
        ("over_speed", {"limits": wire.Limits({"interface_interval": NEVER, "interface_depth": 1})}),
    ],
)
def test_a_rule_in_report_only_counts_what_it_would_have_ended(
    rig: Rig, verdict: str, parts: dict[str, object]
) -> None:
    rig.sync(**parts)
    rig.send(frame())
    assert rig.send(frame()).verdict == verdict
    rig.sync(**parts, report_only=(verdict,))
    before = reported(rig, verdict)
    rig.send(frame())
    assert rig.send(frame()).verdict == "sip_request"
    assert reported(rig, verdict) > before


def test_the_next_rule_acts_after_one_in_report_only(rig: Rig) -> None:
    rig.sync(bans=(wire.Ban(FROM),), pair_bans=(wire.PairBan(FROM, 5060),), report_only=("banned",))
    assert rig.send(frame()).verdict == "banned_pair"


def test_what_is_malformed_passes_when_its_verdict_is_in_report_only(rig: Rig) -> None:
    packet = L2 / IP(src=FROM, dst="10.77.1.1") / UDP(sport=1, dport=5060, len=7) / Raw(bytes(20))
    assert rig.send(packet).verdict == "udp_length"
    rig.sync(report_only=("udp_length",))
    before = reported(rig, "udp_length")
    out = rig.send(packet)
    assert (out.verdict, out.action.name) == ("report_only", "PASS")
    assert reported(rig, "udp_length") == before + 1


def test_packets_meet_the_old_policy_or_the_new_one_and_never_a_mixture(rig: Rig) -> None:
    """One policy passes the packet for want of a bucket, the other by report-only: half of each would drop it.

    Under A strangers have no bucket and the media range holds the port; under B they have one that is empty and in
    report-only, and the port is none of ours. A mixture would end as over_rate_stranger or rtp_to_user.
    """
    a = wire.Limits({"stranger_interval": 0, "guard_burst": 0, "budget_interval": 0, "interface_interval": 0})
    b = wire.Limits({**a.values, "stranger_burst": 0, "stranger_interval": NEVER})
    names = [v.name for v in layout.verdicts()]
    rig.sync(limits=a)
    rows = []
    for limits, only in ((a, ()), (b, ("over_rate_stranger",))):
        whole = wire.Plan(1, (("udp", 5060),), (20000, 29999), limits, report_only=only)
        rows.append(plan.policy_row(whole, relay_here=True, boot_ns=0, left_out=[]))
    before = rig.counts()
    done = threading.Event()

    def turn() -> None:
        for i in range(400):
            rig.gate.tables.put(plan.MapName.POLICY, 0, rows[i % 2])
        done.set()

    turning = threading.Thread(target=turn)
    turning.start()
    ran = 0
    while not done.is_set():
        testrun.run(rig.gate.program_fd, bytes(frame()), repeat=200)
        ran += 200
    turning.join()
    moved = {name: rig.counts()[name][0] - before[name][0] for name in names}
    assert moved["over_rate_stranger"] == 0
    assert moved["sip_request"] == ran


def test_the_policy_in_force_is_the_one_that_is_read_back(rig: Rig) -> None:
    for generation in (7, 8, 9):
        rig.sync(generation=generation, report_only=("banned",))
        row = rig.gate.tables.rows(plan.MapName.POLICY)[0]
        assert (row.generation, row.reported) == (generation, {"banned"})
