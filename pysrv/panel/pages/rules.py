"""Every rule that can refuse something, what it stopped, and its switch between acting and only reporting."""

from typing import Any

from aiohttp import web

from appliance.config.banning import BANNING
from appliance.config.limiting import ALWAYS_ACT, LIMITING
from appliance.wire import WireError
from pysrv.panel.pages.listing import attempted, confirm_s
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, page
from pysrv.web.problems import status_of
from pysrv.web.routes import Route


async def index(request: web.Request) -> web.Response:
    """/panel/rules"""
    return await _all(request, None)


async def switch(request: web.Request) -> web.StreamResponse:
    """Let a rule act, or only report."""
    fields = await form(request)
    try:
        args: dict[str, Any] = {"confirm_s": confirm_s(fields), "on": fields.get("on") == "1"}
    except WireError as error:
        return await _all(request, error)
    args["verdicts"] = [fields.get("rule", "")]
    return await attempted(request, "rules.report_only", args, "/panel/rules", lambda error: _all(request, error))


async def _all(request: web.Request, error: WireError | None) -> web.Response:
    told, tallies = do(request, "rules.list"), (await backing(request).snapshot()).tallies
    reporting, today = set(told["report_only"]), told["reported_today"]
    of_gate = [
        {"rule": each.verdict, "text": each.text, "stopped": each.packets, "would": each.reported}
        for each in tallies
        if each.action == "DROP"
    ]
    of_bans = [{"rule": name, "text": text, "stopped": None, "would": None} for name, text in BANNING.items()]
    of_calls = [
        {"rule": name, "text": text, "stopped": None, "would": today.get(name, 0)} for name, text in LIMITING.items()
    ]
    return page(
        request, "panel/rules.html", status=status_of(error.code) if error else 200, error=error,
        groups=(("Packets", of_gate), ("Bans", of_bans), ("Calls", of_calls)), reporting=reporting, fixed=ALWAYS_ACT,
    )  # fmt: skip


ROUTES = (
    Route("GET", "/panel/rules", index, area=Area.SECURITY, menu="Rules", group="Defence"),
    Route("POST", "/panel/rules/switch", switch, area=Area.SECURITY, writes=True),
)
