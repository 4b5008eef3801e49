"""What happens, told to programs over a websocket (RFC 6455) while it does: one JSON object for each event.

A listener that does not keep up is let go, for the office waits for nobody. Whether the token still opens this is asked
again and again: one that was revoked hears no more than the last seconds.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from appliance.wire import WireError
from pysrv.api.endpoint import ROOT
from pysrv.api.repeats import encoded
from pysrv.api.rest import admit, token_of, touch
from pysrv.people.permissions import Area
from pysrv.service.feed import Happening, Kind
from pysrv.store.web import digest_of
from pysrv.web import identity as people
from pysrv.web.acting import backing, heard
from pysrv.web.closing import CLOSING
from pysrv.web.routes import Route

AREAS: Final[Mapping[Kind, Area]] = {
    Kind.CALL_BEGUN: Area.CALLS,
    Kind.CALL_ANSWERED: Area.CALLS,
    Kind.CALL_ENDED: Area.CALLS,
    Kind.CALL_REFUSED: Area.CALLS,
    Kind.REGISTERED: Area.STATE,
    Kind.DEVICE_GONE: Area.STATE,
    Kind.BANNED: Area.SECURITY,
    Kind.LIFTED: Area.SECURITY,
    Kind.NOTICE: Area.STATE,
    Kind.SETTINGS: Area.SETTINGS,
}
"""What a token's scopes must let it read to hear of it."""

MOST_WAITING: Final = 500  # events of one listener
MOST_OF_A_TOKEN: Final = 4
LONGEST_WORD: Final = 1024  # of a listener, who has nothing to say
LOOK_S: Final = 5.0  # how often the token is looked at, and the connection's time begins again
HEARTBEAT_S: Final = 15.0
GOODBYE_S: Final = 2.0
SLOW: Final = 4008  # private close codes, after the HTTP status that they resemble
REVOKED: Final = 4001
_inside: Counter[str] = Counter()


class Listener:
    """One program: the events that wait for it, and whether it has fallen behind."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.queue: asyncio.Queue[Happening] = asyncio.Queue(MOST_WAITING)
        self.slow = asyncio.Event()
        self.may = self._powers()

    def hear(self, happening: Happening) -> None:
        """One event, if the token may read of it. Returns at once."""
        if AREAS[happening.kind] not in self.may:
            return
        try:
            self.queue.put_nowait(happening)
        except asyncio.QueueFull:
            self.slow.set()

    def look(self) -> bool:
        """Whether the token is still good here."""
        self.may = self._powers()
        with contextlib.suppress(WireError):
            admit(self._request)
            return bool(self.may)
        return False

    def _powers(self) -> frozenset[Area]:
        who = people.of_token(backing(self._request).store, token_of(self._request))
        return frozenset() if who is None else frozenset(area for area in AREAS.values() if who.may(area))


async def _events(request: web.Request) -> web.StreamResponse:
    admit(request)
    touch(request)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LONGEST_WORD, timeout=GOODBYE_S, compress=False)
    if not socket.can_prepare(request):
        raise WireError("bad_args", "this is a websocket", "ask with Upgrade: websocket (RFC 6455)")
    listener, whose = Listener(request), digest_of(token_of(request))
    if not listener.may:
        raise WireError("forbidden", "the token's scopes let it hear of nothing", "for instance calls:read")
    leave = backing(request).feed.listen(listener.hear) if _inside[whose] < MOST_OF_A_TOKEN else None
    if leave is None:
        raise WireError("too_many", "there are too many listeners", "close one")
    _inside[whose] += 1
    try:
        await socket.prepare(request)
        code, words = await _talk(request, socket, listener)
        await _goodbye(request, socket, code, words)
    finally:
        leave()
        _inside[whose] -= 1
        _inside.__iadd__(Counter())  # forgets who has none
    return socket


async def _talk(request: web.Request, socket: web.WebSocketResponse, listener: Listener) -> tuple[int, bytes]:
    """Until somebody has had enough; returns why."""
    work = {
        asyncio.ensure_future(_send(socket, listener)): (WSCloseCode.OK, b""),
        asyncio.ensure_future(_listen(socket)): (WSCloseCode.POLICY_VIOLATION, b"nothing is said here"),
        asyncio.ensure_future(listener.slow.wait()): (SLOW, b"too slow"),
        asyncio.ensure_future(_watch(request, listener)): (REVOKED, b"the token is not good any more"),
        asyncio.ensure_future(request.app[CLOSING].wait()): (WSCloseCode.GOING_AWAY, b"the office stops"),
    }
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        return next(why for task, why in work.items() if task in done)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _send(socket: web.WebSocketResponse, listener: Listener) -> None:
    while True:
        happening = await listener.queue.get()
        told = {"event": str(happening.kind), "at": happening.at, **happening.figures}
        await socket.send_str(encoded(told).decode())


async def _listen(socket: web.WebSocketResponse) -> None:
    """Returns when the program has gone, or says something."""
    while (await socket.receive()).type not in (
        WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR,
    ):  # fmt: skip
        pass


async def _watch(request: web.Request, listener: Listener) -> None:
    """Returns when the token opens this no more; until then the connection is in use."""
    while listener.look():
        heard(request)
        await asyncio.sleep(LOOK_S)


async def _goodbye(request: web.Request, socket: web.WebSocketResponse, code: int, words: bytes) -> None:
    """Says why; who does not even read that is cut off."""
    try:
        await asyncio.wait_for(socket.close(code=code, message=words), GOODBYE_S)
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()


ROUTES: Final = (Route("GET", ROOT + "/events", _events, token=True),)
