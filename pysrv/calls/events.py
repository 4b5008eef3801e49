"""What happens in calls: events for the service, and those that the two legs of a call exchange.

Frozen values only. A leg never shows SIP to its call: what crosses is said here. Moments (`at`) are on the clock that
the B2bua is fed with (seconds, monotonic). SDP is bytes, None when a message carried none.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from appliance.wire import RelaySession
from pysrv.calls.causes import Cause
from pysrv.calls.plan import Target
from pysrv.media.spoken import Tongue
from pysrv.sip.events import Flow, TransactionKey
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri

CrossingHeaders = tuple[tuple[bytes, bytes], ...]


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    APPLIANCE = "appliance"


class Role(StrEnum):
    """Which side of the call a leg stands on."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Role":
        """The opposite side."""
        return Role.CALLEE if self is Role.CALLER else Role.CALLER


# --- to the service -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallRequested:
    """A fresh INVITE; nothing was sent but 100. Answer with refuse(), admit() or, when `replaces` is set, replace().

    `replaces` is the call whose party the newcomer asks to take over (RFC 3891).
    """

    call_id: str
    key: TransactionKey
    request: Request
    flow: Flow
    at: float
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class RouteFailed:
    """One target of a call failed; the B2bua goes on by itself (the next target, or the end of the call)."""

    call_id: str
    target: Target
    cause: Cause
    at: float

    @property
    def status(self) -> int:
        """The SIP status it failed with (408: silence, 503: no transport)."""
        return self.cause.status


@dataclass(frozen=True, slots=True)
class CallRinging:
    """The first target rings."""

    call_id: str
    target: Target
    at: float


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A target answered: the charged time starts at `at`."""

    call_id: str
    target: Target
    at: float


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """The relay rows that the call needs now (deadline 0: the service sets its own). No streams: none are needed."""

    call_id: str
    session: RelaySession


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over: exactly once for every CallRequested. `target` is the one that answered, else the last tried.

    `cause.status` is the status that the caller was answered with, 200 for an answered call that was hung up.
    """

    call_id: str
    cause: Cause
    ended_by: EndedBy
    setup_at: float
    ringing_at: float | None
    answered_at: float | None
    ended_at: float
    target: Target | None

    @property
    def duration_s(self) -> float:
        """Seconds from answer to end; 0.0 for a call that was not answered."""
        return 0.0 if self.answered_at is None else self.ended_at - self.answered_at


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """A party asks that the other one be connected elsewhere (REFER). Answer with transfer() or refuse_transfer().

    `by` is the asking party's role; `replaces` names the call whose far party is meant (attended, RFC 3891), which
    must be a running call of the same B2bua; None: a blind transfer to `refer_to`.
    """

    call_id: str
    transfer_id: int
    by: Role
    refer_to: Uri
    referred_by: bytes | None
    replaces: str | None
    at: float


@dataclass(frozen=True, slots=True)
class TransferEnded:
    """A transfer succeeded (`target` took the asking party's place) or failed (`cause` says why)."""

    call_id: str
    transfer_id: int
    target: Target | None
    cause: Cause | None
    at: float


@dataclass(frozen=True, slots=True)
class CallsJoined:
    """The far party of `absorbed_id` now talks in `call_id`. Both calls run on, are charged, and end together."""

    call_id: str
    absorbed_id: str
    at: float


