"""PayPal and Stripe on loopback: servers that speak their APIs as documented, over TLS, with real signatures."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NOW = 1_800_000_000.0
KEY, HOOK_SECRET = "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"
CLIENT, SECRET, WEBHOOK = "AYSq3RDGsmBLJE-otTkBtM", "EGnHDxD_qRPdaLdZz8iCr8N7_MzF", "1JE4291016473214C"
Signed = tuple[dict[str, str], bytes]


@dataclass
class Server:
    """What both servers have: what they were asked, and faults that tests switch on."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    fault: Callable[[web.Request], web.Response | None] = lambda _request: None
    after: Callable[[web.Request], None] = lambda _request: None
    silent: asyncio.Event | None = None  # no answer before it is set
    replies: dict[str, tuple[bytes, web.Response]] = field(default_factory=dict)
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def number(self, prefix: str) -> str:
        return f"{prefix}{next(self.ids):014d}"

    def paths(self, method: str = "POST") -> list[str]:
        return [path for how, path, _, _ in self.asked if how == method]

    async def once(
        self, request: web.Request, header: str, do: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """A request with an identity is done once; the same answer comes again."""
        key, body = request.headers.get(header, ""), await request.read()
        if key and key in self.replies:
            before, answer = self.replies[key]
            if before != body:
                return web.json_response({"error": {"type": "idempotency_error"}}, status=400)
            return web.Response(status=answer.status, body=answer.body, content_type="application/json")
        answer = await do()
        if key and answer.status < 500:
            self.replies[key] = body, answer
        return answer

    @web.middleware
    async def middle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path, headers, await request.read()))
        if self.silent is not None:
            await self.silent.wait()
        if (answer := self.fault(request)) is not None:
            return answer
        found: web.StreamResponse = await handler(request)
        self.after(request)
        return found


def refuse(status: int, value: Any) -> web.Response:
    return web.json_response(value, status=status)


