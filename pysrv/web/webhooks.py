"""What payment gateways tell us: each message proves itself by its signature, and needs no session."""

from aiohttp import web

from pysrv.web.acting import backing
from pysrv.web.routes import Route


async def webhook(request: web.Request) -> web.Response:
    """A gateway's message; the answer gives nothing away."""
    body = await request.read()
    found = await backing(request).cashier.webhook(request.match_info["gateway"], dict(request.headers), body)
    return web.Response(status=found.status, text=found.word + "\n")


ROUTES = (Route("POST", "/webhooks/{gateway}", webhook, None, sessionless=True),)
