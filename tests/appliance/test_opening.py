"""Whom of the allow list panel and SSH answer, for every value of the two settings."""

from dataclasses import dataclass

import pytest

from appliance.config.opening import Extent, Opening, opening


@dataclass(frozen=True)
class Chosen:
    allowtrustedip: int
    remoteadmin: int


@pytest.mark.parametrize(
    ("honoured", "span"), [(0, "none"), (1, "none"), (2, "private"), (3, "all"), (4, "all"), (5, "none")]
)
def test_the_panel_is_shut_by_either_setting_and_ssh_by_one(honoured: int, span: str) -> None:
    assert opening(Chosen(honoured, 0)) == Opening(Extent.NONE, Extent(span))
    assert opening(Chosen(honoured, 1)) == Opening(Extent(span), Extent(span))
    assert opening(Chosen(honoured, 2)) == Opening(Extent.ALL, Extent.ALL)


def test_a_span_holds_what_has_a_part_in_it() -> None:
    for prefix, found in (("10.1.2.3", True), ("8.0.0.0/5", True), ("203.0.113.7", False), ("fd00::/64", True)):
        assert Extent.PRIVATE.holds(prefix) is found
        assert Extent.ALL.holds(prefix) and not Extent.NONE.holds(prefix)
