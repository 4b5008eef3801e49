"""The two profiles of settings, and what applying one would change.

`compatible` is every default; `strict` is the table's strict column. A setting that has no strict value is left alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.config.row import Row
from appliance.config.schema import ROWS
from appliance.config.settings import Settings


class Profile(StrEnum):
    """A whole set of settings that can be applied at once."""

    COMPATIBLE = "compatible"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs from a profile. `wanted` is text; empty text with a `note` can only be set by hand."""

    name: str
    current: str
    wanted: str
    in_force: bool
    note: str = ""
    by_hand: bool = False


def diff(settings: Settings, profile: Profile) -> list[Change]:
    """What `profile` would change, in the table's order."""
    one = _to_default if profile is Profile.COMPATIBLE else _to_strict
    changes = (one(settings, row) for row in ROWS.values())
    return [change for change in changes if change is not None]


def changes(settings: Settings, profile: Profile) -> dict[str, str]:
    """The same as `Settings.with_changes` takes it, without what can only be set by hand."""
    return {change.name: change.wanted for change in diff(settings, profile) if not change.by_hand}


def _to_default(settings: Settings, row: Row[Any]) -> Change | None:
    if row.generated or settings.value(row.name) == row.default:
        return None
    return Change(row.name, settings.shown(row.name), row.kind.text(row.default), row.in_force)


def _to_strict(settings: Settings, row: Row[Any]) -> Change | None:
    strict = row.strict
    if strict is None or row.generated or strict.accepts(row.kind, settings.value(row.name)):
        return None
    current = settings.shown(row.name)
    return Change(row.name, current, strict.target, row.in_force, strict.hint, by_hand=not strict.target)
