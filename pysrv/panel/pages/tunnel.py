"""The tunnel for administrators: who may come, who was heard when; one more, with a key shown once; one less."""

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import answered, tried
from pysrv.people.permissions import Area
from pysrv.people.pictures import qr_picture
from pysrv.web.acting import do, form, page, seen
from pysrv.web.routes import Route

_AT = "/panel/tunnel"


async def index(request: web.Request) -> web.Response:
    """/panel/tunnel"""
    return _page(request, None)


async def add(request: web.Request) -> web.Response:
    """Somebody new; his configuration is shown this once."""
    fields = await form(request)
    name, key = fields.get("name", ""), fields.get("public_key", "")
    said, error = tried(request, "tunnel.add", {"name": name, "public_key": key})
    if error:
        return _page(request, error, name, key)
    picture = "" if key else qr_picture(said["text"])
    return page(request, "panel/tunnel_once.html", text=said["text"], picture=picture, peer=name)


async def remove(request: web.Request) -> web.Response:
    """Who may come no more."""
    _, error = tried(request, "tunnel.remove", {"name": (await form(request)).get("name", "")})
    return _page(request, error) if error else seen(_AT)


def _page(request: web.Request, error: WireError | None, name: str = "", key: str = "") -> web.Response:
    shown = None
    try:
        shown = do(request, "tunnel.show")["tunnel"]
    except WireError as wrong:
        error = error or wrong
    return answered(request, "panel/tunnel.html", error, shown=shown, peer=name, key=key)


ROUTES = (
    Route("GET", _AT, index, area=Area.PEOPLE, menu="Tunnel", group="People"),
    Route("POST", _AT, add, area=Area.PEOPLE, writes=True),
    Route("POST", f"{_AT}/remove", remove, area=Area.PEOPLE, writes=True),
)
