"""What operators reach of the running service: the other end of the verbs (pysrv.control.desk.Live).

Every method is quick, and called once what it is about is on disk. Must not know: who asks, and whether he may.
"""

from collections.abc import Callable, Iterable, Mapping

from appliance import wire
from appliance.config.settings import Settings
from pysrv.calls.causes import Cause
from pysrv.calls.trace import Traces
from pysrv.limits.decision import Refuse
from pysrv.service.callbacks import Placed
from pysrv.service.feed import Kind
from pysrv.service.firewall import protected
from pysrv.service.parts import Parts
from pysrv.service.running import Running
from pysrv.service.trunk_watch import TrunkHealth
from pysrv.store.blacklists import BlacklistRow


class Operators:
    """Their hand in the service."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def settings(self) -> Settings:
        """The snapshot in force."""
        return self._parts.settings()

    def apply_settings(self, settings: Settings) -> None:
        """Put a new snapshot in force; running calls keep what they started with, except money."""
        self._parts.use(settings)

    def status(self) -> Running:
        """Figures of the running service."""
        clients, servers = self._parts.endpoint.transactions
        gate = self._parts.world.gate.status
        return Running(
            calls=len(self._parts.accounting.running),
            registrations=len(self._parts.registrar.all_bindings(self._parts.world.clock.wall())),
            transactions=clients + servers,
            malformed=self._parts.counts.malformed,
            faults=self._parts.counts.faults,
            relay=gate.relay if gate is not None else "",
            slot=gate.slot if gate is not None else "",
            trial=gate is not None and gate.trial,
        )

    def figures(self) -> wire.OfficeFigures:
        """What is counted, for the metrics."""
        return self._parts.counts.read(self._parts.settings().generation)

    def trunk_health(self, trunk: str) -> TrunkHealth:
        """What a trunk did with its last calls."""
        return self._parts.trunk_watch.health(trunk)

    def traces(self) -> Traces:
        """What was said on the wire, by call."""
        return self._parts.tap.traces

    def hangup(self, call_id: str) -> bool:
        """End a call on an operator's word."""
        if call_id not in self._parts.accounting.running:
            return False
        self._parts.b2bua.hangup(call_id, Cause.of_q850(16, "ended by the operator"), self._now())
        return True

    def dial(self, account: str, number: str) -> bool:
        """A phone of the account is asked to call a number."""
        return self._parts.dialling.ask(account, number, self._now())

    def call_back(self, account: str, number: str, first: str) -> Placed | Refuse:
        """A party is called, then connected to a number; or the reason why not."""
        return self._parts.callbacks.ask(account, number, first, self._now())

    def page(self, sender: str, user: str, text: str) -> int:
        """A text to a user's devices; returns how many there are."""
        return self._parts.paging.send(sender, user, text, self._now())

    def unregister(self, account: str, contact: str) -> bool:
        """Forget a registered device on its owner's word."""
        return self._parts.registration.unregister(account, contact)

    def trunks_changed(self) -> None:
        """Trunks' addresses are known sources of the gate."""
        self._parts.world.gate.resync()

    def ban(self, ban: wire.Ban) -> None:
        """Tell the gate; nobody there is believed any more."""
        self._parts.trust.forget_source(ban.prefix)
        self._parts.world.gate.ban(ban)
        self._parts.feed.tell(Kind.BANNED, prefix=ban.prefix, port=0)

    def unban(self, prefix: str, port: int) -> None:
        """Tell the gate, and count anew for that source."""
        self._parts.defence.lifted(prefix, port)
        self._parts.feed.tell(Kind.LIFTED, prefix=prefix, port=port)

    def forgive(self) -> None:
        """Every ban was lifted."""
        self._parts.defence.forgive()
        self._parts.feed.tell(Kind.LIFTED, prefix="all", port=0)

    def allow(self, source: wire.Source) -> None:
        """Tell the gate; what had become known inside that network no longer counts."""
        self._parts.world.gate.allow(source)
        self._parts.world.gate.resync()

    def disallow(self, prefix: str) -> None:
        """Tell the gate; what authenticates inside that network may be known again."""
        self._parts.world.gate.disallow(prefix)
        self._parts.world.gate.resync()

    def policy_changed(self) -> None:
        """Rules, report-only, protected addresses or the change that waits."""
        self._parts.changes.look()
        self._parts.spending.use(self._parts.settings())
        self._parts.fraud.use(self._parts.settings())
        self._parts.brake.use(self._parts.settings())
        self._parts.world.gate.resync()
        self._parts.lists.changed()

    def lists_changed(self) -> None:
        """Bring the gate's lists up to date, and what is known of countries."""
        self._parts.lists.changed()
        self._parts.fraud.use(self._parts.settings())

    def blacklist_changed(self, put: Iterable[BlacklistRow], dropped: Iterable[BlacklistRow]) -> None:
        """Entries of the blacklists came or went."""
        self._parts.fraud.put(put)
        for row in dropped:
            self._parts.fraud.drop(row)

    def lists_held(self) -> Mapping[str, str]:
        """Name to digest of the lists in force."""
        return self._parts.lists.held

    def resolved(self, host: str) -> str | None:
        """The address of a trunk's host."""
        return self._parts.world.resolve(host)

    def protected(self) -> Mapping[str, str]:
        """Networks that nothing may cut off, each with the reason."""
        return protected(self._parts.store, self._parts.world.host())

    def managed_from(self, address: str, why: str) -> bool:
        """Somebody manages the appliance from this address; True: that was news, and the gate is told."""
        if not self._parts.managers.noted(address, why):
            return False
        self._parts.world.gate.resync()
        return True

    def wrong_web_password(self, address: str, name: str) -> None:
        """Somebody guesses on the web."""
        self._parts.defence.wrong_web_password(address, name)

    def wrong_web_request(self, address: str, words: str) -> None:
        """Somebody sends the web what makes no sense."""
        self._parts.defence.wrong_web_request(address, words)

    def errand(self, verb: wire.KeeperVerb, args: wire.BackupWanted | None, refused: Callable[[str], None]) -> bool:
        """Have the keeper see to what root does; False: it is away."""
        gate = self._parts.world.gate
        if gate.status is None:
            return False
        gate.ask(verb, args, lambda _: None, lambda error: refused(error.message))
        return True

    def notices_told(self) -> None:
        """An operator has put something into the outbox of notices."""
        self._parts.notices.on_told()

    def account_changed(self, name: str) -> None:
        """Bindings of an account that is gone, locked or disabled are dropped; where accounts come from is known."""
        self._parts.account_changed(name)

    def input_refused(self, rule: str) -> None:
        """Something that came in was refused by validateinput."""
        self._parts.counts.refused(rule)

    def payments_told(self) -> None:
        """An operator wants a refund or a comparison of payments."""
        self._parts.on_payments()

    def _now(self) -> float:
        return self._parts.world.clock.monotonic()
