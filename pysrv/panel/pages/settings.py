"""Settings: the list drawn from the settings table, one setting with its history, the profiles, and a change that waits
for its confirmation."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from appliance.config.schema import CHAPTERS, ROWS, UnknownSetting, row
from appliance.wire import WireError
from pysrv.panel.forms import answered, drawn, set_settings, spoken, unit_in, whole
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, heard, language, page, seen
from pysrv.web.rendering import catalogue
from pysrv.web.routes import Route

CONFIRM_S = 120.0
DAYS = (7, 30, 90)
ONLY = ("", "changed", "lax", "idle")
CHAPTER_NAMES = tuple(dict.fromkeys(each.chapter for each in ROWS.values()))
assert len(CHAPTER_NAMES) == len(CHAPTERS)


async def index(request: web.Request) -> web.Response:
    """/panel/settings"""
    wanted, only = request.query.get("q", "").strip().lower(), request.query.get("only", "")
    chapter = request.query.get("chapter", "")
    listed = do(request, "settings.list")
    lax = {each["name"] for each in do(request, "settings.diff", {"profile": "strict"})["changes"]}
    groups: dict[str, list[dict[str, Any]]] = {}
    words = catalogue(language(request)).gettext
    for each in listed["settings"]:
        shown = each | {"row": ROWS[each["name"]], "lax": each["name"] in lax} | _spoken(request, each)
        if _wanted(shown, wanted, chapter, only, words):
            groups.setdefault(shown["row"].chapter, []).append(shown)
    return page(
        request, "panel/settings.html", groups=groups, q=wanted, chapter=chapter, only=only, chapters=CHAPTER_NAMES,
        listed=listed, pending=do(request, "changes.show")["pending"], lax=len(lax),
    )  # fmt: skip


async def show(request: web.Request) -> web.Response:
    """/panel/settings/NAME"""
    return _one(request, None)


async def change(request: web.Request) -> web.Response:
    """Another value, or the default again; with `confirm` it is taken back unless somebody confirms it."""
    name, fields = _name(request), await form(request)
    text = None if fields.get("default") else fields.get(name, "")
    if text == "" and ROWS[name].kind.secret:
        return _one(request, WireError("invalid", f"{name}: nothing was typed", "'Back to the default' clears it"))
    confirm_s = CONFIRM_S if fields.get("confirm") else 0.0
    error = set_settings(request, {name: text}, confirm_s)
    return _one(request, error, text) if error else seen(f"/panel/settings/{name}")


async def back(request: web.Request) -> web.Response:
    """One change of the past is taken back: what stood there before it stands there again."""
    name, fields = _name(request), await form(request)
    wanted = whole(fields.get("id", ""))
    found = next(
        (each for each in do(request, "settings.show", {"name": name})["history"] if each["id"] == wanted), None
    )
    if found is None or not found["known"]:
        return _one(request, WireError("not_found", "there is no such change whose former value is known"))
    error = set_settings(request, {name: found["before"]})
    return _one(request, error) if error else seen(f"/panel/settings/{name}")


async def attempt(request: web.Request) -> web.Response:
    """What calls of the past would have met with another value: nothing is changed."""
    name, fields = _name(request), await form(request)
    text, days = fields.get(name, ""), whole(fields.get("days", ""), max(DAYS), DAYS[1])
    try:
        told = await backing(request).replay({"changes": {name: text}, "days": days}, lambda: heard(request))
    except WireError as error:
        return _one(request, error, text)
    return _one(request, None, text, told)


async def profile(request: web.Request) -> web.Response:
    """/panel/settings-profile"""
    return _profile(request, None)


async def apply(request: web.Request) -> web.Response:
    """The rows that were ticked get the profile's values."""
    posted = await request.post()
    name, chosen = str(posted.get("profile", "strict")), {str(each) for each in posted.getall("row", [])}
    difference = do(request, "settings.diff", {"profile": name})["changes"]
    changes = {each["name"]: each["wanted"] for each in difference if each["name"] in chosen and not each["by_hand"]}
    if not changes:
        return _profile(request, WireError("invalid", "nothing was chosen", "tick the rows that are to change"), name)
    confirm_s = CONFIRM_S if posted.get("confirm") else 0.0
    error = set_settings(request, changes, confirm_s)
    return _profile(request, error, name) if error else seen(f"/panel/settings-profile?profile={name}")


