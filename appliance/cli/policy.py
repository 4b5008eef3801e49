"""`appliance changes`, `rules` and `profile`: changes that wait for a word, rules that only report, whole profiles.

What others need stands here too: the option --confirm, and from where the command is used.
"""

import contextlib
import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from appliance.cli.door import ssh_client
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Request
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config.banning import BANNING
from appliance.config.fields import BadValue
from appliance.config.limiting import ALWAYS_ACT, LIMITING
from appliance.config.textual import Duration
from appliance.kernel import layout
from appliance.wire import KeeperVerb

UTMP = Path("/run/utmp")
_ENTRY = struct.Struct("=hxxi32s4s32s256shhiii16s20x")  # struct utmp of utmp(5) on Linux with 32-bit times
_USER_PROCESS = 7
ACTS, REPORTS = "acts", "reports only"

RULES = (
    Column("verdict", "rule"),
    Column("mode", "mode"),
    Column("packets", "stopped", right=True),
    Column("reported", "would have", right=True),
    Column("settings", "setting", lambda names: ", ".join(names)),
    Column("text", "meaning"),
)
# Settings whose limit the kernel acts on, and the verdicts in which that ends.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "maxnetworkspeed": ("over_speed",),
    "fastauthsubswrongusermsg": ("over_guard", "over_budget"),
    "maxsubsmmsgcount": ("over_rate_known", "over_rate_pair"),
    "blockua": ("scanner_agent", "scanner_shape"),
    "checkrtpaddr": ("rtp_source", "rtp_learning", "rtp_ssrc", "rtp_sequence"),
    "blockearlymedia": ("rtp_early",),
}

CONFIRM = option(
    "--confirm",
    "confirm",
    metavar="DURATION",
    help="Take the change back unless 'changes confirm' comes in time (60s).",
)


def confirm_s(text: str | None) -> float:
    """The seconds of --confirm; 0 without it. Raises Failure."""
    try:
        return Duration().parse(text) if text else 0.0
    except BadValue as error:
        raise Failure(Exit.USAGE, f"--confirm {error}") from None


def logged_in(utmp: Path = UTMP) -> Iterator[tuple[str, str]]:
    """Each address from which somebody is logged in over the network, and who (utmp(5))."""
    with contextlib.suppress(OSError):
        data = utmp.read_bytes()
        for at in range(0, len(data) - _ENTRY.size + 1, _ENTRY.size):
            kind, _, _, _, user, host, *_ = _ENTRY.unpack_from(data, at)
            address = host.split(b"\0")[0].decode(errors="replace")
            with contextlib.suppress(ValueError):
                if kind == _USER_PROCESS:
                    ipaddress.ip_address(address)
                    name = user.split(b"\0")[0].decode(errors="replace")
                    yield address, f"{name} is logged in from there"


def here() -> list[Request]:
    """What tells the office, with every command, from where the appliance is managed; nothing on the spot."""
    found = dict(logged_in())
    if client := ssh_client():
        found[client.partition("%")[0]] = "your own SSH session"
    return [("protected.here", {"addresses": list(found.items())})] if found else []


def saved(result: Mapping[str, Any]) -> list[Any]:
    """A line about a change that nothing acts on before the appliance runs."""
    return [] if result["live"] else [line("saved; in force when the appliance starts", "dim")]


def waiting(pending: Mapping[str, Any] | None) -> list[Any]:
    """Lines about the change that waits."""
    if not pending:
        return []
    words = f"live, and taken back in {pending['left_s']:.0f} s unless 'appliance changes confirm' comes before"
    return [line(words, "yellow")]


def _show(session: Session) -> Answer:
    result = session.link().office("changes.show")
    pending = result["pending"]
    if not pending:
        return Answer(result, (line("no change waits for confirmation", "dim"),))
    shown = [
        ("change", pending["what"]),
        ("made at", moment(pending["made_at"])),
        ("by", pending["who"]),
        ("taken back in", f"{pending['left_s']:.0f} s"),
    ]
    return Answer(result, (facts(shown),))


def _confirm(session: Session) -> Answer:
    result = session.link().office("changes.confirm")
    return Answer(result, (line(f"stays: {result['confirmed']}"),))


