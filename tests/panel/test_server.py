"""The panel over real HTTPS: who may look, what is sent along, what happens to those who guess."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import metrics
from appliance.metrics import Reading
from pysrv.panel import certificate, doors
from pysrv.panel.login import FREE_GUESSES
from pysrv.panel.server import HEADERS, Panel
from pysrv.panel.status import Snapshot
from tests.panel.snapshots import FULL

ADMIN = aiohttp.encode_basic_auth("admin", "right")
WRONG = aiohttp.encode_basic_auth("admin", "wrong")


@dataclass
class Office:
    """The service as the panel sees it, and a clock that is a number."""

    now: float = 1000.0
    checks: list[str] = field(default_factory=list)
    fault: Exception | None = None
    keeper: bool = True
    administrators: set[str] = field(default_factory=set)
    trusted: set[str] = field(default_factory=set)
    longest_s: float = 43_200.0

    def session_s(self) -> float:
        return self.longest_s

    def is_trusted(self, address: str) -> bool:
        return address in self.trusted

    def signed_in(self, address: str) -> None:
        self.administrators.add(address)

    async def snapshot(self) -> Snapshot:
        if self.fault:
            raise self.fault
        return FULL

    async def reading(self) -> Reading:
        if self.fault:
            raise self.fault
        return Reading(FULL.gate if self.keeper else None, FULL.tallies if self.keeper else ())

    def verify(self, name: str, password: str) -> bool:
        self.checks.append(password)
        return (name, password) == ("admin", "right")


@dataclass
class Visitor:
    """A browser that trusts exactly the panel's certificate."""

    session: aiohttp.ClientSession
    port: int
    context: ssl.SSLContext

    async def get(self, path: str, auth: str | None = None, method: str = "GET") -> SimpleNamespace:
        url = f"https://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": auth} if auth else {}
        async with self.session.request(method, url, headers=headers, ssl=self.context) as answer:
            return SimpleNamespace(status=answer.status, headers=answer.headers, text=await answer.text())


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
async def visitor(office: Office, tmp_path: Path) -> AsyncIterator[Visitor]:
    made = certificate.ensure(tmp_path, ["localhost"], ["127.0.0.1"], time.time())
    panel = Panel(office, office.verify, lambda: office.now)
    (port,) = await panel.start(["127.0.0.1"], 0, made.context())
    async with aiohttp.ClientSession() as session:
        yield Visitor(session, port, ssl.create_default_context(cafile=str(made.path)))
    await panel.stop()


async def test_an_administrator_sees_the_page_its_files_and_its_json(visitor: Visitor) -> None:
    shown = await visitor.get("/", ADMIN)
    assert (shown.status, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "+4930123456" in shown.text
    assert '"settings_total": 110' in (await visitor.get("/api/status.json", ADMIN)).text
    assert "fetch(" in (await visitor.get("/static/page.js", ADMIN)).text
    assert (await visitor.get("/static/page.css", ADMIN)).headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/", "/api/status.json", "/metrics", "/static/page.js", "/nothing", "/static/..%2fpage.py"]
)
async def test_nobody_else_sees_anything(visitor: Visitor, path: str) -> None:
    for auth in (None, WRONG):
        answer = await visitor.get(path, auth)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_prometheus_reads_the_metrics_with_an_administrators_password(visitor: Visitor) -> None:
    answer = await visitor.get("/metrics", ADMIN)
    assert (answer.status, answer.headers["Content-Type"]) == (200, metrics.CONTENT_TYPE)
    assert 'appliance_gate_packets_total{action="DROP",verdict="BANNED"} 42.0' in answer.text
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["appliance_gate_up"].samples[0].value == 1
    assert {row.name.removesuffix("_total") for row in metrics.ROWS} >= families.keys()


async def test_without_a_keeper_the_metrics_say_that_and_no_more(visitor: Visitor, office: Office) -> None:
    office.keeper = False
    families = list(text_string_to_metric_families((await visitor.get("/metrics", ADMIN)).text))
    assert [(family.name, family.samples[0].value) for family in families] == [
        ("appliance_gate_up", 0),
        ("appliance_service_up", 0),
    ]


