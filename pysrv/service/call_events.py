"""What happens to calls: each event of the back-to-back user agent goes to all parts that care, in their order.

The order in `_take` is a rule: who attends a call (cards, callbacks) hears of it before the money does, and what is
kept for a restart comes last.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from appliance.config.settings import Settings
from pysrv.billing.ledger import Shortfall
from pysrv.calls.b2bua import B2bua
from pysrv.calls.causes import Cause
from pysrv.calls.events import (
    CallAnswered,
    CallAttended,
    CallEnded,
    CallRequested,
    CallRinging,
    CallsJoined,
    ConnectFailed,
    DigitPressed,
    HuntFailed,
    MediaChanged,
    PartiesConnected,
    RouteFailed,
    ServiceEvent,
    TransferEnded,
    TransferRequested,
)
from pysrv.limits.stages.locks import incoming_refusal
from pysrv.service.accounting import Accounting
from pysrv.service.admission import Admission
from pysrv.service.callbacks import Callbacks
from pysrv.service.card_calls import CardCalls
from pysrv.service.entry import Caller
from pysrv.service.exposure import ExposureBrake
from pysrv.service.feed import Feed, Kind
from pysrv.service.forwarding import Forwarding
from pysrv.service.journal import visible
from pysrv.service.recovery import Recovery
from pysrv.service.requests import Requests
from pysrv.service.tap import Tap
from pysrv.service.transfers import Transfers
from pysrv.service.trunk_watch import TrunkWatch

_log = logging.getLogger("pysrv.service")


@dataclass(frozen=True, slots=True)
class CallEvents:
    """The parts of the service that follow calls. `fault` counts and logs an event that one of them failed at."""

    b2bua: B2bua
    requests: Requests
    admission: Admission
    accounting: Accounting
    brake: ExposureBrake
    cards: CardCalls
    callbacks: Callbacks
    forwarding: Forwarding
    transfers: Transfers
    trunk_watch: TrunkWatch
    recovery: Recovery
    tap: Tap
    feed: Feed
    settings: Callable[[], Settings]
    fault: Callable[[ServiceEvent], None]

    def pump(self, now: float) -> None:
        """Take all that has happened to calls."""
        while (event := self.b2bua.next_event()) is not None:
            try:
                self._take(event, now)
            except Exception:  # a call that policy or money cannot follow must not go on
                self.fault(event)
                self.b2bua.hangup(event.call_id, Cause.of_q850(41, "fault of the appliance"), now)

    def cut(self, now: float) -> None:
        """The exposure brake ends calls."""
        for call_id, reason in self.brake.take().items():
            self.accounting.cut(call_id, "exposurecut", reason)
            self.b2bua.hangup(call_id, Cause.of_status(self.settings().quotadiscreason, reason), now)
        self.pump(now)

    def lapse(self, call_id: str, short: Shortfall, now: float) -> None:
        """The lease has ended: the kernel has stopped the audio already, now the call goes."""
        cause = Cause.of_status(self.settings().quotadiscreason, f"lease ended: {short.sentence}")
        self.accounting.lapsed(call_id, short)
        self.b2bua.hangup(call_id, cause, now)

    def _take(self, event: ServiceEvent, now: float) -> None:
        match event:
            case CallRequested():
                self._requested(event, now)
            case MediaChanged():
                if not self.cards.media(event):
                    self.accounting.media(event)
                self.recovery.changed(event.call_id, now)
            case CallAnswered():
                self.cards.answered(event)
                self.callbacks.answered(event)
                self.trunk_watch.works(event.target)
                self.accounting.answered(event)
                self.recovery.changed(event.call_id, now)
                self.feed.tell(Kind.CALL_ANSWERED, call_id=event.call_id, over=event.target.label)
            case CallEnded():
                self.cards.ended(event)
                self.callbacks.ended(event)
                self.forwarding.ended(event.call_id)
                self.accounting.ended(event)
                self._tell_end(event)
            case CallAttended():
                self.cards.attended(event)
                self.callbacks.attended(event)
            case DigitPressed():
                self.cards.pressed(event)
            case ConnectFailed():
                self.cards.connect_failed(event)
                self.callbacks.connect_failed(event)
            case HuntFailed():
                self.forwarding.failed(event, now)
            case TransferRequested():
                self.transfers.requested(event, now)
            case RouteFailed():
                self.trunk_watch.failed(event.target, event.status)
                self.accounting.route_failed(event.call_id, event.target.label)
                _log.info("route failed call=%s target=%s status=%d", event.call_id, event.target.label, event.status)
            case CallsJoined():
                self.accounting.joined(event.call_id, event.absorbed_id)
                self.recovery.changed(event.call_id, now)
                self.recovery.changed(event.absorbed_id, now)
            case TransferEnded() | PartiesConnected():
                self.recovery.changed(event.call_id, now)
            case CallRinging():
                self.trunk_watch.works(event.target)
                _log.debug("%s", event)

    def _requested(self, event: CallRequested, now: float) -> None:
        caller = self.requests.asking.get(event.key)
        named = caller.account.name if caller is not None and caller.account is not None else ""
        self.tap.traces.belongs(event.request.call_id, event.call_id, named)
        self._tell_begin(event, named)
        if caller is None or (event.replaces is not None and not _may_replace(caller)):
            self.b2bua.refuse(event.call_id, 403, "", (), now)
        elif event.replaces is not None:
            self.b2bua.replace(event.call_id, now)  # the call that is taken over keeps its payer and its lease
        elif not self.cards.requested(event, caller, now):
            self.admission.call(event, caller, now)

    def _tell_begin(self, event: CallRequested, account: str) -> None:
        request = event.request
        caller, callee = _shown(request.from_.uri.user), _shown(request.uri.user)
        told = {"call_id": event.call_id, "account": account, "caller": caller, "callee": callee}
        self.feed.tell(Kind.CALL_BEGUN, **told, source=event.flow.remote[0])

    def _tell_end(self, event: CallEnded) -> None:
        answered = event.answered_at is not None
        kind = Kind.CALL_ENDED if answered or event.target is not None else Kind.CALL_REFUSED
        lasted = event.ended_at - event.answered_at if event.answered_at is not None else 0.0
        cause = event.cause
        self.feed.tell(
            kind,
            call_id=event.call_id,
            status=cause.status,
            reason=visible(cause.text),
            ended_by=str(event.ended_by),
            seconds=round(lasted, 3),
        )


def _shown(user: bytes | None) -> str:
    return visible((user or b"").decode("utf-8", "replace"))


def _may_replace(caller: Caller) -> bool:
    """Whether somebody may take over a call: one who is sure to be an account that may be called at all."""
    return caller.is_sure and caller.account is not None and incoming_refusal(caller.account) is None
