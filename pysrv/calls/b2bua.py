"""The back-to-back user agent: every call is two dialogs, and nothing crosses but what the legs tell each other.

Sans-IO: endpoint events and fired timers in, service events out. It finds the leg that an event is for, and carries
out what the service decides. `now` is one monotonic clock in seconds for everything.
Sources: RFC 3261 8.2, 12.2.2, 16.3 (loops); RFC 3891 (Replaces); RFC 4028 section 9 (422).
"""

from collections.abc import Callable, Sequence
from typing import Any

from pysrv.calls import events as tell
from pysrv.calls import notes, session_timer, snapshot
from pysrv.calls.attendant import Attendant
from pysrv.calls.bridge import Bridge
from pysrv.calls.call import Call, CallState
from pysrv.calls.callback import Callback, Half
from pysrv.calls.causes import Cause
from pysrv.calls.events import EndedBy, ServiceEvent
from pysrv.calls.invitation import Caller
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.plan import B2buaConfig, CallPlan, Target, TrunkCredentials, grouped
from pysrv.calls.replacement import Replacement
from pysrv.calls.restored import RestoredLeg
from pysrv.calls.switch import HeaderLines, Switch
from pysrv.calls.transfer import Phase, Transfer
from pysrv.calls.uac import UacLeg
from pysrv.calls.uas import UasLeg
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession
from pysrv.sip import events as sip
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Request

# Methods that may belong to something else than a call although they have a To tag.
_NOT_OURS = frozenset((b"REGISTER", b"PUBLISH", b"SUBSCRIBE", b"NOTIFY", b"OPTIONS", b"MESSAGE"))


class UnknownCall(KeyError):
    """There is no such call, or it is not in a state for this command."""


