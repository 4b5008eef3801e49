"""Streams of events to a browser (server-sent events, HTML Living Standard 9.2): bounded in number, and over when the
session is, when the person's role changes, or when the office stops.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.store.web import PersonKind
from pysrv.web import identity as people
from pysrv.web.acting import BACKING, heard
from pysrv.web.identity import COOKIE, Identity, identity
from pysrv.web.logins import LOGINS

MOST: Final = 32  # of everybody
MOST_OF_ONE: Final = 4  # of one session
RETRY_MS: Final = 5000  # after which a browser comes back


class Streams:
    """All streams of one web."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        """How many there are."""
        return self._of.total()

    @contextmanager
    def place(self, who: Identity) -> Iterator[None]:
        """One more, while it lasts. Raises WireError("too_many")."""
        whose = who.session.digest if who.session is not None else ""
        if self.open >= MOST or self._of[whose] >= MOST_OF_ONE:
            raise WireError("too_many", "too many pages are kept alive at once", "close some; this one is not live")
        self._of[whose] += 1
        try:
            yield
        finally:
            self._of[whose] -= 1
            if not self._of[whose]:
                del self._of[whose]

    async def wait(self, pause_s: float) -> bool:
        """After a pause, or at once when all streams shall end: whether this one may go on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), pause_s)
        return not self._closing.is_set()

    async def close(self, _app: web.Application | None = None) -> None:
        """End them all."""
        self._closing.set()


STREAMS: Final = web.AppKey("streams", Streams)


async def stream(request: web.Request, fresh: Callable[[], Iterable[Any]], pause_s: float) -> web.StreamResponse:
    """Everything that `fresh` has, every `pause_s` seconds, as JSON; WireError from it ends the stream."""
    streams = request.app[STREAMS]
    with streams.place(identity(request)):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        with suppress(ConnectionError, WireError):
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            while goes_on(request):
                news = [f"data: {json.dumps(each, separators=(',', ':'))}\n\n" for each in fresh()]
                await response.write("".join(news or [":\n\n"]).encode())
                heard(request)
                if not await streams.wait(pause_s):
                    break
            await response.write_eof()
    return response


def goes_on(request: web.Request) -> bool:
    """Whether whoever began the stream may still have it: the same session, as long as it lasts, with the same role,
    from an address that may come here."""
    who, office = identity(request), request.app[BACKING]
    now, longest_s = request.app[LOGINS].now(), office.settings().sessionabsolutetimeout
    found = people.of_cookie(office.store, request.cookies.get(COOKIE, ""), now, longest_s)
    if found is None or found.session is None or not found.session.complete or found.name != who.name:
        return False
    if who.kind is PersonKind.ADMINISTRATOR and not office.administers(request.remote or ""):
        return False
    return found.kind is who.kind and found.licence.powers == who.licence.powers