def _undo(session: Session) -> Answer:
    result = session.link().office("changes.undo")
    return Answer(result, (line(f"taken back: {result['undone']}"),))


def rule_names() -> dict[str, str]:
    """Every verdict that drops, with its text."""
    return {verdict.name: verdict.text for verdict in layout.verdicts() if verdict.action == "DROP"}


def _rules(session: Session) -> Answer:
    link = session.link()
    stored = link.office("rules.list")
    counted: dict[str, Mapping[str, Any]] = {}
    with contextlib.suppress(Failure):  # the counts are the keeper's; without it the modes are shown alone
        counted = {each["verdict"]: each for each in link.keeper(KeeperVerb.TALLIES)["tallies"]}
    reporting, of_verdict = set(stored["report_only"]), _settings_by_verdict()
    every = rule_names() | {name: f"bans for {text}" for name, text in BANNING.items()}
    every |= {name: f"refuses calls: {text}" for name, text in LIMITING.items()}
    today: Mapping[str, int] = stored.get("reported_today", {})
    rows = [
        {
            "verdict": name,
            "mode": REPORTS if name in reporting else ACTS,
            "packets": counted.get(name, {}).get("packets", ""),
            "reported": today.get(name, 0) if name in LIMITING else counted.get(name, {}).get("reported", ""),
            "settings": of_verdict.get(name, []),
            "text": text,
        }
        for name, text in every.items()
    ]
    value = {"rules": rows, "pending": stored["pending"]}
    return Answer(value, (table(RULES, rows, ""), *waiting(stored["pending"])))


def _settings_by_verdict() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for setting, verdicts in SETTINGS.items():
        for verdict in verdicts:
            found.setdefault(verdict, []).append(setting)
    return found


def verdicts_of(name: str) -> Sequence[str]:
    """The verdicts that a verdict's or a setting's name means. Raises Failure."""
    known = rule_names()
    if name in known:
        return (name,)
    found = [verdict for verdict in SETTINGS.get(name.lower(), ()) if verdict in known]
    found += [rule for rule in (*BANNING, *LIMITING) if rule == name.lower()]
    if name.lower() in ALWAYS_ACT:
        raise Failure(Exit.REFUSED, f"{name} always acts: {ALWAYS_ACT[name.lower()]}")
    if not found:
        words = f"{name} is neither a rule that drops nor a setting of one"
        raise Failure(Exit.NOT_FOUND, words, "'appliance rules' lists the rules")
    return found


def _report_only(session: Session, name: str, mode: str, confirm: str | None) -> Answer:
    verdicts = verdicts_of(name)
    args = {"verdicts": list(verdicts), "on": mode == "on", "confirm_s": confirm_s(confirm)}
    result = session.link().office("rules.report_only", args)
    words = f"{', '.join(verdicts)}: {REPORTS if mode == 'on' else ACTS}"
    return Answer(result, (line(words), *saved(result), *waiting(result["pending"])))


def complete_rule(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[Any]:
    """Rules and settings that begin so."""
    return [name for name in (*rule_names(), *SETTINGS, *BANNING, *LIMITING) if name.startswith(begun)]


GROUPS = (
    Group("changes", "Changes that are taken back unless somebody confirms them.", default="show"),
    Group(
        "rules",
        "Rules of the gate and limits of calls: which act, which only report, what each has stopped or would have.",
    ),
)
COMMANDS = (
    Command("changes show", "Show the change that waits, and for how long.", _show),
    Command("changes confirm", "Keep the change that waits.", _confirm),
    Command("changes undo", "Take the change that waits back now.", _undo),
    Command(
        "rules list",
        "List the rules, with what each stopped or would have stopped.",
        _rules,
        (),
        "A limit of calls counts the calls of today that it would have refused or cut, while it only reports.",
    ),
    Command(
        "rules report-only",
        "Let a rule count and report without stopping anything, or act again.",
        _report_only,
        (
            argument("name", shell_complete=complete_rule),
            argument("mode", type=click.Choice(["on", "off"])),
            CONFIRM,
        ),
        "NAME is a rule of 'rules list', or a setting: then all of its rules.",
    ),
)
