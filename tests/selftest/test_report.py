"""A report's judgement, its signature, and what is said of one that was changed."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.selftest.report import KEY_FILE, Report, Result, fingerprint_of, signed, verified
from appliance.wire import WireError


def result(**parts: Any) -> Result:
    whole = {
        "attack": "flood", "says": "", "packets": 1000, "seconds": 1.0, "mpps": 0.001, "ns": 50, "verdicts": {},
        "through": 0, "through_allowed": 0, "media_sent": 100, "media_kept": 100, "requests_sent": 10,
        "requests_kept": 10,
    }  # fmt: skip
    return Result(**{**whole, **parts})


def report(*results: Result) -> Report:
    return Report(1.5, "v1-0", "6.1", "a processor", "native", result(attack="none"), results or (result(),))


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"through": 1}, "1 packets got through, 0 may"),
        ({"media_kept": 98}, "customers' audio: 98 of 100"),
        ({"media_sent": 0, "media_kept": 0}, "customers' audio: 0 of 0"),
        ({"requests_kept": 9}, "customers' requests: 9 of 10"),
        ({"verdicts": {"gate_fault": 2}}, "2 packets found"),
    ],
)
def test_what_went_wrong_is_named_and_fails_the_report(parts: dict[str, Any], says: str) -> None:
    assert any(says in failure for failure in result(**parts).failures)
    assert not report(result(), result(**parts)).passed


def test_a_gate_that_held_passes() -> None:
    assert report(result(), result(through=5, through_allowed=5)).passed


def test_a_signed_report_is_verified_by_anyone_and_its_key_stays_with_the_appliance(tmp_path: Path) -> None:
    first, second = signed(report(), tmp_path), signed(report(), tmp_path)
    assert first == second
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    body = verified(json.loads(json.dumps(first)), fingerprint_of(first["public_key"]))
    assert body["passed"] is True
    assert body["results"][0]["attack"] == "flood"


def test_a_report_of_another_key_is_refused_by_its_fingerprint(tmp_path: Path) -> None:
    document = signed(report(), tmp_path / "here")
    other = signed(report(), tmp_path / "there")
    with pytest.raises(WireError, match="signed by another key") as refused:
        verified(document, fingerprint_of(other["public_key"]))
    assert refused.value.code == "other_key"


@given(st.data())
def test_no_change_of_a_report_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    document = signed(report(), tmp_path_factory.getbasetemp() / "key")
    changed = copy.deepcopy(document)
    body = changed["report"]
    place = data.draw(st.sampled_from(sorted(body)))
    body[place] = data.draw(st.integers() | st.text() | st.booleans())
    if body == document["report"] and type(body[place]) is type(document["report"][place]):
        verified(changed)
        return
    with pytest.raises(WireError, match="does not fit"):
        verified(changed)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"report": {}}, {"report": {}, "public_key": "?", "signature": "AA=="},
     {"report": {}, "public_key": base64.b64encode(b"short").decode(), "signature": "AA=="}],
)  # fmt: skip
def test_what_is_no_report_is_said_to_be_none(document: Any) -> None:
    with pytest.raises(WireError, match="no signed report"):
        verified(document)


def test_a_key_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("no key", encoding="ascii")
    with pytest.raises(WireError, match="cannot be read"):
        signed(report(), tmp_path)
