"""The office's own sockets for streams whose other side is itself, while the kernel relays all others.

What the gate lets through to them has passed the stream's rules there; they are held to the same rules here once more,
the lease's end among them. Knows rows of `appliance.wire`, not calls.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from appliance.wire import RelaySession
from pysrv.net.relay import UserRelay

Heard = Callable[[int, bytes], None]
"""The session, and a packet that may be heard."""


def deaf(_session: int, _packet: bytes) -> None:
    """For an office that answers no calls itself."""


class Ears:
    """Sockets by session. Use it from the thread of the running loop only."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._relay: UserRelay | None = None

    def open(self, session: RelaySession) -> None:
        """Listen where the session says so; one without such a stream keeps the sockets it had until `settle`.

        Raises WireError as UserRelay.open does.
        """
        spoken = tuple(row for row in session.streams if row.office)
        if not spoken:
            return
        if self._relay is None:
            self._relay = UserRelay(asyncio.get_running_loop(), heard=self._heard)
        self._relay.open(replace(session, streams=spoken))

    def settle(self, session: RelaySession) -> None:
        """The gate has taken the session. Where it relays by itself now, the sockets go; not sooner, because a packet
        that finds none is answered by ICMP."""
        if self._relay is not None and not any(row.office for row in session.streams):
            self._relay.close(session.session)

    def renew(self, session: int, deadline_ns: int) -> None:
        """Move a session's deadline."""
        if self._relay is not None:
            self._relay.renew(session, deadline_ns)

    def close(self, session: int) -> None:
        """Stop listening."""
        if self._relay is not None:
            self._relay.close(session)

    def close_all(self) -> None:
        """Close every socket."""
        if self._relay is not None:
            self._relay.close_all()

    def say(self, session: int, packet: bytes) -> bool:
        """Send to the party of a session; False: it cannot be sent."""
        return self._relay is not None and self._relay.say(session, packet)
