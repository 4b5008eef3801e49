"""Calls that go on: always, when busy, when nobody answers (the flows of RFC 5359 sections 2.7 to 2.9).

Whoever forwards calls the next place himself: policy looks at that call as at any of his, his money is reserved for it,
and its record is his. What may not go on is written into his records; his telephones ring, or the caller hears what
they said. A call goes on at most DEEPEST times, and never to somebody who has forwarded it already.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.config.settings import Settings
from pysrv.billing import number as numbers
from pysrv.billing.cdr import Cdr
from pysrv.calls.b2bua import B2bua, UnknownCall
from pysrv.calls.events import CallRequested, HuntFailed
from pysrv.calls.plan import CallPlan
from pysrv.limits.decision import Refuse
from pysrv.limits.forwards import DEEPEST, Occasion, occasion_of
from pysrv.limits.stages.locks import incoming_refusal
from pysrv.service.accounting import Accounting
from pysrv.service.admission import Admission, CardCall
from pysrv.service.entry import Caller
from pysrv.store import Store
from pysrv.store.account import Account

MOVED = 302
_WORDS = {Occasion.ALWAYS: "always", Occasion.BUSY: "busy", Occasion.NO_ANSWER: "no answer"}
_log = logging.getLogger("pysrv.calls")


@dataclass(slots=True)
class _Waiting:
    """A call that may go on yet; `path` has the accounts that it was at, the one that rings last."""

    event: CallRequested
    caller: Caller
    path: tuple[str, ...]


class Forwarding:
    """Answers every HuntFailed: divert() or give_up()."""

    def __init__(
        self,
        store: Store,
        b2bua: B2bua,
        admission: Admission,
        accounting: Accounting,
        settings: Callable[[], Settings],
    ) -> None:
        self._store, self._b2bua, self._admission = store, b2bua, admission
        self._accounting, self._settings = accounting, settings
        self._waiting: dict[str, _Waiting] = {}
        admission.onward, admission.rings = self.onward, self.rings

    def onward(self, event: CallRequested, caller: Caller, callee: Account, record: Cdr, now: float) -> bool:
        """A call that its callee's telephones are not to ring for: whether it has gone on."""
        occasion = Occasion.ALWAYS if callee.forwards.always else Occasion.NO_ANSWER
        found = self._next(event, caller, (callee.name,), occasion, now)
        if found is None:
            return False
        allowed, path = found
        self._accounting.refused(
            replace(record, call_id=f"{event.call_id}-0"), MOVED, f"forwarded by {callee.name}", ""
        )
        self._goes(event, caller, path, allowed)
        self._b2bua.admit(event.call_id, allowed.dialled.groups, self._plan(allowed, path), now)
        return True

    def rings(self, event: CallRequested, caller: Caller, callee: Account) -> None:
        """The callee's telephones ring; when they fail, the call may go on."""
        self._waiting[event.call_id] = _Waiting(event, caller, (callee.name,))

    def failed(self, event: HuntFailed, now: float) -> None:
        """Nobody answered."""
        try:
            if not self._goes_on(event, now):
                self._b2bua.give_up(event.call_id, now)
        except UnknownCall:
            _log.debug("the caller of %s has gone meanwhile", event.call_id)

    def ended(self, call_id: str) -> None:
        """A call is over."""
        self._waiting.pop(call_id, None)

    def _goes_on(self, event: HuntFailed, now: float) -> bool:
        waiting, occasion = self._waiting.get(event.call_id), occasion_of(event.cause.status)
        if waiting is None or occasion is None or event.call_id not in self._accounting.running:
            return False
        aside = f"{event.call_id}-{len(waiting.path)}"
        self._accounting.renamed(event.call_id, aside)
        found = self._next(waiting.event, waiting.caller, waiting.path, occasion, now)
        if found is None:
            self._accounting.renamed(aside, event.call_id)
            return False
        allowed, path = found
        words = f"{_WORDS[occasion]}: forwarded by {waiting.path[-1]}"
        self._accounting.handed_over(aside, event.call_id, event.cause, words, event.at)
        self._goes(waiting.event, waiting.caller, path, allowed)
        self._b2bua.divert(event.call_id, allowed.dialled.groups, self._plan(allowed, path), now)
        return True

    def _goes(self, event: CallRequested, caller: Caller, path: tuple[str, ...], allowed: CardCall) -> None:
        callee = allowed.dialled.destination.account
        _log.info("call forwarded id=%s by=%s to=%s", event.call_id, path[-1], allowed.dialled.destination.number)
        self._waiting[event.call_id] = _Waiting(event, caller, (*path, callee.name) if callee is not None else path)

    def _plan(self, allowed: CardCall, path: tuple[str, ...]) -> CallPlan:
        return replace(allowed.plan, diverts=allowed.plan.diverts and len(path) < DEEPEST)

    def _next(
        self, event: CallRequested, caller: Caller, path: tuple[str, ...], occasion: Occasion, now: float
    ) -> tuple[CardCall, tuple[str, ...]] | None:
        """The call that the last of `path` makes of this one, and who has forwarded it; None: it does not go on."""
        payer = self._store.account(path[-1])
        while payer is not None and payer.enabled and (target := payer.forwards.target(occasion)):
            callee = self._account(target)
            refusal = self._cut(path, target, callee)
            if refusal is None and callee is not None and callee.forwards.always:
                payer, path, occasion = callee, (*path, callee.name), Occasion.ALWAYS
                continue
            made = refusal or self._admission.card_call(event, caller, payer, target, now)
            if isinstance(made, CardCall):
                return made, path
            _log.info("forward refused id=%s by=%s to=%s: %s", event.call_id, payer.name, target, made.sentence)
            noted = replace(event, call_id=f"{event.call_id}-f{len(path)}")
            self._admission.left(noted, caller, payer, target, replace(made, sentence=f"forward: {made.sentence}"))
            return None
        return None

    def _account(self, target: str) -> Account | None:
        bare = numbers.normalise(target)
        return self._store.account(target) or (self._store.account_by_number(bare) if bare else None)

    def _cut(self, path: tuple[str, ...], target: str, callee: Account | None) -> Refuse | None:
        """What no forward may do."""
        if numbers.normalise(target) in self._settings().emergencynumbers:
            return _refuse(f"{target} is an emergency number, and nothing is forwarded there")
        if callee is not None and callee.name in path:
            return _refuse(f"{callee.name} has forwarded this call already: the forwards go in a circle")
        if len(path) > DEEPEST:
            return _refuse(f"the call was forwarded {DEEPEST} times already")
        return incoming_refusal(callee) if callee is not None else None


def _refuse(sentence: str) -> Refuse:
    return Refuse("forward", "", 482, "Loop Detected", sentence)
