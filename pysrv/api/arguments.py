"""What a request asks for, as the arguments of a verb: from path, query and JSON body. Unknown names are refused by
name, and so is what no verb could take: numbers without an end, broken characters, one name twice.

Pure but for the reading of the body.
"""

import math
import types
import typing
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from aiohttp import web

from appliance.wire import WireError
from pysrv.api.endpoint import Argument, Endpoint

JSON: Final = "application/json"
GREATEST: Final = 2**63 - 1  # an integer of SQLite; JSON's are whole up to 2**53 only, money is text
LATEST: Final = 253_402_300_799  # 9999-12-31T23:59:59Z: no time or length of time of ours lies behind it
_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}
PAGING: Final = ("limit", "after")


def of_path(request: web.Request, endpoint: Endpoint) -> dict[str, Any]:
    """The arguments in the path, percent-decoded. Raises WireError."""
    return {each.field: _value(each, [request.match_info[each.name]]) for each in endpoint.placed()}


def of_query(request: web.Request, wanted: Iterable[Argument], paged: bool = False) -> dict[str, Any]:
    """The arguments in the query, and those of pages as text. Raises WireError."""
    known = {each.name: each for each in wanted}
    found: dict[str, Any] = {}
    for name in request.query:
        if name not in known and not (paged and name in PAGING):
            take = ", ".join([*known, *(PAGING if paged else ())]) or "none"
            raise WireError("bad_args", f"there is no parameter {name!r:.60}", f"there are: {take}")
        values = request.query.getall(name)
        if name not in known:
            found[name] = text(name, _one(name, values))
        else:
            found[known[name].field] = _value(known[name], values)
    _whole(known.values(), found)
    return found


async def of_body(request: web.Request, endpoint: Endpoint) -> dict[str, Any]:
    """The arguments in the JSON body; none is an empty object. Raises WireError and 415."""
    if request.query:
        raise WireError("bad_args", f"there is no parameter {next(iter(request.query))!r:.60}", "there are: none")
    body = await request.read()
    if (body or "Content-Type" in request.headers) and not is_type(request, JSON):
        raise WireError("unsupported_media_type", f"a body is {JSON} here", f"send Content-Type: {JSON}")
    found = decoded(body) if body else {}
    if endpoint.inside:
        return {endpoint.inside: found}
    known = {each.field: each for each in endpoint.told()}
    for name in found:
        if name not in known:
            raise WireError("bad_args", f"there is no field {name!r:.60}", f"there are: {', '.join(known) or 'none'}")
    _whole(known.values(), found)
    return found


def is_type(request: web.Request, wanted: str) -> bool:
    """Whether the body is of that type, in UTF-8."""
    return request.content_type == wanted and (request.charset or "utf-8").lower() == "utf-8"


def decoded(body: bytes) -> dict[str, Any]:
    """One JSON object (RFC 8259, without its freedom to have numbers of any size). Raises
    WireError."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("bad_args", f"the body is not JSON: {error}") from None
    if type(found) is not dict:
        raise WireError("bad_args", "the body must be one JSON object")
    _bounded(found)
    return found


def _bounded(value: Any) -> None:
    """Raises WireError for what JSON can say and nothing here can hold."""
    if isinstance(value, dict):
        for name, item in value.items():
            _bounded(name)
            _bounded(item)
    elif isinstance(value, list):
        for item in value:
            _bounded(item)
    elif isinstance(value, str):
        text("a text", value)
    elif isinstance(value, int | float):
        _number("a number", value)


def _whole(known: Iterable[Argument], found: Mapping[str, Any]) -> None:
    missing = [each.name for each in known if each.required and each.field not in found]
    if missing:
        raise WireError("bad_args", f"{', '.join(missing)} is missing")


def _one(name: str, values: list[str]) -> str:
    if len(values) != 1:
        raise WireError("bad_args", f"{name} stands there {len(values)} times", "name it once")
    return values[0]


def _value(argument: Argument, values: list[str]) -> Any:
    """The values of one name as the verb takes them."""
    hint = argument.hint
    if typing.get_origin(hint) is tuple:
        return [_single(argument.name, typing.get_args(hint)[0], text) for text in values]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(each for each in typing.get_args(hint) if each is not type(None))
    return _single(argument.name, hint, _one(argument.name, values))


def _single(name: str, kind: Any, told: str) -> Any:
    text(name, told)
    if kind is bool:
        if told not in _WORDS:
            raise WireError("bad_args", f"{name} must be true or false, not {told!r:.60}")
        return _WORDS[told]
    if kind in (int, float):
        return _number(name, _parsed(name, kind, told))
    if isinstance(kind, type) and issubclass(kind, StrEnum) and told not in tuple(kind):
        raise WireError("bad_args", f"{name} must be one of {', '.join(kind)}, not {told!r:.60}")
    return told


def _parsed(name: str, kind: Any, text: str) -> float:
    try:
        if not text.isascii() or "_" in text or len(text) > 40 or text != text.strip():
            raise ValueError
        return float(text) if kind is float else int(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise WireError("bad_args", f"{name} must be {what}, not {text!r:.60}") from None


def _number(name: str, value: float) -> float:
    most = GREATEST if type(value) is int else LATEST
    if not math.isfinite(value) or abs(value) > most:
        raise WireError("bad_args", f"{name} is out of range: {value!r:.40}")
    return value


def text(name: str, told: str) -> str:
    """A text that everything here can hold. Raises WireError."""
    if "\0" in told or any("\ud800" <= char <= "\udfff" for char in told):
        raise WireError("bad_args", f"{name} holds characters that no text here has")
    return told
