"""Who may come through the administrators' tunnel, looked at as the keeper tells it: whoever comes or goes is told.

It does not matter who let him in, root on the machine or somebody in the panel. Of what happened while no office ran
nothing is told: what the first word of the keeper says is what is known.
"""

from collections.abc import Callable, Mapping

from appliance import wire

ROOT = "root"  # whoever used the command is told so


class Peers:
    """`tell(kind, key, figures)` puts a notice into the outbox."""

    def __init__(self, tell: Callable[[str, str, Mapping[str, str]], None]) -> None:
        self._tell = tell
        self._known: dict[str, wire.TunnelPeer] | None = None

    @property
    def count(self) -> int:
        """How many may come."""
        return len(self._known or ())

    def follow(self, status: wire.TunnelStatus) -> None:
        """What the keeper says of the tunnel now. A peer is who he is by his key."""
        if status.problem and not status.public_key:
            return  # its book cannot be read: nobody was shut out by a hand
        now = {peer.public_key: peer for peer in status.peers}
        before, self._known = self._known, now
        if before is None or before.keys() == now.keys():
            return
        for key, peer in now.items():
            if key not in before:
                told = f"{key}:{peer.added_at:.0f}"
                self._tell("tunnel_peer_added", told, {"peer": peer.name, "who": peer.added_by or ROOT})
        for key, peer in before.items():
            if key not in now:
                self._tell("tunnel_peer_removed", f"{key}:{peer.added_at:.0f}", {"peer": peer.name})
