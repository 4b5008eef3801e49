"""What the keeper runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """One guarded interface. `mode` is native, generic, nftables or none; `reason` says why it is no better one."""

    name: str
    mode: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What the keeper runs. `relay` is `kernel` or `user`: who forwards RTP; `relay_reason` says why not the kernel.
    `slot` is the image's that runs, empty elsewhere; `trial`: it is not confirmed yet. `ssh_guarded`: the machine's
    packet filter keeps SSH by the keeper's word (appliance/door.py), and `ssh` is whom it answers beside the tunnel."""

    version: int
    interfaces: tuple[Interface, ...]
    relay: str
    relay_reason: str = ""
    pinned: bool = False
    generation: int = 0
    sessions: int = 0
    bans: int = 0
    started_at: float = 0.0
    pairs: int = 0  # devices that are known or banned by address and port
    queue_delay_ms: float = -1.0  # of the last pulse; below 0: no service has pulsed
    offences: int = 0  # since the keeper started, as are the samples; what was lost, since the maps were made
    lost_offences: int = 0
    samples: int = 0
    lost_samples: int = 0
    missing: tuple[str, ...] = ()  # protection that this kind of gate does not give, in words
    slot: str = ""
    trial: bool = False
    ssh_guarded: bool = False
    ssh: tuple[str, ...] = ()
