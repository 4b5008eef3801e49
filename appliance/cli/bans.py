"""`appliance ban` and its relatives: who is kept out, and who is always let in.

The office keeps them; while it is down its row is written by a single run and the keeper, if it is up, is told at once.
"""

import contextlib
import ipaddress
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from appliance.cli.door import notes, ssh_client
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.show import Answer, Column, facts, joined, line, moment, table, until
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config.fields import BadValue
from appliance.config.textual import Duration
from appliance.wire import KeeperVerb

BANS = (
    Column("source", "source"),
    Column("rule", "rule"),
    Column("reason", "reason"),
    Column("created_at", "since", moment),
    Column("expires_at", "until", until),
    Column("who", "by"),
)
ALLOWED = (
    Column("prefix", "source"),
    Column("kind", "kind"),
    Column("reason", "reason"),
    Column("created_at", "since", moment),
    Column("expires_at", "until", until),
    Column("who", "by"),
)

WITH_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+):\d{1,5}").fullmatch
KeeperRequest = tuple[KeeperVerb, Mapping[str, Any]]


def prefix_of(text: str) -> str:
    """An address or network in its canonical writing. Raises Failure."""
    try:
        if "%" in text:
            raise ValueError(f"{text!r} has a zone")
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        with contextlib.suppress(ValueError):
            meant = ipaddress.ip_network(text.strip(), strict=False)
            raise Failure(Exit.USAGE, f"{text!r} has host bits set", f"did you mean {meant}?") from None
        raise Failure(Exit.USAGE, f"{error}: name an address or a network such as 192.0.2.0/24") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def expiry(duration: str | None) -> float:
    """When something that begins now ends, in Unix seconds; 0 without a duration. Raises Failure."""
    if duration is None:
        return 0.0
    try:
        return time.time() + Duration().parse(duration)
    except BadValue as error:
        raise Failure(Exit.USAGE, f"--for {error}") from None


def covers_this_session(prefix: str, client: str | None = None) -> bool:
    """Whether a ban of `prefix` would cut the SSH session in which the command runs."""
    client = ssh_client() if client is None else client
    try:
        return ipaddress.ip_address(client) in ipaddress.ip_network(prefix)
    except ValueError:
        return False


def tell(
    link: Link,
    verb: str,
    args: Mapping[str, Any],
    keeper: Callable[[dict[str, Any]], Sequence[KeeperRequest]] | Sequence[KeeperRequest],
) -> dict[str, Any]:
    """Have the office do it; when it is down, run it once and tell the keeper as well, if that is up.

    `keeper` is what to tell it, or makes that of the office's result.
    """
    try:
        return link.running_office(verb, args)
    except Failure as failure:
        if failure.exit_code is not Exit.NOT_RUNNING:
            raise
    result = link.office(verb, args)
    for keeper_verb, keeper_args in keeper(result) if callable(keeper) else keeper:
        _tell_keeper(link, keeper_verb, keeper_args)
    return result


def _tell_keeper(link: Link, verb: KeeperVerb, args: Mapping[str, Any]) -> None:
    try:
        link.keeper(verb, args)
    except Failure as failure:
        if failure.exit_code not in (Exit.NOT_RUNNING, Exit.NOT_FOUND):
            raise


def _ban(session: Session, source: str, duration: str | None, reason: str) -> Answer:
    prefix, expires_at = prefix_of(source), expiry(duration)
    if covers_this_session(prefix):
        words = f"{prefix} covers the address of your own session"
        raise Failure(Exit.REFUSED, words, "you would be cut off")
    ban = {"prefix": prefix, "expires_at": expires_at, "rule": "operator", "reason": reason}
    result = tell(session.link(), "bans.add", ban, [(KeeperVerb.BAN, ban)])
    return Answer(result, (line(f"banned {prefix}, {f'until {moment(expires_at)}' if expires_at else until(0)}"),))


def _unban(session: Session, source: str | None, everything: bool) -> Answer:
    if everything == bool(source):
        raise Failure(Exit.USAGE, "name a source, or --all")
    return _lift(session, source or "all")


def _lift(session: Session, source: str) -> Answer:
    result = tell(session.link(), "bans.lift", {"source": _written(source)}, _keeper_unbans)
    lifted = result["lifted"]
    words = f"lifted the ban of {lifted[0]}" if len(lifted) == 1 else f"lifted {len(lifted)} bans"
    return Answer(result, (line(words),))


def _written(source: str) -> str:
    """A source as the office reads it: `all`, an address with its port as it stands, or a prefix. Raises Failure."""
    if source == "all" or WITH_PORT(source):
        return source
    return prefix_of(source)


def _keeper_unbans(result: Mapping[str, Any]) -> list[KeeperRequest]:
    return [
        (KeeperVerb.UNBAN_PAIR, {"address": row["prefix"], "port": row["port"]})
        if row["port"]
        else (KeeperVerb.UNBAN, {"prefix": row["prefix"]})
        for row in result["subjects"]
    ]


