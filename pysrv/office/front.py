"""What the web may ask of the office: pysrv.web.backing.Backing, over the parts that know the answers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from appliance.release import version
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.aside import Aside
from pysrv.control.session import Control
from pysrv.net.gate import GateClient
from pysrv.office.watch import Watch
from pysrv.payments.cashier import Cashier
from pysrv.service import Service
from pysrv.service.feed import Feed
from pysrv.service.health import Checkup
from pysrv.store import Store
from pysrv.store.store import Reader
from pysrv.store.web import PersonKind
from pysrv.web.status import Snapshot


@dataclass(frozen=True, slots=True)
class Parts:
    """What the front asks. `reader`: a second connection to the store, for threads; `gate_problem`: why the gate is
    away, or empty; `problems`: what an operator should know of settings and ports; `turn` and `soon`: now, or after
    what is under way, the service decides and what was written is committed."""

    store: Store
    reader: Reader
    service: Service
    gate: GateClient
    certificates: Certificates
    renewer: Renewer
    watch: Watch
    aside: Aside
    control: Control
    cashier: Cashier
    health: Checkup
    gate_problem: Callable[[], str]
    problems: Callable[[], tuple[str, ...]]
    turn: Callable[[], None]
    soon: Callable[[], None]


class Front:
    """One office, as panel, portal and API see it."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._service = parts, parts.service
        self.store, self.control, self.cashier = parts.store, parts.control, parts.cashier
        self.health, self.turn, self.reading = parts.health, parts.turn, parts.watch.reading
        self._started_at = time.time()

    @property
    def feed(self) -> Feed:
        """What happens, while it does."""
        return self._service.parts.feed

    def settings(self) -> Settings:
        """The settings in force."""
        return self._service.operators.settings()

    async def snapshot(self) -> Snapshot:
        """What the page shows."""
        parts, figures = self._parts, self._service.operators.figures()
        return Snapshot(
            now=time.time(),
            version=version(),
            started_at=self._started_at,
            calls=sum(figures.calls.values()),
            answered=figures.calls["answered"],
            registrations=figures.registrations,
            gate=parts.gate.status,
            tallies=parts.watch.tallies,
            settings_in_force=sum(row.in_force for row in ROWS.values()),
            settings_total=len(ROWS),
            generation=self.settings().generation,
            gate_problem=parts.gate_problem(),
            notices=(
                *parts.problems(),
                *parts.certificates.notices(),
                *parts.renewer.notices(),
                *self._unpriced(),
                *self._waiting(),
            ),
        )

    def verify(self, kind: str, name: str, password: str) -> bool:
        """Whether the password is right; on the reader, in a thread of the web's own."""
        reader = self._parts.reader
        if kind == PersonKind.ADMINISTRATOR:
            return reader.verify_admin(name, password)
        return reader.verify_account(name, password, lenient=self.settings().uauthverifypwd)

    def fingerprint(self) -> str:
        """SHA-256 of the certificate that is shown to browsers."""
        return self._parts.certificates.fingerprint

    def challenge(self, token: str) -> str:
        """What proves a name to an authority; empty: nothing is ordered with this token."""
        return self._parts.renewer.challenges.get(token, "")

    async def replay(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        """Calls of the past under other settings, in a process of its own."""
        return await self._parts.aside.replay(args, heard)

    # -- who comes from where ---------------------------------------------------------------------------------------

    def administers(self, address: str, under: Settings | None = None) -> bool:
        """Whether the administrators' part is open to this address (remoteadmin); `under` other settings than now."""
        return self._service.parts.trusted.administers(address, under)

    def trusts(self, address: str) -> bool:
        """Whether the address is trusted by more than a log-in (allowtrustedip and what widens it, not trustauthip)."""
        return self._service.parts.trusted.is_near(address)

    def vouches(self, address: str) -> bool:
        """Whether somebody has put this very address on the allow list."""
        return self._service.parts.trusted.vouches(address)

    def is_trusted(self, address: str) -> bool:
        """Whether the panel makes this address wait for nothing (allowtrustedip 4)."""
        return self._service.parts.trusted.opens_console(address)

    def wrong_password(self, address: str, name: str) -> None:
        """Somebody guesses on the web."""
        self._service.operators.wrong_web_password(address, name)
        self._parts.soon()

    def wrong_request(self, address: str, words: str) -> None:
        """Somebody sends the web what makes no sense."""
        self._service.operators.wrong_web_request(address, words)
        self._parts.soon()

    def signed_in(self, address: str) -> None:
        """An administrator uses the panel from here."""
        if self._service.operators.managed_from(address, "an administrator uses the panel from there"):
            self._parts.soon()

    # -- what an administrator should know ----------------------------------------------------------------------------

    def _unpriced(self) -> tuple[str, ...]:
        """Calls that nobody pays for."""
        if self.settings().blocknotbilledcalls or not self.store.trunks():
            return ()
        return ("calls over a trunk without a rate are free: set blocknotbilledcalls to 1 to refuse them",)

    def _waiting(self) -> tuple[str, ...]:
        waiting = self.store.pending_change()
        if waiting is None:
            return ()
        left_s = max(0.0, waiting.deadline_at - time.time())
        return (f"a change is taken back in {left_s:.0f} s unless it is confirmed: {waiting.what}",)