@dataclass(frozen=True, slots=True)
class CallAttended:
    """The appliance itself has answered: what is said and heard on relay session `session`, and how.

    Told again when the caller has described itself anew. No charged time runs until CallAnswered.
    """

    call_id: str
    session: int
    tongue: Tongue
    at: float


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A key of an attended caller that came in an INFO request; those in RTP reach the service by themselves."""

    call_id: str
    digit: str
    at: float


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """Nobody answered for an attended caller, who is still there. Go on with hangup()."""

    call_id: str
    cause: Cause
    at: float


@dataclass(frozen=True, slots=True)
class HuntFailed:
    """Nobody answered a call whose plan `diverts`; the caller still waits. Go on with divert() or give_up()."""

    call_id: str
    cause: Cause
    at: float


@dataclass(frozen=True, slots=True)
class PartiesConnected:
    """An attended caller has taken the description of the one who answered: the call is like all others now."""

    call_id: str
    at: float


ServiceEvent = (
    CallRequested
    | CallAttended
    | DigitPressed
    | ConnectFailed
    | HuntFailed
    | PartiesConnected
    | RouteFailed
    | CallRinging
    | CallAnswered
    | MediaChanged
    | CallEnded
    | TransferRequested
    | TransferEnded
    | CallsJoined
)


# --- between legs ---------------------------------------------------------------------------------------------------


class Carrier(Enum):
    """The request that an offer in a dialog travels in; its answer goes back in the response."""

    INVITE = b"INVITE"
    UPDATE = b"UPDATE"
    PRACK = b"PRACK"


@dataclass(frozen=True, slots=True)
class Trying:
    """The target's side has taken the call in hand (100)."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A provisional answer (101-199). `reliable`: it must be confirmed (RFC 3262), `fork` is whose it is."""

    status: int
    reason: bytes
    sdp: bytes | None
    reliable: bool
    fork: bytes
    headers: CrossingHeaders = ()


@dataclass(frozen=True, slots=True)
class RingConfirmed:
    """The caller has confirmed the oldest reliable Ring it was shown; `ticket` is set when it brought an offer."""

    ticket: int | None
    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The call was accepted. `sdp` is None when it repeats nothing (the answer came in a reliable Ring)."""

    sdp: bytes | None
    fork: bytes
    headers: CrossingHeaders = ()


@dataclass(frozen=True, slots=True)
class Confirm:
    """The acceptance was acknowledged; `sdp` is the answer to an offer that the acceptance carried."""

    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class Fail:
    """The leg could not be set up."""

    cause: Cause
    headers: CrossingHeaders = ()
    redirects: tuple[Uri, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """A request to change the session; `sdp` None asks the other side for an offer. Answered under `ticket`."""

    ticket: int
    carrier: Carrier
    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class UpdateWithdrawn:
    """The peer has cancelled the Update of `ticket`; it still wants an answer, which may be either."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Updated:
    """The party's answer to an offer; when it was asked for one, `sdp` is its offer.

    `own`: the offer was made by the appliance itself, not passed on.
    """

    sdp: bytes | None
    own: bool = False


@dataclass(frozen=True, slots=True)
class UpdateFailed:
    """An offer was refused; the session stays as it was. `own` as in Updated."""

    status: int
    reason: bytes
    own: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A request without effect on the session (INFO, MESSAGE), answered under `ticket`."""

    ticket: int
    method: bytes
    headers: CrossingHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class NoteAnswered:
    """What the other side said to the Note that carries `ticket` on its own leg."""

    ticket: int
    status: int
    reason: bytes
    headers: CrossingHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Refer:
    """A request to transfer (RFC 3515), answered under `ticket`."""

    ticket: int
    refer_to: Uri
    referred_by: bytes | None
    silent: bool  # Refer-Sub: false, no progress wanted (RFC 4488)
    replaces: tuple[bytes, bytes, bytes] | None = None  # Call-ID, to-tag, from-tag (RFC 3891)


@dataclass(frozen=True, slots=True)
class Hangup:
    """The party is gone: it hung up, cancelled, or its dialog failed. `by_party` False: we found it dead."""

    cause: Cause
    by_party: bool = True


LegEvent = (
    Trying
    | Ring
    | RingConfirmed
    | Answer
    | Confirm
    | Fail
    | Update
    | UpdateWithdrawn
    | Updated
    | UpdateFailed
    | Note
    | NoteAnswered
    | Refer
    | Hangup
)
