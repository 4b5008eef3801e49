"""Every request passes here: who asks, may they, is a form their own, and what a refusal looks like.

A form is the session's own when it carries the session's token and its Origin is ours (OWASP: synchronizer token, and
the Fetch standard's Origin and Sec-Fetch-Site): a page elsewhere can make a browser send a cookie, but neither.
"""

import hmac
import logging
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError
from aiohttp.typedefs import Handler

from appliance.wire import WireError
from pysrv.store.web import PersonKind, digest_of
from pysrv.web.acting import BACKING, form, heard, of_cookie, of_token, page
from pysrv.web.guesses import network
from pysrv.web.identity import IDENTITY, Identity
from pysrv.web.logins import LOGINS
from pysrv.web.pace import Paces, TooFast
from pysrv.web.problems import problem, status_of
from pysrv.web.refusals import WHY
from pysrv.web.routes import Route
from pysrv.web.transfer import UPLOAD, receive

CODES: Final = {
    400: "bad_args",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    417: "expectation_failed",
    429: "too_many",
}
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
TOKEN_FIELD, PASSWORD_FIELD = "form_token", "proof_password"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PROGRAMS: Final = ("/api/", "/mvapireq")  # who comes there reads problems, not pages
OLDER: Final = "/mvapireq"
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
SERVER = "appliance"  # whatever version of whatever library it is


@dataclass(frozen=True, slots=True)
class AllPaces:
    """Of tokens, of addresses at the API without one, of people, and of addresses that nobody has logged in from."""

    tokens: Paces
    strangers: Paces
    people: Paces
    visitors: Paces


PACES: Final = web.AppKey("paces", AllPaces)
RATES: web.RequestKey[dict[str, str]] = web.RequestKey("rates", dict)
_log = logging.getLogger("pysrv.web")


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost: a refusal becomes an answer; a fault of our own is one line in the log and says nothing."""
    heard(request)
    try:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise WireError("unsupported_media_type", "bodies are taken as they are", "send it without compression")
        return await handler(request)
    except WireError as error:
        return refused(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        told = WireError(_code(error.status), error.reason)
        if error.status == 404 and not request.path.startswith(PROGRAMS):
            told = WireError("not_found", "there is no such page", "the address is wrong, or the page has moved")
        return refused(request, told, error.status, error.headers.get("Allow"))
    except ConnectionError:
        raise
    except (web.RequestPayloadError, PayloadEncodingError):
        return refused(request, WireError("bad_args", "the body cannot be read", "it does not end as it says"))
    except Exception as error:
        _log.error("web: %s of %s failed: %s: %s", request.method, request.path, type(error).__name__, error)
        return refused(request, WireError("internal", "a fault of the appliance", "its log says more"))


@web.middleware
async def strays(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who asks for a page that there is not: it looks like any other page to somebody who is logged in."""
    if request.match_info.http_exception is not None and not request.path.startswith(PROGRAMS) and request.cookies:
        who = _of_cookie(request)
        _unhurried(request, who)
        far = who is not None and who.kind is PersonKind.ADMINISTRATOR
        if not far or request.app[BACKING].administers(request.remote or ""):
            request[IDENTITY] = who
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries, unless it says otherwise itself."""
    for name, value in (HEADERS | request.get(RATES, {})).items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = SERVER


def guarded(route: Route) -> Handler:
    """A route's answer behind everything that the route demands."""

    async def answer(request: web.Request) -> web.StreamResponse:
        who = _asks(request, route)
        request[IDENTITY] = who
        if route.token:
            _slowed(request, who)
        elif not (route.sessionless and request.path.startswith(PROGRAMS)):  # those have a pace of their own
            _unhurried(request, who)
        if route.kind is not None:
            turned_away = _turned_away(request, route, who)
            if turned_away is not None:
                return turned_away
        if request.method in UNSAFE and not route.token:
            await _own_form(request, route, who)
        await _screened(request, route)
        try:
            return await route.answer(request)
        except WireError as error:
            if error.code == "unproven" and request.method == "POST" and not (route.token or route.uploads):
                return page(request, "web/prove.html", status=403, fields=_fields(await form(request)), wrong=False)
            raise

    return answer


def refused(
    request: web.Request, error: WireError, status: int | None = None, allow: str | None = None
) -> web.Response:
    """A refusal as the one who asks reads it."""
    headers = {"Allow": allow} if allow else {}
    if isinstance(error, TooFast):
        headers |= error.headers
    if request.path.startswith(PROGRAMS):
        return problem(error, headers, status)
    shown = page(request, "web/refused.html", status=status or status_of(error.code), error=error)
    shown.headers.update(headers)
    return shown


def _asks(request: web.Request, route: Route) -> Identity | None:
    if route.token:
        return of_token(request)
    return _of_cookie(request)


def _of_cookie(request: web.Request) -> Identity | None:
    who = of_cookie(request)
    if who is not None and who.session is not None:
        request.app[LOGINS].seen(who.session)
    return who


def _slowed(request: web.Request, who: Identity | None) -> None:
    """Programs have a pace, those who come without a token a slower one. Raises TooFast."""
    paces = request.app[PACES]
    if who is None:
        hint = "send Authorization: Bearer TOKEN"
        paces.strangers.check(
            network(request.remote or ""), time.monotonic(), "too many requests without a token", hint
        )
        return
    words = "this token asks too fast"
    key = digest_of(request.headers["Authorization"].partition(" ")[2].strip())
    taken = paces.tokens.check(key, time.monotonic(), words, "wait as long as Retry-After says")
    request[RATES] = taken.headers


