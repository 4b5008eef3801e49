"""Verbs about notices: what was told to whom, with the setting that kept it from somebody, and a test."""

import secrets
from dataclasses import dataclass
from typing import Any, TypedDict

from appliance.wire import WireError
from pysrv.control.answer import Moment
from pysrv.control.desk import Desk
from pysrv.limits.notice_routes import Channel, routes
from pysrv.limits.notices import words
from pysrv.store.notices import DeliveryRow

MOST = 10_000


@dataclass(frozen=True, slots=True)
class NoticesOf:
    """The newest deliveries, of one account or with one key if they are named."""

    account: str | None = None
    key: str | None = None
    limit: int = 50
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class TestOf:
    """A test, of one channel or of all."""

    channel: str | None = None


class NoticeRow(TypedDict):
    """What was told to somebody, or is to be: by which channel, whether it went and why not, and what it says.
    `next_at` 0: it is not tried again; `message`: the number of the message that it is part of, null: not yet."""

    id: int
    at: Moment
    kind: str
    account: str
    channel: str
    recipient: str
    status: str
    reason: str
    attempts: int
    next_at: Moment
    message: int | None
    subject: str
    text: str


class NoticesAnswer(TypedDict):
    """Notices, newest first."""

    notices: list[NoticeRow]


class NoticeWay(TypedDict):
    """Whom a notice goes to."""

    channel: str
    recipient: str


class ClosedRow(TypedDict):
    """A channel that nobody is told by, and the setting that is missing."""

    channel: str
    setting: str


class TestAnswer(TypedDict):
    """By which ways a test goes. What became of it is listed under its `key`."""

    key: str
    told: list[NoticeWay]
    closed: list[ClosedRow]


class RetryAnswer(TypedDict):
    """How many notices are tried again."""

    retried: int


def list_all(desk: Desk, args: NoticesOf) -> NoticesAnswer:
    """notices.list"""
    rows = desk.store.notices(max(1, min(args.limit, MOST)), args.account, args.key, args.before_id)
    return {"notices": [_shape(row) for row in rows]}


def _shape(row: DeliveryRow) -> NoticeRow:
    notice = row.notice
    said = words(notice.kind, notice.account, notice.figures, owner=row.owner)
    return {
        "id": row.id, "at": notice.at, "kind": notice.kind, "account": notice.account, "channel": row.channel,
        "recipient": row.recipient, "status": row.status, "reason": row.reason, "attempts": row.attempts,
        "next_at": row.next_at, "message": row.message, "subject": said.subject, "text": said.text,
    }  # fmt: skip


def test(desk: Desk, args: TestOf) -> TestAnswer:
    """notices.test: one goes by every way that is set up; the ways that are not are named with the missing setting.
    What became of it is listed under its key."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so nothing is sent", "start it first")
    figures: dict[str, str | int] = {"who": desk.who}
    if args.channel is not None:
        if args.channel not in tuple(Channel):
            raise WireError("invalid", f"{args.channel[:20]!r} must be one of {', '.join(Channel)}")
        figures["channel"] = args.channel
    found = routes("test", figures, desk.settings)
    open_ways = [route for route in found if not route.refused]
    if not open_ways:
        missing = ", ".join(dict.fromkeys(route.refused for route in found)) or "adminphones"
        raise WireError("invalid", f"nobody can be told: not set are {missing}", "'appliance settings set NAME VALUE'")
    key = secrets.token_hex(8)
    desk.store.add_notice("test", "", figures, key)
    desk.after_commit(lambda live: live.notices_told())
    return {
        "key": key,
        "told": [{"channel": route.channel, "recipient": route.recipient} for route in open_ways],
        "closed": [{"channel": route.channel, "setting": route.refused} for route in found if route.refused],
    }


def retry(desk: Desk, _: Any) -> RetryAnswer:
    """notices.retry: what failed and is still news is tried again."""
    count = desk.store.retry_notices()
    desk.after_commit(lambda live: live.notices_told())
    return {"retried": count}
