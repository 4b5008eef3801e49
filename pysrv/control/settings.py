"""Verbs about settings: each change is checked by its row, stored with an audit row, and then put in force."""

from dataclasses import dataclass
from typing import Any, TypedDict

from appliance.config.load import layered
from appliance.config.profiles import Change, Profile, diff
from appliance.config.row import Place, Scope
from appliance.config.schema import ROWS, UnknownSetting, row
from appliance.config.settings import Settings, SettingSource, warnings
from appliance.wire import WireError
from pysrv.control.answer import Done, Moment
from pysrv.control.desk import Desk
from pysrv.control.firewall import PendingRow, pending, with_undo
from pysrv.control.passwords import follow
from pysrv.control.replaying import TRIABLE
from pysrv.limits.decoys import taken

HISTORY_ROWS = 50
DANGEROUS = frozenset({Place.NIC, Place.TRANSPORT, Place.WEB, Place.AUTH})
"""Where a wrong value can lock out the one who sets it."""


@dataclass(frozen=True, slots=True)
class SettingNamed:
    """One setting."""

    name: str


class SettingRow(TypedDict):
    """A setting; `value` and `default` are for people, and a secret's are masked. `acts_at`: where it is enforced;
    `in_force`: it does something in this version."""

    name: str
    value: str
    default: str
    source: SettingSource
    scope: Scope
    unit: str
    acts_at: list[Place]
    in_force: bool


class ChangeRow(TypedDict):
    """A change of a setting. `before`, `after` null: the default; a secret's are not `known`."""

    id: int
    at: Moment
    who: str
    known: bool
    before: str | None
    after: str | None


class SettingAnswer(SettingRow):
    """A setting with everything that one should know who changes it. `text` is what would be written for its value;
    `strict`, `strict_text`: what the profile strict asks for; `idle`: why it does nothing; `dangerous`: a wrong value
    can lock out the one who sets it; `triable`: it can be tried on calls of the past. `changed_at` null: never."""

    chapter: str
    sentence: str
    kind: str
    allowed: str
    secret: bool
    text: str
    strict: str
    strict_text: str
    is_strict: bool
    idle: str
    see: list[str]
    dangerous: bool
    triable: bool
    warnings: list[str]
    changed_at: Moment | None
    changed_by: str
    history: list[ChangeRow]


class WarningRow(TypedDict):
    """What is to be thought of with a setting's value."""

    setting: str
    message: str


class SettingsAnswer(TypedDict):
    """Settings. `problems`: stored values that are not in force, because they are wrong."""

    generation: int
    settings: list[SettingRow]
    problems: list[str]
    warnings: list[WarningRow]


class SettingsChanged(TypedDict):
    """What was changed. `live`: a running service acts by it; `pending`: the change that waits for its word."""

    generation: int
    settings: list[SettingRow]
    warnings: list[str]
    live: bool
    pending: PendingRow | None


class ProfileAnswer(TypedDict):
    """How the settings differ from a profile."""

    profile: Profile
    changes: list[Change]


class ReloadAnswer(TypedDict):
    """What is in force after reading again, and what is wrong with stored settings."""

    generation: int
    problems: list[str]


