from dataclasses import replace

import pytest

from pysrv.billing.ledger import Funds, Shortfall
from pysrv.billing.tariff import Rate
from pysrv.limits.decision import Challenge, Decision, Refuse
from pysrv.limits.facts import Auth, CallFacts, Destination, DestinationKind, LockLevel, Origin, lock_level
from pysrv.limits.stages.authentication import authentication
from pysrv.limits.stages.destination import destination
from pysrv.limits.stages.lines import lines
from pysrv.limits.stages.locks import locks, registration_refusal
from pysrv.limits.stages.number import number
from pysrv.limits.stages.price import price
from pysrv.limits.stages.source import source
from pysrv.limits.stages.spend import shortfall_refusal, spend
from pysrv.limits.stages.stage import Stage
from pysrv.limits.stages.table import STAGES
from tests.limits.calls import (
    ABROAD,
    ALICE,
    BOB,
    EMERGENCY_CALL,
    INCOMING,
    LOCAL,
    ONE,
    OUTGOING,
    TO_BOB,
    Settings,
)


def refusal(decision: Decision | None) -> Refuse:
    assert isinstance(decision, Refuse)
    return decision


def locked(facts: CallFacts, level: int) -> CallFacts:
    return replace(facts, account=replace(ALICE, locklevel=level))


@pytest.mark.parametrize("facts", [OUTGOING, LOCAL, INCOMING, EMERGENCY_CALL])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_an_ordinary_call_passes_every_stage(facts: CallFacts, stage: Stage) -> None:
    assert stage.check(facts) is None


def test_the_stages_stand_in_the_order_of_checks_and_name_their_settings() -> None:
    names = list(dict.fromkeys(stage.name for stage in STAGES))
    before = ["capacity", "source", "number", "authentication", "lock level", "lines", "address", "destination"]
    assert names == [*before, "price", "cost", "profit", "exposure", "funds"]
    assert all(stage.settings for stage in STAGES)


@pytest.mark.parametrize("auth", [Auth.NONE, Auth.WRONG])
def test_nobody_is_challenged(auth: Auth) -> None:
    decision = authentication(replace(OUTGOING, auth=auth, account=None))
    assert isinstance(decision, Challenge)
    assert decision.setting == "needauth"


TRUSTED = Origin(trusted=True)
OPEN_HOUSE = Settings(allownoauthcalls=True)
UNPROVEN = replace(LOCAL, auth=Auth.NONE, account=None, settings=OPEN_HOUSE, origin=TRUSTED)


@pytest.mark.setting("allownoauthcalls")
def test_calls_without_authentication_pass_when_they_are_allowed_and_come_from_a_trusted_address() -> None:
    assert authentication(UNPROVEN) is None
    for spoiled in (
        replace(UNPROVEN, settings=Settings()),
        replace(UNPROVEN, origin=Origin()),
        replace(UNPROVEN, auth=Auth.WRONG),
        replace(UNPROVEN, account=ALICE),  # needauth 0, while enforcestrongauth is on
    ):
        assert isinstance(authentication(spoiled), Challenge)
    weak = Settings(allownoauthcalls=True, enforcestrongauth=False)
    assert authentication(replace(UNPROVEN, account=ALICE, settings=weak)) is None


@pytest.mark.setting("fs_restrictsiptolocal")
@pytest.mark.parametrize(
    ("level", "taken"),
    [
        (0, (True, True, True, True)),
        (1, (False, True, True, True)),
        (2, (False, False, True, True)),
        (3, (False, False, False, True)),
    ],
)
def test_fs_restrictsiptolocal_takes_calls_without_an_account_from_ever_fewer_places(
    level: int, taken: tuple[bool, ...]
) -> None:
    anywhere, listed = Origin(), Origin(listed=True)
    for origin, passes in zip(
        (anywhere, listed, replace(listed, registered=True), Origin(own=True)), taken, strict=True
    ):
        decision = source(replace(INCOMING, settings=Settings(fs_restrictsiptolocal=level), origin=origin))
        assert decision is None if passes else refusal(decision).setting == "fs_restrictsiptolocal"
    assert source(replace(LOCAL, settings=Settings(fs_restrictsiptolocal=level))) is None  # an account's call


