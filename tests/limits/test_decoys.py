"""Decoys: who touches one, and when that bans."""

import pytest

from pysrv.limits.decoys import Asked, Decoys, Role, taken

DECOYS = Decoys(("9999", "Admin", "+49301"))


@pytest.mark.parametrize(
    ("asked", "proven", "neighbours", "role", "bans"),
    [
        (Asked(("admin",)), True, False, Role.SAYS_TO_BE, True),
        (Asked(("admin",)), True, True, Role.SAYS_TO_BE, True),
        (Asked(("admin",)), False, False, Role.SAYS_TO_BE, False),
        (Asked(("anna",), ("9999",)), True, False, Role.ASKS_FOR, True),
        (Asked(("anna",), ("9999",)), True, True, Role.ASKS_FOR, False),
        (Asked(("anna",), ("9999",)), False, False, Role.ASKS_FOR, False),
    ],
)
def test_a_touch_bans_only_a_proven_address_and_no_customers_mistake(
    asked: Asked, proven: bool, neighbours: bool, role: Role, bans: bool
) -> None:
    touch = DECOYS.touch(asked, proven=proven, neighbours=neighbours)
    assert touch is not None
    assert (touch.role, touch.bans) == (role, bans)
    assert touch.decoy in touch.sentence


def test_others_touch_nothing() -> None:
    assert DECOYS.touch(Asked(("anna", ""), ("101", "99999", "")), proven=True, neighbours=False) is None
    assert Decoys(()).touch(Asked(("",), ("",)), proven=True, neighbours=False) is None


@pytest.mark.parametrize("name", ["49301", "+49301", "ADMIN", "admin"])
def test_names_have_no_case_and_numbers_no_plus(name: str) -> None:
    assert DECOYS.find([name])


def test_what_is_somebodys_can_be_no_decoy() -> None:
    assert taken(("9999", "Anna", "+4930"), ("anna", "4930", "101")) == ["Anna", "+4930"]
