"""What a verb works on: the store, the settings, and the running service if there is one.

Knows neither sockets nor lines. Store errors and bad settings become the WireError that the operator reads.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from appliance import wire
from appliance.config.fields import BadValue
from appliance.config.load import Loaded, layered
from appliance.config.settings import BadSettings, Settings, parse_all
from appliance.wire import WireError
from pysrv.billing import money
from pysrv.billing.deck import DateError, RateError
from pysrv.billing.exchange import ExchangeError
from pysrv.calls.trace import Traces
from pysrv.certificates.brought import CertificateError
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.answer import plain
from pysrv.control.screening import screen
from pysrv.limits.decision import Refuse
from pysrv.people.permissions import Powers
from pysrv.service.callbacks import Placed
from pysrv.service.firewall import protected
from pysrv.service.running import Running
from pysrv.service.trunk_watch import TrunkHealth
from pysrv.store import Store, StoreError
from pysrv.store.blacklists import BlacklistRow

if TYPE_CHECKING:
    from pysrv.control.configuration.reading import Coming
    from pysrv.control.memory import Memory
    from pysrv.control.sheets import SheetImport

_log = logging.getLogger("pysrv.control")


class Keeper(Protocol):
    """The keeper, asked by hand: what it answers is waited for. Raises WireError."""

    def __call__(self, verb: wire.KeeperVerb, args: Any = None) -> Mapping[str, Any]: ...


class Live(Protocol):
    """The running service, as far as operators reach into it. Every method is quick and called after the commit."""

    def settings(self) -> Settings:
        """The snapshot in force."""

    def apply_settings(self, settings: Settings) -> None:
        """Put a new snapshot in force."""

    def status(self) -> Running:
        """What only the running service knows."""

    def figures(self) -> wire.OfficeFigures:
        """What is counted, for the metrics."""

    def trunk_health(self, trunk: str) -> TrunkHealth:
        """What a trunk did with its last calls."""

    def traces(self) -> Traces:
        """What was said on the wire, by call."""

    def hangup(self, call_id: str) -> bool:
        """End a call; False: it does not run."""

    def dial(self, account: str, number: str) -> bool:
        """Ask a phone of the account to call a number; False: none is registered."""

    def call_back(self, account: str, number: str, first: str) -> Placed | Refuse:
        """Call `first` (empty: the account's telephones), then `number` for it; or the reason why not."""

    def page(self, sender: str, user: str, text: str) -> int:
        """Send a text to a user's devices; returns how many there are."""

    def unregister(self, account: str, contact: str) -> bool:
        """Forget a registered device; False: the account has none of that contact."""

    def account_changed(self, name: str) -> None:
        """An account was changed or removed: forget what was remembered of it."""

    def trunks_changed(self) -> None:
        """Trunks or routes were changed."""

    def ban(self, ban: wire.Ban) -> None:
        """Tell the gate."""

    def unban(self, prefix: str, port: int) -> None:
        """Tell the gate, and count anew for that source. `port` 0: the whole address or network."""

    def forgive(self) -> None:
        """Every ban was lifted: tell the gate, and count anew for everybody."""

    def allow(self, source: wire.Source) -> None:
        """Tell the gate."""

    def disallow(self, prefix: str) -> None:
        """Tell the gate."""

    def policy_changed(self) -> None:
        """Rules, report-only, protected addresses or the change that waits: tell the gate what holds now."""

    def lists_changed(self) -> None:
        """A list came, went or was replaced: bring the gate's lists up to date."""

    def blacklist_changed(self, put: Iterable[BlacklistRow], dropped: Iterable[BlacklistRow]) -> None:
        """Entries of the blacklists came or went."""

    def lists_held(self) -> Mapping[str, str]:
        """Name to digest of the lists that the gate has in force."""

    def protected(self) -> Mapping[str, str]:
        """Networks that nothing may cut off, each with the reason."""

    def resolved(self, host: str) -> str | None:
        """The address of a trunk's host; None while it is not known."""

    def errand(self, verb: wire.KeeperVerb, args: wire.BackupWanted | None, refused: Callable[[str], None]) -> bool:
        """Ask the keeper for what root does (BACKUP, AUDIT); `refused` is told why not. False: the keeper is away."""

    def notices_told(self) -> None:
        """Something is in the outbox of notices."""

    def input_refused(self, rule: str) -> None:
        """Something that came in was refused by this rule of validateinput."""

    def payments_told(self) -> None:
        """A refund or a comparison of payments was asked for."""


@dataclass(slots=True)
class ListImport:
    """A list that comes in pieces; `end` is the last address so far, `compared` the comparison with the list in use."""

    list_id: int
    name: str
    kind: str
    end: bytes = b""
    compared: Iterator[tuple[int, int]] | None = None


@dataclass(slots=True)
class Desk:
    """One operator at work. `file` holds the settings file's values, `live` the service if it runs, `memory` what it
    remembers of itself; `person` is the administrator who came over the network, with his `powers`. `is_aside`: in
    another thread, over a connection that only reads.
    `keeper` answers while it is waited for."""

    store: Store
    clock: Callable[[], float]
    live: Live | None = None
    file: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    person: str = ""
    powers: Powers | None = None
    certificates: Certificates | None = None
    import_id: int | None = None
    compared: str = ""  # up to which prefix the import was compared with the deck in use
    list_import: ListImport | None = None
    sheet: "SheetImport | None" = None
    coming: "Coming | None" = None  # a configuration that is being imported
    ahead: Settings | None = None  # what the running transaction puts in force
    memory: "Memory | None" = None
    is_aside: bool = False
    renewer: Renewer | None = None
    keeper: Keeper | None = None
    _after: list[Callable[[Live], None]] = field(default_factory=list)

    def loaded(self) -> Loaded:
        """The settings now, with what is wrong with stored ones."""
        if self.ahead is not None:
            return Loaded(self.ahead)
        loaded = layered(self.file, self.store.overrides(), self.store.generation())
        return Loaded(self.live.settings(), loaded.problems) if self.live else loaded

    @property
    def settings(self) -> Settings:
        """The settings now."""
        return self.loaded().settings

    def screen(self, given: Any) -> None:
        """Raises WireError for arguments that validateinput refuses."""
        settings = self.live.settings() if self.live is not None else self.settings
        screen(settings.validateinput, given, self.live)

    def protected(self) -> Mapping[str, str]:
        """Networks that nothing may cut off, each with the reason; the machine's own only while the service runs."""
        return self.live.protected() if self.live is not None else protected(self.store, {})

    def read_file(self, texts: Mapping[str, str]) -> None:
        """Take the settings file's values from the command; only a single run does not know them itself."""
        if self.live is not None:
            raise WireError("unknown_verb", "the running office has read its settings file already")
        self.file = parse_all(texts)

    def after_commit(self, tell: Callable[[Live], None]) -> None:
        """Tell the running service, if there is one, once what was written is on disk."""
        self._after.append(tell)

    def forget_told(self) -> None:
        """What would have been told is not: what was done so far is taken back."""
        self._after.clear()

    def finish(self, *, wrote: bool) -> None:
        """Commit, then tell the running service."""
        if wrote:
            self.store.commit()
        after, self._after = self._after, []
        if self.live is not None:
            for tell in after:
                tell(self.live)

    def give_up(self, *, wrote: bool) -> None:
        """Throw away what was written since the last commit, and what would have been told."""
        self._after.clear()
        if wrote:
            self.store.rollback()

    def carry_out(
        self,
        act: Callable[[], object],
        noted: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        writes: bool,
    ) -> dict[str, Any]:
        """What a verb says: all of it is written, with what `noted` makes of it, or nothing. Raises WireError."""
        try:
            with refusals():
                if writes:
                    self.store.commit()  # what the service has written is not a refused verb's to throw away
                result = plain(act())
                noted(result)
                self.finish(wrote=writes)
                return result
        except BaseException:
            self.give_up(wrote=writes)
            raise

    def close(self) -> None:
        """The operator has gone: an import that was not finished is given up."""
        self.sheet = None
        if self.coming is not None:
            for deck in self.coming.decks or ():
                self.store.import_abort(deck.import_id)
            self.store.commit()
            self.coming = None
        if self.list_import is not None:
            self.store.list_abort(self.list_import.list_id)
            self.store.commit()
            self.list_import = None
        if self.import_id is not None:
            self.store.import_abort(self.import_id)
            self.store.commit()
            self.import_id = None


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the rooms raise into what crosses the wire."""
    try:
        yield
    except StoreError as error:
        raise WireError(str(error.code), error.message, error.hint) from None
    except BadValue as error:
        raise WireError("invalid", str(error)) from None
    except BadSettings as error:
        raise WireError("invalid", str(error), "'appliance settings get NAME' explains a setting") from None
    except CertificateError as error:
        raise WireError("invalid", error.message, error.hint) from None
    except RateError as error:
        raise WireError("bad_rate", str(error), "nothing was imported; the deck in use stays") from None
    except (money.MoneyError, ExchangeError, DateError) as error:
        raise WireError("invalid", str(error)) from None


def fault(error: Exception) -> WireError:
    """The refusal for a fault of our own, which is logged."""
    _log.error("a verb failed", exc_info=error)
    return WireError("internal", f"a fault of the office: {type(error).__name__}: {error}", "see the office's log")


def amount(text: str) -> int:
    """Micro-units of an amount. Raises MoneyError."""
    return money.parse(text)


def written(micro: int) -> str:
    """An amount as JSON carries it: exact, as text."""
    return money.format(micro)


def not_found(what: str, name: str) -> WireError:
    """The refusal for a name that nothing has."""
    return WireError("not_found", f"there is no {what} {name[:80]!r}")
