"""Attacks on HTTP itself: requests that never end, that are too large, that tell two lengths, under other names."""

import asyncio

import pytest

from pysrv.web import doors, server
from pysrv.web.guard import SERVER
from tests.web.attacks.ground import ROUTES, Ground, status_of
from tests.web.attacks.sessions import at

HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def slow_requests(ground: Ground) -> None:
    """Headers, a body, a chunk or an upload that never ends; a line now and then."""
    cookie = b""
    await ground.enter("olga")
    cookie = ground.cookie.encode() + b"\r\n"
    ours = b"Origin: " + ground.browser.origin.encode() + b"\r\nHost: " + ground.browser.origin[8:].encode() + b"\r\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "REQUEST_TIMEOUT_S", 0.3)
        tries = (
            (b"",),
            (b"G",),
            (b"GET / HTTP/1.1\r\n" + HOST, b"X-a: b\r\n"),
            (b"POST /panel/login HTTP/1.1\r\n" + ours + FORM + b"Content-Length: 100\r\n\r\n", b"name=", b"o"),
            (b"POST /panel/login HTTP/1.1\r\n" + ours + FORM + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nna"),
            (
                b"POST /panel/rates HTTP/1.1\r\n"
                + ours
                + cookie
                + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n",
                b"--x\r\n",
            ),
            (
                b"POST /api/v1/accounts HTTP/1.1\r\n"
                + HOST
                + b"Authorization: "
                + ground.token("*:write")["Authorization"].encode()
                + b"\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n",
                b"{",
            ),
        )
        for pieces in tries:
            said = await ground.raw(*pieces, half=True)
            assert status_of(said) in (0, 400, 408), (pieces, said[:100])
    assert (await ground.browser.get("/healthz")).status == 200


async def large_heads(ground: Ground) -> None:
    """Lines and headers that are too long or too many, before anybody asks who it is."""
    long = b"a" * 100_000
    for head in (
        b"GET /" + long + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: " + long + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X" + long + b": 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"a=b; " * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: 1\r\n" % number for number in range(5000)) + b"\r\n",
        b"G" * 100_000,
    ):
        said = await ground.raw(head)
        assert status_of(said) in (0, 400, 431), said[:80]
        _plain(said)


BODIES = (
    ("/panel/login", "application/x-www-form-urlencoded"),
    ("/panel/accounts-new", "application/x-www-form-urlencoded"),
    ("/api/v1/accounts", "application/json"),
    ("/mvapireq/", "application/x-www-form-urlencoded"),
    ("/webhooks/stripe", "application/json"),
)


async def large_bodies(ground: Ground) -> None:
    """Bodies beyond the limit, announced and in chunks: refused, never held."""
    browser, piece = ground.browser, b"x" * 65_536
    await ground.enter("olga")
    token = ground.token("*:write")

    async def pieces() -> object:
        for _ in range(1024):
            yield piece

    with ground.remembering(48 * server.MOST_BODY_BYTES):
        for path, kind in BODIES:
            headers = {"Content-Type": kind, "Origin": browser.origin, **token}
            try:
                answer = await browser._ask("POST", path, data=pieces(), headers=headers)
            except OSError:  # hung up on, while it still sent
                continue
            assert answer.status in (400, 413), (path, answer.status)
    said = await ground.raw(b"POST /panel/login HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 99999999999999\r\n\r\n")
    assert status_of(said) == 403  # without an origin, before a byte of it is waited for
    ours = ground.browser.origin.encode()
    head = b"POST /panel/login HTTP/1.1\r\nHost: " + ours[8:] + b"\r\nOrigin: " + ours + b"\r\n"
    assert status_of(await ground.raw(head + FORM + b"Content-Length: 99999999999999\r\n\r\n")) == 413


# A request whose end two readers see in two places (RFC 9112, 6.3 and 11.2): the second begins in the first.
TWICE = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 4\r\nContent-Length: 60\r\n",
    b"Content-Length: 4, 60\r\n",
    b"Content-Length: +4\r\n",
    b"Content-Length: -4\r\n",
    b"Content-Length: 0x4\r\n",
    b"Content-Length: 4 \x0b\r\n",
    b"Content-Length : 4\r\n",
    b"Content-Length\t: 4\r\n",
    b"Content_Length: 4\r\nContent-Length:\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: identity, chunked, chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n",
    b"X: y\nTransfer-Encoding: chunked\n",
    b"X: y\rTransfer-Encoding: chunked\r\n",
    b"X\x00: y\r\n",
)
CHUNKS = (
    b"+4\r\nabcd\r\n0\r\n\r\n",
    b"0x4\r\nabcd\r\n0\r\n\r\n",
    b"4;\nabcd\r\n0\r\n\r\n",
    b"-1\r\n\r\n",
    b"4\r\nabcdXX0\r\n\r\n",
    b"4\nabcd\n0\n\n",
    b"fffffffffffffffff\r\na\r\n",
    b"4 \r\nabcd\r\n0\r\n\r\n",
)


async def smuggled_requests(ground: Ground) -> None:
    """What tells its length twice, or in another way than the RFC's, is refused, and nothing behind it is served."""
    for headers in TWICE:
        said = await ground.raw(
            b"POST /portal/login HTTP/1.1\r\n" + HOST + headers + b"\r\n0\r\n\r\n" + SMUGGLED, half=True
        )
        assert status_of(said) in (0, 400, 403), (headers, said[:100])
        assert b"\r\n\r\nok\n" not in said and said.count(b"HTTP/1.1 ") <= 1, (headers, said)
        _plain(said)
    for chunk in CHUNKS:
        head = b"POST /webhooks/stripe HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        said = await ground.raw(head + chunk + SMUGGLED, half=True)
        assert b"\r\n\r\nok\n" not in said and status_of(said) in (0, 400), (chunk, said)
        _plain(said)


