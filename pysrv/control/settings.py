"""Verbs about settings: each change is checked by its row, stored with an audit row, and then put in force."""

from dataclasses import asdict, dataclass
from typing import Any

from appliance.config.profiles import Profile, diff
from appliance.config.schema import ROWS, UnknownSetting, row
from appliance.config.settings import Settings, warnings
from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.control.firewall import pending, with_undo
from pysrv.control.passwords import follow
from pysrv.limits.decoys import taken


@dataclass(frozen=True, slots=True)
class SettingNamed:
    """One setting."""

    name: str


@dataclass(frozen=True, slots=True)
class SetSettings:
    """New texts by name; null takes a stored change back. With `confirm_s` they are, without a word within so many
    seconds, taken back by themselves."""

    changes: dict[str, Any]
    confirm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ProfileNamed:
    """A profile to compare with."""

    profile: Profile = Profile.STRICT


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The settings file's values, for a single run."""

    file: dict[str, Any]


def shape(settings: Settings, name: str) -> dict[str, Any]:
    """A setting as JSON; secrets are masked."""
    each = ROWS[name]
    return {
        "name": name,
        "value": settings.shown(name),
        "default": each.default_shown(),
        "source": str(settings.source(name)),
        "scope": str(each.scope),
        "unit": each.unit,
        "acts_at": [str(place) for place in each.acts_at],
        "in_force": each.in_force,
    }


def list_all(desk: Desk, _: Any) -> dict[str, Any]:
    """settings.list"""
    loaded = desk.loaded()
    settings = loaded.settings
    return {
        "generation": settings.generation,
        "settings": [shape(settings, name) for name in ROWS],
        "problems": [str(problem) for problem in loaded.problems],
        "warnings": [{"setting": problem.name, "message": problem.message} for problem in warnings(settings)],
    }


def _canonical(name: str) -> str:
    try:
        return row(name).name
    except UnknownSetting as error:
        raise WireError("unknown_setting", str(error), "'appliance settings list' shows all") from None


def get(desk: Desk, args: SettingNamed) -> dict[str, Any]:
    """settings.get"""
    return shape(desk.settings, _canonical(args.name))


def change(desk: Desk, args: SetSettings) -> dict[str, Any]:
    """settings.set"""
    for name, text in args.changes.items():
        _canonical(name)
        if not (text is None or isinstance(text, str)):
            raise WireError("bad_args", f"the value of {name} must be text")
    before = desk.settings
    settings = before.with_changes(args.changes)
    _check_decoys(desk, settings)
    names = tuple(dict.fromkeys(_canonical(name) for name in args.changes))
    with_undo(desk, args.confirm_s, "settings: " + ", ".join(names), names)
    generation = before.generation
    for name in names:
        text = settings.stored().get(name)
        generation = desk.store.set_setting(name, text, desk.who, secret=ROWS[name].kind.secret)
    settings = settings.with_changes({}, generation)
    lost = follow(desk, before, settings)
    desk.after_commit(lambda live: live.apply_settings(settings))
    shown = [name for name in ROWS if name in names]
    return {
        "generation": generation,
        "settings": [shape(settings, name) for name in shown],
        "warnings": [p.message for p in warnings(settings) if p.name in names] + _realm_warning(lost, settings),
        "live": desk.live is not None,
        "pending": pending(desk),
    }


def _check_decoys(desk: Desk, settings: Settings) -> None:
    """A decoy that is somebody would ban whoever calls him. Raises WireError("invalid")."""
    if not settings.decoyextensions:
        return
    if wrong := taken(settings.decoyextensions, desk.store.account_words()):
        hint = "choose names and numbers that no account has"
        raise WireError("invalid", f"decoyextensions: {', '.join(wrong[:5])} belongs to an account", hint)


def _realm_warning(lost: list[str], after: Settings) -> list[str]:
    if not lost:
        return []
    return [f"passwords are kept for one realm: set those of {', '.join(lost[:5])} again for {after.realm}"]


def difference(desk: Desk, args: ProfileNamed) -> dict[str, Any]:
    """settings.diff"""
    return {"profile": str(args.profile), "changes": [asdict(each) for each in diff(desk.settings, args.profile)]}


def context(desk: Desk, args: FileSettings) -> dict[str, Any]:
    """context: a single run learns what the settings file says."""
    desk.read_file({name: str(text) for name, text in args.file.items()})
    return {}
