"""Snapshots for panel tests."""

from dataclasses import replace
from typing import Any

from appliance import wire
from pysrv.web.status import CallRow, RegistrationRow, Snapshot

NOW = 1_800_000_000.0
GATE = wire.GateStatus(
    1,
    (wire.Interface("eth0", "native"), wire.Interface("eth1", "generic", "no native mode")),
    "kernel",
    bans=2,
    sessions=1,
)
FULL = Snapshot(
    now=NOW,
    version="0.1.0",
    started_at=NOW - 7384,
    calls=(
        CallRow("c1", "alice", "+4930123456", "alice", "answered", NOW - 70, NOW - 65),
        CallRow("c2", "bob", "alice", "bob", "ringing", NOW - 4),
    ),
    registrations=(RegistrationRow("alice", "sip:alice@192.0.2.7:5060", "192.0.2.7:5060", "Softphone 1", NOW + 90),),
    gate=GATE,
    tallies=(
        wire.Tally("SIP_OK", "PASS", "SIP for the service", 1234567, 99),
        wire.Tally("BANNED", "DROP", "the source is banned", 42, 4200),
        wire.Tally("QUIET", "DROP", "never seen", 0, 0),
    ),
    settings_in_force=30,
    settings_total=110,
    generation=7,
)


def snapshot(**changes: Any) -> Snapshot:
    """FULL with some fields changed."""
    return replace(FULL, **changes)
