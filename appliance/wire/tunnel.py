"""The administrators' tunnel (WireGuard) on the wire: what it is, who may come through it, what changes it.

Keys are as wg(8) writes them: 32 bytes in base64. No private key but the one in `PeerMade.text` ever crosses.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TunnelQuery:
    """What to tell of the tunnel; `heard`: when each peer was heard last, too, which asks the kernel."""

    heard: bool = False


@dataclass(frozen=True, slots=True)
class TunnelPeer:
    """One who may come. `addresses` are his in the tunnel; `handshake_at` 0: never since the interface was made."""

    name: str
    public_key: str
    addresses: tuple[str, ...]
    added_at: float
    added_by: str = ""
    endpoint: str = ""
    handshake_at: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """The tunnel now. `on`: it is wanted; `problem`: why it is not there all the same.

    `addresses` are the appliance's own in the tunnel, `networks` those of all who come through it: empty while nobody
    can. `kind` says who carries it: `kernel`, or `wireguard-go` where the kernel cannot. `by_panel`: root lets the
    office add peers too.
    """

    on: bool
    port: int
    endpoint: str
    public_key: str
    interface: str
    kind: str = ""
    problem: str = ""
    addresses: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    peers: tuple[TunnelPeer, ...] = ()
    by_panel: bool = False


@dataclass(frozen=True, slots=True)
class TunnelSwitch:
    """The tunnel as it should be; 0, empty texts and None leave what was.

    `endpoint` is the host that peers are told (a name or an address, with or without a port), `network` the IPv4
    network inside. `by_panel`: whether the office may add peers, or root alone.
    """

    on: bool
    port: int = 0
    endpoint: str = ""
    network: str = ""
    by_panel: bool | None = None


@dataclass(frozen=True, slots=True)
class NewPeer:
    """Somebody new. Without `public_key` his keys are made here; `by` is who lets him in, for the record."""

    name: str
    public_key: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class PeerRef:
    """A peer by its name."""

    name: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class PeerMade:
    """A peer that was added: `text` is his configuration, which is told this once if his key was made here."""

    peer: TunnelPeer
    text: str
