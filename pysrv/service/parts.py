"""The parts of the service, put together: each knows those few that it is handed, and here alone all of them are known.

What one of them has to say to others without knowing them is here as well. No sockets; must not know: turns, operators.
"""

import logging
from collections.abc import Callable, Mapping

from appliance.config.settings import Settings
from pysrv.calls.b2bua import B2bua
from pysrv.calls.events import (
    CallRequested,
    ServiceEvent,
)
from pysrv.calls.plan import B2buaConfig
from pysrv.calls.registrar import Registrar
from pysrv.limits.entrances import Entrances
from pysrv.limits.facts import Auth
from pysrv.media.ports import PortPool
from pysrv.service.accounting import Accounting
from pysrv.service.admission import Admission
from pysrv.service.authentication import Authentication, Guard
from pysrv.service.call_events import CallEvents
from pysrv.service.callbacks import Callbacks
from pysrv.service.card_calls import CardCalls
from pysrv.service.changes import Changes
from pysrv.service.defence import Defence
from pysrv.service.destinations import Destinations
from pysrv.service.dialling import Dialling
from pysrv.service.entry import Caller
from pysrv.service.exposure import ExposureBrake
from pysrv.service.feed import Feed, Kind
from pysrv.service.figures import Figures
from pysrv.service.firewall import ListLoader, Managers
from pysrv.service.forwarding import Forwarding
from pysrv.service.fraud import Fraud
from pysrv.service.housekeeping import Housekeeping
from pysrv.service.notices import Notices
from pysrv.service.origin import Origins
from pysrv.service.paging import Paging
from pysrv.service.pairs import KnownPairs
from pysrv.service.passwords import Passwords
from pysrv.service.pricing import Pricing
from pysrv.service.recovery import Recovery
from pysrv.service.registration import Registration
from pysrv.service.requests import Requests
from pysrv.service.spending import Spending
from pysrv.service.strangers import Strangers
from pysrv.service.surroundings import Surroundings
from pysrv.service.tap import Tap
from pysrv.service.transfers import Transfers
from pysrv.service.trunk_watch import TrunkWatch
from pysrv.service.trust import Trust
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.digest import Authenticator, NonceKeys
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import (
    Event,
)
from pysrv.store import Store

SECRET_BYTES = 32
_log = logging.getLogger("pysrv.service")


