"""`appliance run`, `status` and `check`: the appliance itself."""

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from appliance.cli.exits import Exit, Failure
from appliance.cli.link import NO_REPLY, Link
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import ABOUT, FILE_NAME, Book, Command, Session, option
from appliance.config.load import parse_file
from appliance.config.options import DEFAULT_INTERFACE, BadOption, Mode, Relay, RunOptions, port_range
from appliance.config.private import ssh_words
from appliance.config.settings import BadSettings, Problem, Settings, warnings
from appliance.release import version

STATUS_TIMEOUT_S = 5.0
NOT_RUNNING = "not running"
SAID = ("running", "slot", "trial")  # of the office's, what the lines say otherwise
TALLIES = (
    Column("verdict", "verdict"),
    Column("action", "action"),
    Column("packets", "packets", right=True),
    Column("bytes", "bytes", right=True),
    Column("text", "meaning"),
)
PROBLEMS = (
    Column("severity", ""),
    Column("where", "where"),
    Column("setting", "setting"),
    Column("message", "what"),
)


def _words(values: tuple[str, ...], variable: str) -> tuple[str, ...]:
    """Repeated and comma-separated words as one list; the environment's when none was given."""
    given = values or (os.environ.get(variable, ""),)
    return tuple(word for value in given for word in value.replace(",", " ").split())


def run_options(session: Session, **given: Any) -> RunOptions:
    """The options of one start. Raises Failure."""
    try:
        first, last = port_range(given["rtp_ports"])
        return RunOptions(
            interfaces=_words(given["interfaces"], "APPLIANCE_INTERFACE") or (DEFAULT_INTERFACE,),
            state=str(session.state.absolute()),
            runtime=str(session.runtime.absolute()),
            listen=_words(given["listen"], "APPLIANCE_LISTEN"),
            sip_port=given["sip_port"],
            https_port=given["https_port"],
            rtp_first=first,
            rtp_last=last,
            config=str(session.config.absolute()) if session.config else "",
            pin=given["pin"],
            office_unit=given["office_unit"],
            demo_accounts=given["demo_accounts"],
            relay=Relay(given["relay"]),
            mode=Mode(given["mode"]),
            settings=session.file_texts(),
        )
    except BadOption as error:
        raise Failure(Exit.USAGE, str(error)) from None


def _run(session: Session, **given: Any) -> Answer:
    options = run_options(session, **given)
    keeper = importlib.import_module("appliance.keeper")  # late: it brings the kernel's libraries with it
    code = int(keeper.run(options))
    return Answer({"exit": code}, exit_code=Exit(code) if code in list(Exit) else Exit.REFUSED)


def _asked(ask: Callable[[Link], dict[str, Any]], session: Session) -> tuple[dict[str, Any] | None, str]:
    """What one of the two processes says, or None and why: the other's word is worth having without it."""
    link = replace(session.link(), timeout_s=STATUS_TIMEOUT_S)
    try:
        return ask(link), ""
    except Failure as failure:
        if failure.exit_code is Exit.NOT_RUNNING:
            return None, NOT_RUNNING
        if failure.code == NO_REPLY:
            return None, f"runs, but does not answer within {STATUS_TIMEOUT_S:.0f} s"
        raise


def _status(session: Session) -> Answer:
    keeper, keeper_silent = _asked(lambda link: link.keeper("status") | link.keeper("tallies"), session)
    office, office_silent = _asked(lambda link: link.running_office("status"), session)
    if keeper_silent == office_silent == NOT_RUNNING:
        raise session.link().down()
    human = [*_keeper_lines(keeper, keeper_silent), *_office_lines(office, office_silent)]
    code = Exit.OK if keeper is not None and office is not None else Exit.REFUSED
    return Answer({"keeper": keeper, "office": office}, tuple(human), code)


def _keeper_lines(keeper: dict[str, Any] | None, silent: str) -> list[Any]:
    if keeper is None:
        return [line(f"keeper: {silent}; the gate cannot be steered", "red")]
    interfaces = [
        f"{each['name']} ({each['mode']}{': ' + each['reason'] if each.get('reason') else ''})"
        for each in keeper["interfaces"]
    ]
    relay = keeper["relay"] + (f" ({keeper['relay_reason']})" if keeper.get("relay_reason") else "")
    slot = keeper.get("slot", "")
    trial = ", on trial: it is taken back unless it proves healthy" if keeper.get("trial") else ""
    shown = [
        *([("slot", slot + trial)] if slot else ()),
        ("gate", ", ".join(interfaces)),
        ("relay", relay),
        *([("ssh", ssh_words(keeper.get("ssh") or ()))] if keeper.get("ssh_guarded") else ()),
        ("since", moment(keeper["started_at"])),
        ("sessions", str(keeper["sessions"])),
        ("bans", str(keeper["bans"])),
        ("plan", f"generation {keeper['generation']}{', pinned' if keeper['pinned'] else ''}"),
        *(("missing", each) for each in keeper.get("missing") or ()),
    ]
    counted = [each for each in keeper["tallies"] if each["packets"]]
    return [facts(shown), table(TALLIES, counted, "no packet yet"), line("")]


