"""Attacks by what is written into fields: scripts, SQL, line breaks. Whatever a form takes is read back on every page,
and by the API."""

import json
from urllib.parse import quote, urlencode, urlsplit

from pysrv.api import routes as api_routes
from pysrv.web.guard import HEADERS
from tests.web.attacks.ground import ROUTES, Ground
from tests.web.attacks.walking import PROBE, Form, Page, in_order, walk
from tests.web.house import PASSWORD, Answer

SCRIPT = f"'\"><{PROBE} onxss=1>{{{{7*7}}}}</{PROBE}>"
LINK = f"javascript:alert('{PROBE}')"
TEXTS = (SCRIPT, LINK, f"<script>{PROBE}</script>", f"</textarea></title><img src=x onerror=1 alt={PROBE}>")
SQL = ("'", "' OR '1'='1", "1); DROP TABLE accounts;--", '" UNION SELECT ha1_md5 FROM accounts--', "%' OR 1=1 --", "\\")
BREAKS = ("a\r\nX-Evil: 1\r\n\r\n<b>", "a\nSet-Cookie: evil=1", "a\x00b")
PEOPLE = ("olga", "rex", "alice")


def harmless(address: str, answer: Answer) -> None:
    """Nothing that we wrote runs in this answer, and the browser is told to run nothing."""
    assert answer.status < 500, (address, answer.text[:600])
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"], address
    assert answer.headers["X-Content-Type-Options"] == "nosniff", address
    assert "X-Evil" not in answer.headers and "evil=1" not in answer.headers.get("Set-Cookie", ""), address
    if "html" in answer.headers.get("Content-Type", ""):
        assert Page(answer.text).scripts == [], address
        assert "49</xss" not in answer.text, address  # {{7*7}}: no template is made of what somebody wrote


async def _send(ground: Ground, who: str, form: Form, told: dict[str, str]) -> None:
    browser = ground.browser
    if form.method == "get":
        answer = await browser.get(f"{urlsplit(form.action).path}?{urlencode(told)}")
    elif any(kind == "file" for kind, _ in form.fields.values()):
        answer = await browser.upload(
            form.action, told, b"prefix,destination,per_minute\n49," + SCRIPT.encode(), SCRIPT
        )
    else:
        answer = await browser.post(form.action, told)
    harmless(f"{form.method} {form.action} {told}", answer)
    if (answer.status in (303, 401) and not browser.cookie()) or "/login" in answer.headers.get("Location", ""):
        await _again(ground, who)


async def _again(ground: Ground, who: str) -> None:
    """A form has ended our session, or changed the password."""
    store = ground.house.store
    if store.administrator(who) is not None:
        store.set_admin_password(who, PASSWORD)
        store.forget_second_factor(who)
    else:
        store.set_account(who, enabled=True)
        store.set_web_password(who, PASSWORD, own=True)
    store.commit()
    await ground.enter(who)


async def written(ground: Ground, texts: tuple[str, ...], *, singly: bool) -> int:
    """Every form of every room, each text into all its fields at once, with `singly` the first also into one after the
    other. Then every page is read back. Returns how many forms there were."""
    forms = 0
    ground.house.trusted.add("127.0.0.1")  # who writes into password fields guesses, and would have to wait
    for who in PEOPLE:
        await ground.enter(who)
        room = "panel" if who == "olga" else "portal"
        found = await walk(ground, room)
        for form in in_order(found.forms):
            if urlsplit(form.action).path.endswith("/logout"):
                continue
            forms += 1
            decent = form.filled()
            for name in form.typed if singly else ():
                await _send(ground, who, form, {**decent, name: texts[0]})
            for text in texts:
                await _send(ground, who, form, {**decent, **dict.fromkeys(form.typed, text)})
        await _again(ground, who)
        for address, answer in (await walk(ground, room, tuple(found.addresses()))).pages.items():
            harmless(address, answer)
    return forms


