"""Money booked by hand, passwords made up, accounts disabled: what one careless click must not do, and what is said."""

import re

import pytest

from appliance.wire import WireError
from pysrv.panel.pages.account_money import typed
from pysrv.store.rows import NewCall
from pysrv.web.rendering import amount as written
from tests.panel.conftest import Panel

AT = "/panel/accounts/alice"
GOOD = "correct-Horse-77-staple"


@pytest.fixture(autouse=True)
def alice(panel: Panel) -> None:
    panel.account("alice")


def balance(panel: Panel) -> int:
    account = panel.store.account("alice")
    assert account is not None
    return account.balance


async def form_of(panel: Panel, what: str) -> dict[str, str]:
    """The hidden fields of one form of the account's page."""
    page = (await panel.browser.get(AT)).text
    part = page.partition(f'action="{AT}/{what}"')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', part))


async def test_a_form_sent_twice_books_once_and_says_the_same_both_times(panel: Panel) -> None:
    before, fields = balance(panel), await form_of(panel, "credit") | {"amount": "10,50", "note": "cash"}
    first = await panel.browser.post(f"{AT}/credit", fields)
    again = await panel.browser.post(f"{AT}/credit", fields)
    assert first.status == again.status == 303 and first.headers["Location"] == again.headers["Location"]
    assert balance(panel) == before + 10_500_000
    shown = (await panel.browser.get(first.headers["Location"])).text
    assert re.search(r"10\.50 EUR booked; balance [0-9.]+ EUR\.", shown)
    other = await panel.browser.post(f"{AT}/credit", fields | {"amount": "11"})
    assert other.status == 409 and "was sent already" in other.text
    assert balance(panel) == before + 10_500_000


async def test_each_page_has_a_form_of_its_own_and_one_without_a_number_books_nothing(panel: Panel) -> None:
    before = balance(panel)
    for _ in range(2):
        assert (
            await panel.browser.post(f"{AT}/credit", await form_of(panel, "credit") | {"amount": "1"})
        ).status == 303
    assert balance(panel) == before + 2_000_000
    assert (await panel.browser.post(f"{AT}/credit", {"amount": "1"})).status == 400
    assert balance(panel) == before + 2_000_000


async def test_a_form_that_was_refused_may_be_sent_again(panel: Panel) -> None:
    fields = await form_of(panel, "credit")
    for amount in ("-999", "0", "much", ""):
        refused = await panel.browser.post(f"{AT}/credit", fields | {"amount": amount})
        assert refused.status == 422 and 'role="alert"' in refused.text, amount
    before = balance(panel)
    assert (await panel.browser.post(f"{AT}/credit", fields | {"amount": "3"})).status == 303
    assert balance(panel) == before + 3_000_000


@pytest.mark.parametrize(("booked", "much"), [("", "1000.01"), ("2", "20.01")])
async def test_much_money_is_asked_about_before_it_is_booked(panel: Panel, booked: str, much: str) -> None:
    if booked:
        await panel.browser.post(f"{AT}/credit", await form_of(panel, "credit") | {"amount": booked})
    before, fields = balance(panel), await form_of(panel, "credit")
    asked = await panel.browser.post(f"{AT}/credit", fields | {"amount": much})
    assert (
        asked.status == 200
        and f"Yes, {written(much)} EUR" in asked.text
        and f'name="sure" value="{much}"' in asked.text
    )
    assert balance(panel) == before
    for sure in ("1", "5"):  # a word about another amount is none about this one
        await panel.browser.post(f"{AT}/credit", fields | {"amount": much, "sure": sure})
    assert balance(panel) == before
    assert (await panel.browser.post(f"{AT}/credit", fields | {"amount": much, "sure": much})).status == 303
    assert balance(panel) - before == round(float(much) * 1e6)


