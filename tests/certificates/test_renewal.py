"""When a certificate is ordered again, as arithmetic."""

import pytest

from pysrv.certificates.renewal import Standing, due_at, standing_of, text_of, wait_s

DAY = 86_400.0
ORDER = Standing("https://ca.example/dir", "a@b.example", ("pbx.example",), "KEY")


def test_what_was_never_issued_is_due_at_once_and_the_rest_with_a_third_of_its_life_left() -> None:
    assert due_at(ORDER, 0.0, 0.0) == 0.0
    assert due_at(ORDER.issued("AB"), 0.0, 90 * DAY) == 60 * DAY
    assert due_at(ORDER.issued("AB"), 0.0, 6 * DAY) == 4 * DAY


def test_failures_are_repeated_ever_more_seldom_and_a_day_apart_at_most() -> None:
    assert [wait_s(failures) / 3600 for failures in range(8)] == [0, 1, 2, 4, 8, 16, 24, 24]
    assert wait_s(10**6) == DAY
    failed = ORDER.failed(1000.0, "no", "try").failed(5000.0, "no " * 1000, "try")
    assert (failed.failures, len(failed.problem)) == (2, 600)
    assert due_at(failed, 0.0, 0.0) == 5000.0 + 7200.0
    assert due_at(failed.issued("AB"), 0.0, 90 * DAY) == 60 * DAY
    late = ORDER.issued("AB").failed(89.9 * DAY, "no", "")
    assert due_at(late, 0.0, 90 * DAY) == 89.9 * DAY + 3600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"names": 3}', '{"directory": "x"}', "null"])
def test_what_is_kept_is_read_again_and_anything_else_is_nothing(text: str) -> None:
    assert standing_of(text_of(ORDER.issued("AB"))) == ORDER.issued("AB")
    assert standing_of(text) is None


def test_the_account_s_key_is_not_in_what_is_printed() -> None:
    assert "KEY" not in repr(ORDER)
