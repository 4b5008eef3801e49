"""libnftables in this process: commands in, all of them carried out or none. The only importer of its binding."""

from collections.abc import Iterable
from typing import Any, Final

from appliance import wire
from appliance.kernel import ruleset

_LONGEST_REASON: Final = 300


class Nft:
    """libnftables in this process and network namespace."""

    def __init__(self) -> None:
        """Raises WireError("no_nftables")."""
        try:
            from nftables import Nftables

            self._nft: Any = Nftables()
        except (ImportError, OSError):
            hint = "apt-get install python3-nftables"
            raise wire.WireError("no_nftables", "Python's nftables is missing", hint) from None

    def run(self, commands: Iterable[str]) -> None:
        """All commands, or none of them. Raises WireError("nft_refused")."""
        status, _, error = self._nft.cmd("\n".join(commands))
        if status:
            reason = " ".join(str(error).split())[:_LONGEST_REASON]
            raise wire.WireError("nft_refused", f"nftables does not take the rules: {reason}", "is nf_tables loaded?")

    def knows(self, what: str) -> bool:
        """Does `list WHAT` find something?"""
        return not self._nft.cmd(f"list {what}")[0]

    def listed(self, what: str) -> str:
        """What `list WHAT` prints; nothing where there is none."""
        status, text, _ = self._nft.cmd(f"list {what}")
        return "" if status else str(text)

    def close(self) -> None:
        """Lets go of the netlink socket, and so of the tables that it owns."""
        del self._nft


def remove_leftover(table: str) -> bool:
    """Removes a table that an earlier keeper left; False when there was none, or no nftables here."""
    try:
        nft = Nft()
    except wire.WireError:
        return False
    try:
        found = nft.knows(f"table {table}")
        if found:
            nft.run(ruleset.absence(table))
        return found
    finally:
        nft.close()
