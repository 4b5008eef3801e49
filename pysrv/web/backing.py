"""What the web asks of the office that runs behind it."""

from typing import Protocol

from appliance.config.settings import Settings
from appliance.metrics import Reading
from pysrv.control import Control
from pysrv.service.health import Health
from pysrv.store import Store
from pysrv.web.status import Snapshot


class Backing(Protocol):
    """The office, or a test's."""

    @property
    def store(self) -> Store:
        """The one writer: whoever writes calls `turn` afterwards."""

    @property
    def control(self) -> Control:
        """The verbs."""

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

    def administers(self, address: str) -> bool:
        """Whether the administrators' part is open to this address (remoteadmin)."""

    def wrong_password(self, address: str, name: str) -> None:
        """Somebody guesses: too many of them are banned like those who guess over SIP."""

    async def snapshot(self) -> Snapshot:
        """What runs."""

    def health(self) -> Health:
        """Which parts of the office work: SIP sockets, store, keeper."""

    async def reading(self) -> Reading:
        """What the keeper says now, for the metrics."""
