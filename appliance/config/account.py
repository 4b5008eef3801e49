"""The fields of an account that an operator sets, one row each: how a text is read, and what it means.

A field that is also a setting of user scope has that row's kind, default and sentence; the setting then serves every
account that was made without one. Commands, the office's verbs and CSV files all read this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from appliance.config.fields import BadValue, Bool, Choice, Kind
from appliance.config.row import Scope
from appliance.config.schema import ROWS
from appliance.config.textual import COUNTRY, EMAIL, PHONE, Str

TYPES = {
    "end_user": "a person or a phone",
    "traffic_sender": "a company that sends calls in bulk",
    "reseller": "sells to accounts of its own, which are below it",
    "trunk": "a gateway that calls from its address",
    "calling_card": "calls through an access number and a PIN",
    "operator": "staff that takes calls",
    "support": "staff that helps customers",
    "admin": "staff that runs the appliance",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: how its text is read and written, and a sentence. `unit` and `default` as in the settings table."""

    name: str
    kind: Kind[Any]
    sentence: str
    unit: str = ""
    default: Any = None

    def parse(self, text: str) -> Any:
        """The value of a text. Raises BadValue that names the field and its range."""
        try:
            return self.kind.parse(text)
        except BadValue as error:
            raise BadValue(f"{self.name} {error}") from None


_OWN = (
    Field("type", Choice(TYPES), "Whom the account stands for.", default="end_user"),
    Field("enabled", Bool(), "Whether it is let in.", default=True),
    Field("display_name", Str(), "Name shown to the people it calls.", default=""),
    Field("parent", Str(), "Reseller that it belongs to; empty: the owner of the appliance.", default=""),
    Field("group_name", Str(), "Group that it is listed under.", default=""),
    Field("email", Str(EMAIL), "Where its owner is written to.", default=""),
    Field("phone", Str(PHONE), "Where its owner is reached by SMS.", default=""),
    Field("country", Str(COUNTRY), "Its home, which foreign numbers are foreign to.", default=""),
    Field("deck", Str(), "Rate deck that prices its calls.", default=""),
    Field("tax", Str(), "Tax that its charges carry.", default=""),
)
_IN_SETTINGS = (
    "needauth", "authip", "techprefix", "postpaid", "maxlines", "maxlinesoffpeak", "maxcps", "maxdailycredit",
    "maxmonthlycredit", "maxmonthlycreditinc", "maxmonthlycreditend", "maxdailyminutes", "maxmonthlyminutes",
    "locklevel", "onlylocalaccess", "blacklistlevel",
)  # fmt: skip


def _from_setting(name: str) -> Field:
    row = ROWS[name]
    assert row.scope is Scope.USER, f"{name} is no setting of accounts"
    return Field(name, row.kind, row.sentence, row.unit, row.default)


FIELDS: Mapping[str, Field] = MappingProxyType(
    {each.name: each for each in (*_OWN, *(_from_setting(name) for name in _IN_SETTINGS))}
)


def parse_fields(texts: Mapping[str, str]) -> dict[str, Any]:
    """Values by name. Raises BadValue with everything that is wrong, an unknown name included."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name, text in texts.items():
        if name not in FIELDS:
            wrong.append(f"an account has no field {name[:60]!r}")
            continue
        try:
            values[name] = FIELDS[name].parse(text)
        except BadValue as error:
            wrong.append(str(error))
    if wrong:
        raise BadValue("; ".join(wrong))
    return values


def field_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The canonical text of every field that `values` has."""
    return {name: each.kind.text(values[name]) for name, each in FIELDS.items() if name in values}
