"""WireGuard's cross-platform configuration protocol: lines over a unix socket, as wireguard-go speaks it.

https://www.wireguard.com/xplatform/ : `set=1` or `get=1`, then one `key=value` a line, an empty line at the end; keys
are in hexadecimal. Must not know what a tunnel is for.
"""

import base64
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.wire import WireError

SOCKETS: Final = Path("/var/run/wireguard")
TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One peer as the device has it; keys in base64, `allowed` its networks, `endpoint` only where we call first."""

    public_key: str
    shared_secret: str
    allowed: tuple[str, ...]
    endpoint: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What the device knows of a peer; `handshake_at` in Unix time, 0: never."""

    endpoint: str = ""
    handshake_at: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0


def answers(name: str) -> bool:
    """Whether a device of that name listens."""
    try:
        _ask(name, "get=1\n\n")
    except WireError:
        return False
    return True


def change(name: str, private_key: str, port: int, wanted: Iterable[PeerRow], gone: Iterable[str]) -> None:
    """Sets key and port, removes the peers `gone` by their public keys and sets those that are `wanted`. Raises
    WireError("no_tunnel")."""
    lines = ["set=1", f"private_key={_hex(private_key)}", f"listen_port={port}"]
    for key in gone:
        lines += [f"public_key={_hex(key)}", "remove=true"]
    for peer in wanted:
        lines += [f"public_key={_hex(peer.public_key)}", f"preshared_key={_hex(peer.shared_secret)}"]
        if peer.endpoint is not None:
            host, number = peer.endpoint
            lines.append(f"endpoint={f'[{host}]' if ':' in host else host}:{number}")
        lines += ["replace_allowed_ips=true", *(f"allowed_ip={network}" for network in peer.allowed)]
    _ask(name, "\n".join(lines) + "\n\n")


def heard(name: str) -> dict[str, Heard]:
    """The device's peers by their public keys. Raises WireError("no_tunnel")."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in _ask(name, "get=1\n\n"):
        field, _, value = line.partition("=")
        if field == "public_key":
            fields = found.setdefault(base64.b64encode(bytes.fromhex(value)).decode(), {})
        fields[field] = value
    return {key: _heard(each) for key, each in found.items()}


def _heard(fields: dict[str, str]) -> Heard:
    seconds, nanoseconds = (int(fields.get(f"last_handshake_time_{unit}", 0)) for unit in ("sec", "nsec"))
    return Heard(
        fields.get("endpoint", ""),
        seconds + nanoseconds / 1e9,
        int(fields.get("rx_bytes", 0)),
        int(fields.get("tx_bytes", 0)),
    )


def _ask(name: str, text: str) -> Sequence[str]:
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(str(SOCKETS / f"{name}.sock"))
            sock.sendall(text.encode("ascii"))
            reply = b""
            while not reply.endswith(b"\n\n"):
                more = sock.recv(65_536)
                if not more:
                    break
                reply += more
    except OSError as error:
        raise WireError("no_tunnel", f"wireguard-go does not answer for {name}: {error.strerror or error}") from None
    lines = reply.decode("ascii", "replace").strip().splitlines()
    if not lines or lines[-1] != "errno=0":
        words = lines[-1] if lines else "nothing"
        raise WireError("no_tunnel", f"wireguard-go does not take the configuration of {name}: {words}")
    return lines[:-1]


def _hex(key: str) -> str:
    return base64.b64decode(key).hex()