class Parts:
    """All parts of one service. The ring may take `on_payments`, and what the parts themselves offer it."""

    def __init__(self, store: Store, settings: Settings, world: Surroundings) -> None:
        self.store, self.world, self._settings = store, world, settings
        self.endpoint = Endpoint(world.tokens, store.get_or_make("endpoint", SECRET_BYTES))
        ports = PortPool(*world.relay_ports, pick=world.pick)
        self.b2bua = B2bua(self.endpoint, ports, B2buaConfig(), world.tokens)
        self.tap = Tap(world.clock.wall, self.b2bua.call_of_dialog, settings)
        self.registrar = Registrar()
        self.nonce_keys = NonceKeys(store.get_or_make("nonce", SECRET_BYTES), keyed_hash=world.keyed_hash)
        authenticator = Authenticator(settings.realm.encode(), self.nonce_keys)
        self.pairs = KnownPairs(world)
        self.defence = Defence(store, settings, world, self.pairs)
        self.trusted = TrustedAddresses(store, world, self.settings)
        guard = Guard(self.defence, self.pairs, self.trusted, self.settings)
        self.authentication = Authentication(store, authenticator, world, guard)
        self.trust = Trust(store, settings, world)
        self.defence.on_ban = self._banned
        self.strangers = Strangers(store, settings, self.defence, self.pairs, world.clock)
        self.feed = Feed(world.clock.wall)
        self.registration = Registration(store, self.registrar, world, self.pairs, self.trust, self.feed)
        self.registration.use(settings)
        self.paging = Paging(store, self.endpoint, self.registrar, world)
        self.dialling = Dialling(self.endpoint, self.registrar, world)
        self.notices = Notices(store, self.feed)
        self.on_payments: Callable[[], None] = lambda: None
        self.spending = Spending(store, settings, world.clock, self.notices.tell)
        self.pricing = Pricing(store, self.settings, lambda: self.spending.report_only, self.notices.tell)
        self.fraud = Fraud(store, settings, world.clock, self.notices.tell)
        self.trunk_watch = TrunkWatch(store, self.settings, self.notices.tell, world.clock.wall)
        self.brake = ExposureBrake(store, settings, self.notices.tell, lambda *whose: self.accounting.prices(*whose))
        self.accounting = Accounting(store, world, self.spending, self.fraud, self.brake)
        self.counts = Figures(store, self.accounting, self.registrar, self.endpoint, self.tap, world.clock)
        self.destinations = Destinations(
            store, self.registrar, self.pricing, world, self.settings, self.accounting.channels
        )
        self.admission = Admission(
            store, self.b2bua, self.destinations, self.accounting, self.spending, self.pricing, self.fraud, self.brake,
            world, self.settings, Origins(self.registrar, world, self.trusted, self.settings),
        )  # fmt: skip
        self.cards = CardCalls(
            store,
            self.b2bua,
            self.admission,
            self.accounting,
            world,
            self.settings,
            self._struck,
            self.notices.tell,
        )
        self.callbacks = Callbacks(
            store, self.b2bua, self.registrar, self.admission, self.accounting, world, self.settings, self.feed,
            lambda first, second: self.tap.traces.same(first, second),
        )  # fmt: skip
        self.forwarding = Forwarding(store, self.b2bua, self.admission, self.accounting, self.settings)
        self.transfers = Transfers(self.b2bua, self.destinations, self.accounting, self.fraud)
        self.requests = Requests(
            self.endpoint,
            self.b2bua,
            self.authentication,
            self.trust,
            self.strangers,
            self.defence,
            self.registration,
            self.paging,
            lambda now: self.calls.pump(now),
            self.settings,
            self.counts.refused,
        )
        self.housekeeping = Housekeeping(store, world, self.spending, self.fraud)
        self.passwords = Passwords(store, settings, world.clock, self.notices.tell, self.account_changed)
        self.lists = ListLoader(store, world.gate)
        self.changes = Changes(store, world.clock, self._taken_back)
        self.managers = Managers(store, world.clock)
        self.recovery = Recovery(store, self.b2bua, self.accounting, world)
        self.calls = CallEvents(
            self.b2bua, self.requests, self.admission, self.accounting, self.brake, self.cards, self.callbacks,
            self.forwarding, self.transfers, self.trunk_watch, self.recovery, self.tap, self.feed, self.settings,
            self.fault,
        )  # fmt: skip
        self._entrances = self._enters()

    def settings(self) -> Settings:
        """The snapshot in force."""
        return self._settings

    def use(self, settings: Settings) -> None:
        """Put a new snapshot in force; running calls keep what they started with, except money."""
        self._settings = settings
        self.feed.tell(Kind.SETTINGS, generation=settings.generation)
        self.authentication.use_realm(settings.realm, self.nonce_keys)
        self.defence.use(settings)
        self.strangers.use(settings)
        self.trust.use(settings)
        self.registration.use(settings)
        self.spending.use(settings)
        self.passwords.use(settings)
        self.fraud.use(settings)
        self.brake.use(settings)
        self.tap.use(settings)
        self.world.gate.resync()

    def account_changed(self, name: str) -> None:
        """Bindings of an account that is gone, locked or disabled are dropped; where accounts come from is known."""
        self.registration.recheck(name)
        before, (doors, count) = self._entrances, self._enters()
        if doors is not before[0] or count != before[1]:
            self._entrances = doors, count
            self.world.gate.resync()

    def _enters(self) -> tuple[Entrances, int]:
        """The index of where accounts come from, and its size: it is another one, or has grown, when that changes."""
        doors = self.store.entrances()
        return doors, doors.count

    def fault(self, event: Event | ServiceEvent) -> None:
        """Count an event that a part failed at, and log why."""
        self.counts.faults += 1
        _log.exception("a fault of the service at %s", type(event).__name__)

    # -- what parts ask for ----------------------------------------------------------------------------------------

    def _taken_back(self, texts: Mapping[str, str | None]) -> None:
        """A change was not confirmed: its settings have their old texts again."""
        self.use(self._settings.with_changes(dict(texts), self.store.generation()))
        self.lists.changed()

    def _banned(self, prefix: str, port: int) -> None:
        """The defence has banned somebody: nobody there is believed any more."""
        self.trust.forget_source(prefix, port)
        self.feed.tell(Kind.BANNED, prefix=prefix, port=port)

    def _struck(self, event: CallRequested, caller: Caller) -> None:
        """A wrong PIN came from a telephone that had proved its password: that is one guess of a proven source."""
        if caller.account is not None and caller.proven and caller.how is Auth.PROVEN:
            self.defence.wrong_password(event.request, event.flow, caller.account.name)
