"""Pebble, the ACME server that Let's Encrypt tests clients with, on loopback or a laboratory's wire: it asks for
challenges over real HTTP, by names that a name server of its own leads to one address."""

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.ports import free_port

LOOPBACK = "127.0.0.1"
READY_S = 60.0


@dataclass(frozen=True)
class Pebble:
    """A running one. `directory`: its ACME directory; `authorities`: PEM of whom clients must know."""

    directory: str
    authorities: bytes
    own: bytes
    log: Path


@contextlib.contextmanager
def running(place: Path, http_port: int, address: str = LOOPBACK, own_address: str = LOOPBACK) -> Iterator[Pebble]:
    """One that asks for challenges at that port of the address that every name leads to; gone afterwards.
    `own_address`: where it is reached itself."""
    listen, manage, names, control = (free_port() for _ in range(4))
    now, key = time.time(), new_key()
    own = root(now, "Root of Pebble's own name")
    (place / "server.pem").write_bytes(pem_of(own.sign("localhost", ("localhost", own_address), key, now)))
    (place / "server.key").write_bytes(key_pem(key))
    config = {
        "listenAddress": f"{own_address}:{listen}", "managementListenAddress": f"{own_address}:{manage}",
        "certificate": str(place / "server.pem"), "privateKey": str(place / "server.key"),
        "httpPort": http_port, "tlsPort": 1, "ocspResponderURL": "", "externalAccountBindingRequired": False,
    }  # fmt: skip
    (place / "pebble.json").write_text(json.dumps({"pebble": config}))
    environment = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    log = place / "pebble.log"
    dns = [
        "pebble-challtestsrv", "-defaultIPv4", address, "-defaultIPv6", "", "-dns01", f"{LOOPBACK}:{names}",
        "-management", f"{LOOPBACK}:{control}", "-http01", "", "-https01", "", "-tlsalpn01", "",
    ]  # fmt: skip
    pebble = ["pebble", "-config", str(place / "pebble.json"), "-dnsserver", f"{LOOPBACK}:{names}"]
    with log.open("ab") as written, contextlib.ExitStack() as stack:
        for command in (dns, pebble):
            process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)
            stack.callback(_end, process)
        authorities = pem_of(own.certificate)
        issuing = _root(f"https://{own_address}:{manage}/roots/0", authorities, log)
        yield Pebble(f"https://{own_address}:{listen}/dir", authorities + issuing, authorities, log)


def _root(url: str, authorities: bytes, log: Path) -> bytes:
    context = ssl.create_default_context(cadata=authorities.decode())
    until = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > until:
                raise RuntimeError(f"Pebble does not answer: {log.read_text()[-1000:]}") from None
            time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(10)
