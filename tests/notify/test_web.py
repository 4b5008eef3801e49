"""Webhook and SMS gateway over the wire: signed, escaped, without redirects, with a bounded answer."""

import hashlib
import hmac
import json
from urllib.parse import parse_qs

import pytest

from appliance.config.fields import BadValue
from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from pysrv.notify import web as sender
from pysrv.notify.message import SendFailed, compose
from pysrv.notify.web import filled
from pysrv.store.notices import DeliveryRow, NoticeRow
from tests.notify.outbox import NOW, Outbox
from tests.notify.servers import WebServer

NASTY = "a&to=+666#x=?/\\ é\r\n{number}%41"


def delivery(**figures: str | int) -> DeliveryRow:
    notice = NoticeRow(1, NOW, "pin_guessing", "", "", figures)
    return DeliveryRow(1, "sms", "+4930123", False, "waiting", "", 1, 0, 0.0, 0.0, notice)


def settings(**texts: object) -> Settings:
    """Settings with the servers of the tests, which are on loopback, within reach."""
    wanted = {"notifyprivate": "true"} | texts
    return Settings().with_changes({name: str(text) for name, text in wanted.items()}, 1)


async def test_a_post_is_signed_with_its_time_and_says_everything(web: WebServer) -> None:
    message = compose("notice-7.tag", [delivery(caller="+491", wrong=5), delivery(caller="+492")])
    await sender.post_to_webhook(message, settings(notifywebhook=web.url + "/hook", notifywebhookkey="key"))
    [(method, _, headers, body)] = web.asked
    said = json.loads(body)
    assert (method, headers["Idempotency-Key"], said["id"]) == ("POST", "notice-7.tag", "notice-7.tag")
    assert [(each["kind"], each["severity"]) for each in said["notices"]] == [("pin_guessing", "critical")] * 2
    assert said["notices"][0]["figures"] == {"caller": "+491", "wrong": 5}
    at, _, mac = headers["X-Appliance-Signature"].partition(",v1=")
    signed = at.removeprefix("t=").encode() + b"." + body
    assert hmac.compare_digest(mac, hmac.new(b"key", signed, hashlib.sha256).hexdigest())


@pytest.mark.parametrize("status", [301, 302, 307, 400, 500])
async def test_what_is_no_success_fails_and_a_redirect_is_not_followed(web: WebServer, status: int) -> None:
    web.status = status
    wanted = settings(notifywebhook=web.url + "/hook", notifywebhookkey="key")
    with pytest.raises(SendFailed, match=str(status)):
        await sender.post_to_webhook(compose("notice-1", [delivery()]), wanted)
    assert web.paths == ["/hook"]


async def test_an_endless_answer_is_not_read_to_its_end(web: WebServer) -> None:
    web.size = 50_000_000
    wanted = settings(notifywebhook=web.url, notifywebhookkey="key")
    await sender.post_to_webhook(compose("notice-1", [delivery()]), wanted)
    assert len(web.asked) == 1


async def test_a_certificate_that_nobody_trusts_ends_it(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    wanted = settings(notifywebhook=web.url, notifywebhookkey="key")
    with pytest.raises(SendFailed, match="Certificate"):
        await sender.post_to_webhook(compose("notice-1", [delivery()]), wanted)
    assert web.asked == []


@pytest.mark.setting("smsmethod")
@pytest.mark.parametrize("method", ["get", "post"])
async def test_an_sms_goes_the_way_its_gateway_wants_and_nothing_in_it_adds_a_field(
    web: WebServer, method: str
) -> None:
    url = web.url + "/send?user=u&password=gateway-secret&to={number}&text={text}"
    message = compose("notice-1", [delivery(caller=NASTY)])
    await sender.send_sms(message, settings(smsgatewayurl=url, smsmethod=method))
    [(asked, query, headers, body)] = web.asked
    fields = {name: value for name, [value] in parse_qs(body.decode()).items()} if method == "post" else query
    assert (asked, web.paths) == (method.upper(), ["/send"])
    assert (query == {}) is (method == "post")
    assert set(fields) == {"user", "password", "to", "text"}
    assert fields["to"] == "+4930123"
    assert "from a&to=+666#x=?/\\ é  {number}%41." in fields["text"]
    assert headers["Idempotency-Key"] == "notice-1"


async def test_an_error_does_not_tell_the_password_in_the_url() -> None:
    url = "https://127.0.0.1:1/send?password=gateway-secret&to={number}&text={text}"
    with pytest.raises(SendFailed) as failed:
        await sender.send_sms(compose("notice-1", [delivery()]), settings(smsgatewayurl=url))
    assert "gateway-secret" not in failed.value.reason
    assert "gateway-secret" not in str(ROWS["smsgatewayurl"].kind.shown(url))


async def test_many_notices_are_one_short_text(box: Outbox, web: WebServer) -> None:
    box.use(smsgatewayurl=web.url + "/?n={number}&t={text}", adminphones="+491")
    for number in range(9):
        box.tell("pin_guessing", key=str(number), caller="x" * 500)
    await box.drain()
    [(_, query, _, _)] = web.asked
    assert query["t"].startswith("9 notices: PINs of calling cards are being guessed from xxx")
    assert len(query["t"]) <= 300


@pytest.mark.parametrize(
    "url",
    [
        "http://gw.example/?n={number}&t={text}",
        "https://gw.example/?n={number}",
        "https://{number}.example/?t={text}",
        "https://gw.example/?n={number}&t={text}&x={other}",
        "https://gw.example/?n={number}&t={text}#f",
    ],
)
def test_a_gateway_must_be_https_and_say_where_number_and_text_go(url: str) -> None:
    with pytest.raises(BadValue, match="smsgatewayurl must be"):
        ROWS["smsgatewayurl"].parse(url)


def test_what_is_filled_in_is_escaped_whole() -> None:
    url = filled("https://gw.example/{number}?t={text}", "../+49", "a/b&c#d{number}")
    assert url == "https://gw.example/..%2F%2B49?t=a%2Fb%26c%23d%7Bnumber%7D"
