"""The trial of a slot: healthy is who serves HTTPS and SIP, as the keeper's own file says where."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from appliance import trial
from appliance.config.options import OPTIONS_VARIABLE, RunOptions
from appliance.unit import environment_file


class Ready(BaseHTTPRequestHandler):
    """Answers /readyz."""

    def do_GET(self) -> None:
        """200, and 404 elsewhere."""
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def https_port(tmp_path: Path) -> Iterator[int]:
    """A server with a certificate of its own."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    command += ["-subj", "/CN=x", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def sip(answer: bytes) -> Iterator[int]:
    """A UDP port that answers one OPTIONS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as serving:
        serving.bind(("127.0.0.1", 0))

        def serve() -> None:
            asked, whence = serving.recvfrom(4096)
            assert asked.startswith(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n")
            serving.sendto(answer, whence)

        thread = threading.Thread(target=serve)
        thread.start()
        yield serving.getsockname()[1]
        thread.join()


def started(place: Path, https: int, sip_port: int) -> Path:
    """The file that the keeper writes for the office's unit."""
    options = RunOptions(listen=("127.0.0.1",), https_port=https, sip_port=sip_port, config='a "quoted" $name`')
    file = place / "office.env"
    file.write_text(environment_file({OPTIONS_VARIABLE: options.to_json(), "TZ": "UTC"}))
    assert trial.options(file) == options
    return file


@pytest.mark.parametrize(("answer", "healthy"), [(b"SIP/2.0 200 OK\r\n\r\n", True), (b"SIP/2.0 503 No\r\n\r\n", False)])
def test_who_serves_pages_and_sip_is_healthy(tmp_path: Path, https_port: int, answer: bytes, healthy: bool) -> None:
    with sip(answer) as port:
        assert trial.healthy(started(tmp_path, https_port, port)) is healthy


def test_who_serves_no_pages_or_was_never_started_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not trial.healthy(started(tmp_path, port, port))
    assert not trial.healthy(tmp_path / "missing")
    (tmp_path / "broken").write_text(f'{OPTIONS_VARIABLE}="{{"\n')
    assert trial.options(tmp_path / "broken") is None


def test_the_watch_ends_with_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LOOK_S", 0.01)
    assert not trial.watch(tmp_path / "missing", 0.05)
    monkeypatch.setattr(trial, "healthy", lambda _place: True)
    assert trial.watch(tmp_path, 60)
