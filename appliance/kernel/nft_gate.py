"""The gate without XDP: the same verbs over an nftables table, where no program can be loaded or attached.

The table belongs to this process (its netlink socket owns it): when the process ends, however it ends, the table is
gone, as an unpinned program would be. With `pinned` it stays. Every change is one transaction: packets meet the old
rules or the new ones. Somebody who flushes the rule set is undone by tick().
"""

import socket
from dataclasses import replace
from typing import Final

from appliance import wire
from appliance.kernel import chains, link, ruleset
from appliance.kernel.nft import Nft
from appliance.kernel.nft_tables import NftTables
from appliance.kernel.surface import GateSurface

MODE: Final = "nftables"


class NftGate(GateSurface):
    """The keeper's gate over nftables. Use `NftGate.load()`, then `attach()`; `close()` removes it unless pinned."""

    def __init__(self, nft: Nft, table: str, reason: str, *, pinned: bool) -> None:
        self._nft, self._table, self._reason = nft, table, reason
        self._written = NftTables(nft, table, owned=not pinned)
        taken_over = pinned and nft.knows(f"set {table} {ruleset.version()}")
        with self._written.held():
            super().__init__(self._written)
        if taken_over:
            self._written.wait_for_plan()
        else:
            self._written.settle(anew=True)
        self._pinned = pinned
        self._relay_reason = "nftables does not relay"

    @classmethod
    def load(cls, table: str, reason: str, *, pinned: bool = False) -> "NftGate":
        """Makes the table `table`, or takes over an earlier keeper's; `reason` says why there is no XDP.

        What an earlier keeper wrote judges on until the first plan. Raises WireError: "no_nftables", "nft_refused".
        """
        return cls(Nft(), table, reason, pinned=pinned)

    def attach(self, ifname: str, mode: str = MODE) -> wire.Interface:  # noqa: ARG002 - there is one mode
        """Judges what arrives on the interface and on its VLAN interfaces. Raises WireError("no_interface")."""
        link.attached(ifname)
        self._interfaces[ifname] = wire.Interface(ifname, MODE, self._reason)
        self._written.set_interfaces(self._names())
        return self._interfaces[ifname]

    def relay_in_userspace(self, reason: str) -> None:
        """It is so anyway; `reason` is what status() says."""
        self._relay_reason = reason

    def sync(self, wanted: wire.Plan) -> wire.Applied:
        """As GateSurface's, in one transaction."""
        with self._written.batch():
            return super().sync(wanted)

    def tick(self) -> int:
        """As GateSurface's; and a table that somebody has flushed or changed is written again."""
        gone = super().tick()
        self._written.feel_pressure()
        if not self._written.stands():
            self._written.settle(anew=True)
        elif (names := self._names()) != self._written.interfaces:
            self._written.set_interfaces(names)
        return gone

    def close(self) -> None:
        """Unpinned: the table goes. Pinned: it stays, and judges by the last plan."""
        self._nft.close()

    def remove(self) -> None:
        """Removes the table, pinned or not."""
        self._nft.run(ruleset.absence(self._table))
        self.close()

    def status(self) -> wire.GateStatus:
        """As GateSurface's, with what this gate cannot do."""
        return replace(super().status(), missing=chains.MISSING)

    def _names(self) -> frozenset[str]:
        """The interfaces and the VLAN interfaces on them: there packets arrive under the latter's names."""
        names = set(self._interfaces)
        for ifindex in link.paths(sorted(names)) if names else ():
            try:
                names.add(socket.if_indextoname(ifindex))
            except OSError:
                continue  # gone meanwhile
        return frozenset(names)
