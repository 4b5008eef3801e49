"""A base that is named by a URL: over TLS alone, once, gone on with where it broke off, bounded."""

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from image import cloudbase, download
from image.progress import BuildError, Progress
from image.variables import BadVariable, Variables, read
from tests.certificates.authority import key_pem, pem_of, root

CONTENT = bytes(range(256)) * 16384  # 4 MiB
SHA = "0" * 64


@dataclass
class Server:
    """What it has, how it answers, and which ranges it was asked for."""

    content: bytes = CONTENT
    etag: str = '"one"'
    cut_after: int = 0  # bytes of an answer, then the line ends; 0: never
    leads_to: str = ""
    said_length: int = 0
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/debian-13-genericcloud-amd64.qcow2"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    told = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.headers.get("Range", ""))
            if told.leads_to:
                self.send_response(302)
                self.send_header("Location", told.leads_to)
                self.end_headers()
                return
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            start = start if self.headers.get("If-Range") == told.etag else 0
            if start >= len(told.content):
                self.send_response(416)
                self.end_headers()
                return
            body = told.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(told.content) - 1}/{len(told.content)}")
            self.send_header("ETag", told.etag)
            self.send_header("Content-Length", str(told.said_length or len(body)))
            self.end_headers()
            self.wfile.write(body[: told.cut_after or len(body)])

        def log_message(self, *_: object) -> None: ...

    authority, key = root(time.time()), ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign("localhost", ("localhost",), key, time.time())
    (tmp_path / "ca.pem").write_bytes(pem_of(authority.certificate))
    (tmp_path / "server.pem").write_bytes(pem_of(certificate) + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("no_proxy", "localhost")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        told.port = listening.server_address[1]
        running = threading.Thread(target=listening.serve_forever, args=(0.05,))
        running.start()
        yield told
        listening.shutdown()
        running.join()


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "logs")


def test_a_url_is_downloaded_once_and_said_in_tenths(
    server: Server, tmp_path: Path, progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.download(server.url, tmp_path / "cloud", progress)
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert "4 of 4 MiB" in capsys.readouterr().out
    assert download.download(server.url, tmp_path / "cloud", progress) == path
    assert server.asked == [""]
    assert "downloaded earlier" in capsys.readouterr().out


def test_one_that_broke_off_goes_on_where_it_ended(server: Server, tmp_path: Path, progress: Progress) -> None:
    server.cut_after = 1 << 20
    with pytest.raises(BuildError, match="goes on where it ended"):
        download.download(server.url, tmp_path, progress)
    server.cut_after = 0
    assert download.download(server.url, tmp_path, progress).read_bytes() == CONTENT
    assert server.asked == ["", f"bytes={1 << 20}-"]


def test_one_that_changed_meanwhile_begins_anew(server: Server, tmp_path: Path, progress: Progress) -> None:
    server.cut_after = 1 << 20
    with pytest.raises(BuildError):
        download.download(server.url, tmp_path, progress)
    server.cut_after, server.etag, server.content = 0, '"two"', CONTENT[::-1]
    assert download.download(server.url, tmp_path, progress).read_bytes() == CONTENT[::-1]


def test_a_part_that_is_longer_than_the_file_is_not_gone_on_with(
    server: Server, tmp_path: Path, progress: Progress
) -> None:
    server.cut_after = len(CONTENT) - 1
    with pytest.raises(BuildError):
        download.download(server.url, tmp_path, progress)
    server.cut_after, server.content = 0, CONTENT[: 1 << 20]
    with pytest.raises(BuildError, match="416"):
        download.download(server.url, tmp_path, progress)
    assert download.download(server.url, tmp_path, progress).read_bytes() == CONTENT[: 1 << 20]


def test_a_certificate_that_nobody_vouches_for_ends_it(
    server: Server, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(BuildError, match="CERTIFICATE_VERIFY_FAILED"):
        download.download(server.url, tmp_path, progress)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(BuildError, match="CERTIFICATE_VERIFY_FAILED"):
        download.download(server.url.replace("localhost", "127.0.0.1"), tmp_path, progress)
    assert server.asked == []


def test_a_way_that_leaves_tls_is_not_followed(server: Server, tmp_path: Path, progress: Progress) -> None:
    for target in (f"http://localhost:{server.port}/x", "ftp://localhost/x"):
        server.leads_to = target
        with pytest.raises(BuildError, match="which is not https://"):
            download.download(server.url, tmp_path, progress)


def test_one_that_is_too_large_is_not_begun_or_not_ended(
    server: Server, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.said_length = download.LARGEST + 1
    with pytest.raises(BuildError, match=f"has {download.LARGEST + 1} bytes"):
        download.download(server.url, tmp_path / "cloud", progress)
    assert not [*(tmp_path / "cloud").iterdir()]
    server.said_length = 0
    monkeypatch.setattr(download, "LARGEST", len(CONTENT))
    assert download.download(server.url, tmp_path / "cloud", progress).stat().st_size == len(CONTENT)


def test_a_download_of_another_digest_is_not_kept(server: Server, tmp_path: Path, progress: Progress) -> None:
    chosen = Variables(base=server.url, base_digest=f"sha256:{SHA}")
    for _ in range(2):
        with pytest.raises(BuildError, match="not base_digest=sha256:0"):
            cloudbase.given(chosen, tmp_path, progress)
    assert server.asked == ["", ""]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["base=http://example.org/x.qcow2"], "must be a file, https:// or file://"),
        (["base=ftp://example.org/x.qcow2"], "must be a file, https:// or file://"),
        (["base=https:///x.qcow2"], "must name a server"),
        (["base=https://me:word@example.org/x.qcow2"], "and no password"),
        (["base=file://example.org/x.qcow2"], "must be a file of this machine"),
        (["base=x", "base_digest=md5:00"], "must be sha512:HEX or sha256:HEX"),
        (["base=x", f"base_digest=sha512:{SHA}"], "must be sha512:HEX or sha256:HEX"),
        (["base=x", f"base_digest=sha256:{'g' * 64}"], "must be sha512:HEX or sha256:HEX"),
        ([f"base_digest=sha256:{SHA}"], "name a base="),
    ],
)
def test_what_cannot_be_a_base_is_refused_before_anything_is_asked_for(words: list[str], why: str) -> None:
    with pytest.raises(BadVariable, match=why):
        read(words)


@pytest.mark.parametrize("base", ["x.qcow2", "/srv/x.qcow2", "file:///srv/x.qcow2", "https://example.org/x.qcow2"])
def test_files_and_urls_may_be_a_base(base: str) -> None:
    assert read([f"base={base}", f"base_digest=sha256:{SHA}"]).base == base
