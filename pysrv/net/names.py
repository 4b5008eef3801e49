"""Host names of trunks: resolved beside the work, remembered, refreshed; a name never holds a call up."""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable

REFRESH_S = 60.0
MAX_NAMES = 1024


class Names:
    """Addresses of host names. An address is its own answer; a name is known once the resolver has spoken.

    `changed` is called when a name has got another address: the gate knows trunks by theirs.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._known: dict[str, tuple[str | None, float]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def address(self, host: str) -> str | None:
        """The address of `host`, None while it is not known; asks anew in the background when it is old."""
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(host.strip("[]")))
        address, asked_at = self._known.get(host, (None, 0.0))
        if time.monotonic() - asked_at > REFRESH_S and host not in self._asking:
            self._asking[host] = asyncio.get_running_loop().create_task(self._ask(host))
        return address

    def close(self) -> None:
        """Stop asking."""
        for task in self._asking.values():
            task.cancel()

    async def _ask(self, host: str) -> None:
        before = self._known.get(host, (None, 0.0))[0]
        found: str | None = before  # a resolver that is away does not take a trunk away
        with contextlib.suppress(OSError):
            rows = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            found = str(rows[0][4][0])
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[host] = found, time.monotonic()
        self._asking.pop(host, None)
        if found != before:
            self._changed()
