"""Why a call ended: one table that joins SIP status, Q.850 cause value and the words an operator reads.

Follows RFC 3398 (7.2.4.1 cause to status, 8.2.6.1 status to cause), ITU-T Q.850 for the values and RFC 3326 for the
Reason header. Knows nothing of calls or messages.
"""

import re
from dataclasses import dataclass

_PROTOCOL = re.compile(rb"\s*([A-Za-z0-9.\-]+)\s*(.*)", re.DOTALL)
_PARAM = re.compile(rb';\s*([A-Za-z0-9\-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s]+)')
_ELEMENT = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^",])+')
MAX_TEXT_BYTES = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One cause. `status` is what a party is told for it; `means` are the statuses that arrive as this cause."""

    q850: int
    status: int
    text: str
    means: tuple[int, ...] = ()


TABLE: tuple[Row, ...] = (
    Row(1, 404, "Unallocated number", (404, 485, 604)),
    Row(2, 404, "No route to network"),
    Row(3, 404, "No route to destination"),
    Row(16, 487, "Normal call clearing", (200, 487)),
    Row(17, 486, "User busy", (486, 600)),
    Row(18, 408, "No user responding", (480,)),
    Row(19, 480, "No answer from user"),
    Row(20, 480, "Subscriber absent", (430,)),
    Row(21, 403, "Call rejected", (401, 402, 403, 407, 433, 603, 607, 608)),
    Row(22, 410, "Number changed", (410,)),
    Row(23, 410, "Redirected to new destination", (300, 301, 302, 305, 380)),
    Row(25, 483, "Exchange routing error", (482, 483)),
    Row(26, 404, "Non-selected user clearing"),
    Row(27, 502, "Destination out of order"),
    Row(28, 484, "Invalid number format", (484,)),
    Row(29, 501, "Facility rejected"),
    Row(31, 480, "Normal, unspecified"),
    Row(34, 503, "No circuit available"),
    Row(38, 503, "Network out of order", (502,)),
    Row(41, 503, "Temporary failure", (400, 481, 500, 503)),
    Row(42, 503, "Switching equipment congestion"),
    Row(47, 503, "Resource unavailable"),
    Row(55, 403, "Incoming calls barred"),
    Row(57, 403, "Bearer capability not authorized"),
    Row(58, 503, "Bearer capability not available"),
    Row(63, 503, "Service or option unavailable", (405,)),
    Row(65, 488, "Bearer capability not implemented", (488, 606)),
    Row(70, 488, "Only restricted digital information available"),
    Row(79, 501, "Service or option not implemented", (406, 415, 501)),
    Row(87, 403, "User not member of closed group"),
    Row(88, 503, "Incompatible destination"),
    Row(102, 504, "Recovery on timer expiry", (408, 504)),
    Row(111, 500, "Protocol error"),
    Row(127, 500, "Interworking, unspecified", (413, 414, 416, 420, 421, 422, 423, 491, 493, 505, 513)),
)
_BY_Q850 = {row.q850: row for row in TABLE}
_BY_STATUS = {status: row for row in TABLE for status in row.means}
_BY_CLASS = {3: _BY_Q850[23], 4: _BY_Q850[127], 5: _BY_Q850[41], 6: _BY_Q850[21]}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a call or leg ended: Q.850 value (1-127), SIP status (200 for an answered call that was hung up), words."""

    q850: int
    status: int
    text: str

    @classmethod
    def of_status(cls, status: int, text: str = "") -> "Cause":
        """The cause that a final SIP status stands for (RFC 3398 8.2.6.1); an unknown one goes by its class."""
        row = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _BY_Q850[16])
        return cls(row.q850, status, text or row.text)

    @classmethod
    def of_q850(cls, q850: int, text: str = "") -> "Cause":
        """The cause of a Q.850 value, with the status to tell a party (RFC 3398 7.2.4.1); an unknown one is 500."""
        row = _BY_Q850.get(q850)
        return cls(q850, row.status if row else 500, text or (row.text if row else f"Cause {q850}"))

    @classmethod
    def of_reason(cls, values: list[bytes], otherwise: "Cause") -> "Cause":
        """What the Reason header lines of a BYE or CANCEL say (RFC 3326); `otherwise` when they say nothing usable.

        A Q.850 value is preferred to a SIP status; `otherwise.status` is kept beside it.
        """
        found = otherwise
        for protocol, number, text in _reasons(values):
            if protocol == b"q.850" and 1 <= number <= 127:
                return cls(number, otherwise.status, text or cls.of_q850(number).text)
            if protocol == b"sip" and 200 <= number <= 699:
                found = cls(cls.of_status(number).q850, number, text or cls.of_status(number).text)
        return found

    def reason(self) -> bytes:
        """The value of a Reason header (RFC 3326), Q.850 first, then the SIP status when there is one to tell."""
        text = _quotable(self.text)
        value = b'Q.850;cause=%d;text="%s"' % (self.q850, text)
        return value if self.status == 200 else value + b', SIP;cause=%d;text="%s"' % (self.status, text)


def _quotable(text: str) -> bytes:
    plain = text.encode("ascii", "replace").replace(b"\\", b"").replace(b'"', b"'")
    return bytes(byte for byte in plain[:MAX_TEXT_BYTES] if 32 <= byte < 127)


def _reasons(values: list[bytes]) -> list[tuple[bytes, int, str]]:
    found = []
    for element in (element for value in values for element in _ELEMENT.findall(value)):
        matched = _PROTOCOL.match(element)
        if matched is None:
            continue
        params = {name.lower(): value for name, value in _PARAM.findall(matched[2])}
        number = params.get(b"cause", b"")
        if not (number.isdigit() and len(number) <= 3):
            continue
        text = params.get(b"text", b"").strip(b'"')[:MAX_TEXT_BYTES].decode("ascii", "replace")
        found.append((matched[1].lower(), int(number), text))
    return found


NORMAL = Cause(16, 200, "Normal call clearing")
CANCELLED = Cause(16, 487, "Cancelled by the caller")
NO_ANSWER = Cause(19, 480, "No answer from user")
ELSEWHERE = Cause(26, 200, "Call completed elsewhere")
UNANSWERED_ROUTE = Cause(18, 408, "Destination did not respond")
NO_ROUTE = Cause(3, 404, "No route to destination")
LOST = Cause(102, 408, "Peer does not answer")
NOT_ACKNOWLEDGED = Cause(102, 408, "Answer was never acknowledged")
SESSION_EXPIRED = Cause(102, 408, "Session was not refreshed")
TIME_LIMIT = Cause(102, 408, "Longest call duration reached")
BAD_MEDIA = Cause(65, 488, "Session description not acceptable")
TRANSFERRED = Cause(16, 200, "Call transferred")
REPLACED = Cause(16, 200, "Call replaced")
