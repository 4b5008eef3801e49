"""What a filled house answers is what the document says of it: nothing more, nothing less."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from pysrv.api import answers, openapi
from pysrv.api.table import ENDPOINTS
from pysrv.billing.cdr import Carried, Cdr
from pysrv.billing.tariff import Rate
from pysrv.control.table import VERBS
from pysrv.store import NewAccount, NewCall, SavedBinding, Store
from pysrv.store.rows import BanRow
from tests.api.program import programmed

ONE = 1_000_000
BINDING = SavedBinding("sip:alice@a", "sip:a@192.0.2.7", "udp", "127.0.0.1", 5060, "192.0.2.7", 5061, 2e9, "c", 1)


def fill(store: Store) -> None:
    """A running call that is answered, a record that cost something, a device, a ban."""
    rate = Rate("49", ONE)
    payer = store.add_account(NewAccount("alice", "secret-word", "a", balance=100 * ONE))
    for number in range(2):
        store.open_call(NewCall(f"call-{number}", payer.id, "alice", "4930", "192.0.2.7", rate=rate))
        store.answer_call(f"call-{number}", store._clock(), "")
    begun = store._clock()
    store.settle(
        Cdr(
            "call-0", account="alice", callee="4930", setup_at=begun, ringing_at=begun, answered_at=begun,
            ended_at=begun + 5, duration_s=5.0, from_caller=Carried(1, 2, begun), reports=("maxlines",),
        )
    )  # fmt: skip
    store.save_binding(BINDING)
    store.add_ban(BanRow("203.0.113.7", "maxwrongpassword", count=3, allowed=2, window_s=60.0))
    store.commit()


def schemas() -> dict[str, Any]:
    return dict(openapi.document()["components"]["schemas"])


def misfits(name: str, value: Any) -> list[str]:
    """What is wrong with a value, and which fields only one of both has."""
    held = schemas()
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": held}})
    wrong = [error.message for error in validator.iter_errors(value)]
    return wrong + sorted(set(held[name]["properties"]) ^ set(value))


GETS: Mapping[str, str] = {
    endpoint.verb: endpoint.path
    for endpoint in ENDPOINTS
    if endpoint.method == "GET" and endpoint.verb in {**answers.ROWS, **answers.WHOLE}
}


@pytest.mark.parametrize("verb", GETS)
async def test_a_filled_house_answers_as_the_document_says(tmp_path: Path, verb: str) -> None:
    async with programmed(tmp_path) as (house, program):
        fill(house.store)
        said = await program.said("GET", GETS[verb])
    if verb in answers.WHOLE:
        assert misfits(answers.WHOLE[verb].__name__, said) == []
        return
    rows = said[next(each.pages.rows for each in ENDPOINTS if each.verb == verb and each.pages)]
    assert rows
    assert [misfits(answers.ROWS[verb].__name__, row) for row in rows] == [[]] * len(rows)


def test_only_verbs_that_an_endpoint_asks_have_answers() -> None:
    described = {*answers.ROWS, *answers.WHOLE}
    assert described <= {endpoint.verb for endpoint in ENDPOINTS} <= set(VERBS)
    assert {each.verb for each in ENDPOINTS if each.pages and each.verb in answers.ROWS} == set(answers.ROWS)


def test_amounts_and_moments_say_their_units_and_what_may_be_null() -> None:
    row = schemas()["CdrRow"]["properties"]
    assert "decimal text" in json.dumps(row["charge"])
    assert "Unix seconds" in json.dumps(row["answered_at"])
    assert {"type": "null"} in row["answered_at"]["anyOf"]