async def scripts(ground: Ground) -> None:
    """Scripts in every text field of every form, and in what comes from outside: callers, programs, reasons."""
    assert await written(ground, TEXTS, singly=True) > 60
    shown = 0
    for who in PEOPLE:
        await ground.enter(who)
        for address, answer in (await walk(ground, "panel" if who == "olga" else "portal")).pages.items():
            harmless(address, answer)
            shown += PROBE in answer.text
    assert shown > 12  # what was written is there, as text


async def scripts_for_programs(ground: Ground) -> None:
    """What the API and the older entry point say is never taken for a page."""
    token = ground.token("*:write")
    body = json.dumps({"name": "eve", "password": PASSWORD, "display_name": SCRIPT}).encode()
    answer = await ground.browser._ask(
        "POST", "/api/v1/accounts", data=body, headers={**token, "Content-Type": "application/json"}
    )
    assert answer.status < 500
    for target in (
        "/api/v1/accounts/alice",
        f"/api/v1/accounts/{quote(SCRIPT, safe='')}",
        f"/api/v1/{quote(SCRIPT)}",
        "/mvapireq/?" + urlencode({"apientry": SCRIPT}),
        "/mvapireq/?" + urlencode({"apientry": SCRIPT, "format": "xml"}),
        "/mvapireq/?" + urlencode({"apientry": "apitest1", "jsonp": "alert(1)//"}),
        "/mvapireq/?" + urlencode({"apientry": "apitest1", "format": SCRIPT}),
    ):
        answer = await ground.browser.get(target, headers=token)
        harmless(target, answer)
        assert "html" not in answer.headers["Content-Type"], target
        assert "xml" not in answer.headers["Content-Type"] or f"<{PROBE}" not in answer.text, target


async def sql(ground: Ground) -> None:
    """Quotes in every field, every query and every path: no fault, nobody else's rows, all tables still there."""
    assert await written(ground, SQL[:3], singly=False) > 60
    await ground.enter("alice")
    for address, answer in (await walk(ground, "portal")).pages.items():
        assert "secret@bob" not in answer.text and "call-bob" not in answer.text, address
    token = ground.token("*:write")
    for route in api_routes():
        for text in SQL if route.method == "GET" and route.token and not route.path.endswith("/events") else ():
            path = "/".join(quote(text, safe="") if "{" in part else part for part in route.path.split("/"))
            for query in (
                "",
                f"?search={quote(text)}",
                f"?account={quote(text)}&after={quote(text)}&limit={quote(text)}",
            ):
                answer = await ground.browser.get(path + query, headers=token)
                assert answer.status < 500 or "not_running" in answer.text, (path + query, answer.text)
                assert "secret@bob" not in answer.text or not (query or "{" in route.path), path + query
    assert ground.house.store.account("bob") is not None


async def line_breaks(ground: Ground) -> None:
    """CR and LF in fields, in redirects, in paths and in names of files end up in no header."""
    await written(ground, BREAKS[::2], singly=False)
    await ground.enter("olga")
    cookie = ground.cookie
    evil = "%0d%0aX-Evil:%201%0d%0a%0d%0a"
    for target in (
        f"/panel/accounts/{evil}",
        f"/panel/{evil}",
        f"/panel/accounts.csv?search={evil}",
        f"/static/web/{evil}",
        f"/panel/rates/{evil}/export.csv",
        f"/panel/cdrs.csv?account={evil}",
        f"/portal/calls.csv?month={evil}",
        f"/panel/login?next=/panel/{evil}",
        f"/mvapireq/?apientry={evil}",
    ):
        for header in (cookie, "X: y"):
            status, said = await ground.asked("GET", target, header)
            head = said.partition("\r\n\r\n")[0]
            assert status and "\r\nX-Evil" not in head, target
    for target in ("/panel/login", "/portal/login", "/language"):
        for text in BREAKS:
            fields = {"name": "olga", "password": PASSWORD, "language": "de", "next": "/panel/" + text}
            answer = await ground.browser.post(target, fields)
            assert "\n" not in answer.headers.get("Location", "") and "X-Evil" not in answer.headers, target


__all__ = ["ROUTES", "line_breaks", "scripts", "scripts_for_programs", "sql"]
