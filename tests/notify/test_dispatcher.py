"""The outbox at work against real servers: who is told, once and again, in one message or many, and never too fast."""

import asyncio

import pytest

from appliance.config.settings import Settings
from pysrv.limits.notice_routes import Channel
from pysrv.notify import mail
from pysrv.notify.message import Message, SendFailed
from pysrv.notify.schedule import PAUSES_S, TRIES
from pysrv.store import Store
from tests.notify.outbox import NOW, Outbox
from tests.notify.servers import MailServer, WebServer

BLOCKED = {"setting": "maxdailycredit", "spent": 12_500_000}


def sms(web: WebServer) -> str:
    return web.url + "/send?to={number}&text={text}"


@pytest.mark.setting("sendadminemailnotifications")
@pytest.mark.parametrize(
    ("level", "told"),
    [
        (0, []),
        (1, ["pin_guessing"]),
        (2, ["pin_guessing", "spend_blocked", "spend_warning"]),
    ],
)
async def test_administrators_hear_as_much_as_they_asked_for(
    box: Outbox, mails: MailServer, level: int, told: list[str]
) -> None:
    box.use(sendadminemailnotifications=level, notifydigest=0)
    for kind in ("pin_guessing", "spend_blocked", "spend_warning"):
        box.tell(kind, "alice")
    await box.drain()
    assert len(mails.mails) == len(told)
    silent = [row for row in box.rows() if row.status == "suppressed" and not row.owner]
    assert [row.notice.kind for row in box.rows() if row.status == "sent"] == told
    assert {row.reason for row in silent} <= {"sendadminemailnotifications"}
    assert len(silent) == 3 - len(told)


async def test_a_test_goes_out_even_when_administrators_want_to_hear_nothing(box: Outbox, mails: MailServer) -> None:
    box.use(sendadminemailnotifications=0)
    box.tell("test", who="root")
    await box.drain()
    assert mails.subjects == ["[appliance] a test of notices"]


@pytest.mark.setting("notifyowners")
async def test_owners_are_told_of_their_account_unless_that_is_off(
    box: Outbox, mails: MailServer, web: WebServer
) -> None:
    box.use(smsgatewayurl=sms(web), notifydigest=0)
    for choice, key in ((0, "off"), (1, "mail")):
        box.use(notifyowners=choice)
        box.tell("spend_blocked", "alice", key, **BLOCKED)
        await box.drain()
    assert mails.to == ["alice@example.org"]
    assert ("mail", "alice@example.org", "suppressed", "notifyowners") in box.states()
    box.store.set_account("alice", email="")
    for choice, key in ((1, "no address"), (2, "sms")):
        box.use(notifyowners=choice)
        box.tell("spend_blocked", "alice", key, **BLOCKED)
        await box.drain()
    assert [query["to"] for _, query, _, _ in web.asked] == ["+491701"]


async def test_what_an_owner_reads_has_no_remedy_of_administrators(box: Outbox, mails: MailServer) -> None:
    box.use(notifyowners=1, sendadminemailnotifications=2)
    box.tell("spend_blocked", "alice", **BLOCKED)
    await box.drain()
    bodies = {str(each["To"]): each.get_content() for each in mails.mails}
    assert "appliance accounts show alice" in bodies["admin@example.org"]
    assert "appliance accounts" not in bodies["alice@example.org"]
    assert "12.50" in bodies["alice@example.org"]


@pytest.mark.setting("adminemails")
@pytest.mark.setting("mailserver")
@pytest.mark.setting("mailfrom")
@pytest.mark.parametrize("name", ["adminemails", "mailserver", "mailfrom"])
async def test_without_what_mail_needs_none_is_sent_and_the_list_names_it(
    box: Outbox, mails: MailServer, name: str
) -> None:
    before = box.settings
    box.use(**{name: ""})
    box.tell("pin_guessing", key="1")
    await box.drain()
    assert mails.mails == []
    assert [(row.status, row.reason) for row in box.rows()] == [("suppressed", name)]
    box.settings = before
    box.tell("pin_guessing", key="2")
    await box.drain()
    assert mails.to == ["admin@example.org"]
    assert str(mails.mails[0]["From"]) == "appliance <pbx@example.org>"


@pytest.mark.setting("adminphones")
@pytest.mark.setting("smsgatewayurl")
async def test_administrators_get_an_sms_when_there_is_a_number_and_a_gateway(box: Outbox, web: WebServer) -> None:
    box.tell("pin_guessing", key="no number")
    box.use(adminphones="+4930123")
    box.tell("pin_guessing", key="no gateway")
    await box.drain()
    assert web.asked == []
    assert ("sms", "+4930123", "suppressed", "smsgatewayurl") in box.states()
    box.use(smsgatewayurl=sms(web))
    box.tell("pin_guessing", key="both", caller="+491")
    await box.drain()
    assert [query["to"] for _, query, _, _ in web.asked] == ["+4930123"]


