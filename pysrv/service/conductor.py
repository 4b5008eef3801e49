"""The conductor: what arrives becomes events, events become decisions, decisions effects. Synchronous, no sockets.

One turn: feed datagrams, pump events, commit the store once, then transmit. Whatever a peer or the gate is told is on
disk by then. The ring around it (pysrv.net, pysrv.__main__) feeds it, and asks for what is to be sent.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from appliance import wire
from appliance.config.settings import Settings
from pysrv.calls.b2bua import B2bua
from pysrv.calls.causes import Cause
from pysrv.calls.events import (
    CallRequested,
    ServiceEvent,
)
from pysrv.calls.plan import B2buaConfig
from pysrv.calls.registrar import Registrar
from pysrv.calls.trace import Traces
from pysrv.limits.decision import Refuse
from pysrv.limits.entrances import Entrances
from pysrv.limits.facts import Auth
from pysrv.media.ports import PortPool
from pysrv.service.accounting import NS, Accounting
from pysrv.service.admission import Admission
from pysrv.service.authentication import Authentication, Guard
from pysrv.service.call_events import CallEvents
from pysrv.service.callbacks import Callbacks, Placed
from pysrv.service.card_calls import CardCalls
from pysrv.service.changes import Changes
from pysrv.service.defence import Defence
from pysrv.service.dialling import Dialling
from pysrv.service.entry import Caller
from pysrv.service.exposure import ExposureBrake
from pysrv.service.feed import Feed, Kind
from pysrv.service.figures import Figures
from pysrv.service.firewall import ListLoader, Managers, protected
from pysrv.service.forwarding import Forwarding
from pysrv.service.fraud import Fraud
from pysrv.service.housekeeping import Housekeeping
from pysrv.service.notices import Notices
from pysrv.service.origin import Origins
from pysrv.service.paging import Paging
from pysrv.service.pairs import KnownPairs
from pysrv.service.passwords import Passwords
from pysrv.service.plan import gate_plan
from pysrv.service.pricing import Pricing
from pysrv.service.recovery import Recovery
from pysrv.service.registration import Registration
from pysrv.service.requests import Requests, is_fresh
from pysrv.service.running import Running
from pysrv.service.spending import Spending
from pysrv.service.strangers import Strangers
from pysrv.service.surroundings import Surroundings
from pysrv.service.tap import Tap
from pysrv.service.transfers import Transfers
from pysrv.service.trunk_watch import TrunkHealth, TrunkWatch
from pysrv.service.trust import Trust
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.digest import Authenticator, NonceKeys
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import (
    Event,
    Flow,
    MalformedReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
    TransportFailed,
)
from pysrv.sip.message import Message
from pysrv.store import Store
from pysrv.store.blacklists import BlacklistRow

SECRET_BYTES = 32
COUNTERS_EVERY_S = 5.0  # how often the relay's counters are read for mediatimeout
_log = logging.getLogger("pysrv.service")


class Service:
    """The office without its sockets."""

    def __init__(self, store: Store, settings: Settings, world: Surroundings) -> None:
        self._store, self._settings, self._world = store, settings, world
        self.endpoint = Endpoint(world.tokens, store.get_or_make("endpoint", SECRET_BYTES))
        self._ports = PortPool(*world.relay_ports, pick=world.pick)
        self.b2bua = B2bua(self.endpoint, self._ports, B2buaConfig(), world.tokens)
        self.tap = Tap(world.clock.wall, self.b2bua.call_of_dialog, settings)
        self.registrar = Registrar()
        self._nonce_keys = NonceKeys(store.get_or_make("nonce", SECRET_BYTES), keyed_hash=world.keyed_hash)
        self._nonce_epoch = self._nonce_keys.epoch(world.clock.wall())
        authenticator = Authenticator(settings.realm.encode(), self._nonce_keys)
        self._pairs = KnownPairs(world)
        self._defence = Defence(store, settings, world, self._pairs)
        self.trusted = TrustedAddresses(store, world, self.settings)
        guard = Guard(self._defence, self._pairs, self.trusted, self.settings)
        self._authentication = Authentication(store, authenticator, world, guard)
        self._trust = Trust(store, settings, world)
        self._defence.on_ban = self._banned
        self._strangers = Strangers(store, settings, self._defence, self._pairs, world.clock)
        self.feed = Feed(world.clock.wall)
        self._registration = Registration(store, self.registrar, world, self._pairs, self._trust, self.feed)
        self._registration.use(settings)
        self._paging = Paging(store, self.endpoint, self.registrar, world)
        self._dialling = Dialling(self.endpoint, self.registrar, world)
        self.notices = Notices(store, self.feed)
        self.on_payments: Callable[[], None] = lambda: None
        self._spending = Spending(store, settings, world.clock, self.notices.tell)
        self._pricing = Pricing(store, self.settings, lambda: self._spending.report_only, self.notices.tell)
        self._fraud = Fraud(store, settings, world.clock, self.notices.tell)
        self._trunk_watch = TrunkWatch(store, self.settings, self.notices.tell, world.clock.wall)
        self._brake = ExposureBrake(store, settings, self.notices.tell, lambda *whose: self.accounting.prices(*whose))
        self.accounting = Accounting(store, world, self._spending, self._fraud, self._brake)
        self.counts = Figures(store, self.accounting, self.registrar, self.endpoint, self.tap, world.clock)
        self._admission = Admission(
            store, self.b2bua, self.registrar, self.accounting, self._spending, self._pricing, self._fraud, self._brake,
            world, self.settings, Origins(self.registrar, world, self.trusted, self.settings),
        )  # fmt: skip
        self._cards = CardCalls(
            store,
            self.b2bua,
            self._admission,
            self.accounting,
            world,
            self.settings,
            self._struck,
            self.notices.tell,
        )
        self._callbacks = Callbacks(
            store, self.b2bua, self.registrar, self._admission, self.accounting, world, self.settings, self.feed,
            lambda first, second: self.tap.traces.same(first, second),
        )  # fmt: skip
        self._forwarding = Forwarding(store, self.b2bua, self._admission, self.accounting, self.settings)
        self._transfers = Transfers(self.b2bua, self._admission, self.accounting, self._fraud)
        self._requests = Requests(
            self.endpoint,
            self.b2bua,
            self._authentication,
            self._trust,
            self._strangers,
            self._defence,
            self._registration,
            self._paging,
            lambda now: self._calls.pump(now),
            self.settings,
            self.input_refused,
        )
        self._housekeeping = Housekeeping(store, world, self._spending, self._fraud)
        self._passwords = Passwords(store, settings, world.clock, self.notices.tell, self.account_changed)
        self._lists = ListLoader(store, world.gate)
        self._changes = Changes(store, world.clock, self._taken_back)
        self._managers = Managers(store, world.clock)
        self._recovery = Recovery(store, self.b2bua, self.accounting, world)
        self._calls = CallEvents(
            self.b2bua, self._requests, self._admission, self.accounting, self._brake, self._cards, self._callbacks,
            self._forwarding, self._transfers, self._trunk_watch, self._recovery, self.tap, self.feed, self.settings,
            self._fault,
        )  # fmt: skip
        self._counters_at = 0.0
        self._entrances = self._enters()
        self.malformed = 0
        self.inputs: Counter[str] = Counter()  # refused by validateinput, by rule
        self.faults = 0

    # -- fed by the ring ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up what an earlier process left: bindings, running calls."""
        self._changes.run()
        self._fraud.start()
        found = self._registration.load()
        now = self._world.clock.monotonic()
        resumed, settled = self._recovery.start(now)
        self._spending.start()  # from what still runs, and what was settled just now
        self._calls.pump(now)
        _log.info("started registrations=%d calls_resumed=%d calls_settled=%d", found, resumed, settled)

    def receive_datagram(self, payload: bytes, flow: Flow) -> None:
        """One datagram."""
        self.tap.heard(payload, flow)
        self._defence.message(flow)
        self.endpoint.receive_datagram(payload, flow, self._world.clock.monotonic())

    def receive_message(self, message: Message, flow: Flow) -> None:
        """One message that a stream has framed."""
        self.tap.heard(message.to_bytes(), flow)
        self._defence.message(flow)
        self.endpoint.receive_message(message, flow, self._world.clock.monotonic())

    def flow_closed(self, flow: Flow) -> None:
        """A stream has ended, or could not be opened."""
        self.endpoint.transport_failed(flow, self._world.clock.monotonic())
        self._registration.flow_closed(flow)

    def get_timer(self) -> float | None:
        """When to call handle_timer next (monotonic seconds)."""
        now, wall = self._world.clock.monotonic(), self._world.clock.wall()
        expiry = self.registrar.get_timer()
        moments = [
            self.endpoint.get_timer(),
            self.b2bua.get_timer(),
            self.accounting.next_renewal(),
            None if expiry is None else now + expiry - wall,
            self._counters_at if self.accounting.running else None,
            self._housekeeping.get_timer(),
            self._passwords.get_timer(),
            self._defence.get_timer(),
            self._changes.get_timer(),
            self._recovery.get_timer(),
            self._cards.get_timer(),
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_timer(self) -> None:
        """Let everything happen that is due."""
        now = self._world.clock.monotonic()
        self.endpoint.handle_timer(now)
        self.b2bua.handle_timer(now)
        for lapsed in self.accounting.renew_due(now):
            self._calls.lapse(lapsed.call_id, lapsed.shortfall, now)
        self._calls.cut(now)
        self._registration.expire()
        self._housekeeping.run(now)
        self._passwords.run(now)
        self._turn_keys()
        self._defence.run()
        self._changes.run()
        self._recovery.run(now)
        self._cards.run(now)
        if now >= self._counters_at and self.accounting.running:
            self._counters_at = now + COUNTERS_EVERY_S
            self._world.gate.request_counters()

    def _turn_keys(self) -> None:
        """The kernel gets the next nonce key well before it needs it."""
        epoch = self._nonce_keys.epoch(self._world.clock.wall())
        if epoch != self._nonce_epoch:
            self._nonce_epoch = epoch
            self._world.gate.resync()

    def turn(self) -> list[tuple[bytes, Flow]]:
        """Pump all events, commit, release the gate's verbs; returns the datagrams that may leave now."""
        now = self._world.clock.monotonic()
        while (event := self.endpoint.next_event()) is not None:
            try:
                self._take(event, now)
            except Exception:  # one message must not take the others of this turn with it
                self._fault(event)
            self._calls.pump(now)
        self._calls.pump(now)
        self._calls.cut(now)
        self._store.commit()
        self.feed.flush()
        self._world.gate.flush()
        leaving = self.endpoint.datagrams_to_send()
        self.tap.said(leaving)
        return leaving

    # -- GateEvents -----------------------------------------------------------------------------------------------

    def on_connected(self, status: wire.GateStatus) -> None:
        """The keeper has taken the plan."""
        _log.info("gate connected relay=%s %s", status.relay, status.relay_reason)
        self._lists.connected()

    def on_disconnected(self, reason: str) -> None:
        """The keeper is away."""
        _log.warning("gate away: %s", reason)

    def on_session_refused(self, session: int, error: wire.WireError) -> None:
        """No relay, no call: what is not relayed is not counted."""
        call_id = self.accounting.call_of(session)
        _log.error("relay refused call=%s: %s", call_id, error.message)
        self._cards.refused(session, self._world.clock.monotonic())
        if call_id is not None:
            self.b2bua.hangup(call_id, Cause.of_q850(47, "no relay for the media"), self._world.clock.monotonic())

    def digit(self, session: int, digit: str) -> None:
        """A key was heard on a session that the office itself speaks on."""
        self._cards.heard(session, digit, self._world.clock.monotonic())

    def on_session_closed(self, _session: int, counters: wire.SessionCounters) -> None:
        """The relay's last counters: the call can be settled."""
        self.accounting.session_closed(counters)

    def on_counters(self, counters: tuple[wire.SessionCounters, ...]) -> None:
        """Calls whose media have stopped are ended (mediatimeout)."""
        now, limit = self._world.clock.monotonic(), self._settings.mediatimeout
        for row in counters if limit else ():
            call_id = self.accounting.silent(row, int((now - limit) * NS))
            if call_id is not None:
                self.b2bua.hangup(call_id, Cause.of_q850(102, f"no media for {limit:g} s (mediatimeout)"), now)

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        """What the kernel counted since the last pulse."""
        self._defence.offences(offences)

    def plan(self) -> wire.Plan:
        """The whole state that the gate should have, but for sessions."""
        known, pairs = self._authentication.known(), self._pairs.rows()
        return gate_plan(self._store, self._settings, self._world, known, pairs, nonces=self._nonce_keys)

    # -- Live: operators ------------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """The snapshot in force."""
        return self._settings

    def apply_settings(self, settings: Settings) -> None:
        """Put a new snapshot in force; running calls keep what they started with, except money."""
        self._settings = settings
        self.feed.tell(Kind.SETTINGS, generation=settings.generation)
        self._authentication.use_realm(settings.realm, self._nonce_keys)
        self._defence.use(settings)
        self._strangers.use(settings)
        self._trust.use(settings)
        self._registration.use(settings)
        self._spending.use(settings)
        self._passwords.use(settings)
        self._fraud.use(settings)
        self._brake.use(settings)
        self.tap.use(settings)
        self._world.gate.resync()

    def status(self) -> Running:
        """Figures of the running service."""
        clients, servers = self.endpoint.transactions
        gate = self._world.gate.status
        return Running(
            calls=len(self.accounting.running),
            registrations=len(self.registrar.all_bindings(self._world.clock.wall())),
            transactions=clients + servers,
            malformed=self.malformed,
            faults=self.faults,
            relay=gate.relay if gate is not None else "",
        )

    def figures(self) -> wire.OfficeFigures:
        """What is counted, for the metrics."""
        return self.counts.read(
            generation=self._settings.generation, malformed=self.malformed, faults=self.faults, inputs=self.inputs
        )

    def trunk_health(self, trunk: str) -> TrunkHealth:
        """What a trunk did with its last calls."""
        return self._trunk_watch.health(trunk)

    def traces(self) -> Traces:
        """What was said on the wire, by call."""
        return self.tap.traces

    def hangup(self, call_id: str) -> bool:
        """End a call on an operator's word."""
        if call_id not in self.accounting.running:
            return False
        self.b2bua.hangup(call_id, Cause.of_q850(16, "ended by the operator"), self._world.clock.monotonic())
        return True

    def dial(self, account: str, number: str) -> bool:
        """A phone of the account is asked to call a number."""
        return self._dialling.ask(account, number, self._world.clock.monotonic())

    def call_back(self, account: str, number: str, first: str) -> Placed | Refuse:
        """A party is called, then connected to a number; or the reason why not."""
        return self._callbacks.ask(account, number, first, self._world.clock.monotonic())

    def page(self, sender: str, user: str, text: str) -> int:
        """A text to a user's devices; returns how many there are."""
        return self._paging.send(sender, user, text, self._world.clock.monotonic())

    def unregister(self, account: str, contact: str) -> bool:
        """Forget a registered device on its owner's word."""
        return self._registration.unregister(account, contact)

    def account_changed(self, name: str) -> None:
        """Bindings of an account that is gone, locked or disabled are dropped; where accounts come from is known."""
        self._registration.recheck(name)
        before, (doors, count) = self._entrances, self._enters()
        if doors is not before[0] or count != before[1]:
            self._entrances = doors, count
            self._world.gate.resync()

    def _enters(self) -> tuple[Entrances, int]:
        """The index of where accounts come from, and its size: it is another one, or has grown, when that changes."""
        doors = self._store.entrances()
        return doors, doors.count

    def trunks_changed(self) -> None:
        """Trunks' addresses are known sources of the gate."""
        self._world.gate.resync()

    def ban(self, ban: wire.Ban) -> None:
        """Tell the gate; nobody there is believed any more."""
        self._trust.forget_source(ban.prefix)
        self._world.gate.ban(ban)
        self.feed.tell(Kind.BANNED, prefix=ban.prefix, port=0)

    def unban(self, prefix: str, port: int) -> None:
        """Tell the gate, and count anew for that source."""
        self._defence.lifted(prefix, port)
        self.feed.tell(Kind.LIFTED, prefix=prefix, port=port)

    def forgive(self) -> None:
        """Every ban was lifted."""
        self._defence.forgive()
        self.feed.tell(Kind.LIFTED, prefix="all", port=0)

    def allow(self, source: wire.Source) -> None:
        """Tell the gate; what had become known inside that network no longer counts."""
        self._world.gate.allow(source)
        self._world.gate.resync()

    def disallow(self, prefix: str) -> None:
        """Tell the gate; what authenticates inside that network may be known again."""
        self._world.gate.disallow(prefix)
        self._world.gate.resync()

    def policy_changed(self) -> None:
        """Rules, report-only, protected addresses or the change that waits."""
        self._changes.look()
        self._spending.use(self._settings)
        self._fraud.use(self._settings)
        self._brake.use(self._settings)
        self._world.gate.resync()
        self._lists.changed()

    def lists_changed(self) -> None:
        """Bring the gate's lists up to date, and what is known of countries."""
        self._lists.changed()
        self._fraud.use(self._settings)

    def blacklist_changed(self, put: Iterable[BlacklistRow], dropped: Iterable[BlacklistRow]) -> None:
        """Entries of the blacklists came or went."""
        self._fraud.put(put)
        for row in dropped:
            self._fraud.drop(row)

    def lists_held(self) -> Mapping[str, str]:
        """Name to digest of the lists in force."""
        return self._lists.held

    def resolved(self, host: str) -> str | None:
        """The address of a trunk's host."""
        return self._world.resolve(host)

    def protected(self) -> Mapping[str, str]:
        """Networks that nothing may cut off, each with the reason."""
        return protected(self._store, self._world.host())

    def managed_from(self, address: str, why: str) -> bool:
        """Somebody manages the appliance from this address; True: that was news, and the gate is told."""
        if not self._managers.noted(address, why):
            return False
        self._world.gate.resync()
        return True

    def wrong_web_password(self, address: str, name: str) -> None:
        """Somebody guesses on the web."""
        self._defence.wrong_web_password(address, name)

    def wrong_web_request(self, address: str, words: str) -> None:
        """Somebody sends the web what makes no sense."""
        self._defence.wrong_web_request(address, words)

    def errand(self, verb: wire.KeeperVerb, args: wire.BackupWanted | None, refused: Callable[[str], None]) -> bool:
        """Have the keeper see to what root does; False: it is away."""
        if self._world.gate.status is None:
            return False
        self._world.gate.ask(verb, args, lambda _: None, lambda error: refused(error.message))
        return True

    def notices_told(self) -> None:
        """An operator has put something into the outbox of notices."""
        self.notices.on_told()

    def input_refused(self, rule: str) -> None:
        """Something that came in was refused by validateinput."""
        self.inputs[rule] += 1

    def payments_told(self) -> None:
        """An operator wants a refund or a comparison of payments."""
        self.on_payments()

    def _taken_back(self, texts: Mapping[str, str | None]) -> None:
        """A change was not confirmed: its settings have their old texts again."""
        self.apply_settings(self._settings.with_changes(dict(texts), self._store.generation()))
        self._lists.changed()

    # -- events of the endpoint -----------------------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        match event:
            case RequestReceived() if self._requests.ignored(event):
                pass
            case RequestReceived() if is_fresh(event.request):
                self._requests.fresh(event, now)
            case MalformedReceived():
                self.malformed += 1
                self._defence.malformed(event)
                _log.debug("malformed source=%s: %s", event.flow.remote[0], event.reason)
            case ResponseReceived() | RequestTimedOut() | TransportFailed() if self._paging.handle(event, now):
                pass
            case _:
                if not self.b2bua.handle(event, now) and isinstance(event, RequestReceived):
                    self._requests.outside_calls(event)

    def _fault(self, event: Event | ServiceEvent) -> None:
        self.faults += 1
        _log.exception("a fault of the service at %s", type(event).__name__)

    # -- what parts ask for ----------------------------------------------------------------------------------------

    def _banned(self, prefix: str, port: int) -> None:
        """The defence has banned somebody: nobody there is believed any more."""
        self._trust.forget_source(prefix, port)
        self.feed.tell(Kind.BANNED, prefix=prefix, port=port)

    def _struck(self, event: CallRequested, caller: Caller) -> None:
        """A wrong PIN came from a telephone that had proved its password: that is one guess of a proven source."""
        if caller.account is not None and caller.proven and caller.how is Auth.PROVEN:
            self._defence.wrong_password(event.request, event.flow, caller.account.name)
