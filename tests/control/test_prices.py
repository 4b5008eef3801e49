"""Decks, currencies, taxes and quotes over the verbs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.cdr import Cdr
from pysrv.billing.quote import CallQuotes
from pysrv.service.pricing import Prices
from pysrv.service.quotes import Quotes
from pysrv.service.routing import Routing
from pysrv.store import NewCall, Store
from tests.control.office import NOW, Operator, Service

RETAIL = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.12,0.05,60,60\n"
COST = "prefix,per_minute\n49,0.05\n49171,0.20\n"


def imported(root: Operator, deck: str, text: str, **more: str) -> dict[str, Any]:
    root.ask("rates.begin", deck=deck, **more)
    root.ask("rates.rows", first_line=1, text=text)
    return root.ask("rates.commit")


@pytest.fixture
def shop(root: Operator) -> Operator:
    """alice pays by retail, an agency above her by wholesale, and two trunks carry Germany."""
    root.ask("taxes.set", name="vat", percent="19%")
    imported(root, "retail", RETAIL, tax="vat")
    imported(root, "wholesale", "prefix,per_minute\n49,0.08\n")
    imported(root, "cost", COST)
    root.ask("accounts.add", name="agency", password="s3cret-words", type="reseller", deck="wholesale")
    root.ask("accounts.add", name="alice", password="s3cret-words", deck="retail", fields={"parent": "agency"})
    for name in ("carrier", "spare"):
        root.ask("trunks.add", name=name, host="192.0.2.7", deck="cost" if name == "carrier" else "")
        root.ask("trunks.route", name=name, route={"prefix": "49"})
    return root


def test_a_quote_explains_every_level_the_trunks_and_what_is_earned(shop: Operator) -> None:
    found = shop.ask("rates.quote", number="+49 30 123", account="alice", seconds=61)
    assert (found["number"], found["time_class"], found["refused_by"]) == ("4930123", "offpeak", "")
    alice, agency = found["levels"]
    assert (alice["payer"], alice["total"], alice["match"]) == ("alice", "0.3451", "exact")
    assert [(line["text"], line["amount"]) for line in alice["lines"]] == [
        ("connect fee", "0.05"),
        ("first 60 s at 0.12/min", "0.12"),
        ("1 x 60 s at 0.12/min", "0.12"),
        ("vat 19%", "0.0551"),
    ]
    assert (agency["payer"], agency["total"]) == ("agency", "0.081334")
    carrier, spare = found["routes"]
    assert (carrier["trunk"], carrier["cost"]["total"]) == ("carrier", "0.050834")
    assert [(margin["earner"], margin["amount"]) for margin in carrier["margins"]] == [
        ("agency", "0.208666"),
        ("", "0.0305"),
    ]
    assert spare["cost"]["why"] == "spare has no rate deck"
    assert spare["margins"][1]["amount"] is None


def test_a_quote_says_what_would_be_refused_and_left_out(shop: Operator, service: Service) -> None:
    service.apply_settings(Settings({"blocknotbilledcalls": 2, "blocknotprofitablecalls": 3}))
    found = shop.ask("rates.quote", number="49171555", account="alice")
    assert found["refused_by"] == "blocknotbilledcalls"
    assert "a longer one is known" in found["refusal"]
    assert [route["left_out_by"] for route in found["routes"]] == ["blocknotprofitablecalls"] * 2


def test_a_quote_may_be_of_a_deck_another_currency_and_another_time(root: Operator, service: Service) -> None:
    imported(root, "retail", "prefix,per_minute,time_class\n49,0.10,peak\n49,0.05,offpeak\n")
    root.ask("currencies.set", code="usd", rate="0.5", valid_from="2026-01-01")
    monday = "2026-11-02T10:00:00"
    found = root.ask("rates.quote", number="4930", deck="retail", currency="USD", at=monday)
    assert found["at"] == datetime(2026, 11, 2, 10, tzinfo=UTC).timestamp()
    assert [level["total"] for level in found["levels"]] == ["0.20"]
    service.apply_settings(Settings({"timezone": "Pacific/Auckland"}))
    assert root.ask("rates.quote", number="4930", deck="retail", at=monday)["time_class"] == "peak"
    assert root.ask("rates.quote", number="4930", deck="retail", at=monday + "Z")["time_class"] == "offpeak"
    early = root.ask("rates.quote", number="4930", deck="retail", currency="USD", at="2025-12-31")
    assert "there is no exchange rate to USD" in early["levels"][0]["why"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ({"number": "49"}, "invalid", "name one of the two"),
        ({"number": "49", "account": "a", "deck": "b"}, "invalid", "name one of the two"),
        ({"number": "xyz", "deck": "b"}, "invalid", "no number"),
        ({"number": "49", "account": "nobody"}, "not_found", "no account 'nobody'"),
        ({"number": "49", "deck": "b", "at": "soon"}, "invalid", "no date or time"),
        ({"number": "49", "deck": "b", "seconds": 86_401}, "invalid", "0 to 86400"),
    ],
)
def test_a_quote_that_cannot_be_says_why(root: Operator, args: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(WireError, match=words) as refused:
        root.ask("rates.quote", **args)
    assert refused.value.code == code


def test_a_deck_that_nobody_has_is_no_price_and_no_error(root: Operator) -> None:
    (level,) = root.ask("rates.quote", number="49", deck="none")["levels"]
    assert level["rate"] is None
    assert level["why"] == "there is no rate deck none in force"


def test_a_deck_is_exported_in_pieces_that_import_again(
    root: Operator, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr("pysrv.control.decks.EXPORT_ROWS", 3)
    rows = "".join(f"{49 + row},0.0{row % 9 + 1},{kind},\n" for row in range(5) for kind in ("", "peak"))
    imported(root, "retail", "prefix,per_minute,time_class,valid_from\n" + rows)
    text, asked = "", {}
    while asked is not None:
        piece = root.ask("rates.export", deck="retail", **asked)
        text, asked = text + piece["text"], piece["next"]
    assert text.count("\n") == 11
    assert imported(root, "again", text)["rates"] == 10
    assert store.rates("again") == store.rates("retail")


def test_a_deck_of_a_later_day_says_from_when_it_holds(root: Operator, store: Store) -> None:
    imported(root, "retail", RETAIL)
    monday = datetime(2030, 1, 7, tzinfo=UTC).timestamp()
    assert imported(root, "retail", RETAIL, effective="2030-01-07")["effective_at"] == monday
    assert [deck["effective_at"] for deck in root.ask("rates.decks")["decks"]] == [0.0, monday]
    root.ask("rates.remove", deck="retail", scheduled=True)
    assert len(store.decks()) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"currency": "USD"}, "no exchange rate of USD to EUR"),
        ({"currency": "EURO"}, "no currency"),
        ({"tax": "vat"}, "no tax 'vat'"),
        ({"effective": "Monday"}, "no date or time"),
    ],
)
def test_a_deck_whose_prices_could_not_be_made_is_not_begun(root: Operator, more: dict[str, str], words: str) -> None:
    with pytest.raises(WireError, match=words):
        root.ask("rates.begin", deck="retail", **more)


def test_currencies_and_taxes_are_set_listed_and_removed(root: Operator) -> None:
    root.ask("currencies.set", code="usd", rate="0.92")
    assert root.ask("currencies.list")["currencies"] == [
        {"code": "USD", "rate": "0.92", "valid_from": 0.0, "base": "EUR"}
    ]
    assert root.ask("currencies.remove", code="USD") == {"removed": "USD"}
    root.ask("taxes.set", name="vat", percent="7.7%", note="Switzerland")
    assert root.ask("taxes.list")["taxes"] == [{"name": "vat", "percent": "7.7%", "note": "Switzerland"}]
    assert root.ask("taxes.remove", name="vat") == {"removed": "vat"}


@pytest.mark.parametrize(
    ("verb", "args", "words"),
    [
        ("currencies.set", {"code": "EUR", "rate": "1"}, "EUR is the base currency"),
        ("currencies.set", {"code": "USD", "rate": "0"}, "no exchange rate"),
        ("taxes.set", {"name": "vat", "percent": "19"}, "write it as 19%"),
        ("currencies.remove", {"code": "USD"}, "no exchange rate of 'USD'"),
    ],
)
def test_a_currency_or_tax_that_cannot_be_says_why(root: Operator, verb: str, args: dict[str, str], words: str) -> None:
    with pytest.raises(WireError, match=words):
        root.ask(verb, **args)


def test_a_tax_of_an_account_is_not_removed(root: Operator) -> None:
    root.ask("taxes.set", name="vat", percent="19%")
    root.ask("accounts.add", name="alice", password="s3cret-words", fields={"tax": "vat"})
    with pytest.raises(WireError, match="vat taxes the calls of alice"):
        root.ask("taxes.remove", name="vat")
    root.ask("accounts.set", name="alice", changes={"fields": {"tax": "none"}})
    with pytest.raises(WireError, match="no tax 'gst'"):
        root.ask("accounts.set", name="alice", changes={"fields": {"tax": "gst"}})


def carried(store: Store, call_id: str, account: str, number: str, duration_s: float) -> Cdr:
    """A call over the trunk `carrier`, priced as the service prices it."""
    payer = store.account(account)
    assert payer is not None
    quotes = Quotes(store, Settings)
    sold = quotes.sell(store.chain(payer), number, NOW)
    kept = Prices(sold, Routing(store, quotes, Settings).ways(number, sold, NOW)).kept
    rates = [quote.rate for quote in sold]
    store.open_call(NewCall(call_id, payer.id, "101", number, rate=rates[0], above=tuple(rates[1:])))
    store.keep_quotes(call_id, kept)
    store.answer_call(call_id, NOW, "carrier")
    store.renew_lease(call_id)
    return store.settle(Cdr(call_id, trunk="carrier", setup_at=NOW, answered_at=NOW, duration_s=duration_s))


def test_a_past_call_explains_its_price_though_its_decks_are_gone(shop: Operator, store: Store) -> None:
    for name in ("alice", "agency"):
        store.adjust(name, 10**7)
    carried(store, "c1", "alice", "4930123", 60.5)
    imported(shop, "retail", "prefix,per_minute\n49,9.99\n")
    imported(shop, "cost", "prefix,per_minute\n49,9.99\n")
    shop.ask("trunks.set", name="carrier", changes={"deck": ""})
    found = shop.ask("cdrs.show", call_id="c1")
    alice, agency = found["levels"]
    assert (alice["payer"], alice["charged"], alice["total"], alice["exact"]) == ("alice", "0.3451", "0.3451", True)
    assert [line["text"] for line in alice["lines"]][-1] == "vat 19%"
    assert alice["quote"] == "alice: prefix 49 (longest match) in deck retail"
    assert (agency["charged"], agency["exact"]) == ("0.081334", True)
    assert (found["cost"]["cost"], found["cost"]["exact"], found["cost"]["trunk"]) == ("0.050834", True, "carrier")
    assert found["talk_s"] == 61


def test_a_call_that_the_lease_ended_explains_what_was_carried(shop: Operator, store: Store) -> None:
    store.adjust("alice", 202_300)  # one minute with its fee and tax
    store.adjust("agency", 10**7)
    carried(store, "c1", "alice", "4930123", 75.0)
    found = shop.ask("cdrs.show", call_id="c1")
    assert [level["exact"] for level in found["levels"]] == [True, True]
    assert [level["charged"] for level in found["levels"]] == ["0.2023", "0.08"]
    assert (found["cost"]["cost"], found["cost"]["exact"]) == ("0.05", True)


def test_a_past_call_says_who_did_not_pay(shop: Operator, store: Store) -> None:
    store.set_account("agency", deck="")
    store.adjust("alice", 10**7)
    carried(store, "c1", "alice", "4930123", 60.0)
    found = shop.ask("cdrs.show", call_id="c1")
    assert [level["payer"] for level in found["levels"]] == ["alice"]
    assert found["not_billed"] == ["agency: no price, agency has no rate deck"]


def test_a_call_that_is_not_recorded_is_not_found(root: Operator) -> None:
    with pytest.raises(WireError, match="no call record 'c9'"):
        root.ask("cdrs.show", call_id="c9")


def test_a_record_from_before_quotes_were_kept_is_explained_by_its_own_rate(shop: Operator, store: Store) -> None:
    for name in ("alice", "agency"):
        store.adjust(name, 10**7)
    carried(store, "c1", "alice", "4930123", 60.0)
    store._write("DELETE FROM charges")
    store.keep_quotes("c1", CallQuotes())
    (level,) = shop.ask("cdrs.show", call_id="c1")["levels"]
    assert (level["payer"], level["exact"]) == ("alice", True)


def test_the_quality_of_trunks_is_shown_with_what_they_cost(shop: Operator, store: Store) -> None:
    for talk_s in (0, 30, 90):
        store.count_attempt("carrier", "49171", NOW, talk_s)
    store.count_attempt("spare", "49301", NOW)
    told = shop.ask("trunks.quality")
    carrier, spare = told["quality"]
    assert told["window_s"] == 86_400
    assert carrier == {
        "trunk": "carrier", "prefix": "49171", "calls": 3, "asr_percent": 66.6, "acd_s": 60, "per_minute": "0.20",
        "currency": "EUR",
    }  # fmt: skip
    assert (spare["asr_percent"], spare["acd_s"], spare["per_minute"]) == (0.0, None, None)
    assert shop.ask("trunks.quality", trunk="spare", prefix="49171")["quality"] == []
    with pytest.raises(WireError, match="no trunk 'none'"):
        shop.ask("trunks.quality", trunk="none")
