"""What can go wrong in this room, with the SIP status that answers it. Knows neither sockets nor SIP messages."""


class MediaError(Exception):
    """A session description that cannot be relayed, or nothing left to relay it with.

    `status` is the SIP status to answer (RFC 3261 section 21), `reason` the sentence for logs.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class PortsExhausted(MediaError):
    """Every port of the media range is in use or resting: 503, the call may be tried elsewhere or later."""

    def __init__(self) -> None:
        super().__init__(503, "no media port is free")


class BadDescription(MediaError):
    """The SDP breaks RFC 8866 where the relay depends on it: 400 for an offer; an answer ends the call."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


class NotRelayable(MediaError):
    """The description is sound, but nothing in it is media that the relay carries: 488 (RFC 3261 section 21.4.26)."""

    def __init__(self, reason: str) -> None:
        super().__init__(488, reason)
