"""Posts to a webhook and requests to an SMS gateway: over verified TLS, without redirects, with a bounded answer.

URLs may hold passwords, so no error says more of one than its kind.
"""

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
import yarl

from appliance.config.settings import Settings
from pysrv.notify import reach
from pysrv.notify.message import Message, SendFailed, payload, short_text

TIMEOUT_S = 15.0
MOST_ANSWER = 4096
IDEMPOTENCY = "Idempotency-Key"
SIGNATURE = "X-Appliance-Signature"


def signature(key: str, at: int, body: bytes) -> str:
    """Seconds and HMAC-SHA256 over `seconds.body`: who checks it refuses what is older than some minutes."""
    return f"t={at},v1={hmac.digest(key.encode(), b'%d.' % at + body, hashlib.sha256).hex()}"


async def post_to_webhook(message: Message, settings: Settings) -> None:
    """Tells a program. Raises SendFailed."""
    body = payload(message)
    headers = {
        "Content-Type": "application/json",
        IDEMPOTENCY: message.ident,
        SIGNATURE: signature(settings.notifywebhookkey, int(time.time()), body),
    }
    await _ask("POST", settings.notifywebhook, headers, body, private=settings.notifyprivate)


async def send_sms(message: Message, settings: Settings) -> None:
    """Asks the gateway. Raises SendFailed."""
    url = filled(settings.smsgatewayurl, message.recipient, short_text(message))
    headers = {IDEMPOTENCY: message.ident}
    if settings.smsmethod == "get":
        await _ask("GET", url, headers, None, private=settings.notifyprivate)
        return
    url, _, form = url.partition("?")
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    await _ask("POST", url, headers, form.encode("ascii"), private=settings.notifyprivate)


def filled(template: str, number: str, text: str) -> str:
    """The gateway's URL, with number and text escaped: neither can add a parameter or another host."""
    parts = {"{number}": quote(number, safe=""), "{text}": quote(text, safe="")}
    head, *rest = template.split("{")
    done = head
    for piece in rest:
        mark, _, after = piece.partition("}")
        done += parts[f"{{{mark}}}"] + after
    return quote(done, safe="%:/?&=+,;@!$'()*~[]-._")


async def _ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, private: bool) -> None:
    reach.check(url, private=private)
    context = await asyncio.to_thread(ssl.create_default_context)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    jar = aiohttp.DummyCookieJar()
    try:
        connector = aiohttp.TCPConnector(
            ssl=context, resolver=reach.Lookup(aiohttp.ThreadedResolver(), private=private)
        )
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=jar, auto_decompress=False
            ) as session,
            session.request(
                method, yarl.URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer,
        ):
            status = answer.status
            await answer.content.read(MOST_ANSWER)  # what is longer goes unread with the connection
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SendFailed(f"no answer: {type(error).__name__}") from None
    if not 200 <= status < 300:
        said = "; redirects are not followed" if 300 <= status < 400 else ""
        raise SendFailed(f"answered with {status}{said}")
