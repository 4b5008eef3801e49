"""Requests outside of any dialog: whose they are, and what becomes of them. RFC 3261 8.2, 12.2.2.

Who proves nothing is refused and what that failed in is handed to strangers' and defence's counters; what belongs to no
call is answered without state. Must not know: money, routes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.config.settings import Settings
from pysrv.billing.number import normalise
from pysrv.calls.b2bua import B2bua
from pysrv.limits.input import Found, first_refused
from pysrv.service.authentication import Authentication, Unproven
from pysrv.service.defence import Defence
from pysrv.service.entry import Caller, user_in
from pysrv.service.paging import Paging
from pysrv.service.registration import Registration
from pysrv.service.strangers import Strangers
from pysrv.service.trust import Trust
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import RequestReceived, TransactionKey
from pysrv.sip.message import Request, Response, response_to

ALLOW = b"INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY, REGISTER"
_log = logging.getLogger("pysrv.sip")
_OPTIONS = ((b"allow", ALLOW), (b"accept", b"application/sdp"), (b"supported", b"100rel, timer, replaces"))


def is_fresh(request: Request) -> bool:
    """Whether a request stands outside of any dialog. A registration always does: a To tag in it means nothing, and
    some phones repeat the one of the challenge."""
    return request.method == b"REGISTER" or (request.to.tag is None and request.method != b"OPTIONS")


@dataclass(slots=True)
class Requests:
    """What decides on a request, and who asks for the call that is being decided (`asking`, by its transaction).

    `pump_calls` lets the call that an INVITE began be decided at once.
    """

    endpoint: Endpoint
    b2bua: B2bua
    authentication: Authentication
    trust: Trust
    strangers: Strangers
    defence: Defence
    registration: Registration
    paging: Paging
    pump_calls: Callable[[float], None]
    settings: Callable[[], Settings]
    input_refused: Callable[[str], None]
    asking: dict[TransactionKey, Caller] = field(default_factory=dict)

    def ignored(self, event: RequestReceived) -> bool:
        """Whether a scanner sent it: then it gets no answer at all."""
        request = event.request
        if request.to.tag is not None or not self.strangers.is_scanner(request, event.flow):
            return False
        self.endpoint.ignore(request)
        return True

    def fresh(self, event: RequestReceived, now: float) -> None:
        """A request outside of any dialog: whose is it?"""
        method = event.request.method
        if method not in (b"INVITE", b"REGISTER", b"MESSAGE"):
            if not self.b2bua.handle(event, now):
                self.outside_calls(event)
            return
        believed = self.trust.believed(event.request, event.flow)
        caller = Caller(account=believed, proven=False) if believed is not None else self._caller(event)
        if isinstance(caller, Unproven):
            self._answer(event, response_to(event.request, caller.status, headers=caller.headers))
        elif (found := self._screened(event.request)) is not None:
            self._refuse_input(event, found)
        elif method == b"INVITE":
            self._invited(event, caller, now)
        elif method == b"MESSAGE":
            self.paging.message(event, caller, now)
        elif caller.account is not None:
            answer = self.registration.register(
                event.request, event.flow, caller.account, proven=caller.proven, how=caller.how
            )
            self.endpoint.respond(event.key, answer, now)

    def outside_calls(self, event: RequestReceived) -> None:
        """Requests that belong to no call: anybody may send them, so their answers keep no state."""
        request = event.request
        self.strangers.asked(request, event.flow)
        match request.method:
            case b"OPTIONS":
                self._answer(event, response_to(request, 200, headers=_OPTIONS))
            case b"BYE" | b"INFO" | b"UPDATE" | b"PRACK" | b"NOTIFY" | b"REFER":
                self._answer(event, response_to(request, 481))
            case b"SUBSCRIBE" | b"PUBLISH":
                self._answer(event, response_to(request, 489))
            case _:
                self.defence.meaningless(request, event.flow)
                self._answer(event, response_to(request, 405, headers=[(b"allow", ALLOW)]))

    def _caller(self, event: RequestReceived) -> Caller | Unproven:
        """Whose a request is that nobody is believed to have sent; what it fails in has consequences."""
        request, flow = event.request, event.flow
        caller = self.authentication.caller(request, flow, proxy=request.method != b"REGISTER")
        if not isinstance(caller, Unproven):
            return caller
        believed = self.trust.believed_again(request, flow, caller)
        if believed is not None:
            return Caller(account=believed, proven=False)
        self.strangers.refused(request, flow, caller)
        self.trust.failed(caller)
        return caller

    def _screened(self, request: Request) -> Found | None:
        """What validateinput refuses in the names of a request, which end up in records and on others' displays. Who
        calls for help is let through whatever his telephone calls itself."""
        settings, dialled = self.settings(), user_in(request.uri)
        if normalise(dialled) in settings.emergencynumbers:
            return None
        names = {"Request-URI": dialled, "From": user_in(request.from_.uri), "To": user_in(request.to.uri)}
        display = request.from_.display.decode("utf-8", "replace")
        return first_refused(settings.validateinput, names | {"display name": display})

    def _refuse_input(self, event: RequestReceived, found: Found) -> None:
        self.input_refused(found.rule.name)
        level = self.settings().validateinput
        _log.info(
            "request refused source=%s: its %s holds %s (validateinput %d)", event.flow.remote[0], found.field,
            found.rule.words, level,
        )  # fmt: skip
        self._answer(event, response_to(event.request, 400, headers=[(b"warning", b'399 appliance "validateinput"')]))

    def _invited(self, event: RequestReceived, caller: Caller, now: float) -> None:
        """A call that somebody proven asks for. It is decided here and now, so the caller is remembered no longer."""
        self.asking[event.key] = caller
        self.b2bua.handle(event, now)
        self.pump_calls(now)
        del self.asking[event.key]

    def _answer(self, event: RequestReceived, response: Response) -> None:
        self.endpoint.respond_stateless(event.request, response, event.flow)
