"""Whom of the allow list panel and SSH answer, for every value of the two settings."""

from dataclasses import dataclass

import pytest

from appliance.config.opening import Opening, Span, opening


@dataclass(frozen=True)
class Chosen:
    allowtrustedip: int
    remoteadmin: int


@pytest.mark.parametrize(
    ("honoured", "span"), [(0, "none"), (1, "none"), (2, "private"), (3, "all"), (4, "all"), (5, "none")]
)
def test_the_panel_is_shut_by_either_setting_and_ssh_by_one(honoured: int, span: str) -> None:
    assert opening(Chosen(honoured, 0)) == Opening(Span.NONE, Span(span))
    assert opening(Chosen(honoured, 1)) == Opening(Span(span), Span(span))
    assert opening(Chosen(honoured, 2)) == Opening(Span.ALL, Span.ALL)


def test_a_span_holds_what_has_a_part_in_it() -> None:
    for prefix, found in (("10.1.2.3", True), ("8.0.0.0/5", True), ("203.0.113.7", False), ("fd00::/64", True)):
        assert Span.PRIVATE.holds(prefix) is found
        assert Span.ALL.holds(prefix) and not Span.NONE.holds(prefix)
