"""Verbs about notices: what was told to whom, with the setting that kept it from somebody, and a test."""

import secrets
from dataclasses import dataclass
from typing import Any

from appliance.wire import WireError
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


def list_all(desk: Desk, args: NoticesOf) -> dict[str, Any]:
    """notices.list"""
    rows = desk.store.notices(max(1, min(args.limit, MOST)), args.account, args.key, args.before_id)
    return {"notices": [_shape(row) for row in rows]}


def _shape(row: DeliveryRow) -> dict[str, Any]:
    notice = row.notice
    said = words(notice.kind, notice.account, notice.figures, owner=row.owner)
    return {
        "id": row.id, "at": notice.at, "kind": notice.kind, "account": notice.account, "channel": row.channel,
        "recipient": row.recipient, "status": row.status, "reason": row.reason, "attempts": row.attempts,
        "next_at": row.next_at, "message": row.message, "subject": said.subject, "text": said.text,
    }  # fmt: skip


def test(desk: Desk, args: TestOf) -> dict[str, Any]:
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


def retry(desk: Desk, _: Any) -> dict[str, Any]:
    """notices.retry: what failed and is still news is tried again."""
    count = desk.store.retry_notices()
    desk.after_commit(lambda live: live.notices_told())
    return {"retried": count}
