"""The unified port: what is served by scheme, host and path. Half as a table, half over real sockets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from appliance.config.load import layered
from appliance.config.settings import Settings, parse_all
from pysrv.store.rows import NewAccount
from pysrv.web.port import Asked, Verdict, judge, portal_url
from pysrv.web.routes import Route
from tests.web.house import PASSWORD, Browser, House, living

NAMED = {"localdomain": "pbx.example"}
SPLIT = NAMED | {"cfg_baseurl": "https://my.example:4443"}
BARE = {"usetlsforweb": "false", "usetlsforall": "false", "forcetls": "0"}


def settings(texts: dict[str, str]) -> Settings:
    return layered(parse_all(texts), {}, 1).settings


def verdict(asked: str, texts: dict[str, str], *, here: str = "192.0.2.1", port: int = 8443) -> Verdict:
    """Of a request written as `GET https://host/path`."""
    method, _, url = asked.partition(" ")
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return judge(Asked(scheme == "https", host, method, slash + path, here), settings(texts), port)


def outcome(asked: str, texts: dict[str, str], **more: object) -> str:
    """`served`, `to URL` or the status of a refusal."""
    found = verdict(asked, texts, **more)  # type: ignore[arg-type]
    if found.error is not None:
        assert found.error.hint
        return str(found.status)
    return f"to {found.to}" if found.to else "served"


@dataclass(frozen=True)
class Case:
    asked: str
    outcome: str
    texts: dict[str, str]


def plain(forcetls: int, asked: str, outcome: str, **texts: str) -> Case:
    return Case(asked, outcome, NAMED | {"forcetls": str(forcetls)} | texts)


PLAIN = [
    # forcetls, what is asked, what becomes of it
    plain(0, "GET http://pbx.example/portal/", "403"),
    plain(0, "GET http://pbx.example/panel/", "403"),
    plain(1, "GET http://pbx.example/panel/", "to https://pbx.example:8443/panel/"),
    plain(1, "HEAD http://pbx.example/", "to https://pbx.example:8443/"),
    plain(1, "POST http://pbx.example/portal/login", "403"),
    plain(1, "GET http://pbx.example/api/v1/accounts", "403"),
    plain(1, "GET http://pbx.example/mvapireq/?apientry=apitest1", "403"),
    plain(2, "POST http://pbx.example/portal/login", "to https://pbx.example:8443/portal/login"),
    plain(
        2,
        "GET http://pbx.example/mvapireq/?apientry=apitest1",
        "to https://pbx.example:8443/mvapireq/?apientry=apitest1",
    ),
    plain(3, "GET http://pbx.example/panel/", "to https://pbx.example:8443/panel/"),
    *(plain(level, "GET http://whatever.example/healthz", "served") for level in range(4)),
    *(plain(level, "GET http://whatever.example/.well-known/acme-challenge/x", "served") for level in range(4)),
    plain(2, "GET http://pbx.example/.well-known/other", "to https://pbx.example:8443/.well-known/other"),
]


@pytest.mark.setting("forcetls")
@pytest.mark.parametrize("case", PLAIN, ids=[f"{case.texts['forcetls']} {case.asked}" for case in PLAIN])
def test_what_comes_in_the_clear_is_redirected_as_forcetls_says(case: Case) -> None:
    assert outcome(case.asked, case.texts) == case.outcome


CLEAR = [
    Case("GET http://pbx.example/portal/", "served", NAMED | BARE),
    Case("POST http://pbx.example/portal/login", "served", NAMED | BARE),
    Case("GET http://pbx.example/static/web/style.css", "served", NAMED | BARE),
    Case("GET http://pbx.example/panel/", "403", NAMED | BARE),
    Case("POST http://pbx.example/panel/login", "403", NAMED | BARE),
    Case("GET http://pbx.example/portalx", "403", NAMED | BARE),
    Case("GET http://pbx.example/api/v1/accounts", "403", NAMED | BARE),
    Case("GET http://pbx.example/portal/", "403", NAMED | BARE | {"usetlsforweb": "true"}),
    Case("GET http://pbx.example/portal/", "403", NAMED | BARE | {"usetlsforall": "true"}),
    Case("GET http://pbx.example/portal/", "to https://pbx.example:8443/portal/", NAMED | BARE | {"forcetls": "1"}),
    Case("GET http://evil.example/portal/", "421", NAMED | BARE),
]


@pytest.mark.setting("usetlsforweb")
@pytest.mark.setting("usetlsforall")
@pytest.mark.parametrize("case", CLEAR, ids=range(len(CLEAR)))
def test_nothing_but_the_portal_is_ever_served_in_the_clear(case: Case) -> None:
    assert outcome(case.asked, case.texts) == case.outcome


HOSTS = [
    Case("GET https://pbx.example/panel/", "served", NAMED),
    Case("GET https://PBX.example.:8443/panel/", "served", NAMED),
    Case("GET https://192.0.2.77/panel/", "served", NAMED),
    Case("GET https://[2001:db8::1]:8443/panel/", "served", NAMED),
    Case("GET https://localhost:8443/panel/", "served", NAMED),
    Case("GET https://evil.example/panel/", "421", NAMED),
    Case("GET https://pbx.example.evil.example/panel/", "421", NAMED),
    Case("GET https://pbx.example@evil.example/panel/", "421", NAMED),
    Case("GET https://evil.example/portal/", "421", NAMED),
    Case("GET https:///panel/", "421", NAMED),
    Case("GET https://[broken/panel/", "421", NAMED),
    Case("GET https://pbx.example/panel/", "421", {}),
    Case("GET https://evil.example/healthz", "served", NAMED),
]


@pytest.mark.parametrize("case", HOSTS, ids=[f"{case.asked} {len(case.texts)}" for case in HOSTS])
def test_a_name_that_is_not_ours_is_not_answered(case: Case) -> None:
    assert outcome(case.asked, case.texts) == case.outcome


REDIRECTS = [
    # Never to what somebody else chose: an address that is not ours becomes our name, or the address that was reached.
    Case("GET http://192.0.2.1/x", "to https://192.0.2.1:8443/x", NAMED),
    Case("GET http://203.0.113.9/x", "to https://pbx.example:8443/x", NAMED),
    Case("GET http://203.0.113.9/x", "to https://192.0.2.1:8443/x", {}),
    Case("GET http://203.0.113.9/x", "to https://my.example:4443/x", {"cfg_baseurl": "https://my.example:4443"}),
    Case("GET http://evil.example/x", "421", {}),
    Case("GET http://pbx.example//evil.example/", "to https://pbx.example:8443//evil.example/", NAMED),
    Case("GET http://my.example/portal/", "to https://my.example:4443/portal/", SPLIT),
    Case("GET http://pbx.example:8080/x", "to https://pbx.example:8443/x", SPLIT),
]


@pytest.mark.parametrize("case", REDIRECTS, ids=range(len(REDIRECTS)))
def test_a_redirect_leads_to_ourselves(case: Case) -> None:
    assert outcome(case.asked, case.texts) == case.outcome


def test_the_usual_port_is_not_written() -> None:
    assert outcome("GET http://pbx.example/x", NAMED, port=443) == "to https://pbx.example/x"
    assert outcome("GET http://[2001:db8::1]/x", NAMED, here="2001:db8::1") == "to https://[2001:db8::1]:8443/x"


BASES = [
    Case("GET https://my.example/portal/", "served", SPLIT),
    Case("GET https://my.example/api/v1/x", "served", SPLIT),
    Case("GET https://my.example/panel/", "404", SPLIT),
    Case("GET https://my.example/panel", "404", SPLIT),
    Case("GET https://my.example/metrics", "404", SPLIT),
    Case("GET https://my.example/", "to /portal/", SPLIT),
    Case("GET https://pbx.example/panel/", "served", SPLIT),
    Case("GET https://my.example/panel/", "421", NAMED),
    Case("GET https://pbx.example/panel/", "served", NAMED | {"cfg_baseurl": "https://pbx.example/"}),
]


@pytest.mark.setting("cfg_baseurl")
@pytest.mark.parametrize("case", BASES, ids=range(len(BASES)))
def test_a_host_of_its_own_for_the_portal_serves_no_panel(case: Case) -> None:
    assert outcome(case.asked, case.texts) == case.outcome


def test_links_to_the_portal_lead_to_its_base() -> None:
    assert portal_url(settings({})) == "/portal/"
    assert portal_url(settings(SPLIT)) == "https://my.example:4443/portal/"
    assert portal_url(settings({"cfg_baseurl": "https://my.example/webvoip/"})) == "https://my.example/webvoip/"


# -- over real sockets --------------------------------------------------------------------------------------------


async def _who(request: aiohttp.web.Request) -> aiohttp.web.Response:
    return aiohttp.web.Response(text="inside")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser, str]]:
    """A house with an account 'anna', and where it listens in the clear."""
    from pysrv.store.web import PersonKind

    routes = (
        Route("GET", "/portal/", _who, PersonKind.ACCOUNT),
        Route("GET", "/panel/", _who),
    )
    async with living(tmp_path, routes) as (house, browser):
        house.store.add_account(NewAccount("anna", PASSWORD, house.settings().realm, ("100",)), "test")
        house.store.commit()
        (port,) = await house.web.start_plain(["127.0.0.1"], 0)
        yield house, browser, f"http://127.0.0.1:{port}"


def put(house: House, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        house.store.set_setting(name, text, "test", secret=False)
    house.store.commit()


async def test_the_panel_is_redirected_and_never_answered_in_the_clear(home: tuple[House, Browser, str]) -> None:
    house, browser, clear = home
    async with browser.client.get(clear + "/panel/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, browser.origin + "/panel/")
    put(house, BARE)
    async with browser.client.get(clear + "/panel/", allow_redirects=False) as answer:
        assert answer.status == 403 and "use https" in await answer.text()
    async with browser.client.get(clear + "/healthz") as answer:
        assert await answer.text() == "ok\n"


async def test_who_logs_in_to_the_portal_in_the_clear_is_let_in_there_and_nowhere_else(
    home: tuple[House, Browser, str],
) -> None:
    house, browser, clear = home
    put(house, BARE)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        form = {"name": "anna", "password": PASSWORD}
        async with client.post(
            clear + "/portal/login", data=form, headers={"Origin": clear}, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            told = answer.headers["Set-Cookie"]
        assert told.startswith("session=") and "Secure" not in told and "HttpOnly" in told and "SameSite=Lax" in told
        cookie = {"Cookie": told.partition(";")[0]}
        async with client.get(clear + "/portal/", headers=cookie) as answer:
            assert await answer.text() == "inside"
        async with client.get(
            browser.origin + "/portal/", headers=cookie, ssl=browser.context, allow_redirects=False
        ) as answer:
            assert answer.status == 303
    assert (await browser.log_in("anna", room="portal")).status == 303
    assert browser.cookie()


async def test_a_page_elsewhere_whose_name_leads_here_gets_nothing(home: tuple[House, Browser, str]) -> None:
    _, browser, clear = home
    await browser.log_in("olga")
    for where in (browser.origin, clear):
        async with browser.client.get(
            where + "/panel/", headers={"Host": "evil.example"}, allow_redirects=False
        ) as answer:
            assert answer.status == 421 and "inside" not in await answer.text()


@pytest.mark.setting("forcetls")
async def test_browsers_are_told_to_remember_tls_only_where_it_is_forced_for_good(
    home: tuple[House, Browser, str],
) -> None:
    house, browser, _ = home
    assert "Strict-Transport-Security" not in (await browser.get("/healthz")).headers
    put(house, {"forcetls": "3"})
    assert (await browser.get("/healthz")).headers["Strict-Transport-Security"] == "max-age=31536000"
    assert (await browser.get("/nowhere")).headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.setting("cfg_baseurl")
async def test_who_may_not_administer_is_sent_to_the_portal_s_address(home: tuple[House, Browser, str]) -> None:
    house, browser, _ = home
    house.open_to_all = False
    assert (await browser.get("/")).headers["Location"] == "/portal/"
    put(house, {"cfg_baseurl": "https://my.example"})
    assert (await browser.get("/")).headers["Location"] == "https://my.example/portal/"
