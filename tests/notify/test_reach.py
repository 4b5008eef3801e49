"""What a webhook may reach: judged by the address that is connected to, never by the name."""

import socket

import pytest
from aiohttp import web as http
from aiohttp.abc import AbstractResolver, ResolveResult

from appliance.config.fields import BadValue
from appliance.config.schema import ROWS
from pysrv.notify import web as sender
from pysrv.notify.message import SendFailed, compose
from pysrv.notify.reach import Lookup, check, may_reach
from tests.notify.servers import WebServer
from tests.notify.test_web import delivery, settings


@pytest.mark.parametrize(
    ("address", "public", "inside"),
    [
        ("192.0.2.1", False, False),
        ("8.8.8.8", True, False),
        ("2001:4860:4860::8888", True, False),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("100.64.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.1.2.3", False, True),
        ("64:ff9b::a01:203", False, True),
        ("2002:a01:203::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff0e::1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_an_address_is_public_inside_or_out_of_reach(address: str, public: bool, inside: bool) -> None:
    assert may_reach(address, private=False) is public
    assert may_reach(address, private=True) is (public or inside)


@pytest.mark.setting("notifyprivate")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_what_lies_inside_is_asked_only_where_that_is_allowed(web: WebServer, host: str) -> None:
    url = web.url.replace("127.0.0.1", host) + "/hook"
    message = compose("notice-1", [delivery()])
    with pytest.raises(SendFailed, match="notifyprivate") as failed:
        await sender.post_to_webhook(message, settings(notifyprivate="false", notifywebhook=url, notifywebhookkey="k"))
    assert failed.value.final
    assert web.paths == []
    if host == "127.0.0.1":  # the certificate names this one alone
        await sender.post_to_webhook(message, settings(notifywebhook=url, notifywebhookkey="k"))
        assert web.paths == ["/hook"]
    with pytest.raises(SendFailed, match="notifyprivate"):
        await sender.send_sms(message, settings(notifyprivate="false", smsgatewayurl=url + "?n={number}&t={text}"))


async def test_a_name_that_leads_inside_among_other_places_is_followed_to_those_alone() -> None:
    class Names(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = {"both.example": ["10.0.0.1", "8.8.8.8"], "inside.example": ["10.0.0.1", "169.254.169.254"]}
            return [
                ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
                for each in found[host]
            ]

        async def close(self) -> None:
            pass

    careful, open_hearted = Lookup(Names(), private=False), Lookup(Names(), private=True)
    assert [row["host"] for row in await careful.resolve("both.example", 443)] == ["8.8.8.8"]
    assert [row["host"] for row in await open_hearted.resolve("inside.example", 443)] == ["10.0.0.1"]
    with pytest.raises(SendFailed, match="notifyprivate"):
        await careful.resolve("inside.example", 443)


async def test_plain_http_is_for_addresses_inside_alone() -> None:
    check("http://10.0.0.1/hook", private=True)
    for url, private in (("http://10.0.0.1/", False), ("http://8.8.8.8/", True), ("http://gw.example/", True)):
        with pytest.raises(SendFailed, match="notifyprivate"):
            check(url, private=private)
    assert ROWS["notifywebhook"].parse("http://10.0.0.1:8080/hook")
    for text in ("http://gw.example/", "ftp://10.0.0.1/", "https://"):
        with pytest.raises(BadValue, match="notifywebhook must be"):
            ROWS["notifywebhook"].parse(text)


async def test_plain_http_reaches_a_server_on_this_machine() -> None:
    heard: list[str] = []

    async def answer(request: http.Request) -> http.Response:
        heard.append(request.headers["Idempotency-Key"])
        return http.Response()

    app = http.Application()
    app.router.add_post("/hook", answer)
    runner = http.AppRunner(app)
    await runner.setup()
    await http.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        await sender.post_to_webhook(
            compose("notice-9", [delivery()]), settings(notifywebhook=url, notifywebhookkey="k")
        )
    finally:
        await runner.cleanup()
    assert heard == ["notice-9"]
