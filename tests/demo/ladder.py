"""A call as a ladder diagram: SIP that crossed two wires, caught there and drawn between three columns."""

import json
import re
import socket
import struct
import threading
from pathlib import Path
from typing import Any

from rich.text import Text

from appliance.cli.ladder import drawn
from tests.lab.network import Lab

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
_FIRST = re.compile(rb"^(?:SIP/2\.0 (\d{3} [^\r]*)|([A-Z]+) \S+ SIP/2\.0)\r\n")


class Sniffer:
    """Writes down the first line of each SIP message that two peers send or get."""

    def __init__(self, lab: Lab, path: Path, peers: tuple[str, str]) -> None:
        self._file = path.open("w")
        self._lock = threading.Lock()
        self._open = True
        self._threads = []
        for side, peer in enumerate(peers):
            host = lab.hosts[peer]
            sock = lab.socket(host.namespace, socket.SOCK_RAW, socket.AF_PACKET)
            sock.bind((host.interface, ETH_P_ALL))
            sock.settimeout(0.2)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # the kernel's clock: threads wake in any order
            thread = threading.Thread(
                target=self._listen, args=(sock, side, socket.inet_aton(host.address)), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop."""
        self._open = False
        for thread in self._threads:
            thread.join()
        self._file.close()

    def _listen(self, sock: socket.socket, side: int, address: bytes) -> None:
        while self._open:
            try:
                frame, extra, _, _ = sock.recvmsg(4096, 64)
            except TimeoutError:
                continue
            if len(frame) > 42 and frame[12:14] == b"\x08\x00" and frame[23] == 17:
                seconds, nanoseconds = struct.unpack("qq", extra[0][2])
                self._note(frame[42:], side, frame[26:30] == address, seconds + nanoseconds / 1e9)
        sock.close()

    def _note(self, payload: bytes, side: int, outward: bool, at: float) -> None:
        match = _FIRST.match(payload)
        if match is None:
            return
        found = re.search(rb"\r\n(?:CSeq): *\d+ ([A-Z]+)", payload)
        row = {
            "at": at,
            "side": side,
            "out": outward,
            "text": (match[1] or match[2]).decode(),
            "method": found[1].decode() if found else "",
        }
        with self._lock:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()


def ladder(path: Path) -> Text:
    """The last call in the log: caller, appliance, carrier."""
    rows = sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda row: row["at"])
    rows = [row for row in rows if row["method"] not in ("REGISTER", "OPTIONS", "")]
    starts = [row["at"] for row in rows if row["side"] == 1 and row["text"] == "INVITE"]
    if not starts:
        return Text("no call crossed the trunk")
    first = max(
        (r["at"] for r in rows if r["side"] == 0 and r["text"] == "INVITE" and r["at"] < starts[-1]), default=0.0
    )
    earlier = [r["at"] for r in rows if r["side"] == 0 and r["text"] == "INVITE" and first - 2 < r["at"] <= first]
    begin = min(earlier, default=first)
    columns = [{"name": name} for name in ("caller", "appliance", "carrier")]
    return drawn(columns, [_rung(row, begin) for row in rows if row["at"] >= begin])


def _rung(row: dict[str, Any], begin: float) -> dict[str, Any]:
    peer = 0 if row["side"] == 0 else 2
    source, target = (peer, 1) if row["out"] else (1, peer)
    return {"after_s": row["at"] - begin, "source": source, "target": target, "text": row["text"]}