@dataclass
class StripeServer(Server):
    """Checkout Sessions, charges and refunds of one account."""

    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: list[dict[str, Any]] = field(default_factory=list)
    events: Any = field(default_factory=lambda: itertools.count(1))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/checkout/sessions", self.begin),
            web.get("/v1/checkout/sessions/{id}", self.state),
            web.post("/v1/refunds", self.refund),
            web.get("/v1/charges", self.listed),
        ]

    def _proven(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    async def begin(self, request: web.Request) -> web.StreamResponse:
        if not self._proven(request):
            return refuse(401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}})
        form = await request.post()

        async def do() -> web.Response:
            ident = self.number("cs_test_")
            self.sessions[ident] = {
                "id": ident, "object": "checkout.session", "mode": form["mode"], "status": "open",
                "payment_status": "unpaid", "payment_intent": None, "url": f"{self.url}/pay/{ident}",
                "client_reference_id": form["client_reference_id"],
                "amount_total": int(str(form["line_items[0][price_data][unit_amount]"])),
                "currency": form["line_items[0][price_data][currency]"],
                "metadata": {"reference": form["payment_intent_data[metadata][reference]"]},
                "customer_details": None,
            }  # fmt: skip
            return web.json_response(self.sessions[ident])

        return await self.once(request, "Idempotency-Key", do)

    async def state(self, request: web.Request) -> web.StreamResponse:
        session = self.sessions.get(request.match_info["id"])
        if session is None:
            return refuse(404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}})
        if "payment_intent.latest_charge" in request.query.getall("expand[]", []) and session["payment_intent"]:
            return web.json_response(session | {"payment_intent": self.intents[session["payment_intent"]]})
        return web.json_response(session)

    async def refund(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()

        async def do() -> web.Response:
            charge = self.intents[str(form["payment_intent"])]["latest_charge"]
            amount = int(str(form["amount"]))
            if charge["amount_refunded"] + amount > charge["amount"]:
                return refuse(400, {"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}})
            charge["amount_refunded"] += amount
            refund = {"id": self.number("re_"), "object": "refund", "amount": amount, "currency": charge["currency"],
                      "status": "succeeded", "payment_intent": charge["payment_intent"], "charge": charge}  # fmt: skip
            return web.json_response(refund)

        return await self.once(request, "Idempotency-Key", do)

    async def listed(self, request: web.Request) -> web.StreamResponse:
        since, until = int(request.query["created[gte]"]), int(request.query["created[lt]"])
        rows = [row for row in reversed(self.charges) if since <= row["created"] < until]
        after = request.query.get("starting_after")
        if after:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        page = rows[:2]  # small pages, so that tests turn them
        return web.json_response({"object": "list", "data": page, "has_more": len(rows) > len(page)})

    def pay(self, session_id: str, amount: int | None = None, currency: str | None = None, email: str = "",
            country: str = "", at: float = NOW) -> dict[str, Any]:  # fmt: skip
        """A customer pays at the hosted page."""
        session = self.sessions[session_id]
        intent, charge = self.number("pi_"), self.number("ch_")
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent,
                    "customer_details": {"email": email or None, "address": {"country": country or None}}}  # fmt: skip
        session["amount_total"] = session["amount_total"] if amount is None else amount
        session["currency"] = currency or session["currency"]
        row = {"id": charge, "object": "charge", "payment_intent": intent, "amount": session["amount_total"],
               "amount_captured": session["amount_total"], "amount_refunded": 0, "currency": session["currency"],
               "paid": True, "captured": True, "created": int(at), "metadata": session["metadata"]}  # fmt: skip
        self.charges.append(row)
        self.intents[intent] = {"id": intent, "object": "payment_intent", "latest_charge": row}
        return session

    def charge_of(self, session_id: str) -> dict[str, Any]:
        charge: dict[str, Any] = self.intents[self.sessions[session_id]["payment_intent"]]["latest_charge"]
        return charge

    def event(self, kind: str, found: dict[str, Any], at: float = NOW) -> Signed:
        """An event as Stripe sends and signs it."""
        body = json.dumps(
            {"id": f"evt_{next(self.events)}", "object": "event", "type": kind, "created": int(at),
             "data": {"object": found}}
        ).encode()  # fmt: skip
        return {"Stripe-Signature": stripe_signature(body, at)}, body

    def dispute(self, session_id: str, status: str = "needs_response", amount: int | None = None) -> dict[str, Any]:
        charge = self.charge_of(session_id)
        return {"id": "dp_1", "object": "dispute", "amount": charge["amount"] if amount is None else amount,
                "currency": charge["currency"], "status": status, "charge": charge["id"],
                "payment_intent": charge["payment_intent"]}  # fmt: skip


def stripe_signature(body: bytes, at: float, secret: str = HOOK_SECRET) -> str:
    mac = hmac.new(secret.encode(), f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={int(at)},v1={mac},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"


@dataclass
class PayPalServer(Server):
    """Orders, captures, refunds, transactions and the proof of webhooks of one account."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    events: Any = field(default_factory=lambda: itertools.count(1))
    amount_taken: str = ""  # another amount than was ordered
    capture_status: str = "COMPLETED"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/oauth2/token", self.token),
            web.post("/v2/checkout/orders", self.begin),
            web.get("/v2/checkout/orders/{id}", self.state),
            web.post("/v2/checkout/orders/{id}/capture", self.capture),
            web.post("/v2/payments/captures/{id}/refund", self.refund),
            web.post("/v1/notifications/verify-webhook-signature", self.verify),
            web.get("/v1/reporting/transactions", self.listed),
        ]

    async def token(self, request: web.Request) -> web.StreamResponse:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        form = await request.post()
        if request.headers.get("Authorization") != f"Basic {basic}" or form["grant_type"] != "client_credentials":
            return refuse(401, {"error": "invalid_client", "error_description": "Client Authentication failed"})
        self.tokens.append(self.number("A21AA"))
        return web.json_response({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 32_400})

    def _proven(self, request: web.Request) -> bool:
        return bool(self.tokens) and request.headers.get("Authorization") == f"Bearer {self.tokens[-1]}"

    async def begin(self, request: web.Request) -> web.StreamResponse:
        if not self._proven(request):
            return refuse(401, {"name": "AUTHENTICATION_FAILURE"})
        asked = await request.json()

        async def do() -> web.Response:
            ident = self.number("5O")
            self.orders[ident] = {
                "id": ident, "intent": asked["intent"], "status": "PAYER_ACTION_REQUIRED",
                "purchase_units": asked["purchase_units"],
                "links": [
                    {"href": f"{self.url}/v2/checkout/orders/{ident}", "rel": "self", "method": "GET"},
                    {"href": f"https://www.paypal.com/checkoutnow?token={ident}", "rel": "payer-action",
                     "method": "GET"},
                ],
            }  # fmt: skip
            return web.json_response(self.orders[ident], status=201)

        return await self.once(request, "PayPal-Request-Id", do)

    async def state(self, request: web.Request) -> web.StreamResponse:
        order = self.orders.get(request.match_info["id"])
        return web.json_response(order) if order else refuse(404, {"name": "RESOURCE_NOT_FOUND"})

    def approve(self, order_id: str, email: str = "", country: str = "") -> None:
        """A customer agrees on PayPal's page."""
        payer = {"email_address": email, "address": {"country_code": country}}
        self.orders[order_id] |= {"status": "APPROVED", "payer": payer}

    async def capture(self, request: web.Request) -> web.StreamResponse:
        order = self.orders[request.match_info["id"]]

        async def do() -> web.Response:
            if order["status"] == "COMPLETED":
                return refuse(422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_ALREADY_CAPTURED"}]})
            if order["status"] != "APPROVED":
                return refuse(422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_NOT_APPROVED"}]})
            self.take(order)
            return web.json_response(order, status=201)

        return await self.once(request, "PayPal-Request-Id", do)

    def take(self, order: dict[str, Any], at: float = NOW) -> None:
        """The order's money is taken."""
        unit, ident = order["purchase_units"][0], self.number("3C")
        amount = dict(unit["amount"])
        amount["value"] = self.amount_taken or amount["value"]
        when = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
        capture = {"id": ident, "status": self.capture_status, "amount": amount, "custom_id": unit["custom_id"],
                   "invoice_id": unit["invoice_id"], "create_time": when,
                   "supplementary_data": {"related_ids": {"order_id": order["id"]}}}  # fmt: skip
        unit["payments"] = {"captures": [capture]}
        order["status"] = "COMPLETED"
        info = {"transaction_id": ident, "transaction_event_code": "T0006", "transaction_status": "S",
                "transaction_amount": amount, "transaction_initiation_date": when,
                "custom_field": unit["custom_id"]}  # fmt: skip
        self.transactions.append({"transaction_info": info})

    def capture_of(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.orders[order_id]["purchase_units"][0]["payments"]["captures"][0]
        return found

    async def refund(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()

        async def do() -> web.Response:
            return web.json_response(self.give_back(request.match_info["id"], asked["amount"]["value"]), status=201)

        return await self.once(request, "PayPal-Request-Id", do)

    def give_back(self, capture_id: str, value: str) -> dict[str, Any]:
        """A refund, as its resource."""
        payments = next(
            unit["payments"] for order in self.orders.values() for unit in order["purchase_units"]
            if "payments" in unit and unit["payments"]["captures"][0]["id"] == capture_id
        )  # fmt: skip
        capture, refunds = payments["captures"][0], payments.setdefault("refunds", [])
        currency = capture["amount"]["currency_code"]
        total = sum((float(each["amount"]["value"]) for each in refunds), float(value))
        refund = {
            "id": self.number("1R"), "status": "COMPLETED", "amount": {"value": value, "currency_code": currency},
            "create_time": "2027-01-15T08:00:00Z", "invoice_id": capture["invoice_id"],
            "seller_payable_breakdown": {"total_refunded_amount": {"value": f"{total:.2f}", "currency_code": currency}},
            "links": [
                {"href": f"{self.url}/v2/payments/refunds/1", "rel": "self", "method": "GET"},
                {"href": f"{self.url}/v2/payments/captures/{capture_id}", "rel": "up", "method": "GET"},
            ],
        }  # fmt: skip
        refunds.append(refund)
        return refund

    async def verify(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        asked = json.loads(raw)
        event = raw[raw.index(b'"webhook_event":') + len(b'"webhook_event":') : -1]
        text = f"{asked['transmission_id']}|{asked['transmission_time']}|{asked['webhook_id']}|{zlib.crc32(event)}"
        try:
            signature = base64.b64decode(asked["transmission_sig"])
            self.key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return web.json_response({"verification_status": "FAILURE"})
        return web.json_response({"verification_status": "SUCCESS"})

    async def listed(self, request: web.Request) -> web.StreamResponse:
        since, until = request.query["start_date"], request.query["end_date"]
        rows = [
            row for row in self.transactions
            if since <= row["transaction_info"]["transaction_initiation_date"] < until
        ]  # fmt: skip
        page = int(request.query["page"])
        pages = -(-len(rows) // 2)
        return web.json_response({"transaction_details": rows[2 * page - 2 : 2 * page], "total_pages": pages})

    def event(self, kind: str, resource: dict[str, Any]) -> Signed:
        """An event as PayPal sends and signs it; its JSON is not as Python would write it."""
        event = {"id": f"WH-{next(self.events)}", "event_version": "1.0", "resource_version": "2.0",
                 "event_type": kind, "summary": "für 10,00 €", "resource": resource}  # fmt: skip
        return self.sign(json.dumps(event, indent=1, ensure_ascii=False).encode())

    def sign(self, body: bytes, webhook: str = WEBHOOK) -> Signed:
        ident, at = "69cd13f0-d67a-11e5-baa3-778b53f4ae55", "2027-01-15T08:00:00Z"
        text = f"{ident}|{at}|{webhook}|{zlib.crc32(body)}".encode()
        headers = {
            "PAYPAL-TRANSMISSION-ID": ident,
            "PAYPAL-TRANSMISSION-TIME": at,
            "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(
                self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
            ).decode(),
        }
        return headers, body

    def dispute(self, capture_id: str, value: str, outcome: str = "", refunded: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {
            "dispute_id": "PP-000-042-663-135", "status": "RESOLVED" if outcome else "OPEN",
            "dispute_amount": {"currency_code": "EUR", "value": value}, "create_time": "2027-01-16T08:00:00Z",
            "disputed_transactions": [{"seller_transaction_id": capture_id}],
        }  # fmt: skip
        if outcome:
            found["dispute_outcome"] = {"outcome_code": outcome}
        if refunded:
            found["dispute_outcome"]["amount_refunded"] = {"currency_code": "EUR", "value": refunded}
        return found


@asynccontextmanager
async def running(server: Any, context: ssl.SSLContext) -> AsyncIterator[Any]:
    """The server, over TLS, in this loop."""
    app = web.Application(middlewares=[server.middle])
    app.add_routes(server.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
