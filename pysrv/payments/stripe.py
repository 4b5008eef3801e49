"""Stripe: Checkout Sessions, refunds and charges over its HTTP API, and webhooks signed with HMAC-SHA256.

Sources: docs.stripe.com/api (form-encoded requests, Idempotency-Key, expand), /webhooks/signature ("Verify webhook
signatures manually"). The money of a session is taken by Stripe itself; there is nothing to confirm.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from pysrv.billing.payment import Fact
from pysrv.payments.gateway import BadWebhook, Checkout, GatewayError, Heard, Order, Refund, Taken, dig, rows, text
from pysrv.payments.http import Answer, ask, query, refusal
from pysrv.payments.stripe_events import event_facts, refund_facts, session_facts, taken
from pysrv.payments.units import BadAmount, to_stripe

API: Final = "https://api.stripe.com"
TOLERANCE_S: Final = 300.0  # what Stripe's own libraries allow between the signature's time and now
MOST_SIGNATURES: Final = 10
T = TypeVar("T")
_PAGE: Final = 100
_MOST_PAGES: Final = 500
_EXPAND: Final = "payment_intent.latest_charge"


def signed(header: str, body: bytes, secret: str, now: float) -> bool:
    """Whether a Stripe-Signature header (`t=SECONDS,v1=HEX[,v1=HEX]`) fits the body, the secret and the time."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    macs = [value for name, _, value in pairs if name == "v1"][:MOST_SIGNATURES]
    if not secret or len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        return False
    wanted = hmac.digest(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hex().encode()
    fits = [hmac.compare_digest(mac.encode(), wanted) for mac in macs]
    return any(fits) and abs(now - int(times[0])) <= TOLERANCE_S


class Stripe:
    """One account at Stripe. `clock` gives Unix seconds."""

    name: Final = "stripe"
    lag_s: Final = 60.0

    def __init__(self, key: str, webhook_secret: str, clock: Callable[[], float], url: str = API) -> None:
        self._key, self._secret, self._clock, self._url = key, webhook_secret, clock, url.rstrip("/")

    async def begin(self, order: Order) -> Checkout:
        """POST /v1/checkout/sessions"""
        form = {
            "mode": "payment",
            "client_reference_id": order.reference,
            "success_url": order.back,
            "cancel_url": order.cancel,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": order.currency.lower(),
            "line_items[0][price_data][unit_amount]": str(to_stripe(order.amount, order.currency)),
            "line_items[0][price_data][product_data][name]": order.description,
            "metadata[reference]": order.reference,
            "payment_intent_data[metadata][reference]": order.reference,  # Stripe copies it to the charge
        }
        answer = await self._ask("POST", "/v1/checkout/sessions", form, order.reference)
        found = Checkout(text(answer.value, "id"), str(dig(answer.value, "url") or ""))
        if not found.order_id or not found.url.startswith(("https://", "http://")):
            raise GatewayError("a checkout was begun, and its answer names no URL")
        return found

    async def confirm(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """Nothing is left to confirm: Stripe takes the money when the customer has paid."""
        return await self.state(order_id, reference)

    async def state(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """GET /v1/checkout/sessions/ID"""
        del reference
        path = f"/v1/checkout/sessions/{quote(order_id, safe='')}?{query(**{'expand[]': _EXPAND})}"
        answer = await self._ask("GET", path)
        return _read(lambda: session_facts(answer.value, self._clock()))

    async def refund(self, refund: Refund) -> tuple[Fact, ...]:
        """POST /v1/refunds"""
        form = {
            "payment_intent": refund.payment_id,
            "amount": str(to_stripe(refund.amount, refund.currency)),
            "expand[]": "charge",
        }
        answer = await self._ask("POST", "/v1/refunds", form, refund.key)
        if text(answer.value, "status") in ("failed", "canceled"):
            raise GatewayError(f"the refund failed ({text(answer.value, 'failure_reason') or 'no reason'})", final=True)
        return _read(lambda: refund_facts(answer.value, self._clock()))

    async def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        """An event; the signature is checked before anything is read."""
        if not signed(headers.get("stripe-signature", ""), body, self._secret, self._clock()):
            raise BadWebhook("the signature does not fit")
        try:
            event = json.loads(body)
            return Heard(text(event, "id"), text(event, "type"), event_facts(event))
        except (ValueError, RecursionError, BadAmount) as error:
            raise BadWebhook(f"a signed event cannot be read: {type(error).__name__}") from None

    async def taken(self, since: float, until: float) -> list[Taken]:
        """GET /v1/charges, page by page"""
        found: list[Taken] = []
        span = {"created[gte]": int(since), "created[lt]": int(until), "limit": _PAGE}
        last = ""
        for _ in range(_MOST_PAGES):
            after = {"starting_after": last} if last else {}
            answer = await self._ask("GET", f"/v1/charges?{query(**span, **after)}")
            listed = rows(answer.value, "data")
            found += [each for row in listed if (each := _read(lambda row=row: taken(row))) is not None]  # type: ignore[misc]
            last = text(listed[-1], "id") if listed else ""
            if dig(answer.value, "has_more") is not True or not last:
                return found
        raise GatewayError("its list has no end; ask for a shorter span", final=True)

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None, key: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self._key}"}
        if key:
            headers["Idempotency-Key"] = key
        body = None
        if form is not None:
            headers["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(form).encode()
        answer = await ask(method, self._url + path, headers, body)
        if not answer.done:
            code = text(answer.value, "error", "code") or text(answer.value, "error", "type")
            raise refusal(answer, f"{method} {path.partition('?')[0]}", code)
        return answer


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except BadAmount as error:
        raise GatewayError(str(error)) from None
