"""A frozen snapshot of all settings: defaults, the settings file and stored changes, one over the other.

`settings.calltimeout` is the typed value. A change makes a new snapshot; nothing ever alters one that is in use. It
knows neither files nor the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, Self

from appliance.config.fields import BadValue
from appliance.config.schema import ROWS, Schema, UnknownSetting, row

DEFAULT_REALM = "appliance"


class SettingSource(StrEnum):
    """Which layer a value comes from; a later one wins."""

    DEFAULT = "default"
    FILE = "file"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one setting. `message` is complete; `line` 0: not from a file."""

    name: str
    message: str
    line: int = 0

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class BadSettings(ValueError):
    """Settings that cannot be used, each problem naming the setting, its value and its range."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class Settings(Schema):
    """One generation of all settings. Values are attributes; they cannot be changed."""

    generation: int

    def __init__(
        self, file: Mapping[str, Any] | None = None, stored: Mapping[str, Any] | None = None, generation: int = 0
    ) -> None:
        """`file` and `stored` hold typed values by canonical name; `parse_all` makes them from text."""
        below, above = dict(file or {}), dict(stored or {})
        self.__dict__.update({name: row.default for name, row in ROWS.items()} | below | above)
        self.__dict__.update(_file=below, _stored=above, generation=generation)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"settings are frozen: use with_changes({{{name!r}: ...}})")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("settings are frozen")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # maps among the values

    def __repr__(self) -> str:
        return f"Settings(generation={self.generation}, {self.texts(secrets=False)})"

    @property
    def realm(self) -> str:
        """The SIP realm for which passwords are kept: `localdomain`, or a fixed word while that is empty."""
        return self.localdomain or DEFAULT_REALM

    @property
    def tls_port(self) -> int:
        """The port of SIP over TLS; 0: it is not offered (usetls, usetlsforall)."""
        return self.localtlsport if self.usetls or self.usetlsforall else 0

    @property
    def portal_in_clear(self) -> bool:
        """Whether the portal of end users may be served without TLS (usetlsforweb, usetlsforall, forcetls)."""
        return not (self.usetlsforweb or self.usetlsforall or self.forcetls)

    def value(self, name: str) -> Any:
        """The typed value of `name`, which may be an alias. Raises UnknownSetting."""
        return self.__dict__[row(name).name]

    def text(self, name: str) -> str:
        """The value of `name` as canonical text, secrets included."""
        found = row(name)
        return found.kind.text(self.__dict__[found.name])

    def shown(self, name: str) -> str:
        """The value of `name` for people; secrets are masked."""
        found = row(name)
        if found.generated and not self.__dict__[found.name]:
            return "(random)"
        return found.kind.shown(self.__dict__[found.name])

    def source(self, name: str) -> SettingSource:
        """The layer that gave `name` its value."""
        canonical = row(name).name
        if canonical in self.__dict__["_stored"]:
            return SettingSource.STORED
        return SettingSource.FILE if canonical in self.__dict__["_file"] else SettingSource.DEFAULT

    def stored(self) -> dict[str, str]:
        """The stored changes as text, to be kept."""
        return {name: ROWS[name].kind.text(value) for name, value in self.__dict__["_stored"].items()}

    def texts(self, *, secrets: bool) -> dict[str, str]:
        """Every value that is not a default, as text; secrets masked unless asked for."""
        changed = [name for name in ROWS if self.source(name) is not SettingSource.DEFAULT]
        return {name: self.text(name) if secrets else self.shown(name) for name in changed}

    def with_changes(self, changes: Mapping[str, str | None], generation: int | None = None) -> Self:
        """A snapshot with these stored changes, one generation on; None takes a change back.

        Raises BadSettings with every problem at once.
        """
        values = parse_all({name: text for name, text in changes.items() if text is not None})
        dropped = {_canonical(name) for name, text in changes.items() if text is None}
        stored = {name: value for name, value in (self.__dict__["_stored"] | values).items() if name not in dropped}
        return type(self)(self.__dict__["_file"], stored, self.generation + 1 if generation is None else generation)


def _canonical(name: str) -> str:
    try:
        return row(name).name
    except UnknownSetting as error:
        raise BadSettings([Problem(name, str(error))]) from None


def parse_all(texts: Mapping[str, str]) -> dict[str, Any]:
    """Typed values by canonical name. Raises BadSettings with every problem, a setting given twice included."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in texts.items():
        try:
            found = row(name)
            if found.name in values:
                problems.append(Problem(found.name, f"{found.name} is given twice (also as {name})"))
            values[found.name] = found.parse(text)
        except (UnknownSetting, BadValue) as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise BadSettings(problems)
    return values


# Pairs of durations of which the first should not exceed the second: (shorter, longer).
ORDERED = (
    ("banperiod", "banperiodmax"),
    ("callinittimeout", "ringtimeout"),
    ("ringtimeout", "calltimeout"),
    ("calltimeout", "sessionabsolutetimeout"),
)


def warnings(settings: Settings) -> list[Problem]:
    """What is allowed but hardly meant: values in the wrong order, and values that rows warn of."""
    found = [
        Problem(shorter, f"{shorter} ({settings.text(shorter)}) is longer than {longer} ({settings.text(longer)})")
        for shorter, longer in ORDERED
        if settings.value(shorter) > settings.value(longer)
    ]
    for name, each in ROWS.items():
        words = each.warns(settings.value(name)) if each.warns else ""
        if words:
            found.append(Problem(name, f"{name} is {settings.text(name)}: {words}"))
    idle = [name for name in settings.texts(secrets=False) if not ROWS[name].in_force]
    return found + [Problem(name, f"{name} is set, but {ROWS[name].lack()}") for name in idle]
