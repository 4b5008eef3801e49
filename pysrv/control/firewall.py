"""Verbs about static rules, countries, report-only, protected addresses, and the change that waits for its word."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

from appliance import networks
from appliance.config.limiting import ALWAYS_ACT
from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.billing.calendar import day_of
from pysrv.control import kept_out
from pysrv.control.answer import Done, Moment, Seconds
from pysrv.control.desk import Desk
from pysrv.control.security import canonical
from pysrv.people.permissions import Area
from pysrv.service import changes
from pysrv.service.firewall import NOTED_FOR_S, refuse_protected
from pysrv.store.firewall import PendingChange, Rule, match_text

PROTOCOLS, ACTIONS = ("any", "udp", "tcp"), ("allow", "deny")
_VERDICT = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule about a network or a country (two letters); `port` 0: every port."""

    action: str
    prefix: str = ""
    country: str = ""
    protocol: str = "any"
    port: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class AddRules:
    """Rules that count together. With `confirm_s` they are taken back after so many seconds without a word."""

    rules: tuple[NewRule, ...]
    confirm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RemoveRules:
    """Rules by their numbers."""

    ids: tuple[int, ...]
    confirm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportOnly:
    """Verdicts that shall only count, or act again."""

    verdicts: tuple[str, ...]
    on: bool
    confirm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Here:
    """Addresses from which the appliance is managed now, each with the reason."""

    addresses: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RuleRow(Rule):
    """A rule of the firewall; `match`: what it is about, in words."""

    match: str = ""


@dataclass(frozen=True, slots=True)
class RuleListed(RuleRow):
    """A rule of the firewall; `idle`: the networks of its country are not known, so it does nothing."""

    idle: bool = False


class PendingRow(TypedDict):
    """A change that waits for its word, and is taken back after `left_s` without one. `areas`: who may change these may
    give it."""

    what: str
    made_at: Moment
    left_s: Seconds
    who: str
    areas: list[Area]


class RulesAnswer(TypedDict):
    """Rules of the firewall. `pending` null: no change waits."""

    rules: list[RuleListed]
    pending: PendingRow | None


class Standing(TypedDict):
    """What becomes of a change: `live`: a running service acts by it; `pending`: it waits for its word."""

    pending: PendingRow | None
    live: bool


class RulesAdded(kept_out.KeptOut, Standing):
    """The rules as they are stored, and which trunks and registered devices they shut out."""

    rules: list[RuleRow]


class RulesRemoved(Standing):
    """The rules that are there no more."""

    removed: list[RuleRow]


class ReportOnlyAnswer(Standing):
    """The verdicts that only count now."""

    report_only: list[str]


class ReportingAnswer(TypedDict):
    """The verdicts that only count, and how often each of them would have acted today."""

    report_only: list[str]
    pending: PendingRow | None
    reported_today: dict[str, int]


class ProtectedRow(TypedDict):
    """A network that nothing may cut off."""

    prefix: str
    why: str


class ProtectedAnswer(TypedDict):
    """Networks that nothing may cut off."""

    protected: list[ProtectedRow]


class PendingAnswer(TypedDict):
    """The change that waits for its word; null: none does."""

    pending: PendingRow | None


class ConfirmedAnswer(TypedDict):
    """The change that stays."""

    confirmed: str


class UndoneAnswer(TypedDict):
    """The change that was taken back, and the settings among it."""

    undone: str
    settings: list[str]


def rules(desk: Desk, _: Any) -> RulesAnswer:
    """firewall.list"""
    known = {row.name for row in desk.store.lists("country")}
    shown = [
        RuleListed(**asdict(_shown(rule)), idle=bool(rule.country) and rule.country not in known)
        for rule in desk.store.firewall_rules()
    ]
    return {"rules": shown, "pending": pending(desk)}


