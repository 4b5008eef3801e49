"""Slow questions: asked in a thread of their own, over a connection that only reads, so that no call waits for them."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.web.acting import BACKING
from pysrv.web.identity import identity

MOST_WAITING: Final = 4


class Aside:
    """One thread, and a short queue before it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="web-question")
        self._waiting = 0

    async def ask(self, request: web.Request, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What a verb that changes nothing says to the one who asks. Raises WireError."""
        if self._waiting >= MOST_WAITING:
            raise WireError("too_many", "too many slow questions at once", "try again in a few seconds")
        who, control = identity(request), request.app[BACKING].control
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, control.ask_aside, who.who, who.licence, verb, args)
        finally:
            self._waiting -= 1

    async def close(self, _app: web.Application | None = None) -> None:
        """No more questions."""
        self._thread.shutdown(wait=False, cancel_futures=True)


ASIDE: Final = web.AppKey("aside", Aside)


async def do_aside(request: web.Request, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Like `acting.do`, for what may take seconds."""
    return await request.app[ASIDE].ask(request, verb, args)