@pytest.mark.setting("allowanonymouscaller")
@pytest.mark.parametrize(
    ("auth", "refused"),
    [(Auth.PROVEN, False), (Auth.ADDRESS, False), (Auth.NAMED, True), (Auth.TRUNK, True), (Auth.NONE, True)],
)
def test_who_hides_is_refused_unless_he_is_proven_or_it_is_allowed(auth: Auth, refused: bool) -> None:
    hidden = replace(LOCAL, auth=auth, origin=Origin(anonymous=True))
    decision = source(hidden)
    assert (decision is not None) is refused
    if refused:
        assert (refusal(decision).status, refusal(decision).setting) == (433, "allowanonymouscaller")
    assert source(replace(hidden, settings=Settings(allowanonymouscaller=True))) is None
    assert source(replace(hidden, origin=Origin())) is None


@pytest.mark.setting("techprefix")
def test_a_number_without_the_tech_prefix_is_refused() -> None:
    decision = refusal(number(replace(OUTGOING, origin=Origin(lacks_prefix=True))))
    assert (decision.stage, decision.setting, decision.status) == ("number", "techprefix", 403)
    assert number(OUTGOING) is None


@pytest.mark.setting("fwdtootherdomains")
def test_another_domain_is_called_while_it_is_allowed_and_nothing_bars_it() -> None:
    there = Destination(DestinationKind.DOMAIN, "4930", domain="example.net")
    call = replace(OUTGOING, destination=there)
    assert destination(call) is None and call.priced
    closed = refusal(destination(replace(call, settings=Settings(fwdtootherdomains=False))))
    assert (closed.setting, closed.status) == ("fwdtootherdomains", 403)
    barred = refusal(destination(replace(call, destination=replace(there, barred="10.0.0.1 is private"))))
    assert "10.0.0.1 is private" in barred.sentence
    assert refusal(destination(replace(call, account=None))).setting == "needauth"
    assert (
        refusal(destination(replace(call, account=replace(ALICE, onlylocalaccess=True)))).setting == "onlylocalaccess"
    )
    assert refusal(locks(replace(call, account=replace(ALICE, locklevel=1)))).setting == "locklevel"


def test_a_disabled_account_is_refused() -> None:
    decision = refusal(authentication(replace(OUTGOING, account=replace(ALICE, enabled=False))))
    assert (decision.setting, decision.status) == ("enabled", 403)


@pytest.mark.parametrize(
    ("level", "outgoing", "local", "emergency"),
    [
        (0, True, True, True),
        (1, False, True, True),
        (2, False, False, True),
        (3, False, False, True),
        (4, False, False, False),
    ],
)
def test_a_lock_level_locks_the_caller_out_of_what_it_says(
    level: int, outgoing: bool, local: bool, emergency: bool
) -> None:
    for facts, passes in ((OUTGOING, outgoing), (LOCAL, local), (EMERGENCY_CALL, emergency)):
        decision = locks(locked(facts, level))
        assert (decision is None) == passes
        if decision is not None:
            assert (refusal(decision).setting, refusal(decision).status) == ("locklevel", 403)


@pytest.mark.parametrize(
    ("foreign", "premium", "passes"),
    [(False, False, True), (True, False, False), (None, False, False), (False, True, False)],
)
def test_level_one_takes_a_number_of_unknown_country_as_foreign(
    foreign: bool | None, premium: bool, passes: bool
) -> None:
    where = replace(ABROAD, foreign=foreign, premium=premium)
    assert (locks(locked(replace(OUTGOING, destination=where), 1)) is None) == passes


