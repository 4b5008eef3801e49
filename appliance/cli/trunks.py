"""`appliance trunks`: where calls go out and come in."""

from typing import Any

import click

from appliance.cli.accounts import said
from appliance.cli.link import Request
from appliance.cli.passwords import password_of
from appliance.cli.show import Answer, Column, joined, line, moment, span, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option

TRUNK_COLUMNS = (
    Column("name", "name"),
    Column("host", "host"),
    Column("port", "port", right=True),
    Column("transport", "transport"),
    Column("user", "user"),
    Column("inbound", "inbound from", joined),
    Column("max_channels", "channels", right=True),
    Column("deck", "cost deck"),
    Column("routes", "routes", lambda routes: str(len(routes)), right=True),
    Column("enabled", "enabled", yes_no),
    Column("health", "lately", lambda health: lately(health)),
)
ROUTE_COLUMNS = (
    Column("prefix", "prefix", lambda prefix: prefix or "(all)"),
    Column("priority", "priority", right=True),
    Column("strip", "strip", right=True),
    Column("prepend", "prepend"),
)
QUALITY_COLUMNS = (
    Column("trunk", "trunk"),
    Column("prefix", "numbers"),
    Column("calls", "calls", right=True),
    Column("asr_percent", "ASR %", right=True),
    Column("acd_s", "ACD", span, right=True),
    Column("per_minute", "cost/min", right=True),
    Column("currency", ""),
)


def lately(health: dict[str, Any] | None) -> str:
    """What a trunk did with its last calls, as far as the service runs and knows."""
    if not health:
        return ""
    worked = f"took a call {moment(health['worked_at'])}" if health["worked_at"] else ""
    failed = f"{health['failed_status']} {moment(health['failed_at'])}" if health["failed_at"] else ""
    row = f"{health['failures']} failed in a row" if health["failures"] else ""
    return "; ".join(part for part in (row, failed, worked) if part)


def _list(session: Session) -> Answer:
    result = session.link().office("trunks.list")
    return Answer(result, (table(TRUNK_COLUMNS, result["trunks"], "no trunks: add one with 'appliance trunks add'"),))


def _add(
    session: Session, name: str, host: str, password: str | None, prefixes: tuple[str, ...], **given: Any
) -> Answer:
    args = {"name": name, "host": host, "routes": [{"prefix": prefix} for prefix in prefixes]} | said(given)
    if password:
        args["password"] = _secret(password)
    trunk = session.link().office("trunks.add", args)["trunk"]
    hint = (
        () if trunk["routes"] else (line(f"no numbers go there yet: 'appliance trunks routes {name} --add 44'", "dim"),)
    )
    return Answer({"trunk": trunk}, (line(f"added {name}"), table(TRUNK_COLUMNS, [trunk], ""), *hint))


def _secret(word: str) -> str:
    if word != "-":
        raise click.UsageError("--password takes '-': what the carrier gave you is read from standard input")
    return password_of(word).text


def _set(session: Session, name: str, password: str | None, **given: Any) -> Answer:
    changes = said(given) | ({"password": _secret(password)} if password else {})
    if not changes:
        raise click.UsageError("nothing to change was named; see 'appliance trunks set --help'")
    trunk = session.link().office("trunks.set", {"name": name, "changes": changes})["trunk"]
    return Answer({"trunk": trunk}, (table(TRUNK_COLUMNS, [trunk], ""),))


def _remove(session: Session, name: str) -> Answer:
    result = session.link().office("trunks.remove", {"name": name})
    return Answer(result, (line(f"removed {name}"),))


def _routes(session: Session, name: str, add: tuple[str, ...], remove: tuple[str, ...], **route: Any) -> Answer:
    requests: list[Request] = [("trunks.unroute", {"name": name, "prefix": _prefix(prefix)}) for prefix in remove]
    requests += [("trunks.route", {"name": name, "route": {"prefix": _prefix(prefix)} | route}) for prefix in add]
    requests.append(("trunks.routes", {"name": name}))
    result = session.link().office_all(requests)[-1]
    return Answer(result, (table(ROUTE_COLUMNS, result["routes"], f"no numbers go over {name}"),))


def _prefix(text: str) -> str:
    return "" if text == "all" else text


def _quality(session: Session, name: str | None, prefix: str) -> Answer:
    result = session.link().office("trunks.quality", {"trunk": name or "", "prefix": prefix})
    words = "no calls were offered to trunks within routingwindow"
    return Answer(result, (table(QUALITY_COLUMNS, result["quality"], words),))


def _trunk_options() -> tuple[click.Parameter, ...]:
    return (
        option("--port", type=click.IntRange(1, 65535), help="SIP port [default: 5060]."),
        option("--transport", type=click.Choice(["udp", "tcp", "tls"]), help="[default: udp]"),
        option("--user", help="User name, when the carrier challenges."),
        option("--password", metavar="-", help="'-' reads it from standard input."),
        option("--inbound", multiple=True, help="Address or network that sends calls to us; repeatable."),
        option("--channels", "max_channels", type=click.IntRange(0), help="Calls at once; 0 = no ceiling."),
        option("--deck", help="Rate deck of what it costs us."),
        option("--enable/--disable", "enabled", default=None, help="Use it, or not."),
    )


GROUP = Group("trunks", "Carriers: where calls go out and come in.")
NAME = argument("name")

COMMANDS = (
    Command("trunks list", "List the trunks.", _list),
    Command(
        "trunks add",
        "Add a trunk.",
        _add,
        (
            NAME,
            argument("host"),
            option("--prefix", "prefixes", multiple=True, help="Numbers that go there; repeatable."),
            *_trunk_options(),
        ),
    ),
    Command(
        "trunks set",
        "Change a trunk. Only what is named changes; --inbound replaces all its addresses.",
        _set,
        (NAME, option("--host", help="Address or DNS name."), *_trunk_options()),
    ),
    Command("trunks remove", "Remove a trunk and its routes.", _remove, (NAME,)),
    Command(
        "trunks routes",
        "Show or change which numbers go over a trunk.",
        _routes,
        (
            NAME,
            option("--add", multiple=True, metavar="PREFIX", help="Prefix to add or change; 'all' is every number."),
            option("--remove", multiple=True, metavar="PREFIX", help="Prefix to take off."),
            option("--priority", type=click.IntRange(0, 65535), default=100, help="Lower ones are tried first."),
            option("--strip", type=click.IntRange(0, 32), default=0, help="Digits to remove from the front."),
            option("--prepend", default="", help="Digits to put in front."),
        ),
        "The longest prefix wins; among equal ones the lower priority; the next is tried when a trunk fails.",
    ),
    Command(
        "trunks quality",
        "Show how many calls trunks answered, how long those lasted, and what they cost.",
        _quality,
        (
            argument("name", required=False),
            option("--prefix", default="", help="Only numbers counted under these first five digits."),
        ),
        "Counts within the setting routingwindow, the older weighing less. ASR is the share of calls that were "
        "answered, ACD their average length.",
    ),
)
