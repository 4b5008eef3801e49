"""The security checklist with its score; settings are mended with one click."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from appliance.config.schema import ROWS
from pysrv.panel.forms import answered, set_settings, tried
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, seen
from pysrv.web.routes import Route


async def index(request: web.Request) -> web.Response:
    """/panel/checklist"""
    return _page(request, None)


async def fix(request: web.Request) -> web.Response:
    """The strict value of one setting that was judged too lax."""
    wanted = (await form(request)).get("name", "")
    found = next((each for each in do(request, "checklist.show")["findings"] if each["name"] == wanted), None)
    if found is None or not found["fix"]:
        return seen("/panel/checklist")
    error = set_settings(request, found["fix"])
    return _page(request, error) if error else seen("/panel/checklist")


async def audit(request: web.Request) -> web.Response:
    """The machine audited now."""
    _, error = tried(request, "audit.make", {})
    return _page(request, error) if error else seen("/panel/checklist")


def _page(request: web.Request, error: Any) -> web.Response:
    told = do(request, "checklist.show")
    bad = sum(each["grade"] != "pass" for each in told["findings"])
    machine = do(request, "audit.show")
    audit = machine["report"]
    findings = audit["findings"] if audit is not None else ()
    wrong = [_shown(each) for grade in ("fail", "warn") for each in findings if each["grade"] == grade]
    return answered(request, "panel/checklist.html", error, told=told, bad=bad, machine=machine, audit=audit,
                    wrong=wrong)  # fmt: skip


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """A finding; of one about a setting, whose sentence is but its name and what is wanted, these two by themselves."""
    name, _, wanted = str(found["what"]).partition(" is ")
    named = found["area"] == "settings" and name in ROWS
    return {**found, "setting": name if named else "", "wanted": wanted if named else ""}


ROUTES = (
    Route("GET", "/panel/checklist", index, area=Area.SECURITY, menu="Checklist", group="Security"),
    Route("POST", "/panel/checklist/fix", fix, area=Area.SETTINGS, writes=True),
    Route("POST", "/panel/checklist/audit", audit, area=Area.SECURITY, writes=True),
)
