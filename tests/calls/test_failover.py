"""The table of failures, the headers that cross, and the page made of both."""

import pytest

from pysrv.calls import crossing, failover, tables
from pysrv.calls.causes import NO_ROUTE, Cause
from pysrv.calls.crossing import Where
from pysrv.calls.failover import best, fails_over, told
from pysrv.calls.plan import TargetKind
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri


@pytest.mark.parametrize("status", [408, 480, 500, 502, 503, 504, 404, 302])
@pytest.mark.parametrize("kind", list(TargetKind))
def test_what_could_not_be_carried_is_tried_elsewhere(status: int, kind: TargetKind) -> None:
    assert fails_over(status, kind)


@pytest.mark.parametrize("status", [486, 600, 603, 604, 484, 499])
@pytest.mark.parametrize("kind", list(TargetKind))
def test_an_answer_of_the_called_user_is_final(status: int, kind: TargetKind) -> None:
    assert not fails_over(status, kind)


@pytest.mark.parametrize("status", [402, 403, 488])
def test_what_a_trunk_does_not_want_another_may(status: int) -> None:
    assert fails_over(status, TargetKind.TRUNK)
    assert not fails_over(status, TargetKind.BINDING)


def test_the_best_failure_is_the_most_telling_one() -> None:
    of = Cause.of_status
    assert best([of(408), of(486), of(503)]).status == 486
    assert best([of(486), of(603)]).status == 603
    assert best([of(503), of(404)]).status == 404
    assert best([of(503), of(500)]).status == 500
    assert best([]) is NO_ROUTE


@pytest.mark.parametrize(("status", "seen"), [(401, 403), (407, 403), (503, 500), (302, 480), (481, 480), (486, 486)])
def test_the_caller_never_sees_what_is_between_us_and_the_target(status: int, seen: int) -> None:
    cause = told(Cause.of_status(status))
    assert cause.status == seen
    assert cause.q850 == Cause.of_status(status).q850


def test_every_status_has_one_rule() -> None:
    statuses = [rule.status for rule in failover.TABLE]
    assert len(set(statuses)) == len(statuses)
    assert {3, 4, 5, 6} <= set(statuses)


def test_only_listed_headers_cross_and_no_overlong_ones() -> None:
    lines = [
        (b"Subject", b"lunch"), (b"Priority", b"x" * 600), (b"Call-Info", b"<http://evil>"), (b"Server", b"x"),
        (b"Via", b"SIP/2.0/UDP 10.0.0.1"), (b"P-Asserted-Identity", b"<sip:me@here>"), (b"Alert-Info", b"<x>"),
    ]  # fmt: skip
    request = Request.new(b"INVITE", Uri(b"sip", b"a", b"b"), lines)
    assert crossing.crossing(request, Where.INVITE) == ((b"Subject", b"lunch"),)


def test_nothing_that_shows_topology_may_ever_be_listed() -> None:
    secret = {b"via", b"contact", b"route", b"record-route", b"user-agent", b"server", b"call-id", b"warning"}
    secret |= {b"from", b"to", b"diversion", b"history-info", b"referred-by", b"call-info", b"p-asserted-identity"}
    assert not secret & {row.name.lower() for row in crossing.TABLE}


def test_the_page_shows_every_row() -> None:
    page = tables.render()
    assert "| 17 | User busy | 486 | 486, 600 |" in page
    assert "| 5xx | next | next | 60 | the same |" in page
    assert "| Privacy | trusted invite |" in page
