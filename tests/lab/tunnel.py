"""A peer of the administrators' tunnel: a real WireGuard in its own namespace, set up by the text that it was given."""

import configparser
import http.client
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from appliance.kernel import wireguard
from appliance.kernel.uapi import Heard, PeerRow
from tests.lab.network import Host, Lab, entered

PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the configuration says."""

    private_key: str
    addresses: tuple[str, ...]
    appliance_key: str
    shared_secret: str
    endpoint: tuple[str, int]
    allowed: tuple[str, ...]


def read(text: str) -> Told:
    """The configuration as wg-quick(8) reads it."""
    found = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    found.read_string(text)
    ours, theirs = found["Interface"], found["Peer"]
    host, _, port = theirs["Endpoint"].rpartition(":")
    return Told(
        ours["PrivateKey"],
        tuple(ours["Address"].split(", ")),
        theirs["PublicKey"],
        theirs["PresharedKey"],
        (host.strip("[]"), int(port)),
        tuple(theirs["AllowedIPs"].split(", ")),
    )


class TunnelPeer:
    """Up while the context lasts."""

    def __init__(self, lab: Lab, host: Host, told: Told) -> None:
        self._lab, self._host, self.told = lab, host, told
        self._name = f"{lab.prefix}-{host.name}"[-15:]

    def __enter__(self) -> "TunnelPeer":
        told = self.told
        with entered(self._host.namespace):
            self._interface = wireguard.raised(self._name, survive=False)
            row = PeerRow(told.appliance_key, told.shared_secret, told.allowed, told.endpoint)
            self._interface.become(told.private_key, 0, [row], told.addresses)
        for network in told.allowed:
            self._lab.run(self._host.namespace, ["ip", "route", "replace", network, "dev", self._name])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with entered(self._host.namespace):
            self._interface.remove()

    def heard(self) -> Heard:
        """What it knows of the appliance."""
        with entered(self._host.namespace):
            return self._interface.heard()[self.told.appliance_key]


def page(host: Host, address: str, port: int, path: str, patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Status and body of a page that a browser in the host's namespace gets. Raises OSError."""
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(address, port, timeout=patience_s, context=context)
    try:
        with entered(host.namespace):
            connection.connect()
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
