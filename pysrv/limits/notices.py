"""What people are told of: one table of kinds, who hears of each and how loudly, and the words.

Pure: figures go in, texts come out. It knows neither mail nor database, nor who is reached how
(notice_routes). Whatever figures come, or however few, there is a text: who tells of a thing must not fail over it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pysrv.billing import money

Figures = Mapping[str, str | int]
MOST_TEXT = 200  # characters of one figure: a name from the network must not become the message
MOST_NAME = 40
SECRETS: Final = re.compile(r"(^|_)(password|secret|pin|ha1|key|token|nonce)($|_)", re.IGNORECASE)
UNKNOWN: Final = "?"
END_OF_TIME = 253_402_300_800  # of a calendar: the year 10000


class Severity(StrEnum):
    """How loudly a thing is told; sendadminemailnotifications chooses by it."""

    CRITICAL = "critical"
    BLOCKED_USER = "blocked_user"
    WARNING = "warning"


class Audience(StrEnum):
    """Whom a thing concerns."""

    ADMINISTRATORS = "administrators"
    OWNER = "owner"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row. Templates name figures and `account`; `remedy` is for administrators alone; figures in `money` are
    micro-units, those in `times` Unix seconds; `always`: whatever sendadminemailnotifications says."""

    severity: Severity
    audience: Audience
    subject: str
    text: str
    remedy: str = ""
    money: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()
    always: bool = False