def add(desk: Desk, args: AddRules) -> RulesAdded:
    """firewall.add: the rules, and which trunks and registered devices they shut out."""
    made = [_checked(desk, rule) for rule in args.rules]
    what = "firewall: " + ", ".join(f"{rule.action} {match_text(rule)}" for rule in made)
    with_undo(desk, args.confirm_s, what)
    stored = [desk.store.add_firewall_rule(rule) for rule in made]
    desk.after_commit(lambda live: live.policy_changed())
    told = kept_out.told(kept_out.denied(desk, stored))
    return {"rules": [_shown(rule) for rule in stored], **told, **_standing(desk)}


def _shown(rule: Rule) -> RuleRow:
    return RuleRow(**asdict(rule), match=match_text(rule))


def _standing(desk: Desk) -> Standing:
    """What becomes of a change: whether a service acts on it, and whether it waits for confirmation."""
    return {"pending": pending(desk), "live": desk.live is not None}


def _checked(desk: Desk, rule: NewRule) -> Rule:
    made = shaped(rule, desk.who)
    if made.country and desk.store.list_named(made.country) is None:
        words = f"the networks of {made.country} are not known"
        raise WireError("no_networks", words, "'appliance firewall countries'")
    return spared(desk, made)


def shaped(rule: NewRule, who: str) -> Rule:
    """The rule as it is stored. Raises WireError for what is none."""
    if rule.action not in ACTIONS or rule.protocol not in PROTOCOLS or not 0 <= rule.port <= 65535:
        raise WireError("invalid", f"{rule.action} {rule.protocol} {rule.port} is no rule", "allow or deny, udp or tcp")
    if bool(rule.prefix) == bool(rule.country):
        raise WireError("invalid", "a rule is about a network or about a country")
    if rule.protocol != "any" and not rule.port:
        raise WireError("invalid", f"a rule for {rule.protocol} alone names a port")
    made = Rule(0, rule.action, "", rule.country, rule.protocol, rule.port, rule.note[:200], 0.0, who)
    if not rule.country:
        return replace(made, prefix=canonical(rule.prefix))
    if not re.fullmatch(r"[A-Z]{2}", rule.country) or rule.port:
        raise WireError("invalid", f"{rule.country[:20]!r}: a country is two letters, and its rule has no port")
    return made


def spared(desk: Desk, rule: Rule) -> Rule:
    """The rule. Raises WireError where it denies a protected address by name; a wide deny leaves those alone."""
    if rule.action == "deny" and rule.prefix:
        row = networks.parsed(rule.prefix)
        guarded = {each: why for each, why in desk.protected().items() if networks.parsed(each)[16] <= row[16]}
        refuse_protected(rule.prefix, guarded, "denying")
    return rule


def remove(desk: Desk, args: RemoveRules) -> RulesRemoved:
    """firewall.remove"""
    with_undo(desk, args.confirm_s, "firewall: remove " + ", ".join(map(str, args.ids)))
    gone = [desk.store.remove_firewall_rule(rule_id, desk.who) for rule_id in args.ids]
    if not args.confirm_s:  # a change that may be taken back still needs them
        _forget_countries(desk)
    desk.after_commit(lambda live: live.policy_changed())
    return {"removed": [_shown(rule) for rule in gone], **_standing(desk)}


def _forget_countries(desk: Desk) -> None:
    """Networks of countries that neither a rule nor blocksourcecountries is about."""
    wanted = {rule.country for rule in desk.store.firewall_rules()} | set(desk.settings.blocksourcecountries)
    for row in desk.store.lists("country"):
        if row.name not in wanted:
            desk.store.remove_list(row.name, desk.who)


def report_only(desk: Desk, args: ReportOnly) -> ReportOnlyAnswer:
    """rules.report_only"""
    for verdict in args.verdicts:
        if verdict in ALWAYS_ACT:
            raise WireError("invalid", f"{verdict} always acts: {ALWAYS_ACT[verdict]}")
        if not _VERDICT(verdict):
            raise WireError("invalid", f"{verdict[:60]!r} is no verdict", "'appliance rules' lists them")
    with_undo(desk, args.confirm_s, f"report-only {'on' if args.on else 'off'}: {', '.join(args.verdicts)}")
    for verdict in args.verdicts:
        desk.store.set_report_only(verdict, args.on, desk.who)
    desk.after_commit(lambda live: live.policy_changed())
    return {"report_only": desk.store.report_only(), **_standing(desk)}


