"""Verbs about the administrators' tunnel: who may come, one more, one less. The keeper carries them out.

Whether there is a tunnel, on which port and in which network, is root's to say on the machine.
"""

from dataclasses import dataclass
from typing import Any, TypedDict

from appliance import wire
from appliance.wire import KeeperVerb, WireError
from pysrv.control.answer import Removed
from pysrv.control.desk import Desk


@dataclass(frozen=True, slots=True)
class AddPeer:
    """Somebody new, with a key of his own or (empty) one that is made here."""

    name: str
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class PeerNamed:
    """A peer by its name."""

    name: str


class TunnelAnswer(TypedDict):
    """The tunnel as it is."""

    tunnel: wire.TunnelStatus


class PeerAdded(TypedDict):
    """A peer that was added. `text`: his configuration; a private key that was made here is told this once."""

    peer: wire.TunnelPeer
    text: str


def show(desk: Desk, _: Any) -> TunnelAnswer:
    """tunnel.show"""
    return {"tunnel": wire.from_dict(wire.TunnelStatus, _asked(desk, KeeperVerb.TUNNEL, wire.TunnelQuery(heard=True)))}


def add(desk: Desk, args: AddPeer) -> PeerAdded:
    """tunnel.add"""
    said = _asked(desk, KeeperVerb.TUNNEL_ADD, wire.NewPeer(args.name, args.public_key, desk.who))
    made = wire.from_dict(wire.PeerMade, said)
    desk.store.note(desk.who, "tunnel.add", f"peer {args.name}", "", made.peer.public_key)
    return {"peer": made.peer, "text": made.text}


def remove(desk: Desk, args: PeerNamed) -> Removed:
    """tunnel.remove"""
    _asked(desk, KeeperVerb.TUNNEL_REMOVE, wire.PeerRef(args.name, desk.who))
    desk.store.note(desk.who, "tunnel.remove", f"peer {args.name}", args.name, "")
    return {"removed": args.name}


def _asked(desk: Desk, verb: KeeperVerb, args: Any) -> Any:
    if desk.keeper is None:
        raise WireError("not_running", "the appliance is not running, so there is no tunnel", "start it first")
    return desk.keeper(verb, args)