def _office_lines(office: dict[str, Any] | None, silent: str) -> list[Any]:
    if office is None:
        return [line(f"office: {silent}; calls that run keep their audio until their lease ends", "red")]
    counted = [name for name, value in office.items() if isinstance(value, int | str) and name not in SAID]
    shown = [(name, str(office[name])) for name in counted]
    if today := office.get("today"):
        charged = ", ".join(f"{amount} {code}" for code, amount in today["charged"].items())
        words = f"{today['calls']} calls, {today['answered']} answered, {today['refused']} refused"
        shown.append(("today", words + (f", {charged}" if charged else "")))
    if disk := office.get("disk"):
        percent = 100 * disk["free_bytes"] // max(disk["bytes"], 1)
        shown.append(("disk", f"{disk['free_bytes'] // 2**20:,} MiB free of {disk['bytes'] // 2**20:,} ({percent} %)"))
    return [facts(shown)]


def _row(severity: str, where: str, problem: Problem) -> dict[str, Any]:
    place = f"{where}, line {problem.line}" if problem.line else where
    return {"severity": severity, "where": place, "setting": problem.name, "message": problem.message}


def _check(session: Session, stored: bool) -> Answer:
    path = str(session.config or session.state / FILE_NAME)
    rows: list[dict[str, Any]] = []
    file: dict[str, Any] = {}
    try:
        file = parse_file(session.file_text())
    except BadSettings as error:
        rows += [_row("error", path, problem) for problem in error.problems]
    rows += [_row("warning", path, problem) for problem in warnings(Settings(file))]
    rows += _stored_rows(session) if stored and not rows_have_errors(rows) else []
    failed = rows_have_errors(rows)
    words = "the settings have errors" if failed else "the settings can be used"
    value = {"ok": not failed, "problems": rows}
    human = (table(PROBLEMS, rows, "nothing to complain about"), line(words, "red" if failed else "green"))
    return Answer(value, human, Exit.REFUSED if failed else Exit.OK)


def rows_have_errors(rows: list[dict[str, Any]]) -> bool:
    """Whether one of these is more than a warning."""
    return any(row["severity"] == "error" for row in rows)


def _stored_rows(session: Session) -> list[dict[str, Any]]:
    """What is wrong with stored changes. A state directory that was never used has none and is not made."""
    try:
        used = (session.runtime / "office.sock").exists() or any((session.state / "office").glob("*"))
    except PermissionError:
        used = True
    if not used:
        return []
    try:
        result = session.link().office("settings.list")
    except Failure as failure:
        if failure.exit_code is not Exit.NOT_PERMITTED:
            raise
        return [_row("warning", "stored", Problem("", "stored changes were not checked: that needs root"))]
    stored = {each["name"] for each in result["settings"] if each["source"] == "stored"}
    errors = [_row("error", "stored", Problem("", words)) for words in result["problems"]]
    wrong = [each for each in result["warnings"] if each["setting"] in stored]
    return errors + [_row("warning", "stored", Problem(each["setting"], each["message"])) for each in wrong]


def _port(name: str, default: int, words: str) -> click.Option:
    variable = f"APPLIANCE_{name.upper()}"
    kind = click.IntRange(1, 65535)
    return option(f"--{name.replace('_', '-')}", name, type=kind, default=default, envvar=variable, help=words)


COMMANDS = (
    Command(
        "run",
        "Start the appliance and stay with it; Ctrl-C stops it.",
        _run,
        (
            option(
                "--interface",
                "--iface",
                "interfaces",
                multiple=True,
                help="Interface with the gate; repeatable, or with commas (APPLIANCE_INTERFACE, lo).",
            ),
            option(
                "--listen",
                multiple=True,
                help="Address to serve; repeatable (APPLIANCE_LISTEN, the addresses of the interfaces).",
            ),
            _port("sip_port", 5060, "SIP over UDP and TCP."),
            _port("https_port", 8443, "The page."),
            option(
                "--rtp-ports",
                default="20000-29999",
                metavar="FIRST-LAST",
                envvar="APPLIANCE_RTP_PORTS",
                help="Ports of audio.",
            ),
            option(
                "--pin/--no-pin",
                default=False,
                envvar="APPLIANCE_PIN",
                help="Leave the gate at work when the keeper ends (as a service).",
            ),
            option(
                "--office-unit",
                default="",
                metavar="NAME.service",
                envvar="APPLIANCE_OFFICE_UNIT",
                help="The unit of systemd that runs the office, instead of the keeper; goes with --pin.",
            ),
            option(
                "--demo-accounts/--no-demo-accounts",
                default=False,
                help="Where there is no account yet, make two to try it with.",
            ),
            option(
                "--relay",
                type=click.Choice([str(each) for each in Relay]),
                default="auto",
                envvar="APPLIANCE_RELAY",
                help="Who forwards audio.",
            ),
            option(
                "--mode",
                type=click.Choice([str(each) for each in Mode]),
                default="auto",
                envvar="APPLIANCE_MODE",
                help="How the gate is held; auto: the best of the others that works here.",
            ),
        ),
        "Every option can stand in the environment, as APPLIANCE_ and its name.",
    ),
    Command("status", "Show what runs: gate, relay, calls, verdicts.", _status),
    Command(
        "check",
        "Check the settings file and the stored settings.",
        _check,
        (option("--stored/--no-stored", default=True, help="Look at stored changes too."),),
    ),
)

BOOK = Book(ABOUT, groups=(), commands=COMMANDS, version=version())
"""The commands of this room alone: nothing else has to be there for the appliance to start."""
