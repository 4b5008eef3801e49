"""The older entry point, `/mvapireq/?apientry=NAME&...`: GET or a posted form in, text, JSON or XML out.

It has no session and takes no cookie: each request proves itself, so that nothing can be forged by a page elsewhere.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from appliance.wire import WireError
from pysrv.api.arguments import text
from pysrv.api.older.answers import Format, check_function, format_of, is_same_origin, of_error, written
from pysrv.api.older.entries import ENTRIES, PROOFS, Request
from pysrv.api.older.proof import Asked, Proof
from pysrv.api.rest import admit
from pysrv.web.acting import backing
from pysrv.web.guesses import network
from pysrv.web.pace import Paces
from pysrv.web.problems import headers_of, status_of
from pysrv.web.routes import Route

PATH: Final = "/mvapireq"
FORM: Final = "application/x-www-form-urlencoded"
MOST_PARAMETERS: Final = 40
PACE: Final = 20.0, 200  # requests a second of one address on the long run, and at once
FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
OFF, SAME_ORIGIN, ANY_ORIGIN = range(3)  # enablejsonp


def routes(clock: Callable[[], float] = time.monotonic) -> tuple[Route, ...]:
    """The rows of one web, with what it remembers of guesses and nonces."""
    proof, paces = Proof(clock), Paces("address", *PACE)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(request, proof, paces)

    return tuple(
        Route(method, path, answer, None, sessionless=True) for method in ("GET", "POST") for path in (PATH, PATH + "/")
    )


async def _answer(request: web.Request, proof: Proof, paces: Paces) -> web.Response:
    wanted, function, status = Format.TEXT, "", 200
    headers: dict[str, str] = {}
    try:
        admit(request)
        paces.check(
            network(request.remote or ""), proof.clock(), "too many requests", "wait as long as Retry-After says"
        )
        told = await _told(request)
        wanted = format_of(told.get("format", ""))
        function = _function(request, told)
        fields = {"result": "ok", **await _acted(request, proof, told)}
    except WireError as error:
        fields, status, headers = dict(of_error(error)), status_of(error.code), headers_of(error)
    shared = backing(request).settings().enablejsonp == ANY_ORIGIN
    said = written(fields, wanted, function, shared=shared)
    if said.shared:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return web.Response(text=said.body, status=status, content_type=said.content_type, charset="utf-8", headers=headers)


async def _acted(request: web.Request, proof: Proof, told: dict[str, str]) -> dict[str, str]:
    entry = ENTRIES.get(told.get("apientry", ""))
    if entry is None:
        raise WireError("not_found", f"there is no apientry {told.get('apientry', '')!r:.60}", ", ".join(ENTRIES))
    proofs = {name: told.get(name, "") for name in PROOFS}
    asked = Asked(entry.name, request.remote or "", **proofs, from_elsewhere=_from_elsewhere(request),
                  forwarded=any(name in request.headers for name in FORWARDED))  # fmt: skip
    office = backing(request)
    try:
        return await entry.act(Request(office, proof, asked, told))
    finally:
        office.turn()


async def _told(request: web.Request) -> dict[str, str]:
    """All parameters, those of a form before those of the address. Raises WireError."""
    told: dict[str, str] = {}
    pairs = list(request.query.items())
    if request.method == "POST" and request.body_exists:
        if request.content_type != FORM:
            raise WireError("unsupported_media_type", f"a body is {FORM} here")
        try:
            pairs += [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]
        except (ValueError, LookupError):
            raise WireError("bad_args", "the form cannot be read") from None
    if len(pairs) > MOST_PARAMETERS:
        raise WireError("bad_args", f"more than {MOST_PARAMETERS} parameters")
    for name, value in pairs:
        told[name] = text(f"{name:.40}", value)
    backing(request).control.screen(told)
    return told


def _function(request: web.Request, told: dict[str, str]) -> str:
    """The function of JSONP, if one is wanted and allowed. Raises WireError."""
    if "jsonp" not in told:
        return ""
    level, headers = backing(request).settings().enablejsonp, request.headers
    if level == OFF or request.method != "GET":
        raise WireError("forbidden", "there are no JSONP answers here (enablejsonp)", "ask with format=json")
    ours = is_same_origin(request.host, headers.get("Sec-Fetch-Site"), headers.get("Origin"), headers.get("Referer"))
    if level == SAME_ORIGIN and not ours:
        raise WireError("forbidden", "JSONP answers go to pages of the appliance alone (enablejsonp)")
    return check_function(told["jsonp"])


def _from_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site made a browser ask: an address alone proves nothing then (CSRF)."""
    site, origin = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Origin")
    return site not in ("none", "same-origin") or (origin is not None and urlsplit(origin).netloc != request.host)