@pytest.mark.setting("notifywebhook")
@pytest.mark.setting("notifywebhookkey")
async def test_the_webhook_hears_of_everything_once_it_has_a_url_and_a_key(box: Outbox, web: WebServer) -> None:
    box.use(sendadminemailnotifications=0)
    box.tell("spend_warning", "alice", "no url")
    box.use(notifywebhook=web.url + "/hook")
    box.tell("spend_warning", "alice", "no key")
    await box.drain()
    assert web.asked == []
    assert ("webhook", web.url + "/hook", "suppressed", "notifywebhookkey") in box.states()
    box.use(notifywebhookkey="signing-key")
    box.tell("spend_warning", "alice", "both")
    await box.drain()
    assert [method for method, *_ in web.asked] == ["POST"]


async def test_a_channel_that_is_switched_off_sends_nothing_of_what_waits(box: Outbox, mails: MailServer) -> None:
    box.tell("pin_guessing", key="1")
    await box.drain()
    box.tell("pin_guessing", key="2")
    await box.drain()
    box.use(mailserver="")
    await box.drain()
    assert [(row.status, row.reason) for row in box.rows()] == [("sent", ""), ("suppressed", "mailserver")]


@pytest.mark.setting("notifydigest")
async def test_what_comes_within_the_window_of_a_message_is_told_in_one(box: Outbox, mails: MailServer) -> None:
    box.use(notifydigest="5m")
    for number in range(20):
        box.tell("pin_guessing", key=str(number), caller=f"+49{number}")
        await box.drain()
    assert len(mails.mails) == 1
    box.now = NOW + 299
    await box.drain()
    assert len(mails.mails) == 1
    box.now = NOW + 300
    await box.drain()
    assert mails.subjects[1].startswith("[appliance] 19 notices, the first: PINs of calling cards")
    assert mails.mails[1].get_content().count("wrong PINs within the hour") == 19
    box.use(notifydigest=0)
    for number in range(3):
        box.tell("pin_guessing", key=f"more {number}")
    await box.drain()
    assert len(mails.mails) == 5


@pytest.mark.setting("notifyperhour")
async def test_a_channel_sends_no_more_messages_an_hour_than_it_may(box: Outbox, mails: MailServer) -> None:
    box.use(notifydigest=0, notifyperhour=3)
    for number in range(5):
        box.now = NOW + number
        box.tell("pin_guessing", key=str(number))
        await box.drain()
    assert len(mails.mails) == 3
    box.now = NOW + 3599.9
    await box.drain()
    assert len(mails.mails) == 3
    box.now = NOW + 3600
    await box.drain()
    assert len(mails.mails) == 4
    box.use(notifyperhour=0)
    await box.drain()
    assert len(mails.mails) == 5


async def test_owners_do_not_use_up_the_rate_of_administrators_who_come_first(box: Outbox, mails: MailServer) -> None:
    box.use(notifydigest=0, notifyperhour=2, notifyowners=1)
    for number in range(6):
        box.tell("spend_blocked", "alice", str(number), **BLOCKED)
    await box.drain()
    assert mails.to == ["alice@example.org"] * 2
    box.tell("pin_guessing", key="1")
    await box.drain()
    assert mails.to[2:] == ["admin@example.org"]
    box.now += 3600
    box.tell("pin_guessing", key="2")
    await box.drain()
    assert mails.to[3:] == ["admin@example.org", "alice@example.org", "alice@example.org"]


async def test_a_test_waits_for_no_window_and_no_rate_and_is_tried_once(box: Outbox, mails: MailServer) -> None:
    box.use(notifydigest="5m", notifyperhour=1)
    mails.answers = ["250 OK", "250 OK", "451 later"]
    for key in "abc":
        box.tell("test", key=key, who="root")
        await box.drain()
    assert [(row.status, row.attempts) for row in box.rows()] == [("sent", 1), ("sent", 1), ("failed", 1)]


async def test_the_rate_holds_over_a_restart(box: Outbox, mails: MailServer) -> None:
    box.use(notifydigest=0, notifyperhour=1)
    box.tell("pin_guessing", key="1")
    await box.drain()
    box.restart()
    box.tell("pin_guessing", key="2")
    await box.drain()
    assert len(mails.mails) == 1


