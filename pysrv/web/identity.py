"""Who is asking: an administrator, an end user or a program, out of a cookie or a token, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from pysrv.control.session import Licence
from pysrv.people.permissions import PROOF_S, Area, Powers, Role
from pysrv.store import Store
from pysrv.store.account import Account, AccountType
from pysrv.store.people import Administrator
from pysrv.store.web import PersonKind, WebSession

COOKIE = "__Host-session"
CLEAR_COOKIE = "session"  # of the portal without TLS (usetlsforweb); it opens nothing over TLS
IDLE_S = 3600.0
HALF_S = 600.0  # how long a login may wait for its second factor
TOUCH_S = 30.0  # how exactly it is known when a session was seen last


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `session` None: a program with a token."""

    kind: PersonKind
    name: str
    licence: Licence
    session: WebSession | None = None
    administrator: Administrator | None = None
    account: Account | None = None

    @property
    def who(self) -> str:
        """The name in the audit trail."""
        prefix = "web" if self.kind is PersonKind.ADMINISTRATOR else "portal"
        prefix = "token" if self.session is None else prefix
        return f"{prefix}:{self.name}"

    @property
    def form_token(self) -> str:
        """What every form of this session carries."""
        return self.session.form_token if self.session else ""

    @property
    def language(self) -> str:
        """The language that they chose; empty: the browser's."""
        person = self.administrator or self.account
        return person.language if person is not None else ""

    def fits(self, wanted: AccountType | None) -> bool:
        """Whether they are an account of that type; None: it does not matter."""
        return wanted is None or (self.account is not None and self.account.type is wanted)

    def may(self, area: Area, *, writes: bool = False) -> bool:
        """Whether the table of permissions lets them."""
        return self.licence.powers.allow(area, writes=writes)

    def may_change(self, areas: Iterable[Area]) -> bool:
        """Whether they may change everything in all of these."""
        return all(self.may(area, writes=True) for area in areas)


NOBODYS_POWERS = Powers({})
IDENTITY: web.RequestKey[Identity | None] = web.RequestKey("identity", object)  # type: ignore[arg-type]


def of_cookie(store: Store, cookie: str, now: float, longest_s: float) -> Identity | None:
    """Whose session a cookie is; None: of none that lasts. An account has no powers in the table: its portal shows it
    nothing but itself.
    """
    session = store.web_session(cookie)
    if session is None or now - session.created_at > longest_s or now - session.seen_at > IDLE_S:
        return None
    if not session.complete and now - session.created_at > HALF_S:
        return None
    proven = now - session.proven_at <= PROOF_S
    if session.kind is PersonKind.ACCOUNT:
        account = store.account(session.name)
        if account is None or not account.enabled:
            return None
        return Identity(session.kind, session.name, Licence(NOBODYS_POWERS, proven), session, None, account)
    person = store.administrator(session.name)
    if person is None or not person.enabled:
        return None
    return Identity(session.kind, session.name, Licence(Powers.of(person.role), proven, person.name), session, person)


def of_token(store: Store, token: str) -> Identity | None:
    """For whom a token acts, with what of his powers its scopes leave."""
    found = store.api_token(token)
    person = store.administrator(found.name) if found else None
    if found is None or person is None or not person.enabled:
        return None
    powers = Powers.of(Role(person.role)).narrowed(found.scopes)
    return Identity(PersonKind.ADMINISTRATOR, person.name, Licence(powers, proven=True), None, person)


def identity(request: web.Request) -> Identity:
    """Who asks. The guard has seen to it that somebody does."""
    found: Identity | None = request.get(IDENTITY)
    if found is None:
        raise web.HTTPUnauthorized
    return found
