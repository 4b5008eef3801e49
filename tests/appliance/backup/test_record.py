"""When a backup is due: worked on a clock in UTC."""

import os
import time
from collections.abc import Iterator

import pytest

from appliance.backup.place import Options
from appliance.backup.record import Record, is_due

HOUR = 3600.0
MIDNIGHT = 1_700_006_400.0  # 2023-11-15 00:00 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(os.environ, "TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("options", "record", "at_h", "due"),
    [
        (Options(every_h=0), Record(), 5, False),
        (Options(), Record(), 5, True),  # never one so far
        (Options(at_h=3), Record(MIDNIGHT - 21 * HOUR), 2, False),  # made at three yesterday
        (Options(at_h=3), Record(MIDNIGHT - 21 * HOUR), 3, True),
        (Options(at_h=3), Record(MIDNIGHT + 3 * HOUR), 23, False),
        (Options(at_h=3), Record(MIDNIGHT - 100 * HOUR), 1, True),  # the machine was off for days
        (Options(at_h=3, every_h=48), Record(MIDNIGHT - 21 * HOUR), 4, False),
        (Options(at_h=3, every_h=48), Record(MIDNIGHT - 45 * HOUR), 4, True),
        (Options(every_h=6), Record(MIDNIGHT), 5, False),
        (Options(every_h=6), Record(MIDNIGHT), 6, True),
        (Options(every_h=6), Record(MIDNIGHT).failed(MIDNIGHT + 6 * HOUR, "x"), 6.5, False),  # not at once again
        (Options(every_h=6), Record(MIDNIGHT).failed(MIDNIGHT + 6 * HOUR, "x"), 7.5, True),
    ],
)
def test_one_is_due(options: Options, record: Record, at_h: float, due: bool) -> None:
    assert is_due(options, record, MIDNIGHT + at_h * HOUR) is due
