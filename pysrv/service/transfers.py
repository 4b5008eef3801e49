"""REFER: may this party connect the other one elsewhere?

A blind transfer to a user of ours is free. One that leaves over a trunk would need a lease of its own beside the
running one, and is refused: nobody talks on money that is not reserved. An attended transfer joins two calls that both
have their leases already. A blind one is no way around a lock or a blacklist: who may not call somebody is not
transferred to them.
"""

import logging

from pysrv.calls.b2bua import B2bua
from pysrv.calls.events import Role, TransferRequested
from pysrv.limits.facts import AccountView, Destination, DestinationKind
from pysrv.limits.stages.locks import incoming_refusal
from pysrv.service.accounting import Accounting
from pysrv.service.destinations import Destinations, user_of
from pysrv.service.fraud import Fraud

_log = logging.getLogger("pysrv.calls")


class Transfers:
    """Answers every TransferRequested: transfer() or refuse_transfer()."""

    def __init__(self, b2bua: B2bua, destinations: Destinations, accounting: Accounting, fraud: Fraud) -> None:
        self._b2bua, self._destinations, self._accounting, self._fraud = b2bua, destinations, accounting, fraud

    def requested(self, event: TransferRequested, now: float) -> None:
        """Decide on one transfer."""
        if event.replaces is not None:
            self._b2bua.transfer(event.call_id, event.transfer_id, (), now)
            return
        dialled = self._destinations.resolve(user_of(event.refer_to), now)
        status = 0
        if dialled.destination.kind is not DestinationKind.LOCAL:
            status = 404 if dialled.destination.kind is DestinationKind.UNKNOWN else 403
        elif not dialled.groups or self._locked(dialled.destination.account):
            status = 480
        elif self._listed(event, dialled.destination):
            status = 403
        if status:
            _log.info("transfer refused id=%s to=%s status=%d", event.call_id, dialled.destination.number, status)
            self._b2bua.refuse_transfer(event.call_id, event.transfer_id, status, now)
        else:
            self._b2bua.transfer(event.call_id, event.transfer_id, dialled.groups, now)

    def _locked(self, callee: AccountView | None) -> bool:
        """Whether the account may not be called: a transfer is no way around its lock."""
        return callee is not None and incoming_refusal(callee) is not None

    def _listed(self, event: TransferRequested, to: Destination) -> bool:
        """Whether the party that would be transferred is on the callee's, or everybody's, list of callers."""
        call = self._accounting.running.get(event.call_id)
        if call is None or to.account is None:
            return False
        party = call.cdr.callee if event.by is Role.CALLER else call.cdr.caller
        refusal = self._fraud.caller_refused(to, party)
        if refusal:
            _log.info("transfer refused id=%s: %s", event.call_id, refusal)
        return bool(refusal)
