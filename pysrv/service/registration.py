"""REGISTER: proven, allowed, applied, stored; and the bindings that a restart finds again."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, replace

from appliance.config.settings import Settings
from pysrv.calls.bindings import Binding
from pysrv.calls.registrar import Change, Registrar, RegistrarConfig, Saved
from pysrv.limits.decision import Refuse
from pysrv.limits.facts import Auth
from pysrv.limits.stages.locks import registration_refusal
from pysrv.service.feed import Feed, Kind
from pysrv.service.journal import visible
from pysrv.service.pairs import KnownPairs
from pysrv.service.surroundings import Surroundings
from pysrv.service.trust import Trust
from pysrv.sip.events import Flow
from pysrv.sip.grammar import unescape
from pysrv.sip.message import Request, Response, response_to
from pysrv.store import Store
from pysrv.store.rows import Account, SavedBinding

WARNING_HOST = b"appliance"
_log = logging.getLogger("pysrv.registrar")


class Registration:
    """Applies REGISTER requests of proven accounts; the address of record is the account's name."""

    def __init__(
        self, store: Store, registrar: Registrar, world: Surroundings, pairs: KnownPairs, trust: Trust, feed: Feed
    ) -> None:
        self._feed = feed
        self._store, self._registrar, self._world, self._pairs, self._trust = store, registrar, world, pairs, trust
        self._devices: set[tuple[str, str]] = set()  # (account, contact) of what is stored
        self._most = 0  # of licensecfg; 0: no ceiling

    def use(self, settings: Settings) -> None:
        """New ceilings: of all registrations, and of how long one lasts (sessionabsolutetimeout)."""
        self._most = settings.licensecfg.get("registrations", 0)
        longest_s, config = max(1, int(settings.sessionabsolutetimeout)), RegistrarConfig()
        self._registrar.config = replace(
            config,
            min_expires_s=min(config.min_expires_s, longest_s),
            max_expires_s=min(config.max_expires_s, longest_s),
            default_expires_s=min(config.default_expires_s, longest_s),
        )

    def register(
        self, request: Request, flow: Flow, account: Account, *, proven: bool = True, how: Auth = Auth.PROVEN
    ) -> Response:
        """The answer to a REGISTER that `account` sent. Nobody registers for somebody else (10.3 step 3).

        `proven`: it brought the password itself, and was not merely believed. Where a trunk is, nobody registers by
        `how` alone: a forged datagram would make a user of the carrier, and calls to users cost nothing.
        """
        if how is not Auth.PROVEN and self._store.trunk_by_address(flow.remote[0]) is not None:
            return response_to(request, 403)
        refusal = registration_refusal(account) or self._full(request, flow, account)
        if refusal is not None:
            _log.info("registration refused account=%s setting=%s: %s", account.name, refusal.setting, refusal.sentence)
            headers = [(b"warning", b'399 %b "%b"' % (WARNING_HOST, refusal.setting.encode()))]
            return response_to(request, refusal.status, refusal.reason.encode(), headers=headers)
        if not _is_of(request, account):
            return response_to(request, 403, b"Not Your Address Of Record")
        outcome = self._registrar.register(account.name, request, flow, self._world.clock.wall())
        self._keep(outcome.changes)
        self._trust.registered(request, flow, account.name, outcome, proven=proven)
        return response_to(request, outcome.status, outcome.reason.encode() or None, headers=outcome.headers)

    def _full(self, request: Request, flow: Flow, account: Account) -> Refuse | None:
        """Why there is no room for one more device; a device that is registered may stay, and any may leave."""
        held = len(self._registrar)
        if not self._most or held < self._most:
            return None
        if not self._registrar.adds(account.name, request, flow, self._world.clock.wall()):
            return None
        sentence = f"{held} devices are registered, licensecfg allows {self._most}"
        return Refuse("capacity", "licensecfg", 503, "Service Unavailable", sentence, {"registrations": held})

    def expire(self) -> None:
        """Forget what ran out."""
        self._keep(self._registrar.expire(self._world.clock.wall()))

    def flow_closed(self, flow: Flow) -> None:
        """A stream is gone: whoever registered over it cannot be reached any more."""
        self._keep(self._registrar.flow_closed(flow))

    def recheck(self, name: str) -> None:
        """An account was changed: one that is gone or locked out loses its devices."""
        self._trust.forget_account(name)
        account = self._store.account(name)
        if account is None or registration_refusal(account) is not None:
            self._keep(self._registrar.remove(name))

    def unregister(self, name: str, contact: str) -> bool:
        """Its owner wants a device forgotten; False: there is none of that contact."""
        gone = self._registrar.drop(name, contact)
        self._keep(gone)
        return bool(gone)

    def load(self) -> int:
        """Take up the stored bindings, at start; those of streams died with the process. Returns how many."""
        self._store.expire_bindings()
        rows = self._store.bindings()
        usable = [row for row in rows if row.transport == "udp"]
        bindings = [Binding.from_row(asdict(row)) for row in usable]
        self._registrar.load(bindings)
        self._pairs.load(bindings)
        self._devices = {(row.aor, row.contact) for row in usable}
        for row in rows:
            if row.transport != "udp":
                self._store.remove_binding(row.aor, row.contact)
        return len(usable)

    def _keep(self, changes: Iterable[Change]) -> None:
        """Store what changed and tell the gate. The log tells of devices that come and go, not of every refresh."""
        changes = tuple(changes)
        self._pairs.change(changes)
        for change in changes:
            binding = change.binding
            if isinstance(change, Saved):
                told = binding.to_row()
                row = SavedBinding(**(told | {"user_agent": visible(told["user_agent"])}))  # it is shown to people
                self._store.save_binding(row)
                if (row.aor, row.contact) not in self._devices:
                    self._devices.add((row.aor, row.contact))
                    told = {"account": row.aor, "source": row.remote_host, "user_agent": row.user_agent}
                    self._feed.tell(Kind.REGISTERED, **told)
                    _log.info("registered account=%s source=%s contact=%s", row.aor, row.remote_host, row.contact)
            else:
                contact = binding.contact_text
                self._trust.forget_account(binding.aor)
                self._store.remove_binding(binding.aor, contact)
                self._devices.discard((binding.aor, contact))
                self._feed.tell(Kind.DEVICE_GONE, account=binding.aor, source=binding.flow.remote[0])
                _log.info("device gone account=%s contact=%s", binding.aor, contact)


def _is_of(request: Request, account: Account) -> bool:
    """Whether the To of a REGISTER is the account's name or one of its numbers."""
    user = unescape(request.to.uri.user or b"").decode("utf-8", "replace")
    return user == account.name or user.lstrip("+") in account.numbers
