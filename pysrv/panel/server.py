"""The panel's HTTPS server: the status page, its JSON, its two static files, /metrics, and /healthz.

Knows HTTP, TLS and who may look; what is shown comes from a StatusSource. No request changes anything. Headers follow
CSP Level 3 and the Fetch standard: nothing is loaded from elsewhere, nothing runs inline, nothing is cached.
"""

import asyncio
import logging
import math
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from appliance import metrics
from pysrv.panel import page
from pysrv.panel.doors import Doors, Visit
from pysrv.panel.login import BackOff, Credentials, Remembered, parse_basic
from pysrv.panel.status import StatusSource

MAX_CHECKS_WAITING = 8
KEEPALIVE_S = 15.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "appliance",
}
_STATIC = Path(__file__).parent / "static"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_log = logging.getLogger("pysrv.panel")

Verify = Callable[[str, str], bool]


class Panel:
    """One panel. `verify(name, password)` may take its time: it is called in one thread of the panel's own."""

    def __init__(self, source: StatusSource, verify: Verify, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._verify, self._clock = source, verify, clock
        self._back_off, self._remembered = BackOff(), Remembered(secrets.token_bytes(32))
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="panel-password")
        self._checks_waiting = 0
        self._files = {name: (_STATIC / name).read_bytes() for name in _FILES}
        self._runner = web.AppRunner(self._application(), access_log=None, keepalive_timeout=KEEPALIVE_S)
        self._doors: Doors | None = None

    async def start(self, addresses: Sequence[str], port: int, context: ssl.SSLContext) -> list[int]:
        """Listen; returns the ports (for `port` 0). Raises OSError when one cannot be had."""
        await self._runner.setup()
        self._doors = Doors(self._protocol, context)
        return [self._doors.open(address, port) for address in addresses]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._doors is not None:
            await self._doors.close()
        await self._runner.cleanup()
        self._checker.shutdown(wait=False, cancel_futures=True)

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "the doors open after the set-up"
        return server()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=4096)
        application.on_response_prepare.append(_add_headers)
        application.router.add_get("/", self._page)
        application.router.add_get("/api/status.json", self._json)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/static/{name}", self._static)
        application.router.add_get("/healthz", self._health)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Everything but /healthz asks who it is; a fault of our own is one line in the log and says nothing."""
        visit = request.transport.get_protocol() if request.transport is not None else None
        if isinstance(visit, Visit):
            visit.heard()
        try:
            if request.path != "/healthz":
                refusal = await self._refuse(request)
                if refusal is not None:
                    return refusal
            return await handler(request)
        except web.HTTPException as error:
            return _plain(error.status, error.reason)
        except Exception as error:
            _log.error("panel: %s of %s failed: %s: %s", request.method, request.path, type(error).__name__, error)
            return _plain(500, "internal error: see the log")

    async def _refuse(self, request: web.Request) -> web.Response | None:
        """Why this request is not answered; None when it may be."""
        credentials = parse_basic(request.headers.get("Authorization"))
        if credentials is None:
            return _challenge()
        now, address = self._clock(), request.remote or ""
        if self._remembered.ended(credentials, now, self._source.session_s()):
            return _challenge()
        if self._remembered.holds(credentials, now):
            self._source.signed_in(address)
            return None
        wait_s = self._back_off.wait_s(address, now)
        if wait_s and not self._source.is_trusted(address):
            return _plain(
                429, "too many wrong passwords from your address: wait", {"Retry-After": str(math.ceil(wait_s))}
            )
        if self._checks_waiting >= MAX_CHECKS_WAITING:
            return _plain(503, "too many logins at once: try again", {"Retry-After": "2"})
        self._back_off.charge(address, now)
        if not await self._check(credentials):
            _log.warning("panel: wrong password for %.64r from %s", credentials.name, address)
            return _challenge()
        self._back_off.forgive(address)
        self._remembered.add(credentials, now)
        self._source.signed_in(address)
        return None

    async def _check(self, credentials: Credentials) -> bool:
        self._checks_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._checker, self._verify, credentials.name, credentials.password)
        finally:
            self._checks_waiting -= 1

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=page.render(await self._source.snapshot()), content_type="text/html")

    async def _json(self, _request: web.Request) -> web.Response:
        return web.json_response((await self._source.snapshot()).to_dict())

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = metrics.exposition(await self._source.reading())
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            return _plain(404, "not found")
        return web.Response(body=self._files[name], content_type=_FILES[name], charset="utf-8")

    async def _health(self, _request: web.Request) -> web.Response:
        return _plain(200, "ok")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=headers)


def _challenge() -> web.Response:
    challenge = {"WWW-Authenticate": 'Basic realm="appliance", charset="UTF-8"'}
    return _plain(401, "name and password of an administrator, please", challenge)
