"""What the office counts."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OfficeFigures:
    """The office at one moment; what counts, counts since it started. Money is micro-units, by currency."""

    started_at: float = 0.0
    generation: int = 0
    calls: dict[str, int] = field(default_factory=dict)  # running ones by state
    outcomes: dict[str, int] = field(default_factory=dict)  # of calls that are over
    refusals: dict[str, int] = field(default_factory=dict)  # by setting
    per_minute: dict[str, int] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    registrations: int = 0
    transactions: int = 0
    connections: int = 0
    malformed: int = 0
    inputs: dict[str, int] = field(default_factory=dict)  # refused by validateinput, by rule
    overloads: int = 0
    faults: int = 0
    notices_waiting: int = 0
    hep_sent: int = 0
    hep_dropped: int = 0
    traces: int = 0
    audit_at: float = 0.0  # when the machine was audited last, 0: never
    audit_score: int = 0  # 0 to 100
    audit_failed: int = 0  # checks that fail
    backup_at: float = 0.0  # when the last one was made, 0: never
    backup_bytes: int = 0  # what it holds
    backup_failed: int = 0  # 1 while the last one was not made
    tunnel_peers: int = 0  # who may come through the administrators' tunnel
    web_refusals: dict[str, int] = field(default_factory=dict)  # by reason
