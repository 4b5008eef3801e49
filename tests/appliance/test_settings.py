"""Snapshots of settings: layers, changes, freezing, secrets, profiles."""

import pytest

from appliance.config.load import layered, load, parse_file
from appliance.config.profiles import Profile, changes, diff
from appliance.config.schema import ROWS, UnknownSetting
from appliance.config.settings import BadSettings, Settings, SettingSource, parse_all, warnings


def test_values_have_the_types_of_their_kinds() -> None:
    settings = Settings()
    assert settings.calltimeout == 4 * 3600.0
    assert settings.maxlines == 5
    assert settings.credit == 0
    assert settings.maxdyndailycreditforenduser_min == 10_000_000
    assert settings.postpaid is False
    assert settings.maxdailycreditperuser is None
    assert settings.emergencynumbers == ("112", "911", "999")


def test_a_later_layer_wins_and_the_source_says_which() -> None:
    settings = load("maxlines = 2\ncalltimeout = '1h'", {"maxlines": "3"}).settings
    assert (settings.maxlines, settings.source("maxlines")) == (3, SettingSource.STORED)
    assert (settings.calltimeout, settings.source("CALLTIMEOUT")) == (3600.0, SettingSource.FILE)
    assert settings.source("mediatimeout") is SettingSource.DEFAULT


def test_a_change_makes_a_new_snapshot_and_leaves_the_old_one() -> None:
    before = Settings()
    after = before.with_changes({"MaxLines": "9"})
    assert (before.maxlines, after.maxlines) == (5, 9)
    assert (before.generation, after.generation) == (0, 1)
    assert after.stored() == {"maxlines": "9"}


def test_taking_a_change_back_uncovers_the_file() -> None:
    settings = load("maxlines = 2", {"maxlines": "3"}).settings.with_changes({"maxlines": None})
    assert (settings.maxlines, settings.source("maxlines")) == (2, SettingSource.FILE)


def test_a_snapshot_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(AttributeError, match="with_changes"):
        settings.maxlines = 1
    with pytest.raises(AttributeError):
        del settings.maxlines


def test_all_problems_of_a_change_are_named_at_once() -> None:
    with pytest.raises(BadSettings) as refused:
        Settings().with_changes({"maxlines": "many", "calltimeout": "", "nonsense": "1"})
    assert [problem.name for problem in refused.value.problems] == ["maxlines", "calltimeout", "nonsense"]


def test_a_setting_and_its_alias_cannot_both_be_given() -> None:
    with pytest.raises(BadSettings, match="given twice"):
        parse_all({"needauth": "4", "authtype": "1"})
    with pytest.raises(BadSettings, match="given twice"):
        parse_file("needauth = 4\nAuthType = 1")


def test_an_unknown_change_taken_back_is_named_too() -> None:
    with pytest.raises(BadSettings, match="no setting 'nonsense'"):
        Settings().with_changes({"nonsense": None})
    with pytest.raises(UnknownSetting):
        Settings().value("nonsense")


def test_a_stored_change_that_no_longer_fits_is_left_out_and_reported() -> None:
    loaded = layered({}, {"maxlines": "many", "gone": "1", "ringtimeout": "10s"}, 7)
    assert (loaded.settings.maxlines, loaded.settings.ringtimeout, loaded.settings.generation) == (5, 10.0, 7)
    assert [problem.name for problem in loaded.problems] == ["maxlines", "gone"]


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings().with_changes({"sslcertpwd": "hunter2", "httpapikey": "k3y"})
    assert "hunter2" not in repr(settings)
    assert settings.shown("sslcertpwd") == settings.shown("httpapikey") == "(set)"
    assert settings.shown("apiv2key") == "(random)"
    assert settings.text("sslcertpwd") == "hunter2"


def test_the_realm_is_the_local_domain_or_a_fixed_word() -> None:
    assert Settings().realm == "appliance"
    assert Settings().with_changes({"localdomain": "sip.example.com"}).realm == "sip.example.com"


def test_defaults_agree_with_the_compatible_profile_and_differ_from_strict() -> None:
    assert diff(Settings(), Profile.COMPATIBLE) == []
    names = {change.name for change in diff(Settings(), Profile.STRICT)}
    assert {"checkrtpaddr", "minpwdlength", "maxfailedauthenabledip"} <= names
    assert "securepasswords" not in names


def test_applying_strict_leaves_only_what_must_be_set_by_hand() -> None:
    strict = Settings().with_changes(changes(Settings(), Profile.STRICT))
    left = diff(strict, Profile.STRICT)
    assert [change.name for change in left] == ["apiv2ipauth"]
    assert left[0].by_hand
    assert (strict.minpwdlength, strict.maxfailedauthenabledipport, strict.maxfailedauthenabledip) == (8, 5, 20)


def test_a_value_stricter_than_strict_is_left_alone() -> None:
    settings = Settings().with_changes({"minpwdlength": "12", "remoteadmin": "0", "enablejsonp": "0"})
    assert not {"minpwdlength", "remoteadmin", "enablejsonp"} & {c.name for c in diff(settings, Profile.STRICT)}


def test_the_compatible_profile_takes_every_change_back() -> None:
    strict = Settings().with_changes(changes(Settings(), Profile.STRICT))
    back = strict.with_changes(changes(strict, Profile.COMPATIBLE))
    assert all(back.value(name) == each.default for name, each in ROWS.items())


def test_what_is_allowed_but_hardly_meant_is_warned_of() -> None:
    settings = Settings().with_changes({"ringtimeout": "5h", "maxdyndailycredit_multiplier": "3", "encv2_usetls": "no"})
    words = {problem.name: problem.message for problem in warnings(settings)}
    assert "longer than calltimeout" in words["ringtimeout"]
    assert "nothing acts on it yet" in words["encv2_usetls"]
    assert "maxdyndailycredit_multiplier" in words
    assert warnings(Settings()) == []
