"""What crosses the edge of the SIP room: flows in, events out.

Knows neither sockets nor calls. A transaction key is opaque to its user: client keys and server keys never collide,
so one dictionary may hold both. Source: RFC 3261 section 17 (what a transaction tells its user), RFC 6026.
"""

from dataclasses import dataclass

from pysrv.sip.message import Request, Response

TransactionKey = bytes


SECURE = frozenset(("tls",))  # the transports that keep the promise of a sips URI (RFC 3261 26.2.2)


@dataclass(frozen=True, slots=True)
class Flow:
    """One path of messages: udp, tcp or tls; both ends as (address text, port); stream number."""

    transport: str
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0  # 0: datagrams, or a stream that is not open yet

    @property
    def reliable(self) -> bool:
        """Whether the transport itself delivers in order and repeats what is lost."""
        return self.transport != "udp"


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A new server transaction: never a retransmission, never an ACK or a CANCEL."""

    key: TransactionKey
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The first ACK of a 2xx that we sent; `key` is the INVITE server transaction, None when we hold none."""

    key: TransactionKey | None
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The INVITE server transaction `key` was cancelled; the CANCEL itself has been answered. Answer 487 now."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class AckTimedOut:
    """Our 2xx to the INVITE `key` was repeated for 64*T1 and never acknowledged (RFC 3261 13.3.1.4)."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response for the client transaction `key`; each 2xx to an INVITE is delivered, repeated ones too."""

    key: TransactionKey
    response: Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """No final response came: Timer B or F, or 64*T1 after our CANCEL. Treat it as 408 (RFC 3261 8.1.3.1)."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The flow of `key` is gone. A client transaction has ended (treat as 503); a server transaction goes on."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class MalformedReceived:
    """A message that could not be accepted; `status` is what it was worth, answered already where it could be."""

    flow: Flow
    status: int
    reason: str
    first_line: bytes  # at most 120 bytes


Event = (
    RequestReceived
    | AckReceived
    | Cancelled
    | AckTimedOut
    | ResponseReceived
    | RequestTimedOut
    | TransportFailed
    | MalformedReceived
)
