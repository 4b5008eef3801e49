"""Verbs about notices: what an operator sees of them, and the test that shows which ways are open."""

import pytest

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.control.session import Control
from pysrv.store import Store
from pysrv.store.notices import NewDelivery
from tests.control.office import NOW, Operator, Service

MAIL = {"mailserver": "mail.example.org", "mailfrom": "pbx@example.org", "adminemails": "admin@example.org"}


def operator(store: Store, service: Service | None) -> Operator:
    return Operator(Control(store, service, clock=lambda: NOW).session("root"))


def test_a_list_shows_words_and_what_kept_them_back(store: Store) -> None:
    store.add_notice("spend_blocked", "alice", {"setting": "maxdailycredit", "spent": 12_500_000}, "1")
    store.route_notice(1, [NewDelivery("mail", "admin@example.org", reason="sendadminemailnotifications")])
    [row] = operator(store, None).ask("notices.list")["notices"]
    assert (row["status"], row["reason"], row["at"]) == ("suppressed", "sendadminemailnotifications", NOW)
    assert row["subject"] == "alice is blocked for today by maxdailycredit"
    assert "after 12.50 today" in row["text"]
    assert operator(store, None).ask("notices.list", account="bob")["notices"] == []


def test_a_test_is_put_into_the_outbox_and_the_service_hears_of_it(store: Store) -> None:
    service = Service(Settings().with_changes({**MAIL, "adminphones": "+491"}, 1))
    answer = operator(store, service).ask("notices.test")
    assert len(answer["key"]) == 16
    assert answer["told"] == [{"channel": "mail", "recipient": "admin@example.org"}]
    assert answer["closed"] == [
        {"channel": "sms", "setting": "smsgatewayurl"},
        {"channel": "webhook", "setting": "notifywebhook"},
    ]
    assert [(row.kind, row.figures) for row in store.unrouted_notices()] == [("test", {"who": "root"})]
    assert service.told == [("notices",)]


def test_a_test_that_reaches_nobody_says_which_settings_are_missing(store: Store) -> None:
    with pytest.raises(WireError, match="not set are adminemails, notifywebhook"):
        operator(store, Service()).ask("notices.test")
    assert store.unrouted_notices() == []


def test_a_test_needs_a_running_service(store: Store) -> None:
    with pytest.raises(WireError, match="not running"):
        operator(store, None).ask("notices.test")


def test_a_test_of_one_channel_leaves_the_others_alone(store: Store) -> None:
    service = Service(Settings().with_changes({**MAIL, "adminphones": "+491"}, 1))
    root = operator(store, service)
    assert root.ask("notices.test", channel="mail")["closed"] == []
    for channel, missing in (("sms", "smsgatewayurl"), ("webhook", "notifywebhook")):
        with pytest.raises(WireError, match=missing):
            root.ask("notices.test", channel=channel)
    with pytest.raises(WireError, match="one of mail, sms, webhook"):
        root.ask("notices.test", channel="pigeon")
    assert [row.figures for row in store.unrouted_notices()] == [{"who": "root", "channel": "mail"}]


def test_what_failed_is_tried_again_on_an_operators_word(store: Store) -> None:
    service = Service()
    root = operator(store, service)
    assert root.ask("notices.retry") == {"retried": 0}
    store.add_notice("spend_blocked", "alice", {}, "1")
    store.route_notice(1, [NewDelivery("mail", "admin@example.org")])
    number = store.make_notice_message("mail", "admin@example.org", 1)
    assert number is not None
    store.note_notice_failed(number, "535 no", final=True)
    assert root.ask("notices.retry") == {"retried": 1}
    assert root.ask("notices.list")["notices"][0]["status"] == "waiting"
    assert service.told[-1] == ("notices",)
