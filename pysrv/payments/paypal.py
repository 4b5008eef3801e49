"""PayPal: Orders v2, Payments v2, Transaction Search v1 over its REST API; webhooks are proven by asking PayPal.

Sources: developer.paypal.com/api/rest/authentication (client credentials), /docs/api/orders/v2, /docs/api/payments/v2,
/docs/api/webhooks/v1 (verify-webhook-signature), /docs/api/transaction-search/v1.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from pysrv.billing.payment import Fact
from pysrv.payments.gateway import (
    BadWebhook,
    Checkout,
    GatewayError,
    Heard,
    Order,
    Refund,
    Taken,
    dig,
    rows,
    text,
    whole,
)
from pysrv.payments.http import Answer, as_json, ask, first_text, query, refusal
from pysrv.payments.paypal_events import approved_order, event_facts, order_facts, refund_facts, taken
from pysrv.payments.units import BadAmount, to_paypal

API: Final = "https://api-m.paypal.com"
SANDBOX: Final = "https://api-m.sandbox.paypal.com"
MOST_PROOFS: Final = 4  # webhooks that are proven at the same time: each asks PayPal, and anybody can send one
_EARLY_S: Final = 60.0  # a token is renewed so long before its end
_LONGEST_S: Final = 31 * 86_400.0  # of one search
T = TypeVar("T")
_PAGE: Final = 100
_MOST_PAGES: Final = 500
_PROOF: Final = {
    "auth_algo": "paypal-auth-algo",
    "cert_url": "paypal-cert-url",
    "transmission_id": "paypal-transmission-id",
    "transmission_sig": "paypal-transmission-sig",
    "transmission_time": "paypal-transmission-time",
}
_MOST_HEADER: Final = 500


class PayPal:
    """One account at PayPal. `clock` gives Unix seconds."""

    name: Final = "paypal"
    lag_s: Final = 3 * 3600.0  # "a maximum of three hours for executed transactions to appear"

    def __init__(
        self, client_id: str, secret: str, webhook_id: str, clock: Callable[[], float], url: str = API
    ) -> None:
        self._id, self._secret, self._webhook, self._clock = client_id, secret, webhook_id, clock
        self._url, self._token, self._token_until = url.rstrip("/"), "", 0.0
        self._proofs = asyncio.Semaphore(MOST_PROOFS)

    async def begin(self, order: Order) -> Checkout:
        """POST /v2/checkout/orders"""
        unit = {
            "custom_id": order.reference,
            "invoice_id": order.reference,
            "description": order.description[:127],
            "amount": {"currency_code": order.currency, "value": to_paypal(order.amount, order.currency)},
        }
        experience = {
            "return_url": order.back,
            "cancel_url": order.cancel,
            "user_action": "PAY_NOW",
            "shipping_preference": "NO_SHIPPING",
        }
        paypal = {"paypal": {"experience_context": experience}}
        body = {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": paypal}
        answer = await self._ask("POST", "/v2/checkout/orders", body, order.reference)
        links = rows(answer.value, "links")
        ways = [str(dig(link, "href")) for link in links if text(link, "rel") in ("payer-action", "approve")]
        if not text(answer.value, "id") or not ways or not ways[0].startswith(("https://", "http://")):
            raise GatewayError("an order was begun, and its answer names no URL")
        return Checkout(text(answer.value, "id"), ways[0])

    async def confirm(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """Captures an order that the customer has approved. Two that capture at once get the same answer: the request
        has an identity."""
        answer = await self._order(order_id)
        if text(answer.value, "status") == "APPROVED":
            path = f"/v2/checkout/orders/{quote(order_id, safe='')}/capture"
            try:
                answer = await self._ask("POST", path, {}, f"{reference}-capture")
            except GatewayError as error:
                if not error.final:
                    raise
                answer = await self._order(order_id)  # captured already, or declined: the order says
        return _read(lambda: order_facts(answer.value))

    async def state(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """GET /v2/checkout/orders/ID"""
        del reference
        answer = await self._order(order_id)
        return _read(lambda: order_facts(answer.value))

    async def _order(self, order_id: str) -> Answer:
        return await self._ask("GET", f"/v2/checkout/orders/{quote(order_id, safe='')}")

    async def refund(self, refund: Refund) -> tuple[Fact, ...]:
        """POST /v2/payments/captures/ID/refund"""
        amount = {"currency_code": refund.currency, "value": to_paypal(refund.amount, refund.currency)}
        path = f"/v2/payments/captures/{quote(refund.payment_id, safe='')}/refund"
        answer = await self._ask("POST", path, {"amount": amount}, refund.key)
        if (status := text(answer.value, "status")) in ("FAILED", "CANCELLED"):
            raise GatewayError(f"the refund failed ({status})", final=True)
        up = {"rel": "up", "href": f"{self._url}/v2/payments/captures/{quote(refund.payment_id, safe='')}"}
        said = answer.value if isinstance(answer.value, dict) else {}
        return _read(lambda: refund_facts({**said, "links": [up]}))

    async def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        """An event, once PayPal has said that it is its own."""
        proof = {name: headers.get(header, "") for name, header in _PROOF.items()}
        if not self._webhook or not all(0 < len(value) <= _MOST_HEADER for value in proof.values()):
            raise BadWebhook("what proves the message is missing")
        if not _is_paypal(proof["cert_url"]):
            raise BadWebhook("its certificate is not PayPal's")
        event = _event(body)
        if self._proofs.locked():
            raise GatewayError("too many messages at a time wait to be proven")
        async with self._proofs:
            await self._prove(proof, body)
        try:
            return Heard(text(event, "id"), text(event, "event_type"), event_facts(event), approved_order(event))
        except BadAmount as error:
            raise BadWebhook(f"a proven event cannot be read: {error}") from None

    async def _prove(self, proof: Mapping[str, str], body: bytes) -> None:
        """POST /v1/notifications/verify-webhook-signature. The event goes back byte for byte: the signature covers its
        checksum, and JSON that was read and written again has another one."""
        head = as_json({**proof, "webhook_id": self._webhook})
        envelope = head[:-1] + b',"webhook_event":' + body + b"}"
        answer = await self._ask("POST", "/v1/notifications/verify-webhook-signature", envelope)
        if text(answer.value, "verification_status") != "SUCCESS":
            raise BadWebhook("the signature does not fit")

    async def taken(self, since: float, until: float) -> list[Taken]:
        """GET /v1/reporting/transactions, page by page and at most 31 days at a time"""
        found: list[Taken] = []
        while since < until:
            end = min(until, since + _LONGEST_S)
            found += await self._span(since, end)
            since = end
        return found

    async def _span(self, since: float, until: float) -> list[Taken]:
        found: list[Taken] = []
        for page in range(1, _MOST_PAGES + 1):
            asked = query(
                start_date=_written(since),
                end_date=_written(until),
                fields="transaction_info",
                page_size=_PAGE,
                page=page,
            )
            answer = await self._ask("GET", f"/v1/reporting/transactions?{asked}")
            listed = rows(answer.value, "transaction_details")
            found += [each for row in listed if (each := _read(lambda row=row: taken(row))) is not None]  # type: ignore[misc]
            if page >= whole(answer.value, "total_pages"):
                return found
        raise GatewayError("its list has no end; ask for a shorter span", final=True)

    async def _ask(self, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        """One request with a token; one that is refused as stale is renewed once."""
        answer = await self._with_token(method, path, body, key)
        if answer.status == 401:
            self._token = ""
            answer = await self._with_token(method, path, body, key)
        if not answer.done:
            code = first_text(answer.value, ("details", 0, "issue"), ("name",), ("error",))
            raise refusal(answer, f"{method} {path.partition('?')[0]}", code)
        return answer

    async def _with_token(self, method: str, path: str, body: Any, key: str) -> Answer:
        headers = {"Authorization": f"Bearer {await self._access()}", "Content-Type": "application/json"}
        if key:
            headers |= {"PayPal-Request-Id": key, "Prefer": "return=representation"}
        sent = body if isinstance(body, bytes) or body is None else as_json(body)
        return await ask(method, self._url + path, headers, sent)

    async def _access(self) -> str:
        """POST /v1/oauth2/token"""
        if self._token and self._clock() < self._token_until:
            return self._token
        basic = base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = await ask("POST", f"{self._url}/v1/oauth2/token", headers, b"grant_type=client_credentials")
        token, lasts_s = dig(answer.value, "access_token"), whole(answer.value, "expires_in")
        if not answer.done or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise refusal(answer, "paypalclientid and paypalsecret", text(answer.value, "error"))
        self._token = token
        self._token_until = self._clock() + lasts_s - _EARLY_S
        return token


def _is_paypal(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and (parts.hostname or "").endswith(".paypal.com")


def _event(body: bytes) -> Any:
    """The event, which must be one JSON object: it is put into another one as it stands."""
    try:
        event = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise BadWebhook("it is no JSON object")
    return event


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except BadAmount as error:
        raise GatewayError(str(error)) from None
