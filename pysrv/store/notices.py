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
MOST = 100_000  # notices; beyond that the oldest go, sent or not
MOST_REMEMBERED = 10_000
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
    """A way to a recipient; with a `reason` it is closed. `at_once`: neither windows nor rates hold it."""

    channel: str
    recipient: str
    owner: bool = False
    reason: str = ""
    at_once: bool = False


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
    """Deliveries of one recipient that wait for a message: since when, how many, and when the last one was tried.
    `owner`: none of them is for an administrator."""

    recipient: str
    owner: bool
    at_once: bool
    since: float
    count: int
    tried_at: float


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that is to be tried at `next_at`."""

    number: int
    owner: bool
    at_once: bool
    next_at: float


class NoticeReading(Reading):
    """Questions about notices."""

    def notices(self, limit: int = 50, account: str | None = None, key: str | None = None) -> list[DeliveryRow]:
        """The newest deliveries, newest first."""
        where = "WHERE (?1 IS NULL OR n.account = ?1) AND (?2 IS NULL OR n.key = ?2) ORDER BY d.id DESC LIMIT ?3"
        return self._deliveries(where, (account, key, limit))

    def waiting_notices(self) -> int:
        """How many deliveries wait, and notices of which nobody has decided yet where they go."""
        row = self._one(
            "SELECT (SELECT count(*) FROM notice_deliveries WHERE status = 'waiting') + "
            "(SELECT count(*) FROM notices WHERE routed = 0)"
        )
        return int(row[0]) if row else 0

    def unrouted_notices(self, limit: int = BITE) -> list[NoticeRow]:
        """Notices for which nobody has decided where they go, oldest first."""
        sql = f"SELECT {_NOTICE} FROM notices n WHERE n.routed = 0 ORDER BY n.id LIMIT ?"  # noqa: S608
        return [_notice(row) for row in self._all(sql, (limit,))]

    def notice_queues(self, channel: str) -> list[Queue]:
        """Recipients for whom something waits that is not part of a message yet."""
        sql = """
            SELECT d.recipient, min(d.owner), max(d.at_once), min(n.at), count(*),
            (SELECT max(t.tried_at) FROM notice_deliveries t
             WHERE t.channel = d.channel AND t.recipient = d.recipient AND t.tried_at > 0)
            FROM notice_deliveries d JOIN notices n ON n.id = d.notice_id
            WHERE d.status = 'waiting' AND d.message IS NULL AND d.channel = ?
            GROUP BY d.recipient ORDER BY min(d.id)
        """
        rows = self._all(sql, (channel,))
        return [Queue(to, bool(own), bool(now), since, count, at or 0.0) for to, own, now, since, count, at in rows]

    def notice_messages(self, channel: str) -> list[WaitingMessage]:
        """Messages of a channel that wait, the one to be tried first at the front."""
        sql = (
            "SELECT message, min(owner), max(at_once), max(next_at) FROM notice_deliveries WHERE status = 'waiting' "
            "AND channel = ? AND message IS NOT NULL GROUP BY message ORDER BY 4, 1"
        )
        rows = self._all(sql, (channel,))
        return [WaitingMessage(int(number), bool(own), bool(now), at) for number, own, now, at in rows]

    def notice_message(self, message: int) -> list[DeliveryRow]:
        """What one message says, in the order in which it was told."""
        return self._deliveries("WHERE d.message = ?1 ORDER BY d.id", (message,))

    def notice_attempts(self, channel: str, since: float, *, owner: bool) -> list[float]:
        """When the messages of a channel were last tried that were tried since then, oldest first: those to owners, or
        those to administrators."""
        sql = (
            "SELECT max(tried_at) FROM notice_deliveries WHERE channel = ? AND tried_at > ? AND message IS NOT NULL "
            "GROUP BY message HAVING min(owner) = ? ORDER BY 1"
        )
        return [float(row[0]) for row in self._all(sql, (channel, since, int(owner)))]

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
    """What is told, and what became of it. What was told lately is remembered: a thing that each call tells anew must
    cost each call nothing."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._told: set[tuple[str, str, str]] = set()

    def _forget(self) -> None:
        self._told.clear()
        super()._forget()

    def add_notice(self, kind: str, account: str, figures: Mapping[str, str | int], key: str = "") -> bool:
        """Something that people should hear of; False: of this kind, account and key they were told already."""
        told = (kind, account, key)
        if told in self._told:
            return False
        sql = "INSERT INTO notices (at, kind, account, key, figures) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        text = json.dumps(figures, separators=(",", ":"), ensure_ascii=False)
        news = self._write(sql, (self._clock(), kind, account, key, text)).rowcount > 0
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told.add(told)
        return news

    def route_notice(self, notice: int, deliveries: Iterable[NewDelivery]) -> None:
        """Notes where a notice goes."""
        sql = (
            "INSERT INTO notice_deliveries (notice_id, channel, recipient, owner, at_once, status, reason) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        with self._atomic():
            for each in deliveries:
                status = "suppressed" if each.reason else "waiting"
                row = (notice, each.channel, each.recipient, int(each.owner), int(each.at_once), status, each.reason)
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

    def retry_notices(self) -> int:
        """What failed and is still news waits again, each message under its old number; returns how many deliveries."""
        sql = (
            "UPDATE notice_deliveries SET status = 'waiting', attempts = 0, next_at = 0 WHERE status = 'failed' "
            "AND at_once = 0 AND notice_id IN (SELECT id FROM notices WHERE at >= ?)"
        )
        return self._write(sql, (self._clock() - WAITS_S,)).rowcount

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
        old = "at < ?1 OR id <= (SELECT max(id) FROM notices) - ?2 ORDER BY id LIMIT ?3"
        found = self._all(f"SELECT id FROM notices WHERE {old}", (now - KEPT_S, MOST, BITE))  # noqa: S608
        if found:
            self._told.clear()
        for row in found:
            self._write("DELETE FROM notice_deliveries WHERE notice_id = ?", row)
            self._write("DELETE FROM notices WHERE id = ?", row)
        return len(found)
