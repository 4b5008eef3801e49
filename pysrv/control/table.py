"""The table of the office's verbs, and the execution of one line. No sockets: a line comes in, a line goes out.

Nothing that a line holds raises out of `Session.answer`; a fault of our own is refused as `internal` and logged.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from appliance import wire
from appliance.wire import WireError
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control import (
    accounts,
    analyze,
    backups,
    blacklists,
    calls,
    certificate,
    checklist,
    currencies,
    decks,
    firewall,
    forwards,
    kept_out,
    lists,
    machine_audit,
    notices,
    own,
    paging,
    passwords,
    payments,
    people,
    probe,
    quoting,
    refused,
    routing,
    schema,
    security,
    settings,
    setup,
    sheets,
    tracing,
    tunnel,
    usage,
    watching,
)
from pysrv.control.answer import answer_of
from pysrv.control.configuration import verbs as configuration
from pysrv.control.desk import Desk, Keeper, Live, fault, refusals
from pysrv.control.mine import MINE, Mine
from pysrv.people.permissions import PROVEN, Area, Powers
from pysrv.store import Store, StoreCode, StoreError

PATIENCE_S, RETRY_S = 10.0, 0.05  # how long a single run waits for another one, seconds


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: what it is about, the shape of the arguments, what it does, and whether it changes anything.

    `writes`: it writes to the store. `acts`: it changes what runs instead. `also` names further areas that certain
    arguments write to, `held` those that what waits is about. `told`: root's own program tells of the machine, in
    commands and paths that validateinput would take for an attack; from anybody else it is screened all the same.
    """

    name: str
    area: Area
    args: type[Any]
    act: Callable[[Desk, Any], object]
    writes: bool = False
    acts: bool = False
    also: Callable[[Any], Iterable[Area]] = lambda _: ()
    held: Callable[[Desk], Iterable[Area]] = lambda _: ()
    told: bool = False

    @property
    def changes(self) -> bool:
        """Whether it needs more than sight."""
        return self.writes or self.acts

    @property
    def answer(self) -> Any:
        """The type of what it says, which its handler's annotation names."""
        return answer_of(self.act)


def _balances_and_passwords(_: Any) -> tuple[Area, ...]:
    """What a sheet of accounts holds beside their limits."""
    return Area.MONEY, Area.PASSWORDS


def _configured(_: Any) -> tuple[Area, ...]:
    """What a configuration holds beside settings."""
    return Area.PRICES, Area.ROUTING, Area.SECURITY


def _money(_: Any) -> tuple[Area, ...]:
    """Calls that go on cost the account."""
    return (Area.MONEY,)


