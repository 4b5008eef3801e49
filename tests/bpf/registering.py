"""Registrations that the office lets the gate answer."""

import time
from typing import Any

from appliance import wire
from tests.bpf.asking import STRANGER, Ask
from tests.bpf.rig import Rig

PORT = 5062
ON = {"limits": wire.Limits({"answer_registrations": 1})}


def remembered(rig: Rig, ask: Ask, **parts: Any) -> None:
    """The office accepted this REGISTER for 600 s, and lets the gate answer for 300."""
    headers = dict(line.split(": ", 1) for line in ask.headers())
    now = time.time()
    given = {
        "address": ask.source, "port": ask.port, "address_of_record": headers["To"], "contact": headers["Contact"],
        "expires_at": now + 600, "until": now + 300, "expires": headers["Expires"],
    }  # fmt: skip
    rig.gate.remember(wire.Refresh(**{**given, **parts}))


def accepted(rig: Rig) -> None:
    """A plain one."""
    remembered(rig, Ask())


WITHIN: dict[str, Any] = {**ON, "known_pairs": (wire.KnownPair(STRANGER, PORT, 2.0**32),)}
