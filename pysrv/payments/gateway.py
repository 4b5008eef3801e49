"""What a payment gateway is to the appliance: a few questions, answered with facts. Knows no gateway and no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pysrv.billing.payment import Fact

REFERENCE: Final = "apl-"  # begins every reference of ours: what else the gateway's account takes is not our business
MOST_TEXT: Final = 255  # characters of anything that a gateway says


class GatewayError(Exception):
    """The gateway did not do it. `final`: asking again is of no use. The reason holds no secret."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.final = reason, final


class BadWebhook(Exception):
    """A message that is not the gateway's, or cannot be read: it must not be believed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer is to pay. `reference` is ours and unique; `back` and `cancel` are where he comes back to."""

    reference: str
    amount: int
    currency: str
    description: str
    back: str
    cancel: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the customer is sent, and the gateway's name of the order."""

    order_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to give back of a payment. `key` is the same however often it is asked for."""

    key: str
    payment_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A webhook that was proven: its facts, and the order that the customer has agreed to, if it says so."""

    event: str
    kind: str
    facts: tuple[Fact, ...] = ()
    approved: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A payment as the gateway lists it; `refunded` None: the list does not say."""

    payment_id: str
    reference: str
    amount: int
    currency: str
    at: float
    refunded: int | None = None


class Gateway(Protocol):
    """One gateway. Every method but `name` and `lag_s` may raise GatewayError."""

    @property
    def name(self) -> str:
        """As paymentgateway says it."""

    @property
    def lag_s(self) -> float:
        """Seconds until a payment is on the gateway's list."""

    async def begin(self, order: Order) -> Checkout:
        """An order; asked again with the same reference it is the same one."""

    async def confirm(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """Takes the money of an order that the customer has agreed to, if that is still to be done, and says where it
        stands."""

    async def state(self, order_id: str, reference: str) -> tuple[Fact, ...]:
        """Where an order stands; nothing is taken."""

    async def refund(self, refund: Refund) -> tuple[Fact, ...]:
        """Gives money back."""

    async def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        """Proves a webhook and reads it; header names in small letters. Raises BadWebhook too."""

    async def taken(self, since: float, until: float) -> list[Taken]:
        """Every payment of that time."""


def dig(value: Any, *path: str | int) -> Any:
    """What lies at a path of decoded JSON; None: there is no such thing."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and len(value) > part else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str | int) -> str:
    """A bounded, printable text at a path; empty: there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) and len(found) <= MOST_TEXT and found.isprintable() else ""


def rows(value: Any, *path: str | int) -> list[dict[str, Any]]:
    """The objects of a list at a path; what else is in it is left out."""
    found = dig(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def whole(value: Any, *path: str | int) -> int:
    """A whole number at a path; 0: there is none."""
    found = dig(value, *path)
    return found if type(found) is int and abs(found) < 2**53 else 0
