"""The portal over real TLS: what its owner sees and changes there, and that no route leads to anybody else."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.billing.calendar import date_of, first_day, month_of
from pysrv.billing.cdr import Cdr
from pysrv.billing.lease import Lease
from pysrv.billing.tariff import Rate
from pysrv.panel import ROUTES as PANEL_ROUTES
from pysrv.portal import ROUTES
from pysrv.store import AccountType, NewAccount
from pysrv.store.rows import NewCall, SavedBinding
from pysrv.store.web import PersonKind
from tests.web.house import PASSWORD, Browser, House, living

ONE = 1_000_000
NEW = "another-horse-43"
Home = tuple[House, Browser]


def binding(name: str, host: str) -> SavedBinding:
    contact = f"<sip:{name}@{host}:5060>"
    return SavedBinding(
        name, contact, "udp", "127.0.0.1", 5060, host, 5060, 4e9, f"c-{name}", 1, user_agent=f"Phone {host}"
    )


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with living(tmp_path, (*PANEL_ROUTES, *ROUTES)) as (house, browser):
        store = house.store
        for name, more in (
            ("alice", {"maxdailycredit": 20 * ONE}),
            ("bob", {"email": "secret@bob.example"}),
            ("rex", {"type": AccountType.RESELLER, "maxlines": 5}),
            ("cora", {"parent": "rex"}),
            ("roy", {"type": AccountType.RESELLER}),
            ("carl", {"parent": "roy", "email": "secret@carl.example"}),
        ):
            store.add_account(NewAccount(name, PASSWORD, "appliance", balance=50 * ONE, **more))  # type: ignore[arg-type]
        for name, host in (("alice", "192.0.2.10"), ("bob", "192.0.2.66"), ("carl", "192.0.2.67")):
            store.save_binding(binding(name, host))
            store.deposit(name, ONE, note=f"paid by {name}")
            now = house.watch.now()
            store.settle(Cdr(f"call-{name}", name, name, f"4966{ord(name[0])}", setup_at=now, ended_at=now + 1))
        store.commit()
        yield house, browser


async def test_a_page_that_there_is_not_has_the_portals_menu(home: Home) -> None:
    _, browser = home
    await browser.log_in("alice", room="portal")
    page = await browser.get("/portal/nothing")
    assert page.status == 404 and 'href="/portal/"' in page.text and 'action="/portal/logout"' in page.text
    assert 'href="/panel' not in page.text


PAGES = [
    route.path
    for route in ROUTES
    if route.method == "GET" and "{" not in route.path and route.path != "/portal/paid"  # needs a payment
]
OF_RESELLERS = [route.path for route in ROUTES if route.of_type is AccountType.RESELLER]


async def enter(home: Home, name: str) -> Browser:
    _, browser = home
    await browser.get("/portal/login")
    answer = await browser.log_in(name, room="portal")
    assert answer.status == 303, answer.text
    return browser


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_page_is_shown_to_its_owner_and_says_nothing_of_others(home: Home, language: str) -> None:
    browser = await enter(home, "alice")
    for path in PAGES:
        if path in OF_RESELLERS:
            continue
        query = "?id=call-alice" if path == "/portal/call" else ""
        answer = await browser.get(path + query, headers={"Accept-Language": language})
        assert answer.status == 200, (path, answer.text)
        assert "bob" not in answer.text and "192.0.2.66" not in answer.text, path
        if "html" in answer.headers["Content-Type"]:
            assert answer.text.count("<h1>") == 1 and f'lang="{language}"' in answer.text
    overview = (await browser.get("/portal/")).text
    assert "51.00" in overview and "Customers" not in overview


async def test_an_owner_finds_number_user_server_and_what_a_minute_costs(home: Home) -> None:
    house, _ = home
    house.store.set_account("alice", numbers=("4930101",), deck="retail")
    house.store.set_setting("localdomain", "sip.example.org")
    deck = house.store.import_begin("retail")
    house.store.import_rows(deck, 1, "prefix,per_minute\n49,0.02\n")
    house.store.import_commit(deck)
    house.store.commit()
    browser = await enter(home, "alice")
    page = (await browser.get("/portal/")).text
    for words in ("4930101", "<strong>alice</strong>", "<strong>sip.example.org</strong><small>UDP, TCP, TLS (5061)"):
        assert words in page, words
    page = (await browser.get("/portal/quote?number=49301234&minutes=3")).text
    assert "A minute to 49" in page and "<strong>0.02 EUR</strong>" in page and "<strong>0.06 EUR</strong>" in page
    assert "cost nothing" in (await browser.get("/portal/quote?number=4930101")).text
    assert "No price is known for 33123" in (await browser.get("/portal/quote?number=33123")).text
    for query in ("number=abc", "number=4930&minutes=x", "number=4930&minutes=99999"):
        assert (await browser.get(f"/portal/quote?{query}")).status == 422, query


async def test_pay_is_offered_only_where_a_gateway_is_set(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "alice")
    assert 'href="/portal/pay"' not in (await browser.get("/portal/")).text
    house.store.set_setting("paymentgateway", "stripe")
    house.store.commit()
    assert 'href="/portal/pay"' in (await browser.get("/portal/")).text


async def test_a_blocked_account_reads_when_it_may_call_again(home: Home) -> None:
    house, _ = home
    account, store = house.store.account("alice"), house.store
    assert account is not None
    store.block_today(account.id, "maxdailycredit")
    store.commit()
    browser = await enter(home, "alice")
    day = date_of(store.today() + 1)
    assert f"No calls go out until {day} 00:00:00" in (await browser.get("/portal/")).text
    store.allow_today("alice", 0)
    store.block_today(account.id, "maxmonthlycredit")
    store.commit()
    month = date_of(first_day(month_of(store.today()) + 1))
    assert f"No calls go out until {month} 00:00:00" in (await browser.get("/portal/")).text


async def test_talk_and_reserved_time_stand_apart(home: Home) -> None:
    house, _ = home
    account, now = house.store.account("alice"), house.watch.now()
    assert account is not None
    lease = house.store.open_call(NewCall("now", account.id, "alice", "4930", "192.0.2.10", rate=Rate("49", ONE)))
    assert isinstance(lease, Lease) and lease.covered_s == 60
    house.store.answer_call("now", now - 20)
    house.store.commit()
    browser = await enter(home, "alice")
    assert (await browser.get("/portal/")).text.count("talked 20 s, + 40 s reserved") == 2


async def test_every_row_of_the_portal_is_for_accounts_and_wants_a_session(home: Home) -> None:
    _, browser = home
    await browser.get("/portal/login")
    for route in ROUTES:
        assert route.kind is PersonKind.ACCOUNT and route.path.startswith("/portal/")
        path = route.path.replace("{name}", "cora")
        answer = await (browser.get(path) if route.method == "GET" else browser.post(path))
        assert answer.status in (303, 401), path


async def test_administrators_and_owners_do_not_come_into_each_others_rooms(home: Home) -> None:
    _, browser = home
    await browser.get("/panel/login")
    await browser.log_in("olga")
    for route in ROUTES:
        path = route.path.replace("{name}", "cora")
        answer = await (browser.get(path) if route.method == "GET" else browser.post(path))
        assert answer.status in (303, 401), path
    await enter(home, "rex")
    for route in PANEL_ROUTES:
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        answer = await (browser.get(path) if route.method == "GET" else browser.post(path))
        assert answer.status in (303, 401), path


OTHERS = ("bob", "carl", "roy")
FIELDS = (
    "account",
    "name",
    "customer",
    "id",
    "call_id",
    "contact",
    "month",
    "before",
    "limit",
    "who",
    "user",
    "parent",
)


def frozen(house: House) -> list[object]:
    """Everything of other accounts that a route could change."""
    store = house.store
    return [
        [(store.account(name), store.postings(name), store.bindings(name)) for name in OTHERS],
        [store.web_sessions(PersonKind.ACCOUNT, name) for name in OTHERS],
        [store.has_web_password(store.account(name).id) for name in OTHERS],  # type: ignore[union-attr]
    ]


@pytest.mark.parametrize("who", ["alice", "rex"])
async def test_no_route_shows_or_changes_another_account_whatever_its_arguments_say(home: Home, who: str) -> None:
    house, _ = home
    sessions = {}
    for name in OTHERS:
        cookie = house.store.begin_session(PersonKind.ACCOUNT, name, "192.0.2.66", "their browser", complete=True)
        sessions[name] = house.store.web_session(cookie)
    house.store.commit()
    before, browser = frozen(house), await enter(home, who)
    for name in OTHERS:
        session, held = sessions[name], house.store.bindings(name)
        assert session is not None
        claims = dict.fromkeys(FIELDS, name)
        claims |= {"id": session.digest[:12], "contact": held[0].contact if held else name}
        claims |= {
            "amount": "5",
            "password": NEW,
            "enabled": "0",
            "of": "web",
            "old": PASSWORD,
            "new": "x",
            "again": "x",
        }
        for route in ROUTES:
            path = route.path.replace("{name}", name)
            if route.method == "GET":
                query = {
                    "account": name,
                    "name": name,
                    "customer": name,
                    "id": f"call-{name}",
                    "call_id": f"call-{name}",
                }
                answer = await browser.get(path, params=query)
                assert f"secret@{name}" not in answer.text and f"4966{ord(name[0])}" not in answer.text, path
                assert f"paid by {name}" not in answer.text and "192.0.2.66" not in answer.text, path
            else:
                answer = await browser.post(path, claims)
            assert answer.status < 500 or answer.status == 503, (path, answer.text)  # nothing runs: no callbacks
    assert frozen(house) == before


async def test_a_page_of_customers_is_for_resellers_and_shows_his_own(home: Home) -> None:
    browser = await enter(home, "alice")
    for path in OF_RESELLERS:
        answer = await browser.get(path.replace("{name}", "cora"))
        assert answer.status == 405 or "for a reseller alone" in answer.text
    browser = await enter(home, "rex")
    shown = await browser.get("/portal/customers")
    assert "cora" in shown.text and "carl" not in shown.text
    assert (await browser.get("/portal/customers/cora")).status == 200
    theirs, nobodys = await browser.get("/portal/customers/carl"), await browser.get("/portal/customers/nobody")
    assert theirs.status == nobodys.status == 404
    assert theirs.text.replace("carl", "nobody") == nobodys.text


async def test_a_reseller_adds_a_customer_books_for_him_and_locks_him(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "rex")
    await browser.get("/portal/customers")
    added = await browser.post("/portal/customers", {"customer": "dora", "password": PASSWORD})
    assert added.headers["Location"] == "/portal/customers/dora"
    paid = {"amount": "12.50", "note": "cash"} | await once(browser, "dora")
    assert (await browser.post("/portal/customers/dora/credit", paid)).status == 303
    much = {"amount": "much"} | await once(browser, "dora")
    assert (await browser.post("/portal/customers/dora/credit", much)).status == 422
    assert (await browser.post("/portal/customers/dora/set", {"maxlines": "99", "was-maxlines": "5"})).status == 422
    assert (await browser.post("/portal/customers/dora/set", {"maxlines": "2", "was-maxlines": "5"})).status == 303
    assert (await browser.post("/portal/customers/dora/enable", {"enabled": "0"})).status == 303
    dora = house.store.account("dora")
    assert dora is not None
    assert (dora.balance, dora.maxlines, dora.enabled, dora.parent) == (12_500_000, 2, False, "rex")
    refused = await browser.post(
        "/portal/customers", {"customer": "49301", "password": PASSWORD, "email": "x@y.example"}
    )
    assert refused.status == 422 and "x@y.example" in refused.text and PASSWORD not in refused.text


async def once(browser: Browser, customer: str) -> dict[str, str]:
    """The number of the form on the customer's page."""
    page = (await browser.get(f"/portal/customers/{customer}")).text
    part = page.partition("/credit")[2].partition("</form>")[0]
    return dict(re.findall(r'name="(once)" value="([^"]+)"', part))


