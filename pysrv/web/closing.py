"""The end of a web, for answers that have none of their own: whoever speaks on and on ends when it does."""

import asyncio
from typing import Final

from aiohttp import web


class Closing:
    """Whether the web is going."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()

    async def wait(self) -> None:
        """Returns when it goes."""
        await self._gone.wait()

    async def begin(self, _app: web.Application | None = None) -> None:
        """It goes now."""
        self._gone.set()


CLOSING: Final = web.AppKey("closing", Closing)
