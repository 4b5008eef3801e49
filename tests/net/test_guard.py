"""The rules of the userspace relay give the verdicts of the shared table, and no bytes upset them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire import RelayStream
from pysrv.net.guard import GuardLimits, StreamGuard, is_rtcp, is_rtp
from tests.streams import LOCAL, PEER, PHONE, TALES, Tale, rtp

NOW_NS = 10**12
KINDS = ("learn", "rtcp", "muted", "dtls", "many", "final")


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.about)
def test_the_guard_gives_the_verdicts_of_the_shared_table(tale: Tale) -> None:
    limits = GuardLimits()
    limits.take(tale.limits)
    limits.report_only = frozenset(tale.report_only)
    rtp, control = (StreamGuard(row, limits) for row in tale.session().streams[:2])
    for number, step in enumerate(tale.steps):
        guard, beside = (control, rtp) if step.control else (rtp, None)
        verdict = guard.judge(step.packet, step.source, NOW_NS + number, beside)
        assert verdict == step.verdict, f"step {number}"


def test_a_stream_is_held_to_the_packets_a_second_of_its_codecs() -> None:
    guard = StreamGuard(RelayStream(LOCAL, PEER, PHONE, packets_per_s=100), GuardLimits())
    at_once = [guard.judge(rtp(number), PHONE, NOW_NS) for number in range(103)]
    assert at_once == [""] * 100 + ["rtp_over_rate"] * 3
    later = [guard.judge(rtp(200 + number), PHONE, NOW_NS + 20_000_000) for number in range(3)]
    assert later == ["", "", "rtp_over_rate"]


@given(st.lists(st.tuples(st.binary(max_size=80), st.sampled_from([PHONE, ("192.0.2.1", 9)])), max_size=20))
def test_no_bytes_upset_the_guard(packets: list[tuple[bytes, tuple[str, int]]]) -> None:
    for kind in KINDS:
        guard = StreamGuard(RelayStream(LOCAL, PEER, PHONE, **{kind: True}), GuardLimits())  # type: ignore[arg-type]
        for number, (packet, source) in enumerate(packets):
            assert isinstance(guard.judge(packet, source, NOW_NS + number), str)


@given(st.binary(max_size=80))
def test_no_bytes_upset_the_checks(packet: bytes) -> None:
    assert is_rtcp(packet) in (True, False)
    if packet:
        assert is_rtp(packet) in (True, False)
