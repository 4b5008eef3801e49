"""The document: fresh, whole, and kept by the running house when schemathesis asks whatever it allows."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema_rs import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pysrv.api import openapi
from pysrv.api.table import ENDPOINTS
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.web import server
from tests.api.every_verb import keeper_says
from tests.api.program import Program, programmed
from tests.control.office import Service

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = 12
PATIENCE_S = 20.0
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_the_copy_in_docs_is_fresh() -> None:
    assert (DOCS / "openapi.json").read_text() == openapi.text(), "run 'appliance docs'"


def test_every_endpoint_is_in_the_document_once() -> None:
    paths = openapi.document()["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert all(endpoint.method.lower() in paths[endpoint.path] for endpoint in ENDPOINTS)


def test_every_schema_is_one() -> None:
    document = openapi.document()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator({**schema, "components": document["components"]})


async def test_the_house_gives_the_document_to_programs(tmp_path: Path) -> None:
    async with programmed(tmp_path) as (_, program):
        assert await program.said("GET", "/openapi.json") == json.loads(openapi.text())


@pytest.mark.timeout(600)
async def test_nothing_that_the_document_allows_or_forbids_breaks_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TOKENS_PACE", (1e6, 1_000_000))
    async with programmed(tmp_path) as (house, program):
        (tmp_path / "certificates").mkdir()
        served = Certificates(tmp_path / "certificates", ["127.0.0.1"], lambda: "", lambda: "", time.time)
        renewer = Renewer(tmp_path / "certificates", served, time.time)
        office: dict[str, Any] = {"memory": Memory(), "certificates": served, "renewer": renewer, "keeper": keeper_says}
        house.control = Control(house.store, Service(), **office)
        await asyncio.to_thread(_walk, program, str(tmp_path / "panel.pem"))


def _walk(program: Program, certificate: str) -> None:
    """Every operation, with examples that fit its schema and examples that do not; always the same ones."""
    schema = schemathesis.openapi.from_dict(openapi.document())
    schema.config.update(base_url=program.browser.origin + openapi.ROOT)
    schema.config.generation.update(modes=list(schemathesis.GenerationMode))
    walked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        _ask(operation, program, certificate)
        walked += 1
    assert walked == len(ENDPOINTS) + len(openapi.IMPORTS) + 1  # the configuration goes out as one, too


def _ask(operation: schemathesis.schemas.APIOperation, program: Program, certificate: str) -> None:
    cases = operation.as_strategy()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {program.token}"}
        response = case.call(headers=headers, verify=certificate, timeout=PATIENCE_S)
        case.validate_response(response, checks=CHECKS)

    ask()
