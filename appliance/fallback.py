"""Which gate is held: XDP in the driver, XDP in the stack, or nftables; the best that this machine lets be held.

Each step down has a reason, which status() shows. What an earlier keeper left of the other kind goes once the new gate
stands, so that no packet meets two of them. Must not know: bcc, libnftables.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from appliance import verbs, wire
from appliance.config.options import Mode, RunOptions
from appliance.kernel import nft
from appliance.wire import WireError

# Refusals of XDP after which nftables may still hold; others (no such interface, somebody else's program) are the
# operator's to clear up.
NO_XDP: Final = frozenset({"no_bcc", "no_headers", "bpf_refused", "xdp_refused"})


class HeldGate(verbs.Gate, Protocol):
    """The gate as the keeper itself uses it, beside its verbs."""

    def attach(self, ifname: str, mode: str = "auto", /) -> wire.Interface: ...
    def tick(self) -> int: ...
    def guard_tunnel(self, port: int, /) -> None: ...
    def close(self) -> None: ...
    def relay_in_userspace(self, reason: str, /) -> None: ...


class XdpGate(HeldGate, Protocol):
    """One whose programs and maps may be pinned."""

    def settle_pins(self) -> None: ...


Load = Callable[[Path | None], XdpGate]


def hold(load: Load, options: RunOptions, pins: Path, table: str) -> HeldGate:
    """The gate, attached to all interfaces of `options`; `pins` and `table` are where each kind outlives a keeper.

    Raises WireError when the mode that was asked for cannot be had, or not even nftables.
    """
    reason = "asked for"
    if options.mode is not Mode.NFTABLES:
        try:
            gate = _xdp(load, options, pins if options.pin else None)
        except WireError as refused:
            if options.mode is not Mode.AUTO or refused.code not in NO_XDP:
                raise
            reason = f"no XDP: {refused.message}"
        else:
            nft.remove_leftover(table)
            return gate
    gate = _nftables(options, table, reason)
    shutil.rmtree(pins, ignore_errors=True)  # with its pinned links an earlier keeper's program goes
    return gate


def _nftables(options: RunOptions, table: str, reason: str) -> HeldGate:
    from appliance.kernel.nft_gate import NftGate  # late: XDP needs neither it nor what it imports

    gate = NftGate.load(table, reason, pinned=options.pin)
    try:
        for name in options.interfaces:
            gate.attach(name)
    except WireError:
        gate.remove()
        raise
    return gate


def _xdp(load: Load, options: RunOptions, pins: Path | None) -> HeldGate:
    gate = load(pins)
    try:
        for name in options.interfaces:
            gate.attach(name, "careful" if options.mode is Mode.AUTO else options.mode.value)
    except WireError:
        gate.close()
        raise
    gate.settle_pins()
    return gate
