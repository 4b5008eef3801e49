"""The settings table: every setting of the appliance as one declared row.

Parsing, validation, the command line, the settings file, the panel's forms, the documents and the JSON Schema all
come from here. The rows stand in `chapters/`; this module joins them and finds them by name. It holds no values.
"""

import difflib
from types import MappingProxyType
from typing import Any

from appliance.config.chapters.access import AuthenticationRows, TransportRows, TrustRows
from appliance.config.chapters.cards import CardRows
from appliance.config.chapters.fraud import ExposureRows, NumberRows, PatternRows
from appliance.config.chapters.gate import DurationRows, GateRows
from appliance.config.chapters.limits import AccountRows, AddressRows, SpendRows
from appliance.config.chapters.notices import NotificationRows
from appliance.config.chapters.payments import PaymentRows
from appliance.config.chapters.prices import PriceRows
from appliance.config.chapters.services import FraudRows, SignallingRows, SystemRows
from appliance.config.row import Row


class Schema(
    GateRows,
    DurationRows,
    TransportRows,
    AuthenticationRows,
    TrustRows,
    CardRows,
    AddressRows,
    AccountRows,
    SpendRows,
    NotificationRows,
    FraudRows,
    PriceRows,
    NumberRows,
    PatternRows,
    ExposureRows,
    SignallingRows,
    SystemRows,
    PaymentRows,
):
    """All chapters as one class, whose attributes are the rows; an instance's are values of their types."""


CHAPTERS: tuple[type, ...] = Schema.__bases__


def _rows() -> dict[str, Row[Any]]:
    return {name: row for chapter in CHAPTERS for name, row in vars(chapter).items() if isinstance(row, Row)}


ROWS: MappingProxyType[str, Row[Any]] = MappingProxyType(_rows())
ALIASES: MappingProxyType[str, str] = MappingProxyType(
    {alias: name for name, row in ROWS.items() for alias in row.aliases}
)


class UnknownSetting(KeyError):
    """No row has this name. `near` lists names like it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.near = tuple(difflib.get_close_matches(name.lower(), [*ROWS, *ALIASES], n=3, cutoff=0.6))
        super().__init__(name)

    def __str__(self) -> str:
        return f"there is no setting {self.name[:60]!r}" + (f" (near: {', '.join(self.near)})" if self.near else "")


def row(name: str) -> Row[Any]:
    """The row of `name`, in whatever case and also by an alias. Raises UnknownSetting."""
    wanted = name.strip().lower()
    found = ROWS.get(ALIASES.get(wanted, wanted))
    if found is None:
        raise UnknownSetting(name)
    return found
