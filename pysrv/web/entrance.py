"""The pages before all others: the way in for each kind of person, the second factor, the way out."""

from urllib.parse import urlsplit

from aiohttp import web

from appliance.wire import WireError
from pysrv.store.web import PersonKind
from pysrv.web import ceremony
from pysrv.web.acting import LANGUAGE_COOKIE, backing, form, home, page, seen
from pysrv.web.identity import COOKIE, IDENTITY, identity
from pysrv.web.logins import LOGINS, set_cookie
from pysrv.web.port import portal_url
from pysrv.web.problems import status_of
from pysrv.web.rendering import LANGUAGES
from pysrv.web.routes import Route

YEAR_S = 365 * 86_400
_ROOMS = {"panel": PersonKind.ADMINISTRATOR, "portal": PersonKind.ACCOUNT}


async def front(request: web.Request) -> web.Response:
    """/: each to where he belongs."""
    who = request.get(IDENTITY)
    if who is not None:
        return seen(home(who.kind))
    if backing(request).administers(request.remote or ""):
        return seen("/panel/")
    return seen(portal_url(backing(request).settings()))


async def login_page(request: web.Request) -> web.Response:
    """The form."""
    return _form(request, None)


async def log_in(request: web.Request) -> web.Response:
    """What the form sends."""
    fields, kind = await form(request), _kind(request)
    if kind is PersonKind.ADMINISTRATOR and not backing(request).administers(request.remote or ""):
        raise WireError("forbidden", f"remoteadmin keeps {request.remote} from the administrators' part")
    posted = await request.post()
    password = posted.get("password", "")
    try:
        cookie, complete = await request.app[LOGINS].log_in(
            request, kind, fields.get("name", ""), password if isinstance(password, str) else ""
        )
    except WireError as error:
        return _form(request, error)
    answer = seen(_next(fields.get("next", ""), kind) if complete else "/panel/second")
    set_cookie(answer, cookie)
    return answer


async def second_page(request: web.Request) -> web.Response:
    """The second factor's form."""
    who = identity(request)
    if who.session is None or who.session.complete:
        return seen(home(who.kind))
    return _second(request, None)


async def second(request: web.Request) -> web.Response:
    """A code for the second factor."""
    who, fields = identity(request), await form(request)
    if who.session is None or who.session.complete:
        return seen(home(who.kind))
    try:
        cookie = await request.app[LOGINS].second(request, who, fields.get("code", ""))
    except WireError as error:
        return _second(request, error)
    answer = seen(home(who.kind))
    set_cookie(answer, cookie)
    return answer


async def second_by_passkey(request: web.Request) -> web.Response:
    """A passkey's answer for the second factor."""
    who, fields = identity(request), await form(request)
    if who.session is None or who.session.complete:
        return seen(home(who.kind))
    logins, address = request.app[LOGINS], request.remote or ""
    try:
        logins.wait(address, who.kind, who.name)
        try:
            ceremony.demand_passkey(request, who, fields.get("credential", ""))
        except WireError:
            logins.wrong(address, who.kind, who.name)
            raise
    except WireError as error:
        return _second(request, error)
    answer = seen(home(who.kind))
    set_cookie(answer, logins.completed(request, who))
    return answer


async def log_out(request: web.Request) -> web.Response:
    """The session ends."""
    who = identity(request)
    if who.session is not None:
        backing(request).store.end_session(who.session.digest, who.who)
        backing(request).turn()
    answer = seen(home(who.kind))
    answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    return answer


async def choose_language(request: web.Request) -> web.Response:
    """Another language for this browser."""
    fields = await form(request)
    answer = seen(_next(fields.get("next", ""), PersonKind.ACCOUNT))
    if fields.get("language") in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, fields["language"], max_age=YEAR_S, secure=True, httponly=True, samesite="Lax"
        )
    return answer


def _form(request: web.Request, error: WireError | None) -> web.Response:
    kind = _kind(request)
    return page(
        request,
        "web/login.html",
        status=status_of(error.code) if error else 200,
        kind=kind,
        action=request.path,
        error=error,
        next=_next(request.query.get("next", ""), kind),
    )


def _second(request: web.Request, error: WireError | None) -> web.Response:
    who = identity(request)
    person = who.administrator
    return page(
        request,
        "web/second.html",
        status=status_of(error.code) if error else 200,
        error=error,
        totp=person is not None and person.has_totp,
        passkeys=person.passkeys if person else 0,
        options=ceremony.asked(request, who, new=False) if person and person.passkeys else "",
    )


def _kind(request: web.Request) -> PersonKind:
    return _ROOMS[request.path.split("/")[1]]


def _next(wanted: str, kind: PersonKind) -> str:
    """Where to go after the login: a path of ours and nothing else (no open redirect, CWE-601)."""
    parts = urlsplit(wanted)
    inside = not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if inside and wanted.isprintable() and "\\" not in wanted else home(kind)


ROUTES = (
    Route("GET", "/", front, None),
    Route("GET", "/panel/login", login_page, None),
    Route("POST", "/panel/login", log_in, None),
    Route("GET", "/portal/login", login_page, None),
    Route("POST", "/portal/login", log_in, None),
    Route("GET", "/panel/second", second_page, half=True),
    Route("POST", "/panel/second", second, half=True),
    Route("POST", "/panel/second/passkey", second_by_passkey, half=True),
    Route("POST", "/panel/logout", log_out, half=True),
    Route("POST", "/portal/logout", log_out, PersonKind.ACCOUNT),
    Route("POST", "/language", choose_language, None),
)