_EXPOSURE = frozenset({"running_per_minute", "headroom", "usual_per_minute"})
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "spend_warning": Kind(
            Severity.WARNING,
            Audience.BOTH,
            "{account}: {percent} % of {setting} used",
            "The account {account} has used {percent} % of its limit {setting}, which is {limit}. At 100 % its calls "
            "are refused.",
            "'appliance accounts show {account}' and 'appliance settings get {setting}' show where the limit stands.",
        ),
        "spend_blocked": Kind(
            Severity.BLOCKED_USER,
            Audience.BOTH,
            "{account} is blocked for today by {setting}",
            "The account {account} has reached its limit {setting} after {spent} today. Its calls are refused until "
            "the day ends.",
            "'appliance accounts show {account}' shows its days.",
            frozenset({"spent"}),
        ),
        "exposure": Kind(
            Severity.CRITICAL,
            Audience.BOTH,
            "{account} spends unusually fast ({setting})",
            "The calls of {account} cost {running_per_minute} a minute; usual are at most {usual_per_minute}. What is "
            "left ({headroom}) lasts {lasts_s} s. Done: {reaction}.",
            "'appliance calls' shows where they go, 'appliance calls hangup --account {account}' ends them.",
            _EXPOSURE,
        ),
        "call_pattern": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "{account}: calls in the pattern of a fraud ({setting})",
            "The calls of {account} show the pattern {pattern}: {count} to {range} within {period_s} s, where "
            "{setting} allows {allowed}. Done: {reaction}.",
            "'appliance cdrs --account {account}' shows them.",
        ),
        "blacklisted": Kind(
            Severity.WARNING,
            Audience.OWNER,
            "{account}: calls to {number} are closed for a while",
            "Calls of {account} to numbers that begin with {number} are refused until {until}: {reason}.",
            times=frozenset({"until"}),
        ),
        "account_locked": Kind(
            Severity.BLOCKED_USER,
            Audience.OWNER,
            "{account}: outgoing calls are locked",
            "The account {account} was locked (locklevel {locklevel}), because it looked as if its password had been "
            "stolen: {reason}. It stays so until the operator opens it again.",
        ),
        "credit_low": Kind(
            Severity.WARNING,
            Audience.BOTH,
            "{account}: little credit is left",
            "The account {account} has {left} left, less than {setting} ({limit}). Without credit its calls are "
            "refused.",
            "'appliance accounts ledger {account}' shows where it went, 'appliance accounts set {account} --credit "
            "10.00' sets it.",
            frozenset({"left", "limit"}),
        ),
        "trunk_failing": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "trunk {trunk} does not take calls",
            "{count} calls in a row failed at the trunk {trunk}, the last one with {status} ({setting}). Other routes "
            "are tried where there are some.",
            "'appliance trunks quality {trunk}' shows what it did, 'appliance trunks set {trunk} --disable' leaves it "
            "out.",
        ),
        "password_weak": Kind(
            Severity.WARNING,
            Audience.BOTH,
            "{account}: the password is weak",
            "The password of {account} is weak: it {why}. Unless it is changed it will be replaced at "
            "{replaced_at} ({setting}).",
            "'appliance accounts set {account} --password generated' sets another one.",
            times=frozenset({"replaced_at"}),
        ),
        "password_replaced": Kind(
            Severity.BLOCKED_USER,
            Audience.BOTH,
            "{account}: the weak password was replaced",
            "The password of {account} was weak (it {why}) and was replaced ({setting}). The new one is told to "
            "nobody: the account's telephones can register with the old one until {former_until}.",
            "'{remedy}' sets one that can be handed on.",
            times=frozenset({"former_until"}),
        ),
        "not_billed": Kind(
            Severity.WARNING,
            Audience.ADMINISTRATORS,
            "{account}: a call has no price",
            "A call that {account} should pay for has no price: {why} (call {call_id}). Further calls like it are not "
            "told.",
            "blocknotbilledcalls refuses such calls.",
        ),
        "pin_guessing": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "PINs of calling cards are being guessed from {caller}",
            "{caller} at {source} keyed in {wrong} wrong PINs within the hour ({setting}). Its PINs are not looked at "
            "for a while.",
            "'appliance ban {source} --for 6h' keeps it out.",
        ),
        "payment_waiting": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "{account}: payment {payment} waits for a decision",
            "{amount} {currency} were paid for {account} through {gateway}, and are not credited yet: {reasons}.",
            "'appliance payments show {payment}' shows it, 'appliance payments approve {payment}' credits it, "
            "'appliance payments reject {payment}' gives it back.",
            frozenset({"amount"}),
        ),
        "payment_disputed": Kind(
            Severity.CRITICAL,
            Audience.BOTH,
            "{account}: payment {payment} is disputed or was taken back",
            "Of the payment {payment} of {account} through {gateway}, {amount} {currency} are disputed or were taken "
            "back. {back} of its credit are gone; done besides: {reaction}.",
            "'appliance payments show {payment}' shows it; answer the dispute at {gateway}. What is won comes back by "
            "itself, a lock does not: 'appliance accounts set {account} --locklevel 0'.",
            frozenset({"amount", "back"}),
        ),
        "payment_problem": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "{account}: payment {payment} needs a person",
            "About the payment {payment} of {account} through {gateway} ({amount} {currency}): {what}.",
            "'appliance payments show {payment}' shows it.",
            frozenset({"amount"}),
        ),
        "certificate_failing": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "the certificate for {names} could not be renewed",
            "The authority was asked {count} times for a new certificate for {names}, and gave none: {problem}. To do: "
            "{hint}. The one in use is good until {ends_at}.",
            "'appliance certificate show' shows it; it is tried again by itself.",
            times=frozenset({"ends_at"}),
        ),
        "audit_worse": Kind(
            Severity.WARNING,
            Audience.ADMINISTRATORS,
            "{count} checks of the machine that passed fail now",
            "The audit of the machine found what was in order the time before: {checks}. The score is {score} of 100.",
            "'appliance audit --explain NAME' says why it matters and what to do, 'appliance audit' audits anew.",
        ),
        "backup_failed": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "no backup was made",
            "The backup in {place} was not made, or is damaged: {why}.",
            "'appliance backup show' shows the place, 'appliance backup now' tries again, 'appliance backup check' "
            "looks whether it is whole.",
        ),
        "tunnel_peer_added": Kind(
            Severity.WARNING,
            Audience.ADMINISTRATORS,
            "{peer} may come through the tunnel",
            "{who} let {peer} into the tunnel for administrators.",
            "If nobody meant this: 'appliance tunnel remove {peer}' shuts him out, and 'appliance tunnel on "
            "--not-by-panel' leaves it to root alone.",
            always=True,
        ),
        "tunnel_peer_removed": Kind(
            Severity.WARNING,
            Audience.ADMINISTRATORS,
            "{peer} may not come through the tunnel any more",
            "{peer} was taken out of the tunnel for administrators.",
            "'appliance tunnel' shows who may come.",
        ),
        "test": Kind(
            Severity.CRITICAL,
            Audience.ADMINISTRATORS,
            "a test of notices",
            "This is the test that {who} asked for. Notices reach you.",
            always=True,
        ),
    }
)
ALIASES: Final[Mapping[str, str]] = MappingProxyType({"unpriced_call": "not_billed", "card_guessed": "pin_guessing"})
_GENERIC = Kind(
    Severity.WARNING, Audience.ADMINISTRATORS, "{account}: {kind}", "Something of the kind {kind} happened."
)