def _unhurried(request: web.Request, who: Identity | None) -> None:
    """People have a pace too: one for all sessions of a person, one for each address before the login. Raises
    TooFast."""
    paces, now = request.app[PACES], time.monotonic()
    words, hint = "too many requests", "wait a few seconds, then open the page again"
    if who is None:
        paces.visitors.check(network(request.remote or ""), now, words, hint)
    else:
        paces.people.check(f"{who.kind}:{who.name}", now, words, hint)


def _turned_away(request: web.Request, route: Route, who: Identity | None) -> web.StreamResponse | None:
    """The answer to somebody who may not be here. Raises WireError."""
    office = request.app[BACKING]
    if route.kind is PersonKind.ADMINISTRATOR and not office.administers(request.remote or ""):
        hint = "come through the tunnel or from an allowed address, or set remoteadmin to 2 on the appliance itself"
        raise WireError("forbidden", f"remoteadmin keeps {request.remote} from the administrators' part", hint)
    if who is None:
        if route.token:
            raise WireError("unauthorized", "a token of this appliance is needed", "send Authorization: Bearer TOKEN")
        return _to_login(request, route)
    if route.kind is not who.kind:
        return _to_login(request, route)
    if who.session is not None and not who.session.complete and not route.half:
        return web.Response(status=303, headers={"Location": "/panel/second"})
    if not who.fits(route.of_type):
        raise WireError("forbidden", f"this page is for a {route.of_type} alone")
    if route.area is not None and not who.may(route.area, writes=route.writes):
        how = "change" if route.writes else "see"
        raise WireError("forbidden", f"your role may not {how} {route.area}", "an owner can give you another role")
    return None


def _to_login(request: web.Request, route: Route) -> web.Response:
    assert route.kind is not None
    room = "panel" if route.kind is PersonKind.ADMINISTRATOR else "portal"
    if request.method != "GET":
        raise WireError("unauthorized", "your session has ended", "log in again")
    return web.Response(status=303, headers={"Location": f"/{room}/login?next={quote(request.path_qs, safe='')}"})


async def _read(request: web.Request) -> None:
    """The form, once for everybody who asks for it later. Raises WireError for what is none, or says itself that it is
    too large."""
    if (request.content_length or 0) > request.client_max_size:
        raise WireError("too_large", f"a form has at most {request.client_max_size} bytes")
    try:
        await request.post()
    except (ValueError, LookupError):  # no boundary, a part that is none, letters that are none, an unknown alphabet
        raise WireError("bad_args", "the form cannot be read", "open the page again and repeat it") from None


async def _own_form(request: web.Request, route: Route, who: Identity | None) -> None:
    """Raises WireError("forbidden") for a form that a page of somebody else has sent."""
    if not route.sessionless and not _same_origin(request):
        request[WHY] = "foreign_form"
        raise WireError("forbidden", "this form does not come from a page of the appliance", "open the page again")
    if not (route.uploads or route.sessionless):
        await _read(request)
    if who is None or route.kind is None or route.sessionless:
        return  # whoever logs in, or chooses a language, does so from whatever page he had
    if route.uploads:
        _uploads_allowed(request)
        request[UPLOAD] = await receive(request)
        fields = request[UPLOAD].fields
    else:
        fields = await form(request) if request.content_type != "application/json" else {}
    told: str = fields.get(TOKEN_FIELD) or request.headers.get("X-Form-Token") or ""
    if not hmac.compare_digest(told.encode(), who.form_token.encode()):
        request[WHY] = "foreign_form"
        raise WireError("forbidden", "this form is of another session", "open the page again and repeat it")
    if PASSWORD_FIELD in fields:
        # As it is: a password may begin or end with a space.
        typed = fields[PASSWORD_FIELD] if route.uploads else (await request.post()).get(PASSWORD_FIELD)
        request[IDENTITY] = await request.app[LOGINS].prove(request, who, typed if isinstance(typed, str) else "")


def _uploads_allowed(request: web.Request) -> None:
    if not request.app[BACKING].settings().allowhttpfileupload:
        hint = "set it to true, or import on the command line"
        raise WireError("forbidden", "files cannot be uploaded here (allowhttpfileupload)", hint)


def _same_origin(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc == request.host and urlsplit(origin).scheme == request.scheme


async def _screened(request: web.Request, route: Route) -> None:
    """What is in the address, and in the form of somebody who is not logged in; verbs look at all others themselves,
    and the older entry point answers in a form of its own. Raises WireError."""
    if request.path.startswith(OLDER):
        return
    screen = request.app[BACKING].control.screen
    screen({**request.match_info, **request.query})
    if request.method == "POST" and route.kind is None and request.content_type in FORMS:
        screen(await form(request))


def _fields(posted: dict[str, str]) -> dict[str, str]:
    """What the form is sent with again, once the password was typed."""
    return {name: text for name, text in posted.items() if name not in (TOKEN_FIELD, PASSWORD_FIELD)}


def _code(status: int) -> str:
    return CODES.get(status, "invalid")
