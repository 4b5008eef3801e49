"""`appliance tunnel`: WireGuard for administrators. All of it is the keeper's, so it works while the office is down."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from appliance.cli.codes import qr_lines
from appliance.cli.door import notes, stay
from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.wire import KeeperVerb

ALIVE_S = 180.0  # WireGuard makes new keys every two minutes while there is traffic


def _ago(value: Any) -> str:
    return moment(value) if value else "never"


def _bytes(value: Any) -> str:
    return f"{value:,}"


PEERS = (
    Column("name", "peer"),
    Column("addresses", "addresses", ", ".join),
    Column("handshake_at", "last handshake", _ago),
    Column("endpoint", "from"),
    Column("received_bytes", "received", _bytes, right=True),
    Column("sent_bytes", "sent", _bytes, right=True),
    Column("added_at", "added", moment),
    Column("added_by", "by"),
)


def _told(session: Session) -> dict[str, Any]:
    return session.link().keeper(KeeperVerb.TUNNEL, {"heard": True})


def _answer(result: Mapping[str, Any]) -> Answer:
    on = "on" if result["on"] else "off"
    state = f"{on}, but not there: {result['problem']}" if result["problem"] else on
    shown = facts((
        ("tunnel", state),
        ("port", f"udp {result['port']}"),
        ("endpoint", result["endpoint"]),
        ("interface", f"{result['interface']} ({result['kind']})" if result["kind"] else ""),
        ("addresses", ", ".join(result["addresses"])),
        ("public key", result["public_key"]),
        ("peers", "let in by root and by the panel" if result.get("by_panel") else "let in by root alone"),
    ))  # fmt: skip
    peers = table(PEERS, result["peers"], "no peers yet: 'appliance tunnel add NAME' lets one in")
    return Answer(result, (shown, peers), Exit.REFUSED if result["problem"] else Exit.OK)


def _show(session: Session) -> Answer:
    return _answer(_told(session))


def _on(session: Session, port: int, endpoint: str, network: str, by_panel: bool | None) -> Answer:
    wanted = {"on": True, "port": port, "endpoint": endpoint, "network": network, "by_panel": by_panel}
    return _answer(session.link().keeper(KeeperVerb.TUNNEL_SWITCH, wanted))


def _off(session: Session, yes: bool) -> Answer:
    if not yes:
        stay(_told(session)["networks"], "which closes")
    answer = _answer(session.link().keeper(KeeperVerb.TUNNEL_SWITCH, {"on": False}))
    return replace(answer, human=(*answer.human, *notes(session)))


def _add(session: Session, name: str, public_key: str, code: bool) -> Answer:
    result = session.link().keeper(KeeperVerb.TUNNEL_ADD, {"name": name, "public_key": public_key, "by": "root"})
    human: list[Any] = [result["text"].rstrip("\n")]
    if not public_key:
        if code:
            human += ["", qr_lines(result["text"])]
        human.append(line("Keep it: it holds the peer's private key and is shown this once.", "yellow"))
    return Answer(result, tuple(human))


def _remove(session: Session, name: str, yes: bool) -> Answer:
    if not yes:
        own = [address for peer in _told(session)["peers"] if peer["name"] == name for address in peer["addresses"]]
        stay(own, f"as {name}")
    result = session.link().keeper(KeeperVerb.TUNNEL_REMOVE, {"name": name, "by": "root"})
    return Answer(result, (line(f"{name} cannot come any more"), *notes(session)))


def _peer(session: Session, name: str) -> Answer:
    told = _told(session)
    for peer in told["peers"]:
        if peer["name"] == name:
            return Answer(peer, (_about(peer, told),))
    raise Failure(Exit.NOT_FOUND, f"the tunnel has no peer {name!r}", "'appliance tunnel show' lists them")


def _about(peer: Mapping[str, Any], told: Mapping[str, Any]) -> Any:
    alive = peer["handshake_at"] > time.time() - ALIVE_S
    return facts((
        ("peer", peer["name"]),
        ("state", "connected" if alive else "not connected"),
        ("addresses", ", ".join(peer["addresses"])),
        ("last handshake", _ago(peer["handshake_at"])),
        ("from", peer["endpoint"]),
        ("received", f"{peer['received_bytes']:,} bytes"),
        ("sent", f"{peer['sent_bytes']:,} bytes"),
        ("public key", peer["public_key"]),
        ("added", f"{moment(peer['added_at'])} by {peer['added_by'] or 'root'}"),
        ("appliance's key", told["public_key"]),
    ))  # fmt: skip


GROUP = Group("tunnel", "WireGuard for administrators: panel, console and SSH behind one UDP port.", "show")
NAME = argument("name")
YES = option("--yes", is_flag=True, default=False, help="Although it cuts off your own session.")

COMMANDS = (
    Command("tunnel show", "Show the tunnel and who may come through it.", _show),
    Command(
        "tunnel on",
        "Open the tunnel: its own network, its own rules, one UDP port.",
        _on,
        (
            option("--port", type=click.IntRange(0, 65535), default=0, help="UDP port; 0: as it was, 51820 at first."),
            option("--endpoint", default="", help="Name or address that peers are told; empty: as it was."),
            option("--network", default="", help="IPv4 network inside, such as 10.99.7.0/24; empty: as it was."),
            option(
                "--by-panel/--not-by-panel",
                default=None,
                help="Whether the panel may let peers in, or root alone; neither: as it was, root alone at first.",
            ),
        ),
        "Example: 'appliance tunnel on --endpoint pbx.example.org', then 'appliance tunnel add laptop'. Whoever comes "
        "through it counts as near: remoteadmin 1 lets him open the panel, and he logs in there as ever.",
    ),
    Command("tunnel off", "Close the tunnel; its peers stay in its book.", _off, (YES,)),
    Command(
        "tunnel add",
        "Let a peer in, and print his configuration, as text and as a QR code.",
        _add,
        (
            NAME,
            option("--public-key", default="", help="The key that the peer has made himself."),
            option("--code/--no-code", default=True, help="With the QR code, or without."),
        ),
        "His private key is made here, told this once and kept nowhere. Example: 'appliance --json tunnel add laptop "
        "| jq -r .text > laptop.conf'.",
    ),
    Command("tunnel remove", "Let a peer in no more; what he has open ends.", _remove, (NAME, YES)),
    Command("tunnel peer", "Show one peer: when it was heard last, from where, and how much.", _peer, (NAME,)),
)
