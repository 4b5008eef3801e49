"""Who is believed to be still there: devices whose login is younger than `cacheregistrations`, here and in the gate.

A REGISTER that such a device repeats needs no new challenge, and while the gate is there and little of the binding is
used up the gate itself answers it. The rule: the gate answers only in the first half of what was granted, and says
what is left of it. A device that keeps to what it is told comes back before that is over, finds the second half, and
is renewed here; no binding is lost, and none is made longer by anybody but the registrar. RFC 3261 section 10.3.
"""

from appliance import wire
from appliance.config.settings import Settings
from pysrv.calls.registrar import Outcome
from pysrv.service.authentication import Unproven
from pysrv.service.logins import Login, Logins, Proof, login_of
from pysrv.service.surroundings import Surroundings
from pysrv.sip.digest import AuthOutcome
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.store import Store
from pysrv.store.rows import Account

MOST_BYTES = 200  # of a header that the gate compares
LEAST_S = 1.0  # for less the gate is not asked


class Trust:
    """Logins that are remembered, and what the gate was told of them."""

    def __init__(self, store: Store, settings: Settings, world: Surroundings) -> None:
        self._store, self._world = store, world
        self._logins = Logins(settings.cacheregistrations)
        self._answered: dict[str, set[str]] = {}  # account to what its devices' To said, for those the gate answers
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Another cacheregistrations (0: nobody is believed) and what becomes of a device that comes back in time."""
        longest_s, slides = settings.sessionabsolutetimeout, not settings.authfastusers
        self._logins.use(settings.cacheregistrations, slides=slides, longest_s=longest_s)
        for account in list(self._answered):
            self._withdraw(account)

    def believed(self, request: Request, flow: Flow) -> Account | None:
        """Whose refresh this is, if it needs no challenge. One with credentials is checked like any other."""
        if request.method != b"REGISTER" or b"authorization" in request.headers:
            return None
        return self._account(request, flow)

    def believed_again(self, request: Request, flow: Flow, unproven: Unproven) -> Account | None:
        """The same for one that brought the right password under a nonce that has become too old."""
        if request.method != b"REGISTER" or unproven.outcome is not AuthOutcome.STALE:
            return None
        account = self._account(request, flow)
        return account if account is not None and account.name == unproven.user else None

    def _account(self, request: Request, flow: Flow) -> Account | None:
        proof = self._logins.believed(request, flow, self._world.clock.wall())
        return None if proof is None else self._store.account(proof.account)

    def registered(self, request: Request, flow: Flow, account: str, outcome: Outcome, *, proven: bool) -> None:
        """A REGISTER of this account was answered. `proven`: it brought the password."""
        now = self._world.clock.wall()
        if outcome.status != 200:
            return
        if proven:
            proof = self._logins.proven(request, flow, account, now)
        else:
            proof = self._logins.prolonged(request, flow, now)
        self._withdraw(account)
        refresh = None if proof is None else self._refresh(request, flow, outcome, proof, now)
        if refresh is not None:
            self._answered.setdefault(account, set()).add(refresh.address_of_record)
            self._world.gate.remember(refresh)

    def failed(self, unproven: Unproven) -> None:
        """Credentials were refused: a wrong password ends all belief in that user."""
        if unproven.outcome is AuthOutcome.WRONG_PASSWORD:
            self.forget_account(unproven.user)

    def forget_account(self, account: str) -> None:
        """The account was changed, or lost a device."""
        self._logins.forget_account(account)
        self._withdraw(account)

    def forget_source(self, prefix: str, port: int = 0) -> None:
        """An address, a network or one port was banned. The gate forgets by itself; here, too."""
        self._logins.forget_source(prefix, port)

    def _withdraw(self, account: str) -> None:
        for address_of_record in self._answered.pop(account, ()):
            self._world.gate.forget(wire.RefreshRef(address_of_record))

    def _refresh(self, request: Request, flow: Flow, outcome: Outcome, proof: Proof, now: float) -> wire.Refresh | None:
        """What the gate may answer; None where its answer could not be the registrar's."""
        login, expires = login_of(request, flow), request.headers.get(b"expires") or b""
        if login is None or flow.transport != "udp" or len(outcome.bindings) != 1 or not _is_plain(request, login):
            return None
        binding = outcome.bindings[0]
        until = min(self._logins.until(proof), binding.expires_at - (binding.expires_at - now) / 2)
        if binding.reg_id or binding.path or binding.flow != flow or until < now + LEAST_S:
            return None
        said = (login.to.decode("utf-8"), login.contact.decode("utf-8"))
        return wire.Refresh(*flow.remote, *said, binding.expires_at, until, expires.decode("utf-8"))


def _is_plain(request: Request, login: Login) -> bool:
    """Whether the gate can compare and answer it: short, in UTF-8, nothing demanded, the address in brackets."""
    values = (login.to, login.contact, request.headers.get(b"expires") or b"")
    try:
        texts = [value.decode("utf-8") for value in values]
    except UnicodeDecodeError:
        return False
    short = all(len(value) <= MOST_BYTES for value in values)
    return short and all(text.isprintable() for text in texts) and b"<" in login.contact and not request.require
