"""The OpenAPI 3.1 document: made of the table of endpoints and of the verbs' dataclasses, which nothing repeats."""

import json
import types
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import msgspec
from aiohttp import web

from pysrv.api import paging
from pysrv.api.arguments import JSON, LATEST
from pysrv.api.endpoint import ROOT, Argument, Endpoint
from pysrv.api.imports import CONFIGURATION, CSV, EXPORT_SAYS, IMPORTS, Import
from pysrv.api.repeats import HEADER, LONGEST, encoded
from pysrv.api.rest import admit
from pysrv.api.table import ENDPOINTS
from pysrv.control.table import VERBS
from pysrv.control.verb import Verb
from pysrv.web.problems import CONTENT_TYPE
from pysrv.web.routes import Route

VERSION: Final = "1"
REFUSALS: Final = {
    400: "A parameter or the body does not fit.",
    401: "No token of this appliance came with the request.",
    403: "The token's scopes, remoteadmin or apiv2ipauth do not let this request in.",
    404: "There is no such thing.",
    409: "It does not go with what there is.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "It is refused; the problem says why.",
    429: "Too fast: wait as long as Retry-After says.",
    503: "The appliance cannot do this now.",
    507: "The disk is full.",
}
_BODY: Final[dict[str, str]] = {CSV: "string", JSON: "object"}
_OF_IMPORTS: Final = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507})
_REFS: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:appliance:problem: and a code that stays the same"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong"},
        "hint": {"type": "string", "description": "what to do"},
    },
}
_LIMIT: Final = {
    "name": "limit",
    "in": "query",
    "description": "How many rows the page has at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": paging.MOST, "default": paging.USUAL},
}
_AFTER: Final = {
    "name": "after",
    "in": "query",
    "description": "Where the page begins: `next` of the page before.",
    "schema": {"type": "string"},
}
_NEXT: Final = {"type": ["string", "null"], "description": "`after` of the next page; null: there is none"}
_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "description": "The same key with the same request does nothing twice; kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"},
}


def document() -> dict[str, Any]:
    """The whole document."""
    shapes = _shapes()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shapes)
    for each in IMPORTS:
        paths.setdefault(each.path, {})["post"] = _import(each)
    paths[CONFIGURATION.path]["get"] = {
        "operationId": "export_configuration",
        "summary": EXPORT_SAYS,
        "parameters": [],
        "responses": _responses(200, {"type": "object"}, frozenset({400, 401, 403, 429, 503, 507})),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The appliance's API",
            "version": VERSION,
            "description": "What operators do, for programs. docs/api.md explains tokens, pages, keys and paces.",
        },
        "servers": [{"url": ROOT}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**_answers(), **shapes, "Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _refusal(words) for status, words in REFUSALS.items()},
        },
    }


