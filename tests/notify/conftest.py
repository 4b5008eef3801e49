"""Servers and an outbox for the tests of this room."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.notify.outbox import Outbox, outbox
from tests.notify.servers import MailServer, WebServer, mail_server, trusted, web_server


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted(tmp_path, monkeypatch)


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def web(context: ssl.SSLContext) -> AsyncIterator[WebServer]:
    async with web_server(context) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, mails: MailServer) -> Iterator[Outbox]:
    """Mail in the clear, to one administrator."""
    made = outbox(
        tmp_path, mailserver="127.0.0.1", mailport=mails.port, mailsecurity="none", mailfrom="pbx@example.org",
        adminemails="admin@example.org", notifyowners=0,
    )  # fmt: skip
    with made.store:
        yield made
