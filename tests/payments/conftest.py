"""Gateways on loopback, and a cashier over a real store."""

import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from pysrv.payments.cashier import Begun, Cashier, Outcome
from pysrv.store import NewAccount, Store
from pysrv.store.payment_reading import Payment
from tests.notify.servers import trusted
from tests.payments.servers import (
    CLIENT,
    HOOK_SECRET,
    KEY,
    NOW,
    SECRET,
    WEBHOOK,
    PayPalServer,
    Signed,
    StripeServer,
    running,
)

BACK = "https://pbx.example.org/portal/payments"
EUR = 1_000_000
COMPLETED = "checkout.session.completed"


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Till:
    """A cashier with its store and clock, and what it told."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    texts: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    store: Store = field(init=False)
    cashier: Cashier = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.path, self.clock)
        self.cashier = Cashier(
            self.store, self.settings, self.clock, self.store.commit, self._tell, self.changed.append
        )

    def restart(self) -> None:
        """The process ends without a word, and begins again: what was not committed is gone."""
        self.store.close()
        self.open()

    def _tell(self, kind: str, account: str, key: str, **figures: Any) -> None:
        if self.store.add_notice(kind, account, figures, key):
            self.told.append((kind, account, key, figures))

    def settings(self) -> Settings:
        return Settings().with_changes(self.texts, 1)

    def use(self, **texts: str) -> None:
        self.texts |= texts

    def account(self, name: str = "alice", age_s: float = 30 * 86_400.0, **more: Any) -> None:
        now, self.clock.now = self.clock.now, self.clock.now - age_s
        self.store.add_account(NewAccount(name, "s3cret-word", "pbx", **more))
        self.store.commit()
        self.clock.now = now

    def balance(self, name: str = "alice") -> int:
        account = self.store.account(name)
        assert account is not None
        return account.balance

    async def begin(self, amount: int = 20 * EUR, account: str = "alice") -> tuple[Begun, Payment]:
        begun = await self.cashier.begin(account, amount, BACK)
        return begun, self.payment(begun)

    def payment(self, begun: Begun) -> Payment:
        found = self.store.payment(begun.number)
        assert found is not None
        return found

    async def hear(self, gateway: str, signed: Signed) -> Outcome:
        return await self.cashier.webhook(gateway, *signed)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted(tmp_path, monkeypatch)


@pytest.fixture
async def stripe(context: ssl.SSLContext) -> AsyncIterator[StripeServer]:
    async with running(StripeServer(), context) as server:
        yield server


@pytest.fixture
async def paypal(context: ssl.SSLContext) -> AsyncIterator[PayPalServer]:
    async with running(PayPalServer(), context) as server:
        yield server


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    """A cashier without a gateway."""
    made = Till(tmp_path / "appliance.db")
    made.account()
    yield made
    made.store.close()


@pytest.fixture
def at_stripe(till: Till, stripe: StripeServer) -> Till:
    """A cashier at Stripe; first payments do not wait."""
    till.use(
        paymentgateway="stripe", paymentapiurl=stripe.url, stripekey=KEY, stripewebhooksecret=HOOK_SECRET,
        paymentfirstmanual="false",
    )  # fmt: skip
    return till


@pytest.fixture
def at_paypal(till: Till, paypal: PayPalServer) -> Till:
    """A cashier at PayPal; first payments do not wait."""
    till.use(
        paymentgateway="paypal", paymentapiurl=paypal.url, paypalclientid=CLIENT, paypalsecret=SECRET,
        paypalwebhookid=WEBHOOK, paymentfirstmanual="false",
    )  # fmt: skip
    return till


async def paid(till: Till, stripe: StripeServer, amount: int = 20 * EUR, **more: str) -> tuple[int, str]:
    """A payment that Stripe has taken and told; its number and session."""
    begun, payment = await till.begin(amount)
    session = stripe.pay(payment.order_id, **more)  # type: ignore[arg-type]
    assert (await till.hear("stripe", stripe.event(COMPLETED, session, till.clock.now))).status == 200
    return begun.number, payment.order_id
