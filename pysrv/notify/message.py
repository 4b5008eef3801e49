"""What goes out as one message: several notices to one recipient, as a mail, a short text or JSON. No sockets.

A message is made of stored rows alone, so that it is the same, and has the same identity, however often it is sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from pysrv.limits.notices import Words, one_line, severity_of, words
from pysrv.store.notices import DeliveryRow

MOST_SMS = 300  # characters: two or three parts
LISTED_SMS = 3


class SendFailed(Exception):
    """A message did not go out. `final`: no later try will do better. The reason holds no secret."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.final = one_line(reason), final


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `ident` is its identity for ever: Message-ID and Idempotency-Key."""

    ident: str
    recipient: str
    rows: tuple[DeliveryRow, ...]

    @property
    def said(self) -> list[Words]:
        """The words of each notice, fit for who reads it."""
        return [words(row.notice.kind, row.notice.account, row.notice.figures, owner=row.owner) for row in self.rows]

    @property
    def subject(self) -> str:
        """One line for all."""
        said = self.said
        return said[0].subject if len(said) == 1 else f"{len(said)} notices, the first: {said[0].subject}"


def compose(ident: str, rows: Sequence[DeliveryRow]) -> Message:
    """The message of these rows, which have one recipient."""
    return Message(ident, rows[0].recipient, tuple(rows))


def mail(message: Message, sender: str) -> EmailMessage:
    """The mail. Raises SendFailed for a recipient that is no mail address."""
    found = EmailMessage(policy=SMTP)
    try:
        found["From"] = Address("appliance", addr_spec=sender)
        found["To"] = Address(addr_spec=message.recipient)
    except (ValueError, IndexError) as error:
        raise SendFailed(f"no mail address: {error}", final=True) from None
    found["Subject"] = f"[appliance] {message.subject}"
    found["Date"] = format_datetime(datetime.fromtimestamp(max(row.notice.at for row in message.rows), UTC))
    found["Message-ID"] = f"<{message.ident}@{sender.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    found["X-Auto-Response-Suppress"] = "All"
    found.set_content("\n\n".join(_paragraph(row, said) for row, said in zip(message.rows, message.said, strict=True)))
    return found


def _paragraph(row: DeliveryRow, said: Words) -> str:
    at = datetime.fromtimestamp(row.notice.at, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC  {said.subject}\n\n{said.text}"


def short_text(message: Message) -> str:
    """The same for a telephone."""
    said = message.said
    if len(said) == 1:
        return one_line(f"{said[0].subject}. {said[0].text}", MOST_SMS)
    first = "; ".join(each.subject for each in said[:LISTED_SMS])
    return one_line(f"{len(said)} notices: {first}{'; ...' if len(said) > LISTED_SMS else ''}", MOST_SMS)


def payload(message: Message) -> bytes:
    """The same for a program: figures as they are, money in micro-units."""
    notices = [
        {
            "kind": row.notice.kind,
            "severity": severity_of(row.notice.kind, row.notice.figures),
            "account": row.notice.account,
            "at": row.notice.at,
            "subject": said.subject,
            "text": said.text,
            "figures": dict(row.notice.figures),
        }
        for row, said in zip(message.rows, message.said, strict=True)
    ]
    return json.dumps({"id": message.ident, "notices": notices}, ensure_ascii=False, separators=(",", ":")).encode()
