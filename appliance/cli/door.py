"""What a change of trust means for SSH, on a machine whose packet filter keeps it: who is answered now, and whether the
session in which the command runs could come again."""

import contextlib
import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.show import line
from appliance.cli.table import Session
from appliance.config.private import ssh_words
from appliance.door import DIRECTORY, FILE
from appliance.tunnel import book
from appliance.wire import KeeperVerb

TUNNEL: Final = "tunnel/tunnel.json"  # below the state (appliance.tunnel.keeping)


def ssh_client(environment: Mapping[str, str] = os.environ, process: int | None = None) -> str:
    """The address from which the SSH session comes in which the command runs; empty outside of one.

    sudo and su keep the variable from the command, so the programs above it are asked as well (proc(5)).
    """
    if client := environment.get("SSH_CONNECTION", "").split(" ")[0]:
        return client
    process = os.getppid() if process is None else process
    with contextlib.suppress(OSError, ValueError, IndexError):
        while process > 1:
            for entry in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                if entry.startswith(b"SSH_CONNECTION="):
                    return entry.partition(b"=")[2].split(b" ")[0].decode()
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return ""


def notes(session: Session, client: str | None = None) -> tuple[Any, ...]:
    """Lines for after the change; none where SSH is not kept by the appliance, or the keeper is not there to say.

    `client`: from where the command's own session comes, if not from where the environment says.
    """
    link = session.link()
    try:
        if not link.keeper(KeeperVerb.STATUS).get("ssh_guarded"):
            return ()
        networks = link.office("allows.list")["administered_from"]
        tunnel = link.keeper(KeeperVerb.TUNNEL)["networks"]
    except Failure:
        return ()
    client = ssh_client() if client is None else client
    told = line(ssh_words(networks), "dim")
    if _comes_again(client, networks, tunnel):
        return (told,)
    warned = f"warning: SSH is closed to {client}, where you come from: this session stays, the next is not answered"
    return (told, line(warned, "yellow"), line("'appliance allow' lets an address in; 'appliance tunnel' one's laptop"))


def foreseen(session: Session, networks: Sequence[str]) -> tuple[tuple[Any, ...], str]:
    """Lines for before a change after which SSH answers `networks`, and the address of the session in which the command
    runs, if that could come now and not then; else empty. No lines where SSH is not kept by the appliance.

    While the keeper is down, what it has left in the state says so.
    """
    link, client = session.link(), ssh_client()
    tunnel = _kept(link)
    if tunnel is None:
        return (), ""
    told = line(f"then {ssh_words(networks)}", "dim")
    if _comes_again(client, networks, tunnel):
        return (told,), ""
    was = link.office("allows.list")["administered_from"]
    warned = line(f"warning: then SSH is closed to {client}, where you come from", "yellow")
    return (told, warned), client if _comes_again(client, was, tunnel) else ""


def _kept(link: Link) -> tuple[str, ...] | None:
    """The tunnel's networks, where the machine's packet filter keeps SSH; None where it does not."""
    with contextlib.suppress(Failure):
        guarded = link.keeper(KeeperVerb.STATUS).get("ssh_guarded")
        return tuple(link.keeper(KeeperVerb.TUNNEL)["networks"]) if guarded else None
    if not (link.state / DIRECTORY / FILE).exists():
        return None
    with contextlib.suppress(OSError, ValueError):
        found = book.read((link.state / TUNNEL).read_text(encoding="utf-8"))
        return (found.network4, found.network6) if found.on else ()
    return ()


def _comes_again(client: str, networks: Iterable[str], tunnel: Iterable[str]) -> bool:
    """Whether SSH answers the session's address then; nobody's it does."""
    return not client or inside(client, (*networks, *tunnel, "127.0.0.0/8", "::1/128"))


def stay(networks: Iterable[str], what: str) -> None:
    """Raises Failure where the session in which the command runs comes from these networks, whose way goes; `what` says
    more."""
    client = ssh_client()
    if inside(client, networks):
        words = f"you come through the tunnel from {client}, {what}"
        raise Failure(Exit.REFUSED, words, "your own session would be cut off; --yes does it all the same")


def inside(client: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks; nobody's does not."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ipaddress.ip_network(each) for each in networks)
