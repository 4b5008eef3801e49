"""What OpenSCAP printed, held against what is answered."""

from tests.image.scap import FEWEST, judge, verdicts

SAID = """--- Starting Evaluation ---

Title	Ensure /home Located On Separate Partition
Rule	xccdf_org.ssgproject.content_rule_partition_for_home
Result	fail

Title	Verify Permissions on shadow File
Rule	xccdf_org.ssgproject.content_rule_file_permissions_etc_shadow
Result	pass
"""


def test_rules_and_results_are_read() -> None:
    assert verdicts(SAID) == {"partition_for_home": "fail", "file_permissions_etc_shadow": "pass"}


def test_a_rule_fails_unless_it_is_answered_and_no_answer_outlives_its_rule() -> None:
    found = {f"rule{number}": "pass" for number in range(FEWEST)} | {"mine": "fail"}

    def good(answered: dict[str, str], rules: dict[str, str] = found) -> bool:
        (check,) = judge("x", rules, answered)
        return check.good

    assert good({"mine": "because"})
    assert not good({})
    assert not good({"mine": "because", "rule1": "holds by now"})
    assert good({"mine": "because", "another profile's": "because"})
    assert not good({"mine": "because"}, {"mine": "fail"})