def reload(desk: Desk, _: Any) -> ReloadAnswer:
    """reload: what is stored is read again and put in force, and the gate hears all of it."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running; it reads everything when it starts")
    loaded = layered(desk.file, desk.store.overrides(), desk.store.generation())
    desk.store.note(desk.who, "reload", "settings", "", f"generation {loaded.settings.generation}")
    for tell in (
        lambda live: live.apply_settings(loaded.settings),
        lambda live: live.trunks_changed(),
        lambda live: live.policy_changed(),
        lambda live: live.lists_changed(),
    ):
        desk.after_commit(tell)
    return {"generation": loaded.settings.generation, "problems": [str(problem) for problem in loaded.problems]}


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


def shape(settings: Settings, name: str) -> SettingRow:
    """A setting, if it is secret masked."""
    each = ROWS[name]
    return {
        "name": name,
        "value": settings.shown(name),
        "default": each.default_shown(),
        "source": settings.source(name),
        "scope": each.scope,
        "unit": each.unit,
        "acts_at": list(each.acts_at),
        "in_force": each.in_force,
    }


def list_all(desk: Desk, _: Any) -> SettingsAnswer:
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


def get(desk: Desk, args: SettingNamed) -> SettingRow:
    """settings.get"""
    return shape(desk.settings, _canonical(args.name))


def show(desk: Desk, args: SettingNamed) -> SettingAnswer:
    """settings.show: a setting with everything that one should know who changes it, and its own history."""
    name, settings = _canonical(args.name), desk.settings
    each = ROWS[name]
    held = next((row for row in desk.store.override_rows() if row.name == name), None)
    return {
        **shape(settings, name),
        "chapter": each.chapter,
        "sentence": each.sentence,
        "kind": each.kind.noun,
        "allowed": each.kind.allowed(),
        "secret": each.kind.secret,
        "text": "" if each.kind.secret else settings.text(name),
        "strict": each.strict.words() if each.strict else "",
        "strict_text": each.strict.target if each.strict else "",
        "is_strict": each.strict is None or each.strict.accepts(each.kind, settings.value(name)),
        "idle": each.lack(),
        "see": list(each.see),
        "dangerous": bool(DANGEROUS.intersection(each.acts_at)),
        "triable": name in TRIABLE and each.scope is not Scope.USER,
        "warnings": [problem.message for problem in warnings(settings) if problem.name == name],
        "changed_at": held.changed_at if held else None,
        "changed_by": held.who if held else "",
        "history": _history(desk, name),
    }


def _history(desk: Desk, name: str) -> list[ChangeRow]:
    """Changes of one setting, the newest first. `before` and `after` null: the default; a secret's are not known."""
    secret = ROWS[name].kind.secret
    rows = [row for row in desk.store.audit(HISTORY_ROWS, name) if row.action == "setting"]
    return [
        {
            "id": row.id,
            "at": row.at,
            "who": row.who,
            "known": not secret,
            "before": _stored(row.before),
            "after": _stored(row.after),
        }
        for row in rows
    ]


def _stored(text: str) -> str | None:
    return None if text == "(default)" else text


def change(desk: Desk, args: SetSettings) -> SettingsChanged:
    """settings.set"""
    for name, text in args.changes.items():
        _canonical(name)
        if not (text is None or isinstance(text, str)):
            raise WireError("bad_args", f"the value of {name} must be text")
    before = desk.settings
    settings = before.with_changes(args.changes)
    check_decoys(desk, settings)
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
        "warnings": [p.message for p in warnings(settings) if p.name in names] + realm_warning(lost, settings),
        "live": desk.live is not None,
        "pending": pending(desk),
    }


def check_decoys(desk: Desk, settings: Settings) -> None:
    """A decoy that is somebody would ban whoever calls him. Raises WireError("invalid")."""
    if not settings.decoyextensions:
        return
    if wrong := taken(settings.decoyextensions, desk.store.account_words()):
        hint = "choose names and numbers that no account has"
        raise WireError("invalid", f"decoyextensions: {', '.join(wrong[:5])} belongs to an account", hint)


def realm_warning(lost: list[str], after: Settings) -> list[str]:
    if not lost:
        return []
    return [f"passwords are kept for one realm: set those of {', '.join(lost[:5])} again for {after.realm}"]


def difference(desk: Desk, args: ProfileNamed) -> ProfileAnswer:
    """settings.diff"""
    return {"profile": args.profile, "changes": list(diff(desk.settings, args.profile))}


def context(desk: Desk, args: FileSettings) -> Done:
    """context: a single run learns what the settings file says."""
    desk.read_file({name: str(text) for name, text in args.file.items()})
    return {}