async def no_http(ground: Ground) -> None:
    """Whatever else somebody says to the port."""
    for said in (
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n\r\n",
        b"\r\n" * 2000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"\x00" * 500,
        b"GET / \xff\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n",
        b"* * *\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(doors, "REQUEST_TIMEOUT_S", 0.3)
            answer = await ground.raw(said, half=True)
        assert status_of(answer) in (0, 400, 403, 404, 405, 421), (said, answer[:100])
        _plain(answer)
    assert ground.house.wrongs and all(address == "127.0.0.1" for address, _ in ground.house.wrongs)


def _plain(said: bytes) -> None:
    """An answer of ours, also where the library makes it: nothing of what is behind it, nothing of what was sent."""
    for word in (b"aiohttp", b"Python/", b"Traceback", b"Error:", b"HTTPException"):
        assert word not in said, said[:300]
    if said:
        assert b"X-Content-Type-Options: nosniff" in said and f"Server: {SERVER}".encode() in said, said[:300]


async def other_methods(ground: Ground) -> None:
    """Methods that a page does not have, and headers and fields that would make one of another."""
    browser = await ground.enter("olga")
    headers, token = {"Origin": browser.origin}, ground.token("accounts:read")
    with ground.unchanged("methods"):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "TRACK", "DEBUG", "PROPFIND", "MOVE", "SEARCH", "LINK"):
            for path in ("/panel/", "/panel/accounts/alice", "/portal/", "/panel/accounts/alice/remove", "/healthz"):
                answer = await browser._ask(method, path, headers=headers)
                assert answer.status in (400, 405), (method, path)  # 400: a word that is no method
                assert "TRACE" not in answer.text and browser.cookie() not in answer.text
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
            for path in ("/panel/accounts/alice/remove", "/panel/accounts/alice"):
                answer = await browser.get(
                    f"{path}?{name}=POST&name=alice&form_token={browser.form_token}", headers={**headers, name: "POST"}
                )
                assert answer.status in (200, 405)
        answer = await browser.get("/api/v1/accounts/alice", headers={**token, "X-HTTP-Method-Override": "DELETE"})
        assert answer.status == 200
        for route in ROUTES:
            if route.method == "POST" and route.path not in {each.path for each in ROUTES if each.method == "GET"}:
                assert (await browser.get(at(route.path))).status in (404, 405), route.path
    assert ground.house.store.account("alice") is not None


async def foreign_names(ground: Ground) -> None:
    """A Host of somebody else's, in every way that one can be told: refused, and in no link or redirect."""
    port = ground.browser.port
    for lines in (
        b"Host: evil.example\r\n",
        b"Host: 127.0.0.1.evil.example\r\n",
        b"Host: evil.example:%d\r\n" % port,
        b"Host: 127.0.0.1@evil.example\r\n",
        b"Host: evil.example#127.0.0.1\r\n",
        b"Host: localhost.evil.example\r\n",
        b"Host: \r\n",
        b"Host: [::1\r\n",
        b"Host: evil.example, 127.0.0.1\r\n",
        b"Host: 127.0.0.1/evil\r\n",
        b"Host: evil.example@127.0.0.1\r\n",
        b"Host: 127.0.0.1?evil.example\r\n",
        b"Host: 127.0.0.1#\r\n",
    ):
        for path in (b"/panel/login", b"/portal/login", b"/", b"/api/v1/accounts", b"/mvapireq/?apientry=apitest1"):
            said = await ground.raw(b"GET " + path + b" HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
            assert status_of(said) in (400, 421), (lines, path, said[:100])
    ours = b"Host: 127.0.0.1:%d\r\n" % port
    for lines in (
        b"X-Forwarded-Host: evil.example\r\n",
        b"X-Host: evil.example\r\n",
        b"Forwarded: host=evil.example\r\n",
        b"X-Original-URL: /panel/people\r\n",
        b"X-Rewrite-URL: /panel/people\r\n",
        b"X-Forwarded-Proto: http\r\n",
        b"X-Forwarded-For: 10.0.0.1\r\n",
    ):
        said = await ground.raw(b"GET /panel/ HTTP/1.1\r\n" + ours + lines + b"Connection: close\r\n\r\n")
        assert status_of(said) == 303 and b"evil.example" not in said, lines
    said = await ground.raw(b"GET https://evil.example/panel/ HTTP/1.1\r\n" + ours + b"Connection: close\r\n\r\n")
    assert b"Location: https://evil" not in said and b"Location: //evil" not in said
    answers = await asyncio.gather(*(ground.browser.get("/panel/") for _ in range(3)))
    assert {answer.headers["Location"] for answer in answers} == {"/panel/login?next=%2Fpanel%2F"}


async def scanned_paths(ground: Ground) -> None:
    """What scanners look for is not there, and who looks for it is noted against his address."""
    for path in (
        "/wp-login.php",
        "/.env",
        "/.git/config",
        "/phpmyadmin/",
        "/cgi-bin/test.cgi",
        "/admin",
        "/server-status",
        "/actuator/env",
        "/vendor/phpunit/eval-stdin.php",
        "/?a=/etc/passwd",
        "/panel.bak",
        "/api/v2/users",
    ):
        answer = await ground.browser.get(path)
        assert answer.status == 404 or path.startswith("/?"), path
    assert sum("unknown_path" in words for _, words in ground.house.wrongs) >= 11
