"""The endpoints at work: a request becomes a verb's arguments, what the verb says becomes the answer."""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from appliance.wire import WireError
from pysrv.api import arguments, paging
from pysrv.api.addresses import lies_in_any
from pysrv.api.endpoint import ROOT, Endpoint
from pysrv.api.repeats import HEADER, encoded, repeat_of
from pysrv.api.table import ENDPOINTS
from pysrv.web.acting import backing, do
from pysrv.web.aside import do_aside
from pysrv.web.routes import Route

SLOW: Final = frozenset({"trail.verify"})  # asked beside the loop
TOUCH_S: Final = 60.0  # how exactly it is known when a token was used last


def admit(request: web.Request) -> None:
    """Raises WireError("forbidden") for an address that apiv2ipauth leaves out."""
    served = backing(request).settings().apiv2ipauth
    if served and not lies_in_any(request.remote or "", served):
        raise WireError("forbidden", f"apiv2ipauth does not serve {request.remote}", "an administrator can add it")


def token_of(request: web.Request) -> str:
    """The token with which the request came; the guard has looked at it."""
    return request.headers.get("Authorization", "").partition(" ")[2].strip()


def touch(request: web.Request) -> None:
    """The token is in use."""
    office = backing(request)
    token = office.store.api_token(token_of(request))
    if token is not None and time.time() - token.used_at > TOUCH_S:
        office.store.used_api_token(token.id)
        office.turn()


def route_of(endpoint: Endpoint) -> Route:
    """The endpoint for the server. Whether somebody may is the verb's to say: it knows its area."""

    async def answer(request: web.Request) -> web.StreamResponse:
        admit(request)
        touch(request)
        return await (_changed if endpoint.has_body else _shown)(request, endpoint)

    return Route(endpoint.method, ROOT + endpoint.path, answer, token=True)


async def _shown(request: web.Request, endpoint: Endpoint) -> web.Response:
    pages = endpoint.pages
    told = arguments.of_query(request, endpoint.told(), paged=pages is not None)
    placed = arguments.of_path(request, endpoint)
    if endpoint.verb in SLOW:
        return _answer(dict(await do_aside(request, endpoint.verb, placed | told)), endpoint.status)
    if pages is None:
        return _answer(do(request, endpoint.verb, placed | told), endpoint.status)
    limit, after = paging.asked(told)
    said = do(request, endpoint.verb, placed | told | paging.passed(pages, limit, after))
    cut = paging.cut(pages, said, limit, after)
    return _answer(cut, endpoint.status, _link(request, cut["next"]))


async def _changed(request: web.Request, endpoint: Endpoint) -> web.Response:
    args = await arguments.of_body(request, endpoint) | arguments.of_path(request, endpoint)
    if endpoint.method != "POST" and HEADER in request.headers:
        raise WireError("bad_args", f"{HEADER} is for POST", f"{request.method} may be repeated as it is")
    repeat = await repeat_of(request, token_of(request))
    if repeat is None:
        return _answer(do(request, endpoint.verb, args), endpoint.status)
    store = backing(request).store
    if (kept := repeat.kept(store)) is not None:
        return _json(kept.body or b"", kept.status, {"Idempotency-Replayed": "true"})
    said = do(
        request,
        endpoint.verb,
        args,
        lambda said: repeat.keep(store, endpoint.status, said, secret=endpoint.secret),
    )
    return _answer(said, endpoint.status)


def _link(request: web.Request, after: str | None) -> dict[str, str]:
    """Where the next page is (RFC 8288)."""
    if after is None:
        return {}
    query = [(name, text) for name, text in request.query.items() if name != "after"]
    return {"Link": f'<{request.rel_url.raw_path}?{urlencode([*query, ("after", after)])}>; rel="next"'}


def _answer(said: dict[str, Any], status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json(encoded(said), status, headers)


def _json(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


ROUTES: Final = tuple(route_of(endpoint) for endpoint in ENDPOINTS)