async def test_a_server_that_is_busy_is_asked_again_later_and_the_mail_stays_the_same(
    box: Outbox, mails: MailServer
) -> None:
    mails.answers = ["451 later", "451 later"]
    box.tell("pin_guessing", key="1")
    assert await box.drain() == pytest.approx(PAUSES_S[0])
    assert [(row.status, row.attempts, row.reason) for row in box.rows()] == [
        ("waiting", 1, "the mail server said 451 later")
    ]
    box.now += PAUSES_S[0]
    await box.drain()
    assert mails.mails == []
    box.now += PAUSES_S[1]
    await box.drain()
    assert len(mails.mails) == 1
    assert [(row.status, row.attempts, row.reason) for row in box.rows()] == [("sent", 3, "")]


@pytest.mark.setting("mailport")
async def test_a_mail_is_given_up_after_its_tries(box: Outbox) -> None:
    box.use(mailport=1)
    box.tell("pin_guessing", key="1")
    for _ in range(TRIES + 2):
        await box.drain()
        box.now += PAUSES_S[-1]
    row = box.rows()[0]
    assert (row.status, row.attempts) == ("failed", TRIES)
    assert "127.0.0.1" in row.reason


async def test_a_recipient_that_the_server_refuses_for_good_is_not_tried_again(box: Outbox, mails: MailServer) -> None:
    mails.refuses = {"admin@example.org": "550 nobody here"}
    box.tell("pin_guessing", key="1")
    await box.drain()
    assert [(row.status, row.attempts, row.reason) for row in box.rows()] == [
        ("failed", 1, "the mail server said 550 nobody here")
    ]


async def test_a_crash_between_sending_and_noting_it_sends_the_same_message_again(
    box: Outbox, mails: MailServer
) -> None:
    handed_over = asyncio.Event()

    async def hears_nothing_more(message: Message, settings: Settings) -> None:
        await mail.send(message, settings)
        handed_over.set()
        await asyncio.Event().wait()

    box.senders[Channel.MAIL] = hears_nothing_more
    box.tell("pin_guessing", key="1", caller="+491")
    box.tell("pin_guessing", key="2", caller="+492")
    task = asyncio.create_task(box.drain())
    async with asyncio.timeout(30):
        await handed_over.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    path = box.store._path
    box.store.close()
    with Store.open(path) as store:
        again = Outbox(store, box.settings, box.now + PAUSES_S[0])
        again.tell("pin_guessing", key="3", caller="+493")
        await again.drain()
        assert [row.status for row in again.rows()] == ["sent", "sent", "waiting"]
    first, second = mails.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert mails.raw[0] == mails.raw[1]


async def test_a_fault_of_one_channel_leaves_the_others_alone(box: Outbox, mails: MailServer, web: WebServer) -> None:
    async def broken(message: Message, settings: Settings) -> None:
        raise ZeroDivisionError

    box.senders[Channel.WEBHOOK] = broken
    box.use(notifywebhook=web.url, notifywebhookkey="k")
    box.tell("pin_guessing", key="1")
    await box.drain()
    assert sorted((row.channel, row.status, row.reason) for row in box.rows()) == [
        ("mail", "sent", ""),
        ("webhook", "waiting", "a fault: ZeroDivisionError"),
    ]


async def test_a_server_that_hangs_holds_up_neither_calls_nor_the_other_channels(
    box: Outbox, mails: MailServer, web: WebServer
) -> None:
    held, seen = asyncio.Event(), asyncio.Queue[int]()

    async def hangs(message: Message, settings: Settings) -> None:
        await held.wait()
        raise SendFailed("too slow")

    async def sms_sent(message: Message, settings: Settings) -> None:
        seen.put_nowait(len(message.rows))

    box.senders |= {Channel.MAIL: hangs, Channel.SMS: sms_sent}
    box.use(adminphones="+4930123", smsgatewayurl=sms(web))
    box.notices.on_told = box.dispatcher.wake
    box.tell("test", key="1", who="root")
    task = asyncio.create_task(box.dispatcher.run())
    async with asyncio.timeout(30):
        await seen.get()
        box.tell("test", key="2", who="root")  # while the mail of the first one hangs
        await seen.get()
    assert not held.is_set()
    assert [row.status for row in box.rows() if row.channel == Channel.SMS] == ["sent", "sent"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {row.status for row in box.rows() if row.channel == Channel.MAIL} == {"waiting"}


async def test_telling_wakes_the_dispatcher(box: Outbox, mails: MailServer) -> None:
    box.notices.on_told = box.dispatcher.wake
    task = asyncio.create_task(box.dispatcher.run())
    await asyncio.sleep(0)
    box.tell("pin_guessing", key="1")
    async with asyncio.timeout(30):
        while not mails.mails:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
