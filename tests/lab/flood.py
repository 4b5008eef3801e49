"""An attacker: a bounded flood of SIP-like datagrams from one namespace, in a process of its own."""

import multiprocessing
import socket
import time
from multiprocessing.sharedctypes import Synchronized

from tests.lab.network import Host, Lab, entered

PAYLOAD = (
    b"REGISTER sip:%b SIP/2.0\r\nVia: SIP/2.0/UDP %b:5099;branch=z9hG4bK%08x;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:100@%b>;tag=%08x\r\nTo: <sip:100@%b>\r\nCall-ID: %08x\r\nCSeq: 1 REGISTER\r\n"
    b"User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
)
MAX_SECONDS, MAX_PPS = 60.0, 100_000


class Flood:
    """At most `pps` datagrams a second for at most `seconds`; stops by itself."""

    def __init__(self, lab: Lab, host: Host, pps: int, seconds: float) -> None:
        self._host, self._pps, self._seconds = host, min(pps, MAX_PPS), min(seconds, MAX_SECONDS)
        self._sent: Synchronized[int] = multiprocessing.Value("q", 0)
        self._process = multiprocessing.Process(target=self._run, daemon=True)

    @property
    def sent(self) -> int:
        """Datagrams so far."""
        return int(self._sent.value)

    def start(self) -> None:
        """Begin."""
        self._process.start()

    def wait(self) -> None:
        """Until it has ended by itself."""
        self._process.join(self._seconds + 5)

    def close(self) -> None:
        """End it now."""
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _run(self) -> None:
        with entered(self._host.namespace):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server, me = self._host.gateway.encode(), self._host.address.encode()
        until, count, began = time.monotonic() + self._seconds, 0, time.monotonic()
        while (now := time.monotonic()) < until:
            if count > (now - began) * self._pps:
                time.sleep(0.001)  # the pace of the flood
                continue
            for _ in range(32):
                sock.sendto(PAYLOAD % (server, me, count, me, count, me, count), (self._host.gateway, 5060))
                count += 1
            self._sent.value = count
