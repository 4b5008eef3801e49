"""Which gateways there are: made of the settings, and kept while these stay the same (PayPal's token lasts hours)."""

from collections.abc import Callable
from typing import Final

from appliance.config.settings import Settings
from pysrv.payments import paypal, stripe
from pysrv.payments.gateway import Gateway

NAMES: Final = ("paypal", "stripe")  # each has its own pace: see Cashier.run
OFF: Final = "off"
Kept = tuple[tuple[str, ...], Gateway]


class Gateways:
    """The gateways whose credentials are set. One that is no longer chosen still hears of what was paid before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    def chosen(self, settings: Settings) -> Gateway | None:
        """Where customers are sent now; None: nowhere."""
        return self.named(settings.paymentgateway, settings)

    def named(self, name: str, settings: Settings) -> Gateway | None:
        """The gateway of a name, if it is set up."""
        credentials = _credentials(name, settings)
        if not credentials or not all(credentials[:2]):
            self._kept.pop(name, None)
            return None
        kept = self._kept.get(name)
        if kept is None or kept[0] != credentials:
            kept = self._kept[name] = credentials, _make(name, credentials, self._clock)
        return kept[1]

    def missing(self, settings: Settings) -> str:
        """Why there is no chosen gateway, in words."""
        if settings.paymentgateway == OFF:
            return "payments are off (paymentgateway)"
        wanted = {"paypal": "paypalclientid and paypalsecret", "stripe": "stripekey"}[settings.paymentgateway]
        return f"{settings.paymentgateway} is not set up: {wanted}"


def _credentials(name: str, settings: Settings) -> tuple[str, ...]:
    """What a gateway is made of; the first two must not be empty."""
    if name == "paypal":
        own = paypal.SANDBOX if settings.paypalsandbox else paypal.API
        url = settings.paymentapiurl or own
        return settings.paypalclientid, settings.paypalsecret, settings.paypalwebhookid, url
    if name == "stripe":
        url = settings.paymentapiurl or stripe.API
        return settings.stripekey, settings.stripekey, settings.stripewebhooksecret, url
    return ()


def _make(name: str, credentials: tuple[str, ...], clock: Callable[[], float]) -> Gateway:
    first, second, webhook, url = credentials
    if name == "paypal":
        return paypal.PayPal(first, second, webhook, clock, url)
    return stripe.Stripe(first, webhook, clock, url)
