"""Reliable provisional answers (RFC 3262): what must still be confirmed, and in which order.

Both halves without I/O: `Unconfirmed` repeats ours until the peer's PRACK, `Received` keeps the peer's in order.
"""

from dataclasses import dataclass

from pysrv.sip.message import Message, Response

REL = b"100rel"


@dataclass(slots=True)
class Unconfirmed:
    """A reliable provisional answer of ours that waits for its PRACK."""

    rseq: int
    cseq: int
    response: Response
    has_sdp: bool
    gives_up_at: float
    interval_s: float
    next_at: float

    @classmethod
    def sent(cls, rseq: int, cseq: int, response: Response, now: float, t1_s: float) -> "Unconfirmed":
        """As first sent at `now`: it is repeated after T1, 2*T1, 4*T1 ... for 64*T1 (section 3)."""
        return cls(rseq, cseq, response, bool(response.body), now + 64 * t1_s, t1_s, now + t1_s)

    def repeated(self) -> None:
        """It was sent again: the interval doubles."""
        self.interval_s *= 2
        self.next_at += self.interval_s

    def confirmed_by(self, prack: Message) -> bool:
        """Whether this PRACK's RAck names it."""
        return rack(prack) == (self.rseq, self.cseq, b"INVITE")


@dataclass(slots=True)
class Received:
    """The peer's reliable answers in one early dialog; `last` is the RSeq seen last, 0 before the first."""

    last: int = 0

    def is_next(self, number: int) -> bool:
        """Whether `number` is the one to handle now; repeated and early ones are not (section 4)."""
        if self.last and number != self.last + 1:
            return False
        self.last = number
        return True


def rseq(response: Response) -> int | None:
    """The RSeq of a provisional answer that must be confirmed, or None when it is an ordinary one."""
    if REL not in response.require:
        return None
    value = response.headers.get(b"rseq")
    return _number(value) if value is not None else None


def rack(prack: Message) -> tuple[int, int, bytes] | None:
    """RSeq, CSeq number and method of a RAck header; None when it is missing or malformed."""
    parts = (prack.headers.get(b"rack") or b"").split()
    if len(parts) != 3:
        return None
    first, second = _number(parts[0]), _number(parts[1])
    return None if first is None or second is None else (first, second, parts[2])


def _number(text: bytes) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() and len(text) <= 10 else None
