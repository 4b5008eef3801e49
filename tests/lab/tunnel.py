"""A peer of the administrators' tunnel: a real WireGuard in its own namespace, set up by the text that it was given."""

import configparser
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from appliance import verbs, wire
from appliance.config.options import RunOptions
from appliance.kernel import wireguard
from appliance.kernel.fake import FakeGate
from appliance.kernel.uapi import Heard, PeerRow
from appliance.tunnel.keeping import Tunnel, place_of
from appliance.wire import KeeperVerb
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


class KeeperHere:
    """The keeper's verbs about the tunnel in this process, with a real book; the tunnel itself stays off."""

    def __init__(self, directory: Path) -> None:
        self.said: list[str] = []
        place = place_of(RunOptions(state=str(directory), runtime=str(directory / "run"), listen=("192.0.2.1",)))
        self.tunnel = Tunnel(place, lambda _port: None, self.said.append)
        self.tunnel.start()

    def by_panel(self) -> None:
        """As root's 'appliance tunnel on --by-panel', but for the tunnel itself."""
        self.tunnel.switch(wire.TunnelSwitch(False, by_panel=True))

    def __call__(self, verb: KeeperVerb, args: Any = None) -> Mapping[str, Any]:
        """As pysrv.net.keeper_call."""
        line = verbs.answer(
            FakeGate(), verbs.Caller.OFFICE, wire.request(1, verb, args), self.said.append, tunnel=self.tunnel
        )
        reply = json.loads(line)
        if not reply["ok"]:
            raise wire.WireError(**reply["error"])
        return dict(reply["result"])
