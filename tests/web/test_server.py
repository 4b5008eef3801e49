"""The server over real HTTPS: what everybody gets, what nobody gets, and those who hold connections."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import metrics
from pysrv.certificates import selfsigned as certificate
from pysrv.panel import ROUTES
from pysrv.web import doors
from pysrv.web.guesses import FREE_GUESSES
from pysrv.web.server import Web
from tests.web.house import PASSWORD, Browser, House, living


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as made:
        yield made


def bearer(house: House, *scopes: str) -> dict[str, str]:
    token = house.store.add_api_token("olga", "Prometheus", scopes, time.time() + 3600.0)
    house.store.commit()
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/panel/login", 200), ("/healthz", 200), ("/nothing", 404), ("/static/web/server.py", 404),
     ("/static/web/..%2fserver.py", 404), ("/metrics", 401)],
)  # fmt: skip
async def test_what_everybody_gets(home: tuple[House, Browser], path: str, status: int) -> None:
    assert (await home[1].get(path)).status == status


async def test_prometheus_reads_the_metrics_with_a_token_that_may_see_the_state(home: tuple[House, Browser]) -> None:
    house, browser = home
    answer = await browser.get("/metrics", headers=bearer(house, "state:read"))
    assert (answer.status, answer.headers["Content-Type"]) == (200, metrics.CONTENT_TYPE)
    assert 'appliance_gate_packets_total{action="DROP",verdict="BANNED"} 42.0' in answer.text
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["appliance_gate_up"].samples[0].value == 1
    for headers in (bearer(house, "calls:read"), {"Authorization": "Bearer ap_wrong"}, {"Authorization": "Basic eA=="}):
        assert (await browser.get("/metrics", headers=headers)).status in (401, 403)


async def test_a_cookie_does_not_open_what_tokens_do_nor_a_token_a_page(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    assert (await browser.get("/metrics")).status == 401
    await browser.get("/panel/")
    assert (await browser.post("/panel/logout")).status == 303
    assert (await browser.get("/panel/", headers=bearer(house, "*:write"))).status == 303


async def test_readiness_names_what_does_not_work(home: tuple[House, Browser]) -> None:
    house, browser = home
    assert (await browser.get("/readyz")).status == 200
    house.keeper = False
    answer = await browser.get("/readyz")
    assert (answer.status, answer.text) == (503, "keeper: away\n")


async def test_without_a_keeper_the_metrics_say_that(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.keeper = False
    told = (await browser.get("/metrics", headers=bearer(house, "*:read"))).text
    families = {family.name: family.samples for family in text_string_to_metric_families(told)}
    assert families["appliance_gate_up"][0].value == 0


async def test_who_must_wait_is_told_how_long(home: tuple[House, Browser]) -> None:
    _, browser = home
    for _ in range(FREE_GUESSES):
        await browser.post("/panel/login", {"name": "olga", "password": "wrong"})
    refused = await browser.post("/panel/login", {"name": "olga", "password": PASSWORD})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")


@pytest.mark.setting("allowtrustedip")
async def test_a_trusted_address_may_try_again_at_once_and_needs_the_password_still(
    home: tuple[House, Browser],
) -> None:
    house, browser = home
    house.trusted.add("127.0.0.1")
    for _ in range(FREE_GUESSES + 2):
        assert (await browser.post("/panel/login", {"name": "olga", "password": "wrong"})).status == 401
    assert (await browser.log_in("olga")).status == 303


@pytest.mark.setting("sessionabsolutetimeout")
async def test_a_login_that_has_lasted_too_long_begins_anew(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.store.set_setting("sessionabsolutetimeout", "10m")
    await browser.log_in("olga")
    for house.offset, status in ((595.0, 200), (605.0, 303)):
        assert (await browser.get("/panel/")).status == status


async def test_guesses_all_at_once_gain_nothing(home: tuple[House, Browser]) -> None:
    house, browser = home
    tries = (browser.post("/panel/login", {"name": "olga", "password": "wrong"}) for _ in range(30))
    answers = await asyncio.gather(*tries)
    assert len(house.guesses) <= FREE_GUESSES
    assert {answer.status for answer in answers} <= {401, 429}


async def test_a_fault_is_told_to_the_log_alone(home: tuple[House, Browser], caplog: pytest.LogCaptureFixture) -> None:
    house, browser = home
    await browser.log_in("olga")
    house.fault = RuntimeError("the secret place")
    answer = await browser.get("/panel/")
    assert answer.status == 500
    assert "the secret place" not in answer.text
    assert "the secret place" in caplog.text


async def test_a_page_that_there_is_not_has_the_menu_of_who_is_logged_in_and_of_nobody_else(
    home: tuple[House, Browser],
) -> None:
    house, browser = home
    for path in ("/panel/nothing", "/nothing"):
        stranger = await browser.get(path)
        assert (stranger.status, "<nav" in stranger.text) == (404, False)
    await browser.log_in("olga")
    for path in ("/panel/nothing", "/nothing"):
        page = await browser.get(path)
        assert page.status == 404 and "there is no such page" in page.text
        assert 'href="/panel/"' in page.text and 'action="/panel/logout"' in page.text
    german = await browser.get("/panel/nothing", headers={"Accept-Language": "de"})
    assert "diese Seite gibt es nicht" in german.text
    assert (await browser.post("/panel/nothing")).status == 404
    assert "<nav" not in (await browser.get("/api/v1/nothing")).text
    house.open_to_all = False  # remoteadmin keeps this address from the administrators' part
    far = await browser.get("/panel/nothing")
    assert (far.status, "<nav" in far.text, "olga" in far.text) == (404, False, False)


async def test_plain_http_gets_nothing(home: tuple[House, Browser]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", home[1].port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP/1.1 200" not in await reader.read()
    writer.close()


async def test_a_body_too_large_is_refused(home: tuple[House, Browser]) -> None:
    _, browser = home
    await browser.log_in("olga")
    assert (await browser.post("/panel/accounts-new", {"name": "x" * 300_000})).status == 413


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_PER_NETWORK"])
async def test_a_connection_too_many_is_closed(
    home: tuple[House, Browser], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(doors, limit, 0)
    with pytest.raises(aiohttp.ClientError):
        await home[1].get("/healthz")


async def test_who_never_begins_tls_is_counted_and_let_go(
    home: tuple[House, Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = home[1]
    monkeypatch.setattr(doors, "MAX_PER_NETWORK", 2)
    silent = [await asyncio.open_connection("127.0.0.1", browser.port) for _ in range(2)]
    with pytest.raises(aiohttp.ClientError):
        await browser.get("/healthz")
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()
    until = asyncio.get_running_loop().time() + 5
    while asyncio.get_running_loop().time() < until:
        try:
            assert (await browser.get("/healthz")).status == 200
            return
        except aiohttp.ClientError:
            await asyncio.sleep(0)
    pytest.fail("the places of those who left were not given back")


async def test_who_never_ends_a_request_is_hung_up_on(
    home: tuple[House, Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "REQUEST_TIMEOUT_S", 0.2)
    context: ssl.SSLContext = home[1].context
    reader, writer = await asyncio.open_connection("127.0.0.1", home[1].port, ssl=context)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    async with asyncio.timeout(30):
        assert not await reader.read()
    writer.close()


async def test_a_busy_port_is_an_error_that_names_it(home: tuple[House, Browser], tmp_path: Path) -> None:
    made = certificate.ensure(tmp_path, ["localhost"], [], time.time())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        web = Web(home[0], ROUTES)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await web.start(["127.0.0.1"], other.getsockname()[1], made.context)
        await web.stop()
