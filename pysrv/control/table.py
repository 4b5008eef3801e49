"""The table of the office's verbs, and the execution of one line. No sockets: a line comes in, a line goes out.

Nothing that a line holds raises out of `Session.answer`; a fault of our own is refused as `internal` and logged.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance import wire
from appliance.wire import WireError
from pysrv.control import (
    accounts,
    blacklists,
    calls,
    currencies,
    decks,
    firewall,
    lists,
    notices,
    passwords,
    probe,
    quoting,
    routing,
    security,
    settings,
    sheets,
    tracing,
    usage,
)
from pysrv.control.desk import Desk, Live, refusals
from pysrv.store import Store, StoreCode, StoreError

PATIENCE_S, RETRY_S = 10.0, 0.05  # how long a single run waits for another one, seconds
_log = logging.getLogger("pysrv.control")


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: the shape of the arguments, what it does, and whether it writes."""

    name: str
    args: type[Any]
    act: Callable[[Desk, Any], dict[str, Any]]
    writes: bool = False


ROWS = (
    Verb("status", Nothing, calls.status),
    Verb("context", settings.FileSettings, settings.context),
    Verb("accounts.list", accounts.ListAccounts, accounts.list_all),
    Verb("accounts.show", accounts.Named, accounts.show),
    Verb("accounts.add", accounts.AddAccount, accounts.add, writes=True),
    Verb("accounts.set", accounts.SetAccount, accounts.change, writes=True),
    Verb("accounts.remove", accounts.Named, accounts.remove, writes=True),
    Verb("accounts.ledger", accounts.LedgerOf, accounts.ledger),
    Verb("accounts.verify", passwords.Tried, passwords.verify, writes=True),
    Verb("accounts.reveal", passwords.Revealed, passwords.reveal, writes=True),
    Verb("accounts.passwords", passwords.PasswordsOf, passwords.list_all),
    Verb("accounts.days", usage.DaysOf, usage.days),
    Verb("accounts.allow", usage.AllowToday, usage.allow, writes=True),
    Verb("sheets.begin", sheets.BeginSheet, sheets.begin, writes=True),
    Verb("sheets.rows", sheets.SheetRows, sheets.rows, writes=True),
    Verb("sheets.commit", sheets.CommitSheet, sheets.commit, writes=True),
    Verb("trunks.list", Nothing, routing.list_all),
    Verb("trunks.add", routing.AddTrunk, routing.add, writes=True),
    Verb("trunks.set", routing.SetTrunk, routing.change, writes=True),
    Verb("trunks.remove", accounts.Named, routing.remove, writes=True),
    Verb("trunks.routes", accounts.Named, routing.routes),
    Verb("trunks.route", routing.AddRoute, routing.add_route, writes=True),
    Verb("trunks.unroute", routing.DropRoute, routing.drop_route, writes=True),
    Verb("trunks.quality", quoting.QualityOf, quoting.quality),
    Verb("rates.begin", decks.BeginDeck, decks.begin, writes=True),
    Verb("rates.rows", decks.DeckRows, decks.rows, writes=True),
    Verb("rates.commit", Nothing, decks.commit, writes=True),
    Verb("rates.decks", Nothing, decks.list_all),
    Verb("rates.list", decks.RatesOf, decks.rates),
    Verb("rates.export", decks.ExportDeck, decks.export),
    Verb("rates.remove", decks.DropDeck, decks.remove, writes=True),
    Verb("rates.quote", quoting.QuoteOf, quoting.quote),
    Verb("currencies.list", Nothing, currencies.list_all),
    Verb("currencies.set", currencies.SetCurrency, currencies.change, writes=True),
    Verb("currencies.remove", currencies.CurrencyNamed, currencies.remove, writes=True),
    Verb("taxes.list", Nothing, currencies.taxes),
    Verb("taxes.set", currencies.SetTax, currencies.set_tax, writes=True),
    Verb("taxes.remove", currencies.TaxNamed, currencies.remove_tax, writes=True),
    Verb("settings.list", Nothing, settings.list_all),
    Verb("settings.get", settings.SettingNamed, settings.get),
    Verb("settings.set", settings.SetSettings, settings.change, writes=True),
    Verb("settings.diff", settings.ProfileNamed, settings.difference),
    Verb("bans.list", Nothing, security.bans),
    Verb("bans.add", wire.Ban, security.add_ban, writes=True),
    Verb("bans.remove", wire.Prefix, security.remove_ban, writes=True),
    Verb("bans.clear", Nothing, security.clear_bans, writes=True),
    Verb("bans.show", security.Banned, security.show_ban),
    Verb("bans.lift", security.Banned, security.lift, writes=True),
    Verb("allows.list", Nothing, security.allows),
    Verb("allows.add", wire.Source, security.add_allow, writes=True),
    Verb("allows.remove", wire.Prefix, security.remove_allow, writes=True),
    Verb("lists.list", Nothing, lists.list_all),
    Verb("lists.begin", lists.BeginList, lists.begin, writes=True),
    Verb("lists.rows", lists.ListRows, lists.rows, writes=True),
    Verb("lists.commit", Nothing, lists.commit, writes=True),
    Verb("lists.remove", lists.ListNamed, lists.remove, writes=True),
    Verb("blacklist.list", blacklists.EntriesOf, blacklists.list_some),
    Verb("blacklist.add", blacklists.NewEntry, blacklists.add, writes=True),
    Verb("blacklist.put", blacklists.PutEntries, blacklists.put, writes=True),
    Verb("blacklist.remove", blacklists.EntryIds, blacklists.remove, writes=True),
    Verb("blacklist.test", blacklists.AskNumber, blacklists.test),
    Verb("firewall.list", Nothing, firewall.rules),
    Verb("firewall.add", firewall.AddRules, firewall.add, writes=True),
    Verb("firewall.remove", firewall.RemoveRules, firewall.remove, writes=True),
    Verb("firewall.test", probe.Probe, probe.test),
    Verb("protected.list", Nothing, firewall.guarded),
    Verb("protected.here", firewall.Here, firewall.here, writes=True),
    Verb("rules.list", Nothing, firewall.reported),
    Verb("rules.report_only", firewall.ReportOnly, firewall.report_only, writes=True),
    Verb("changes.show", Nothing, firewall.show_change),
    Verb("changes.confirm", Nothing, firewall.confirm_change, writes=True),
    Verb("changes.undo", Nothing, firewall.undo_change, writes=True),
    Verb("notices.list", notices.NoticesOf, notices.list_all),
    Verb("notices.test", notices.TestOf, notices.test, writes=True),
    Verb("notices.retry", Nothing, notices.retry, writes=True),
    Verb("calls.list", Nothing, calls.list_all),
    Verb("calls.hangup", calls.Hangup, calls.hangup),
    Verb("calls.trace", tracing.TraceOf, tracing.trace),
    Verb("cdrs.list", calls.CdrsOf, calls.cdrs),
    Verb("cdrs.show", quoting.CallNamed, quoting.explain),
    Verb("registrations.list", Nothing, calls.registrations),
)
VERBS: Mapping[str, Verb] = {verb.name: verb for verb in ROWS}


