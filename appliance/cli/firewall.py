"""`appliance firewall`: static rules about networks, ports and countries, and which of them decides a packet."""

import ipaddress
import re
from pathlib import Path
from typing import Any

import click

from appliance import countries
from appliance.cli.bans import prefix_of
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.lists import send
from appliance.cli.policy import CONFIRM, confirm_s, saved, waiting
from appliance.cli.show import Answer, Column, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

COUNTRY = "country"
GET_DATABASE = "name a file with --database; Debian's package tor-geoipdb holds one (see docs/operations.md)"
RULES = (
    Column("id", "rule", right=True),
    Column("action", "action"),
    Column("match", "match"),
    Column("note", "note"),
    Column("created_at", "since", moment),
    Column("who", "by"),
    Column("idle", "", lambda idle: "networks not known" if idle else ""),
)
STEPS = (Column("stage", "stage"), Column("words", "what it says"), Column("verdict", "verdict"))
GUARDED = (Column("prefix", "never cut off"), Column("why", "because"))


def _rules(session: Session) -> Answer:
    result = session.link().office("firewall.list")
    return Answer(result, (table(RULES, result["rules"], "no firewall rules"), *waiting(result["pending"])))


def _allow(session: Session, source: str, codes: str | None, **given: Any) -> Answer:
    return _add(session, "allow", source, codes, **given)


def _deny(session: Session, source: str, codes: str | None, **given: Any) -> Answer:
    return _add(session, "deny", source, codes, **given)


def _add(
    session: Session,
    action: str,
    source: str,
    codes: str | None,
    port: str | None,
    note: str,
    database: tuple[Path, ...],
    confirm: str | None,
) -> Answer:
    link = session.link()
    rules: list[dict[str, Any]]
    if source == COUNTRY:
        if port:
            raise Failure(Exit.USAGE, "a rule about a country has no port")
        wanted = country_codes(codes)
        provide(link, wanted, database)
        rules = [{"action": action, "country": code, "note": note} for code in wanted]
    else:
        if codes is not None:
            raise Failure(Exit.USAGE, f"what is {codes!r}?", "'firewall deny country CN,RU' or 'firewall deny NETWORK'")
        protocol, number = port_of(port)
        rules = [{"action": action, "prefix": prefix_of(source), "protocol": protocol, "port": number, "note": note}]
    result = link.office("firewall.add", {"rules": rules, "confirm_s": confirm_s(confirm)})
    words = [line(f"rule {each['id']}: {each['action']} {each['match']}") for each in result["rules"]]
    if result["keeps_out"]:
        words.append(line(f"keeps out: {', '.join(map(_peer, result['keeps_out']))}", "yellow"))
    return Answer(result, (*words, *saved(result), *waiting(result["pending"])))


def _peer(peer: dict[str, str]) -> str:
    """A trunk or a registered device with its address."""
    name = f"trunk {peer['name']}" if peer["kind"] == "trunk" else peer["name"]
    return f"{name} ({peer['address']})"


def country_codes(text: str | None) -> list[str]:
    """The countries of `CN,RU`. Raises Failure."""
    codes = [code.strip().upper() for code in (text or "").split(",") if code.strip()]
    if not codes:
        raise Failure(Exit.USAGE, "no country was named: name two letters each, such as CN,RU")
    if wrong := next((code for code in codes if not re.fullmatch("[A-Z]{2}", code)), None):
        raise Failure(Exit.USAGE, f"{wrong} is no country: name two letters each, such as CN,RU")
    return list(dict.fromkeys(codes))


def port_of(text: str | None) -> tuple[str, int]:
    """Protocol and port of `5060`, `5060/udp` or `udp/5060`. Raises Failure."""
    if text is None:
        return "any", 0
    words = text.lower().split("/")
    number = next((word for word in words if word.isascii() and word.isdigit()), "")
    others = [word for word in words if word != number]
    if not number or not 1 <= int(number) <= 65535 or len(words) > 2 or others not in ([], ["udp"], ["tcp"]):
        raise Failure(Exit.USAGE, f"{text!r} is no port: name a number to 65535, and if you like udp or tcp: 5060/udp")
    return (others[0] if others else "any"), int(number)


