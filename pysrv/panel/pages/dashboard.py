"""The first page: the last quarter of an hour as charts, kept alive; what an administrator should know."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from appliance import wire
from appliance.wire import WireError
from pysrv.panel.pages import charts
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, language, page
from pysrv.web.identity import identity
from pysrv.web.rendering import catalogue, count, moment
from pysrv.web.routes import Route
from pysrv.web.status import Snapshot
from pysrv.web.streams import stream

MAX_ROWS: Final = 100
EVENT_S: Final = 2.0
NOTHING: Final[Mapping[str, Any]] = {"every_s": 2.0, "span_s": 900.0, "samples": [], "attack": None, "attacks": []}


async def index(request: web.Request) -> web.Response:
    """/panel/"""
    now, told = await backing(request).snapshot(), _history(request)
    translate = catalogue(language(request)).gettext
    return page(
        request, "panel/dashboard.html", now=now, tallies=tallies(now), relay=relay(now.gate), most=MAX_ROWS,
        drawings=charts.drawings(told, translate), told=told, words=attack_words(request, told),
        width=charts.WIDTH, height=charts.HEIGHT, setup=setup(request), state=do(request, "status"),
        trunks=_trunks(request),
    )  # fmt: skip


def _trunks(request: web.Request) -> list[dict[str, Any]]:
    """Trunks in use, the ones that fail first; for those who may see them."""
    if not identity(request).may(Area.ROUTING):
        return []
    used = [each for each in do(request, "trunks.list")["trunks"] if each["enabled"]]
    return sorted(used, key=lambda each: (-((each["health"] or {}).get("failures", 0)), each["name"]))[:MAX_ROWS]


def setup(request: web.Request) -> str | None:
    """The step of the first set-up that comes next, for those who may take it; None: it is finished."""
    if not identity(request).may(Area.SETTINGS, writes=True):
        return None
    found: str | None = do(request, "setup.show")["next"]
    return found


def _history(request: web.Request, at: float = 0.0) -> Mapping[str, Any]:
    try:
        return do(request, "history.list", {"at": at})
    except WireError as error:
        if error.code != "not_running":
            raise
        return NOTHING


async def figures(request: web.Request) -> web.Response:
    """/panel/live.json: all samples, and what an attack is said to be."""
    told = _history(request)
    return web.json_response({**told, "words": attack_words(request, told)})


async def live(request: web.Request) -> web.StreamResponse:
    """/panel/live: each new sample as an event."""
    at = (_history(request)["samples"] or [{"at": 0.0}])[-1]["at"]

    def fresh() -> Iterator[dict[str, Any]]:
        nonlocal at
        told = _history(request, at)
        if told["samples"]:
            at = told["samples"][-1]["at"]
            yield {"samples": told["samples"], "attacks": told["attacks"], "words": attack_words(request, told)}

    return await stream(request, fresh, EVENT_S)


def attack_words(request: web.Request, told: Mapping[str, Any]) -> str:
    """What an attack that goes on, or else the last one of the quarter of an hour, is; empty: there was none."""
    say, zone = catalogue(language(request)).gettext, backing(request).settings().timezone
    attack = told["attack"] or (told["attacks"][0] if told["attacks"] else None)
    if attack is None or (attack["ended_at"] and told["samples"] and _is_old(attack, told)):
        return ""
    filled = {
        "began": moment(attack["began_at"], zone), "ended": moment(attack["ended_at"], zone),
        "peak": count(attack["peak"]), "usual": count(attack["usual"]), "verdict": attack["verdict"],
    }  # fmt: skip
    if attack["ended_at"]:
        text = say(
            "An attack began at %(began)s and ended at %(ended)s: up to %(peak)s packets a second were dropped, "
            "%(usual)s are usual. Most of them ended as %(verdict)s."
        )
    else:
        text = say(
            "An attack began at %(began)s: up to %(peak)s packets a second are dropped, %(usual)s are usual. Most of "
            "them end as %(verdict)s."
        )
    return text % filled


def _is_old(attack: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return bool(told["samples"][-1]["at"] - attack["ended_at"] > told["span_s"])


def tallies(now: Snapshot) -> list[wire.Tally]:
    """What the gate counted, the most packets first."""
    return sorted((tally for tally in now.tallies if tally.packets), key=lambda tally: -tally.packets)


def relay(gate: wire.GateStatus | None) -> dict[str, Any]:
    """Where media is relayed."""
    if gate is None:
        return {"where": "", "why": ""}
    return {"where": gate.relay, "why": gate.relay_reason, "sessions": gate.sessions}


ROUTES = (
    Route("GET", "/panel/", index, area=Area.STATE, menu="Dashboard"),
    Route("GET", "/panel/live.json", figures, area=Area.STATE),
    Route("GET", "/panel/live", live, area=Area.STATE),
)
