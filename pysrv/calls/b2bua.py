"""The back-to-back user agent: every call is two dialogs, and nothing crosses but what the legs tell each other.

Sans-IO: endpoint events and fired timers in, service events out. It carries out what the service decides; `arrival`
finds whom an event is for. `now` is one monotonic clock in seconds for everything.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pysrv.calls import arrival, snapshot
from pysrv.calls import events as tell
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
from pysrv.calls.switch import Switch
from pysrv.calls.transfer import Phase, Transfer
from pysrv.calls.uas import UasLeg
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession
from pysrv.sip import events as sip
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.errors import BadMessage


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
        taken = arrival.dispatch(self._switch, event, self._fresh)
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
            replaced = arrival.replaced(self._switch, guest.invite) if isinstance(guest, UasLeg) else None
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

    def _settle(self) -> None:
        """Deliver what legs have told, in order, until nobody has anything to say."""
        inbox = self._switch.inbox
        while inbox:
            party, event = inbox.popleft()
            party.deliver(event)

    # --- new calls ---

    def _fresh(self, event: sip.RequestReceived) -> None:
        """An INVITE outside of any dialog to which nothing is to be objected."""
        switch, request = self._switch, event.request
        try:
            replaced = arrival.replaced(switch, request)
            call = Call(switch, switch.tokens().decode(), self._forget)
            call.invited(UasLeg(switch, call, event.key, request, event.flow), request, event.flow)
        except BadMessage as error:
            switch.reply(event.key, request, error.status)
            return
        self.calls[call.id] = call
        other = replaced.listener if replaced is not None else None
        replaces = other.id if isinstance(other, Call) else None
        switch.outbox.append(tell.CallRequested(call.id, event.key, request, event.flow, switch.now, replaces))

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
        near = arrival.named(self._switch, change.dialog) if change.dialog is not None else None
        other = near.listener if near is not None else None
        far = other.peer_of(near) if near is not None and isinstance(other, Call) else None
        if near is None or far is None or not isinstance(other, Call) or not other.can_change(near):
            change.refuse(481)
        elif far.state is not LegState.CONFIRMED or far is change.kept or other.transfer is not None:
            change.refuse(491)
        else:
            change.join(other, near, far)
