"""What a handler does: ask a verb, read a form, answer with a page. The request knows whose it is."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.control.firewall import waiting_areas
from pysrv.control.session import Session
from pysrv.people.permissions import Area
from pysrv.service.changes import new_rules
from pysrv.store.web import PersonKind
from pysrv.web import identity as people
from pysrv.web.backing import Backing
from pysrv.web.doors import Visit
from pysrv.web.identity import CLEAR_COOKIE, COOKIE, IDENTITY, Identity, identity
from pysrv.web.logins import LOGINS
from pysrv.web.problems import headers_of
from pysrv.web.rendering import Pages, language_of
from pysrv.web.routes import Route

BACKING: Final = web.AppKey("backing", Backing)
PAGES: Final = web.AppKey("pages", Pages)
ROUTES: Final = web.AppKey("routes", tuple[Route, ...])
LANGUAGE_COOKIE: Final = "language"


def backing(request: web.Request) -> Backing:
    """The office behind the web."""
    return request.app[BACKING]


def do(
    request: web.Request,
    verb: str,
    args: Mapping[str, Any] | None = None,
    noted: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """What a verb says to the one who asks: an administrator has the operators' verbs, the owner of an account has his
    own. `noted` as in Session.do. Raises WireError."""
    who, office = identity(request), request.app[BACKING]
    if who.kind is PersonKind.ACCOUNT:
        digest = who.session.digest if who.session is not None else ""
        try:
            mine = office.control.mine(who.name, who.who, proven=who.licence.proven, session=digest)
            return mine.do(verb, args, noted)
        finally:
            office.turn()
    session = office.control.session(who.who, who.licence)
    try:
        return session.do(verb, args, noted)
    finally:
        session.close()
        office.turn()


def of_cookie(request: web.Request) -> Identity | None:
    """Whose session the browser's cookie is, now; None: of none that lasts."""
    office = request.app[BACKING]
    cookie = request.cookies.get(COOKIE if request.secure else CLEAR_COOKIE)
    if not cookie:
        return None
    return people.of_cookie(office.store, cookie, request.app[LOGINS].now(), office.settings().sessionabsolutetimeout)


def of_token(request: web.Request) -> Identity | None:
    """For whom the request's token acts, now; None: it is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return people.of_token(request.app[BACKING].store, token.strip()) if scheme.lower() == "bearer" else None


def renew(request: web.Request, session: Session) -> None:
    """Before what came over a while is put in force: with the rights of now, which may have been taken away since.
    Raises WireError."""
    before = identity(request)
    who = of_token(request) if before.session is None else of_cookie(request)
    if who is None or (who.kind, who.name) != (before.kind, before.name):
        raise WireError("unauthorized", "this login has ended meanwhile", "log in again; nothing was changed")
    session.renew(who.licence)


async def form(request: web.Request) -> dict[str, str]:
    """The text fields of a posted form, without white space around them; the last of several with one name."""
    posted = await request.post()
    return {name: value.strip() for name, value in posted.items() if isinstance(value, str)}


def heard(request: web.Request) -> None:
    """The connection is in use: its time begins again."""
    visit = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(visit, Visit):
        visit.heard()


def seen(to: str) -> web.Response:
    """After a change: the browser fetches the page that shows it (303, RFC 9110), so that a reload repeats nothing."""
    return web.Response(status=303, headers={"Location": to})


def page(request: web.Request, name: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page with everything that the frame around it needs. `error`: a refusal, whose headers go along."""
    who = request.get(IDENTITY)
    text = request.app[PAGES].page(
        name,
        language(request),
        {
            "who": who,
            "path": request.path,
            "menu": _menu(request),
            "zone": request.app[BACKING].settings().timezone or "UTC",
            "clock": request.app[LOGINS].now(),
            "form_token": who.form_token if who else "",
            "pending": _pending(request),
            **values,
        },
    )
    error = values.get("error")
    headers = headers_of(error) if error is not None else None
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def language(request: web.Request) -> str:
    """The language of the one who asks."""
    who = request.get(IDENTITY)
    own = who.language if who else ""
    return language_of(request.cookies.get(LANGUAGE_COOKIE, own), request.headers.get("Accept-Language", ""))


def _pending(request: web.Request) -> dict[str, Any] | None:
    """The change that is taken back unless somebody confirms it, for administrators who may."""
    who = request.get(IDENTITY)
    if who is None or who.session is None or not who.session.complete or not who.may(Area.SECURITY):
        return None
    waiting = request.app[BACKING].store.pending_change()
    if waiting is None:
        return None
    new = new_rules(request.app[BACKING].store, waiting)
    return {
        "what": waiting.what,
        "who": waiting.who,
        "left_s": max(0.0, waiting.deadline_at - request.app[LOGINS].now()),
        "kept_out": do(request, "firewall.whom", {"ids": list(new)}) if new else None,
        "areas": waiting_areas(waiting),
    }


def _menu(request: web.Request) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """The menu of the one who asks: groups of (address, words, whether it is this page)."""
    who = request.get(IDENTITY)
    groups: dict[str, list[tuple[str, str, bool]]] = {}
    if who is None or who.session is None or not who.session.complete:
        return []
    settings = request.app[BACKING].settings()
    for route in request.app[ROUTES]:
        may = route.offered(settings) and (route.area is None or who.may(route.area, writes=route.writes))
        if route.menu and route.kind is who.kind and who.fits(route.of_type) and may:
            inside = not route.path.endswith("/") and request.path.startswith(route.path + "/")
            here = request.path == route.path or inside
            groups.setdefault(route.group, []).append((route.path, route.menu, here))
    return list(groups.items())


def home(kind: PersonKind) -> str:
    """Where somebody of that kind begins."""
    return "/panel/" if kind is PersonKind.ADMINISTRATOR else "/portal/"
