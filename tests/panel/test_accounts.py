"""The pages of accounts: made, changed in groups of fields, their history, their resellers, and sheets in and out."""

import csv
import io
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.panel import ROUTES
from pysrv.people.permissions import PROOF_S
from pysrv.store import NewAccount
from pysrv.store.rows import SavedBinding
from tests.control import past
from tests.control.past import DAY, PastOffice
from tests.panel.conftest import Panel
from tests.web.house import PASSWORD, living

GOOD = "correct-Horse-77-staple"


async def test_an_account_is_made_and_its_fields_change_one_by_one(panel: Panel) -> None:
    house, browser = panel
    told = {"name": "alice", "password": GOOD, "numbers": "100 101", "type": "end_user", "credit": "5"}
    assert (await browser.post("/panel/accounts-new", told)).status == 303
    page = (await browser.get("/panel/accounts/alice")).text
    assert page.count("<fieldset>") == 6
    assert '<select id="f-type" name="type"' in page and 'type="checkbox" value="true"' in page
    was = dict(re.findall(r'name="was-(\w+)" value="([^"]*)"', page))
    fields = {f"was-{name}": text for name, text in was.items()} | was
    house.store.set_account("alice", maxcps=7)  # somebody else, meanwhile
    answer = await browser.post("/panel/accounts/alice/set", fields | {"maxlines": "9", "onlylocalaccess": "true"})
    assert answer.status == 303
    account = house.store.account("alice")
    assert account is not None
    assert (account.maxlines, account.onlylocalaccess, account.maxcps) == (9, True, 7)
    answer = await browser.post("/panel/accounts/alice/set", fields | {"maxlines": "many"})
    assert answer.status == 422 and 'value="many"' in answer.text and "maxlines must be" in answer.text


async def test_a_field_has_a_label_in_words_its_name_beside_it_and_its_unit(panel: Panel) -> None:
    panel.account("alice")
    page = (await panel.browser.get("/panel/accounts/alice")).text
    assert "Proof of identity <small><code>needauth</code></small></label>" in page
    assert "Spend of a day <small>(EUR)</small> <small><code>maxdailycredit</code></small></label>" in page
    german = (await panel.browser.get("/panel/accounts/alice", headers={"Accept-Language": "de"})).text
    assert "Ausgaben eines Tages <small>(EUR)</small>" in german and "Für wen das Konto steht." in german


async def test_no_account_is_offered_to_be_staff_but_one_that_is_keeps_its_type(panel: Panel) -> None:
    panel.account("alice")
    for path in ("/panel/accounts-new", "/panel/accounts/alice"):
        page = (await panel.browser.get(path)).text
        assert '<option value="reseller"' in page and '<option value="support"' not in page
    panel.store.set_account("alice", type="support")
    assert '<option value="support" selected>' in (await panel.browser.get("/panel/accounts/alice")).text


async def test_the_page_of_an_account_says_which_telephones_are_registered(panel: Panel) -> None:
    panel.account("alice")
    assert "No device is registered." in (await panel.browser.get("/panel/accounts/alice")).text
    device = SavedBinding("alice", "sip:a@x", "udp", "", 0, "127.0.0.1", 5091, 9e9, "c", 1, user_agent="baresip")
    panel.store.save_binding(device)
    assert "<small>baresip, 127.0.0.1:5091, until 2255" in (await panel.browser.get("/panel/accounts/alice")).text


async def test_a_new_account_that_is_refused_keeps_what_was_typed(panel: Panel) -> None:
    house, browser = panel
    answer = await browser.post("/panel/accounts-new", {"name": "alice", "password": "1", "numbers": "100"})
    assert answer.status == 422 and 'value="alice"' in answer.text and 'value="1"' not in answer.text
    assert house.store.account("alice") is None


async def test_a_cards_pin_is_shown_once(panel: Panel) -> None:
    _, browser = panel
    answer = await browser.post("/panel/accounts-new", {"name": "card", "password": GOOD, "type": "calling_card"})
    first = re.search(r"shown this once: *<strong>(\d+)</strong>", answer.text)
    assert answer.status == 200 and first is not None
    assert first[1] not in (await browser.get("/panel/accounts/card")).text
    answer = await browser.post("/panel/accounts/card/pin", {"pin": "generated"})
    again = re.search(r"shown this once: *<strong>(\d+)</strong>", answer.text)
    assert again is not None
    assert (await browser.post("/panel/accounts/card/pin", {"anumbers": "4930111"})).status == 303
    assert 'value="4930111"' in (await browser.get("/panel/accounts/card")).text
    assert (await browser.post("/panel/accounts/card/pin", {"pin": "none"})).status == 303
    assert "It has no PIN." in (await browser.get("/panel/accounts/card")).text


async def test_resellers_stand_above_their_accounts(panel: Panel) -> None:
    house, browser = panel
    for name, kind, parent in (("top", "reseller", ""), ("mid", "reseller", "top"), ("leaf", "end_user", "mid")):
        house.store.add_account(NewAccount(name, GOOD, "appliance", type=kind, parent=parent))
    page = (await browser.get("/panel/resellers")).text
    assert re.search(r">top</a>.*<ul><li><a [^>]*>mid</a>", page)
    assert page.count(">mid</a>") == 1 and "leaf" not in page
    below = (await browser.get("/panel/accounts?parent=mid")).text
    assert ">leaf</a>" in below and ">top</a>" not in below
    assert ">leaf</a>" not in (await browser.get("/panel/accounts?type=reseller")).text


