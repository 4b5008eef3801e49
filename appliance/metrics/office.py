"""What the office says, as metrics."""

from collections.abc import Callable, Iterable
from typing import Final

from appliance import wire
from appliance.metrics.row import Kind, Point, Read, Reading, Row

MICRO: Final = 1_000_000


def _one(value: Callable[[wire.OfficeFigures], float]) -> Read:
    def read(reading: Reading) -> Iterable[Point]:
        if reading.office is not None:
            yield (), value(reading.office)

    return read


def _each(values: Callable[[wire.OfficeFigures], dict[str, int]], scale: float = 1.0) -> Read:
    def read(reading: Reading) -> Iterable[Point]:
        for label, value in sorted(values(reading.office).items()) if reading.office is not None else ():
            yield (label,), value * scale

    return read


def _up(reading: Reading) -> Iterable[Point]:
    yield (), reading.office is not None


def _row(name: str, kind: Kind, text: str, source: str, read: Read, *labels: str) -> Row:
    return Row(f"appliance_service_{name}", kind, text, f"figures.{source}", labels, read)


C, G = Kind.COUNTER, Kind.GAUGE
ROWS: Final = (
    Row("appliance_service_up", G, "1 while the office answers", "the connection itself", (), _up),
    _row("start_time_seconds", G, "Unix time at which the office started", "started_at", _one(lambda f: f.started_at)),
    _row(
        "settings_generation",
        G,
        "generation of the settings in force",
        "generation",
        _one(lambda f: f.generation),
    ),
    _row("calls", G, "running calls by state: setup, answered", "calls", _each(lambda f: f.calls), "state"),
    _row(
        "calls_total",
        C,
        "calls that ended or were refused, by outcome, since the office started",
        "outcomes",
        _each(lambda f: f.outcomes),
        "outcome",
    ),
    _row(
        "refusals_total",
        C,
        "calls that a setting refused or cut, by setting, since the office started",
        "refusals",
        _each(lambda f: f.refusals),
        "setting",
    ),
    _row(
        "price_per_minute",
        G,
        "what running answered calls cost their payers a minute, by currency",
        "per_minute",
        _each(lambda f: f.per_minute, 1 / MICRO),
        "currency",
    ),
    _row(
        "reserved_money",
        G,
        "what running calls have reserved, by currency",
        "reserved",
        _each(lambda f: f.reserved, 1 / MICRO),
        "currency",
    ),
    _row("registrations", G, "registered devices", "registrations", _one(lambda f: f.registrations)),
    _row("transactions", G, "SIP transactions that are held", "transactions", _one(lambda f: f.transactions)),
    _row("connections", G, "open TCP connections of SIP", "connections", _one(lambda f: f.connections)),
    _row(
        "malformed_total",
        C,
        "SIP messages that could not be understood, since the office started",
        "malformed",
        _one(lambda f: f.malformed),
    ),
    _row(
        "inputs_refused_total",
        C,
        "texts that validateinput refused at any interface, by rule, since the office started",
        "inputs",
        _each(lambda f: f.inputs),
        "rule",
    ),
    _row(
        "overloads_total",
        C,
        "requests that were answered 503 because too many were held, since the office started",
        "overloads",
        _one(lambda f: f.overloads),
    ),
    _row(
        "faults_total",
        C,
        "faults of the office itself that its log explains, since it started",
        "faults",
        _one(lambda f: f.faults),
    ),
    _row(
        "notices_waiting",
        G,
        "messages to administrators and owners that are not sent yet",
        "notices_waiting",
        _one(lambda f: f.notices_waiting),
    ),
    _row(
        "hep_sent_total",
        C,
        "SIP messages that went to the Homer server, since the office started",
        "hep_sent",
        _one(lambda f: f.hep_sent),
    ),
    _row(
        "hep_dropped_total",
        C,
        "SIP messages that could not be sent to the Homer server, since the office started",
        "hep_dropped",
        _one(lambda f: f.hep_dropped),
    ),
    _row(
        "web_refusals_total",
        C,
        "what the web refused, by reason (docs/attacks.md), since the office started",
        "web_refusals",
        _each(lambda f: f.web_refusals),
        "reason",
    ),
    _row(
        "audit_timestamp_seconds",
        G,
        "Unix time at which the machine was audited last; 0: never",
        "audit_at",
        _one(lambda f: f.audit_at),
    ),
    _row("audit_score", G, "score of that audit, 0 to 100", "audit_score", _one(lambda f: f.audit_score)),
    _row("audit_failed_checks", G, "checks of that audit that fail", "audit_failed", _one(lambda f: f.audit_failed)),
    _row("traces", G, "calls whose messages are remembered", "traces", _one(lambda f: f.traces)),
    _row(
        "backup_last_success_timestamp_seconds",
        G,
        "Unix time at which the last backup was made; 0: never",
        "backup_at",
        _one(lambda f: f.backup_at),
    ),
    _row("backup_last_size_bytes", G, "what the last backup holds", "backup_bytes", _one(lambda f: f.backup_bytes)),
    _row(
        "backup_failed",
        G,
        "1 while the last backup was not made, or the repository is damaged",
        "backup_failed",
        _one(lambda f: f.backup_failed),
    ),
    _row(
        "tunnel_peers",
        G,
        "peers that may come through the administrators' tunnel",
        "tunnel_peers",
        _one(lambda f: f.tunnel_peers),
    ),
)