class B2bua:
    """All calls of one endpoint. `tokens` gives fresh unguessable hex, at least 16 digits each."""

    def __init__(self, endpoint: Endpoint, ports: PortPool, config: B2buaConfig, tokens: Callable[[], bytes]) -> None:
        self._switch = Switch(endpoint, config, tokens)
        self._ports = ports
        self.calls: dict[str, Call] = {}

    # --- what the shell calls ---

    def handle(self, event: sip.Event, now: float) -> bool:
        """Take an event of the endpoint; False: it is not about a call."""
        self._switch.now = now
        taken = self._dispatch(event)
        self._settle()
        return taken

    def next_event(self) -> ServiceEvent | None:
        """The oldest event for the service that was not taken yet."""
        return self._switch.outbox.popleft() if self._switch.outbox else None

    def get_timer(self) -> float | None:
        """When to call `handle_timer`."""
        return self._switch.get_timer()

    def handle_timer(self, now: float) -> None:
        """Let everything happen that is due."""
        switch = self._switch
        switch.now = now
        while (due := switch.alarms.pop_due(now)) is not None:
            owner, alarm = due
            owner.fire(alarm)
            self._settle()
        switch.forget_retired()

    @property
    def remnants(self) -> tuple[int, int, int]:
        """How many transactions, dialogs and alarms are held: all 0 some time after the last call."""
        return len(self._switch.transactions), len(self._switch.dialogs), len(self._switch.alarms)

    def call_of_dialog(self, dialog_id: bytes, our_tag: bytes) -> str | None:
        """The call that one of its dialogs is of, by Call-ID and our tag."""
        party = self._switch.dialogs.get((dialog_id, our_tag))
        match party.listener if isinstance(party, Leg) else None:
            case Call() as call:
                return call.id
            case Attendant() | Callback() as between:
                return between.call_id
            case _:
                return None

    # --- what the service decides ---

    def refuse(
        self, call_id: str, status: int, reason: str = "", headers: Sequence[tuple[bytes, bytes]] = (), now: float = 0.0
    ) -> None:
        """Answer a CallRequested with a final failure (300-699). Raises UnknownCall."""
        call = self._requested(call_id, now)
        call.refuse(status, reason.encode() or None, tuple(headers))
        self._settle()

    def admit(
        self, call_id: str, targets: Sequence[Target] | Sequence[Sequence[Target]], plan: CallPlan, now: float
    ) -> None:
        """Let a call go out. Targets of an inner sequence ring together, the groups follow each other.

        Raises UnknownCall.
        """
        call = self._requested(call_id, now)
        session = MediaSession(self._session_key(), self._ports, plan.checks) if plan.media else None
        call.admit(grouped(targets), plan, Bridge(self._switch, call_id, session))
        self._settle()

    def attend(self, call_id: str, plan: CallPlan, now: float) -> None:
        """Answer a CallRequested in the appliance's own name; CallAttended follows. Raises UnknownCall.

        An offer that the appliance cannot speak in is refused (488).
        """
        call = self._requested(call_id, now)
        session = MediaSession(self._session_key(), self._ports, plan.checks)
        call.attend(plan, Bridge(self._switch, call_id, session))
        self._settle()

    def connect(
        self, call_id: str, targets: Sequence[Target] | Sequence[Sequence[Target]], plan: CallPlan, now: float
    ) -> None:
        """Connect an attended caller: CallAnswered or ConnectFailed follows. Raises UnknownCall."""
        self._switch.now = now
        call = self.calls.get(call_id)
        attendant = call.transfer if call is not None and call.state is CallState.ATTENDED else None
        if call is None or not isinstance(attendant, Attendant) or attendant.hunting:
            raise UnknownCall(call_id)
        call.connect(grouped(targets), plan)
        self._settle()

    def call_back(self, near: Half, far: Half, caller: Caller, now: float) -> None:
        """Call the near party and, once it has answered, the far one for it; both halves end with CallEnded.

        No CallRequested comes before: their ids are the service's own, and new. `caller` is who is named in both
        INVITEs. When the near one answers, CallAttended of the far half, CallAnswered of the near one and CallsJoined
        come.
        """
        switch = self._switch
        switch.now = now
        first, second = (Call(switch, half.call_id, self._forget) for half in (near, far))
        for call in (first, second):
            self.calls[call.id], call.identity, call.state = call, caller, CallState.HUNTING
        second.plan = far.plan
        second.use(Bridge(switch, second.id, MediaSession(self._session_key(), self._ports, far.plan.checks)))
        first.bind(second)
        callback = Callback(first, second, far)
        first.transfer = callback
        callback.start(near.groups, near.plan)
        self._settle()

    def divert(
        self, call_id: str, targets: Sequence[Target] | Sequence[Sequence[Target]], plan: CallPlan, now: float
    ) -> None:
        """Answer a HuntFailed with other places. Raises UnknownCall."""
        self._failed(call_id, now).divert(grouped(targets), plan)
        self._settle()

    def give_up(self, call_id: str, now: float) -> None:
        """Answer a HuntFailed with the failure, for the caller to hear. Raises UnknownCall."""
        self._failed(call_id, now).give_up()
        self._settle()

    def _failed(self, call_id: str, now: float) -> Call:
        self._switch.now = now
        call = self.calls.get(call_id)
        if call is None or not call.failed:
            raise UnknownCall(call_id)
        return call

    def replace(self, call_id: str, now: float) -> None:
        """Let the newcomer of a CallRequested with `replaces` take the place that it asks for. Raises UnknownCall."""
        newcomer = self._requested(call_id, now)
        guest = newcomer.caller
        try:
            replaced = self._replaced(guest.invite) if isinstance(guest, UasLeg) else None
        except BadMessage:
            replaced = None  # gone since it was asked for
        call = replaced.listener if replaced is not None else None
        if replaced is None or not isinstance(call, Call) or not call.can_change(replaced):
            newcomer.refuse(481, None, ())
        else:
            change = Replacement(call, replaced, newcomer)
            call.transfer = change
            change.start()
        self._settle()

    def hangup(self, call_id: str, cause: Cause, now: float) -> None:
        """End a call in whatever state it is; one that is over already is left alone."""
        self._switch.now = now
        call = self.calls.get(call_id)
        if call is not None:
            call.end(cause, EndedBy.APPLIANCE)
            self._settle()

    def transfer(
        self,
        call_id: str,
        transfer_id: int,
        targets: Sequence[Target] | Sequence[Sequence[Target]],
        now: float,
        *,
        plan: CallPlan | None = None,
    ) -> None:
        """Carry a TransferRequested out: to `targets`, or without any to the call that its `replaces` names.

        `plan` replaces the call's own one for the new leg. A transfer that is gone already is left alone.
        """
        change = self._transfer(call_id, transfer_id, now)
        if change is None:
            return
        groups = grouped(targets)
        if groups:
            call = self.calls[call_id]
            change.begin(groups, plan or change.plan(), call.identity_of(change.kept))
        else:
            self._join(change)
        self._settle()

    def refuse_transfer(self, call_id: str, transfer_id: int, status: int, now: float) -> None:
        """Answer a TransferRequested with a failure. A transfer that is gone already is left alone."""
        change = self._transfer(call_id, transfer_id, now)
        if change is not None:
            change.refuse(status)
            self._settle()

    # --- across a restart ---

    def snapshot(self, call_id: str) -> dict[str, Any] | None:
        """An answered call as plain JSON types; None for one that cannot be taken up again at this moment.

        Worth taking after CallAnswered (once the caller's ACK is there), and after every MediaChanged, CallsJoined
        and TransferEnded of an answered call.
        """
        call = self.calls.get(call_id)
        return None if call is None else snapshot.take(call)

    def restore(
        self, saved: dict[str, Any], now: float, credentials: Callable[[str], TrunkCredentials | None] | None = None
    ) -> str:
        """Take up the call that `snapshot` described; returns its id. MediaChanged follows with its relay rows.

        `credentials` gives those of a trunk by its label. Both legs are refreshed at once, so that a peer that hung
        up meanwhile is found out. Raises ValueError, also when a media port is not free or the call is here already.
        """
        self._switch.now = now
        try:
            if saved["call_id"] in self.calls:
                raise ValueError(f"call {saved['call_id']} is running already")
            call = snapshot.restore(self._switch, self._ports, saved, self._forget)
            partners = [str(name) for name in saved["partners"]]
        except (KeyError, TypeError, AssertionError, BadMessage) as error:
            raise ValueError(f"not a snapshot of a call: {error}") from None
        self.calls[call.id] = call
        call.partners = [self.calls[name] for name in partners if name in self.calls]
        for partner in call.partners:
            partner.partners.append(call)
        if credentials is not None and isinstance(call.callee, RestoredLeg) and call.target is not None:
            known = credentials(call.target.label)
            if known is not None:
                call.callee.authorize(known)
        return call.id

    # --- finding whom an event is for ---

    def _dispatch(self, event: sip.Event) -> bool:
        switch = self._switch
        match event:
            case sip.RequestReceived():
                return self._request(event)
            case sip.AckReceived():
                return self._ack(event)
            case sip.MalformedReceived():
                return False
            case _:
                party = switch.transactions.get(event.key)
                if party is None:
                    return False
        match event:
            case sip.ResponseReceived():
                party.receive_response(event.key, event.response)
            case sip.Cancelled():
                party.cancelled(event.key)
            case sip.AckTimedOut():
                party.unacknowledged(event.key)
            case sip.RequestTimedOut():
                party.unanswered(event.key, 408)
            case sip.TransportFailed() if event.key[:1] == b">":  # a server transaction goes on without it
                party.unanswered(event.key, 503)
        return True

    def _ack(self, event: sip.AckReceived) -> bool:
        party = self._switch.transactions.get(event.key) if event.key is not None else None
        if party is None or event.key is None:
            return False
        party.receive_ack(event.key, event.request)
        return True

    def _request(self, event: sip.RequestReceived) -> bool:
        request = event.request
        tag = request.to.tag
        if tag is None:
            if request.method == b"INVITE":
                self._fresh(event)
                return True
            return False
        party = self._switch.dialogs.get((request.call_id, tag))
        if party is not None:
            party.receive_request(event.key, request, event.flow)
            return True
        if request.method in _NOT_OURS:
            return False
        self._switch.refuse_stranger(request, 481, event.flow)
        return True

    def _settle(self) -> None:
        """Deliver what legs have told, in order, until nobody has anything to say."""
        inbox = self._switch.inbox
        while inbox:
            party, event = inbox.popleft()
            party.deliver(event)

    # --- new calls ---

    def _fresh(self, event: sip.RequestReceived) -> None:
        """An INVITE outside of any dialog: it may be a loop, want a shorter session, or replace somebody."""
        switch, request = self._switch, event.request
        try:
            objection = self._objection(request)
            if objection is not None:
                switch.reply(event.key, request, objection[0], headers=objection[1])
                return
            replaced = self._replaced(request)
            call = Call(switch, switch.tokens().decode(), self._forget)
            call.invited(UasLeg(switch, call, event.key, request, event.flow), request, event.flow)
        except BadMessage as error:
            switch.reply(event.key, request, error.status)
            return
        self.calls[call.id] = call
        other = replaced.listener if replaced is not None else None
        replaces = other.id if isinstance(other, Call) else None
        switch.outbox.append(tell.CallRequested(call.id, event.key, request, event.flow, switch.now, replaces))

    def _objection(self, request: Request) -> tuple[int, HeaderLines] | None:
        ours = self._switch.dialogs.get((request.call_id, request.from_.tag or b""))
        if isinstance(ours, UacLeg) and ours.target.uri.user == request.uri.user:
            return 482, ()  # what we sent came back to us unchanged
        if request.body and request.content_type != b"application/sdp":
            return 415, ((b"Accept", b"application/sdp"),)
        short = session_timer.of_request(request, self._switch.config.min_se_s, self._switch.config.min_se_s)
        if isinstance(short, session_timer.TooShort):
            return 422, short.headers
        return None

    def _replaced(self, request: Request) -> Leg | None:
        """The leg that an INVITE wants to replace. Raises BadMessage (481) when there is none."""
        values = request.headers.get_all(b"replaces")
        if not values:
            return None
        if len(values) > 1:
            raise BadMessage(400, "more than one Replaces", request)
        leg = self._named(notes.replaces(values[0]))
        if leg is None or leg.state is not LegState.CONFIRMED:
            raise BadMessage(481, "no such dialog to replace", request)
        if b"early-only" in values[0].lower():
            raise BadMessage(486, "the dialog is confirmed", request)
        return leg

    def _named(self, dialog: tuple[bytes, bytes, bytes]) -> Leg | None:
        """Our leg of a dialog that the peer names: Call-ID, our tag (to-tag), its tag (from-tag)."""
        call_id, to_tag, from_tag = dialog
        leg = self._switch.dialogs.get((call_id, to_tag))
        if not isinstance(leg, Leg) or leg.dialog is None or (leg.dialog.remote.tag or b"0") != from_tag:
            return None
        return leg

    def _requested(self, call_id: str, now: float) -> Call:
        self._switch.now = now
        call = self.calls.get(call_id)
        if call is None or call.state is not CallState.REQUESTED:
            raise UnknownCall(call_id)
        return call

    def _session_key(self) -> int:
        """A key that no other session of the relay has: 62 random bits."""
        return int(self._switch.tokens()[:16], 16) >> 2 or 1

    def _forget(self, call: Call) -> None:
        self.calls.pop(call.id, None)

    # --- transfers ---

    def _transfer(self, call_id: str, transfer_id: int, now: float) -> Transfer | None:
        self._switch.now = now
        call = self.calls.get(call_id)
        change = call.transfer if call is not None else None
        if not isinstance(change, Transfer) or change.id != transfer_id or change.phase is not Phase.ASKED:
            return None
        return change

    def _join(self, change: Transfer) -> None:
        near = self._named(change.dialog) if change.dialog is not None else None
        other = near.listener if near is not None else None
        far = other.peer_of(near) if near is not None and isinstance(other, Call) else None
        if near is None or far is None or not isinstance(other, Call) or not other.can_change(near):
            change.refuse(481)
        elif far.state is not LegState.CONFIRMED or far is change.kept or other.transfer is not None:
            change.refuse(491)
        else:
            change.join(other, near, far)
