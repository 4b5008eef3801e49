"""Attacks by another's page, another's session, and by where a browser is sent."""

from collections.abc import Callable

from pysrv.people.permissions import Role
from pysrv.store.web import PersonKind
from pysrv.web.guard import HEADERS, UNSAFE
from pysrv.web.guesses import FREE_GUESSES
from tests.web.attacks.ground import ROUTES, Ground
from tests.web.house import PASSWORD, Answer, Browser

WRITING = [route for route in ROUTES if route.method in UNSAFE]
FORM = "application/x-www-form-urlencoded"
EVIL = "https://evil.example"
AWAY = (
    EVIL,
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "/panel/\t//evil.example",
    "/\t/evil.example",
    " //evil.example",
    "///evil.example",
    "http://127.0.0.1@evil.example/",
    "/portal/@evil.example/..//evil.example",
    "/panel/..\\..\\evil.example",
)


def at(path: str) -> str:
    """The path of something that there is."""
    names = {"{name}": "alice", "{deck}": "retail", "{number}": "1", "{what}": "approve", "{step}": "password"}
    for name, text in names.items():
        path = path.replace(name, "maxlines" if name == "{name}" and "settings" in path else text)
    return path


async def _post(browser: Browser, path: str, token: str, headers: dict[str, str], *, multipart: bool) -> Answer:
    fields = {"form_token": token, "name": "alice", "password": PASSWORD, "amount": "5", "proof_password": PASSWORD}
    if not multipart:
        return await browser._ask("POST", path, data=fields, headers=headers)
    browser.form_token, kept = token, browser.form_token
    try:
        return await browser.upload(path, {"deck": "evil"}, b"prefix,per_minute\n49,1\n", headers=headers)
    finally:
        browser.form_token = kept


async def foreign_forms(ground: Ground) -> None:
    """Every writing route: without a token, with another's, from another origin, from nowhere."""
    async with ground.other() as thief:
        await thief.get("/panel/login")
        await thief.log_in("otto")
        assert thief.form_token
        for who, kind in (("olga", PersonKind.ADMINISTRATOR), ("rex", PersonKind.ACCOUNT)):
            browser = await ground.enter(who)
            ours, theirs = browser.form_token, thief.form_token
            assert ours and ours != theirs
            tries: tuple[tuple[str, str, dict[str, str]], ...] = (
                ("no token", "", {"Origin": browser.origin}),
                ("another's token", theirs, {"Origin": browser.origin}),
                ("another site", ours, {"Origin": EVIL}),
                ("a page without origin", ours, {"Origin": "null"}),
                ("nothing said", ours, {}),
                ("a site beside ours", ours, {"Sec-Fetch-Site": "same-site"}),
                ("our name at another port", ours, {"Origin": "https://127.0.0.1:1"}),
                ("a referrer instead", ours, {"Referer": browser.origin + "/panel/"}),
            )
            for route in WRITING:
                if route.kind not in (kind, None):
                    continue
                with ground.unchanged(route.path):
                    for why, token, headers in tries:
                        if route.kind is None and why in ("no token", "another's token"):
                            continue  # whoever logs in has none yet
                        answer = await _post(browser, at(route.path), token, headers, multipart=route.uploads)
                        assert answer.status == 403, (route.path, why, answer.status)
        assert (await browser.get("/portal/")).status == 200  # nobody was logged out either


async def foreign_forms_in_disguise(ground: Ground) -> None:
    """Bodies that need no preflight, and JSON where a form is expected."""
    browser = await ground.enter("olga")
    body = b'{"name":"eve","password":"' + PASSWORD.encode() + b'"}'
    with ground.unchanged("disguise"):
        for kind in (
            "application/json",
            "text/plain",
            "application/json; charset=utf-8",
            "multipart/form-data",
            "",
            FORM + "; charset=nonsense",
            FORM + "; charset=utf-16",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
        ):
            headers = {"Content-Type": kind, "Origin": browser.origin}
            answer = await browser._ask("POST", "/panel/accounts-new", data=body, headers=headers)
            assert 400 <= answer.status < 500, kind
        for target in ("/panel/accounts-new?name=eve", "/mvapireq/?apientry=addcredit&user=alice&amount=5"):
            assert (await browser.get(target, headers={"Origin": EVIL})).status in (200, 401, 403), target


async def foreign_reading(ground: Ground) -> None:
    """No page of another origin reads an answer, or keeps a stream."""
    browser = await ground.enter("olga")
    for path in (
        "/panel/",
        "/panel/live.json",
        "/panel/accounts.csv",
        "/api/v1/accounts",
        "/mvapireq/?apientry=apitest1",
    ):
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
            answer = await browser._ask(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("Access-Control")], path
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": EVIL,
    }
    assert (await browser.get("/api/v1/events", headers=upgrade)).status == 401  # a cookie opens no websocket


async def planted_sessions(ground: Ground) -> None:
    """A cookie that was there before the log-in is not the one after it, and opens nothing afterwards."""
    house, browser = ground.house, ground.browser
    for room, name in (("panel", "olga"), ("portal", "alice")):
        browser._jar.clear()
        async with ground.other() as thief:
            await thief.get("/panel/login")
            await thief.log_in("otto")
            for planted in ("a" * 64, "", thief.cookie()):
                headers = {"Cookie": f"__Host-session={planted}", "Origin": browser.origin}
                fields = {"name": name, "password": PASSWORD}
                answer = await browser._ask("POST", f"/{room}/login", data=fields, headers=headers)
                assert answer.status == 303
                made = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
                assert made not in ("", planted) and len(made) >= 32
                seen = await thief.get(f"/{room}/", headers={"Cookie": f"__Host-session={planted}"})
                assert f">{name}<" not in seen.text and name not in seen.text.partition("<main")[0]
                browser._jar.clear()
    assert all(session.name in ("olga", "alice", "otto") for session in house.store.web_sessions())


