"""A web server with a build's outputs, behind TLS: a directory, a certificate by an authority of its own, and the ways
in which a source of updates can go wrong."""

import datetime
import hashlib
import http.server
import ipaddress
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SUMS = "SHA256SUMS"
MOST_DRIPS = 10_000  # of one answer
PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs servers' certificates, with every extension that strict programs want (RFC 5280)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._made("an authority", self._key, None)
        self.pem = self._certificate.public_bytes(PEM)

    def pair(self, address: str, place: Path) -> Path:
        """A file with certificate and key for an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        place.write_bytes(self._made("a server", key, address).public_bytes(PEM) + private)
        return place

    def _made(self, name: str, key: ec.EllipticCurvePrivateKey, address: str | None) -> x509.Certificate:
        """`address`: whose it is; None: the authority's own."""
        own, now = address is None, datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signs = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        usage = x509.KeyUsage(digital_signature=not own, key_cert_sign=own, crl_sign=own, **signs)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)  # a machine's clock may go after
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(self._key, hashes.SHA256())


@dataclass
class Manners:
    """How it behaves: `cuts`: after how many bytes each of the next answers breaks off; `ranges`: whether it can begin
    in the middle; `sized`: whether it says how long a file is; `redirect`: where it sends everybody; `speaks`: cleared,
    it takes connections and says nothing; `drip_s`: seconds between two letters of a header without an end; `claims`:
    headers in place of its own; `reason`: it refuses everything with these words; `chatter`: bytes that follow a
    redirect's head."""

    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    sized: bool = True
    redirect: str = ""
    speaks: threading.Event = field(default_factory=threading.Event)
    drip_s: float = 0.0
    claims: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    chatter: int = 0


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, directory: Path, manners: Manners) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.directory, self.manners = directory, manners
        self.asked: list[tuple[str, str]] = []  # path, range
        self.sent = 0  # bytes after redirects' heads

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or trusts nobody here, is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        manners = self.server.manners
        asked = self.headers.get("Range", "")
        self.server.asked.append((self.path.rpartition("/")[2], asked))
        if not manners.speaks.wait(30):
            return
        if manners.drip_s:
            self._drip(manners.drip_s)
            return
        if manners.reason:
            self.send_response(503, manners.reason)
            self.end_headers()
            return
        if manners.redirect:
            self.send_response(302)
            self.send_header("Location", manners.redirect + self.path)
            self.end_headers()
            for _ in range(0, manners.chatter, 4096):
                self.server.sent += self.wfile.write(bytes(4096))
            return
        file = self.server.directory / self.path.rpartition("/")[2]
        if not file.is_file():
            self.send_error(404)
            return
        self._send(file.read_bytes(), asked if manners.ranges else "")

    def _drip(self, pause_s: float) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
        for _ in range(MOST_DRIPS):  # until the client goes away
            self.wfile.write(b"a")
            time.sleep(pause_s)

    def send_header(self, keyword: str, value: str) -> None:
        """What is claimed in its place, if something is."""
        super().send_header(keyword, self.server.manners.claims.get(keyword, value))

    def _send(self, content: bytes, asked: str) -> None:
        manners, begins = self.server.manners, re.fullmatch(r"bytes=([0-9]+)-", asked)
        at = int(begins[1]) if begins else 0
        if begins and at >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begins else 200)
        if begins:
            self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        if manners.sized:
            self.send_header("Content-Length", str(len(content) - at))
        self.end_headers()
        cut = manners.cuts.pop(0) if manners.cuts and self.path.endswith(".raucb") else len(content)
        self.wfile.write(content[at : at + cut])
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `asked` has it."""


class Shelf:
    """Serves a directory from `with` to its end. `listener`: a stream socket that is not bound yet, of whichever
    network namespace."""

    def __init__(
        self, listener: socket.socket, address: str, directory: Path, authority: Authority, port: int = 0
    ) -> None:
        self.directory, self.manners = directory, Manners()
        self.manners.speaks.set()
        directory.mkdir(exist_ok=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.pair(address, directory.parent / "server.pem"))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        self.url = f"https://{address}:{listener.getsockname()[1]}/updates/"
        wrapped = context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)
        self._server = _Server(wrapped, directory, self.manners)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.manners.speaks.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Files that were asked for, each with the range, in their order."""
        return self._server.asked

    @property
    def sent(self) -> int:
        """Bytes that somebody took after redirects' heads."""
        return self._server.sent

    def list(self) -> None:
        """Write SHA256SUMS of what lies there, as a build does."""
        files = sorted(path for path in self.directory.iterdir() if path.name != SUMS)
        rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
        (self.directory / SUMS).write_text("".join(rows))
