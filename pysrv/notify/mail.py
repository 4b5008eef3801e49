"""A mail on its way: one connection to the mail server for each message, encrypted and verified as the settings say."""

import asyncio
import ssl
from email.policy import SMTP

import aiosmtplib

from appliance.config.settings import Settings
from pysrv.notify.message import Message, SendFailed, mail

TIMEOUT_S = 20.0  # of one step of the conversation
WHOLE_S = 60.0
PERMANENT = 500
# Python folds a header in several words of RFC 2047 and loses the spaces between them: a line may be as long as can be.
WIRE = SMTP.clone(max_line_length=998)


async def send(message: Message, settings: Settings) -> None:
    """Hands a message to the mail server. Raises SendFailed."""
    if settings.mailuser and settings.mailsecurity == "none":
        raise SendFailed("mailuser is set and mailsecurity is none: a password is not sent in the clear")
    content = mail(message, settings.mailfrom).as_bytes(policy=WIRE)
    client = await _client(settings)
    try:
        async with asyncio.timeout(WHOLE_S), client:
            await client.sendmail(settings.mailfrom, [message.recipient], content)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        raise SendFailed(_said(refused.code, refused.message, settings), final=refused.code >= PERMANENT) from None
    except aiosmtplib.SMTPResponseException as error:
        final = isinstance(error, aiosmtplib.SMTPDataError) and error.code >= PERMANENT
        raise SendFailed(_said(error.code, error.message, settings), final=final) from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise SendFailed(_without_password(f"{type(error).__name__}: {error}", settings)) from None


async def _client(settings: Settings) -> aiosmtplib.SMTP:
    context = await asyncio.to_thread(ssl.create_default_context)  # reads the certificates of the machine: milliseconds
    return aiosmtplib.SMTP(
        hostname=settings.mailserver,
        port=settings.mailport,
        username=settings.mailuser or None,
        password=settings.mailpassword if settings.mailuser else None,
        local_hostname=settings.mailfrom.rpartition("@")[2],
        timeout=TIMEOUT_S,
        use_tls=settings.mailsecurity == "tls",
        start_tls=settings.mailsecurity == "starttls",
        tls_context=context,
    )


def _said(code: int, text: str, settings: Settings) -> str:
    return _without_password(f"the mail server said {code} {text}", settings)


def _without_password(text: str, settings: Settings) -> str:
    return text.replace(settings.mailpassword, "...") if settings.mailpassword else text
