"""The security checklist: what can be judged from inside, as one table, with a score.

Pure. A check sees facts and says pass, warn or fail, with the figures that it judged by; settings are judged by their
own strict values. Weights are how much a gap is worth to an attacker: 3 opens the purse, 1 is good housekeeping.
"""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from appliance.config.profiles import Profile, diff
from appliance.config.schema import ROWS
from appliance.config.settings import Settings

SHOWN = 5  # names
WIDE = 256  # addresses of a trunk's network beyond which it is open
OLD_BACKUP_S = 7 * 86_400.0


class Grade(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - a grade
    WARN = "warn"
    FAIL = "fail"


CREDIT: Final = {Grade.PASS: 1.0, Grade.WARN: 0.5, Grade.FAIL: 0.0}


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to judge. Names are the first few of those concerned; times are Unix seconds."""

    now: float
    settings: Settings
    weak: tuple[str, ...] = ()
    lax: tuple[str, ...] = ()
    deckless: tuple[str, ...] = ()
    without_factor: tuple[str, ...] = ()
    trunks: tuple[tuple[str, tuple[str, ...], str], ...] = ()  # name, addresses that calls come from, deck
    decks: int = 0
    self_made_certificate: bool = True
    failed_renewals: int = 0  # of an ordered certificate, in a row
    told_ways: int = 0
    backup_at: float | None = None
    nobody_trusted: bool = False  # until now, or the last one was taken off by hand


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged check. `fix` holds settings that one click would set; `link` is where it is mended otherwise."""

    name: str
    title: str
    why: str
    grade: Grade
    value: str
    weight: int
    link: str
    fix: dict[str, str] = field(default_factory=dict)


Judge = Callable[[Facts], tuple[Grade, str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One row."""

    name: str
    title: str
    why: str
    weight: int
    link: str
    judge: Judge


def _named(grade: Grade, names: Iterable[str]) -> tuple[Grade, str]:
    """That grade if anybody is concerned; at most SHOWN names are said."""
    found = list(names)
    if not found:
        return Grade.PASS, "none"
    more = ", ..." if len(found) > SHOWN else ""
    return grade, ", ".join(found[:SHOWN]) + more


def _open_trunks(facts: Facts) -> tuple[Grade, str]:
    return _named(Grade.FAIL, (name for name, networks, _ in facts.trunks if any(map(_wide, networks))))


def _wide(network: str) -> bool:
    try:
        return ipaddress.ip_network(network, strict=False).num_addresses > WIDE and ":" not in network
    except ValueError:
        return False  # a name is as many addresses as DNS says


def _decks(facts: Facts) -> tuple[Grade, str]:
    if not facts.decks:
        return Grade.FAIL if facts.trunks else Grade.WARN, "there is no rate deck"
    unpriced = [name for name, _, deck in facts.trunks if not deck]
    return _named(Grade.WARN, unpriced) if unpriced else _named(Grade.WARN, facts.deckless)


def _notices(facts: Facts) -> tuple[Grade, str]:
    return (Grade.PASS, f"{facts.told_ways} ways") if facts.told_ways else (Grade.FAIL, "nobody is told of anything")


def _certificate(facts: Facts) -> tuple[Grade, str]:
    if facts.failed_renewals:
        return Grade.FAIL, "its renewal fails"
    return (Grade.WARN, "made by the appliance itself") if facts.self_made_certificate else (Grade.PASS, "given")


def _backup(facts: Facts) -> tuple[Grade, str]:
    if facts.backup_at is None:
        return Grade.FAIL, "none was made"
    days = max(0.0, facts.now - facts.backup_at) / 86_400
    return (Grade.WARN if days * 86_400 > OLD_BACKUP_S else Grade.PASS), f"{days:.0f} days ago"


def _remote(facts: Facts) -> tuple[Grade, str]:
    reach = facts.settings.remoteadmin
    words = ROWS["remoteadmin"].kind.labels[reach]  # type: ignore[attr-defined]  # it is a choice
    if reach == 1 and facts.nobody_trusted:
        return Grade.WARN, f"{words}; private networks too, until somebody was trusted"
    return (Grade.FAIL if reach == 2 else Grade.PASS), words


def _api_key(facts: Facts) -> tuple[Grade, str]:
    settings = facts.settings
    if settings.httpapikey:
        return Grade.PASS, "set"
    by_address = settings.apideftrustadmin in (1, 2)
    return Grade.WARN, "not set; an address of the allow list moves money" if by_address else "not set"


def _domain(facts: Facts) -> tuple[Grade, str]:
    domain = facts.settings.localdomain
    return (Grade.PASS, domain) if domain else (Grade.WARN, "not set")


def _strict(facts: Facts) -> tuple[Grade, str]:
    lax = [change.name for change in diff(facts.settings, Profile.STRICT) if change.in_force]
    rest = [name for name in lax if name not in SETTINGS and name != "remoteadmin"]  # those have a check of their own
    return _named(Grade.WARN, rest)


# Settings whose laxness alone can cost money, each with its weight and what happens without it.
SETTINGS: Final = {
    "allownoauthcalls": (3, "Calls without a proven account are the purse of whoever finds the port."),
    "enforcestrongauth": (3, "Addresses and names can be forged; passwords are what thieves do not have."),
    "blocknotbilledcalls": (3, "A number without a price is free for everybody, however dear its trunk is."),
    "checkmaxdyndailycredit": (3, "A stolen password is noticed by what it spends, long before a bill is."),
    "validatepassword": (2, "Guessers begin with the passwords that people choose."),
    "minpwdlength": (2, "Short passwords are guessed in hours."),
    "blockpremiumnumbers": (2, "Premium numbers pay the thief."),
    "blocksatellitecalls": (2, "Satellite numbers cost most, and almost nobody calls them."),
    "callpatternaction": (2, "Patterns of fraud that are only noted stop nobody."),
    "creditcheckforpostp": (2, "Who pays later can owe without end."),
    "fwdtootherdomains": (1, "Calls to other domains are carried for strangers."),
    "securepasswords": (1, "A copy of the database would hold every password as it is typed."),
    "allowtrustedip": (1, "What is trusted is not counted, so a trusted address that was taken over is not seen."),
}

CHECKS: Final = (
    Check(
        "weak_passwords", "Weak passwords", "An account with one is found by every scanner.", 3,
        "/panel/passwords?weak=1", lambda facts: _named(Grade.FAIL, facts.weak),
    ),
    Check(
        "lax_accounts", "Accounts that show no secret",
        "They are known by a name, a prefix or nothing: anybody can say that.", 3, "/panel/accounts",
        lambda facts: _named(Grade.FAIL, facts.lax),
    ),
    Check(
        "second_factor", "Administrators with a password only",
        "One password that leaks opens everything.", 3, "/panel/people",
        lambda facts: _named(Grade.FAIL, facts.without_factor),
    ),
    Check(
        "remoteadmin", "Where the panel can be reached from", "What everybody can reach, everybody tries.", 2,
        "/panel/settings/remoteadmin", _remote,
    ),
    Check(
        "httpapikey", "Key of the older API",
        "Without one, a program's address or a password alone adds and charges credit.", 3,
        "/panel/settings/httpapikey", _api_key,
    ),
    Check(
        "open_trunks", "Trunks that take calls from wide networks",
        "Whoever has an address there calls as the carrier.", 3, "/panel/trunks", _open_trunks,
    ),
    Check("decks", "Prices", "What has no price has no limit.", 2, "/panel/rates", _decks),
    Check(
        "notices", "Notices to administrators", "A fraud at night is stopped by the one who hears of it.", 2,
        "/panel/setup?step=mail", _notices,
    ),
    Check(
        "certificate", "Certificate", "People learn to click warnings away, and then do so when it matters.", 1,
        "/panel/setup?step=certificate", _certificate,
    ),
    Check("backup", "Backups", "A disk fails on a day of its own choice.", 2, "/panel/backups", _backup),
    Check(
        "localdomain", "Domain", "Passwords are kept for the domain, and phones are sent to it.", 1,
        "/panel/settings/localdomain", _domain,
    ),
    Check(
        "strict", "Other settings that are laxer than the strict profile",
        "Each has its reason in the table of settings.", 1, "/panel/settings-profile?profile=strict", _strict,
    ),
)  # fmt: skip


def findings(facts: Facts) -> list[Finding]:
    """Every check, the worst first."""
    found = []
    for check in CHECKS:
        grade, value = check.judge(facts)
        found.append(Finding(check.name, check.title, check.why, grade, value, check.weight, check.link))
    found += [_of_setting(name, weight, why, facts) for name, (weight, why) in SETTINGS.items()]
    order = list(CREDIT)
    return sorted(found, key=lambda each: (-order.index(each.grade), -each.weight))


def _of_setting(name: str, weight: int, why: str, facts: Facts) -> Finding:
    row, settings = ROWS[name], facts.settings
    assert row.strict is not None, f"{name} has no strict value"
    strict = row.strict.accepts(row.kind, settings.value(name))
    grade = Grade.PASS if strict else Grade.FAIL if weight > 1 else Grade.WARN
    fix = {} if strict else {name: row.strict.target}
    return Finding(name, name, why, grade, settings.shown(name), weight, f"/panel/settings/{name}", fix)


def score(found: Iterable[Finding]) -> int:
    """0 to 100: the weights of what passes, and half of those of warnings."""
    rows = list(found)
    whole = sum(each.weight for each in rows)
    return round(100 * sum(each.weight * CREDIT[each.grade] for each in rows) / whole) if whole else 100
