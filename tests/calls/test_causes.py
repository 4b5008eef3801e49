"""The cause table and the Reason header (RFC 3398, RFC 3326)."""

import pytest

from pysrv.calls.causes import NORMAL, TABLE, Cause


def test_every_cause_and_every_status_has_one_row() -> None:
    causes = [row.q850 for row in TABLE]
    statuses = [status for row in TABLE for status in row.means]
    assert len(set(causes)) == len(causes)
    assert len(set(statuses)) == len(statuses)
    assert all(1 <= row.q850 <= 127 and 400 <= row.status <= 699 and row.text for row in TABLE)


@pytest.mark.parametrize(
    ("status", "q850"),
    [(404, 1), (486, 17), (600, 17), (480, 18), (403, 21), (603, 21), (410, 22), (484, 28), (503, 41), (502, 38),
     (408, 102), (504, 102), (488, 65), (487, 16), (302, 23), (499, 127), (599, 41), (699, 21)],
)  # fmt: skip
def test_a_status_maps_to_its_cause(status: int, q850: int) -> None:
    cause = Cause.of_status(status)
    assert (cause.q850, cause.status) == (q850, status)


@pytest.mark.parametrize(
    ("q850", "status"), [(1, 404), (17, 486), (18, 408), (19, 480), (21, 403), (34, 503), (102, 504), (111, 500)]
)
def test_a_cause_maps_to_the_status_to_tell(q850: int, status: int) -> None:
    assert Cause.of_q850(q850).status == status


def test_an_unknown_cause_keeps_its_number() -> None:
    assert Cause.of_q850(99) == Cause(99, 500, "Cause 99")


def test_reason_is_written_with_both_protocols_unless_the_call_was_simply_hung_up() -> None:
    assert NORMAL.reason() == b'Q.850;cause=16;text="Normal call clearing"'
    assert Cause(17, 486, "User busy").reason() == (b'Q.850;cause=17;text="User busy", SIP;cause=486;text="User busy"')


def test_reason_text_cannot_break_out_of_its_header() -> None:
    assert Cause(16, 200, 'a"b\\c\r\nVia: x').reason() == b'Q.850;cause=16;text="a\'bcVia: x"'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b'Q.850;cause=17;text="User busy"'], Cause(17, 200, "User busy")),
        ([b'SIP ;cause=486 ;text="Busy, really; yes"'], Cause(17, 486, "Busy, really; yes")),
        ([b'SIP;cause=480, Q.850;cause=19;text="No answer"'], Cause(19, 200, "No answer")),
        ([b"SIP;cause=200", b"q.850 ; cause=31"], Cause(31, 200, "Normal, unspecified")),
        ([b"Q.850;cause=0"], NORMAL),
        ([b"Q.850;cause=999999999999"], NORMAL),
        ([b"preemption;cause=1"], NORMAL),
        ([b'"', b";;;", b"", b"Q.850"], NORMAL),
        ([], NORMAL),
    ],
)
def test_reason_is_read_leniently(lines: list[bytes], expected: Cause) -> None:
    assert Cause.of_reason(lines, NORMAL) == expected


def test_what_is_written_reads_back() -> None:
    for row in TABLE:
        cause = Cause(row.q850, 200, row.text)
        assert Cause.of_reason([cause.reason()], NORMAL) == cause
