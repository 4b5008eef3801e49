"""JSON in slices: what Python's own reader takes is taken alike, what it refuses is refused at the same place, and no
slice is long."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import document, json_slices
from appliance.wire import WireError
from pysrv.web.transfer import configuration

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)
SIGNS = st.sampled_from(["", ",", ":", "[", "]", "{", "}", '"', " ", "\n", "1", "-", "nul", "true", "\\", '"a":'])
LAYOUTS = st.sampled_from([{}, {"indent": 1}, {"indent": 3, "separators": (" ,\t", "\n: ")}, {"ensure_ascii": False}])


def read(text: str) -> Any:
    reading = json_slices.slices(text)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            return done.value


def refusal(reader: Any, text: str) -> tuple[str, int] | None:
    try:
        reader(text)
    except json.JSONDecodeError as error:
        return error.msg, error.pos
    return None


@given(VALUES, LAYOUTS)
def test_what_was_written_is_read(value: Any, layout: dict[str, Any]) -> None:
    assert read(f" \n{json.dumps(value, **layout)}\t") == value


@given(VALUES, LAYOUTS, st.floats(0, 1), st.floats(0, 1), SIGNS)
def test_a_spoilt_text_is_refused_where_pythons_reader_refuses_it(
    value: Any, layout: dict[str, Any], first: float, second: float, sign: str
) -> None:
    text = json.dumps(value, **layout)
    start, end = sorted((int(first * len(text)), int(second * len(text))))
    spoilt = text[:start] + sign + text[end:]
    pairs: list[int] = []
    with contextlib.suppress(json.JSONDecodeError):
        json.loads(spoilt, object_pairs_hook=lambda each: pairs.append(len(each) - len(dict(each))))
    python = refusal(json.loads, spoilt)
    later = python is not None and python[0].startswith("Illegal trailing comma")  # Python 3.13 has a word of its own
    if not any(pairs) and not later:
        assert refusal(read, spoilt) == python


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice in one object"),
        ("[1, NaN]", "NaN is no number of JSON"),
        ("-Infinity", "-Infinity is no number of JSON"),
        ("[" * 41, "brackets are nested too deeply"),
        ('{"a":' * 100_000, "brackets are nested too deeply"),
    ],
)
def test_what_no_configuration_says_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(json_slices.BadText, match=words):
        read(text)


@pytest.mark.parametrize("text", [json.dumps(list(range(50_000))), json.dumps([{"a": "b"}] * 25_000)])
def test_no_slice_is_longer_than_another(text: str) -> None:
    assert sum(1 for _ in json_slices.slices(text)) == 50_001 // json_slices.SLICE_VALUES


async def test_others_are_served_while_a_large_configuration_is_read() -> None:
    rates = [f"{number},0.01" for number in range(50_000)]
    text = json.dumps({"format": document.FORMAT, "decks": [{"rates": rates}]}).encode()
    served = 0

    async def others() -> None:
        nonlocal served
        while True:
            served += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    request = make_mocked_request("POST", "/")
    found = await configuration(request, text)
    assert found["decks"][0]["rates"] == rates
    assert served >= len(rates) // json_slices.SLICE_VALUES
    beside.cancel()
    with pytest.raises(WireError, match="line 1, column 2: expecting property name"):
        await configuration(request, b"{")