async def test_credit_that_is_sent_twice_is_booked_once(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "rex")
    paid = {"amount": "5", "note": "cash"} | await once(browser, "cora")

    def balance() -> int:
        return house.store.account("cora").balance  # type: ignore[union-attr]

    for _ in range(2):
        assert (await browser.post("/portal/customers/cora/credit", paid)).status == 303
    assert balance() == 55 * ONE
    other = await browser.post("/portal/customers/cora/credit", paid | {"amount": "6"})
    assert other.status == 409 and "was sent already" in other.text
    assert (await browser.post("/portal/customers/cora/credit", {"amount": "5"})).status == 400
    assert balance() == 55 * ONE
    assert (await browser.post("/portal/customers/cora/credit", paid | await once(browser, "cora"))).status == 303
    assert balance() == 60 * ONE


async def test_money_of_customers_wants_the_password_again(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "rex")
    house.offset = 700.0
    paid = {"amount": "5"} | await once(browser, "cora")
    asked = await browser.post("/portal/customers/cora/credit", paid)
    assert asked.status == 403 and "proof_password" in asked.text and paid["once"] in asked.text
    again = await browser.post("/portal/customers/cora/credit", paid | {"proof_password": PASSWORD})
    assert again.status == 303
    assert house.store.account("cora").balance == 55 * ONE  # type: ignore[union-attr]


