"""The kernel gives the verdicts of the table that it shares with the userspace relay."""

import pytest

from appliance import wire
from tests.bpf.relaying import datagram
from tests.bpf.rig import PHONE_MAC, Rig
from tests.streams import LOCAL, TALES, Tale

PASSED = {"rtp_relayed", "rtcp_relayed", "dtls_relayed"}


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.about)
def test_the_kernel_gives_the_verdicts_of_the_shared_table(rig: Rig, tale: Tale) -> None:
    rig.sync(sessions=(tale.session(),), limits=wire.Limits(tale.limits), report_only=tale.report_only)
    for number, step in enumerate(tale.steps):
        target = (LOCAL[0], LOCAL[1] + step.control)
        out = rig.send(datagram(step.packet, step.source, target, PHONE_MAC))
        assert (out.verdict in PASSED) is not bool(step.verdict), f"step {number}: {out.verdict}"
        assert out.verdict in (PASSED if not step.verdict else {step.verdict}), f"step {number}"
