"""The tables of bpf/: what they declare, the programs use. A row that nothing uses is a promise that nobody keeps."""

import re
from pathlib import Path

import pytest

from appliance.kernel import layout

TABLES = ("layout.h",)  # where rows become numbers: no use of them


def words() -> set[str]:
    """Every word of the programs' C, comments left out."""
    texts = [
        path.read_text(encoding="ascii")
        for path in layout.BPF_DIR.iterdir()
        if path.suffix in (".c", ".h") and path.name not in TABLES
    ]
    return set(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", "\n".join(texts), flags=re.DOTALL)))


USED = words()


@pytest.mark.parametrize("name", [row.name for row in layout.verdicts()])
def test_every_verdict_can_end_a_packet(name: str) -> None:
    assert f"VERDICT_{name}" in USED


@pytest.mark.parametrize("slot", [row.name for row in layout.limits()])
def test_every_limit_limits_something(slot: str) -> None:
    assert f"LIMIT_{slot}" in USED


@pytest.mark.parametrize("rule", [row.name for row in layout.rules()])
def test_every_rule_is_reported_by_some_program(rule: str) -> None:
    assert f"RULE_{rule}" in USED


@pytest.mark.parametrize("name", [row.name for row in layout.maps()])
def test_every_map_is_used_by_a_program_by_the_keeper_or_as_the_shape_of_another(name: str) -> None:
    kernel = Path(layout.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in (*layout.BPF_DIR.glob("*.c"), *kernel.glob("*.py"))]
    assert len(re.findall(rf"\b{name}\b", "\n".join(texts))) > 1


@pytest.mark.parametrize("stage", layout.stages())
def test_every_stage_has_a_program_and_is_called(stage: str) -> None:
    assert stage in layout.programs(layout.source())
    assert f"STAGE_{stage}" in USED
