"""The one error of this room: a message that cannot be used, and what to answer to it.

Knows nothing of transports or transactions. Status codes: RFC 3261 section 21.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysrv.sip.message import Message


class BadMessage(Exception):
    """A message, or a part of one, that breaks the grammar or a rule the core must hold.

    `status` is the SIP status to answer (400-699), `reason` says in English what is wrong, and `message` is the
    request as far as it was understood; None means that no answer can be made (a response, or no usable Via).
    """

    def __init__(self, status: int, reason: str, message: "Message | None" = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.message = message


class UnsafeHeader(BadMessage):
    """A header name or value that would break out of its line: refused when it is added (RFC 3261 section 7.3.1)."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)
