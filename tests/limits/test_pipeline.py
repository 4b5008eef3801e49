from dataclasses import replace

import pytest

from pysrv.billing.ledger import Funds
from pysrv.limits.decision import Allow, Challenge, Refuse
from pysrv.limits.facts import Auth, CallFacts
from pysrv.limits.pipeline import Mode, decide
from tests.limits.calls import ALICE, EMERGENCY_CALL, INCOMING, LOCAL, OUTGOING

POOR_AND_BUSY = replace(OUTGOING, account=replace(ALICE, lines=5, funds=Funds()))


@pytest.mark.parametrize("facts", [OUTGOING, LOCAL, INCOMING])
def test_an_ordinary_call_is_allowed(facts: CallFacts) -> None:
    assert decide(facts) == Allow()


def test_an_emergency_call_is_allowed_and_marked_on_a_poor_busy_locked_account() -> None:
    account = replace(ALICE, lines=5, locklevel=3, funds=Funds(balance=-1), onlylocalaccess=True)
    assert decide(replace(EMERGENCY_CALL, account=account)) == Allow(emergency=True)


def test_the_first_refusal_in_the_order_of_checks_decides() -> None:
    decision = decide(POOR_AND_BUSY)
    assert isinstance(decision, Refuse)
    assert decision.setting == "maxlines"


def test_a_report_only_rule_is_reported_and_passed_by() -> None:
    decision = decide(POOR_AND_BUSY, report_only={"maxlines"})
    assert isinstance(decision, Refuse)
    assert decision.setting == "credit"
    assert [report.setting for report in decision.reports] == ["maxlines"]


def test_in_report_mode_every_refusal_is_reported_and_none_counts() -> None:
    decision = decide(POOR_AND_BUSY, mode=Mode.REPORT)
    assert isinstance(decision, Allow)
    assert [report.setting for report in decision.reports] == ["maxlines", "credit"]


@pytest.mark.parametrize("mode", Mode)
def test_a_challenge_is_never_passed_by(mode: Mode) -> None:
    facts = replace(OUTGOING, auth=Auth.NONE, account=None)
    assert isinstance(decide(facts, mode=mode, report_only={"needauth"}), Challenge)
