"""What the panel's forms have in common: a verb that may refuse, and fields drawn from the kind of their value."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web

from appliance.config.fields import AutoBool, Bool, Choice, Enum, Int, Kind, Money, Number
from appliance.config.opening import HONOUR_LISTED, Extent, opening
from appliance.config.settings import BadSettings
from appliance.config.textual import Duration
from appliance.wire import WireError
from pysrv.web.acting import backing, do, page
from pysrv.web.problems import status_of
from pysrv.web.words import N_

MOST_OFFSET = 10_000_000


class Shape(StrEnum):
    """How a value is typed in."""

    TICK = "tick"
    CHOICE = "choice"
    NUMBER = "number"
    DECIMAL = "decimal"
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - a shape


@dataclass(frozen=True, slots=True)
class Input:
    """One field: its shape, its text now, what may be chosen as (value, meaning), and the allowed in words."""

    name: str
    shape: Shape
    text: str
    options: Sequence[tuple[str, str]] = ()
    low: int | None = None
    high: int | None = None
    allowed: str = ""
    unit: str = ""


def drawn(name: str, kind: Kind[Any], text: str, unit: str = "") -> Input:
    """The field of a value of that kind; a secret's text is never in it."""
    match kind:
        case Bool():
            return Input(name, Shape.TICK, text)
        case AutoBool():
            words = (("auto", kind.auto), ("true", N_("on")), ("false", N_("off")))
            return Input(name, Shape.CHOICE, text, words)
        case Enum() | Choice():
            options = tuple((str(value), label) for value, label in kind.labels.items())
            return Input(name, Shape.CHOICE, text, options)
        case Int():
            high = kind.high if kind.high < 10**12 else None
            return Input(name, Shape.NUMBER, text, (), kind.low, high, kind.allowed(), unit)
        case Money() | Number():
            return Input(name, Shape.DECIMAL, text, allowed=kind.allowed(), unit=unit)
        case _ if kind.secret:
            return Input(name, Shape.SECRET, "", allowed=kind.allowed(), unit=unit)
        case _:
            return Input(name, Shape.TEXT, text, allowed=kind.allowed(), unit=unit)


def unit_in(kind: Kind[Any], unit: str, currency: str) -> str:
    """The unit that stands behind a value: none behind a duration, whose text has its own; of money the currency."""
    if isinstance(kind, Duration):
        return ""
    return currency + unit.removeprefix("money") if unit.startswith("money") else unit


def spoken(kind: Kind[Any], text: str, unit: str, words: Callable[[str], str] = str) -> str:
    """A value as it is read: `20 calls`, `3m`, and `0 (off)` where a figure stands for something else."""
    if label := _special(kind, text):
        return f"{text} ({words(label)})"
    return f"{text} {words(unit)}".strip() if text else "–"


def _special(kind: Kind[Any], text: str) -> str:
    match kind:
        case Int() | Money() | Number():
            return next((label for value, label in kind.special.items() if text == str(value)), "")
        case Duration():
            return kind.zero if text == "0" else ""
        case _:
            return ""


def tried(
    request: web.Request, verb: str, args: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], WireError | None]:
    """What a verb says, and its refusal if it refuses. Raises WireError "unproven", which is the guard's to answer."""
    try:
        return do(request, verb, args), None
    except WireError as error:
        if error.code == "unproven":
            raise
        return {}, error


def set_settings(request: web.Request, changes: Mapping[str, str | None], confirm_s: float = 0.0) -> WireError | None:
    """settings.set by somebody at the panel, and its refusal. What would close the panel to the address that he comes
    from is refused, unless it takes itself back."""
    if not confirm_s and (closing := closing_to_oneself(request, changes)):
        hint = "come through the tunnel or from this machine and set it there, or have it taken back by itself"
        return would_close(request, closing, hint)
    return tried(request, "settings.set", {"changes": changes, "confirm_s": confirm_s})[1]


def closing_to_oneself(request: web.Request, changes: Mapping[str, str | None]) -> list[str]:
    """Which of the changes, by themselves or at last all together, would close the panel to the address that the
    request comes from; none where it is closed already, or where a text is none that the setting takes."""
    office, address = backing(request), request.remote or ""

    def closes(some: Mapping[str, str | None]) -> bool:
        try:
            return not office.administers(address, office.settings().with_changes(some))
        except BadSettings:
            return False

    if not office.administers(address) or not closes(changes):
        return []
    return [name for name, text in changes.items() if closes({name: text})] or list(changes)


def would_close(request: web.Request, closing: Iterable[str], hint: str) -> WireError:
    """The refusal of what would close the panel to who changes it."""
    return WireError("conflict", f"{', '.join(closing)} would close the panel to {request.remote}, where you are", hint)


def staying(request: web.Request) -> Callable[[dict[str, Any]], None]:
    """For `noted` of a verb that changes the allow list: refuses, and so takes back, what closes the panel to who does
    it. The first entry closes it to private networks, and one that goes to whoever was let in by it."""
    office, address = backing(request), request.remote or ""
    was_open = office.administers(address)

    def check(_: dict[str, Any]) -> None:
        if was_open and not office.administers(address):
            hint = "put that address on the allow list first, or come through the tunnel"
            if opening(office.settings()).ssh is Extent.NONE:
                hint = f"allowtrustedip lets the list open nothing: '{HONOUR_LISTED}' first, or come through the tunnel"
            raise WireError("conflict", f"then the panel would be closed to {address}, where you are", hint)

    return check


def answered(request: web.Request, name: str, error: WireError | None, **values: Any) -> web.Response:
    """A page that may say why something was refused."""
    return page(request, name, status=status_of(error.code) if error else 200, error=error, **values)


def whole(text: str, most: int = MOST_OFFSET, otherwise: int = 0) -> int:
    """A number out of an address or a form, at most `most`; `otherwise` for anything else."""
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 12 else otherwise


def number(text: str, what: str) -> int:
    """A whole number that must be one. Raises WireError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise WireError("invalid", f"{what} must be a whole number, not {text[:40]!r}")
    return int(text)


def choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names to choose one from, or none of them."""
    return [("", "–"), *((name, name) for name in names)]
