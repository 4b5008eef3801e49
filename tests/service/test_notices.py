"""Telling from inside a call: within its turn, once, without secrets, and never the end of it."""

import logging
from pathlib import Path

import pytest

from pysrv.service.notices import Notices
from pysrv.store import Store
from tests.service.bench import Bench
from tests.service.test_limits import CENT, bench, talks

__all__ = ["bench"]


def test_a_limit_that_a_call_reaches_is_told_in_its_turn(bench: Bench) -> None:
    bench.store.set_account("alice", maxdailycredit=100 * CENT)
    told: list[str] = []
    bench.service.parts.notices.on_told = lambda: told.append("woken")
    talks(bench, 85)
    told_of = {notice.kind: notice for notice in bench.store.unrouted_notices()}
    warning = told_of["spend_warning"]
    assert (warning.account, warning.figures["setting"], warning.figures["unit"]) == (
        "alice",
        "maxdailycredit",
        "money",
    )
    assert told == ["woken"] * len(told_of)


def test_the_same_wakes_nobody_twice(bench: Bench) -> None:
    told: list[str] = []
    bench.service.parts.notices.on_told = lambda: told.append("woken")
    for _ in range(3):
        bench.service.parts.notices.tell("pin_guessing", "", "hour 1", caller="+491")
    assert told == ["woken"]


def test_a_secret_is_neither_stored_nor_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bench.service.parts.notices.tell("pin_guessing", "", "1", pin="4711", password="hidden", wrong=5)
    assert bench.store.unrouted_notices()[0].figures == {"wrong": 5}
    assert "4711" not in caplog.text
    assert "hidden" not in caplog.text


def test_a_store_that_fails_does_not_fail_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store.open(tmp_path / "closed.db")
    store.close()
    Notices(store).tell("test", "", "1")
    assert "a notice of the kind test was lost" in caplog.text


def test_what_a_figure_cannot_be_is_written_as_text(bench: Bench) -> None:
    bench.service.parts.notices.tell("pin_guessing", "", "1", wrong=None, caller=b"\r\n")  # type: ignore[arg-type]
    assert bench.store.unrouted_notices()[0].figures == {"wrong": "None", "caller": "b'\\r\\n'"}