async def test_a_password_is_changed_with_the_old_one_alone(home: Home) -> None:
    house, _ = home
    other = house.store.begin_session(PersonKind.ACCOUNT, "alice", "192.0.2.1", "", complete=True)
    house.store.commit()
    browser = await enter(home, "alice")
    await browser.get("/portal/password")
    fields = {"of": "web", "old": "wrong-horse-42", "new": NEW, "again": NEW}
    assert (await browser.post("/portal/password", fields)).status == 401
    assert (await browser.post("/portal/password", fields | {"old": PASSWORD, "again": "other"})).status == 422
    assert (
        await browser.post("/portal/password", fields | {"old": PASSWORD, "new": "alice", "again": "alice"})
    ).status == 422
    assert house.store.verify_account("alice", PASSWORD)
    changed = await browser.post("/portal/password", fields | {"old": PASSWORD})
    assert changed.status == 200 and "The password is changed" in changed.text
    assert house.store.verify_account("alice", NEW) and not house.store.verify_account("alice", PASSWORD)
    assert house.store.web_session(other) is None
    assert (await browser.get("/portal/")).status == 200  # this session goes on
    for secret in (PASSWORD, NEW):
        assert secret not in changed.text


async def test_guesses_of_the_old_password_wait_like_those_at_the_login(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "alice")
    await browser.get("/portal/password")
    fields = {"of": "web", "old": "wrong", "new": NEW, "again": NEW}
    statuses = [(await browser.post("/portal/password", fields)).status for _ in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert ("127.0.0.1", "alice") in house.guesses


async def test_own_limits_are_set_and_refused_on_their_page(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "alice")
    await browser.get("/portal/limits")
    assert (await browser.post("/portal/limits", {"maxdailycredit": "5", "locklevel": "1"})).status == 303
    assert house.store.account("alice").own.maxdailycredit == 5 * ONE  # type: ignore[union-attr]
    high = await browser.post("/portal/limits", {"maxdailycredit": "21"})
    assert high.status == 422 and "at most 20" in high.text and 'value="21"' in high.text
    assert "(your own)" in (await browser.get("/portal/")).text


async def test_a_telephone_is_removed_by_its_owner(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "alice")
    assert "Phone 192.0.2.10" in (await browser.get("/portal/devices")).text
    (mine,), (bobs,) = house.store.bindings("alice"), house.store.bindings("bob")
    assert (await browser.post("/portal/devices", {"contact": bobs.contact})).status == 404
    assert (await browser.post("/portal/devices", {"contact": mine.contact})).status == 303
    assert house.store.bindings("alice") == [] and house.store.bindings("bob") == [bobs]


async def test_sessions_are_listed_and_ended(home: Home) -> None:
    house, _ = home
    other = house.store.begin_session(PersonKind.ACCOUNT, "alice", "192.0.2.99", "Other browser", complete=True)
    house.store.commit()
    browser = await enter(home, "alice")
    assert "192.0.2.99" in (await browser.get("/portal/sessions")).text
    assert (await browser.post("/portal/sessions", {"id": "others"})).status == 303
    assert house.store.web_session(other) is None
    assert (await browser.get("/portal/sessions")).status == 200


async def test_the_language_that_was_chosen_is_the_one_of_every_page(home: Home) -> None:
    browser = await enter(home, "alice")
    await browser.get("/portal/contact")
    fields = {"display_name": "Alice", "email": "a@example.com", "phone": "+4930123", "language": "de"}
    assert (await browser.post("/portal/contact", fields)).status == 303
    assert 'lang="de"' in (await browser.get("/portal/", headers={"Accept-Language": "en"})).text
    assert (await browser.post("/portal/contact", fields | {"email": "no address"})).status == 422
    assert (await browser.post("/portal/contact", fields | {"language": "xx"})).status == 422


async def test_csv_is_complete_and_no_cell_of_it_is_a_formula(home: Home) -> None:
    house, browser = home
    now = house.watch.now()
    house.store.settle(Cdr("evil", "alice", "=cmd|'/c calc'!A1", "4912", setup_at=now, ended_at=now))
    house.store.deposit("alice", ONE, note="@SUM(1)")
    house.store.commit()
    browser = await enter(home, "alice")
    calls = await browser.get("/portal/calls.csv")
    assert "attachment" in calls.headers["Content-Disposition"] and len(calls.text.splitlines()) == 3
    assert ",'=cmd" in calls.text
    statement = (await browser.get("/portal/statement.csv")).text
    assert ",'@SUM" in statement
    rows = [line.split(",") for line in statement.splitlines()[1:]]
    ends = {row[0]: float(row[5]) for row in rows if row[0].endswith("balance")}
    moved = sum(float(row[5]) for row in rows if row[0] in ("deposit", "adjustment", "calls"))
    assert ends["closing balance"] == pytest.approx(ends["opening balance"] + moved)


async def test_calls_are_paged_and_a_wrong_month_is_told(home: Home) -> None:
    house, _ = home
    now = house.watch.now()
    for number in range(60):
        house.store.settle(Cdr(f"more-{number}", "alice", "alice", "49777", setup_at=now, ended_at=now))
    house.store.commit()
    browser = await enter(home, "alice")
    first = (await browser.get("/portal/calls")).text
    assert first.count("more-") == 50 and "Earlier calls" in first
    where = first.partition("&amp;before=")[2].partition('"')[0]
    second = (await browser.get(f"/portal/calls?before={where}")).text
    assert second.count("more-") == 10 and "call-alice" in second
    wrong = await browser.get("/portal/calls?month=13-2026")
    assert wrong.status == 422 and "is no month" in wrong.text


async def test_what_others_write_is_shown_as_text(home: Home) -> None:
    house, _ = home
    now, evil = house.watch.now(), "<script>alert(1)</script>"
    house.store.settle(Cdr("x", "alice", evil, "4912", setup_at=now, ended_at=now, refused_by="x", reason=evil))
    house.store.save_binding(SavedBinding(
        "alice", f"<sip:{evil}@h>", "udp", "127.0.0.1", 5060, "192.0.2.8", 1, 4e9, "c", 1, user_agent=evil
    ))  # fmt: skip
    house.store.deposit("alice", ONE, note=evil)
    house.store.set_account("alice", display_name=evil)
    house.store.commit()
    browser = await enter(home, "alice")
    for path in PAGES:
        answer = await browser.get(path + ("?id=x" if path == "/portal/call" else ""))
        assert "csv" in path or evil not in answer.text, path


async def test_a_session_ends_when_its_account_is_closed_or_made_anew(home: Home) -> None:
    house, _ = home
    browser = await enter(home, "alice")
    house.store.set_account("alice", enabled=False)
    assert (await browser.get("/portal/")).status == 303
    house.store.set_account("alice", enabled=True)
    assert (await browser.get("/portal/")).status == 200
    house.store.remove_account("alice")
    house.store.add_account(NewAccount("alice", PASSWORD, "appliance"))
    assert (await browser.get("/portal/")).status == 303
