"""When a metric asks for somebody: the alert rules for Prometheus, as one table, written as docs/alerts.yml.

Every rule names metrics of this package's table, and says what to look at first. Source: Prometheus, "Alerting rules";
an alert is about what users suffer or soon will, not about every cause (Google SRE book, chapter 6).
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Whether somebody gets up for it."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: it fires when `expr` has held for `lasts` (a Prometheus duration)."""

    name: str
    expr: str
    lasts: str
    severity: Severity
    summary: str
    action: str


C, W = Severity.CRITICAL, Severity.WARNING
ALERTS: Final = (
    Alert(
        "ApplianceOfficeDown",
        'up{job="appliance"} == 0 or appliance_service_up == 0',
        "2m",
        C,
        "The office does not answer: no new calls",
        "appliance status; journalctl -u appliance",
    ),
    Alert(
        "ApplianceGateDown",
        "appliance_gate_up == 0",
        "1m",
        C,
        "The keeper does not answer: the gate holds its last plan, and no new audio is relayed",
        "appliance status; journalctl -u appliance",
    ),
    Alert(
        "ApplianceRestarting",
        "changes(appliance_service_start_time_seconds[30m]) > 2",
        "0m",
        C,
        "The office has started more than twice within half an hour",
        "journalctl -u appliance; appliance check",
    ),
    Alert(
        "ApplianceFaults",
        "increase(appliance_service_faults_total[15m]) > 0",
        "0m",
        W,
        "The office has met a fault of its own",
        "journalctl -u appliance -p err",
    ),
    Alert(
        "ApplianceQueueDelay",
        "appliance_service_queue_delay_seconds > 0.2",
        "2m",
        C,
        "Datagrams wait for more than 200 ms: phones repeat what they send",
        "appliance gate top; appliance calls",
    ),
    Alert(
        "ApplianceOverload",
        "rate(appliance_service_overloads_total[5m]) > 0",
        "2m",
        C,
        "Requests are answered 503 because too many transactions are held",
        "appliance gate top; appliance gate verdicts",
    ),
    Alert(
        "ApplianceOfficeRelays",
        "appliance_gate_relays_in_kernel == 0",
        "10m",
        W,
        "The office relays audio itself instead of the kernel",
        "appliance status says why",
    ),
    Alert(
        "ApplianceUnderAttack",
        'sum(rate(appliance_gate_packets_total{action="DROP"}[5m])) > 1000',
        "5m",
        W,
        "The gate drops more than 1000 packets a second",
        "appliance gate top; appliance bans",
    ),
    Alert(
        "ApplianceLostOffences",
        "increase(appliance_gate_lost_offences_total[15m]) > 0",
        "0m",
        W,
        "Limits were passed more often than the gate could note: some sources are banned late",
        "appliance gate top",
    ),
    Alert(
        "ApplianceCallsFail",
        'sum(rate(appliance_service_calls_total{outcome="failed"}[15m])) > '
        "0.3 * sum(rate(appliance_service_calls_total[15m])) "
        "and sum(increase(appliance_service_calls_total[15m])) > 20",
        "5m",
        C,
        "More than three of ten calls fail",
        "appliance trunks quality; appliance cdrs --unanswered; appliance calls trace CALL",
    ),
    Alert(
        "ApplianceRefusals",
        "sum by (setting) (rate(appliance_service_refusals_total[15m])) > 1",
        "5m",
        W,
        "{{ $labels.setting }} refuses more than one call a second",
        "appliance cdrs --refused-by {{ $labels.setting }}",
    ),
    Alert(
        "ApplianceSpendUnusual",
        "sum by (currency) (appliance_service_price_per_minute) > 5 and "
        "sum by (currency) (appliance_service_price_per_minute) > "
        "3 * sum by (currency) (max_over_time(appliance_service_price_per_minute[1d] offset 1d))",
        "5m",
        C,
        "Running calls cost three times the most of yesterday ({{ $labels.currency }} a minute: {{ $value }})",
        "appliance calls; appliance notices",
    ),
    Alert(
        "ApplianceRegistrationsLost",
        "appliance_service_registrations < 0.7 * (appliance_service_registrations offset 15m) "
        "and (appliance_service_registrations offset 15m) > 20",
        "2m",
        C,
        "Three of ten registered devices are gone within a quarter of an hour",
        "appliance registrations; appliance gate top; appliance bans",
    ),
    Alert(
        "ApplianceNoticesWait",
        "appliance_service_notices_waiting > 0 and min_over_time(appliance_service_notices_waiting[30m]) > 0",
        "0m",
        W,
        "Mails, SMS or webhooks wait for more than half an hour",
        "appliance notices list",
    ),
    Alert(
        "ApplianceAuditFailed",
        "appliance_service_audit_failed_checks > 0",
        "1h",
        W,
        "The audit of the machine has checks that fail",
        "appliance audit; docs/audit.md",
    ),
    Alert(
        "ApplianceAuditOld",
        "time() - (appliance_service_audit_timestamp_seconds > 0) > 3 * 86400",
        "1h",
        W,
        "The machine was not audited for three days",
        "systemctl status appliance-audit.timer; appliance audit --record",
    ),
    Alert(
        "ApplianceBackupFailed",
        "appliance_service_backup_failed > 0",
        "15m",
        W,
        "The last backup was not made, or the repository is damaged",
        "appliance backup show; appliance backup check",
    ),
    Alert(
        "ApplianceBackupOld",
        "time() - (appliance_service_backup_last_success_timestamp_seconds > 0) > 3 * 86400",
        "1h",
        W,
        "No backup was made for three days",
        "appliance backup show; appliance backup now",
    ),
    Alert(
        "ApplianceHepDrops",
        "rate(appliance_service_hep_dropped_total[15m]) > 0",
        "15m",
        W,
        "SIP messages do not reach the Homer server",
        "appliance settings get hepserver",
    ),
)


def page() -> str:
    """docs/alerts.yml: one group of rules. JSON's strings are YAML's (YAML 1.2, 1.3)."""
    lines = [
        "# Generated by `appliance docs`; do not edit. Alert rules for Prometheus:",
        "#   rule_files: [alerts.yml]",
        "groups:",
        "  - name: appliance",
        "    rules:",
    ]
    for each in ALERTS:
        lines += [
            f"      - alert: {each.name}",
            f"        expr: {json.dumps(each.expr)}",
            f"        for: {each.lasts}",
            f"        labels: {{severity: {each.severity}}}",
            "        annotations:",
            f"          summary: {json.dumps(each.summary)}",
            f"          action: {json.dumps(each.action)}",
        ]
    return "\n".join(lines) + "\n"