ROWS = (
    Verb("status", Area.STATE, Nothing, calls.status),
    Verb("history.list", Area.STATE, watching.Since, watching.history),
    Verb("log.list", Area.SECURITY, watching.LinesOf, watching.log),
    Verb("figures", Area.STATE, Nothing, calls.figures),
    Verb("context", Area.SETTINGS, settings.FileSettings, settings.context),
    Verb("accounts.list", Area.ACCOUNTS, accounts.ListAccounts, accounts.list_all),
    Verb("accounts.show", Area.ACCOUNTS, accounts.Named, accounts.show),
    Verb("accounts.add", Area.ACCOUNTS, accounts.AddAccount, accounts.add, writes=True, also=accounts.added_areas),
    Verb("accounts.set", Area.ACCOUNTS, accounts.SetAccount, accounts.change, writes=True, also=accounts.changed_areas),
    Verb("accounts.remove", Area.ACCOUNTS, accounts.Named, accounts.remove, writes=True),
    Verb("accounts.ledger", Area.MONEY, accounts.LedgerOf, accounts.ledger),
    Verb("accounts.verify", Area.PASSWORDS, passwords.Tried, passwords.verify, writes=True),
    Verb("accounts.reveal", Area.PASSWORDS, passwords.Revealed, passwords.reveal, writes=True),
    Verb("accounts.passwords", Area.ACCOUNTS, passwords.PasswordsOf, passwords.list_all),
    Verb("accounts.days", Area.ACCOUNTS, usage.DaysOf, usage.days),
    Verb("accounts.allow", Area.MONEY, usage.AllowToday, usage.allow, writes=True),
    Verb("accounts.forward", Area.ACCOUNTS, forwards.ForwardsOf, forwards.change, writes=True, also=_money),
    Verb(
        "sheets.begin",
        Area.ACCOUNTS,
        sheets.BeginSheet,
        sheets.begin,
        writes=True,
        also=_balances_and_passwords,
    ),
    Verb("sheets.rows", Area.ACCOUNTS, sheets.SheetRows, sheets.rows, writes=True),
    Verb("sheets.commit", Area.ACCOUNTS, sheets.CommitSheet, sheets.commit, writes=True),
    Verb("trunks.list", Area.ROUTING, Nothing, routing.list_all),
    Verb("trunks.add", Area.ROUTING, routing.AddTrunk, routing.add, writes=True),
    Verb("trunks.set", Area.ROUTING, routing.SetTrunk, routing.change, writes=True),
    Verb("trunks.remove", Area.ROUTING, accounts.Named, routing.remove, writes=True),
    Verb("trunks.routes", Area.ROUTING, accounts.Named, routing.routes),
    Verb("trunks.route", Area.ROUTING, routing.AddRoute, routing.add_route, writes=True),
    Verb("trunks.unroute", Area.ROUTING, routing.DropRoute, routing.drop_route, writes=True),
    Verb("trunks.quality", Area.ROUTING, quoting.QualityOf, quoting.quality),
    Verb("rates.begin", Area.PRICES, decks.BeginDeck, decks.begin, writes=True),
    Verb("rates.rows", Area.PRICES, decks.DeckRows, decks.rows, writes=True),
    Verb("rates.compare", Area.PRICES, decks.CompareDeck, decks.compare),
    Verb("rates.commit", Area.PRICES, Nothing, decks.commit, writes=True),
    Verb("rates.decks", Area.PRICES, Nothing, decks.list_all),
    Verb("rates.list", Area.PRICES, decks.RatesOf, decks.rates),
    Verb("rates.export", Area.PRICES, decks.ExportDeck, decks.export),
    Verb("rates.remove", Area.PRICES, decks.DropDeck, decks.remove, writes=True),
    Verb("rates.quote", Area.PRICES, quoting.QuoteOf, quoting.quote),
    Verb("currencies.list", Area.PRICES, Nothing, currencies.list_all),
    Verb("currencies.set", Area.PRICES, currencies.SetCurrency, currencies.change, writes=True),
    Verb("currencies.remove", Area.PRICES, currencies.CurrencyNamed, currencies.remove, writes=True),
    Verb("taxes.list", Area.PRICES, Nothing, currencies.taxes),
    Verb("taxes.set", Area.PRICES, currencies.SetTax, currencies.set_tax, writes=True),
    Verb("taxes.remove", Area.PRICES, currencies.TaxNamed, currencies.remove_tax, writes=True),
    Verb("settings.list", Area.SETTINGS, Nothing, settings.list_all),
    Verb("settings.get", Area.SETTINGS, settings.SettingNamed, settings.get),
    Verb("settings.show", Area.SETTINGS, settings.SettingNamed, settings.show),
    Verb("settings.set", Area.SETTINGS, settings.SetSettings, settings.change, writes=True),
    Verb("settings.diff", Area.SETTINGS, settings.ProfileNamed, settings.difference),
    Verb("config.export", Area.SETTINGS, configuration.ExportConfiguration, configuration.export, writes=True),
    Verb(
        "config.begin",
        Area.SETTINGS,
        configuration.BeginConfiguration,
        configuration.begin,
        writes=True,
        also=_configured,
        told=True,
    ),
    Verb(
        "config.rows",
        Area.SETTINGS,
        configuration.ConfigurationRows,
        configuration.rows,
        writes=True,
        also=_configured,
        told=True,
    ),
    Verb("config.plan", Area.SETTINGS, Nothing, configuration.show, writes=True, also=_configured),
    Verb(
        "config.apply",
        Area.SETTINGS,
        configuration.ApplyConfiguration,
        configuration.apply,
        writes=True,
        also=_configured,
    ),
    Verb("certificate.show", Area.SETTINGS, Nothing, certificate.show),
    Verb("certificate.set", Area.SETTINGS, certificate.Brought, certificate.put, writes=True),
    Verb("certificate.remove", Area.SETTINGS, Nothing, certificate.remove, writes=True),
    Verb("certificate.renew", Area.SETTINGS, Nothing, certificate.renew, writes=True),
    Verb("certificate.csr", Area.SETTINGS, certificate.RequestFor, certificate.request, writes=True),
    Verb("certificate.order", Area.SETTINGS, certificate.OrderAt, certificate.order, writes=True),
    Verb("certificate.forget", Area.SETTINGS, Nothing, certificate.forget, writes=True),
    Verb("certificate.reload", Area.SETTINGS, Nothing, certificate.reload, acts=True),
    Verb("schema.show", Area.STATE, Nothing, schema.show),
    Verb("checklist.show", Area.SECURITY, Nothing, checklist.show),
    Verb("audit.show", Area.SECURITY, Nothing, machine_audit.show),
    Verb("audit.make", Area.SECURITY, Nothing, machine_audit.make, acts=True),
    Verb("audit.report", Area.SECURITY, machine_audit.Report, machine_audit.report, writes=True, told=True),
    Verb("setup.show", Area.SETTINGS, Nothing, setup.show),
    Verb("setup.mark", Area.SETTINGS, setup.MarkStep, setup.mark, writes=True),
    Verb("bans.list", Area.SECURITY, paging.PageOf, security.bans),
    Verb("bans.add", Area.SECURITY, wire.Ban, security.add_ban, writes=True),
    Verb("bans.whom", Area.SECURITY, kept_out.Whom, kept_out.by_ban),
    Verb("bans.remove", Area.SECURITY, wire.Prefix, security.remove_ban, writes=True),
    Verb("bans.clear", Area.SECURITY, Nothing, security.clear_bans, writes=True),
    Verb("bans.show", Area.SECURITY, security.Banned, security.show_ban),
    Verb("bans.lift", Area.SECURITY, security.Banned, security.lift, writes=True),
    Verb("allows.list", Area.SECURITY, Nothing, security.allows),
    Verb("allows.add", Area.SECURITY, wire.Source, security.add_allow, writes=True),
    Verb("allows.remove", Area.SECURITY, wire.Prefix, security.remove_allow, writes=True),
    Verb("lists.list", Area.SECURITY, Nothing, lists.list_all),
    Verb("lists.begin", Area.SECURITY, lists.BeginList, lists.begin, writes=True),
    Verb("lists.rows", Area.SECURITY, lists.ListRows, lists.rows, writes=True),
    Verb("lists.compare", Area.SECURITY, Nothing, lists.compare),
    Verb("lists.commit", Area.SECURITY, Nothing, lists.commit, writes=True),
    Verb("lists.remove", Area.SECURITY, lists.ListNamed, lists.remove, writes=True),
    Verb("blacklist.list", Area.SECURITY, blacklists.EntriesOf, blacklists.list_some),
    Verb("blacklist.add", Area.SECURITY, blacklists.NewEntry, blacklists.add, writes=True),
    Verb("blacklist.put", Area.SECURITY, blacklists.PutEntries, blacklists.put, writes=True),
    Verb("blacklist.remove", Area.SECURITY, blacklists.EntryIds, blacklists.remove, writes=True),
    Verb("blacklist.test", Area.SECURITY, blacklists.AskNumber, blacklists.test),
    Verb("firewall.list", Area.SECURITY, Nothing, firewall.rules),
    Verb("firewall.add", Area.SECURITY, firewall.AddRules, firewall.add, writes=True),
    Verb("firewall.whom", Area.SECURITY, kept_out.WhomRules, kept_out.by_rules),
    Verb("firewall.remove", Area.SECURITY, firewall.RemoveRules, firewall.remove, writes=True),
    Verb("firewall.test", Area.SECURITY, probe.Probe, probe.test),
    Verb("protected.list", Area.SECURITY, Nothing, firewall.guarded),
    Verb("protected.here", Area.SECURITY, firewall.Here, firewall.here, writes=True),
    Verb("rules.list", Area.SECURITY, Nothing, firewall.reported),
    Verb("rules.report_only", Area.SECURITY, firewall.ReportOnly, firewall.report_only, writes=True),
    Verb("reload", Area.SETTINGS, Nothing, settings.reload, acts=True),
    Verb("changes.show", Area.SECURITY, Nothing, firewall.show_change),
    Verb("changes.confirm", Area.SECURITY, Nothing, firewall.confirm_change, writes=True, held=firewall.held_areas),
    Verb("changes.undo", Area.SECURITY, Nothing, firewall.undo_change, writes=True, held=firewall.held_areas),
    Verb("notices.list", Area.STATE, notices.NoticesOf, notices.list_all),
    Verb("notices.test", Area.STATE, notices.TestOf, notices.test, writes=True),
    Verb("notices.retry", Area.STATE, Nothing, notices.retry, writes=True),
    Verb("payments.list", Area.MONEY, payments.PaymentsOf, payments.list_some),
    Verb("payments.show", Area.MONEY, payments.PaymentNumber, payments.show),
    Verb("payments.approve", Area.MONEY, payments.Decision, payments.approve, writes=True),
    Verb("payments.reject", Area.MONEY, payments.Decision, payments.reject, writes=True),
    Verb("payments.refund", Area.MONEY, payments.RefundOf, payments.refund, writes=True),
    Verb("payments.reconcile", Area.MONEY, payments.Span, payments.reconcile, writes=True),
    Verb("payments.compared", Area.MONEY, payments.PaymentNumber, payments.compared),
    Verb("calls.list", Area.CALLS, paging.PageOf, calls.list_all),
    Verb("calls.show", Area.CALLS, calls.CallNamed, calls.show),
    Verb("calls.hangup", Area.CALLS, calls.Hangup, calls.hangup, acts=True),
    Verb("calls.dial", Area.CALLS, calls.Dial, calls.dial, acts=True),
    Verb("calls.callback", Area.CALLS, calls.CallBack, calls.call_back, acts=True),
    Verb("messages.send", Area.CALLS, calls.Text, calls.send_text, acts=True),
    Verb("calls.trace", Area.CALLS, tracing.TraceOf, tracing.trace),
    Verb("cdrs.list", Area.RECORDS, calls.CdrsOf, calls.cdrs),
    Verb("cdrs.show", Area.RECORDS, quoting.CallNamed, quoting.explain),
    Verb("refusals.list", Area.RECORDS, refused.RefusalsOf, refused.list_all),
    Verb("analyze.traffic", Area.RECORDS, analyze.TrafficOf, analyze.traffic),
    Verb("tunnel.show", Area.PEOPLE, Nothing, tunnel.show),
    Verb("tunnel.add", Area.PEOPLE, tunnel.AddPeer, tunnel.add, writes=True),
    Verb("tunnel.remove", Area.PEOPLE, tunnel.PeerNamed, tunnel.remove, writes=True),
    Verb("people.list", Area.PEOPLE, Nothing, people.list_all),
    Verb("people.add", Area.PEOPLE, people.AddPerson, people.add, writes=True),
    Verb("people.set", Area.PEOPLE, people.SetPerson, people.change, writes=True),
    Verb("people.remove", Area.PEOPLE, people.PersonNamed, people.remove, writes=True),
    Verb("people.sessions", Area.PEOPLE, Nothing, people.sessions),
    Verb("people.revoke", Area.PEOPLE, people.SessionRef, people.revoke, writes=True),
    Verb("own.show", Area.OWN, Nothing, own.show),
    Verb("own.set", Area.OWN, own.SetOwn, own.change, writes=True),
    Verb("own.password", Area.OWN, own.OwnPassword, own.password, writes=True),
    Verb("own.totp", Area.OWN, own.OwnTotp, own.totp, writes=True),
    Verb("own.codes", Area.OWN, Nothing, own.recovery_codes, writes=True),
    Verb("own.passkey", Area.OWN, own.OwnPasskey, own.passkey, writes=True),
    Verb("own.forget", Area.OWN, own.PasskeyRef, own.forget, writes=True),
    Verb("own.revoke", Area.OWN, people.SessionRef, own.revoke, writes=True),
    Verb("own.token", Area.OWN, own.OwnToken, own.token, writes=True),
    Verb("own.untoken", Area.OWN, people.TokenRef, own.untoken, writes=True),
    Verb("tokens.list", Area.PEOPLE, Nothing, people.tokens),
    Verb("tokens.add", Area.PEOPLE, people.AddToken, people.add_token, writes=True),
    Verb("tokens.remove", Area.PEOPLE, people.TokenRef, people.remove_token, writes=True),
    Verb("trail.list", Area.TRAIL, people.TrailOf, people.trail),
    Verb("trail.verify", Area.TRAIL, people.NotedHead, people.verify_trail),
    Verb("backups.list", Area.BACKUPS, Nothing, backups.list_all),
    Verb("backups.make", Area.BACKUPS, backups.Work, backups.make, acts=True),
    Verb("backups.report", Area.BACKUPS, backups.Report, backups.report, writes=True),
    Verb("registrations.list", Area.STATE, calls.RegistrationsOf, calls.registrations),
)
VERBS: Mapping[str, Verb] = {verb.name: verb for verb in ROWS}