def _bans(session: Session) -> Answer:
    result = session.link().office("bans.list")
    return Answer(result, (table(BANS, result["bans"], "nobody is banned"),))


def _show(session: Session, source: str) -> Answer:
    result = session.link().office("bans.show", {"source": _written(source)})
    return Answer(result, tuple(part for row in result["bans"] for part in evidence(row)))


def evidence(row: Mapping[str, Any]) -> list[RenderableType]:
    """One ban for people: rule, figures, who else is there, what was sent, when it ends and how to lift it."""
    figures = f"{row['count']} in {row['window_s']:g} s, allowed are {row['allowed']}" if row["count"] else ""
    spared = "registered devices here go on working" if row["spares_known"] else ""
    first = "the first" if row["count"] else ""
    return [
        line(row["source"], "bold"),
        facts(
            [
                ("rule", row["rule"]),
                ("figures", figures),
                ("reason", row["reason"]),
                ("covers", row["scope"]),
                ("spares", spared),
                ("sender", "proven" if row["proven"] else "may be forged" if row["count"] else ""),
                ("repetition", str(row["repetition"]) if row["repetition"] else first),
                ("since", moment(row["created_at"])),
                ("until", until(row["expires_at"])),
                ("by", row["who"]),
                ("neighbours", joined(row["neighbours"])),
                *(("sample", sample) for sample in row["samples"]),
                ("to lift", f"appliance bans lift {row['source']}"),
            ]
        ),
        line(""),
    ]


def _allow(session: Session, source: str, duration: str | None, reason: str) -> Answer:
    allowed = {"prefix": prefix_of(source), "kind": "allow", "expires_at": expiry(duration), "reason": reason}
    result = tell(session.link(), "allows.add", allowed, [(KeeperVerb.ALLOW, allowed)])
    said = line(f"{allowed['prefix']} passes every check of the gate")
    return Answer(result, (said, *_warned(result), *notes(session)))


def _warned(result: Mapping[str, Any]) -> list[RenderableType]:
    return [line(f"warning: {warning}", "yellow") for warning in result["warnings"]]


def _disallow(session: Session, source: str) -> Answer:
    prefix = prefix_of(source)
    result = tell(session.link(), "allows.remove", {"prefix": prefix}, [(KeeperVerb.DISALLOW, {"prefix": prefix})])
    return Answer(result, (line(f"{prefix} is checked like everybody else"), *_warned(result), *notes(session)))


def _allowed(session: Session) -> Answer:
    result = session.link().office("allows.list")
    shown = table(ALLOWED, result["allows"], "nobody is on the allow list")
    near = [line(result["private_networks"], "dim")] if result["private_networks"] else []
    return Answer(result, (shown, *_ended(result["ended"]), *_warned(result), *near, *notes(session)))


def _ended(row: Mapping[str, Any] | None) -> list[RenderableType]:
    if row is None:
        return []
    words = f"the last entry, {row['prefix']}, ended at {moment(row['expires_at'])}: private networks stay shut out"
    return [line(words, "yellow"), line(f"until another is trusted, or 'appliance disallow {row['prefix']}'")]


SOURCE = argument("source")
FOR = option("--for", "duration", metavar="DURATION", help="Such as 90s, 3m, 6h or 7d; without it, until lifted.")
REASON = option("--reason", default="", help="A word for those who look at the list later.")

GROUP = Group("bans", "Who is kept out, and why.")
COMMANDS = (
    Command(
        "ban",
        "Keep an address or network out.",
        _ban,
        (SOURCE, FOR, REASON),
    ),
    Command(
        "unban",
        "Lift a ban, or all of them.",
        _unban,
        (
            argument("source", required=False),
            option("--all", "everything", is_flag=True, default=False, help="Lift all."),
        ),
    ),
    Command("bans list", "List the bans.", _bans),
    Command(
        "bans show",
        "Show why a source is banned: rule, figures, what it sent, who else is there, and when the ban ends.",
        _show,
        (SOURCE,),
    ),
    Command(
        "bans lift",
        "Lift the bans of an address with all its ports, of one address:port or network, or all of them.",
        _lift,
        (argument("source", metavar="ADDRESS|all"),),
        "What was counted against it is forgotten too.",
    ),
    Command(
        "allow",
        "Let an address or network pass every check of the gate.",
        _allow,
        (SOURCE, FOR, REASON),
        "It is trusted with that: panel and, on the image, SSH are reached from there (remoteadmin, allowtrustedip). "
        "The first entry closes both to private networks, which are let in until then: allow yours as well, as with "
        "'appliance allow 10.0.0.0/8', and before all others the address that you come from.",
    ),
    Command(
        "disallow",
        "Take an address or network off the allow list.",
        _disallow,
        (SOURCE,),
        "Panel and, on the image, SSH are not reached from there any more. While another trusted entry is left, "
        "private networks stay shut out as well ('appliance allow 10.0.0.0/8' lets one in); with the last one gone "
        "they are let in again.",
    ),
    Command("allowed", "List who is on the allow list.", _allowed),
)