async def test_health_is_open_and_says_nothing_more(visitor: Visitor) -> None:
    answer = await visitor.get("/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/healthz", 200), ("/nothing", 404), ("/static/server.py", 404)]
)
async def test_every_answer_has_the_strict_headers(visitor: Visitor, path: str, status: int) -> None:
    answer = await visitor.get(path, ADMIN)
    assert answer.status == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_a_request_that_would_change_something_is_not_possible(visitor: Visitor) -> None:
    assert (await visitor.get("/", ADMIN, method="POST")).status == 405


async def test_a_right_password_is_checked_once_for_many_requests(visitor: Visitor, office: Office) -> None:
    for _ in range(5):
        assert (await visitor.get("/", ADMIN)).status == 200
    assert office.checks == ["right"]


async def test_who_guesses_must_wait_and_may_then_try_again(visitor: Visitor, office: Office) -> None:
    for _ in range(FREE_GUESSES):
        assert (await visitor.get("/", WRONG)).status == 401
    refused = await visitor.get("/", ADMIN)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert len(office.checks) == FREE_GUESSES
    office.now += 1.0
    assert (await visitor.get("/", ADMIN)).status == 200


@pytest.mark.setting("allowtrustedip")
async def test_a_trusted_address_may_try_again_at_once_and_needs_the_password_still(
    visitor: Visitor, office: Office
) -> None:
    office.trusted.add("127.0.0.1")
    for _ in range(FREE_GUESSES + 2):
        assert (await visitor.get("/", WRONG)).status == 401
    assert (await visitor.get("/", ADMIN)).status == 200


@pytest.mark.setting("sessionabsolutetimeout")
async def test_a_login_that_has_lasted_too_long_is_asked_for_its_password_again(
    visitor: Visitor, office: Office
) -> None:
    office.longest_s = 600.0
    assert (await visitor.get("/", ADMIN)).status == 200
    office.now += 599.0
    assert (await visitor.get("/", ADMIN)).status == 200
    office.now += 1.0
    assert (await visitor.get("/", ADMIN)).status == 401
    assert (await visitor.get("/", ADMIN)).status == 200


async def test_guesses_all_at_once_gain_nothing(visitor: Visitor, office: Office) -> None:
    answers = await asyncio.gather(*(visitor.get("/", WRONG) for _ in range(30)))
    assert len(office.checks) <= FREE_GUESSES
    assert {answer.status for answer in answers} <= {401, 429, 503}


async def test_a_fault_is_told_to_the_log_alone(
    visitor: Visitor, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.fault = RuntimeError("the secret place")
    answer = await visitor.get("/", ADMIN)
    assert (answer.status, answer.text) == (500, "internal error: see the log\n")
    assert "the secret place" in caplog.text


async def test_plain_http_gets_nothing(visitor: Visitor) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", visitor.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP/1.1 200" not in await reader.read()
    writer.close()


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_PER_NETWORK"])
async def test_a_connection_too_many_is_closed(visitor: Visitor, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(doors, limit, 0)
    with pytest.raises(aiohttp.ClientError):
        await visitor.get("/healthz")


async def test_who_never_begins_tls_is_counted_and_let_go(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_PER_NETWORK", 2)
    silent = [await asyncio.open_connection("127.0.0.1", visitor.port) for _ in range(2)]
    with pytest.raises(aiohttp.ClientError):
        await visitor.get("/healthz")
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()
    until = asyncio.get_running_loop().time() + 5
    while asyncio.get_running_loop().time() < until:
        try:
            assert (await visitor.get("/healthz")).status == 200
            return
        except aiohttp.ClientError:
            await asyncio.sleep(0)
    pytest.fail("the places of those who left were not given back")


async def test_who_never_ends_a_request_is_hung_up_on(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "REQUEST_TIMEOUT_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", visitor.port, ssl=visitor.context)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    async with asyncio.timeout(5):
        assert not await reader.read()
    writer.close()


async def test_a_busy_port_is_an_error_that_names_it(office: Office, tmp_path: Path) -> None:
    made = certificate.ensure(tmp_path, ["localhost"], [], time.time())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        panel = Panel(office, office.verify)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await panel.start(["127.0.0.1"], other.getsockname()[1], made.context())
        await panel.stop()
