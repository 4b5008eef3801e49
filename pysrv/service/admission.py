"""From an INVITE to a call: facts are gathered, the pipeline decides, a lease is reserved, targets are chosen.

What a stranger is told never names a rule; an account that proved who it is hears the setting in a Reason-like
Warning header (RFC 3261 20.43, code 399).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from appliance.config.settings import Settings
from pysrv.billing.cdr import Cdr, EndedBy
from pysrv.billing.ledger import Shortfall, longest_s
from pysrv.calls.b2bua import B2bua
from pysrv.calls.causes import Cause
from pysrv.calls.events import CallRequested
from pysrv.calls.plan import CallPlan
from pysrv.limits import pipeline
from pysrv.limits.decision import Allow, Challenge, Decision, Refuse
from pysrv.limits.facts import CallFacts, Load, Pace
from pysrv.limits.forwards import NONE as NO_FORWARDS
from pysrv.limits.pace import Paces
from pysrv.limits.stages.spend import shortfall_refusal
from pysrv.service.accounting import Accounting
from pysrv.service.destinations import Destinations, Dialled, absence, here, trunks, user_of
from pysrv.service.entry import Caller
from pysrv.service.exposure import ExposureBrake
from pysrv.service.fraud import Fraud
from pysrv.service.origin import Origins
from pysrv.service.pricing import Prices, Pricing
from pysrv.service.spending import Spending
from pysrv.service.surroundings import Surroundings
from pysrv.store import Store
from pysrv.store.account import Account
from pysrv.store.rows import NewCall

WARNING_HOST = b"appliance"
NAME_RETRY_S = 2  # until the address of a domain that nobody called lately is known
FIRST_STAYS, ANNOUNCED_ONLY = 1, 2  # of checkrtpaddr
_log = logging.getLogger("pysrv.calls")


@dataclass(frozen=True, slots=True)
class CardCall:
    """A call on a card that may go out: where to, how, and how long the card pays for it (None: no end in sight)."""

    dialled: Dialled
    plan: CallPlan
    lasts_s: int | None


class Admission:
    """Answers every CallRequested: admit() or refuse()."""

    def __init__(
        self,
        store: Store,
        b2bua: B2bua,
        destinations: Destinations,
        accounting: Accounting,
        spending: Spending,
        pricing: Pricing,
        fraud: Fraud,
        brake: ExposureBrake,
        world: Surroundings,
        settings: Callable[[], Settings],
        origins: Origins,
    ) -> None:
        self._store, self._b2bua = store, b2bua
        self._accounting, self._spending, self._world, self._settings = accounting, spending, world, settings
        self._pricing, self._fraud, self._brake, self._origins = pricing, fraud, brake, origins
        self._paces, self._destinations = Paces(), destinations
        self.onward: Callable[[CallRequested, Caller, Account, Cdr, float], bool] = lambda *_: False
        self.rings: Callable[[CallRequested, Caller, Account], None] = lambda *_: None

    def call(self, event: CallRequested, caller: Caller, now: float) -> None:
        """Decide on one fresh call."""
        dialled = self._destinations.of(event.request.uri, caller, now)
        facts = self._facts(event, caller, dialled)
        came_over = caller.trunk.name if caller.trunk is not None else ""
        decision = pipeline.decide(facts, report_only=self._spending.report_only)
        reports = self._report(facts, decision)
        self._fraud.attempted(facts)
        refusal, callee = _refusal(decision), _forwarder(facts)
        if refusal is None and callee is not None and (callee.forwards.always or not dialled.groups):
            record = self._cdr(facts, self._world.clock.wall(), came_over, reports)
            if self.onward(event, caller, callee, record, now):
                return
        refusal = refusal or self._reserve(event, facts, dialled.prices, came_over, reports, now)
        if refusal is not None:
            self._refuse(event, facts, refusal, came_over, reports, now)
        elif not dialled.groups:
            self._unreachable(event, facts, dialled, now)
        else:
            self._accounting.goes_over(event.call_id, trunks(dialled))
            if callee is not None:
                self.rings(event, caller, callee)
            self._b2bua.admit(event.call_id, dialled.groups, self._plan(event, facts, caller), now)

    def number_of(self, event: CallRequested, caller: Caller) -> str | None:
        """The number that was dialled here, in bare digits; None: a name, or somebody else's domain."""
        uri = event.request.uri
        return self._destinations.number(uri, caller)

    def access(self, event: CallRequested, caller: Caller, number: str) -> Refuse | None:
        """Whether somebody may come into the voice menu at `number`: as for a call to a user of this server."""
        facts = self._facts(event, caller, here(number))
        decision = pipeline.decide(facts, report_only=self._spending.report_only)
        self._report(facts, decision)
        return _refusal(decision)

    def answer_here(self, event: CallRequested, caller: Caller, number: str, now: float) -> None:
        """Let the appliance itself take a call."""
        self._b2bua.attend(event.call_id, self._plan(event, self._facts(event, caller, here(number)), caller), now)

    def card_call(
        self,
        event: CallRequested,
        caller: Caller,
        card: Account,
        number: str,
        now: float,
        *,
        paced: bool = True,
        waits: int = 1,
    ) -> Refuse | CardCall:
        """Decide on what the holder of a card has dialled: the card pays. An allowed call has its lease, and goes out
        with `connect`; one that is refused leaves nothing behind. Not `paced`: it belongs to another call, which
        counted against maxcps. `waits`: how many parties ring one after the other before somebody talks."""
        dialled = self._destinations.resolve(number, now, card)
        facts = self._facts(event, caller, dialled, card, paced=paced)
        decision = pipeline.decide(facts, report_only=self._spending.report_only)
        reports = self._report(facts, decision)
        self._fraud.attempted(facts)
        refusal = _refusal(decision)
        if refusal is None and not dialled.groups:
            _, sentence, setting = absence(dialled)
            return Refuse("route", setting, 480, "Temporarily Unavailable", sentence)
        if refusal is None:
            came_over = caller.trunk.name if caller.trunk is not None else ""
            refusal = self._reserve(event, facts, dialled.prices, came_over, reports, now, waits)
        if refusal is not None:
            self._spending.refused(refusal, card.name)
            return refusal
        self._accounting.goes_over(event.call_id, trunks(dialled))
        lasts_s = longest_s(facts.levels) if facts.priced else None
        return CardCall(dialled, self._plan(event, facts, caller), lasts_s)

    def connect(self, call_id: str, allowed: CardCall, now: float) -> None:
        """Let a call on a card go out."""
        self._b2bua.connect(call_id, allowed.dialled.groups, allowed.plan, now)

    def left(
        self, event: CallRequested, caller: Caller, card: Account | None, number: str, refusal: Refuse | None
    ) -> None:
        """The record of a call to the voice menu that led nowhere."""
        facts = self._facts(event, caller, here(number), card)
        cdr = self._cdr(facts, self._world.clock.wall(), caller.trunk.name if caller.trunk is not None else "")
        why = refusal or Refuse("voice menu", "", 487, "", "left the voice menu without a call")
        self._accounting.refused(cdr, why.status, why.sentence, why.setting)

    def _facts(
        self, event: CallRequested, caller: Caller, dialled: Dialled, card: Account | None = None, *, paced: bool = True
    ) -> CallFacts:
        """`card` pays in the caller's place, if there is one: its PIN is what was proven."""
        where, sold, at = dialled.destination, dialled.prices.sold, self._world.clock.wall()
        payer = Caller(card) if card is not None else caller
        settings, account, source = self._settings(), payer.account, event.flow.remote[0]
        emergency = where.number in settings.emergencynumbers
        chain = self._store.chain(account) if account is not None else ()
        rates = tuple(quote.rate for quote in sold)
        called_by = _caller_number(event, caller)
        number = self._fraud.number(account, where)
        levels = self._store.levels(
            account.id if account is not None else None, rates, emergency=emergency, source=source
        )
        return CallFacts(
            event.call_id,
            source,
            payer.how,
            account,
            called_by,
            self._fraud.destination(where, number),
            rates[0] if rates else None,
            settings,
            at=at,
            above=chain[1:],
            levels=levels,
            load=Load(len(self._accounting.running), settings.licensecfg.get("calls", 0)),
            paces=() if emergency or not paced else self._pace(chain),
            address=self._spending.address(account, source),
            origin=self._origins.of(event.request, source, payer),
            off_peak=self._pricing.off_peak(at),
            quotes=sold,
            routes=dialled.prices.routes,
            report_only=self._spending.report_only,
            fraud=self._fraud.facts(account, number, where, source, called_by),
            exposures=() if emergency else self._brake.facts(levels),
        )

    def _pace(self, chain: tuple[Account, ...]) -> tuple[Pace, ...]:
        return self._paces.attempt([(account.name, account.maxcps) for account in chain], self._world.clock.monotonic())

    def _reserve(
        self,
        event: CallRequested,
        facts: CallFacts,
        prices: Prices,
        trunk: str,
        reports: tuple[str, ...],
        now: float,
        waits: int = 1,
    ) -> Refuse | None:
        """The lease, reserved before anything goes out to leg B; a Refuse when the ledger has not enough."""
        call = NewCall(
            event.call_id,
            _account_id(facts),
            facts.caller,
            facts.destination.number,
            facts.source,
            rate=facts.rate,
            emergency=facts.emergency,
            setup_at=self._world.clock.wall(),
            above=tuple(level.rate for level in facts.levels[1:]),
        )
        lease = self._store.open_call(call)
        if isinstance(lease, Shortfall):
            return shortfall_refusal(lease, facts)
        if prices.ways:
            self._pricing.opened(event.call_id, facts.destination.number, prices)
        settings = self._settings()
        cdr = self._cdr(facts, call.setup_at, trunk, reports)
        self._accounting.opened(cdr, lease, waits * (settings.callinittimeout + settings.ringtimeout), now)
        return None

    def _report(self, facts: CallFacts, decision: Decision) -> tuple[str, ...]:
        """What rules in report-only would have refused is logged and counted; the settings."""
        reports: list[Refuse] = list(getattr(decision, "reports", ()))
        if isinstance(decision, Allow) and not facts.emergency and facts.levels:
            short = self._spending.unheard(facts.levels, facts.source)
            reports += [] if short is None else [shortfall_refusal(short, facts)]
        for report in reports:
            self._spending.report(report.setting)
            _log.info(
                "call would be refused id=%s account=%s callee=%s stage=%s setting=%s: %s",
                facts.call_id, facts.account and facts.account.name, facts.destination.number, report.stage,
                report.setting, report.sentence,
            )  # fmt: skip
        return tuple(report.setting for report in reports)

    def _refuse(
        self,
        event: CallRequested,
        facts: CallFacts,
        refusal: Refuse,
        trunk: str,
        reports: tuple[str, ...],
        now: float,
    ) -> None:
        _log.info(
            "call refused id=%s account=%s callee=%s stage=%s setting=%s: %s",
            event.call_id, facts.account and facts.account.name, facts.destination.number, refusal.stage,
            refusal.setting, refusal.sentence,
        )  # fmt: skip
        cdr = self._cdr(facts, self._world.clock.wall(), trunk, reports)
        self._accounting.refused(cdr, refusal.status, refusal.sentence, refusal.setting)
        self._spending.refused(refusal, facts.account.name if facts.account is not None else "")
        cause = Cause.of_status(refusal.status)
        headers = [(b"reason", cause.reason())]
        if facts.account is not None:
            headers.append((b"warning", b'399 %b "%b"' % (WARNING_HOST, refusal.setting.encode())))
        self._b2bua.refuse(event.call_id, refusal.status, refusal.reason, tuple(headers), now)

    def _unreachable(self, event: CallRequested, facts: CallFacts, dialled: Dialled, now: float) -> None:
        """Allowed, but nobody is there: a user without a device, or trunks without a way."""
        where = facts.destination
        (q850, status), sentence, setting = absence(dialled)
        _log.info("call unreachable id=%s callee=%s: %s", event.call_id, where.number, sentence)
        self._accounting.unreachable(event.call_id, q850, sentence, setting)
        cause = Cause(q850, status, Cause.of_q850(q850).text)
        again = ((b"retry-after", b"%d" % NAME_RETRY_S),) if where.domain else ()
        self._b2bua.refuse(event.call_id, status, "", ((b"reason", cause.reason()), *again), now)

    def _plan(self, event: CallRequested, facts: CallFacts, caller: Caller) -> CallPlan:
        settings, callee = self._settings(), _forwarder(facts)
        ahead = callee.forwards if callee is not None else NO_FORWARDS
        patience_s = ahead.seconds if ahead.noanswer else settings.ringtimeout
        claimed = event.request.from_.display.strip(b'"').decode("utf-8", "replace")
        display = (caller.account.display_name if caller.account is not None else "") or claimed
        return CallPlan(
            caller_user=facts.caller,
            caller_display=display,
            asserted_identity=facts.caller,
            caller_is_trunk=caller.trunk is not None,
            forward_client_address=settings.forwardclientaddress,
            block_early_media=settings.blockearlymedia,
            block_early_media_in=settings.blockearlymedia_in,
            learn_sources=settings.checkrtpaddr != ANNOUNCED_ONLY,
            first_source_stays=settings.checkrtpaddr == FIRST_STAYS,
            ring_timeout_s=min(patience_s, settings.ringtimeout),
            diverts=ahead.waits,
            call_init_timeout_s=settings.callinittimeout,
            call_timeout_s=min(settings.calltimeout, settings.sessionabsolutetimeout),
            session_expires_s=int(settings.sessiontimer),
        )

    def _cdr(self, facts: CallFacts, setup_at: float, trunk: str, reports: tuple[str, ...] = ()) -> Cdr:
        """`trunk` is the one that the call came over; one that it goes out over takes its place."""
        return Cdr(
            facts.call_id,
            account=facts.account.name if facts.account is not None else "",
            caller=facts.caller,
            callee=facts.destination.number,
            source=facts.source,
            trunk=trunk,
            setup_at=setup_at,
            ended_by=EndedBy.APPLIANCE,
            emergency=facts.emergency,
            reports=reports,
        )


def _caller_number(event: CallRequested, caller: Caller) -> str:
    """What the callee sees: an account's own number or name, never a claim; a trunk's From is believed."""
    if caller.account is not None:
        return caller.account.numbers[0] if caller.account.numbers else caller.account.name
    return user_of(event.request.from_.uri)


def _forwarder(facts: CallFacts) -> Account | None:
    """The user of ours who is called, if he forwards calls at all. An emergency call goes where it was sent."""
    callee = facts.destination.account
    forwards = isinstance(callee, Account) and not facts.emergency and callee.forwards != NO_FORWARDS
    return callee if isinstance(callee, Account) and forwards else None


def _refusal(decision: Decision) -> Refuse | None:
    """What stands against a call. Who proved nothing has been challenged before: here it is not let in."""
    if isinstance(decision, Challenge):
        return Refuse(decision.stage, decision.setting, 403, "Forbidden", decision.sentence)
    return decision if isinstance(decision, Refuse) else None


def _account_id(facts: CallFacts) -> int | None:
    found = getattr(facts.account, "id", None)
    return found if isinstance(found, int) else None