async def kept_sessions(ground: Ground) -> None:
    """After logging out, a new password or a role that was taken away the old cookie opens nothing."""
    house = ground.house
    changes: tuple[tuple[str, str, Callable[[], object] | None], ...] = (
        ("olga", "/panel/", None),
        ("alice", "/portal/", None),
        ("otto", "/panel/", lambda: house.store.set_admin_password("otto", PASSWORD + "x", "olga")),
        ("otto", "/panel/", lambda: house.store.set_administrator("otto", "role", Role.SALES, "olga")),
    )
    for name, path, change in changes:
        if change is not None and house.store.administrator("otto") is not None:
            house.store.set_admin_password("otto", PASSWORD)
            house.store.commit()
        browser = await ground.enter(name)
        cookie = ground.cookie.removeprefix("Cookie: ")
        if change is None:
            assert (await browser.post(f"{path}logout")).status == 303
        else:
            change()
            house.store.commit()
        browser._jar.clear()
        answer = await browser.get(path, headers={"Cookie": cookie})
        assert answer.headers["Location"].startswith(f"{path}login"), name


async def led_away(ground: Ground) -> None:
    """Nothing that a link says leads a browser out of the appliance."""
    for wanted in AWAY:
        for path, name in (("/panel/login", "olga"), ("/portal/login", "alice"), ("/language", "")):
            ground.browser._jar.clear()
            fields = {"name": name, "password": PASSWORD, "language": "de", "next": wanted}
            answer = await ground.browser.post(path, fields)
            assert answer.status == 303
            _stays(answer.headers["Location"], (path, wanted))
        await ground.enter("olga")
        fields = {"next": wanted, "action": "deny", "prefix": "203.0.113.0/24"}
        for path in ("/panel/changes/confirm", "/panel/changes/undo"):
            answer = await ground.browser.post(path, fields)
            _stays(answer.headers.get("Location", "/"), (path, wanted))
    for target in ("//evil.example/..", "/\\evil.example", "//evil.example/panel/", "/portal//evil.example"):
        _, said = await ground.asked("GET", target)
        assert "evil.example" not in said.partition("Location:")[2].partition("\r\n")[0].partition("next=")[0], target


def _stays(where: str, what: object) -> None:
    assert where.startswith("/") and not where.startswith(("//", "/\\", "/\t")) and "\\" not in where, (what, where)
    assert where.isprintable(), (what, where)


async def framed(ground: Ground) -> None:
    """No page, refusal or file may stand in another's frame."""
    for who in ("olga", "alice"):
        await ground.enter(who)
        for route in ROUTES:
            if route.method == "GET" and route.path != "/panel/live":
                _unframed(await ground.browser.get(at(route.path)), route.path)
    for method, path in (("POST", "/panel/accounts-new"), ("PUT", "/panel/"), ("GET", "/nothing"), ("GET", "/healthz")):
        _unframed(await ground.browser._ask(method, path), path)


def _unframed(answer: Answer, path: str) -> None:
    assert answer.headers["X-Frame-Options"] == "DENY", path
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
    for name in HEADERS.keys() - {"Cache-Control"}:
        assert answer.headers[name] == HEADERS[name], (path, name)


async def cookies(ground: Ground) -> None:
    """Every cookie is for this host, over TLS, out of reach of scripts and of other sites' forms."""
    seen = set()
    for path, fields in (
        ("/panel/login", {"name": "olga", "password": PASSWORD}),
        ("/language", {"language": "de"}),
        ("/panel/logout", {}),
        ("/portal/login", {"name": "alice", "password": PASSWORD}),
        ("/portal/logout", {}),
    ):
        answer = await ground.browser.post(path, fields)
        told = answer.headers["Set-Cookie"]
        seen.add(told.partition("=")[0])
        for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert part in told, (path, told)
        assert "domain=" not in told.lower(), told
        await ground.browser.get("/panel/" if "panel" in path or "language" in path else "/portal/")
    assert seen == {"__Host-session", "language"}


async def guesses(ground: Ground) -> None:
    """Passwords that are guessed wait longer and longer, and are told to the gate."""
    for room, name in (("panel", "olga"), ("portal", "alice")):
        told = [
            (await ground.browser.post(f"/{room}/login", {"name": name, "password": f"wrong-{number}"})).status
            for number in range(FREE_GUESSES + 2)
        ]
        assert told[-1] == 429 and set(told) <= {401, 429}
    assert ("127.0.0.1", "olga") in ground.house.guesses


async def widened_rights(ground: Ground) -> None:
    """A role that may only look changes nothing by any form, and no token makes another or an administrator."""
    browser = await ground.enter("otto")
    for route in WRITING:
        if route.kind is PersonKind.ADMINISTRATOR and route.area is not None and route.area != "own":
            with ground.unchanged(route.path):
                answer = await _post(
                    browser, at(route.path), browser.form_token, {"Origin": browser.origin}, multipart=route.uploads
                )
            assert answer.status == 403, route.path
    token = ground.token("*:write", "people:write")
    with ground.unchanged("tokens"):
        for method, path in (
            ("POST", "/tokens"),
            ("POST", "/people"),
            ("PATCH", "/people/otto"),
            ("DELETE", "/tokens/1"),
        ):
            answer = await browser._ask(method, "/api/v1" + path, headers=token, json={"name": "otto", "role": "owner"})
            assert answer.status in (403, 404, 405), path
