"""What the web asks of the office that runs behind it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from appliance.config.settings import Settings
from appliance.metrics import Reading
from pysrv.control.session import Control
from pysrv.payments.cashier import Begun, Outcome
from pysrv.service.feed import Feed
from pysrv.service.health import Health
from pysrv.store import Store
from pysrv.store.payment_reading import Payment
from pysrv.web.status import Snapshot


class Till(Protocol):
    """The cashier, as far as customers and gateways come to it."""

    async def begin(self, account: str, amount: int, back: str) -> Begun:
        """An order of an account over so many micro-units. Raises PaymentRefused."""

    async def returned(self, reference: str) -> Payment | None:
        """Where a payment stands whose customer has come back."""

    async def webhook(self, name: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """A gateway's message."""


class Backing(Protocol):
    """The office, or a test's."""

    @property
    def feed(self) -> Feed:
        """What happens, while it does."""

    @property
    def store(self) -> Store:
        """The one writer: whoever writes calls `turn` afterwards."""

    @property
    def control(self) -> Control:
        """The verbs."""

    @property
    def cashier(self) -> Till:
        """Payments."""

    def settings(self) -> Settings:
        """The settings in force."""

    def turn(self) -> None:
        """What was written is committed, what was decided leaves."""

    def verify(self, kind: str, name: str, password: str) -> bool:
        """Whether the password is right; slow on purpose, called in a thread of the web's own."""

    def signed_in(self, address: str) -> None:
        """An administrator has proven himself from this address: nothing may cut it off."""

    def is_trusted(self, address: str) -> bool:
        """Whether this address does not have to wait after a wrong password (allowtrustedip 4)."""

    def administers(self, address: str, under: Settings | None = None) -> bool:
        """Whether the administrators' part is open to this address (remoteadmin); `under` other settings than now."""

    def trusts(self, address: str) -> bool:
        """Whether the address is trusted by more than a log-in (allowtrustedip and what widens it, not trustauthip)."""

    def vouches(self, address: str) -> bool:
        """Whether somebody has put this very address on the allow list, and it is not this machine."""

    def wrong_password(self, address: str, name: str) -> None:
        """Somebody guesses: too many of them are banned like those who guess over SIP."""

    def wrong_request(self, address: str, words: str) -> None:
        """What no page and no browser asks for came from there: it counts like a malformed message over SIP."""

    def fingerprint(self) -> str:
        """SHA-256 of the certificate that is shown to browsers."""

    def challenge(self, token: str) -> str:
        """What is answered to the authority that proves a name with this token; empty: nothing was ordered with it."""

    async def replay(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        """Calls of the past under other settings, in a process of its own; `heard` is called while it works. Raises
        WireError: one at a time, and none that takes too long."""

    async def snapshot(self) -> Snapshot:
        """What runs."""

    def health(self) -> Health:
        """Which parts of the office work: SIP sockets, store, keeper."""

    async def reading(self) -> Reading:
        """What the keeper says now, for the metrics."""
