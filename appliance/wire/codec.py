"""Lines and shapes: messages to bytes and back, plain JSON to dataclasses, refusing by name what does not fit.

The readers of a dataclass are made of its annotations, once: the shapes are the only table of the protocol.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from appliance.wire.verbs import WireError

_T = typing.TypeVar("_T")
# Kinds as people call them, who read what is wrong with a file or a request of theirs.
_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}

MAX_LINE_BYTES = 64 * 1024 * 1024


def encode(message: dict[str, Any]) -> bytes:
    """One line of the protocol, newline included."""
    return json.dumps(message, separators=(",", ":"), default=_jsonable).encode() + b"\n"


def request(ident: int, verb: str, args: Any = None) -> bytes:
    """The line that asks for `verb`; `args` is one of the dataclasses of this package, a dict or None."""
    return encode({"id": ident, "verb": verb, "args": {} if args is None else args})


def reply(ident: int, result: Any = None) -> bytes:
    """The line that answers request `ident`."""
    return encode({"id": ident, "ok": True, "result": {} if result is None else result})


def refusal(ident: int, error: WireError) -> bytes:
    """The line that refuses request `ident`."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint}
    return encode({"id": ident, "ok": False, "error": fields})


def decode(line: bytes) -> dict[str, Any]:
    """One received line as a dict. Raises WireError("bad_line") for anything but one JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("bad_line", f"not a line of JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("bad_line", "a line must hold one JSON object")
    return message


def to_dict(value: Any) -> dict[str, Any]:
    """A wire dataclass as plain JSON types."""
    return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}


def from_dict(kind: type[_T], args: Any) -> _T:
    """`args` as the dataclass `kind`. Raises WireError("bad_args") that names the field and what it should be."""
    try:
        return typing.cast(_T, _reader(typing.cast(Any, kind))(args))
    except _Misfit as misfit:
        raise WireError("bad_args", misfit.place + misfit.says) from None


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass: looked up once, because lines are many."""
    return tuple(field.name for field in dataclasses.fields(kind))


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    raise TypeError(f"{type(value).__name__} has no wire form")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


class _Misfit(Exception):
    """A value that does not fit. `place` grows on the way out, up to the innermost dataclass's field."""

    def __init__(self, says: str, place: str = "") -> None:
        super().__init__(says)
        self.says, self.place = says, place


_Reader = Callable[[Any], Any]


@functools.cache
def _reader(hint: Any) -> _Reader:
    """The function that turns plain JSON into a value of type `hint`: made once, because lines are many."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _optional(_reader(next(each for each in args if each is not type(None))))
    if origin is tuple:
        return _sequence(_reader(args[0])) if args[1:] == (Ellipsis,) else _row(tuple(map(_reader, args)))
    if origin is dict:
        return _mapping(_reader(args[0]), _reader(args[1]))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _shape(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum(hint)
    return _text if hint is str else _scalar(origin or hint)


def _scalar(plain: Any) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is plain or plain is Any:
            return value
        if plain is float and type(value) is int:
            return float(value)
        raise _Misfit(f" must be {_WORDS.get(plain, plain.__name__)}, not {value!r:.60}")

    return read


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _Misfit(f" must be text, not {value!r:.60}")
    try:
        if not value.isascii():  # known without a look at each
            value.encode()
    except UnicodeEncodeError:
        raise _Misfit(" holds half of a character (a surrogate), which no file and no database takes") from None
    return value


def _optional(inner: _Reader) -> _Reader:
    return lambda value: None if value is None else inner(value)


def _enum(kind: type[StrEnum]) -> _Reader:
    def read(value: Any) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise _Misfit(f" must be one of {', '.join(kind)}, not {value!r:.60}") from None

    return read


def _sequence(inner: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Misfit(" must be a list")
        index = 0
        try:
            items = []
            for index, item in enumerate(value):  # noqa: B007 - the index names the misfit
                items.append(inner(item))
            return tuple(items)
        except _Misfit as misfit:
            raise _placed(misfit, f"[{index}]") from None

    return read


def _row(inner: tuple[_Reader, ...]) -> _Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Misfit(" must be a list")
        if len(value) != len(inner):
            raise _Misfit(f" must have {len(inner)} items, not {len(value)}")
        return tuple([each(item) for each, item in zip(inner, value, strict=True)])

    return read


def _mapping(of_name: _Reader, of_value: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _Misfit(" must be an object")
        return {of_name(name): of_value(item) for name, item in value.items()}

    return read


def _shape(kind: type[Any]) -> _Reader:
    readers = {name: _reader(hint) for name, hint in typing.get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _Misfit(" must be an object", kind.__name__)
        name, values = "", {}
        try:
            for name, item in value.items():
                values[name] = readers[name](item)
            return kind(**values)
        except _Misfit as misfit:
            raise _placed(misfit, f"{kind.__name__}.{name}") from None
        except KeyError:
            raise _Misfit(f" has no field {name!r}", kind.__name__) from None
        except TypeError as error:
            raise _Misfit(f": {error}", kind.__name__) from None

    return read


def _placed(misfit: _Misfit, place: str) -> _Misfit:
    """The misfit with `place` before it, unless a dataclass has named it already."""
    return misfit if misfit.place[:1] not in ("", "[") else _Misfit(misfit.says, place + misfit.place)
