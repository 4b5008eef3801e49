"""Whoever comes to the administrators' tunnel or goes is told once, whoever let him in."""

from dataclasses import replace

from appliance import wire
from pysrv.limits.notices import KINDS
from pysrv.office.peers import Peers

EMPTY = wire.TunnelStatus(True, 51820, "", "the appliance's key", "wg")


def peer(name: str, key: str, by: str = "") -> wire.TunnelPeer:
    return wire.TunnelPeer(name, key, ("10.9.0.2",), 7.0, by)


def test_who_comes_and_goes_is_told_once_and_who_was_there_is_not() -> None:
    told: list[tuple[str, str, dict[str, str]]] = []
    peers = Peers(lambda kind, key, figures: told.append((kind, key, dict(figures))))
    old, new = peer("old", "k1"), peer("new", "k2", "web:olga")
    assert peers.count == 0
    peers.follow(replace(EMPTY, peers=(old,)))
    assert (told, peers.count) == ([], 1)
    for _ in range(2):
        peers.follow(replace(EMPTY, peers=(old, new)))
    assert told == [("tunnel_peer_added", "k2:7", {"peer": "new", "who": "web:olga"})]
    assert peers.count == 2
    told.clear()
    # A key that is another one is somebody else, whatever he is called; a book that cannot be read shuts nobody out.
    peers.follow(wire.TunnelStatus(False, 51820, "", "", "wg", problem="tunnel.json cannot be read"))
    peers.follow(replace(EMPTY, peers=(peer("old", "k3"), new)))
    assert told == [
        ("tunnel_peer_added", "k3:7", {"peer": "old", "who": "root"}), ("tunnel_peer_removed", "k1:7", {"peer": "old"}),
    ]  # fmt: skip
    assert {kind for kind, _, _ in told} <= set(KINDS)
