"""The table of metrics: what it says of a reading, in names that Prometheus's rules allow."""

import dataclasses
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import metrics, wire
from appliance.metrics import Kind, Reading, Row

STATUS = wire.GateStatus(
    1,
    (wire.Interface("eth0", "native"), wire.Interface("eth1", "odd")),
    "kernel",
    generation=7,
    sessions=3,
    bans=2,
    started_at=5.5,
    pairs=4,
    queue_delay_ms=12.5,
    offences=9,
    lost_offences=1,
    samples=20,
    lost_samples=6,
)
OFFICE = wire.OfficeFigures(
    started_at=7.5,
    generation=3,
    calls={"setup": 1, "answered": 2},
    outcomes={"answered": 5, "failed": 1},
    refusals={"maxcps": 4},
    per_minute={"EUR": 1_250_000},
    reserved={"EUR": 500_000, "USD": 1},
    registrations=6,
    transactions=8,
    connections=9,
    malformed=10,
    overloads=11,
    faults=12,
    notices_waiting=13,
    hep_sent=14,
    hep_dropped=15,
    traces=16,
    audit_at=30.5,
    audit_score=87,
    audit_failed=4,
    web_refusals={"foreign_form": 17},
    inputs={"markup": 18},
    backup_at=19.5,
    backup_bytes=20,
    backup_failed=1,
    tunnel_peers=21,
)
TALLIES = (wire.Tally("banned", "DROP", "banned", 10, 1000, 3), wire.Tally("sip_request", "PASS", "SIP", 5, 50))


def values(reading: Reading) -> dict[tuple[str, ...], float]:
    """Every sample by its name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition(reading))
        for sample in family.samples
    }


def test_a_reading_is_told_in_full() -> None:
    told = values(Reading(STATUS, TALLIES, OFFICE))
    assert told["appliance_gate_packets_total", "DROP", "banned"] == 10
    assert told["appliance_gate_bytes_total", "PASS", "sip_request"] == 50
    assert told["appliance_gate_reported_packets_total", "DROP", "banned"] == 3
    assert told["appliance_gate_interface_mode", "eth0", "native"] == 1
    assert told["appliance_gate_interface_mode", "eth0", "generic"] == 0
    assert told["appliance_gate_interface_mode", "eth1", "odd"] == 1
    assert told["appliance_service_queue_delay_seconds",] == 0.0125
    single = {name[0]: value for name, value in told.items() if len(name) == 1}
    assert single["appliance_gate_bans"] == 2
    assert single["appliance_gate_pairs"] == 4
    assert single["appliance_gate_sessions"] == 3
    assert single["appliance_gate_policy_generation"] == 7
    assert single["appliance_gate_offences_total"] == 9
    assert single["appliance_gate_lost_samples_total"] == 6
    assert told["appliance_service_calls", "answered"] == 2
    assert told["appliance_service_calls_total", "failed"] == 1
    assert told["appliance_service_refusals_total", "maxcps"] == 4
    assert told["appliance_service_web_refusals_total", "foreign_form"] == 17
    assert told["appliance_service_inputs_refused_total", "markup"] == 18
    assert told["appliance_service_price_per_minute", "EUR"] == 1.25
    assert told["appliance_service_reserved_money", "EUR"] == 0.5
    own = {name.removeprefix("appliance_service_"): value for name, value in single.items() if "service" in name}
    assert own == {
        "queue_delay_seconds": 0.0125, "up": 1, "start_time_seconds": 7.5, "settings_generation": 3, "registrations": 6,
        "transactions": 8, "connections": 9, "malformed_total": 10, "overloads_total": 11, "faults_total": 12,
        "notices_waiting": 13, "hep_sent_total": 14, "hep_dropped_total": 15, "traces": 16,
        "audit_timestamp_seconds": 30.5, "audit_score": 87, "audit_failed_checks": 4,
        "backup_last_success_timestamp_seconds": 19.5, "backup_last_size_bytes": 20, "backup_failed": 1,
        "tunnel_peers": 21,
    }  # fmt: skip
    assert {row.name for row in metrics.ROWS} == {name[0] for name in told}


def test_of_keeper_and_office_that_are_away_only_that_is_told() -> None:
    assert values(Reading(None)) == {("appliance_gate_up",): 0.0, ("appliance_service_up",): 0.0}


def test_a_service_that_never_said_how_long_its_queue_is_has_no_delay() -> None:
    assert not any("queue_delay" in name[0] for name in values(Reading(wire.GateStatus(1, (), "user"))))


def test_every_figure_of_the_office_is_a_metric() -> None:
    sources = {row.source.removeprefix("figures.") for row in metrics.ROWS if row.source.startswith("figures.")}
    assert sources == {field.name for field in dataclasses.fields(wire.OfficeFigures)}


def test_the_points_for_programs_are_those_of_the_text() -> None:
    reading = Reading(STATUS, TALLIES)
    points = {(row["name"], *sorted(row["labels"].values())): row["value"] for row in metrics.points(reading)}
    assert points == {(name[0], *sorted(name[1:])): value for name, value in values(reading).items()}


@pytest.mark.parametrize("row", metrics.ROWS, ids=lambda row: row.name)
def test_names_follow_prometheuss_rules(row: Row) -> None:
    assert re.fullmatch(r"appliance_[a-z_]+", row.name)
    assert row.name.endswith("_total") == (row.kind is Kind.COUNTER)
    assert row.text
    assert row.text[-1] != "."


def test_labels_are_escaped() -> None:
    odd = wire.Tally('a"b\\c\nd', "DROP", "", 1, 1)
    assert values(Reading(STATUS, (odd,)))["appliance_gate_packets_total", "DROP", 'a"b\\c\nd'] == 1
