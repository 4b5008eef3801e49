"""A call as a ladder diagram: SIP that crossed two wires, caught there and drawn between three columns."""

import json
import re
import socket
import threading
import time
from pathlib import Path

from rich.text import Text

from tests.lab.network import Lab

ETH_P_ALL = 3
COLUMN = 34
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
                frame = sock.recv(4096)
            except TimeoutError:
                continue
            if len(frame) > 42 and frame[12:14] == b"\x08\x00" and frame[23] == 17:
                self._note(frame[42:], side, frame[26:30] == address)
        sock.close()

    def _note(self, payload: bytes, side: int, outward: bool) -> None:
        match = _FIRST.match(payload)
        if match is None:
            return
        found = re.search(rb"\r\n(?:CSeq): *\d+ ([A-Z]+)", payload)
        row = {
            "at": time.monotonic(),
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
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row for row in rows if row["method"] not in ("REGISTER", "OPTIONS", "")]
    starts = [row["at"] for row in rows if row["side"] == 1 and row["text"] == "INVITE"]
    if not starts:
        return Text("no call crossed the trunk")
    first = max(
        (r["at"] for r in rows if r["side"] == 0 and r["text"] == "INVITE" and r["at"] < starts[-1]), default=0.0
    )
    earlier = [r["at"] for r in rows if r["side"] == 0 and r["text"] == "INVITE" and first - 2 < r["at"] <= first]
    begin = min(earlier, default=first)
    text = Text(f"{'':9}{'caller':<{COLUMN}}{'appliance':<{COLUMN}}carrier\n", style="bold")
    for row in (row for row in rows if row["at"] >= begin):
        text.append(_rung(row, begin))
    return text


def _rung(row: dict[str, object], begin: float) -> str:
    label, width = f" {row['text']} ", COLUMN - 2
    rightward = row["out"] if row["side"] == 0 else not row["out"]
    arrow = f"{label:─^{width - 1}}"
    arrow = f"{arrow}▶" if rightward else f"◀{arrow}"
    at = f"{float(str(row['at'])) - begin:7.3f}  "
    if row["side"] == 0:
        return f"{at}│{arrow} │{'':{width}} │\n"
    return f"{at}│{'':{width}} │{arrow} │\n"
