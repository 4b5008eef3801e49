"""The outbox: told once, kept until sent, the same message for ever, forgotten in time."""

import pytest

from pysrv.store import Store
from pysrv.store.notices import KEPT_S, WAITS_S, NewDelivery, WaitingMessage
from tests.store.conftest import Clock

TO = NewDelivery("mail", "admin@example.org")


def tell(store: Store, key: str = "", *deliveries: NewDelivery) -> int:
    assert store.add_notice("spend_blocked", "alice", {"spent": 5}, key)
    [notice] = store.unrouted_notices()
    store.route_notice(notice.id, deliveries or (TO,))
    return notice.id


def test_the_same_is_told_once(store: Store) -> None:
    assert store.add_notice("spend_blocked", "alice", {}, "day 1")
    assert not store.add_notice("spend_blocked", "alice", {"other": 1}, "day 1")
    assert store.add_notice("spend_blocked", "alice", {}, "day 2")
    assert store.add_notice("spend_blocked", "bob", {}, "day 1")
    assert store.add_notice("spend_warning", "alice", {}, "day 1")
    assert len(store.unrouted_notices()) == 4


def test_what_was_thrown_away_was_not_told(store: Store) -> None:
    store.add_notice("spend_blocked", "alice", {}, "day 1")
    store.rollback()
    assert store.add_notice("spend_blocked", "alice", {}, "day 1")


def test_figures_come_back_as_they_were(store: Store) -> None:
    store.add_notice("test", "", {"who": "Zoë", "count": 10**15})
    assert store.unrouted_notices()[0].figures == {"who": "Zoë", "count": 10**15}


def test_a_message_keeps_its_number_and_takes_no_more_in(store: Store, clock: Clock) -> None:
    for key in "abc":
        tell(store, key)
    number = store.make_notice_message("mail", TO.recipient, 2)
    assert number is not None
    tell(store, "d")
    assert [row.notice.key for row in store.notice_message(number)] == ["a", "b"]
    assert store.notice_messages("mail") == [WaitingMessage(number, False, False, 0.0)]
    assert [queue.count for queue in store.notice_queues("mail")] == [2]
    store.begin_notice_try(number, clock.now + 60)
    store.note_notice_failed(number, "busy", final=False)
    assert store.notice_messages("mail") == [WaitingMessage(number, False, False, clock.now + 60)]
    assert {(row.status, row.attempts, row.reason) for row in store.notice_message(number)} == {("waiting", 1, "busy")}
    store.begin_notice_try(number, clock.now + 300)
    store.note_notice_sent(number)
    assert {(row.status, row.attempts, row.reason) for row in store.notice_message(number)} == {("sent", 2, "")}
    assert store.notice_messages("mail") == []
    assert store.notice_attempts("mail", clock.now - 1, owner=False) == [clock.now]


def test_nothing_waits_nothing_is_made(store: Store) -> None:
    assert store.make_notice_message("mail", TO.recipient, 5) is None
    tell(store, "a", NewDelivery("mail", TO.recipient, reason="notifyowners"))
    assert store.make_notice_message("mail", TO.recipient, 5) is None
    assert [(row.status, row.reason) for row in store.notices()] == [("suppressed", "notifyowners")]


def test_a_channel_that_is_closed_gives_up_what_waits(store: Store) -> None:
    tell(store, "a", TO, NewDelivery("sms", "+491"))
    assert store.close_notice_channel("mail", "mailserver") == 1
    assert {(row.channel, row.status) for row in store.notices()} == {("mail", "suppressed"), ("sms", "waiting")}


def test_old_news_is_not_sent_and_forgotten_later(store: Store, clock: Clock) -> None:
    tell(store, "a")
    clock.now += WAITS_S
    assert (store.prune_notices(), store.notices()[0].status) == (0, "waiting")
    clock.now += 1
    store.prune_notices()
    assert (store.notices()[0].status, store.notice_queues("mail")) == ("failed", [])
    clock.now += KEPT_S
    assert store.prune_notices() == 1
    assert store.notices() == []
    assert store.add_notice("spend_blocked", "alice", {}, "a")


def test_a_list_of_one_account_has_only_its_own(store: Store) -> None:
    tell(store, "a")
    assert len(store.notices(account="alice")) == 1
    assert store.notices(account="bob") == []


def test_the_number_of_a_message_is_never_given_again(store: Store, clock: Clock) -> None:
    """Whoever keeps what it has read by Message-ID would drop a mail under a number that it knows."""
    tell(store, "a")
    first = store.make_notice_message("mail", TO.recipient, 5)
    clock.now += KEPT_S + 1
    assert store.prune_notices() == 1
    tell(store, "b")
    second = store.make_notice_message("mail", TO.recipient, 5)
    assert first is not None
    assert second is not None
    assert second > first


def test_there_are_never_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.store.notices.MOST", 3)
    for key in "abcde":
        tell(store, key)
    assert store.prune_notices() == 2
    assert [row.notice.key for row in store.notices()] == ["e", "d", "c"]


def test_what_failed_waits_again_under_its_number_while_it_is_news(store: Store, clock: Clock) -> None:
    tell(store, "a")
    number = store.make_notice_message("mail", TO.recipient, 5)
    assert number is not None
    store.begin_notice_try(number, clock.now + 60)
    store.note_notice_failed(number, "535 no", final=True)
    assert store.retry_notices() == 1
    assert store.notice_messages("mail") == [WaitingMessage(number, False, False, 0.0)]
    store.note_notice_failed(number, "535 no", final=True)
    clock.now += WAITS_S + 1
    assert store.retry_notices() == 0


def test_a_long_history_does_not_slow_the_look_at_what_waits(store: Store) -> None:
    """Each look is made between calls: it may not walk through everything that was ever sent."""
    plan = " ".join(
        str(row[3])
        for row in store._all(
            "EXPLAIN QUERY PLAN SELECT max(t.tried_at) FROM notice_deliveries t "
            "WHERE t.channel = 'mail' AND t.recipient = 'a' AND t.tried_at > 0"
        )
    )
    assert "notice_deliveries_last (channel=? AND recipient=? AND tried_at>?)" in plan
