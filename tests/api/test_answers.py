"""What a running office answers is what the types of its verbs, and so the document, say of it: nothing more, nothing
less."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from pysrv.api import openapi
from pysrv.api.table import ENDPOINTS
from pysrv.control.table import VERBS
from tests.api.every_verb import answers
from tests.api.program import programmed

TYPES = {name: verb.answer for name, verb in VERBS.items()}


def closed(shapes: dict[str, Any]) -> dict[str, Any]:
    """The same schemas, in which no object may have more than its fields."""
    return {
        name: shape | {"additionalProperties": False} if "properties" in shape else shape
        for name, shape in shapes.items()
    }


def validator_of(kind: Any, shapes: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{kind.__name__}", "components": {"schemas": shapes}})


def misfits(validator: Any, value: Any) -> Iterator[str]:
    for error in validator.iter_errors(value):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, Any]]]:
    return asyncio.run(answers(tmp_path_factory.mktemp("office")))


def test_every_verb_of_a_running_office_answers_as_its_type_says(found: list[tuple[str, dict[str, Any]]]) -> None:
    shapes = closed(openapi.answer_shapes(dict.fromkeys(TYPES.values())))
    assert [name for name in shapes if "." in name or "_" in name] == [], "two types have one name"
    wrong = []
    for verb, said in found:
        wrong += [f"{verb}: {each}" for each in misfits(validator_of(TYPES[verb], shapes), said)]
    assert wrong == []


def met(schema: dict[str, Any], value: Any, shapes: dict[str, Any]) -> Iterator[str]:
    """The named types that a value has parts of."""
    if value is None:
        return
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        yield name
        yield from met(shapes[name], value, shapes)
    for each in schema.get("anyOf", ()):
        yield from met(each, value, shapes)
    if isinstance(value, dict):
        fields, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, part in value.items():
            yield from met(fields.get(name) or (rest if isinstance(rest, dict) else {}), part, shapes)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from met(schema.get("items") or {}, part, shapes)


def test_every_type_was_met_in_some_answer(found: list[tuple[str, dict[str, Any]]]) -> None:
    """A list that is always empty would prove nothing about its rows."""
    shapes = openapi.answer_shapes(dict.fromkeys(TYPES.values()))
    seen = {name for verb, said in found for name in met({"$ref": f"#/{TYPES[verb].__name__}"}, said, shapes)}
    assert set(shapes) - seen == set()


PAGED = [endpoint for endpoint in ENDPOINTS if endpoint.pages]


async def test_a_page_of_every_list_is_as_the_document_says(tmp_path: Path) -> None:
    held = openapi.document()["components"]["schemas"]
    async with programmed(tmp_path) as (_, program):
        for endpoint in PAGED:
            path = endpoint.path.replace("{name}", "nobody").replace("{deck}", "none")
            answer = await program.ask("GET", path)
            if answer.status == 200:
                assert list(misfits(validator_of(TYPES[endpoint.verb], held), json.loads(answer.text))) == [], (
                    endpoint.path
                )


def test_what_is_asked_for_and_what_is_answered_share_no_name() -> None:
    """Arguments are closed and answers are open: one schema cannot be both. Enumerations can."""
    asked, answered = openapi._shapes(), openapi._answers()
    assert [name for name in asked.keys() & answered.keys() if "enum" not in asked[name]] == []
    assert all(asked[name] == answered[name] for name in asked.keys() & answered.keys())


def test_amounts_and_moments_say_their_units_and_what_may_be_null() -> None:
    row = openapi.document()["components"]["schemas"]["CdrRow"]["properties"]
    assert "decimal text" in json.dumps(row["charge"])
    assert "Unix seconds" in json.dumps(row["answered_at"])
    assert {"type": "null"} in row["answered_at"]["anyOf"]
