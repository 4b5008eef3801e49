"""The unified port: what is served at all, by scheme, host and path, before anybody asks who it is for.

One HTTPS port serves panel, portal, API and websocket by path; a host of its own for the portal (cfg_baseurl) serves no
panel. The plain port redirects or refuses (forcetls); in the clear there is nothing but the portal, and that only where
the settings say so. A name that is not ours is answered by neither: a page elsewhere whose name was made to lead here
(DNS rebinding) would speak with the browser's cookies and addresses. Pure but for the two hooks at the end.
Sources: RFC 9110 7.2 (Host) and 15.5.20 (421), RFC 6797 (HSTS), CWE-601 (open redirect).
"""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.web import guard
from pysrv.web.acting import backing
from pysrv.web.identity import CLEAR_COOKIE, COOKIE

HEALTH: Final = ("/healthz", "/readyz")  # whoever watches over the appliance may ask by any name, and needs no TLS
CHALLENGE: Final = "/.well-known/acme-challenge"  # an authority asks for it in the clear, by the name that it proves
PANEL: Final = ("/panel", "/metrics")
PORTAL: Final = ("/portal", "/static", "/language")
NO_PAGE: Final = ("/api", "/mvapireq", "/metrics", "/webhooks", "/ws")
NEVER, PAGES, ALL, STRICT = 0, 1, 2, 3  # forcetls
HTTPS: Final = 443
MISDIRECTED: Final = 421
HSTS: Final = "max-age=31536000"
HTTPS_PORT: Final = web.AppKey("https_port", list[int])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as the port judges it. `host`: what its Host header says; `here`: our end of the connection."""

    secure: bool
    host: str
    method: str
    path: str
    here: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`to`: redirect there. Else `status` and `error` refuse; neither: it is served."""

    to: str = ""
    status: int = 0
    error: WireError | None = None


SERVED: Final = Verdict()


def judge(asked: Asked, settings: Settings, https_port: int) -> Verdict:
    """What becomes of a request."""
    host = _host(asked.host)
    if asked.path in HEALTH or _below(asked.path.partition("?")[0], (CHALLENGE,)):
        return SERVED
    if not is_ours(host, settings):
        hint = "set localdomain to the name of this appliance (or cfg_baseurl to the portal's), or use its address"
        return Verdict("", MISDIRECTED, WireError("misdirected", f"this appliance is not called {host!r:.80}", hint))
    if not asked.secure:
        return _in_clear(asked, host, settings, https_port)
    if host == portal_host(settings) and _below(asked.path, PANEL):
        hint = "the panel is at the appliance's own name or address"
        return Verdict("", 404, WireError("not_found", "this name is the portal's", hint))
    if host == portal_host(settings) and asked.path == "/":
        return Verdict("/portal/")
    return SERVED


def _in_clear(asked: Asked, host: str, settings: Settings, https_port: int) -> Verdict:
    path = asked.path.partition("?")[0]
    if settings.portal_in_clear and _below(path, PORTAL):
        return SERVED
    page = asked.method in ("GET", "HEAD") and not _below(path, NO_PAGE)
    if settings.forcetls >= ALL or (settings.forcetls == PAGES and page):
        return Verdict(f"https://{_netloc(host, asked.here, settings, https_port)}{asked.path}")
    return Verdict("", 403, WireError("forbidden", "this is not served without TLS", "use https"))


def is_ours(host: str, settings: Settings) -> bool:
    """Whether a name is one of ours. An address is: nobody can make a browser believe that it belongs to his page."""
    return host in _names(settings) or _is_address(host)


def portal_host(settings: Settings) -> str:
    """The host that serves the portal and no panel; empty: the portal has none of its own."""
    host = urlsplit(settings.cfg_baseurl).hostname or ""
    return "" if host == settings.localdomain.lower() or _is_address(host) else host


def portal_url(settings: Settings) -> str:
    """Where links to the portal lead: cfg_baseurl, or a path on whatever host the reader came by."""
    base = settings.cfg_baseurl.rstrip("/")
    if not base:
        return "/portal/"
    return base + "/" if urlsplit(base).path else base + "/portal/"


def _names(settings: Settings) -> set[str]:
    base = urlsplit(settings.cfg_baseurl).hostname or ""
    return {name for name in ("localhost", settings.localdomain.lower(), base) if name}


def _netloc(host: str, here: str, settings: Settings, https_port: int) -> str:
    """Host and port of a redirect: a name of ours, or the address that was reached; never what somebody else chose."""
    base = urlsplit(settings.cfg_baseurl)
    if base.hostname and (host == base.hostname or (_is_address(host) and host != here and not settings.localdomain)):
        return base.netloc.rpartition("@")[2]
    if _is_address(host) and host != here:
        host = settings.localdomain.lower() or here
    written = f"[{host}]" if ":" in host else host
    return written if https_port == HTTPS else f"{written}:{https_port}"


def _host(header: str) -> str:
    """The host of a Host header, in lower case; empty: there is none that can be read."""
    try:
        parts = urlsplit(f"//{header}")
        plain = (
            header.isprintable() and parts.netloc == header and "@" not in header
        )  # a host, a port, and nothing else
        return (parts.hostname or "").removesuffix(".") if plain else ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


@web.middleware
async def entrance(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Before everything else."""
    settings = backing(request).settings()
    verdict = judge(_asked(request), settings, request.app[HTTPS_PORT][0])
    if verdict.to:
        return web.Response(status=307, headers={"Location": verdict.to})
    if verdict.error is not None:
        return guard.refused(request, verdict.error, verdict.status)
    response = await handler(request)
    if not request.secure:
        _clear_cookies(response)
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Browsers remember to come by TLS alone (forcetls 3)."""
    if request.secure and backing(request).settings().forcetls >= STRICT:
        response.headers["Strict-Transport-Security"] = HSTS


def _asked(request: web.Request) -> Asked:
    sockname = request.transport.get_extra_info("sockname") if request.transport is not None else None
    here = str(sockname[0]) if sockname else ""
    path = request.rel_url.raw_path_qs
    return Asked(request.secure, request.headers.get("Host", ""), request.method, "/" + path.lstrip("/"), here)


def _clear_cookies(response: web.StreamResponse) -> None:
    """A browser takes no cookie that is for TLS alone from a page in the clear; this one has a name of its own, so that
    it never opens anything over TLS."""
    for morsel in response.cookies.values():
        morsel["secure"] = ""
    if COOKIE in response.cookies:
        old = response.cookies.pop(COOKIE)
        response.cookies[CLEAR_COOKIE] = old.value
        response.cookies[CLEAR_COOKIE].update(dict(old))