async def test_weak_passwords_are_listed_with_their_reason(panel: Panel) -> None:
    house, browser = panel
    house.store.add_account(NewAccount("alice", GOOD, "appliance"))
    assert "No password waits" in (await browser.get("/panel/passwords?weak=1")).text
    account = house.store.account("alice")
    assert account is not None
    house.store.note_password_weak(account.id, "it is its name")
    page = (await browser.get("/panel/passwords?weak=1")).text
    assert "alice" in page and "it is its name" in page


@pytest.fixture
async def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Panel]:
    """Two days of alice's: one cost 2.00, the other 1.00."""
    monkeypatch.setattr(past, "NOW", time.time() // DAY * DAY - DAY / 2)
    office = PastOffice(tmp_path / "appliance.db")
    office.clock.now = past.NOW - 10 * DAY
    office.account("alice")
    office.call("alice", 3, 9, 120)
    office.call("alice", 2, 9, 60)
    office.done()
    office.store.close()
    async with living(tmp_path, ROUTES) as (house, browser):
        await browser.log_in("olga")
        await browser.get("/panel/")
        yield house, browser


async def test_days_are_drawn_beside_each_other_and_every_movement_of_money_is_told(records: Panel) -> None:
    _, browser = records
    page = (await browser.get("/panel/accounts/alice/history")).text
    assert re.findall(r'<progress max="100" value="(\d+)" aria-label="([^"]+)"', page) == [
        ("50", "1.00 EUR"), ("100", "2.00 EUR"),
    ]  # fmt: skip
    assert len(re.findall(r"cdrs-show\?call_id=past-\d", page)) == 2
    assert "No device is registered." in page
    assert (await browser.get("/panel/accounts/nobody/history")).status == 404


SHEET = f"name;password;numbers;maxlines\nalice;{GOOD};100;3\nbob;generated;;\n".encode()


async def test_a_sheet_is_checked_taken_as_a_whole_and_shows_what_it_generated_once(panel: Panel) -> None:
    house, browser = panel
    answer = await browser.upload("/panel/accounts-sheet", {"dry_run": "1"}, SHEET)
    assert answer.status == 200 and "Nothing was changed" in answer.text and "<code>" not in answer.text
    assert house.store.account("alice") is None
    answer = await browser.upload("/panel/accounts-sheet", {}, SHEET)
    assert "2 accounts added, 0 changed." in answer.text
    shown = re.search(r"<code>([A-Za-z0-9]{16})</code>", answer.text)
    assert shown is not None and GOOD not in answer.text
    assert house.store.verify_account("bob", shown[1])
    account = house.store.account("alice")
    assert account is not None
    assert (account.numbers, account.maxlines) == (("100",), 3)


async def test_a_sheet_with_a_fault_names_its_line_and_changes_nothing(panel: Panel) -> None:
    house, browser = panel
    for sheet, words in (
        (SHEET + b"carol;1;;\n", "line 4, column password"),
        (SHEET + b"carol;1\n", "line 4: 2 cells"),
        (b"name;colour\nalice;red\n", "column 2"),
        (b"name\n", "has no accounts"),
        (b'name;password\n"alice;x\n', "no CSV"),
        (None, "no file was chosen"),
    ):
        answer = await browser.upload("/panel/accounts-sheet", {}, sheet)
        assert answer.status == 422 and words in answer.text, words
    assert house.store.accounts() == []


async def test_a_sheet_wants_the_password_again_when_it_was_typed_long_ago(panel: Panel) -> None:
    house, browser = panel
    assert "proof_password" not in (await browser.get("/panel/accounts-sheet")).text
    house.watch.offset = PROOF_S + 1
    assert "proof_password" in (await browser.get("/panel/accounts-sheet")).text
    answer = await browser.upload("/panel/accounts-sheet", {}, SHEET)
    assert answer.status == 403 and house.store.accounts() == []
    answer = await browser.upload("/panel/accounts-sheet", {"proof_password": PASSWORD}, SHEET)
    assert answer.status == 200 and len(house.store.accounts()) == 2


@pytest.mark.setting("allowhttpfileupload")
async def test_sheets_are_taken_only_while_uploads_are_allowed(panel: Panel) -> None:
    house, browser = panel
    house.store.set_setting("allowhttpfileupload", "false")
    assert (await browser.upload("/panel/accounts-sheet", {}, SHEET)).status == 403
    assert 'type="file"' not in (await browser.get("/panel/accounts-sheet")).text
    assert house.store.accounts() == []


async def test_what_is_taken_away_comes_back_and_holds_no_password(panel: Panel) -> None:
    house, browser = panel
    await browser.upload("/panel/accounts-sheet", {}, SHEET)
    text = (await browser.get("/panel/accounts.csv")).text
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(text))}
    assert set(rows) == {"alice", "bob"} and {row["password"] for row in rows.values()} == {""}
    changed = text.replace("alice,,100,", "alice,,100 102,")
    assert changed != text
    answer = await browser.upload("/panel/accounts-sheet", {"update": "1"}, changed.encode())
    assert "0 accounts added, 2 changed." in answer.text
    account = house.store.account("alice")
    assert account is not None
    assert account.numbers == ("100", "102")
