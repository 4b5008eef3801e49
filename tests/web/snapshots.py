"""Snapshots for panel tests."""

from dataclasses import replace
from typing import Any

from appliance import wire
from pysrv.web.status import Snapshot

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
    calls=2,
    answered=1,
    registrations=1,
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