def provide(link: Link, wanted: list[str], database: tuple[Path, ...], *, anew: bool = False) -> dict[str, int]:
    """The office learns the networks of countries that it does not know yet; how many each has."""
    known = {each["name"]: each["entries"] for each in link.office("lists.list")["countries"]}
    missing = [code for code in wanted if anew or database or code not in known]
    if not missing:
        return {}
    try:
        files = database or countries.default_files()
        found = countries.networks_of(files, missing)
    except countries.NoDatabase as error:
        raise Failure(Exit.NOT_FOUND, str(error), GET_DATABASE, "no_database") from None
    empty = [code for code, rows in found.items() if not rows]
    if empty:
        words = f"{files[0]} knows no network of {', '.join(empty)}"
        raise Failure(Exit.NOT_FOUND, words, "codes are those of ISO 3166: GB, not UK")
    for code, rows in found.items():
        send(link, code, COUNTRY, rows, str(files[0]), 0, lambda _: None)
    return {code: len(rows) for code, rows in found.items()}


def _countries(session: Session, database: tuple[Path, ...]) -> Answer:
    link = session.link()
    wanted = sorted({rule["country"] for rule in link.office("firewall.list")["rules"] if rule["country"]})
    counts = provide(link, wanted, database, anew=True)
    rows = link.office("lists.list")["countries"]
    columns = (Column("name", "country"), Column("entries", "networks", right=True), Column("source", "from"))
    empty = "no rule is about a country: 'appliance firewall deny country CN,RU'"
    return Answer({"read": counts, "countries": rows}, (table(columns, rows, empty),))


def _remove(session: Session, ids: tuple[int, ...], confirm: str | None) -> Answer:
    result = session.link().office("firewall.remove", {"ids": list(ids), "confirm_s": confirm_s(confirm)})
    words = [line(f"removed rule {each['id']}: {each['action']} {each['match']}") for each in result["removed"]]
    return Answer(result, (*words, *saved(result), *waiting(result["pending"])))


def _test(session: Session, address: str, port: str) -> Answer:
    protocol, number = port_of(port)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise Failure(Exit.USAGE, f"{address!r} is no address: name one such as 192.0.2.7") from None
    args = {"address": address, "port": number, "protocol": "udp" if protocol == "any" else protocol}
    result = session.link().office("firewall.test", args)
    what = f"{result['address']} to our {result['protocol']} port {result['port']}"
    if result["verdict"] == "source_allowed":
        end = line(f"{what}: passes every check", "green")
    elif result["verdict"]:
        spared = f", except what is registered there: {', '.join(result['spared'])}" if result["spared"] else ""
        end = line(f"{what}: dropped as {result['verdict']}{spared}", "red")
    else:
        end = line(f"{what}: no rule about the source stops it; rates and the service decide", "green")
    return Answer(result, (table(STEPS, result["steps"], "no rule speaks of this address"), end))


def _protected(session: Session) -> Answer:
    result = session.link().office("protected.list")
    return Answer(result, (table(GUARDED, result["protected"], "nothing is protected"),))


GROUP = Group("firewall", "Static rules about networks, ports and countries.")
DATABASE = option(
    "--database",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that says which country a network lies in: CSV 'start,end,CC' or .mmdb; repeatable.",
)
RULE = (
    argument("source", metavar="NETWORK|country"),
    argument("codes", required=False, metavar="[CC,CC...]"),
    option("--port", metavar="PORT[/udp|/tcp]", help="Only this port of ours."),
    option("--note", default="", help="A word for those who look at the list later."),
    DATABASE,
    CONFIRM,
)
ORDER = (
    "The longest network decides, and of two as long the rule that names a port. An allow without a port lets "
    "everything of the source pass, ban and rate included; with a port it goes before denies, lists and countries, and "
    "bans and rates hold. Countries that are allowed keep all others out."
)

COMMANDS = (
    Command("firewall list", "List the static rules.", _rules),
    Command("firewall allow", "Let a network, or one port of ours to it, or countries pass.", _allow, RULE, ORDER),
    Command("firewall deny", "Keep a network, or one port of ours from it, or countries out.", _deny, RULE, ORDER),
    Command(
        "firewall remove",
        "Remove rules by their numbers.",
        _remove,
        (argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="RULE..."), CONFIRM),
    ),
    Command(
        "firewall test",
        "Say which rule decides about an address; no packet is sent.",
        _test,
        (argument("address"), argument("port", default="5060", required=False, metavar="[PORT[/udp|/tcp]]")),
    ),
    Command(
        "firewall countries",
        "Read the networks of all countries that have a rule anew, after the database was updated.",
        _countries,
        (DATABASE,),
    ),
    Command("firewall protected", "List what no ban, deny or list can cut off.", _protected),
)
