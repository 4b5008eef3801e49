"""The alert rules: YAML as Prometheus reads it, about metrics and commands that there are."""

import re

import pytest
import yaml

from appliance import metrics
from appliance.cli.book import BOOK
from appliance.metrics.alerts import ALERTS, Alert, Severity, page

KNOWN = {row.name: row for row in metrics.ROWS}
each = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def named(expr: str) -> set[str]:
    return set(re.findall(r"\bappliance_\w+", expr))


def test_the_page_is_the_table_as_yaml() -> None:
    (group,) = yaml.safe_load(page())["groups"]
    assert group["name"] == "appliance"
    assert [
        (rule["alert"], rule["expr"], rule["for"], rule["labels"]["severity"], rule["annotations"])
        for rule in group["rules"]
    ] == [(a.name, a.expr, a.lasts, a.severity, {"summary": a.summary, "action": a.action}) for a in ALERTS]


@each
def test_a_rule_names_metrics_that_there_are(alert: Alert) -> None:
    assert named(alert.expr)
    assert named(alert.expr) <= set(KNOWN)


@each
def test_a_label_that_a_rule_asks_for_is_one_of_the_metric(alert: Alert) -> None:
    for name, selector in re.findall(r"\b(appliance_\w+)\{([^}]*)\}", alert.expr):
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= set(KNOWN[name].labels)
    grouped = {label for labels in re.findall(r"by \(([^)]*)\)", alert.expr) for label in labels.split(", ")}
    assert grouped <= {label for name in named(alert.expr) for label in KNOWN[name].labels}
    assert set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.action)) <= grouped


@each
def test_what_only_grows_is_asked_for_its_growth(alert: Alert) -> None:
    for name in named(alert.expr):
        if KNOWN[name].kind is metrics.Kind.COUNTER:
            uses = len(re.findall(rf"\b{name}\b", alert.expr))
            assert len(re.findall(rf"(?:rate|increase)\({name}\b", alert.expr)) == uses


@each
def test_a_rule_is_whole(alert: Alert) -> None:
    assert re.fullmatch(r"Appliance[A-Za-z]+", alert.name)
    assert re.fullmatch(r"\d+[smhd]", alert.lasts)
    assert alert.severity in Severity
    assert alert.expr.count("(") == alert.expr.count(")")
    assert alert.summary[-1] != "."


@each
def test_what_is_to_be_done_is_a_command_that_there_is(alert: Alert) -> None:
    for words in re.findall(r"appliance ([a-z]+(?: [a-z]+)?)", alert.action):
        assert words.split()[0] in BOOK.root.commands, words