@pytest.mark.parametrize(("level", "reachable"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
def test_a_lock_level_locks_the_callee_from_three_on(level: int, reachable: bool) -> None:
    for facts in (LOCAL, INCOMING):
        decision = locks(replace(facts, destination=replace(TO_BOB, account=replace(BOB, locklevel=level))))
        assert (decision is None) == reachable
        if decision is not None:
            assert refusal(decision).status == 480


def test_a_disabled_callee_is_unavailable() -> None:
    callee = replace(TO_BOB, account=replace(BOB, enabled=False))
    assert refusal(locks(replace(LOCAL, destination=callee))).setting == "enabled"


def test_an_unknown_lock_level_locks_everything() -> None:
    assert lock_level(7) is lock_level(-1) is LockLevel.ALL


@pytest.mark.parametrize(("running", "maxlines", "passes"), [(4, 5, True), (5, 5, False), (6, 5, False), (99, 0, True)])
def test_a_call_needs_a_free_line(running: int, maxlines: int, passes: bool) -> None:
    facts = replace(OUTGOING, account=replace(ALICE, lines=running, maxlines=maxlines))
    decision = lines(facts)
    assert (decision is None) == passes
    if decision is not None:
        assert refusal(decision).figures == {"lines": running, "maxlines": maxlines}
        assert "maxlines is 5" in refusal(decision).sentence


def test_an_emergency_call_needs_no_free_line() -> None:
    assert lines(replace(EMERGENCY_CALL, account=replace(ALICE, lines=5))) is None


def test_a_number_that_leads_nowhere_is_not_found() -> None:
    nowhere = Destination(DestinationKind.UNKNOWN, "555")
    assert refusal(destination(replace(OUTGOING, destination=nowhere))).status == 404


def test_an_account_for_local_calls_reaches_no_trunk_but_emergency_numbers() -> None:
    local_only = replace(ALICE, onlylocalaccess=True)
    assert refusal(destination(replace(OUTGOING, account=local_only))).setting == "onlylocalaccess"
    assert destination(replace(LOCAL, account=local_only)) is None
    assert destination(replace(EMERGENCY_CALL, account=local_only)) is None


@pytest.mark.parametrize("auth", [Auth.TRUNK, Auth.NONE])
def test_a_call_without_an_account_never_leaves_over_a_trunk(auth: Auth) -> None:
    for facts in (OUTGOING, EMERGENCY_CALL):
        assert refusal(destination(replace(facts, auth=auth, account=None))).status == 403


def test_a_call_without_a_price_is_refused_when_set() -> None:
    unpriced = replace(OUTGOING, rate=None)
    assert refusal(price(unpriced)).setting == "blocknotbilledcalls"
    assert price(replace(unpriced, settings=Settings(blocknotbilledcalls=0))) is None
    assert price(replace(unpriced, destination=TO_BOB)) is None
    assert price(EMERGENCY_CALL) is None


def test_a_call_that_cannot_be_paid_is_refused_with_credit_and_its_figures() -> None:
    poor = replace(ALICE, funds=Funds(balance=ONE, reserved=ONE - 10))
    decision = refusal(spend(replace(OUTGOING, account=poor)))
    assert (decision.stage, decision.setting, decision.status) == ("funds", "credit", 403)
    assert decision.figures == {"account": "alice", "needed": 16_667, "available": 10}


def test_the_answer_to_a_call_without_funds_is_the_set_one() -> None:
    facts = replace(OUTGOING, account=replace(ALICE, funds=Funds()), settings=Settings(quotadiscreason=402))
    decision = refusal(spend(facts))
    assert (decision.status, decision.reason) == (402, "Payment Required")


@pytest.mark.parametrize(
    "facts",
    [
        replace(OUTGOING, account=replace(ALICE, funds=Funds(limited=False))),
        replace(OUTGOING, account=replace(ALICE, funds=Funds()), rate=Rate("49", 0)),
        replace(LOCAL, account=replace(ALICE, funds=Funds())),
        replace(EMERGENCY_CALL, account=replace(ALICE, funds=Funds(balance=-ONE)), rate=Rate("1", ONE)),
    ],
    ids=["postpaid", "free", "local", "emergency"],
)
def test_funds_do_not_matter_for(facts: CallFacts) -> None:
    assert spend(facts) is None


def test_a_shortfall_at_reserving_is_refused_like_one_foreseen() -> None:
    decision = shortfall_refusal(Shortfall("credit", 5, 3), OUTGOING)
    assert (decision.stage, decision.setting, decision.status) == ("funds", "credit", 403)


def test_registration_is_refused_to_the_disabled_and_at_level_four() -> None:
    assert registration_refusal(ALICE) is None
    assert registration_refusal(replace(ALICE, locklevel=3)) is None
    level_four = registration_refusal(replace(ALICE, locklevel=4))
    disabled = registration_refusal(replace(ALICE, enabled=False))
    assert level_four is not None
    assert disabled is not None
    assert (level_four.setting, disabled.setting) == ("locklevel", "enabled")
