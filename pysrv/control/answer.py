"""What verbs answer with: a handler's return annotation is its answer's type, and nothing else says it again.

The type checker holds handlers to it, the OpenAPI document prints it, and tests compare real answers with it. Whole
answers are TypedDicts; a row that the store gives as it is, is the store's own dataclass. Amounts are text, exact in
the currency beside them; times are Unix seconds. `plain` makes JSON of both, and is the only way out of a verb.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypedDict, get_type_hints

import msgspec

Amount = Annotated[str, msgspec.Meta(description="an exact amount as decimal text, in `currency`")]
Moment = Annotated[float, msgspec.Meta(description="Unix seconds")]
Seconds = Annotated[float, msgspec.Meta(description="seconds")]
Q850 = Annotated[int, msgspec.Meta(description="a cause by Q.850")]
Setting = Annotated[str, msgspec.Meta(description="a setting's name; empty: none")]
Date = Annotated[str, msgspec.Meta(description="a day of the appliance's time zone, YYYY-MM-DD")]
MicroUnits = Annotated[int, msgspec.Meta(description="millionths of a currency's unit")]


class Done(TypedDict):
    """It is done, and there is nothing to say about it."""


class Removed(TypedDict):
    """What is there no more."""

    removed: str


def plain(said: object) -> dict[str, Any]:
    """An answer as JSON has it: dataclasses become objects, enumerations their texts."""
    made: dict[str, Any] = msgspec.to_builtins(said)
    return made


def answer_of(act: Callable[..., object]) -> Any:
    """The type that a handler answers with."""
    return get_type_hints(act, include_extras=True)["return"]