async def confirm(request: web.Request) -> web.Response:
    """The change that waits stays."""
    do(request, "changes.confirm")
    return seen("/panel/settings?only=changed")


async def undo(request: web.Request) -> web.Response:
    """The change that waits is taken back."""
    do(request, "changes.undo")
    return seen("/panel/settings?only=changed")


def _wanted(each: dict[str, Any], words: str, chapter: str, only: str, translated: Callable[[str], str]) -> bool:
    """Whether the setting is listed; it is found by words of either language."""
    found = each["row"]
    if chapter and found.chapter != chapter:
        return False
    if only == "changed" and each["source"] == "default":
        return False
    if (only == "lax" and not each["lax"]) or (only == "idle" and found.in_force):
        return False
    said = (found.name, *found.aliases, found.sentence, found.chapter)
    text = " ".join((*said, translated(found.sentence), translated(found.chapter))).lower()
    return all(word in text for word in words.split())


def _spoken(request: web.Request, shown: dict[str, Any]) -> dict[str, str]:
    """Value and default with their unit, in the reader's words."""
    kind = ROWS[shown["name"]].kind
    unit = unit_in(kind, shown["unit"], backing(request).settings().basecurrency)
    words = catalogue(language(request)).gettext
    return {f"{each}_spoken": spoken(kind, shown[each], unit, words) for each in ("value", "default")}


def _name(request: web.Request) -> str:
    try:
        return row(request.match_info["name"]).name
    except UnknownSetting as error:
        raise WireError("unknown_setting", str(error), "the list of settings has all") from None


def _one(
    request: web.Request, error: WireError | None, text: str | None = None, told: dict[str, Any] | None = None
) -> web.Response:
    shown = do(request, "settings.show", {"name": _name(request)})
    shown |= _spoken(request, shown)
    each = ROWS[shown["name"]]
    unit = unit_in(each.kind, each.unit, backing(request).settings().basecurrency)
    most = max((account["refused"] + account["cut"] for account in told["accounts"]), default=0) if told else 0
    return answered(
        request, "panel/setting.html", error, shown=shown, told=told, days=DAYS, confirm_s=CONFIRM_S, most=most,
        input=drawn(each.name, each.kind, shown["text"] if text is None else text, unit),
        pending=do(request, "changes.show")["pending"],
    )  # fmt: skip


def _profile(request: web.Request, error: WireError | None, name: str = "") -> web.Response:
    wanted = name or request.query.get("profile", "strict")
    told = do(request, "settings.diff", {"profile": wanted})
    rows = [each | {"row": ROWS[each["name"]]} for each in told["changes"]]
    return answered(
        request, "panel/settings_profile.html", error, profile=told["profile"], rows=rows, confirm_s=CONFIRM_S
    )


_AT = "/panel/settings/{name}"
_WRITE: dict[str, Any] = {"area": Area.SETTINGS, "writes": True}
ROUTES = (
    Route("GET", "/panel/settings", index, area=Area.SETTINGS, menu="Settings", group="Appliance"),
    Route("GET", "/panel/settings-profile", profile, area=Area.SETTINGS),
    Route("POST", "/panel/settings-profile", apply, **_WRITE),
    Route("POST", "/panel/settings-pending/confirm", confirm, **_WRITE),
    Route("POST", "/panel/settings-pending/undo", undo, **_WRITE),
    Route("GET", _AT, show, area=Area.SETTINGS),
    Route("POST", f"{_AT}/set", change, **_WRITE),
    Route("POST", f"{_AT}/back", back, **_WRITE),
    Route("POST", f"{_AT}/try", attempt, **_WRITE),
)
