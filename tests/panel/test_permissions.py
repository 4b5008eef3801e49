"""The table of permissions, walked: every route of the panel and every verb, by every role and by who has none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.control.session import Licence
from pysrv.control.table import ROWS
from pysrv.panel import ROUTES
from pysrv.people.permissions import OF_TOKENS, PROVEN, SCOPED, TABLE, Access, Area, Powers, Role, parse_scope
from pysrv.store.rows import NewAccount
from pysrv.store.web import PersonKind
from pysrv.web.routes import Route
from tests.web.house import PASSWORD, Browser, House, living

LETTERS = {"-": Access.NONE, "r": Access.READ, "w": Access.WRITE}
OURS = [route for route in ROUTES if route.kind is PersonKind.ADMINISTRATOR]
SECRET = "A" * 32


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as (house, browser):
        house.store.add_account(NewAccount("alice", PASSWORD, "realm", ("101",)), "test")
        for role in Role:
            house.store.add_administrator(f"the-{role}", role, PASSWORD)
        house.store.commit()
        yield house, browser


def reaches(role: Role, area: Area, *, writes: bool) -> bool:
    """What the table's letters say, read here once more."""
    letter = TABLE[area].split()[list(Role).index(role)]
    return LETTERS[letter] >= (Access.WRITE if writes else Access.READ)


def address(route: Route) -> str:
    """A path of the route, of something that does not exist."""
    path = route.path
    while "{" in path:
        name = path.partition("{")[2].partition("}")[0]
        path = path.replace("{" + name + "}", "nobody")
    return path


async def answer(browser: Browser, route: Route) -> tuple[int, str, str]:
    """Status, place that it leads to, and the text of a refusal; a stream is not read to its end."""
    headers = {"Origin": browser.origin, "X-Form-Token": browser.form_token}
    data = {"form_token": browser.form_token} if route.method != "GET" else None
    url = browser.origin + address(route)
    async with browser.client.request(route.method, url, data=data, headers=headers, allow_redirects=False) as response:
        text = await response.text() if response.status == 403 else ""
        return response.status, response.headers.get("Location", ""), text


@pytest.mark.parametrize("role", Role)
async def test_every_route_is_open_to_a_role_exactly_where_the_table_says(
    home: tuple[House, Browser], role: Role
) -> None:
    house, browser = home
    await browser.log_in(f"the-{role}")
    assert (await browser.get("/panel/you")).status == 200
    wrong = []
    for route in OURS:
        house.offset = 0.0
        status, to, text = await answer(browser, route)
        if to.startswith("/panel/login"):
            wrong.append(f"{route.method} {route.path}: was logged out")
        may = route.area is None or reaches(role, route.area, writes=route.writes)
        refused = status == 403 and "your role may not" in text
        if refused is may:
            wrong.append(f"{route.method} {route.path}: {status}, the table says {may}")
        if status >= 500 and status != 503 and may:  # 503: nothing runs in this house
            wrong.append(f"{route.method} {route.path}: {status}")
    assert wrong == []


def test_every_route_of_the_panel_names_its_area_and_every_form_that_it_changes_something() -> None:
    for route in OURS:
        assert route.area is not None, route.path
        assert route.method == "GET" or route.writes, route.path


@pytest.mark.parametrize("who", ["anonymous", "account", "half"])
async def test_no_route_is_open_to_who_is_no_administrator_or_not_yet(home: tuple[House, Browser], who: str) -> None:
    house, browser = home
    await browser.get("/panel/login")
    if who == "account":
        assert (await browser.log_in("alice", room="portal")).status == 303
    if who == "half":
        house.store.set_totp("olga", SECRET)
        house.store.commit()
        assert (await browser.log_in("olga")).headers["Location"] == "/panel/second"
    for route in OURS:
        if route.half:
            continue
        status, to, _ = await answer(browser, route)
        led = to.startswith("/panel/second" if who == "half" else "/panel/login")
        expected = (303, True) if who == "half" or route.method == "GET" else (401, False)
        assert (status, led) == expected, f"{route.method} {route.path}"


@pytest.mark.parametrize("role", Role)
def test_every_verb_is_open_to_a_role_exactly_where_the_table_says(role: Role) -> None:
    powers = Powers.of(role)
    for verb in ROWS:
        may = reaches(role, verb.area, writes=verb.changes)
        single = Licence(powers, proven=True)
        bare = type("Verb", (), {**_fields(verb), "also": staticmethod(lambda _: ())})()
        assert _refusal(single, bare) == ("" if may else "forbidden"), verb.name
        unproven = _refusal(Licence(powers, proven=False), bare)
        wants = may and verb.changes and verb.area in PROVEN
        assert unproven == ("unproven" if wants else "" if may else "forbidden"), verb.name


@pytest.mark.parametrize("area", SCOPED)
def test_a_token_reaches_what_scope_and_role_both_allow(area: Area) -> None:
    for role in Role:
        for how, most in (("read", Access.READ), ("write", Access.WRITE)):
            powers = Powers.of(role).narrowed([f"{area}:{how}"])
            assert powers.accesses[area] == min(most, Powers.of(role).accesses[area], OF_TOKENS[area])
            assert all(powers.accesses[other] is Access.NONE for other in Area if other is not area)


def test_no_scope_reaches_ones_own() -> None:
    assert Powers.of(Role.OWNER).narrowed(["*:write"]).accesses[Area.OWN] is Access.NONE
    with pytest.raises(ValueError, match="names no area"):
        Powers.of(Role.OWNER).narrowed(["own:write"])


@pytest.mark.parametrize("scope", ["*:write", "people:write"])
@pytest.mark.parametrize("role", Role)
def test_no_token_changes_administrators_their_rights_or_tokens(role: Role, scope: str) -> None:
    licence = Licence(Powers.of(role).narrowed([scope]), proven=True)  # also one whose scope is older than this rule
    for verb in ROWS:
        if verb.changes and verb.name.startswith(("people.", "tokens.", "own.")):
            assert _refusal(licence, verb) == "forbidden", verb.name


def test_a_scope_that_would_widen_rights_is_not_given() -> None:
    with pytest.raises(ValueError, match="no token changes administrators"):
        parse_scope("people:write")
    assert parse_scope("*:write")[Area.PEOPLE] is Access.READ and parse_scope("people:read")


def test_every_verb_that_changes_money_passwords_or_people_stands_in_an_area_that_wants_the_password() -> None:
    for verb in ROWS:
        if verb.changes and verb.name.startswith(("people.", "tokens.", "own.", "accounts.allow", "accounts.reveal")):
            assert verb.area in PROVEN, verb.name


def _fields(verb: object) -> dict[str, object]:
    return {name: getattr(verb, name) for name in ("name", "area", "changes")}


def _refusal(licence: Licence, verb: object) -> str:
    try:
        licence.check(verb, None)  # type: ignore[arg-type]
    except WireError as error:
        return error.code
    return ""