@dataclass(frozen=True, slots=True)
class Licence:
    """What somebody who came over the network may do. `proven`: his password was typed a short while ago; `person`: the
    administrator whose `own` verbs are meant."""

    powers: Powers
    proven: bool
    person: str = ""

    def check(self, verb: Verb, args: Any, held: Iterable[Area] = ()) -> None:
        """Raises WireError: "forbidden" for what no role of theirs reaches, "unproven" for what wants a password."""
        written = {verb.area, *verb.also(args), *held} if verb.changes else set()
        for area in (verb.area, *written):
            if not self.powers.allow(area, writes=verb.changes):
                raise _forbidden(area, writes=verb.changes)
        if not self.proven and written & PROVEN:
            raise WireError("unproven", "this wants your password again", "type it, then repeat what you did")


def _forbidden(area: Area, *, writes: bool) -> WireError:
    how = "change" if writes else "see"
    return WireError("forbidden", f"your role may not {how} {area}", "an owner can give you another role")


class Control:
    """The verbs over one store and, if it runs, one service."""

    def __init__(
        self,
        store: Store,
        live: Live | None = None,
        file: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        memory: watching.Memory | None = None,
        certificates: Certificates | None = None,
        renewer: Renewer | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """`file` holds the settings file's typed values, `clock` gives Unix seconds; `certificates` are what a running
        office serves with, `renewer` orders them, `keeper` answers by hand."""
        self._store, self._live, self._file, self._clock = store, live, file or {}, clock
        self._memory, self._certificates, self._renewer = memory, certificates, renewer
        self._keeper = keeper

    def session(self, who: str, licence: Licence | None = None) -> "Session":
        """A conversation with one operator; `who` goes into the audit trail. Without a licence he may do everything:
        he has the machine.
        """
        person, powers = (licence.person, licence.powers) if licence is not None else ("", None)
        desk = Desk(
            self._store, self._clock, self._live, self._file, who, person, powers, self._certificates,
            memory=self._memory, renewer=self._renewer, keeper=self._keeper,
        )  # fmt: skip
        return Session(desk, licence)

    def ask_aside(self, who: str, licence: Licence, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What a verb that changes nothing says, over a connection of its own: for another thread. Raises WireError."""
        verb = VERBS.get(name)
        if verb is None or verb.changes:
            raise WireError("unknown_verb", f"{name!r:.60} cannot be asked aside")
        with self._store.reader() as reader:
            desk = Desk(cast(Store, reader), self._clock, self._live, self._file, who, memory=self._memory)
            desk.is_aside = True
            return Session(desk, licence).do(name, args)

    def mine_aside(self, account: str, who: str, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """As `ask_aside`, of the verbs of an account's owner."""
        verb = MINE.get(name)
        if verb is None or verb.writes:
            raise WireError("unknown_verb", f"{name!r:.60} cannot be asked aside")
        with self._store.reader() as reader:
            desk = Desk(cast(Store, reader), self._clock, self._live, self._file, who, is_aside=True)
            return Mine(desk, account, proven=False).do(name, args)

    def screen(self, given: Any) -> None:
        """Raises WireError for what came in by the web and validateinput refuses."""
        Desk(self._store, self._clock, self._live, self._file).screen(given)

    def mine(self, account: str, who: str, *, proven: bool, session: str = "") -> Mine:
        """A conversation with the owner of an account: his verbs, about that account alone (see pysrv.control.mine)."""
        return Mine(Desk(self._store, self._clock, self._live, self._file, who), account, proven, session)


class Session:
    """One operator's conversation: an import begun in it belongs to it."""

    def __init__(self, desk: Desk, licence: Licence | None = None) -> None:
        self._desk, self._licence = desk, licence

    def do(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        noted: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """What a verb says. Raises WireError; a fault of our own is logged and raised as `internal`. `noted` is told
        what it says before that is committed, and may write too: both are on disk, or neither."""
        try:
            return self._act({"verb": name, "args": args or {}}, noted)
        except WireError:
            raise
        except Exception as error:
            raise fault(error) from None

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
            return wire.refusal(ident, fault(error))

    def _act(
        self, message: Mapping[str, Any], noted: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        verb = VERBS.get(str(message.get("verb")))
        if verb is None:
            raise WireError("unknown_verb", f"there is no verb {message.get('verb')!r:.60}")
        args = wire.from_dict(verb.args, message.get("args") or {})
        if self._licence is not None:
            self._licence.check(verb, args, verb.held(self._desk))
        try:
            if not verb.told or self._licence is not None:
                self._desk.screen(message.get("args"))
            return self._desk.carry_out(lambda: verb.act(self._desk, args), noted, writes=verb.writes)
        except BaseException:
            if verb.name.startswith(("rates.", "lists.", "sheets.", "config.")):
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
