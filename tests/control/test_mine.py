"""The verbs of accounts' owners: each reaches his own account, and nothing else by any argument."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from appliance.wire import WireError
from pysrv.billing.cdr import Cdr
from pysrv.billing.lease import Lease
from pysrv.control.mine import MINE
from pysrv.control.mine.customers import CEILINGS
from pysrv.control.mine.statement import contained_tax
from pysrv.control.session import Control
from pysrv.control.table import VERBS
from pysrv.store import AccountType
from pysrv.store.rows import NewCall
from pysrv.store.web import PersonKind
from tests.control.office import Service
from tests.control.past import NOW, ONE, PastOffice

STRONG = "correct-horse-42"


@pytest.fixture
def past(tmp_path: Path) -> Iterator[PastOffice]:
    made = PastOffice(tmp_path / "appliance.db")
    made.account("rex", 100, deck="wholesale", type=AccountType.RESELLER, maxlines=4, maxdailycredit=50 * ONE)
    made.account("cora", 20, parent="rex")
    made.account("roy", 100, deck="wholesale", type=AccountType.RESELLER)
    made.account("carl", 20, parent="roy")
    made.account("alice", 50, maxdailycredit=10 * ONE, email="alice@example.com")
    made.account("bob", 50)
    yield made
    made.store.close()


def ask(
    past: PastOffice, name: str, verb: str, args: Mapping[str, Any] | None = None, *, proven: bool = True, **more: Any
) -> dict[str, Any]:
    service = more.pop("service", None) or Service()
    past.clock.now = max(past.clock.now, NOW)
    return Control(past.store, service, {}, past.clock).mine(name, f"web:{name}", proven=proven, **more).do(verb, args)


def refused(past: PastOffice, name: str, verb: str, args: Mapping[str, Any] | None = None, **more: Any) -> WireError:
    with pytest.raises(WireError) as caught:
        ask(past, name, verb, args, **more)
    return caught.value


def test_no_verb_of_owners_takes_an_account_and_only_resellers_name_a_customer() -> None:
    for verb in MINE.values():
        named = {each.name for each in fields(verb.args)} & {"account", "name", "customer", "parent", "who", "user"}
        assert named <= ({"customer"} if verb.resells else set()), verb.name


def test_owners_have_no_verb_of_operators_and_operators_none_of_theirs(past: PastOffice) -> None:
    assert not MINE.keys() & VERBS.keys()
    for verb in VERBS:
        assert refused(past, "alice", verb).code == "unknown_verb"
    operator = Control(past.store).session("root")
    for verb in MINE:
        with pytest.raises(WireError, match="there is no verb"):
            operator.do(verb)


def test_an_argument_for_somebody_elses_account_is_refused_and_not_read_over(past: PastOffice) -> None:
    for verb in MINE.values():
        for name in ("account", "name", "parent"):
            assert refused(past, "rex", verb.name, {name: "bob"}).code == "bad_args", verb.name


def test_what_changes_money_passwords_limits_or_contact_wants_the_password_again(past: PastOffice) -> None:
    free = {"mine.unregister", "mine.revoke"}  # whoever ends something harms nobody
    spends = {"mine.callback"}  # nothing is written, but two calls cost what calls cost
    for verb in MINE.values():
        assert verb.proof == ((verb.writes and verb.name not in free) or verb.name in spends), verb.name
    assert refused(past, "alice", "mine.limits", {"limits": {"locklevel": "2"}}, proven=False).code == "unproven"
    assert past.store.account("alice").own.locklevel == 0  # type: ignore[union-attr]


def test_a_closed_account_and_one_that_is_gone_have_no_verbs(past: PastOffice) -> None:
    past.store.set_account("bob", enabled=False)
    assert refused(past, "bob", "mine.show").code == "unauthorized"
    assert refused(past, "nobody", "mine.show").code == "unauthorized"


def test_everything_that_is_shown_to_one_is_of_himself(past: PastOffice) -> None:
    past.call("bob", 0, 1, callee="4966666")
    mine = past.call("alice", 0, 2, callee="4977777")
    past.store.add_notice("credit_low", "bob", {"left": 1, "limit": 2, "setting": "creditwarning"}, "k")
    past.store.begin_session(PersonKind.ACCOUNT, "bob", "192.0.2.66", "Bobs browser", complete=True)
    for verb in ("mine.show", "mine.calls", "mine.devices", "mine.movements", "mine.statement", "mine.sessions"):
        told = str(ask(past, "alice", verb))
        assert "bob" not in told and "4966666" not in told and "192.0.2.66" not in told, verb
    (call,) = ask(past, "alice", "mine.calls")["calls"]
    assert (call["call_id"], call["callee"], call["charge"]) == (mine, "4977777", "1.00")


def test_a_call_is_explained_to_its_payer_alone_without_trunk_or_cost(past: PastOffice) -> None:
    call = past.call("alice", 0, 2)
    shown = ask(past, "alice", "mine.call", {"call_id": call})
    assert [line["amount"] for line in shown["lines"]] and shown["call"]["charge"] == "1.00"
    assert "carrier" not in str(shown) and "cost" not in shown and "trunk" not in str(shown)
    assert refused(past, "bob", "mine.call", {"call_id": call}).code == "not_found"


def test_a_reseller_sees_his_own_price_of_a_customers_call_and_the_customer_only_hers(past: PastOffice) -> None:
    call = past.call("cora", 0, 2)
    (hers,) = ask(past, "cora", "mine.calls")["calls"]
    (his,) = ask(past, "rex", "mine.calls")["calls"]
    assert (hers["charge"], his["charge"], his["account"]) == ("1.00", "0.80", "cora")
    assert "0.80" not in str(ask(past, "cora", "mine.call", {"call_id": call}))
    assert refused(past, "roy", "mine.call", {"call_id": call}).code == "not_found"
    assert ask(past, "roy", "mine.calls")["calls"] == []


def test_an_account_of_the_same_name_does_not_inherit_calls(past: PastOffice) -> None:
    call = past.call("bob", 0, 1)
    past.store.remove_account("bob")
    past.clock.now = NOW + 3600
    past.account("bob", 5)
    assert ask(past, "bob", "mine.calls")["calls"] == []
    assert refused(past, "bob", "mine.call", {"call_id": call}).code == "not_found"


def test_own_limits_only_lower_what_the_operator_has_set(past: PastOffice) -> None:
    own = ask(past, "alice", "mine.limits", {"limits": {"maxdailycredit": "4", "maxdailyminutes": "30"}})
    assert own["account"]["own"]["maxdailycredit"] == "4" and own["account"]["told"]["maxdailycredit"] == "10"
    error = refused(past, "alice", "mine.limits", {"limits": {"maxdailycredit": "11"}})
    assert error.code == "invalid" and "at most 10" in error.message
    assert refused(past, "alice", "mine.limits", {"limits": {"maxlines": "9"}}).code == "invalid"
    assert refused(past, "alice", "mine.limits", {"limits": {"locklevel": "4"}}).code == "invalid"
    past.store.set_account("alice", locklevel=2)
    assert "already" in refused(past, "alice", "mine.limits", {"limits": {"locklevel": "1"}}).message
    assert past.store.account("alice").own.maxdailycredit == 4 * ONE  # type: ignore[union-attr]
    assert (
        ask(past, "alice", "mine.limits", {"limits": {"maxdailycredit": ""}})["account"]["own"]["maxdailycredit"] == "0"
    )


def test_a_web_password_and_one_of_telephones_follow_the_rules_and_end_other_sessions(past: PastOffice) -> None:
    kept = past.store.web_session(past.store.begin_session(PersonKind.ACCOUNT, "alice", "a", "", complete=True))
    past.store.begin_session(PersonKind.ACCOUNT, "alice", "b", "", complete=True)
    past.store.begin_session(PersonKind.ACCOUNT, "bob", "c", "", complete=True)
    past.store.begin_session(PersonKind.ADMINISTRATOR, "alice", "d", "", complete=True)
    assert kept is not None
    assert refused(past, "alice", "mine.password", {"password": "alice"}).code == "invalid"
    before = past.store.account("alice")
    assert ask(past, "alice", "mine.password", {"password": STRONG}, session=kept.digest) == {"sessions_ended": 1}
    assert {each.address for each in past.store.web_sessions()} == {"a", "c", "d"}
    assert past.store.verify_account("alice", STRONG)
    assert past.store.account("alice").ha1_md5 == before.ha1_md5  # type: ignore[union-attr]
    ask(past, "alice", "mine.password", {"password": STRONG + "!", "of": "sip"})
    assert past.store.account("alice").ha1_md5 != before.ha1_md5  # type: ignore[union-attr]
    assert past.store.verify_account("alice", STRONG)  # the web has its own


def test_talk_of_running_calls_counts_up_to_now_and_the_rest_is_reserved_for_whoever_pays(past: PastOffice) -> None:
    accounts = {name: past.store.account(name) for name in ("cora", "bob")}
    past.clock.now = NOW
    for name, account in accounts.items():
        rates = [past.store.rate_for(each.deck, "4930") for each in past.store.chain(account)]  # type: ignore[arg-type]
        new = NewCall(name, account.id, name, "4930", "192.0.2.9", rate=rates[0], above=tuple(rates[1:]))  # type: ignore[union-attr]
        assert isinstance(past.store.open_call(new), Lease)
        past.store.answer_call(name, NOW - 20)
    for name in ("cora", "rex"):
        held = past.store.account(name).reserved_s  # type: ignore[union-attr]
        usage = ask(past, name, "mine.show")["usage"]
        assert (usage["seconds_today"], usage["seconds_month"], usage["reserved_s"]) == (20, 20, held - 20), name
    assert ask(past, "roy", "mine.show")["usage"]["reserved_s"] == 0


def test_only_a_calling_card_has_a_pin(past: PastOffice) -> None:
    assert refused(past, "alice", "mine.pin").code == "invalid"
    past.account("card", 5, type=AccountType.CALLING_CARD)
    made = ask(past, "card", "mine.pin")["pin"]
    assert past.store.card_by_pin(made).name == "card"  # type: ignore[union-attr]


def test_sessions_of_others_cannot_be_ended(past: PastOffice) -> None:
    bobs = past.store.web_session(past.store.begin_session(PersonKind.ACCOUNT, "bob", "b", "", complete=True))
    admins = past.store.web_session(past.store.begin_session(PersonKind.ADMINISTRATOR, "alice", "x", "", complete=True))
    mine = past.store.web_session(past.store.begin_session(PersonKind.ACCOUNT, "alice", "a", "", complete=True))
    assert bobs is not None and admins is not None and mine is not None
    for ref in (bobs.digest, bobs.digest[:12], admins.digest[:12], "", "%" * 12, mine.digest[:11]):
        assert refused(past, "alice", "mine.revoke", {"id": ref}).code == "not_found"
    assert ask(past, "alice", "mine.revoke", {"id": mine.digest[:12]}) == {"ended": 1}
    assert len(past.store.web_sessions()) == 2


def test_a_statement_agrees_with_the_ledger_at_both_ends(past: PastOffice) -> None:
    past.call("alice", 5, 1, talk_s=90)
    past.call("alice", 3, 1, talk_s=30)
    past.store.deposit("alice", 7 * ONE, note="bank")
    shown = ask(past, "alice", "mine.statement")
    account = past.store.account("alice")
    assert account is not None
    opening, closing, moved, calls = (float(text) for text in (
        shown["opening"], shown["closing"], shown["moved"], shown["calls"]["amount"]
    ))  # fmt: skip
    assert opening + moved - calls == closing == account.balance / ONE
    (place,) = shown["destinations"]
    assert (place["prefix"], place["calls"], place["seconds"]) == ("49", shown["calls"]["calls"], 120)
    earlier = ask(past, "alice", "mine.statement", {"month": "2001-01"})
    assert (earlier["opening"], earlier["closing"], earlier["destinations"]) == ("0.00", "0.00", [])
    for wrong in ("2026-13", "26-01", "2026/01", "x", "2026-1", "9999-12", "２０２６-01"):
        assert refused(past, "alice", "mine.statement", {"month": wrong}).code == "invalid", wrong


def test_a_contained_tax_is_what_its_rate_says() -> None:
    assert contained_tax(119, 190_000) == 19
    assert contained_tax(0, 190_000) == 0
    assert contained_tax(1_000_000, 70_000) == 65_421


RESELLING = [verb.name for verb in MINE.values() if verb.resells]


@pytest.mark.parametrize("verb", RESELLING)
def test_customers_are_a_resellers_alone(past: PastOffice, verb: str) -> None:
    assert refused(past, "alice", verb, {"customer": "cora"}).code == "forbidden"


@pytest.mark.parametrize("whose", ["carl", "roy", "rex", "alice", "nobody"])
@pytest.mark.parametrize("verb", ["mine.customer", "mine.set_customer", "mine.credit_customer"])
def test_a_reseller_reaches_no_account_but_those_below_him(past: PastOffice, verb: str, whose: str) -> None:
    args = {"customer": whose} | ({"amount": "5"} if verb == "mine.credit_customer" else {})
    if verb == "mine.set_customer":
        args["enabled"] = False  # type: ignore[assignment]
    before = past.store.accounts()
    error = refused(past, "rex", verb, args)
    assert (error.code, error.message) == ("not_found", f"there is no customer {whose!r}")
    assert past.store.accounts() == before


def test_a_reseller_adds_prepaid_end_users_within_his_own_limits(past: PastOffice) -> None:
    made = ask(past, "rex", "mine.add_customer", {"customer": "dora", "password": STRONG})["customer"]
    dora = past.store.account("dora")
    assert dora is not None
    assert (dora.parent, dora.type, dora.postpaid, dora.balance) == ("rex", AccountType.END_USER, False, 0)
    assert (dora.maxlines, dora.maxdailycredit, made["name"]) == (4, 50 * ONE, "dora")
    for wrong in ({"maxlines": "5"}, {"maxlines": "0"}, {"maxdailycredit": "51"}, {"maxdailycredit": "0"}):
        args = {"customer": "eve", "password": STRONG, "fields": wrong}
        assert refused(past, "rex", "mine.add_customer", args).code == "invalid", wrong
        assert refused(past, "rex", "mine.set_customer", {"customer": "dora", "fields": wrong}).code == "invalid"
    for name in ("parent", "type", "postpaid", "authip", "needauth", "locklevel", "enabled", "tax", "group_name"):
        args = {"customer": "eve", "password": STRONG, "fields": {name: "1"}}
        assert refused(past, "rex", "mine.add_customer", args).code == "forbidden", name
    assert past.store.account("eve") is None


def test_a_customer_cannot_be_named_like_a_number_or_an_account(past: PastOffice) -> None:
    for name in ("4930123", "112", "+49301", "alice", "carl", "../x", ""):
        assert refused(past, "rex", "mine.add_customer", {"customer": name, "password": STRONG}).code in (
            "invalid", "conflict",
        ), name  # fmt: skip


def test_a_reseller_gives_only_decks_that_the_operator_gave_him(past: PastOffice) -> None:
    args = {"customer": "dora", "password": STRONG, "fields": {"deck": "buy"}}
    assert refused(past, "rex", "mine.add_customer", args).code == "not_found"
    ask(past, "rex", "mine.add_customer", args | {"fields": {"deck": "retail"}})
    assert past.store.account("dora").deck == "retail"  # type: ignore[union-attr]


def test_credit_is_booked_for_a_customer_and_taken_back_as_far_as_it_is_left(past: PastOffice) -> None:
    balance = past.store.account("rex").balance  # type: ignore[union-attr]
    booked = ask(past, "rex", "mine.credit_customer", {"customer": "cora", "amount": "5", "note": "cash"})
    assert booked["customer"]["balance"] == "25.00"
    assert past.store.account("rex").balance == balance  # type: ignore[union-attr]
    assert refused(past, "rex", "mine.credit_customer", {"customer": "cora", "amount": "-25.01"}).code == "invalid"
    assert (
        ask(past, "rex", "mine.credit_customer", {"customer": "cora", "amount": "-25"})["customer"]["balance"] == "0.00"
    )
    assert refused(past, "rex", "mine.credit_customer", {"customer": "cora", "amount": "0"}).code == "invalid"


def test_a_customer_that_is_locked_loses_his_sessions_and_the_service_hears_of_it(past: PastOffice) -> None:
    past.store.begin_session(PersonKind.ACCOUNT, "cora", "a", "", complete=True)
    service = Service()
    ask(past, "rex", "mine.set_customer", {"customer": "cora", "enabled": False}, service=service)
    assert past.store.web_sessions() == [] and ("account", "cora") in service.told
    assert refused(past, "cora", "mine.show").code == "unauthorized"


def test_a_reseller_unlocks_only_what_he_has_locked_himself(past: PastOffice) -> None:
    service, lock = Service(), {"customer": "cora", "enabled": False}
    ask(past, "rex", "mine.set_customer", lock, service=service)
    ask(past, "rex", "mine.set_customer", lock | {"enabled": True}, service=service)
    assert past.store.account("cora").enabled  # type: ignore[union-attr]
    for before in (True, False):  # the operator locks her, and locks her once more when the reseller had done so before
        ask(past, "rex", "mine.set_customer", lock | {"enabled": before}, service=service)
        past.store.set_account("cora", who="web:olga", enabled=False)
        ask(past, "rex", "mine.set_customer", lock, service=service)  # his own word does not make the lock his
        error = refused(past, "rex", "mine.set_customer", lock | {"enabled": True})
        assert (error.code, "not locked by you" in str(error)) == ("forbidden", True)
        assert not past.store.account("cora").enabled  # type: ignore[union-attr]
        past.store.set_account("cora", who="web:olga", enabled=True)


def test_every_ceiling_of_a_reseller_holds_for_his_customers(past: PastOffice) -> None:
    past.store.set_account("rex", maxmonthlycredit=9 * ONE, maxdailyminutes=9, maxmonthlyminutes=9)
    for name in CEILINGS:
        assert refused(past, "rex", "mine.set_customer", {"customer": "cora", "fields": {name: "51"}}).code == "invalid"
        ask(past, "rex", "mine.set_customer", {"customer": "cora", "fields": {name: "3"}})


def test_why_a_call_failed_says_nothing_of_an_account_above(past: PastOffice) -> None:
    past.store.adjust("rex", -100 * ONE)
    for reason in ("rex has 0 left and needs 1", "cora has 0 left"):
        refusal = Cdr(reason, "cora", "cora", "491", setup_at=NOW, ended_at=NOW, reason=reason, refused_by="credit")
        past.store.settle(refusal)
    past.clock.now = NOW + 1
    told = {call["call_id"]: call["reason"] for call in ask(past, "cora", "mine.calls")["calls"]}
    assert told.get("rex has 0 left and needs 1") == "" and told.get("cora has 0 left") == "cora has 0 left"
