"""The media between the two sides of a call: descriptions pass through here, and the relay's rows come out.

Translates roles into sides for `pysrv.media` and tells the service of rows only when they are others than before.
With media switched off in the plan, descriptions pass as they are.
"""

from typing import Any, Protocol

from appliance.wire import RelaySession, RelayStream
from pysrv.calls.events import MediaChanged, Role
from pysrv.calls.plan import CallPlan
from pysrv.calls.switch import Switch
from pysrv.media.errors import MediaError
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession, Side
from pysrv.media.spoken import Tongue, answer_to

_SIDES = {Role.CALLER: Side.A, Role.CALLEE: Side.B}


class Parties(Protocol):
    """What the media need to know of the call beside its descriptions."""

    @property
    def answered(self) -> bool: ...
    def signalling_address(self, role: Role, /) -> str: ...


class Bridge:
    """The media of one call. All methods raise MediaError for a description that cannot be relayed."""

    __slots__ = ("_call_id", "_session", "_switch", "_told", "parties", "tongue")

    def __init__(self, switch: Switch, call_id: str, session: MediaSession | None) -> None:
        self._switch, self._call_id, self._session = switch, call_id, session
        self._told: tuple[RelayStream, ...] = ()
        self.parties: Parties | None = None
        self.tongue: Tongue | None = None  # how the appliance itself speaks with the caller

    def offer(self, sender: Role, sdp: bytes, to_ip: str, from_ip: str | None = None) -> bytes:
        """The sender's offer as the other side is to see it."""
        if self._session is None:
            return sdp
        return self._session.forward_offer(_SIDES[sender], sdp, to_ip, self._switch.now, from_local_ip=from_ip)

    def answer(self, sender: Role, sdp: bytes, to_ip: str, from_ip: str | None = None) -> bytes:
        """The sender's answer as the other side is to see it."""
        if self._session is None:
            return sdp
        return self._session.forward_answer(_SIDES[sender], sdp, to_ip, self._switch.now, from_local_ip=from_ip)

    @property
    def key(self) -> int:
        """The relay session's key; 0: media do not cross the appliance."""
        return 0 if self._session is None else self._session.session

    def attend(self, offer: bytes, local_ip: str) -> bytes:
        """The appliance's own answer to the caller's offer: until `leave` it is the other side of that."""
        if self._session is None:
            raise MediaError(488, "media do not cross the appliance")
        answer, self.tongue = answer_to(offer, local_ip)
        self.offer(Role.CALLER, offer, local_ip, local_ip)
        self._session.office = True
        return self.answer(Role.CALLEE, answer, local_ip, local_ip)

    def leave(self, answer: bytes, to_ip: str, from_ip: str) -> bytes:
        """As `answer`, of a callee in the appliance's place."""
        told = self.answer(Role.CALLEE, answer, to_ip, from_ip)
        if self._session is not None:
            self._session.office = False
        return told

    def renew(self, sender: Role, sdp: bytes) -> None:
        """The sender's answer to an offer that the appliance made by itself."""
        if self._session is not None:
            self._session.renew_side(_SIDES[sender], sdp)

    def withdraw(self) -> None:
        """The open offer was refused."""
        if self._session is not None:
            self._session.withdraw_offer()

    def show(self) -> None:
        """Tell the service which rows the relay needs, if they have changed."""
        if self._session is None:
            return
        if self.parties is not None:
            self._session.answered = self.parties.answered
            self._session.near = {side: self.parties.signalling_address(role) for role, side in _SIDES.items()}
        streams = self._session.streams()
        if streams != self._told:
            self._told = streams
            session = RelaySession(self._session.session, 0, streams)
            self._switch.outbox.append(MediaChanged(self._call_id, session))

    def release(self) -> None:
        """Give the ports back."""
        if self._session is not None:
            self._session.release(self._switch.now)

    def to_dict(self) -> dict[str, Any] | None:
        """What a restart needs."""
        return None if self._session is None else self._session.to_dict()

    @classmethod
    def from_dict(
        cls, switch: Switch, call_id: str, saved: dict[str, Any] | None, pool: PortPool, plan: CallPlan
    ) -> "Bridge":
        """The reverse of `to_dict`. Raises ValueError when a port is not free."""
        if saved is None:
            return cls(switch, call_id, None)
        return cls(switch, call_id, MediaSession.from_dict(saved, pool, switch.now, plan.checks))


def sending_both_ways(sdp: bytes) -> bytes:
    """A description with no stream on hold, for a party that did not hold the one who joins now (RFC 3264 8.4)."""
    directions = (b"a=sendonly", b"a=recvonly", b"a=inactive")
    lines = sdp.split(b"\r\n")
    return b"\r\n".join(b"a=sendrecv" if line in directions else line for line in lines)


def continued(before: bytes | None, sdp: bytes) -> bytes:
    """`sdp` with the origin that its reader knows from `before`, one version on (RFC 3264 section 8)."""
    old = _origin(before or b"").split(b" ")
    new = _origin(sdp)
    if len(old) != 6 or not old[2].isdigit() or not new:
        return sdp
    fields = new.split(b" ")
    return sdp.replace(new, b" ".join([*old[:2], b"%d" % (int(old[2]) + 1), *fields[3:]]), 1)


def _origin(sdp: bytes) -> bytes:
    return next((line for line in sdp.split(b"\r\n") if line.startswith(b"o=")), b"")
