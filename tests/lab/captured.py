"""What real tools send: each is run in a namespace against a socket of ours, and its requests are kept.

The socket answers every request with a challenge, so that what a tool sends with credentials is kept too.
"""

import os
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.network import Host, Lab, end
from tests.lab.phones import Phone

ROOT = Path(__file__).resolve().parents[2]
PORT = 5060
WAIT_S = 20.0
_CHALLENGE = 'WWW-Authenticate: Digest realm="x", nonce="0123456789abcdef", algorithm=MD5, qop="auth"\r\n'
_COPIED = re.compile(rb"^(?:via|v|from|f|to|t|call-id|i|cseq)[ \t]*:.*\r\n", re.IGNORECASE | re.MULTILINE)


def sent_by(lab: Lab, host: Host, command: Sequence[str], most: int = 2) -> list[bytes]:
    """The first requests of a program that runs in `host`'s namespace, until it ends or has sent `most`."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    with _listening(lab, host) as ear:
        process = lab.start(host.namespace, command, **quiet, env=env, cwd="/")
        try:
            return _heard(ear, most, process)
        finally:
            end(process)


def sent_by_baresip(lab: Lab, host: Host, directory: Path) -> list[bytes]:
    """A softphone's REGISTER, without and with credentials."""
    with _listening(lab, host) as ear:
        phone = Phone(lab, host, directory, "anna", "secret")
        try:
            return _heard(ear, 2, None)
        finally:
            phone.close()


def _listening(lab: Lab, host: Host) -> socket.socket:
    ear = lab.socket(lab.appliance)
    ear.bind((host.gateway, PORT))
    ear.settimeout(0.5)
    return ear


def _heard(ear: socket.socket, most: int, process: "subprocess.Popen[bytes] | None") -> list[bytes]:
    requests: list[bytes] = []
    for _ in range(int(WAIT_S / 0.5)):
        try:
            data, sender = ear.recvfrom(65535)
        except TimeoutError:
            if process is not None and process.poll() is not None:
                break
            continue
        if data.strip() and data not in requests:
            requests.append(data)
            ear.sendto(_challenged(data), sender)
        if len(requests) >= most:
            break
    return requests


def _challenged(request: bytes) -> bytes:
    copied = b"".join(_COPIED.findall(request))
    copied = re.sub(rb"^((?:to|t)[ \t]*:[^\r]*?)\r\n", rb"\1;tag=1\r\n", copied, flags=re.IGNORECASE | re.MULTILINE)
    return b"SIP/2.0 401 Unauthorized\r\n" + copied + _CHALLENGE.encode() + b"Content-Length: 0\r\n\r\n"