async def test_what_is_allowed_for_today_counts_once_and_is_shown(panel: Panel) -> None:
    fields = await form_of(panel, "allow") | {"amount": "20"}
    for _ in range(2):
        done = await panel.browser.post(f"{AT}/allow", fields)
        assert done.status == 303
    page = (await panel.browser.get(done.headers["Location"])).text
    assert "Today it may spend 20.00 EUR beyond its daily limits." in page
    assert "20.00 allowed today beyond the limits" in page
    assert "Allow more for today, EUR" in page and "Credit more, EUR" in page
    asked = await panel.browser.post(f"{AT}/allow", await form_of(panel, "allow") | {"amount": "5000"})
    assert asked.status == 200 and "Nothing was allowed yet." in asked.text


def test_a_comma_is_a_point_unless_it_may_stand_before_thousands() -> None:
    assert [typed(text) for text in ("10,5", "-3,25", ",5", "0,000001", "7", "1.5", "x")] == [
        "10.5", "-3.25", ".5", "0.000001", "7", "1.5", "x",
    ]  # fmt: skip
    with pytest.raises(WireError, match="thousands or decimals"):
        typed("1,000")


async def test_a_password_is_made_up_and_shown_once(panel: Panel) -> None:
    answer = await panel.browser.post(f"{AT}/password", {"password": "", "make": "1"})
    made = re.search(r"shown this once: *<strong>([A-Za-z0-9]{16,})</strong>", answer.text)
    assert answer.status == 200 and made is not None
    assert panel.store.verify_account("alice", made[1])
    assert made[1] not in (await panel.browser.get(AT)).text
    answer = await panel.browser.post("/panel/accounts-new", {"name": "bob", "password": "", "make": "1"})
    made = re.search(r"shown this once: *<strong>([A-Za-z0-9]{16,})</strong>", answer.text)
    assert made is not None and panel.store.verify_account("bob", made[1])


async def test_the_word_generated_is_no_password(panel: Panel) -> None:
    for path, fields in ((f"{AT}/password", {}), ("/panel/accounts-new", {"name": "bob"})):
        answer = await panel.browser.post(path, {**fields, "password": "Generated"})
        assert answer.status == 422 and "is the word by which a password is made up" in answer.text
    assert not panel.store.verify_account("alice", "Generated") and panel.store.account("bob") is None


async def test_a_password_that_was_set_is_confirmed(panel: Panel) -> None:
    done = await panel.browser.post(f"{AT}/password", {"password": GOOD})
    assert "The new password is set" in (await panel.browser.get(done.headers["Location"])).text


def running(panel: Panel, call_id: str, callee: str) -> None:
    account = panel.store.account("alice")
    assert account is not None
    panel.store.open_call(NewCall(call_id, account.id, "101", callee, "192.0.2.7"))
    panel.store.commit()
    panel.service.calls.add(call_id)


async def test_a_disabled_account_says_which_calls_still_run_and_ends_them(panel: Panel) -> None:
    page = (await panel.browser.get(AT)).text
    assert page.index("Disable the account") < page.index("Limits, and what is used")
    running(panel, "one", "4930"), running(panel, "two", "4940")
    done = await panel.browser.post(f"{AT}/enable", {"enabled": "0"})
    page = (await panel.browser.get(done.headers["Location"])).text
    assert "Disabled." in page and "2 calls still run." in page and "Hang up all" in page
    ended = await panel.browser.post("/panel/calls/hangup-all", {"account": "alice", "back": "account"})
    assert ended.status == 303 and ended.headers["Location"] == AT
    assert ("hangup", "one") in panel.service.told and ("hangup", "two") in panel.service.told
    done = await panel.browser.post(f"{AT}/enable", {"enabled": "1"})
    page = (await panel.browser.get(done.headers["Location"])).text
    assert "Enabled." in page and "still run" not in page


async def test_what_a_search_found_is_hung_up_and_nothing_else(panel: Panel) -> None:
    running(panel, "one", "4930"), running(panel, "two", "4940")
    assert "hangup-all" not in (await panel.browser.get("/panel/calls")).text
    assert "Hang up the 1 call that fits" in (await panel.browser.get("/panel/calls?q=4930")).text
    assert (await panel.browser.post("/panel/calls/hangup-all", {"words": " "})).status == 422
    assert (await panel.browser.post("/panel/calls/hangup-all", {"words": "4930"})).status == 303
    assert [told for told in panel.service.told if told[0] == "hangup"] == [("hangup", "one")]
