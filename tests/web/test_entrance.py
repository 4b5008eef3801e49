"""The way in: who may come, with what, how often, and what stays when he has gone."""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyotp
import pytest

from pysrv.panel import ROUTES
from pysrv.web.guard import HEADERS
from pysrv.web.guesses import FREE_GUESSES
from pysrv.web.identity import IDLE_S
from tests.web.house import PASSWORD, Browser, House, living


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as made:
        yield made


async def test_an_owner_logs_in_and_sees_the_dashboard(home: tuple[House, Browser]) -> None:
    house, browser = home
    assert (await browser.get("/panel/")).headers["Location"].startswith("/panel/login")
    answer = await browser.log_in("olga")
    assert (answer.status, answer.headers["Location"]) == (303, "/panel/")
    shown = await browser.get("/panel/")
    assert "Dashboard" in shown.text and "olga" in shown.text
    assert house.managers == {"127.0.0.1"}
    cookie = answer.headers["Set-Cookie"]
    for part in ("__Host-session=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert browser.cookie() not in (house.store._path.read_bytes()).decode("latin-1")  # only its digest is kept


async def test_the_frame_has_the_clock_its_zone_and_a_menu_that_names_the_page(home: tuple[House, Browser]) -> None:
    house, browser = home
    assert "All times" not in (await browser.get("/panel/login")).text
    await browser.log_in("olga")
    await browser.post("/panel/settings/timezone/set", {"timezone": "Europe/Berlin"})
    now = datetime.fromtimestamp(house.watch.now(), ZoneInfo("Europe/Berlin"))
    shown = (await browser.get("/panel/accounts")).text
    assert f"All times Europe/Berlin, now <time>{now:%Y-%m-%d %H:%M}</time>" in shown
    assert "<summary>Menu: Accounts</summary>" in shown


async def test_every_answer_carries_the_headers(home: tuple[House, Browser]) -> None:
    _, browser = home
    for path in ("/panel/login", "/panel/", "/static/web/style.css", "/nothing", "/healthz"):
        answer = await browser.get(path)
        for name in HEADERS.keys() - {"Cache-Control"}:
            assert answer.headers[name] == HEADERS[name], path


async def test_a_wrong_password_says_nothing_of_which_was_wrong_and_waits_longer_and_longer(
    home: tuple[House, Browser],
) -> None:
    house, browser = home
    await browser.get("/panel/login")
    texts = set()
    for name in ("olga", "nobody"):
        answer = await browser.post("/panel/login", {"name": name, "password": "wrong"})
        assert answer.status == 401
        texts.add(answer.text.replace(name, ""))
    assert len(texts) == 1
    for _ in range(FREE_GUESSES):
        answer = await browser.post("/panel/login", {"name": "olga", "password": "wrong"})
    assert answer.status == 429
    assert (await browser.log_in("olga")).status == 429  # the right one too
    house.offset = 400.0
    assert (await browser.log_in("olga")).status == 303
    assert house.guesses[0] == ("127.0.0.1", "olga")


async def test_a_login_leads_nowhere_but_into_the_appliance(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.store.set_setting("validateinput", "0")  # which would not even let all of them in
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil"):
        answer = await browser.post("/panel/login", {"name": "olga", "password": PASSWORD, "next": wanted})
        assert answer.headers["Location"] == "/panel/"
    answer = await browser.post("/panel/login", {"name": "olga", "password": PASSWORD, "next": "/panel/accounts?q=a"})
    assert answer.headers["Location"] == "/panel/accounts?q=a"


async def test_every_login_has_a_cookie_of_its_own(home: tuple[House, Browser]) -> None:
    _, browser = home
    await browser.log_in("olga")
    first = browser.cookie()
    await browser.log_in("olga")
    assert browser.cookie() not in ("", first)


async def test_a_session_ends_with_logging_out_idleness_and_its_length(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    assert (await browser.post("/panel/logout")).status == 303
    assert (await browser.get("/panel/")).status == 303
    await browser.log_in("olga")
    house.offset = IDLE_S + 1
    assert (await browser.get("/panel/")).headers["Location"].startswith("/panel/login")
    house.offset = 0.0
    house.store.set_setting("sessionabsolutetimeout", "10m")
    await browser.log_in("olga")
    house.offset = 601.0
    assert (await browser.get("/panel/")).status == 303


async def test_a_form_of_another_site_and_one_of_another_session_change_nothing(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    fields = {"name": "eve", "password": PASSWORD}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": browser.origin.replace("https", "http")},
    ):
        assert (await browser.post("/panel/accounts-new", fields, headers=headers)).status == 403
    assert (await browser.post("/panel/accounts-new", {**fields, "form_token": "of another"})).status == 403
    assert (await browser.post("/panel/accounts-new", {**fields, "form_token": ""})).status == 403
    assert house.store.account("eve") is None
    await browser.get("/panel/")
    assert (await browser.post("/panel/accounts-new", fields)).status == 303
    assert house.store.account("eve") is not None


async def test_remoteadmin_closes_the_panel_and_not_the_portal(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.open_to_all = False
    assert "remoteadmin" in (await browser.get("/panel/")).text
    await browser.get("/portal/login")
    assert (await browser.post("/panel/login", {"name": "olga", "password": PASSWORD})).status == 403
    assert (await browser.get("/portal/login")).status == 200


async def test_a_second_factor_is_asked_for_and_each_code_is_good_once(home: tuple[House, Browser]) -> None:
    house, browser = home
    secret = pyotp.random_base32()
    house.store.set_totp("olga", secret)
    house.store.set_recovery_codes("olga", ("abcde-fghjk",))
    house.store.commit()
    answer = await browser.log_in("olga")
    assert answer.headers["Location"] == "/panel/second"
    half = browser.cookie()
    assert (await browser.get("/panel/")).headers["Location"] == "/panel/second"
    assert (await browser.post("/panel/second", {"code": "000000"})).status == 401
    code = pyotp.TOTP(secret).at(time.time())
    assert (await browser.post("/panel/second", {"code": code})).status == 303
    assert browser.cookie() != half
    assert (await browser.get("/panel/")).status == 200
    await browser.log_in("olga")
    assert (await browser.post("/panel/second", {"code": code})).status == 401  # used already
    assert (await browser.post("/panel/second", {"code": "ABCDE fghjk"})).status == 303
    await browser.log_in("olga")
    assert (await browser.post("/panel/second", {"code": "abcde-fghjk"})).status == 401


async def test_money_wants_the_password_again_and_the_form_goes_on_from_there(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    assert (await browser.post("/panel/accounts-new", {"name": "alice", "password": PASSWORD})).status == 303
    house.offset = 700.0
    fields = {"amount": "5", "note": "cash <5", "once": "a-number-of-a-form"}
    asked = await browser.post("/panel/accounts/alice/credit", fields)
    assert asked.status == 403 and 'name="amount" value="5"' in asked.text and "cash &lt;5" in asked.text
    wrong = await browser.post("/panel/accounts/alice/credit", {**fields, "proof_password": "wrong"})
    assert wrong.status == 401
    before = house.store.account("alice")
    done = await browser.post("/panel/accounts/alice/credit", {**fields, "proof_password": PASSWORD})
    after = house.store.account("alice")
    assert done.status == 303 and before and after and after.balance == before.balance + 5_000_000
