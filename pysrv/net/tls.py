"""SIP over TLS (RFC 3261 26.2.1, RFC 5922): what it adds to the streams of pysrv.net.tcp.

Telephones come to us: a request to one goes over the connection that it has opened, or nowhere, since nobody could say
whose certificate to expect. Connections to carriers are ours: their certificate must be for the name that the trunk
has, and nothing is sent over a connection on which that was not checked. Connections are counted before the handshake.
"""

import ssl
from collections.abc import Callable
from typing import Any

from pysrv.net import tcp
from pysrv.net.doors import Doors, Room
from pysrv.net.tcp import TcpConnections
from pysrv.net.udp import bind_error
from pysrv.sip.events import Flow


class TlsConnections(TcpConnections):
    """The TLS listeners and every open connection."""

    transport = "tls"
    reuses_accepted = False

    def secure(
        self,
        server: Callable[[], ssl.SSLContext],
        client: Callable[[], ssl.SSLContext],
        name_of: Callable[[Flow], str | None],
    ) -> None:
        """Before all else. `server` and `client` are asked for each connection; `name_of` says whose certificate a peer
        must show (a DNS name or an address), None: we open no connection to it.
        """
        self._client, self._name_of = client, name_of
        self._doors = Doors(self.protocol, server, lambda: Room(tcp.MAX_CONNECTIONS, tcp.MAX_PER_NETWORK))

    async def listen(self, address: str, port: int) -> None:
        """Bind `address`:`port`. Raises PortBusy."""
        try:
            self.port = self._doors.open(address, port)
        except OSError as error:
            raise bind_error("TLS", address, port, error) from None

    def dialling(self, flow: Flow) -> dict[str, Any] | None:
        """The peer's certificate must be for its name."""
        name = self._name_of(flow)
        return None if name is None else {"ssl": self._client(), "server_hostname": name}

    async def close(self) -> None:
        """Stop listening and close every connection."""
        await self._doors.close()
        await super().close()
