"""Which SIP answers reach a peer on the wire, whoever in the appliance gave them: the kernel's and the service's."""

import socket
from collections import Counter
from types import TracebackType

from tests.lab.network import Host, Lab

_ETH_P_IP = 0x0800
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 16 * 1024 * 1024
_SIP_PORT = (5060).to_bytes(2, "big")


class Answers:
    """Listens while the context lasts; afterwards `statuses` has how many answers of each status came over UDP."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.statuses: Counter[int] = Counter()
        self._gateway = socket.inet_aton(host.gateway)
        self._socket = lab.socket(host.namespace, socket.SOCK_RAW, socket.AF_PACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.bind((host.interface, _ETH_P_IP))
        self._socket.setblocking(False)

    def __enter__(self) -> "Answers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._socket:
            while True:
                try:
                    self._count(self._socket.recv(2048))
                except BlockingIOError:
                    return

    def _count(self, frame: bytes) -> None:
        at = 14 + 4 * (frame[14] & 15)
        from_service = frame[23] == socket.IPPROTO_UDP and frame[26:30] == self._gateway
        if from_service and frame[at : at + 2] == _SIP_PORT and frame[at + 8 :].startswith(b"SIP/2.0 "):
            self.statuses[int(frame[at + 16 : at + 19])] += 1
