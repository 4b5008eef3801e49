"""The outbox at work: notices are routed, joined into messages and sent, one message at a time for each channel, and
none waits for another channel.

A message has its number on disk before it is sent and its outcome after: a crash in between sends it again under the
same identity. Everything slow is awaited, so that calls go on beside it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from appliance.config.settings import Settings
from pysrv.limits.notice_routes import Channel, Route, closed, routes
from pysrv.limits.notices import Kind, kind_of
from pysrv.notify import mail, web
from pysrv.notify.message import Message, SendFailed, compose
from pysrv.notify.schedule import HOUR_S, PAUSES_S, TRIES, free_at, ready_at, retry_at
from pysrv.store import Store
from pysrv.store.notices import NewDelivery, NoticeRow, Queue, WaitingMessage

MOST_IN_ONE = 50
IDLE_S = 60.0
_log = logging.getLogger("pysrv.notify")
Send = Callable[[Message, Settings], Awaitable[None]]
SENDERS: Mapping[Channel, Send] = {
    Channel.MAIL: mail.send,
    Channel.SMS: web.send_sms,
    Channel.WEBHOOK: web.post_to_webhook,
}


class Dispatcher:
    """Empties the outbox. `commit` makes durable what was written; `clock` gives Unix seconds."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
        commit: Callable[[], None],
        senders: Mapping[Channel, Send] = SENDERS,
    ) -> None:
        self._store, self._settings, self._clock, self._commit, self._senders = store, settings, clock, commit, senders
        self._told = asyncio.Event()
        self._sending: dict[Channel, asyncio.Task[None]] = {}
        self._tag = store.get_or_make("notices", 16).hex()

    def wake(self) -> None:
        """Something was told; the turn that did so commits before this task runs."""
        self._told.set()

    async def run(self) -> None:
        """Until cancelled. What goes wrong is logged, and the outbox looked at again later."""
        try:
            while True:
                self._told.clear()
                try:
                    pause_s = self._begin_due()
                except Exception:
                    _log.exception("notices wait: a fault of the dispatcher")
                    pause_s = IDLE_S
                try:
                    async with asyncio.timeout(pause_s):
                        await self._told.wait()
                except TimeoutError:
                    pass
        finally:
            await self._give_up()

    async def step(self) -> float:
        """Everything that is due, at most one message for each channel, to its end; returns after how long to look
        again."""
        pause_s, sending = self._begin_due(), list(self._sending.values())
        try:
            await asyncio.gather(*sending)
        finally:
            await self._give_up()
        return 0.0 if sending else pause_s

    def _begin_due(self) -> float:
        """Route what was told, and begin to send on every channel that is not sending; returns after how long to look
        again, unless the end of a message or somebody who tells wakes earlier."""
        for notice in self._store.unrouted_notices():
            self._route(notice)
        now = self._clock()
        found = {channel: self._next(channel, now) for channel in Channel if channel not in self._sending}
        due = [(channel, number, self._begin(number)) for channel, (number, _) in found.items() if number is not None]
        self._commit()
        for each in due:
            self._sending[each[0]] = asyncio.get_running_loop().create_task(self._send(*each))
        later = min((at for number, at in found.values() if number is None), default=now + IDLE_S)
        return min(IDLE_S, max(0.0, later - now))

    async def _give_up(self) -> None:
        """End what is still being sent: it has been written down as tried, and is tried again."""
        left = list(self._sending.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _route(self, notice: NoticeRow) -> None:
        account = self._store.account(notice.account) if notice.account else None
        email, phone = (account.email, account.phone) if account is not None else ("", "")
        found = routes(notice.kind, notice.figures, self._settings(), email, phone)
        kind = kind_of(notice.kind)
        self._store.route_notice(notice.id, [_delivery(route, kind) for route in _worth_keeping(found)])

    def _next(self, channel: Channel, now: float) -> tuple[int | None, float]:
        """The message of a channel that is due, if any; and when to look again. Administrators come first, and have a
        rate of their own: a thousand owners' mails do not hold up the alarm about them."""
        queues, messages = self._store.notice_queues(channel), self._store.notice_messages(channel)
        if not queues and not messages:
            return None, now + IDLE_S
        if reason := closed(channel, self._settings()):
            self._store.close_notice_channel(channel, reason)
            return None, now + IDLE_S
        later, waiting = now + IDLE_S, _together(messages, queues)
        for owner in (False, True):
            moment = self._earliest(channel, owner, [each for each in waiting if each.owner is owner], now)
            if moment is not None and moment[0] <= now:
                return self._number(channel, moment[1]), now
            later = min(later, moment[0]) if moment is not None else later
        return None, later

    def _earliest(
        self, channel: Channel, owner: bool, waiting: Sequence[WaitingMessage | Queue], now: float
    ) -> tuple[float, WaitingMessage | Queue] | None:
        """What may go first, and when; messages that were tried before stand at the front."""
        if not waiting:
            return None
        attempts = self._store.notice_attempts(channel, now - HOUR_S, owner=owner)
        free = free_at(attempts, self._settings().notifyperhour, now)
        moments = [
            (self._ready_at(each) if each.at_once else max(free, self._ready_at(each)), each) for each in waiting
        ]
        return min(moments, key=lambda moment: moment[0])

    def _ready_at(self, each: WaitingMessage | Queue) -> float:
        if isinstance(each, WaitingMessage):
            return each.next_at
        return each.since if each.at_once else ready_at(each.since, each.tried_at, self._settings().notifydigest)

    def _number(self, channel: Channel, found: WaitingMessage | Queue) -> int | None:
        if isinstance(found, WaitingMessage):
            return found.number
        most = MOST_IN_ONE if self._settings().notifydigest else 1
        return self._store.make_notice_message(channel, found.recipient, most)

    def _begin(self, number: int) -> Message:
        """Writes a try down before it is made, and when the next one would be."""
        rows = self._store.notice_message(number)
        now = self._clock()
        self._store.begin_notice_try(number, retry_at(now, rows[0].attempts + 1) or now + PAUSES_S[-1])
        return compose(f"notice-{number}.{self._tag}", rows)

    async def _send(self, channel: Channel, number: int, message: Message) -> None:
        try:
            await self._hand_over(channel, number, message)
            self._commit()
        except Exception:  # it was written down as tried, and is tried again
            _log.exception("a notice's outcome could not be kept")
        finally:
            del self._sending[channel]
            self._told.set()  # the channel is free for the next one

    async def _hand_over(self, channel: Channel, number: int, message: Message) -> None:
        try:
            await self._senders[channel](message, self._settings())
        except SendFailed as failed:
            self._failed(channel, number, message, failed)
        except Exception as fault:  # a fault of ours: the other channels must go on
            _log.exception("a fault while sending a notice")
            self._failed(channel, number, message, SendFailed(f"a fault: {type(fault).__name__}"))
        else:
            self._store.note_notice_sent(number)
            _log.info("notice sent channel=%s message=%d notices=%d", channel, number, len(message.rows))

    def _failed(self, channel: Channel, number: int, message: Message, failed: SendFailed) -> None:
        tries = 1 if all(kind_of(row.notice.kind).always for row in message.rows) else TRIES  # who tests looks on
        final = failed.final or message.rows[0].attempts + 1 >= tries
        self._store.note_notice_failed(number, failed.reason, final=final)
        outcome = "given up" if final else "tried again later"
        _log.warning("notice not sent channel=%s message=%d, %s: %s", channel, number, outcome, failed.reason)


def _together(messages: Sequence[WaitingMessage], queues: Sequence[Queue]) -> list[WaitingMessage | Queue]:
    return [*messages, *queues]


def _worth_keeping(found: list[Route]) -> list[Route]:
    """Open ways, and recipients that a setting keeps it from; when there are none, one line that says so."""
    return [route for route in found if not route.refused or route.recipient] or found[:1]


def _delivery(route: Route, kind: Kind) -> NewDelivery:
    return NewDelivery(route.channel, route.recipient, route.owner, route.refused, kind.always)