def reported(desk: Desk, _: Any) -> ReportingAnswer:
    """rules.list"""
    zone = ZoneInfo(desk.settings.timezone or "UTC")
    today = desk.store.reported_on(day_of(desk.clock(), zone))
    return {"report_only": desk.store.report_only(), "pending": pending(desk), "reported_today": today}


def guarded(desk: Desk, _: Any) -> ProtectedAnswer:
    """protected.list"""
    return {"protected": [{"prefix": prefix, "why": why} for prefix, why in sorted(desk.protected().items())]}


def here(desk: Desk, args: Here) -> Done:
    """protected.here: the command says from where it is used."""
    before, fresh = desk.protected(), desk.clock() - NOTED_FOR_S
    seen = {row.address for row in desk.store.management() if row.seen_at > fresh}
    for address, why in args.addresses[:64]:
        prefix = canonical(address)
        if prefix in seen:
            continue
        desk.store.managed_from(prefix, why[:100])
        if prefix not in before:
            desk.after_commit(lambda live: live.policy_changed())
    return {}


def with_undo(desk: Desk, confirm_s: float, what: str, settings: tuple[str, ...] = ()) -> None:
    """Every change of policy goes through here before it is made: with `confirm_s` it waits for its word."""
    changes.demand_none(desk.store)
    if confirm_s:
        if desk.live is None:
            raise WireError("not_running", "only a running appliance can take a change back", "leave --confirm out")
        undo = changes.snapshot(desk.store, settings)
        changes.hold(desk.store, desk.clock(), confirm_s, what, undo, desk.who)
        desk.after_commit(lambda live: live.policy_changed())


def pending(desk: Desk) -> PendingRow | None:
    """The change that waits."""
    waiting = desk.store.pending_change()
    if waiting is None:
        return None
    left_s = max(0.0, waiting.deadline_at - desk.clock())
    areas = list(waiting_areas(waiting))
    return {"what": waiting.what, "made_at": waiting.made_at, "left_s": left_s, "who": waiting.who, "areas": areas}


def waiting_areas(change: PendingChange) -> tuple[Area, ...]:
    """What a change is about: whoever may make it may give it its word."""
    return (Area.SETTINGS,) if changes.settings_of(change) else (Area.SECURITY,)


def held_areas(desk: Desk) -> tuple[Area, ...]:
    """What the change that waits is about; nothing waits: nothing."""
    waiting = desk.store.pending_change()
    return waiting_areas(waiting) if waiting is not None else ()


def show_change(desk: Desk, _: Any) -> PendingAnswer:
    """changes.show"""
    return {"pending": pending(desk)}


def confirm_change(desk: Desk, _: Any) -> ConfirmedAnswer:
    """changes.confirm"""
    change = desk.store.drop_pending_change("confirmed", desk.who)
    if change is None:
        raise WireError("not_found", "no change waits for confirmation", "it may have been taken back already")
    _forget_countries(desk)
    desk.after_commit(lambda live: live.policy_changed())
    return {"confirmed": change.what}


def undo_change(desk: Desk, _: Any) -> UndoneAnswer:
    """changes.undo"""
    waiting = desk.store.pending_change()
    if waiting is None:
        raise WireError("not_found", "no change waits for confirmation")
    texts = changes.take_back(desk.store, "undone", desk.who)
    if texts:
        settings = desk.settings.with_changes(dict(texts), desk.store.generation())
        desk.after_commit(lambda live: live.apply_settings(settings))
    desk.after_commit(lambda live: live.policy_changed())
    return {"undone": waiting.what, "settings": [name for name in ROWS if name in texts]}