class Control:
    """The verbs over one store and, if it runs, one service."""

    def __init__(
        self,
        store: Store,
        live: Live | None = None,
        file: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`file` holds the settings file's typed values, `clock` gives Unix seconds."""
        self._store, self._live, self._file, self._clock = store, live, file or {}, clock

    def session(self, who: str) -> "Session":
        """A conversation with one operator; `who` goes into the audit trail."""
        return Session(Desk(self._store, self._clock, self._live, self._file, who))


class Session:
    """One operator's conversation: an import begun in it belongs to it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def answer(self, line: bytes) -> bytes:
        """The reply to one line."""
        ident = 0
        try:
            message = wire.decode(line)
            ident = message["id"] if type(message.get("id")) is int else 0
            return wire.reply(ident, self._act(message))
        except WireError as error:
            return wire.refusal(ident, error)
        except Exception as error:
            _log.exception("a verb failed")
            words = f"a fault of the office: {type(error).__name__}: {error}"
            return wire.refusal(ident, WireError("internal", words, "see the office's log"))

    def _act(self, message: Mapping[str, Any]) -> dict[str, Any]:
        verb = VERBS.get(str(message.get("verb")))
        if verb is None:
            raise WireError("unknown_verb", f"there is no verb {message.get('verb')!r:.60}")
        args = wire.from_dict(verb.args, message.get("args") or {})
        try:
            with refusals():
                if verb.writes:
                    self._desk.store.commit()  # what the service has written is not a refused verb's to throw away
                result = verb.act(self._desk, args)
                self._desk.finish(wrote=verb.writes)
                return result
        except BaseException:
            self._desk.give_up(wrote=verb.writes)
            if verb.name.startswith(("rates.", "lists.", "sheets.")):
                self._desk.close()  # all of a deck, a list or a sheet, or nothing
            raise

    def close(self) -> None:
        """The operator has gone."""
        self._desk.close()


def _patiently(open_store: Callable[[], Store], patience_s: float) -> Store:
    """The store; another single run that holds it is soon done. Raises StoreError."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return open_store()
        except StoreError as error:
            if error.code is not StoreCode.LOCKED or time.monotonic() >= until:
                raise
            time.sleep(RETRY_S)


def run_once(
    open_store: Callable[[], Store],
    who: str,
    lines: Iterable[bytes],
    write: Callable[[bytes], object],
    patience_s: float = PATIENCE_S,
) -> int:
    """Answer `lines` in order, each reply through `write`: the whole life of `python -m pysrv once`. Returns the exit
    status. Read all lines before: nobody reads replies while it still writes requests.
    """
    wanted = [line for line in lines if line.strip()]
    try:
        with refusals():
            store = _patiently(open_store, patience_s)
    except WireError as error:
        for line in wanted:
            write(wire.refusal(_ident_of(line), error))
        return 1
    session = Control(store).session(who)
    try:
        for line in wanted:
            write(session.answer(line))
    finally:
        session.close()
        store.close()
    return 0


def _ident_of(line: bytes) -> int:
    try:
        ident = wire.decode(line).get("id")
    except WireError:
        return 0
    return ident if type(ident) is int else 0
