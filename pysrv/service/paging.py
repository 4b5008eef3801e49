"""MESSAGE outside of calls (RFC 3428, pager mode): proven senders reach the devices of other users.

The text is passed on and not kept. One copy goes to each device of the callee; the sender is told the best answer.
Those who write over the API send from their account's name, and are told how many devices a copy went to.
"""

from dataclasses import dataclass, field

from pysrv.calls.registrar import Registrar
from pysrv.service.entry import Caller, user_in
from pysrv.service.surroundings import Surroundings
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import RequestReceived, RequestTimedOut, ResponseReceived, TransactionKey, TransportFailed
from pysrv.sip.message import Request, response_to
from pysrv.sip.uri import Uri, escape_user
from pysrv.store import Store

MAX_BODY_BYTES = 1300  # RFC 3428 section 8: a MESSAGE outside of a session stays below the MTU
_PLAIN = b"text/plain;charset=utf-8"
_PASSED = (b"content-type", b"date", b"subject", b"content-language")


@dataclass(slots=True)
class _Page:
    """One MESSAGE on its way: who asked (None: the API), and which copies are not answered yet."""

    asked: RequestReceived | None
    open: set[TransactionKey] = field(default_factory=set)
    best: int = 408


class Paging:
    """All messages on their way."""

    def __init__(self, store: Store, endpoint: Endpoint, registrar: Registrar, world: Surroundings) -> None:
        self._store, self._endpoint, self._registrar, self._world = store, endpoint, registrar, world
        self._pages: dict[TransactionKey, _Page] = {}

    def message(self, event: RequestReceived, caller: Caller, now: float) -> None:
        """Pass one MESSAGE on, or say why not."""
        request = event.request
        if caller.account is None or caller.lacks_prefix:
            self._answer(event, 403, now)
            return
        if len(request.body) > MAX_BODY_BYTES:
            self._answer(event, 513, now)
            return
        user = caller.dialled(user_in(request.uri))
        account = self._store.account(user) or self._store.account_by_number(user.lstrip("+"))
        bindings = self._registrar.bindings(account.name, self._world.clock.wall()) if account is not None else ()
        if not bindings:
            self._answer(event, 404 if account is None else 480, now)
            return
        page = _Page(event)
        for binding in bindings:
            copy = self._copy(request, caller.account.name, user, binding.contact, binding.flow.local[0])
            key = self._endpoint.send_request(copy, binding.flow, now)
            page.open.add(key)
            self._pages[key] = page

    def send(self, sender: str, user: str, text: str, now: float) -> int:
        """A text from an account to a user; returns how many devices it goes to, 0: nobody is registered."""
        account = self._store.account(user) or self._store.account_by_number(user.lstrip("+"))
        bindings = self._registrar.bindings(account.name, self._world.clock.wall()) if account is not None else ()
        page = _Page(None)
        for binding in bindings:
            plain = Request.new(b"MESSAGE", binding.contact, [(b"content-type", _PLAIN)], text.encode())
            copy = self._copy(plain, sender, user, binding.contact, binding.flow.local[0])
            key = self._endpoint.send_request(copy, binding.flow, now)
            page.open.add(key)
            self._pages[key] = page
        return len(bindings)

    def handle(self, event: ResponseReceived | RequestTimedOut | TransportFailed, now: float) -> bool:
        """The fate of a copy; False: not one of ours."""
        page = self._pages.get(event.key)
        if page is None:
            return False
        if isinstance(event, ResponseReceived):
            if event.response.status < 200:
                return True
            page.best = min(page.best, event.response.status)
        del self._pages[event.key]
        page.open.discard(event.key)
        if not page.open and page.asked is not None:
            self._answer(page.asked, page.best if page.best < 300 or page.best >= 400 else 480, now)
        return True

    def _copy(self, request: Request, sender: str, user: str, contact: Uri, local: str) -> Request:
        """The MESSAGE for one device: our own identifiers, the sender's proven name."""
        host = f"[{local}]" if ":" in local else local
        tokens = self._world.tokens
        headers = [
            (b"from", b"<sip:%b@%b>;tag=%b" % (escape_user(sender.encode()), host.encode(), tokens())),
            (b"to", b"<sip:%b@%b>" % (escape_user(user.encode()), host.encode())),
            (b"call-id", tokens()),
            (b"cseq", b"1 MESSAGE"),
            *((name, value) for name in _PASSED if (value := request.headers.get(name)) is not None),
        ]
        return Request.new(b"MESSAGE", contact, headers, request.body)

    def _answer(self, event: RequestReceived, status: int, now: float) -> None:
        self._endpoint.respond(event.key, response_to(event.request, status), now)
