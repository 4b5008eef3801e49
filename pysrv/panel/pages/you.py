"""You: one's own details, password, second factors, sessions and tokens. Secrets are shown once.

The secret of an authenticator that is being set up lies in the session, kept as secrets are, until a right code shows
that it was taken over. Passkeys come by ordinary forms; a script only fills in what the authenticator says.
"""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.people import codes
from pysrv.people.permissions import SCOPED, Area
from pysrv.people.pictures import qr_picture
from pysrv.store.web import PersonKind, WebSession
from pysrv.web import ceremony
from pysrv.web.acting import backing, do, form, page, seen
from pysrv.web.identity import IDENTITY, identity
from pysrv.web.logins import LOGINS, set_cookie
from pysrv.web.problems import status_of
from pysrv.web.rendering import LANGUAGES
from pysrv.web.routes import Route

HERE = "/panel/you"
ISSUER = "Appliance"


async def index(request: web.Request) -> web.Response:
    """/panel/you"""
    return _you(request)


async def change(request: web.Request) -> web.Response:
    """Name, address, language."""
    fields = await form(request)
    wanted: dict[str, Any] = {name: fields[name] for name in ("display_name", "email", "language") if name in fields}
    return _done(request, "own.set", wanted)


async def password(request: web.Request) -> web.Response:
    """Another password, against the old one. Every session ends; this one goes on under a new cookie."""
    posted = await request.post()
    old, new, again = (str(posted.get(name, "")) for name in ("old", "password", "again"))
    who, logins = identity(request), request.app[LOGINS]
    try:
        if new != again:
            raise WireError("invalid", "the two new passwords differ", "type the same one twice")
        request[IDENTITY] = await logins.prove(request, who, old)
        do(request, "own.password", {"password": new})
    except WireError as error:
        return _you(request, error)
    answer = seen(HERE)
    set_cookie(answer, logins.begin(request, PersonKind.ADMINISTRATOR, who.name))
    return answer


async def begin_totp(request: web.Request) -> web.Response:
    """A new shared secret, which the session keeps until a right code confirms it."""
    session, store = _proven(request), backing(request).store
    store.hold_totp(session.digest, session.name, codes.new_secret())
    backing(request).turn()
    return seen(f"{HERE}/totp")


async def totp_page(request: web.Request) -> web.Response:
    """The QR code and the form for a code."""
    return _totp(request, None)


async def confirm_totp(request: web.Request) -> web.Response:
    """The code that shows that the authenticator has the secret."""
    session, store = _proven(request), backing(request).store
    secret = store.held_totp(session.digest, session.name)
    if not secret:
        return seen(HERE)
    try:
        do(request, "own.totp", {"secret": secret, "code": (await form(request)).get("code", "")})
    except WireError as error:
        return _totp(request, error)
    store.challenge_session(session.digest, "")
    backing(request).turn()
    return _with_codes(request)


async def totp_off(request: web.Request) -> web.Response:
    """No codes any more."""
    return _done(request, "own.totp", {})


async def recovery_codes(request: web.Request) -> web.Response:
    """New recovery codes, shown this once."""
    return _with_codes(request)


async def new_passkey(request: web.Request) -> web.Response:
    """What the browser asks the authenticator."""
    _proven(request)
    return _passkey(request, None)


async def add_passkey(request: web.Request) -> web.Response:
    """The authenticator's answer."""
    _proven(request)
    fields = await form(request)
    try:
        made = ceremony.registered(request, identity(request), fields.get("credential", ""))
        args = {"id": made.id.hex(), "public_key": made.public_key.hex(), "sign_count": made.sign_count}
        do(request, "own.passkey", {**args, "label": fields.get("label", "") or "passkey"})
    except WireError as error:
        return _passkey(request, error)
    return seen(HERE)


async def drop_passkey(request: web.Request) -> web.Response:
    """One passkey less."""
    return _done(request, "own.forget", {"id": (await form(request)).get("id", "")})


async def end_session(request: web.Request) -> web.Response:
    """One of the own sessions."""
    return _done(request, "own.revoke", {"id": (await form(request)).get("id", "")})


async def add_token(request: web.Request) -> web.Response:
    """A token, shown this once."""
    fields = await form(request)
    days = fields.get("days", "")
    args = {"label": fields.get("label", ""), "scopes": fields.get("scopes", "").split()}
    try:
        made = do(request, "own.token", {**args, "days": float(days) if days.isascii() and days.isdigit() else -1.0})
    except WireError as error:
        if error.code == "unproven":
            raise
        return _you(request, error, values=fields)
    return page(request, "panel/you_once.html", token=made["token"], until=made["expires_at"], codes=[])


async def drop_token(request: web.Request) -> web.Response:
    """It opens nothing any more."""
    text = (await form(request)).get("id", "")
    return _done(request, "own.untoken", {"id": int(text) if text.isascii() and text.isdigit() else 0})


def _done(request: web.Request, verb: str, args: dict[str, Any]) -> web.Response:
    try:
        do(request, verb, args)
    except WireError as error:
        if error.code == "unproven":
            raise
        return _you(request, error)
    return seen(HERE)


def _you(request: web.Request, error: WireError | None = None, values: dict[str, str] | None = None) -> web.Response:
    session = identity(request).session
    return page(
        request,
        "panel/you.html",
        status=status_of(error.code) if error else 200,
        error=error,
        you=do(request, "own.show"),
        this=session.digest[:16] if session else "",
        tongues=[("", "–"), *LANGUAGES.items()],
        areas=[str(area) for area in SCOPED],
        values=values or {},
    )


def _totp(request: web.Request, error: WireError | None) -> web.Response:
    session = identity(request).session
    secret = backing(request).store.held_totp(session.digest, session.name) if session else ""
    if session is None or not secret:
        return seen(HERE)
    uri = codes.provisioning_uri(secret, session.name, ISSUER)
    status = status_of(error.code) if error else 200
    return page(request, "panel/you_totp.html", status=status, error=error, picture=qr_picture(uri), secret=secret)


def _passkey(request: web.Request, error: WireError | None) -> web.Response:
    options = ceremony.asked(request, identity(request), new=True)
    status = status_of(error.code) if error else 200
    return page(request, "panel/you_passkey.html", status=status, error=error, options=options)


def _with_codes(request: web.Request) -> web.Response:
    try:
        made = do(request, "own.codes")["codes"]
    except WireError as error:
        if error.code == "unproven":
            raise
        return _you(request, error)
    return page(request, "panel/you_once.html", token="", until=0.0, codes=made)


def _proven(request: web.Request) -> WebSession:
    """The session, whose password was typed a short while ago. Raises WireError("unproven")."""
    who = identity(request)
    if who.session is None or not who.licence.proven:
        raise WireError("unproven", "this wants your password again", "type it, then repeat what you did")
    return who.session


ROUTES = (
    Route("GET", HERE, index, area=Area.OWN, menu="You", group="People"),
    Route("POST", f"{HERE}/set", change, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/password", password, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/totp-begin", begin_totp, area=Area.OWN, writes=True),
    Route("GET", f"{HERE}/totp", totp_page, area=Area.OWN),
    Route("POST", f"{HERE}/totp", confirm_totp, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/totp-off", totp_off, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/codes", recovery_codes, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/passkey-new", new_passkey, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/passkey-add", add_passkey, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/passkey-drop", drop_passkey, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/session-end", end_session, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/token-add", add_token, area=Area.OWN, writes=True),
    Route("POST", f"{HERE}/token-drop", drop_token, area=Area.OWN, writes=True),
)
