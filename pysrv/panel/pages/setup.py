"""The first set-up, step by step: each can be skipped, and taken up again at any time."""

from collections.abc import Callable

from aiohttp import web

from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.panel.forms import answered, choices, closing_to_oneself, drawn, set_settings, tried
from pysrv.panel.pages.trunks import TRANSPORTS, told_of
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, seen
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.words import N_

TITLES = {
    "password": N_("Your password"),
    "address": N_("The address that you come from"),
    "domain": N_("Domain"),
    "certificate": N_("Certificate"),
    "interfaces": N_("Interfaces"),
    "profile": N_("Profile of settings"),
    "trunk": N_("First trunk"),
    "accounts": N_("First accounts"),
    "mail": N_("Mail to administrators"),
}
MAIL = ("mailserver", "mailport", "mailsecurity", "mailuser", "mailpassword", "mailfrom", "adminemails")
Refusal = WireError | None


async def index(request: web.Request) -> web.Response:
    """/panel/setup"""
    return await _page(request, request.query.get("step", ""), None)


async def act(request: web.Request) -> web.Response:
    """What the step's form says is done; then comes the next step."""
    step, fields = _step(request), await form(request)
    if fields.get("skip"):
        do(request, "setup.mark", {"step": step, "state": "skipped"})
        return _onward(request)
    if fields.get("again"):
        do(request, "setup.mark", {"step": step, "state": ""})
        return seen(f"/panel/setup?step={step}")
    try:
        error = ACTS[step](request, fields)
    except WireError as wrong:
        if wrong.code == "unproven":
            raise
        error = wrong
    if error:
        return await _page(
            request, step, error, {name: text for name, text in fields.items() if "password" not in name}
        )
    if fields.get("stay"):
        return seen(f"/panel/setup?step={step}")
    if step == "password":
        return seen("/panel/login?next=/panel/setup")  # a new password ends every session
    do(request, "setup.mark", {"step": step})
    return _onward(request)


def _password(request: web.Request, fields: dict[str, str]) -> Refusal:
    if fields.get("password", "") != fields.get("repeated", ""):
        return WireError("invalid", "the two passwords differ", "type the same one twice")
    name = identity(request).name
    _, error = tried(request, "people.set", {"name": name, "password": fields.get("password", "")})
    if error is None:
        session = backing(request).control.session(identity(request).who, identity(request).licence)
        session.do("setup.mark", {"step": "password"})
        backing(request).turn()
    return error


def _address(request: web.Request, fields: dict[str, str]) -> Refusal:
    prefix = fields.get("prefix", "") or (request.remote or "")
    return tried(request, "allows.add", {"prefix": prefix, "reason": f"administrator {identity(request).name}"})[1]


def _domain(request: web.Request, fields: dict[str, str]) -> Refusal:
    return set_settings(request, {"localdomain": fields.get("localdomain", "")})


def _seen(request: web.Request, fields: dict[str, str]) -> Refusal:
    """There is nothing to send: it was read."""
    del request, fields
    return None


def _profile(request: web.Request, fields: dict[str, str]) -> Refusal:
    changes = _differing(request, fields.get("profile", "strict"))
    left = closing_to_oneself(request, changes)
    kept = {name: text for name, text in changes.items() if name not in left}
    return set_settings(request, kept) if kept else None


def _differing(request: web.Request, profile: str) -> dict[str, str]:
    """What a profile would set, by name."""
    difference = do(request, "settings.diff", {"profile": profile})["changes"]
    ours = {"localdomain", *MAIL}  # what other steps have set is no laxness
    return {
        each["name"]: each["wanted"] for each in difference
        if each["in_force"] and not each["by_hand"] and each["name"] not in ours
    }  # fmt: skip


def _trunk(request: web.Request, fields: dict[str, str]) -> Refusal:
    routes = [{"prefix": "" if fields.get("prefix", "") == "all" else fields.get("prefix", "")}]
    return tried(request, "trunks.add", told_of(fields) | {"name": fields.get("name", ""), "routes": routes})[1]


def _accounts(request: web.Request, fields: dict[str, str]) -> Refusal:
    if not fields.get("name") and not fields.get("stay"):
        return None
    told = {name: fields.get(name, "") for name in ("name", "password", "display_name")}
    return tried(request, "accounts.add", told | {"numbers": fields.get("numbers", "").split()})[1]


def _mail(request: web.Request, fields: dict[str, str]) -> Refusal:
    if fields.get("stay"):
        return tried(request, "notices.test", {"channel": "mail"})[1]
    changes = {
        name: fields[name] for name in MAIL if name in fields and not (ROWS[name].kind.secret and not fields[name])
    }
    return set_settings(request, changes)


ACTS: dict[str, Callable[[web.Request, dict[str, str]], Refusal]] = {
    "password": _password, "address": _address, "domain": _domain, "certificate": _seen, "interfaces": _seen,
    "profile": _profile, "trunk": _trunk, "accounts": _accounts, "mail": _mail,
}  # fmt: skip


def _step(request: web.Request) -> str:
    step = request.match_info["step"]
    if step not in TITLES:
        raise WireError("not_found", f"there is no step {step[:40]!r}")
    return step


def _onward(request: web.Request) -> web.Response:
    told = do(request, "setup.show")
    return seen("/panel/" if told["finished"] else f"/panel/setup?step={told['next']}")


async def _page(request: web.Request, step: str, error: Refusal, values: dict[str, str] | None = None) -> web.Response:
    told = do(request, "setup.show")
    current = step if step in TITLES else told["next"] or next(iter(TITLES))
    office, settings = backing(request), backing(request).settings()
    decks = [each["name"] for each in do(request, "rates.decks")["decks"]]
    mail = [
        drawn(
            name, ROWS[name].kind, (values or {}).get(name) or ("" if ROWS[name].kind.secret else settings.text(name))
        )
        for name in MAIL
    ]
    trusted = do(request, "allows.list")
    return answered(
        request, "panel/setup.html", error, told=told, step=current, titles=TITLES, values=values or {}, mail=mail,
        rows=ROWS, address=request.remote or "", domain=settings.localdomain, decks=choices(decks),
        allowed=[each["prefix"] for each in trusted["allows"]],
        fingerprint=office.fingerprint(), now=await office.snapshot() if current == "interfaces" else None,
        transports=[(each, each.upper()) for each in TRANSPORTS], remoteadmin=settings.remoteadmin,
        warnings=trusted["warnings"], private_networks=trusted["private_networks"],
        strict=len(do(request, "settings.diff", {"profile": "strict"})["changes"]),
        left=closing_to_oneself(request, _differing(request, "strict")) if current == "profile" else [],
        accounts=[each["name"] for each in do(request, "accounts.list", {"limit": 20})["accounts"]],
    )  # fmt: skip


ROUTES = (
    Route("GET", "/panel/setup", index, area=Area.SETTINGS, writes=True, menu="First set-up", group="Appliance"),
    Route("POST", "/panel/setup/{step}", act, area=Area.SETTINGS, writes=True),
)
