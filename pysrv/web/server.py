"""The HTTP server: the listeners, the routes of all rooms behind the guard, static files, health and metrics.

Headers follow CSP Level 3 and the Fetch standard: nothing is loaded from elsewhere, nothing runs inline.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from appliance import metrics
from appliance.wire import WireError
from pysrv.net.doors import Doors
from pysrv.people.permissions import Area
from pysrv.web import entrance, guard, refusals, webhooks
from pysrv.web import port as unified
from pysrv.web.acting import BACKING, PAGES, ROUTES, backing
from pysrv.web.aside import ASIDE, Aside
from pysrv.web.backing import Backing
from pysrv.web.closing import CLOSING, Closing
from pysrv.web.doors import Visit, room
from pysrv.web.logins import LOGINS, Logins
from pysrv.web.pace import Paces
from pysrv.web.protocol import Protocol
from pysrv.web.refusals import REFUSALS, Refusals
from pysrv.web.rendering import pages
from pysrv.web.routes import Route
from pysrv.web.streams import STREAMS, Streams

KEEPALIVE_S = 15.0
LINGER_S = 2.0  # how long the rest of a refused body is still taken, so that the refusal is read
MOST_BODY_BYTES = 256 * 1024
# Requests a second on the long run, and at once: of programs' tokens, of addresses that come to the API without one, of
# people in all their sessions together, and of addresses that open pages before they log in.
TOKENS_PACE = 50.0, 200
STRANGERS_PACE = 1.0, 30
PEOPLE_PACE = 20.0, 200
VISITORS_PACE = 20.0, 400
FOR_EVER = "private, max-age=31536000, immutable"


class Web:
    """One web: `routes` are the rooms' rows."""

    def __init__(self, office: Backing, routes: Iterable[Route], logins: Logins | None = None) -> None:
        self._logins = logins or Logins(office)
        self._application = application(office, routes, self._logins)
        self._refusals = self._application[REFUSALS]
        self._runner = web.AppRunner(self._application, access_log=None, keepalive_timeout=KEEPALIVE_S)
        self._doors: Doors | None = None
        self._plain = Doors(self._protocol, None, room)
        self._inside: Doors | None = None  # with a room of its own: whoever crowds the others keeps nobody out there

    async def start(self, addresses: Sequence[str], port: int, context: Callable[[], ssl.SSLContext]) -> list[int]:
        """Listen; returns the ports (for `port` 0). `context` is asked for each connection. Raises OSError when one
        cannot be had.
        """
        await self._runner.setup()
        self._doors = Doors(self._protocol, context, room)
        ports = [self._doors.open(address, port) for address in addresses]
        self._application[unified.HTTPS_PORT][0] = ports[0] if ports else port
        return ports

    async def start_plain(self, addresses: Sequence[str], port: int) -> list[int]:
        """Listen without TLS too, for what pysrv.web.port lets through there. Raises OSError."""
        return [self._plain.open(address, port) for address in addresses]

    async def stop_plain(self) -> None:
        """Listen without TLS no more."""
        await self._plain.close()

    def start_inside(self, addresses: Sequence[str], port: int, context: Callable[[], ssl.SSLContext]) -> None:
        """Listen in the administrators' tunnel too. Raises OSError."""
        self._inside = Doors(self._protocol, context, room)
        for address in addresses:
            self._inside.open(address, port)

    async def stop_inside(self) -> None:
        """Listen there no more."""
        if self._inside is not None:
            await self._inside.close()
            self._inside = None

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        await self._plain.close()
        await self.stop_inside()
        if self._doors is not None:
            await self._doors.close()
        await self._runner.cleanup()
        self._logins.close()

    def refusals(self) -> dict[str, int]:
        """What was refused since the start, by reason."""
        doors = (self._plain, self._doors, self._inside)
        crowded = sum(each.turned_away for each in doors if each is not None)
        return {row.reason: self._refusals.counts[row.reason] for row in refusals.ROWS} | {"crowded": crowded}

    def _protocol(self, gone: Callable[[], None]) -> asyncio.Protocol:
        server, note = self._runner.server, self._refusals.note
        assert server is not None, "the doors open after the set-up"
        made = Protocol(
            server, lambda address, words: note("malformed", address, words), loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S, access_log=None, auto_decompress=False, lingering_time=LINGER_S,
        )  # fmt: skip
        return Visit(made, gone, lambda: note("slow"))


def application(office: Backing, routes: Iterable[Route], logins: Logins) -> web.Application:
    """The application with every route behind the guard."""
    made = web.Application(middlewares=[guard.faults, unified.entrance, guard.strays], client_max_size=MOST_BODY_BYTES)
    made[BACKING], made[PAGES], made[LOGINS] = office, pages(), logins
    made[STREAMS] = streams = Streams()
    made[ASIDE] = aside = Aside()
    made.on_shutdown.append(streams.close)
    made.on_cleanup.append(aside.close)
    made[guard.PACES] = guard.AllPaces(
        Paces("token", *TOKENS_PACE), Paces("address", *STRANGERS_PACE), Paces("person", *PEOPLE_PACE),
        Paces("visitor", *VISITORS_PACE),
    )  # fmt: skip
    made[REFUSALS] = Refusals(office.wrong_request)
    made[CLOSING] = closing = Closing()
    made.on_shutdown.append(closing.begin)
    made[ROUTES] = (*entrance.ROUTES, *webhooks.ROUTES, *OWN, *routes)
    made[unified.HTTPS_PORT] = [unified.HTTPS]
    made.on_response_prepare.extend((guard.add_headers, unified.add_headers, refusals.count))
    for route in made[ROUTES]:
        made.router.add_route(route.method, route.path, guard.guarded(route))
    return made


async def _static(request: web.Request) -> web.Response:
    found = request.app[PAGES].file(f"{request.match_info['room']}/{request.match_info['name']}")
    if found is None:
        raise WireError("not_found", "there is no such file")
    body, kind = found
    headers = {"Cache-Control": FOR_EVER} if "v" in request.query else {}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


async def _health(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.Response:
    found = backing(request).health()
    return web.Response(status=found.status, text=found.text())


async def _challenge(request: web.Request) -> web.Response:
    """What proves to an authority that a name is ours (RFC 8555, 8.3)."""
    said = backing(request).challenge(request.match_info["token"])
    if not said:
        raise WireError("not_found", "nobody has ordered a certificate with this")
    return web.Response(body=said.encode("ascii"), content_type="application/octet-stream")


async def _metrics(request: web.Request) -> web.Response:
    text = metrics.exposition(await backing(request).reading())
    return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


OWN = (
    Route("GET", "/static/{room}/{name}", _static, None),
    Route("GET", "/healthz", _health, None),
    Route("GET", "/readyz", _ready, None),
    Route("GET", f"{unified.CHALLENGE}/{{token}}", _challenge, None),
    Route("GET", "/metrics", _metrics, area=Area.STATE, token=True),
)
