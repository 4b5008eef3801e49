"""What of the office is reached through the administrators' tunnel: the web's port, and the console's where it has one.

The keeper says what the tunnel is; the listeners follow. What cannot be had is told, and tried again with the next word
of the keeper. Telephones are not served there.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable

from appliance import wire
from pysrv.net.console import ConsoleSockets
from pysrv.service.trusted import TrustedAddresses
from pysrv.web.server import Web

_log = logging.getLogger("pysrv.tunnel")


class Inside:
    """The listeners in the tunnel. `console_port` 0: the console has none."""

    def __init__(
        self,
        web: Web,
        https_port: int,
        context: Callable[[], ssl.SSLContext],
        console: ConsoleSockets,
        trusted: TrustedAddresses,
    ) -> None:
        self._web, self._https_port, self._context = web, https_port, context
        self._console, self._trusted = console, trusted
        self.console_port = 0
        self._open: tuple[str, ...] = ()
        self._wanted: tuple[str, ...] = ()
        self._told: tuple[str, ...] = ()
        self._work: asyncio.Task[None] | None = None
        self.problems: tuple[str, ...] = ()

    def follow(self, status: wire.TunnelStatus) -> None:
        """What the keeper says of the tunnel now."""
        self._trusted.tunnel = status.networks
        self._wanted = status.addresses
        self._note(status.problem)
        if self._wanted != self._open and (self._work is None or self._work.done()):
            self._work = asyncio.get_running_loop().create_task(self._move(self._wanted))

    async def close(self) -> None:
        """Listen there no more."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        await self._leave()

    async def _move(self, addresses: tuple[str, ...]) -> None:
        await self._leave()
        try:
            if addresses:
                self._web.start_inside(addresses, self._https_port, self._context)
                if self.console_port:
                    await self._console.listen(addresses, self.console_port)
            self._open = addresses
        except OSError as error:
            await self._leave()
            self._note(f"the panel cannot be opened there: {error.strerror or error}")
        else:
            if addresses:
                _log.info("panel in the tunnel address=%s", addresses[0])

    async def _leave(self) -> None:
        await self._web.stop_inside()
        self._console.leave(self._open)
        self._open = ()

    def _note(self, problem: str) -> None:
        words = (f"the tunnel for administrators is not there: {problem}",) if problem else ()
        if words and words != self._told:
            _log.error("%s", words[0])
        self._told = self.problems = words
