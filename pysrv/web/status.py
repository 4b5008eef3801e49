"""What the status page shows, as one snapshot: asked of the service, told as JSON.

Knows rows, neither HTML nor HTTP. Every `*_at` is Unix time in seconds.
"""

from dataclasses import dataclass, fields
from typing import Any

from appliance import wire


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The appliance at `now`, in figures alone, so that thousands of calls cost it nothing. `gate` None: the keeper is
    away, and `gate_problem` says why.

    `settings_in_force` of `settings_total` settings are acted on; `generation` is the one in force. `notices` are
    lines that an administrator should read, most important first.
    """

    now: float
    version: str
    started_at: float
    calls: int
    answered: int
    registrations: int
    gate: wire.GateStatus | None
    tallies: tuple[wire.Tally, ...]
    settings_in_force: int
    settings_total: int
    generation: int
    gate_problem: str = ""
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for /api/status.json."""
        plain: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, tuple):
                plain[each.name] = [item if isinstance(item, str) else wire.to_dict(item) for item in value]
            else:
                plain[each.name] = wire.to_dict(value) if each.name == "gate" and value is not None else value
        return plain
