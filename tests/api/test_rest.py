"""The endpoints over real TLS, a real store and the verbs: what programs send, what they get, what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from appliance.wire import WireError
from pysrv.api import imports, table
from pysrv.api.rest import ROUTES as REST
from pysrv.control.table import VERBS
from pysrv.people.permissions import Area, Powers, Role
from pysrv.store.api import KeptAnswer
from pysrv.web import server
from pysrv.web.pace import Paces
from tests.api.program import ROOT, Program, administrator, programmed, set_to, token
from tests.web.house import PASSWORD, House

Home = tuple[House, Program]
ANNA = {"name": "anna", "password": "kuhglocke-7731-x"}


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with programmed(tmp_path) as made:
        yield made


def test_every_verb_is_reached_or_named_with_a_reason() -> None:
    reached = {endpoint.verb for endpoint in table.ENDPOINTS}
    left = {name for name in VERBS if not name.startswith(table.PERSONAL)} - reached
    assert left == set(table.NOT_HERE)
    assert not reached & set(table.NOT_HERE)


def test_no_path_stands_there_twice_and_every_argument_has_a_place() -> None:
    places = [(endpoint.method, endpoint.path) for endpoint in table.ENDPOINTS]
    assert len(places) == len(set(places))
    for endpoint in table.ENDPOINTS:
        placed = {each.field for each in endpoint.placed()}
        assert not placed & {each.field for each in endpoint.told()}, endpoint.path
        assert endpoint.method != "GET" or not VERBS[endpoint.verb].changes, endpoint.path


async def test_an_account_is_made_read_changed_and_removed(home: Home) -> None:
    house, program = home
    made = await program.ask("POST", "/accounts", ANNA | {"numbers": ["4930111"], "credit": "5"})
    assert (made.status, json.loads(made.text)["account"]["balance"]) == (201, "5.00")
    changed = await program.said("PATCH", "/accounts/anna", {"top_up": "2.5", "maxlines": 3})
    assert changed["account"]["balance"] == "7.50"
    assert (await program.said("GET", "/accounts/anna"))["account"]["maxlines"] == 3
    assert (await program.ask("DELETE", "/accounts/anna")).status == 200
    assert (await program.ask("GET", "/accounts/anna")).status == 404
    trail = house.store.audit(10, "anna")
    assert trail and {row.who for row in trail} == {"token:olga"}


async def test_a_name_in_the_path_may_hold_anything(home: Home) -> None:
    _, program = home
    await program.said("POST", "/bans", {"prefix": "198.51.100.0/24"})
    shown = await program.said("GET", "/bans/" + quote("198.51.100.0/24", safe=""))
    assert shown["bans"][0]["prefix"] == "198.51.100.0/24"
    for strange in ("..%2F..%2Fetc", "%00", "%ff%fe", "%F0%9F%98%80", "%27%20OR%201=1--", "a%252Fb"):
        assert (await program.ask("GET", "/accounts/" + strange)).status in (400, 404, 422), strange


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/accounts?colour=red", None, 400, "colour"),
        ("GET", "/accounts?limit=1&limit=2", None, 400, "limit"),
        ("GET", "/accounts?limit=1001", None, 400, "1000"),
        ("GET", "/accounts?after=!!", None, 400, "after"),
        ("GET", "/quotes", None, 400, "number is missing"),
        ("GET", "/quotes?number=49&seconds=x", None, 400, "seconds"),
        ("GET", "/cdrs?since=nan", None, 400, "since"),
        ("GET", "/cdrs?since=1e300", None, 400, "since"),
        ("POST", "/accounts", {"name": "b"}, 400, "password is missing"),
        ("POST", "/accounts", ANNA | {"colour": "red"}, 400, "colour"),
        ("POST", "/accounts", ANNA | {"maxlines": "3"}, 400, "maxlines"),
        ("POST", "/accounts", ANNA | {"maxlines": 2**70}, 400, "out of range"),
        ("POST", "/accounts?x=1", ANNA, 400, "x"),
        ("POST", "/accounts", b"{", 400, "JSON"),
        ("POST", "/accounts", b"[]", 400, "object"),
        ("POST", "/accounts", b'{"name": NaN}', 400, "JSON"),
        ("POST", "/accounts", b'{"name": "a\\u0000"}', 400, "characters"),
        ("PATCH", "/trunks/t", {"name": "b"}, 400, "name"),
        ("PATCH", "/settings", {"changes": {"colour": "red"}}, 404, "colour"),
        ("GET", "/payments/abc", None, 400, "id"),
        ("PUT", "/accounts", {}, 405, ""),
        ("GET", "/nothing", None, 404, ""),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    home: Home, method: str, path: str, body: object, status: int, words: str
) -> None:
    _, program = home
    answer = await program.ask(method, path, body)
    problem = json.loads(answer.text)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json; charset=utf-8")
    assert problem["status"] == status and problem["type"].startswith("urn:appliance:problem:")
    assert words in problem["detail"], problem


async def test_a_body_of_another_type_or_size_is_refused(home: Home) -> None:
    _, program = home
    answer = await program.ask("POST", "/accounts", b"name=a", headers={"Content-Type": "text/plain"})
    assert (answer.status, json.loads(answer.text)["status"]) == (415, 415)
    answer = await program.ask("POST", "/accounts", b" " * (server.MOST_BODY_BYTES + 1))
    assert (answer.status, json.loads(answer.text)["type"]) == (413, "urn:appliance:problem:too_large")


async def test_a_list_comes_in_pages_that_neither_repeat_nor_hide(home: Home) -> None:
    _, program = home
    for number in range(5):
        await program.said("POST", "/bans", {"prefix": f"198.51.100.{number}"})
    seen, path = [], "/bans?limit=2"
    while path:
        answer = await program.ask("GET", path)
        page = json.loads(answer.text)
        seen += [row["prefix"] for row in page["bans"]]
        link = answer.headers.get("Link", "")
        path = link.partition("<")[2].partition(">")[0].removeprefix("/api/v1")
        assert bool(link) == (page["next"] is not None)
        if len(seen) == 2:
            await program.said("DELETE", "/bans/198.51.100.1")  # the last row of the page
    assert seen == [f"198.51.100.{number}" for number in range(5)]


async def test_the_trail_and_the_ledger_are_paged_by_the_store(home: Home) -> None:
    _, program = home
    await program.said("POST", "/accounts", ANNA)
    for _ in range(4):
        await program.said("PATCH", "/accounts/anna", {"top_up": "1"})
    for path, rows in (("/trail", "trail"), ("/accounts/anna/ledger", "postings")):
        whole = (await program.said("GET", f"{path}?limit=1000"))[rows]
        first = await program.said("GET", f"{path}?limit=3")
        second = await program.said("GET", f"{path}?limit=1000&after={first['next']}")
        assert first[rows] + second[rows] == whole and len(whole) > 3 and second["next"] is None


async def test_a_repeated_request_does_nothing_twice(home: Home) -> None:
    _, program = home
    await program.said("POST", "/accounts", ANNA)
    key = {"Idempotency-Key": "one"}
    first = await program.ask("POST", "/accounts/anna/allow", {"amount": "3"}, headers=key)
    again = await program.ask("POST", "/accounts/anna/allow", {"amount": "3"}, headers=key)
    assert (first.status, first.text) == (again.status, again.text)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert json.loads(again.text)["usage"]["extra"] == "3.00"
    other = await program.ask("POST", "/accounts/anna/allow", {"amount": "4"}, headers=key)
    assert other.status == 422
    assert (await program.said("GET", "/accounts/anna"))["usage"]["extra"] == "3.00"


async def test_requests_at_once_with_one_key_act_once(home: Home) -> None:
    _, program = home
    await program.said("POST", "/accounts", ANNA)
    key = {"Idempotency-Key": "many"}
    asked = [program.ask("POST", "/accounts/anna/allow", {"amount": "1"}, headers=key) for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert {answer.text for answer in answers} == {answers[0].text}
    assert (await program.said("GET", "/accounts/anna"))["usage"]["extra"] == "1.00"


async def test_a_key_is_the_tokens_own_and_lasts_a_day(home: Home) -> None:
    house, program = home
    key = {"Idempotency-Key": "k"}
    assert (await program.ask("POST", "/bans", {"prefix": "198.51.100.1"}, headers=key)).status == 201
    other = Program(program.browser, token(house))
    answer = await other.ask("POST", "/bans", {"prefix": "198.51.100.2"}, headers=key)
    assert answer.status == 201 and "Idempotency-Replayed" not in answer.headers
    late = house.store._clock() + 86_401
    house.store._clock = lambda: late
    house.store.keep_api_answer(b"x", KeptAnswer(b"r", 200, b"{}"))
    assert house.store._one("SELECT count(*) FROM api_answers") == (1,)


async def test_a_secret_is_shown_once_and_never_kept(home: Home) -> None:
    house, program = home
    card = {"type": "calling_card", "name": "card"} | {"password": ANNA["password"]}
    made = await program.said("POST", "/accounts", card, headers={"Idempotency-Key": "t"})
    again = await program.ask("POST", "/accounts", card, headers={"Idempotency-Key": "t"})
    assert again.status == 409 and made["pin"] not in again.text
    await program.said("POST", "/accounts", ANNA, headers={"Idempotency-Key": "a"})
    house.store.commit()
    for path in house.store._path.parent.glob("appliance.db*"):
        assert made["pin"].encode() not in path.read_bytes()
        assert ANNA["password"].encode() not in path.read_bytes()


async def test_no_token_reaches_what_makes_tokens_and_administrators(home: Home) -> None:
    house, program = home
    for method, path, body in (
        ("POST", "/tokens", {"name": "olga", "label": "more", "scopes": ["*:write"]}),
        ("DELETE", "/tokens/1", None),
        ("POST", "/people", {"name": "eve", "role": "owner", "password": PASSWORD}),
        ("PATCH", "/people/olga", {"password": PASSWORD + "x"}),
        ("DELETE", "/people/olga", None),
        ("DELETE", "/sessions/0123456789abcdef", None),
    ):
        assert (await program.ask(method, path, body)).status in (404, 405), path
    assert [person.name for person in house.store.administrators()] == ["olga"]
    assert len(house.store.api_tokens()) == 1
    with pytest.raises(WireError, match="no token changes"):
        house.control.session("root").do("tokens.add", {"name": "olga", "label": "x", "scopes": ["people:write"]})


async def test_a_refused_request_may_be_tried_again_under_its_key(home: Home) -> None:
    _, program = home
    key = {"Idempotency-Key": "r"}
    assert (await program.ask("POST", "/accounts/anna/allow", {"amount": "1"}, headers=key)).status == 404
    await program.said("POST", "/accounts", ANNA)
    assert (await program.ask("POST", "/accounts/anna/allow", {"amount": "1"}, headers=key)).status == 200


@pytest.mark.parametrize("role", list(Role))
async def test_every_endpoint_answers_each_role_as_the_table_of_permissions_says(tmp_path: Path, role: Role) -> None:
    async with programmed(tmp_path) as (house, program):
        house_role = administrator(house, role)
        program.token = token(house, name=house_role)
        powers = Powers.of(role)
        for endpoint in table.ENDPOINTS:
            verb = VERBS[endpoint.verb]
            path = endpoint.path
            for each in endpoint.placed():
                path = path.replace("{" + each.name + "}", "strict" if each.name == "profile" else "7")
            missing = "&".join(f"{each.name}=7" for each in endpoint.told() if each.required)
            if endpoint.has_body:
                continue  # a body that fits each verb is schemathesis's
            answer = await program.ask(endpoint.method, f"{path}?{missing}" if missing else path)
            allowed = powers.allow(verb.area, writes=verb.changes)
            assert (answer.status == 403) == (not allowed), (endpoint.path, answer.text)


@pytest.mark.parametrize("scopes", [("accounts:read",), ("*:read",)])
async def test_scopes_narrow_a_token(tmp_path: Path, scopes: tuple[str, ...]) -> None:
    async with programmed(tmp_path, *scopes) as (_, program):
        assert (await program.ask("GET", "/accounts")).status == 200
        assert (await program.ask("GET", "/settings")).status == (200 if scopes == ("*:read",) else 403)
        answer = await program.ask("POST", "/accounts", ANNA)
        assert answer.status == 403 and str(Area.ACCOUNTS) in answer.text


async def test_without_a_token_nothing_is_said_and_a_cookie_is_none(home: Home) -> None:
    _, program = home
    for route in REST:
        assert route.token and route.path.startswith("/api/v1/")
    for header in ("", "Bearer", "Bearer x", "Basic b2xnYTp4", "Bearer " + program.token + "x"):
        answer = await program.browser.get("/api/v1/status", headers={"Authorization": header})
        assert (answer.status, json.loads(answer.text)["type"]) == (401, "urn:appliance:problem:unauthorized")
    assert not any(name.startswith("Access-Control") for name in answer.headers)


async def test_a_token_asks_only_so_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TOKENS_PACE", (0.001, 3))
    async with programmed(tmp_path) as (house, program):
        answers = [await program.ask("GET", "/protected") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit"] for answer in answers] == [f'"token";r={left}' for left in (2, 1, 0, 0)]
        assert answers[3].headers["RateLimit-Policy"] == '"token";q=3;w=3000'
        assert 0 < int(answers[3].headers["Retry-After"]) <= 1000
        spaced = await program.ask("GET", "/protected", headers={"Authorization": f"bearer   {program.token}"})
        assert spaced.status == 429  # another writing of the token is the same token
        assert (await Program(program.browser, token(house)).ask("GET", "/protected")).status == 200


@pytest.mark.parametrize("lost", ["token", "role"])
@pytest.mark.parametrize("path", ["/decks/retail", "/sheets", "/configuration"])
async def test_rights_that_are_taken_away_while_a_body_comes_import_nothing(
    tmp_path: Path, path: str, lost: str
) -> None:
    async with programmed(tmp_path) as (house, program):
        store = house.store
        texts = {
            "/decks/retail": ("text/csv", "prefix,per_minute\n49,0.06\n"),
            "/sheets": ("text/csv", "name,password,numbers\nalice,long-horse-43,101\n"),
            "/configuration": ("application/json", json.dumps(
                json.loads((await program.ask("GET", "/configuration")).text) | {"settings": {"calltimeout": "77"}}
            )),
        }  # fmt: skip
        kind, text = texts[path]

        async def body() -> AsyncIterator[bytes]:
            yield text[:9].encode()
            while not imports._under_way:  # it was let in
                await asyncio.sleep(0)
            if lost == "token":
                [row] = store.api_tokens("olga")
                store.remove_api_token(row.id)
            else:
                store.add_administrator("other", Role.OWNER, PASSWORD)
                store.set_administrator("olga", "role", Role.READ_ONLY)
            store.commit()
            yield text[9:].encode()

        headers = {"Authorization": f"Bearer {program.token}", "Content-Type": kind}
        refused = await program.browser._ask("POST", ROOT + path, data=body(), headers=headers)
        assert refused.status == (401 if lost == "token" else 403), refused.text
        assert (store.decks(), store.account("alice"), store.overrides()) == ([], None, {})


async def test_an_address_without_a_token_asks_slower_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STRANGERS_PACE", (0.001, 2))
    async with programmed(tmp_path) as (_, program):
        stranger = Program(program.browser, "wrong")
        assert [(await stranger.ask("GET", "/status")).status for _ in range(3)] == [401, 401, 429]
        assert (await program.ask("GET", "/status")).status == 200


def test_a_pace_fills_again_and_forgets_nobody_who_is_refused() -> None:
    paces = Paces("token", 2.0, 3)
    assert [paces.take("a", 0.0).wait_s for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert paces.take("b", 0.0).left == 2
    assert paces.take("a", 0.5).wait_s == 0.0
    assert paces.take("a", 0.5).wait_s == 0.5
    assert [paces.take("a", 100.0).left for _ in range(3)] == [2, 1, 0]


@pytest.mark.setting("apiv2ipauth")
async def test_only_the_addresses_of_apiv2ipauth_are_served(home: Home) -> None:
    house, program = home
    assert (await program.ask("GET", "/status")).status == 200
    set_to(house, apiv2ipauth="192.0.2.0/24")
    answer = await program.ask("GET", "/status")
    assert answer.status == 403 and "apiv2ipauth" in answer.text
    set_to(house, apiv2ipauth="192.0.2.0/24,127.0.0.0/8")
    assert (await program.ask("GET", "/status")).status == 200


async def test_the_configuration_goes_out_and_comes_in_as_one(home: Home) -> None:
    house, program = home
    sent = {"Content-Type": "application/json"}
    answer = await program.ask("GET", "/configuration")
    read = json.loads(answer.text)
    assert answer.status == 200 and read["secrets"] is False
    read["settings"]["calltimeout"] = "77"
    body = json.dumps(read).encode()
    told = await program.said("POST", "/configuration?dry_run=true", body, headers=sent)
    assert told["dry_run"] and told["counts"]["settings"]["added"] == 1
    assert "calltimeout" not in house.store.overrides()
    assert (await program.ask("POST", "/configuration?digest=other", body, headers=sent)).status == 409
    done = await program.said("POST", f"/configuration?digest={told['digest']}", body, headers=sent)
    assert done["changes"] == told["changes"] and house.store.overrides()["calltimeout"] == "1m17s"
    bad = await program.ask(
        "POST", "/configuration", body.replace(b"1m17s", b"soon").replace(b'"77"', b'"soon"'), headers=sent
    )
    assert bad.status == 422 and "settings.calltimeout" in bad.text
    assert (await program.ask("POST", "/configuration", b"{}", headers=sent)).status == 422
    assert (await program.ask("POST", "/configuration", body, headers={"Content-Type": "text/csv"})).status == 415
    assert (await program.ask("GET", "/configuration?secrets=true")).status == 400


async def test_a_deck_comes_as_one_post(home: Home) -> None:
    _, program = home
    csv = {"Content-Type": "text/csv"}
    deck = b"prefix,destination,per_minute\n" + b"".join(b"49%d,x,0.01\n" % number for number in range(3000))
    made = await program.said("POST", "/decks/retail", deck, headers=csv)
    assert made["rates"] == 3000
    other = deck.replace(b"\n490,x,0.01", b"\n33,x,0.01").replace(b"\n491,x,0.01", b"\n491,x,2")
    told = await program.said("POST", "/decks/retail?dry_run=true", other, headers=csv)
    assert told == {"deck": "retail", "rates": 3000, "dry_run": True, "added": 1, "changed": 1, "removed": 1}
    rates = await program.said("GET", "/decks/retail/rates?limit=1000")
    rest = await program.said("GET", f"/decks/retail/rates?limit=1000&after={rates['next']}")
    assert len(rates["rates"]) == 1000 and rest["rates"][0]["prefix"] > rates["rates"][-1]["prefix"]
    bad = await program.ask("POST", "/decks/retail", deck + b"49x,x,much\n", headers=csv)
    assert bad.status == 422 and "3002" in bad.text
    assert (await program.said("GET", "/decks"))["decks"][0]["rates"] == 3000
    assert (await program.ask("POST", "/decks/retail", deck)).status == 415
    assert (await program.ask("POST", "/decks/retail", b"\xff\xfe", headers=csv)).status == 422
    assert (await program.ask("POST", "/decks/retail", deck, headers=csv)).status == 201  # none is left open


async def test_a_sheet_comes_as_one_post(home: Home) -> None:
    _, program = home
    csv = {"Content-Type": "text/csv"}
    sheet = b'name,password,display_name\nanna,kuhglocke-7731-x,"Anna, A."\nbob,regenrinne-9982-y,Bob\n'
    assert await program.said("POST", "/sheets?dry_run=true", sheet, headers=csv)
    assert (await program.said("GET", "/accounts"))["accounts"] == []
    await program.said("POST", "/sheets", sheet, headers=csv)
    accounts = (await program.said("GET", "/accounts"))["accounts"]
    assert [each["display_name"] for each in accounts] == ["Anna, A.", "Bob"]
    for wrong in (b"", b"name\nx,y\n", b"colour\nred\n", b'name,password\n"a\n'):
        assert (await program.ask("POST", "/sheets", wrong, headers=csv)).status == 422
    assert (await program.ask("POST", "/sheets", sheet, headers=csv | {"Idempotency-Key": "x"})).status == 400


async def test_an_import_has_an_end(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _, program = home
    monkeypatch.setattr("pysrv.api.imports.MOST_DECK_BYTES", 100)
    answer = await program.ask("POST", "/decks/d", b"49,x,1\n" * 100, headers={"Content-Type": "text/csv"})
    assert answer.status == 413
