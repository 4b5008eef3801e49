"""The security checklist: each check can pass and can fail, and the score follows."""

from dataclasses import replace

import pytest

from appliance.config.profiles import Profile, changes
from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from pysrv.limits.checklist import CHECKS, SETTINGS, Facts, Finding, Grade, findings, score

NOW = 1_800_000_000.0
OURS = {
    "localdomain": "pbx.example",
    "apiv2ipauth": "192.0.2.0/24",
    "httpapikey": "a-key-of-a-test",
}  # what no profile can know
STRICT = Settings().with_changes(changes(Settings(), Profile.STRICT) | OURS)
GOOD = Facts(
    NOW, STRICT, decks=1, self_made_certificate=False, told_ways=1, backup_at=NOW - 3600,
    trunks=(("carrier", ("192.0.2.0/28",), "buy"),),
)  # fmt: skip


def graded(facts: Facts) -> dict[str, Finding]:
    return {each.name: each for each in findings(facts)}


def test_everything_in_order_is_a_hundred() -> None:
    assert {name: each.value for name, each in graded(GOOD).items() if each.grade is not Grade.PASS} == {}
    assert score(findings(GOOD)) == 100


@pytest.mark.parametrize(
    ("name", "wrong", "grade"),
    [
        ("weak_passwords", {"weak": ("alice",)}, Grade.FAIL),
        ("lax_accounts", {"lax": ("bob",)}, Grade.FAIL),
        ("second_factor", {"without_factor": ("olga",)}, Grade.FAIL),
        ("remoteadmin", {"settings": STRICT.with_changes({"remoteadmin": "2"})}, Grade.FAIL),
        ("remoteadmin", {"nobody_trusted": True, "settings": STRICT.with_changes({"remoteadmin": "1"})}, Grade.WARN),
        ("httpapikey", {"settings": STRICT.with_changes({"httpapikey": None})}, Grade.WARN),
        ("open_trunks", {"trunks": (("carrier", ("192.0.2.1", "10.0.0.0/8"), "buy"),)}, Grade.FAIL),
        ("decks", {"decks": 0}, Grade.FAIL),
        ("decks", {"decks": 0, "trunks": ()}, Grade.WARN),
        ("decks", {"trunks": (("carrier", (), ""),)}, Grade.WARN),
        ("decks", {"deckless": ("alice",)}, Grade.WARN),
        ("notices", {"told_ways": 0}, Grade.FAIL),
        ("certificate", {"self_made_certificate": True}, Grade.WARN),
        ("backup", {"backup_at": None}, Grade.FAIL),
        ("backup", {"backup_at": NOW - 8 * 86_400}, Grade.WARN),
        ("localdomain", {"settings": STRICT.with_changes({"localdomain": None})}, Grade.WARN),
        ("strict", {"settings": STRICT.with_changes({"maxshortcalls": None})}, Grade.WARN),
    ],
)  # fmt: skip
def test_a_check_sees_its_gap_and_nothing_else_does(name: str, wrong: dict[str, object], grade: Grade) -> None:
    found = graded(replace(GOOD, **wrong))  # type: ignore[arg-type]
    assert found[name].grade is grade
    assert [each.name for each in found.values() if each.grade is not Grade.PASS] == [name]
    assert score(found.values()) < 100


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_lax_setting_is_found_and_its_fix_mends_it(name: str) -> None:
    row = ROWS[name]
    assert row.in_force, f"{name}: a check of a setting that nothing acts on"
    lax = {"allownoauthcalls": "true", "enforcestrongauth": "false", "blockpremiumnumbers": "false",
           "blocksatellitecalls": "false", "securepasswords": "0"}.get(name, row.default_text)  # fmt: skip
    facts = replace(GOOD, settings=STRICT.with_changes({name: lax}))
    found = graded(facts)[name]
    assert found.grade is not Grade.PASS
    mended = replace(facts, settings=facts.settings.with_changes(found.fix))
    assert graded(mended)[name].grade is Grade.PASS


def test_the_worst_come_first_and_many_names_are_cut() -> None:
    facts = replace(GOOD, self_made_certificate=True, weak=tuple("abcdefgh"), told_ways=0)
    assert [each.name for each in findings(facts)][:3] == ["weak_passwords", "notices", "certificate"]
    assert graded(facts)["weak_passwords"].value == "a, b, c, d, e, ..."


def test_names_of_checks_are_all_different() -> None:
    names = [check.name for check in CHECKS] + list(SETTINGS)
    assert len(names) == len(set(names))