@dataclass(frozen=True, slots=True)
class Words:
    """A notice as people read it: lines without control characters; no remedy for owners."""

    subject: str
    text: str


def kind_of(name: str) -> Kind:
    """The row of a kind; a generic one for what nobody has declared."""
    return KINDS.get(ALIASES.get(name, name), _GENERIC)


def severity_of(name: str, figures: Figures) -> Severity:
    """How loud it is. Who tells may say so in the figure `severity`; a word that is none here leaves the row's."""
    said = str(figures.get("severity", ""))
    return Severity(said) if said in tuple(Severity) else kind_of(name).severity


def without_secrets(figures: Figures) -> dict[str, str | int]:
    """The figures that may be stored and sent: what is named like a secret is left out."""
    kept = {name: figure for name, figure in figures.items() if not SECRETS.search(name)}
    return {
        one_line(name, MOST_NAME): figure if isinstance(figure, int) else one_line(str(figure))
        for name, figure in kept.items()
    }


def one_line(text: str, most: int = MOST_TEXT) -> str:
    """Text from anywhere as one bounded line that can be printed."""
    return "".join(each if each.isprintable() else " " for each in text[:most]).strip()


def words(name: str, account: str, figures: Figures, *, owner: bool = False) -> Words:
    """The texts of one notice."""
    kind = kind_of(name)
    shown = _Shown(_written(kind, without_secrets(figures)) | {"kind": one_line(name)})
    shown["account"] = one_line(account) or "somebody without an account"
    parts = [kind.text.format_map(shown)]
    if kind is _GENERIC:
        parts += [f"{figure}: {shown[figure]}" for figure in sorted(without_secrets(figures))]
    if kind.remedy and not owner:
        parts.append(kind.remedy.format_map(shown))
    return Words(one_line(kind.subject.format_map(shown)), "\n".join(parts))


class _Shown(dict[str, str]):
    """Figures by name; one that nobody gave is a question mark."""

    def __missing__(self, name: str) -> str:
        return UNKNOWN


def _written(kind: Kind, figures: Figures) -> dict[str, str]:
    amounts = kind.money | ({"limit"} if figures.get("unit") == "money" else set())
    shown = {}
    for name, figure in figures.items():
        shown[name] = str(figure) or UNKNOWN
        if name in amounts and isinstance(figure, int):
            shown[name] = money.format(figure)
        elif name in kind.times and isinstance(figure, int) and 0 <= figure < END_OF_TIME:
            shown[name] = f"{datetime.fromtimestamp(figure, UTC):%Y-%m-%d %H:%M} UTC"
    if figures.get("unit") == "seconds" and "limit" in shown:
        shown["limit"] += " s"
    return shown
