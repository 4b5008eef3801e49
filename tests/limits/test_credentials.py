"""AUTH_MODES says what the settings' row says, and a call that proves nothing is taken nowhere by chance."""

from itertools import product

import pytest

from appliance.config.fields import Enum
from appliance.config.schema import ROWS
from pysrv.limits.credentials import AUTH_MODES, STRICTEST, Mode, is_taken_unproven, lines, mode_of


@pytest.mark.setting("needauth")
def test_every_number_of_the_setting_has_its_mode_and_its_words() -> None:
    kind = ROWS["needauth"].kind
    assert isinstance(kind, Enum)
    assert list(kind.labels) == list(AUTH_MODES)
    for number, label in kind.labels.items():
        assert label.partition(" (")[0] == mode_of(number).words


@pytest.mark.parametrize("mode", AUTH_MODES.values(), ids=lambda mode: mode.words)
def test_a_mode_demands_what_its_words_say(mode: Mode) -> None:
    assert mode.address == ("address" in mode.words)
    assert mode.port == ("port" in mode.words)
    assert mode.networks == ("range" in mode.words)
    assert mode.prefix == ("prefix" in mode.words)
    assert mode.user == ("user name" in mode.words)
    assert mode.password == ("password" in mode.words)


def test_a_number_that_is_none_asks_for_everything() -> None:
    assert mode_of(77) is STRICTEST
    assert STRICTEST.address and STRICTEST.user and STRICTEST.password


def test_what_proves_nothing_is_taken_only_from_trusted_addresses_and_on_no_account_that_is_held_to_a_password() -> (
    None
):
    for allowed, trusted, strong, account in product((False, True), repeat=4):
        taken = is_taken_unproven(allowed=allowed, trusted=trusted, strong=strong, account=account)
        assert taken == (allowed and trusted and (not account or not strong))


def test_the_page_has_a_line_for_each_mode() -> None:
    assert len(lines()) == 2 + len(AUTH_MODES)
