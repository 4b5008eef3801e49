"""The pages of call records: found, paged, explained, and taken away without a formula in them."""

import csv
import io
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pysrv.billing.cdr import Carried, Cdr, EndedBy
from pysrv.panel import ROUTES
from pysrv.web.transfer import harmless
from tests.control import past
from tests.control.past import DAY, PastOffice
from tests.web.house import Browser, House, living

Panel = tuple[House, Browser]


@pytest.fixture
async def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Panel]:
    """Sixty calls of alice's, one of bob's that was refused, and one of his whose number is a formula."""
    monkeypatch.setattr(past, "NOW", time.time() // DAY * DAY - DAY / 2)
    office = PastOffice(tmp_path / "appliance.db")
    office.clock.now = past.NOW - 10 * DAY
    office.account("alice")
    office.account("bob")
    for minute in range(60):
        office.call("alice", 2, 9 + minute / 60, 30)
    office.refused("bob", 2, 11, "maxlines")
    office.call("bob", 2, 12, 0, "=1+1")
    office.done()
    office.store.close()
    async with living(tmp_path, ROUTES) as (house, browser):
        await browser.log_in("olga")
        await browser.get("/panel/")
        yield house, browser


def calls(text: str) -> list[str]:
    return re.findall(r"call_id=(past-\d+)", text)


async def test_pages_follow_each_other_without_a_gap(records: Panel) -> None:
    _, browser = records
    first = (await browser.get("/panel/cdrs")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = (await browser.get(older[1].replace("&amp;", "&"))).text
    assert (len(calls(first)), len(calls(second))) == (50, 12)
    assert len(set(calls(first)) | set(calls(second))) == 62
    assert 'rel="next"' not in second


async def test_filters_let_through_what_they_say(records: Panel) -> None:
    _, browser = records
    for query, count in (
        ("account=bob", 2), ("account=nobody", 0), ("outcome=unanswered", 2), ("refused_by=maxlines", 1),
        ("account=alice&trunk=carrier", 50), ("callee=%2B49", 50), ("callee=43", 0),
        ("until=2001-01-01T00:00", 0), ("since=2001-01-01T00:00&account=bob", 2),
    ):  # fmt: skip
        assert len(calls((await browser.get(f"/panel/cdrs?{query}")).text)) == count, query
    answer = await browser.get("/panel/cdrs?since=yesterday")
    assert answer.status == 422 and "must be a time" in answer.text and 'value="yesterday"' in answer.text
    assert (await browser.get("/panel/cdrs.csv?since=yesterday")).status == 422


async def test_a_price_is_explained_line_by_line(records: Panel) -> None:
    _, browser = records
    page = (await browser.get("/panel/cdrs-show?call_id=past-1")).text
    assert "Paid by alice: 0.50 EUR" in page
    assert page.count("0.50 EUR") == 2  # what was charged is what its lines come to
    assert (await browser.get("/panel/cdrs-show?call_id=none")).status == 404


async def test_a_record_says_how_the_call_went_and_what_was_counted(records: Panel) -> None:
    house, browser = records
    cdr = Cdr(
        "odd", "", "4930999", "49177", "192.0.2.33", "carrier", setup_at=1.0, answered_at=2.0, ended_at=2.4, cause=31,
        sip_status=200, ended_by=EndedBy.CALLEE, from_caller=Carried(1234, 5, 2.0), from_callee=Carried(77, 5, 2.0),
    )  # fmt: skip
    house.store.settle(cdr)
    house.store.settle(replace(cdr, call_id="none", answered_at=None, sip_status=480, cause=20, reason="nobody there"))
    house.store.commit()
    page = (await browser.get("/panel/cdrs-show?call_id=odd")).text
    for words in (
        "4930999", "192.0.2.33", "SIP status 200, Q.850 cause 31 (Normal, unspecified)", "by the callee",
        "1,234 from the caller, 77 from the callee", "Number of the call", "no longer remembered",
    ):  # fmt: skip
        assert words in page, words
    page = (await browser.get("/panel/cdrs-show?call_id=none")).text
    assert "SIP status 480, Q.850 cause 20 (Subscriber absent)" in page and "nobody there" in page


async def test_the_list_shows_what_was_billed_beside_what_was_talked(records: Panel) -> None:
    house, browser = records
    page = (await browser.get("/panel/cdrs?account=alice")).text
    talked = re.findall(r'data-label="Talk" class="figure">([^<]*)<', page)
    billed = re.findall(r'data-label="Billed" class="figure">([^<]*)<', page)
    assert set(talked) == {"30 s"} and set(billed) == {"30 s"} and len(billed) == 50
    assert "rounded up" not in (await browser.get("/panel/cdrs-show?call_id=past-1")).text
    house.store._write("UPDATE cdrs SET billable_seconds = 60 WHERE call_id = 'past-1'")
    house.store.commit()
    page = (await browser.get("/panel/cdrs-show?call_id=past-1")).text
    assert "1 min 0 s <small>rounded up by the increments of its rate" in page


async def test_all_that_fits_is_taken_away_as_csv(records: Panel) -> None:
    _, browser = records
    answer = await browser.get("/panel/cdrs.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["call_id"] for row in rows}) == 62
    assert [row["callee"] for row in rows if row["account"] == "bob"] == ["'=1+1", "4912345"]
    assert sum(float(row["charge"]) for row in rows) == 30.0
    assert len(list(csv.DictReader(io.StringIO((await browser.get("/panel/cdrs.csv?account=bob")).text)))) == 2
    assert (await browser.get("/panel/cdrs.csv?account=nobody")).text.count("\n") == 1  # the heading


async def test_an_export_of_many_pieces_and_one_that_is_cut_at_its_most(
    records: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = records
    monkeypatch.setattr("pysrv.panel.pages.cdrs.PIECE_ROWS", 7)
    assert len(calls_of(await browser.get("/panel/cdrs.csv"))) == 62
    monkeypatch.setattr("pysrv.panel.pages.cdrs.MOST_ROWS", 20)
    assert len(calls_of(await browser.get("/panel/cdrs.csv"))) == 20


def calls_of(answer: object) -> set[str]:
    return {row["call_id"] for row in csv.DictReader(io.StringIO(answer.text))}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"), ("@SUM(1)", "'@SUM(1)"), ("+1+1", "'+1+1"), ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"), ("+4930123", "+4930123"), ("-0.50", "-0.50"), (None, ""), ("plain", "plain"), (7, "7"),
    ],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(value: object, cell: str) -> None:
    assert harmless(value) == cell
