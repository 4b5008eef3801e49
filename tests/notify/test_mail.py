"""Mails over the wire: encrypted and verified as set, logged in, in UTF-8, and never with a header of somebody else."""

import ssl

import pytest

from appliance.config.settings import Settings
from pysrv.notify import mail
from pysrv.notify.message import SendFailed, compose
from pysrv.store.notices import DeliveryRow, NoticeRow
from tests.notify.outbox import NOW, Outbox
from tests.notify.servers import PASSWORD, USER, MailServer, mail_server


def delivery(account: str = "alice", recipient: str = "admin@example.org", **figures: str | int) -> DeliveryRow:
    notice = NoticeRow(1, NOW, "spend_blocked", account, "", figures)
    return DeliveryRow(1, "mail", recipient, False, "waiting", "", 1, 0, 0.0, 0.0, notice)


def secured(server: MailServer, security: str, **texts: object) -> Settings:
    given = {
        "mailserver": "127.0.0.1", "mailport": server.port, "mailsecurity": security, "mailfrom": "pbx@example.org",
        "adminemails": "admin@example.org", "mailuser": USER, "mailpassword": PASSWORD, **texts,
    }  # fmt: skip
    return Settings().with_changes({name: str(text) for name, text in given.items()}, 1)


@pytest.mark.setting("mailsecurity")
@pytest.mark.setting("mailport")
@pytest.mark.setting("mailuser")
@pytest.mark.setting("mailpassword")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_goes_encrypted_and_logged_in(context: ssl.SSLContext, security: str) -> None:
    async with mail_server(security, context) as server:
        await mail.send(compose("notice-1", [delivery()]), secured(server, security))
    assert (server.logins, server.encrypted) == ([USER], [True])


@pytest.mark.setting("mailpassword")
@pytest.mark.setting("mailuser")
async def test_a_wrong_login_or_none_is_refused_and_the_password_stays_out_of_the_reason(
    context: ssl.SSLContext,
) -> None:
    async with mail_server("starttls", context) as server:
        for texts in ({"mailpassword": "wrong-secret"}, {"mailuser": ""}):
            with pytest.raises(SendFailed) as failed:
                await mail.send(compose("notice-1", [delivery()]), secured(server, "starttls", **texts))
            assert not failed.value.final
            assert "wrong-secret" not in failed.value.reason
    assert server.mails == []


@pytest.mark.setting("mailsecurity")
async def test_a_password_is_not_sent_in_the_clear(mails: MailServer) -> None:
    with pytest.raises(SendFailed, match="mailsecurity is none"):
        await mail.send(compose("notice-1", [delivery()]), secured(mails, "none"))


@pytest.mark.setting("mailsecurity")
async def test_a_server_without_starttls_gets_nothing(mails: MailServer) -> None:
    with pytest.raises(SendFailed, match="STARTTLS"):
        await mail.send(compose("notice-1", [delivery()]), secured(mails, "starttls"))
    assert (mails.mails, mails.logins) == ([], [])


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_trusts_ends_it(
    context: ssl.SSLContext, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with mail_server(security, context) as server:
        with pytest.raises(SendFailed, match=r"(?i)certificate|ssl"):
            await mail.send(compose("notice-1", [delivery()]), secured(server, security))
    assert (server.mails, server.logins) == ([], [])


async def test_words_of_every_language_arrive(box: Outbox, mails: MailServer) -> None:
    box.tell("pin_guessing", key="1", caller="Zoë Łukasiewicz 日本")
    await box.drain()
    assert "Zoë Łukasiewicz 日本" in mails.subjects[0]
    assert "Zoë Łukasiewicz 日本" in mails.mails[0].get_content()
    assert mails.mails[0]["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "inside", ["\r\nBcc: eve@example.net", "\nBcc: eve@example.net", "\r\n\r\nHello\r\n.\r\n", "\x85x\u2028y"]
)
async def test_line_ends_in_names_and_figures_add_no_header(box: Outbox, mails: MailServer, inside: str) -> None:
    box.tell("pin_guessing", f"eve{inside}", f"1{inside}", caller=f"+491{inside}", source=inside)
    box.tell(f"unknown{inside}", f"eve{inside}", why=inside)
    box.use(sendadminemailnotifications=2, notifydigest=0)
    await box.drain()
    assert len(mails.mails) == 2
    for received in mails.mails:
        wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"}
        content = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
        assert set(received.keys()) - content - {"X-Peer", "X-MailFrom", "X-RcptTo"} == wanted
        assert not any(line.startswith(("Bcc", "Hello")) for line in received.get_content().splitlines())


@pytest.mark.parametrize("recipient", ["a@b\r\nBcc: c@d", "", "no address", "a@b, c@d"])
async def test_what_is_no_mail_address_is_not_written_to(mails: MailServer, recipient: str) -> None:
    with pytest.raises(SendFailed) as failed:
        await mail.send(compose("notice-1", [delivery(recipient=recipient)]), secured(mails, "none", mailuser=""))
    assert failed.value.final
    assert mails.mails == []
