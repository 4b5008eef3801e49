"""What the keeper says, as metrics."""

from collections.abc import Iterable
from typing import Final

from appliance.metrics.row import Kind, Point, Read, Reading, Row

MODES: Final = ("native", "generic", "nftables", "none")


def _status(field: str, scale: float = 1.0) -> Read:
    def read(reading: Reading) -> Iterable[Point]:
        if reading.status is not None:
            yield (), getattr(reading.status, field) * scale

    return read


def _tally(field: str) -> Read:
    def read(reading: Reading) -> Iterable[Point]:
        for each in reading.tallies:
            yield (each.verdict, each.action), getattr(each, field)

    return read


def _up(reading: Reading) -> Iterable[Point]:
    yield (), reading.status is not None


def _modes(reading: Reading) -> Iterable[Point]:
    for each in reading.status.interfaces if reading.status is not None else ():
        for mode in dict.fromkeys((*MODES, each.mode)):
            yield (each.name, mode), mode == each.mode


def _relay(reading: Reading) -> Iterable[Point]:
    if reading.status is not None:
        yield (), reading.status.relay == "kernel"


def _delay(reading: Reading) -> Iterable[Point]:
    if reading.status is not None and reading.status.queue_delay_ms >= 0:
        yield (), reading.status.queue_delay_ms / 1000


_VERDICT: Final = ("verdict", "action")
C, G = Kind.COUNTER, Kind.GAUGE
ROWS: Final = (
    Row("appliance_gate_up", G, "1 while the keeper answers", "the connection itself", (), _up),
    Row(
        "appliance_gate_packets_total",
        C,
        "packets that ended with a verdict",
        "tallies.packets",
        _VERDICT,
        _tally("packets"),
    ),
    Row(
        "appliance_gate_bytes_total",
        C,
        "bytes of whole frames that ended with a verdict",
        "tallies.bytes",
        _VERDICT,
        _tally("bytes"),
    ),
    Row(
        "appliance_gate_reported_packets_total",
        C,
        "packets that a verdict would have ended, were it not in report-only",
        "tallies.reported",
        _VERDICT,
        _tally("reported"),
    ),
    Row(
        "appliance_gate_interface_mode",
        G,
        "1 for the mode in which the gate is attached to an interface",
        "status.interfaces",
        ("interface", "mode"),
        _modes,
    ),
    Row(
        "appliance_gate_relays_in_kernel",
        G,
        "1 while the kernel relays audio, 0 while the office does",
        "status.relay",
        (),
        _relay,
    ),
    Row("appliance_gate_bans", G, "banned addresses and networks", "status.bans", (), _status("bans")),
    Row(
        "appliance_gate_pairs",
        G,
        "devices that are known or banned by address and port",
        "status.pairs",
        (),
        _status("pairs"),
    ),
    Row("appliance_gate_sessions", G, "media sessions in the kernel", "status.sessions", (), _status("sessions")),
    Row(
        "appliance_gate_policy_generation",
        G,
        "generation of the policy in force",
        "status.generation",
        (),
        _status("generation"),
    ),
    Row(
        "appliance_gate_start_time_seconds",
        G,
        "Unix time at which the keeper started",
        "status.started_at",
        (),
        _status("started_at"),
    ),
    Row(
        "appliance_service_queue_delay_seconds",
        G,
        "how long a datagram waits before the service reads it; absent until it has said so",
        "status.queue_delay_ms",
        (),
        _delay,
    ),
    Row(
        "appliance_gate_offences_total",
        C,
        "limits that sources passed, since the keeper started",
        "status.offences",
        (),
        _status("offences"),
    ),
    Row(
        "appliance_gate_lost_offences_total",
        C,
        "offences that found no room",
        "status.lost_offences",
        (),
        _status("lost_offences"),
    ),
    Row(
        "appliance_gate_samples_total",
        C,
        "dropped packets that were sampled, since the keeper started",
        "status.samples",
        (),
        _status("samples"),
    ),
    Row(
        "appliance_gate_lost_samples_total",
        C,
        "samples that found no room",
        "status.lost_samples",
        (),
        _status("lost_samples"),
    ),
)
