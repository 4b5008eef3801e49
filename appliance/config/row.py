"""One row of the settings table, and the words its columns use.

A row is declared as a class attribute; it is a descriptor, so that a snapshot's `settings.calltimeout` has the type of
the row's kind. It knows neither other rows nor where values come from.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar, overload

from appliance.config.fields import BadValue, Kind

T = TypeVar("T")


class Scope(StrEnum):
    """Whom a value is for: the whole appliance, or one account (the table's value then serves all that have none)."""

    GLOBAL = "global"
    USER = "user"


class Place(StrEnum):
    """Where a setting takes effect."""

    NIC = "nic"
    SIGNALLING = "signalling"
    MEDIA = "media"
    TRANSPORT = "transport"
    AUTH = "auth"
    IVR = "ivr"
    LIMITS = "limits"
    BILLING = "billing"
    FRAUD = "fraud"
    NOTIFY = "notify"
    SYSTEM = "system"
    WEB = "web"
    API = "api"
    PAYMENTS = "payments"


IDLE = "not in force yet"
PARTLY = "acts in part"


class Strict:
    """What the strict profile asks of a setting: `target` is what it sets, `also` is accepted as well.

    With `at_least`, every value from `target` upward is accepted. An empty `target` can only be set by hand; `hint`
    then says to what.
    """

    __slots__ = ("also", "at_least", "hint", "target")

    def __init__(self, target: str, *also: str, at_least: bool = False, hint: str = "") -> None:
        self.target, self.also, self.at_least, self.hint = target, also, at_least, hint

    def words(self) -> str:
        """The column of the documents."""
        if not self.target:
            return self.hint
        return f"{self.target} or more" if self.at_least else " or ".join((self.target, *self.also))

    def accepts(self, kind: Kind[T], value: T) -> bool:
        """Whether `value` already is as strict as asked."""
        if not self.target:
            return bool(value)
        if self.at_least:
            return bool(value >= kind.parse(self.target))  # type: ignore[operator]  # only numbers are declared so
        return value in [kind.parse(text) for text in (self.target, *self.also)]


class Row(Generic[T]):
    """One setting: its kind, default, place and sentence.

    `in_force` is False while it does not do all that its sentence says; `partly` then says what it does already.
    """

    name: str = ""
    chapter: str = ""

    def __init__(
        self,
        kind: Kind[T],
        default: str,
        acts_at: Place | tuple[Place, ...],
        sentence: str,
        *,
        scope: Scope = Scope.GLOBAL,
        unit: str = "",
        strict: Strict | str | None = None,
        in_force: bool = False,
        partly: str = "",
        generated: bool = False,
        see: tuple[str, ...] = (),
        aliases: tuple[str, ...] = (),
        warns: Callable[[T], str] | None = None,
    ) -> None:
        self.kind, self.sentence, self.scope, self.unit, self.in_force = kind, sentence, scope, unit, in_force
        self.acts_at = acts_at if isinstance(acts_at, tuple) else (acts_at,)
        self.partly = partly
        self.strict = Strict(strict) if isinstance(strict, str) else strict
        self.generated, self.see, self.aliases, self.warns = generated, see, aliases, warns
        self.default_text = default
        self.default: T = kind.parse(default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.chapter = (owner.__doc__ or name).splitlines()[0].rstrip(".")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self if instance is None else self.default  # a snapshot's own values are found before this

    def parse(self, text: str) -> T:
        """The typed value of `text`. Raises BadValue that names this setting and its range."""
        try:
            return self.kind.parse(text)
        except BadValue as error:
            raise BadValue(f"{self.name} {error}") from None

    def idle(self) -> str:
        """What is to be said about a setting that is not, or not wholly, in force; empty for one that is."""
        if self.in_force:
            return ""
        return f"{IDLE}, but {self.partly}" if self.partly else IDLE

    def mark(self) -> str:
        """idle() in as few words as fit into a table."""
        return "" if self.in_force else PARTLY if self.partly else IDLE

    def lack(self) -> str:
        """What one who sets it must know; empty for a setting that is in force."""
        if self.in_force:
            return ""
        return f"{PARTLY}: {self.partly}" if self.partly else "nothing acts on it yet"

    def places(self) -> str:
        """Where it acts, as the documents print it."""
        return " + ".join(self.acts_at)

    def default_shown(self) -> str:
        """The default for people."""
        return "(random)" if self.generated else self.kind.text(self.default)
