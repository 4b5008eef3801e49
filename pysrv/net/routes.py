"""Which local address faces a peer: what the kernel's routing table says, remembered for a short while."""

import socket

TTL_S = 30.0
MAX_ENTRIES = 4096


class LocalAddresses:
    """Answers "from which of our addresses does a packet to this peer leave?"."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._cache: dict[str, tuple[float, str | None]] = {}

    def facing(self, remote: str, now: float) -> str | None:
        """The listening address that faces `remote`, or None when there is no route or we do not listen there."""
        held = self._cache.get(remote)
        if held is not None and held[0] > now:
            return held[1]
        if len(self._cache) >= MAX_ENTRIES:
            self._cache.clear()
        local = self._ask(remote)
        self._cache[remote] = (now + TTL_S, local)
        return local

    def _ask(self, remote: str) -> str | None:
        family = socket.AF_INET6 if ":" in remote else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((remote, 9))  # no packet is sent: connect() on UDP only asks the routing table
                local = str(probe.getsockname()[0])
        except OSError:
            return None
        return local if local in self._addresses else None
