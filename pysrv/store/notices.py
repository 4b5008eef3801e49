"""The outbox of notices: told once, routed once, sent at least once, and forgotten after a while.

It keeps what is to be said (kind, account, figures) and where it goes; the words and the ways are pysrv.limits'.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pysrv.store.database import Reading, Writing

KEPT_S = 90 * 86_400.0
WAITS_S = 2 * 86_400.0  # what could not be sent for so long is no news any more
BITE = 200
_NOTICE = "n.id, n.at, n.kind, n.account, n.key, n.figures"
_DELIVERY = "d.id, d.channel, d.recipient, d.owner, d.status, d.reason, d.message, d.attempts, d.tried_at, d.next_at"


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """What somebody should hear of."""

    id: int
    at: float
    kind: str
    account: str
    key: str
    figures: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A way to a recipient; with a `reason` it is closed."""

    channel: str
    recipient: str
    owner: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A way to a recipient, and how far it got. `message` None: not part of one yet."""

    id: int
    channel: str
    recipient: str
    owner: bool
    status: str
    reason: str
    message: int | None
    attempts: int
    tried_at: float
    next_at: float
    notice: NoticeRow


@dataclass(frozen=True, slots=True)
class Queue:
    """Deliveries of one recipient that wait for a message: since when, how many, and when the last one was tried."""

    channel: str
    recipient: str
    since: float
    count: int
    tried_at: float


class NoticeReading(Reading):
    """Questions about notices."""

    def notices(self, limit: int = 50, account: str | None = None) -> list[DeliveryRow]:
        """The newest deliveries, newest first."""
        where = "WHERE ?1 IS NULL OR n.account = ?1 ORDER BY d.id DESC LIMIT ?2"
        return self._deliveries(where, (account, limit))

    def unrouted_notices(self, limit: int = BITE) -> list[NoticeRow]:
        """Notices for which nobody has decided where they go, oldest first."""
        sql = f"SELECT {_NOTICE} FROM notices n WHERE n.routed = 0 ORDER BY n.id LIMIT ?"  # noqa: S608
        return [_notice(row) for row in self._all(sql, (limit,))]

    def notice_queues(self) -> list[Queue]:
        """Recipients for whom something waits that is not part of a message yet."""
        sql = """
            SELECT d.channel, d.recipient, min(n.at), count(*),
            (SELECT max(t.tried_at) FROM notice_deliveries t
             WHERE t.channel = d.channel AND t.recipient = d.recipient AND t.tried_at > 0)
            FROM notice_deliveries d JOIN notices n ON n.id = d.notice_id
            WHERE d.status = 'waiting' AND d.message IS NULL GROUP BY d.channel, d.recipient ORDER BY min(d.id)
        """
        return [Queue(channel, to, since, count, at or 0.0) for channel, to, since, count, at in self._all(sql)]

    def notice_messages(self, channel: str) -> list[tuple[int, float]]:
        """Messages of a channel that wait: number, and when each is to be tried, the earliest first."""
        sql = (
            "SELECT message, max(next_at) FROM notice_deliveries WHERE status = 'waiting' AND channel = ? "
            "AND message IS NOT NULL GROUP BY message ORDER BY 2, 1"
        )
        return [(int(number), float(at)) for number, at in self._all(sql, (channel,))]

    def notice_message(self, message: int) -> list[DeliveryRow]:
        """What one message says, in the order in which it was told."""
        return self._deliveries("WHERE d.message = ?1 ORDER BY d.id", (message,))

    def notice_attempts(self, channel: str, since: float) -> list[float]:
        """When the messages of a channel were last tried that were tried since then, oldest first."""
        sql = (
            "SELECT max(tried_at) FROM notice_deliveries WHERE channel = ? AND tried_at > ? AND message IS NOT NULL "
            "GROUP BY message ORDER BY 1"
        )
        return [float(row[0]) for row in self._all(sql, (channel, since))]

    def _deliveries(self, where: str, parameters: tuple[object, ...]) -> list[DeliveryRow]:
        sql = f"SELECT {_DELIVERY}, {_NOTICE} FROM notice_deliveries d JOIN notices n ON n.id = d.notice_id {where}"  # noqa: S608
        rows = self._all(sql, parameters)
        return [_delivery(row) for row in rows]


def _delivery(row: tuple[Any, ...]) -> DeliveryRow:
    ident, channel, recipient, owner, status, reason, message, attempts, tried_at, next_at, *notice = row
    return DeliveryRow(
        ident, channel, recipient, bool(owner), status, reason, message, attempts, tried_at, next_at,
        _notice(tuple(notice)),
    )  # fmt: skip


def _notice(row: tuple[Any, ...]) -> NoticeRow:
    ident, at, kind, account, key, figures = row
    return NoticeRow(ident, at, kind, account, key, json.loads(figures))


class NoticeWriting(NoticeReading, Writing):
    """What is told, and what became of it."""

    def add_notice(self, kind: str, account: str, figures: Mapping[str, str | int], key: str = "") -> bool:
        """Something that people should hear of; False: of this kind, account and key they were told already."""
        sql = "INSERT INTO notices (at, kind, account, key, figures) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        text = json.dumps(figures, separators=(",", ":"), ensure_ascii=False)
        return self._write(sql, (self._clock(), kind, account, key, text)).rowcount > 0

    def route_notice(self, notice: int, deliveries: Iterable[NewDelivery]) -> None:
        """Notes where a notice goes."""
        sql = (
            "INSERT INTO notice_deliveries (notice_id, channel, recipient, owner, status, reason) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        with self._atomic():
            for each in deliveries:
                status = "suppressed" if each.reason else "waiting"
                row = (notice, each.channel, each.recipient, int(each.owner), status, each.reason)
                self._write(sql, row)
            self._write("UPDATE notices SET routed = 1 WHERE id = ?", (notice,))

    def make_notice_message(self, channel: str, recipient: str, most: int) -> int | None:
        """Joins what waits for a recipient, at most so many, into one message; its number. None: nothing waits."""
        which = "channel = ?1 AND recipient = ?2 AND status = 'waiting' AND message IS NULL"
        row = self._one(f"SELECT min(id) FROM notice_deliveries WHERE {which}", (channel, recipient))  # noqa: S608
        if row is None or row[0] is None:
            return None
        self._write(
            f"UPDATE notice_deliveries SET message = ?3 WHERE id IN "  # noqa: S608
            f"(SELECT id FROM notice_deliveries WHERE {which} ORDER BY id LIMIT ?4)",
            (channel, recipient, row[0], most),
        )
        return int(row[0])

    def begin_notice_try(self, message: int, next_at: float) -> None:
        """A message is about to go out. Written before, so that whatever ends the process counts as a try too."""
        self._write(
            "UPDATE notice_deliveries SET attempts = attempts + 1, tried_at = ?, next_at = ? "
            "WHERE message = ? AND status = 'waiting'",
            (self._clock(), next_at, message),
        )

    def note_notice_sent(self, message: int) -> None:
        """A message has gone out."""
        self._note(message, "sent", "")

    def note_notice_failed(self, message: int, reason: str, *, final: bool) -> None:
        """A message could not be sent; unless it is final, it is tried again."""
        self._note(message, "failed" if final else "waiting", reason)

    def _note(self, message: int, status: str, reason: str) -> None:
        sql = "UPDATE notice_deliveries SET status = ?, reason = ? WHERE message = ? AND status = 'waiting'"
        self._write(sql, (status, reason, message))

    def close_notice_channel(self, channel: str, reason: str) -> int:
        """What waits for a channel that was switched off is not sent; returns how many deliveries."""
        sql = "UPDATE notice_deliveries SET status = 'suppressed', reason = ? WHERE channel = ? AND status = 'waiting'"
        return self._write(sql, (reason, channel)).rowcount

    def prune_notices(self) -> int:
        """Gives up what waited too long and forgets what is old, a bite at a time; returns how many were forgotten."""
        now = self._clock()
        late = "d.status = 'waiting' AND d.notice_id = n.id AND n.at < ?"
        if self._one(f"SELECT 1 FROM notice_deliveries d, notices n WHERE {late} LIMIT 1", (now - WAITS_S,)):  # noqa: S608
            self._write(
                f"UPDATE notice_deliveries AS d SET status = 'failed', reason = 'not sent in two days: ' || d.reason "  # noqa: S608
                f"FROM notices n WHERE {late}",
                (now - WAITS_S,),
            )
        old = [
            int(row[0])
            for row in self._all("SELECT id FROM notices WHERE at < ? ORDER BY at LIMIT ?", (now - KEPT_S, BITE))
        ]
        for notice in old:
            self._write("DELETE FROM notice_deliveries WHERE notice_id = ?", (notice,))
            self._write("DELETE FROM notices WHERE id = ?", (notice,))
        return len(old)
