"""Every verb says what it answers with, and is among those whose answers are compared with that."""

from dataclasses import is_dataclass
from typing import is_typeddict

from pysrv.control.table import VERBS
from tests.api.every_verb import ALONE, STEPS


def test_every_verb_says_what_it_answers_with() -> None:
    kinds = {name: verb.answer for name, verb in VERBS.items()}
    assert [name for name, kind in kinds.items() if not (is_typeddict(kind) or is_dataclass(kind))] == []


def test_every_verb_is_asked_for_its_answer() -> None:
    asked = {step[0] for step in STEPS if not callable(step)} | {ALONE[0]}
    assert asked == set(VERBS), "tests/api/every_verb.py asks all of them"
