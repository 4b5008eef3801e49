"""The log's newest lines in memory."""

import logging

from pysrv.service.recent import MOST_CHARACTERS, Recent


def logger(recent: Recent) -> logging.Logger:
    made = logging.Logger("pysrv.test")
    made.addHandler(recent)
    return made


def test_only_the_newest_lines_are_kept_and_they_come_newest_first() -> None:
    recent = Recent(most=3)
    for number in range(5):
        logger(recent).info("line %d", number)
    assert [(line.number, line.text) for line in recent.lines()] == [(5, "line 4"), (4, "line 3"), (3, "line 2")]
    assert [line.text for line in recent.lines(limit=1)] == ["line 4"]


def test_lines_are_chosen_by_severity_and_words_in_any_case() -> None:
    recent = Recent()
    log = logger(recent)
    log.debug("not even kept")
    log.info("a call ended")
    log.warning("a Trunk is slow")
    log.error("a fault")
    assert [line.text for line in recent.lines(severity=30)] == ["a fault", "a Trunk is slow"]
    assert [line.text for line in recent.lines(words="trunk")] == ["a Trunk is slow"]
    assert len(recent.lines(words="PYSRV.TEST")) == 3


def test_a_line_shows_control_characters_and_is_no_longer_than_it_may_be() -> None:
    recent = Recent()
    logger(recent).info("caller %s", "\x1b[2J\n" + "x" * 5000)
    (line,) = recent.lines()
    assert line.text.startswith("caller \\x1b[2J\\x0a") and len(line.text) == MOST_CHARACTERS


def test_a_fault_is_told_with_its_kind_and_a_record_that_cannot_be_written_does_no_harm() -> None:
    recent = Recent()
    try:
        raise ValueError("broken")
    except ValueError as error:
        logger(recent).error("a verb failed", exc_info=error)
    logger(recent).info("%d figures", "no number")
    assert [line.text for line in recent.lines()] == ["%d figures", "a verb failed: ValueError: broken"]
