"""`appliance support-bundle`: one file for whoever helps, without a secret in it.

What keeper and office say, and what the machine shows (appliance/support). It works while either of them is down: their
entries then say so.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from appliance import ownership
from appliance.audit import table as audits
from appliance.cli import audit
from appliance.cli.exits import Exit, Failure
from appliance.cli.gate import exposition
from appliance.cli.link import Link
from appliance.cli.show import Answer, Column, line, table
from appliance.cli.table import Command, Session, argument, option
from appliance.support import machine
from appliance.support.bundle import Entry, Masked, drawn, write
from appliance.support.masking import Masks
from appliance.wire import KeeperVerb, WireError

TIMEOUT_S = 15.0
SLOW = ("system.updates",)  # reckons with every package of the archive
LINES, MOST_LINES = 2000, 100_000
ENTRIES = (Column("name", "file"), Column("about", "what"), Column("bytes", "bytes", right=True))
Asked = Callable[[], Any]


def entries(session: Session, version: str, lines: int) -> tuple[Entry, ...]:
    """The table of what is in a bundle."""
    link = replace(session.link(), timeout_s=TIMEOUT_S)
    return (
        Entry("versions.json", "what runs on what", lambda: machine.versions(version), Masked.NOTHING),
        Entry("machine.txt", "disks, interfaces, drivers, units", machine.machine, Masked.ADDRESSES),
        Entry("settings.json", "every setting; secrets are not told", _office(link, "settings.list"), Masked.ADDRESSES),
        Entry("gate.json", "the gate as the keeper sees it", _keeper(link, KeeperVerb.STATUS)),
        Entry("tallies.json", "packets by verdict", _keeper(link, KeeperVerb.TALLIES), Masked.ADDRESSES),
        Entry("lists.json", "imported lists", _keeper(link, KeeperVerb.LISTS)),
        Entry("metrics.txt", "counters of gate and office", lambda: exposition(link), Masked.ADDRESSES),
        Entry("office.json", "the office of itself", lambda: link.running_office("status")),
        Entry("history.json", "figures of the last quarter of an hour", lambda: link.running_office("history.list")),
        Entry("audit.json", "the machine judged by every check", lambda: _audited(session)),
        Entry("checklist.json", "how safely it is set up", _office(link, "checklist.show")),
        Entry("certificate.json", "the certificate, without its key", _office(link, "certificate.show")),
        Entry("schema.json", "the database's tables; no row of them", _office(link, "schema.show"), Masked.NOTHING),
        Entry("modes.txt", "mode and owner of every file", lambda: machine.modes(session.state, session.runtime)),
        Entry("ownership.txt", "files against the image's table of owners", _owners, Masked.NOTHING),
        Entry("log.json", "the newest lines that the office remembers", _log(link, lines)),
        Entry("journal.txt", "the newest lines of the journal", lambda: machine.journal(lines)),
    )


def _office(link: Link, verb: str) -> Asked:
    return lambda: link.office(verb)


def _keeper(link: Link, verb: KeeperVerb) -> Asked:
    return lambda: link.keeper(verb)


def _log(link: Link, lines: int) -> Asked:
    return lambda: link.running_office("log.list", {"level": "info", "words": "", "limit": lines})


def _audited(session: Session) -> Any:
    chosen = [check for check in audits.CHECKS if check.name not in SLOW]
    return audits.run(audit.machine(session, Path("/")), chosen).to_dict()


def _owners() -> str:
    try:
        count, found = ownership.faults(ownership.read(ownership.TABLE.read_text()), Path("/"))
    except (OSError, ownership.BadTable) as error:
        return f"no table of owners: {error}\n"
    return "\n".join([*found, f"{count} looked at, {len(found)} wrong"]) + "\n"


def _bundle(session: Session, file: Path, mask: bool, lines: int) -> Answer:
    from appliance.cli.book import BOOK  # it has this command in its table

    if os.geteuid():
        raise Failure(Exit.NOT_PERMITTED, "a bundle looks at files and sockets of root", "run the command as root")
    if os.path.lexists(file):  # before a minute of looking, not after it
        raise Failure(Exit.REFUSED, f"{file} is there already", "name a file that is not")
    if not file.absolute().parent.is_dir():
        raise Failure(Exit.REFUSED, f"{file} cannot be written: there is no such directory", "make it, or name another")
    known, warning = _names(session.link()) if mask else ([], "")
    masks = Masks(known) if mask else None
    told = [
        (each.name, each.about, drawn(each, masks, (Failure, WireError, OSError)))
        for each in entries(session, BOOK.version, lines)
    ]
    try:
        write(file, told, time.time())
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{file} cannot be written: {error.strerror}") from None
    rows = [{"name": name, "about": about, "bytes": len(content)} for name, about, content in told]
    words = "People's numbers, names and addresses are masked." if mask else "Numbers and addresses are NOT masked."
    human = [table(ENTRIES, rows, "nothing"), *([line(warning, "yellow")] if warning else [])]
    human.append(line(f"{file}: {file.stat().st_size:,} bytes, for root's eyes alone. {words}"))
    return Answer({"file": str(file), "masked": mask, "warning": warning, "entries": rows}, tuple(human))


def _names(link: Link) -> tuple[list[str], str]:
    """Accounts and administrators by name, and what to say where they cannot be had."""
    names, after = [], ""
    try:
        names += [each["name"] for each in link.office("people.list")["people"]]
        while True:
            page = link.office("accounts.list", {"after": after})
            names += [each["name"] for each in page["accounts"]] + [
                number for each in page["accounts"] for number in each.get("numbers", ())
            ]
            if not (after := page["next"] or ""):
                return names, ""
    except (Failure, WireError, OSError) as error:
        return names, f"names in free text may not be masked, the office does not say which there are: {error}"


COMMANDS = (
    Command(
        "support-bundle",
        "Write one file for whoever helps: versions, settings, figures and the log, without a secret.",
        _bundle,
        (
            argument("file", type=click.Path(path_type=Path, dir_okay=False)),
            option(
                "--mask/--no-mask",
                default=True,
                help="Replace people's numbers, names and addresses by words; the same one by the same word.",
            ),
            option("--lines", type=click.IntRange(0, MOST_LINES), default=LINES, help="How many lines of the log."),
        ),
        "Example: 'appliance support-bundle /root/bundle.tar.gz'. Look into it before you give it away: it is a tar of "
        "text files. Passwords, keys, tokens and PINs are never in it, whatever you say.",
    ),
)
