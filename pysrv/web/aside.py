"""Slow questions: asked in a thread of their own, over a connection that only reads, so that no call waits for them."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.control.session import Control
from pysrv.store.web import PersonKind
from pysrv.web.acting import BACKING
from pysrv.web.identity import Identity, identity

MOST_WAITING: Final = 4
MOST_OF_ONE: Final = 2  # of one person, so that nobody keeps all others from asking


class Aside:
    """One thread, and a short queue before it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="web-question")
        self._waiting: Counter[str] = Counter()

    async def ask(self, request: web.Request, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What a verb that changes nothing says to the one who asks, as in `acting.do`. Raises WireError."""
        who = identity(request)
        if self._waiting.total() >= MOST_WAITING or self._waiting[who.who] >= MOST_OF_ONE:
            raise WireError("too_many", "too many slow questions at once", "try again in a few seconds")
        self._waiting[who.who] += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, _asked, request.app[BACKING].control, who, verb, args)
        finally:
            self._waiting[who.who] -= 1
            self._waiting += Counter()  # drops what is 0

    async def close(self, _app: web.Application | None = None) -> None:
        """No more questions."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _asked(control: Control, who: Identity, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
    if who.kind is PersonKind.ACCOUNT:
        return control.mine_aside(who.name, who.who, verb, args)
    return control.ask_aside(who.who, who.licence, verb, args)


ASIDE: Final = web.AppKey("aside", Aside)


async def do_aside(request: web.Request, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Like `acting.do`, for what may take seconds."""
    return await request.app[ASIDE].ask(request, verb, args)
