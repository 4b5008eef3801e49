"""A mail server and a web server on loopback, real ones, with a certificate that the machine trusts for the test."""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pysrv.certificates import selfsigned as certificate

USER, PASSWORD = "relay", "mail-secret-42"


@dataclass
class MailServer:
    """Keeps what it takes. `answers` are given to DATA before it takes anything, `refuses` to these recipients."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: Any) -> str:
        if to in self.refuses:
            return self.refuses[to]
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append(given.login.decode())
        return AuthResult(success=given.password == PASSWORD.encode())

    @property
    def to(self) -> list[str]:
        return [str(each["To"]) for each in self.mails]

    @property
    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.mails]


@asynccontextmanager
async def mail_server(security: str = "none", context: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """A mail server in this loop; `starttls` and `tls` with this certificate, and a login that it insists on."""
    server, loop = MailServer(), asyncio.get_running_loop()
    login: dict[str, Any] = {"authenticator": server.login, "auth_required": True} if context else {}
    tls: dict[str, Any] = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    if security == "tls":
        login["auth_require_tls"] = False  # it asks for STARTTLS even where everything is encrypted

    def session() -> SMTP:
        return SMTP(server, hostname="mail.test", loop=loop, **tls, **login)

    listening = await loop.create_server(session, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """The same in a thread of its own, for tests without a loop."""
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    made: list[MailServer] = []

    async def serve() -> None:
        async with mail_server() as server:
            made.append(server)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(5)
        loop.close()


@dataclass
class WebServer:
    """Keeps what it is asked and answers as it is told: `status` and a body of so many bytes."""

    url: str = ""
    asked: list[tuple[str, dict[str, str], dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    size: int = 2
    paths: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.asked.append((request.method, dict(request.query), dict(request.headers), await request.read()))
        headers = {"Location": f"{self.url}/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, body=b"x" * self.size, headers=headers)


@asynccontextmanager
async def web_server(context: ssl.SSLContext) -> AsyncIterator[WebServer]:
    """A web server in this loop, over TLS."""
    server = WebServer()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def trusted(directory: Path, monkeypatch: Any) -> ssl.SSLContext:
    """A server's context for 127.0.0.1, whose certificate this process trusts."""
    made = certificate.ensure(directory, [], ["127.0.0.1"], time.time())
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made.context()