def text() -> str:
    """The document as docs/openapi.json holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _shapes() -> dict[str, Any]:
    """The schemas of all arguments and of what they are made of, as msgspec reads the annotations."""
    kinds = [VERBS[endpoint.verb].args for endpoint in ENDPOINTS]
    _, shapes = msgspec.json.schema_components(dict.fromkeys(kinds), ref_template=_REFS)
    for shape in shapes.values():
        if shape.get("type") == "object":
            shape["additionalProperties"] = False
    return {name: _bounded(shape) for name, shape in sorted(shapes.items())}


def _answers() -> dict[str, Any]:
    """The schemas of what verbs answer with; lists that an endpoint cuts into pages say what a page has."""
    verbs = [VERBS[endpoint.verb].answer for endpoint in ENDPOINTS]
    shapes = answer_shapes(dict.fromkeys([*verbs, *(each.answer for each in IMPORTS)]))
    for endpoint in ENDPOINTS:
        if endpoint.pages is not None:
            shape = shapes[VERBS[endpoint.verb].answer.__name__]
            shape["properties"][endpoint.pages.rows]["maxItems"] = paging.MOST
            shape["properties"]["next"] = _NEXT
            shape["required"] = sorted({*shape["required"], "next"})
    return dict(sorted(shapes.items()))


def answer_shapes(kinds: Iterable[Any]) -> dict[str, Any]:
    """The schemas of answers' types and of what they are made of. A dataclass has all of its fields, whatever their
    defaults are for those who make one; more may come with later versions."""
    _, shapes = msgspec.json.schema_components(kinds, ref_template=_REFS)
    whole = {kind.__name__ for kind in _dataclasses(msgspec.inspect.multi_type_info(kinds))}
    for name in whole & shapes.keys():
        shapes[name]["required"] = list(shapes[name]["properties"])
        for each in shapes[name]["properties"].values():
            each.pop("default", None)
    return shapes


def _dataclasses(found: Any, seen: set[int] | None = None) -> Iterator[type[Any]]:
    """The dataclasses that types are made of."""
    seen = set() if seen is None else seen
    if isinstance(found, list | tuple):
        for each in found:
            yield from _dataclasses(each, seen)
    elif isinstance(found, msgspec.inspect.Type | msgspec.inspect.Field) and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, msgspec.inspect.DataclassType):
            yield found.cls
        yield from _dataclasses([getattr(found, name) for name in found.__struct_fields__], seen)


def _bounded(schema: Any) -> Any:
    """The schema with the bounds that pysrv.api.arguments holds all numbers to."""
    if isinstance(schema, list):
        return [_bounded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _bounded(each) for name, each in schema.items()}
    if made.get("type") == "number":
        made |= {"minimum": -LATEST, "maximum": LATEST}
    elif made.get("type") == "integer":
        made |= {"format": "int64"}
    return made


def _operation(endpoint: Endpoint, shapes: dict[str, Any]) -> dict[str, Any]:
    verb = VERBS[endpoint.verb]
    held = shapes.get(verb.args.__name__, {}).get("properties", {})
    parameters = [_parameter(each, "path", held) for each in endpoint.placed()]
    made: dict[str, Any] = {
        "operationId": _name(endpoint),
        "tags": [str(verb.area)],
        "summary": endpoint.says,
        "description": f"Scope `{verb.area}:{'write' if verb.changes else 'read'}`; verb `{endpoint.verb}`.",
    }
    if endpoint.has_body:
        made["requestBody"] = _body(endpoint, held)
        parameters += [_KEY] if endpoint.method == "POST" else []
    else:
        parameters += [_parameter(each, "query", held) for each in endpoint.told()]
        parameters += [_LIMIT, _AFTER] if endpoint.pages else []
    if parameters:
        made["parameters"] = parameters
    return made | {"responses": _responses(endpoint.status, _answer(verb.answer), _refused(endpoint, verb))}


def _refused(endpoint: Endpoint, verb: Verb) -> set[int]:
    """Which refusals there can be: whoever names something can name what is not there or does not fit, whoever changes
    something can be in the way of something."""
    found = {400, 401, 403, 422, 429, 503}  # validateinput refuses with 422 whatever comes along
    if verb.changes or endpoint.told() or endpoint.placed():
        found.add(404)
    if verb.changes:
        found |= {409, 507}
    if endpoint.has_body:
        found |= {413, 415}
    return found


def _name(endpoint: Endpoint) -> str:
    """One name for each endpoint, for those who generate clients."""
    words = [word.strip("{}") for word in endpoint.path.split("/") if word]
    return "_".join([endpoint.method.lower(), *words]).replace("-", "_")


def _parameter(argument: Argument, place: str, held: dict[str, Any]) -> dict[str, Any]:
    schema = dict(held.get(argument.field) or _schema(argument.hint))
    choices = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    schema |= choices[0] if choices else {}
    if schema.get("default", 0) is None:
        del schema["default"]
    if place == "path" and schema.get("type") == "string":
        schema["minLength"] = 1
    return {"name": argument.name, "in": place, "required": place == "path" or argument.required, "schema": schema}


def _schema(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(each for each in typing.get_args(hint) if each is not type(None))
    return msgspec.json.schema(hint)


def _body(endpoint: Endpoint, held: dict[str, Any]) -> dict[str, Any]:
    if endpoint.inside:
        schema = held[endpoint.inside]
        return {"required": True, "content": {JSON: {"schema": schema}}}
    told = endpoint.told()
    required = [each.name for each in told if each.required]
    schema = {
        "type": "object",
        "properties": {each.name: held[each.field] for each in told},
        "additionalProperties": False,
    } | ({"required": required} if required else {})
    return {"required": bool(required), "content": {JSON: {"schema": schema}}}


def _answer(kind: Any) -> dict[str, Any]:
    return {"$ref": _REFS.format(name=kind.__name__)}


def _import(each: Import) -> dict[str, Any]:
    return {
        "operationId": "import_" + each.path.split("/")[1],
        "summary": each.says,
        "parameters": [
            *(_parameter(argument, "path", {}) for argument in each.placed),
            *(_parameter(argument, "query", {}) for argument in each.told),
        ],
        "requestBody": {"required": True, "content": {each.kind: {"schema": {"type": _BODY[each.kind]}}}},
        "responses": _responses(each.status, _answer(each.answer), _OF_IMPORTS),
    }


def _responses(status: int, schema: dict[str, Any], refusals: set[int] | frozenset[int]) -> dict[str, Any]:
    went_well = {"description": "Done.", "content": {JSON: {"schema": schema}}}
    refused = {str(code): {"$ref": f"#/components/responses/{code}"} for code in sorted(refusals)}
    return {str(status): went_well} | refused


def _refusal(words: str) -> dict[str, Any]:
    return {"description": words, "content": {CONTENT_TYPE: {"schema": {"$ref": _REFS.format(name="Problem")}}}}


async def _document(request: web.Request) -> web.Response:
    admit(request)
    return web.Response(body=_document_bytes(), content_type=JSON)


@cache
def _document_bytes() -> bytes:
    """Made once: it takes tens of milliseconds, and calls would wait."""
    return encoded(document())


ROUTES: Final = (Route("GET", ROOT + "/openapi.json", _document, token=True),)
