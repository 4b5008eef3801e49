"""The pages of prices: decks in and out, what a call costs, currencies and taxes."""

import asyncio
import re
from typing import Any

import pytest

from pysrv.panel import waiting
from pysrv.panel.pages import rates_import
from pysrv.people.permissions import Role
from pysrv.store import NewAccount
from pysrv.store.web import PersonKind
from pysrv.web import transfer
from tests.web.house import PASSWORD, Browser, House

Panel = tuple[House, Browser]
DECK = b"prefix,destination,per_minute,connect_fee\n49,Germany,0.02,0.01\n4930,Berlin,0.015,0\n"


async def imported(browser: Browser, name: str = "retail", deck: bytes = DECK) -> None:
    answer = await browser.upload("/panel/rates", {"deck": name}, deck)
    assert answer.status == 200, answer.text


async def test_a_deck_is_uploaded_shown_searched_and_taken_away_again(panel: Panel) -> None:
    house, browser = panel
    await imported(browser)
    assert "retail" in (await browser.get("/panel/rates")).text
    page = (await browser.get("/panel/rates/retail?prefix=4930")).text
    assert "Berlin" in page and "Germany" not in page
    answer = await browser.get("/panel/rates/retail/export.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="retail.csv"'
    await imported(browser, "again", answer.text.encode())
    assert house.store.rates("again", "", 10)[0].per_minute == house.store.rates("retail", "", 10)[0].per_minute
    assert (await browser.post("/panel/rates/again/remove", {"name": "wrong"})).status == 422
    assert (await browser.post("/panel/rates/again/remove", {"name": "again"})).status == 303
    assert [deck.name for deck in house.store.decks()] == ["retail"]
    assert (await browser.get("/panel/rates/nothing")).status == 404


async def test_a_deck_longer_than_a_piece_keeps_its_line_numbers(panel: Panel) -> None:
    house, browser = panel
    rows = [f"49{number:05},somewhere,0.02" for number in range(3000)]
    header = "prefix,destination,per_minute"
    await imported(browser, deck="\r\n".join([header, *rows]).encode())
    assert house.store.decks()[0].rates == 3000
    rows[2500] = "49999,somewhere,dear"
    answer = await browser.upload("/panel/rates", {"deck": "retail"}, "\n".join([header, *rows]).encode())
    assert answer.status == 422 and "line 2502" in answer.text
    assert 'value="retail"' in answer.text  # what was typed stays
    assert house.store.decks()[0].rates == 3000  # all of it counts, or nothing


@pytest.mark.parametrize(
    ("deck", "status", "words"),
    [
        (None, 422, "no file was chosen"),
        (b"\xff\xfe\x00", 422, "not UTF-8"),
        (b"x" * 70_000, 422, "longer than"),
        (b"", 422, ""),
    ],
)
async def test_what_is_no_deck_is_refused_with_words(panel: Panel, deck: bytes | None, status: int, words: str) -> None:
    house, browser = panel
    answer = await browser.upload("/panel/rates", {"deck": "retail"}, deck)
    assert answer.status == status and words in answer.text
    assert house.store.decks() == []


async def test_an_upload_ends_at_its_largest_size(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    house, browser = panel
    monkeypatch.setattr(transfer, "MOST_BYTES", 1024**2)
    rows = b"".join(b"49%07d,,0.02,0\n" % number for number in range(80_000))
    answer = await browser.upload("/panel/rates", {"deck": "retail"}, DECK + rows)
    assert answer.status == 413 and "larger than 1 MiB" in answer.text
    assert house.store.decks() == []


async def test_a_file_of_another_page_is_refused_before_it_is_read(panel: Panel) -> None:
    house, browser = panel
    browser.form_token = "of another"
    assert (await browser.upload("/panel/rates", {"deck": "retail"}, DECK)).status == 403
    assert (await browser.post("/panel/rates", {"deck": "retail"})).status == 400
    assert house.store.decks() == []


@pytest.mark.setting("allowhttpfileupload")
async def test_uploads_are_taken_only_while_they_are_allowed(panel: Panel) -> None:
    house, browser = panel
    house.store.set_setting("allowhttpfileupload", "false")
    answer = await browser.upload("/panel/rates", {"deck": "retail"}, DECK)
    assert answer.status == 403 and "allowhttpfileupload" in answer.text
    page = (await browser.get("/panel/rates")).text
    assert 'type="file"' not in page and "allowhttpfileupload" in page
    assert house.store.decks() == []
    house.store.set_setting("allowhttpfileupload", "true")
    assert 'type="file"' in (await browser.get("/panel/rates")).text
    await imported(browser)
    assert [deck.name for deck in house.store.decks()] == ["retail"]


async def test_who_may_only_see_prices_uploads_none(panel: Panel) -> None:
    house, browser = panel
    house.store.add_administrator("rita", Role.READ_ONLY, PASSWORD)
    house.store.commit()
    await browser.log_in("rita")
    assert 'type="file"' not in (await browser.get("/panel/rates")).text
    assert (await browser.upload("/panel/rates", {"deck": "retail"}, DECK)).status == 403


async def test_a_price_is_worked_out_line_by_line(panel: Panel) -> None:
    _, browser = panel
    await imported(browser)
    page = (await browser.get("/panel/quote?deck=retail&number=%2B49891&seconds=90")).text
    assert "0.04" in page  # 0.01 for the connection and a minute and a half at 0.02
    assert "No trunk has a route for it." in page
    for query in ("number=abc&deck=retail", "number=49&deck=retail&seconds=long", "number=49", "number=49&account=x"):
        answer = await browser.get(f"/panel/quote?{query}")
        assert answer.status in (404, 422) and 'role="alert"' in answer.text, query


async def test_currencies_and_taxes_come_and_go(panel: Panel) -> None:
    _, browser = panel
    assert (await browser.post("/panel/currencies/set", {"code": "USD", "rate": "0.9"})).status == 303
    assert (await browser.post("/panel/taxes/set", {"name": "vat", "percent": "19", "note": "usual"})).status == 303
    page = (await browser.get("/panel/currencies")).text
    assert "USD" in page and "vat" in page and "19" in page
    answer = await browser.post("/panel/currencies/set", {"code": "USD", "rate": "much"})
    assert answer.status == 422 and 'value="much"' in answer.text
    await browser.post("/panel/currencies/set", {"code": "USD", "remove": "1"})
    await browser.post("/panel/taxes/set", {"name": "vat", "remove": "1"})
    page = (await browser.get("/panel/currencies")).text
    assert "USD" not in page and "vat" not in page


ONE = b"prefix,per_minute\n44,0.03\n"


async def asked_about(browser: Browser, deck: bytes = ONE) -> tuple[str, dict[str, str]]:
    """The page that asks whether a deck shall take another's place, and the form on it."""
    page = (await browser.upload("/panel/rates", {"deck": "retail"}, deck)).text
    number = re.search(r'name="number" value="([^"]+)"', page)
    assert number is not None, page
    return page, {"number": number[1], "sure": "1"}


async def test_a_deck_that_exists_is_compared_before_it_is_replaced(panel: Panel) -> None:
    house, browser = panel
    await imported(browser)
    house.store.add_account(NewAccount("alice", PASSWORD, "example.org", deck="retail"))
    house.store.commit()
    page, fields = await asked_about(browser)
    for words in ("2 → 1 rate.", "2 prefixes vanish: 49, 4930", "1 account uses it.", "Calls without a price are free"):
        assert words in page, words
    assert house.store.decks()[0].rates == 2
    untold = await browser.post("/panel/rates-confirm", {"number": fields["number"]})
    assert house.store.decks()[0].rates == 2 and "nothing was imported yet" in untold.text
    number = re.search(r'name="number" value="([^"]+)"', untold.text)
    assert number is not None
    done = await browser.post("/panel/rates-confirm", {"number": number[1], "sure": "1"})
    assert done.status == 200 and "1 rate is in retail." in done.text
    assert [rate.prefix for rate in house.store.rates("retail", "", 10)] == ["44"]
    again = await browser.post("/panel/rates-confirm", {"number": number[1], "sure": "1"})
    assert again.status == 409 and "waits no more" in again.text


async def test_a_deck_that_waits_is_given_up_for_another_and_with_its_time(panel: Panel) -> None:
    house, browser = panel
    await imported(browser)
    _, first = await asked_about(browser)
    _, second = await asked_about(browser)
    assert (await browser.post("/panel/rates-confirm", first)).status == 409
    assert (await browser.post("/panel/rates-confirm", second)).status == 409  # a wrong number ends it
    _, late = await asked_about(browser)
    house.offset = waiting.HELD_S + 1
    assert (await browser.post("/panel/rates-confirm", late)).status == 409
    assert house.store.decks()[0].rates == 2
    assert house.store._one("SELECT count(*) FROM imports WHERE state = 'open'") == (0,)


async def test_of_two_decks_that_one_person_brings_at_once_one_waits(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, browser = panel
    await imported(browser)
    both, compared = asyncio.Barrier(2), rates_import._compared

    async def at_once(*args: Any) -> dict[str, Any]:
        await both.wait()
        return await compared(*args)

    monkeypatch.setattr(rates_import, "_compared", at_once)
    pages = await asyncio.gather(asked_about(browser), asked_about(browser))
    monkeypatch.undo()
    assert house.store._one("SELECT count(*) FROM imports WHERE state = 'open'") == (1,)
    waits = [held.number for held in rates_import._waiting._held[house.control].values()]
    [fields] = [fields for _, fields in pages if fields["number"] in waits]
    assert (await browser.post("/panel/rates-confirm", fields)).status == 200
    assert house.store._one("SELECT count(*) FROM imports WHERE state = 'open'") == (0,)
    assert house.store.decks()[0].rates == 1


async def test_the_word_for_a_deck_counts_with_the_rights_of_the_moment_of_the_commit(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, browser = panel
    await imported(browser)
    _, fields = await asked_about(browser)
    compared = rates_import._compared

    async def ended_meanwhile(*args: Any) -> dict[str, Any]:
        house.store.end_sessions_of(PersonKind.ADMINISTRATOR, "olga")
        return await compared(*args)

    monkeypatch.setattr(rates_import, "_compared", ended_meanwhile)
    refused = await browser.post("/panel/rates-confirm", fields)
    assert refused.status == 401 and "this login has ended meanwhile" in refused.text
    assert house.store.decks()[0].rates == 2
    assert house.store._one("SELECT count(*) FROM imports WHERE state = 'open'") == (0,)


async def test_a_deck_that_changed_meanwhile_is_asked_about_again(panel: Panel) -> None:
    house, browser = panel
    await imported(browser)
    _, fields = await asked_about(browser)
    other = house.store.import_begin("retail")
    house.store.import_rows(other, 1, "prefix,per_minute\n33,1\n44,1\n39,1\n")
    house.store.import_commit(other)
    house.store.commit()
    page = (await browser.post("/panel/rates-confirm", fields)).text
    assert "3 → 1 rate." in page and "2 prefixes vanish: 33, 39" in page
    assert house.store.decks()[0].rates == 3


async def test_a_long_deck_is_compared_in_bites(panel: Panel) -> None:
    _, browser = panel
    rows = "".join(f"49{number:05},0.02\n" for number in range(4500))
    await imported(browser, deck=b"prefix,per_minute\n" + rows.encode())
    page, _ = await asked_about(browser, b"prefix,per_minute\n4900000,1\n4904499,1\n")
    assert "4,498 prefixes vanish: 4900001, 4900002" in page and ", …" in page
