"""One verb of the office, as a row of the table says it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pysrv.control.answer import answer_of
from pysrv.control.desk import Desk
from pysrv.people.permissions import Area


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: what it is about, the shape of the arguments, what it does, and whether it changes anything.

    `writes`: it writes to the store. `acts`: it changes what runs instead. `also` names further areas that certain
    arguments write to, `held` those that what waits is about. `told`: root's own program tells of the machine, in
    commands and paths that validateinput would take for an attack; from anybody else it is screened all the same.
    """

    name: str
    area: Area
    args: type[Any]
    act: Callable[[Desk, Any], object]
    writes: bool = False
    acts: bool = False
    also: Callable[[Any], Iterable[Area]] = lambda _: ()
    held: Callable[[Desk], Iterable[Area]] = lambda _: ()
    told: bool = False

    @property
    def changes(self) -> bool:
        """Whether it needs more than sight."""
        return self.writes or self.acts

    @property
    def answer(self) -> Any:
        """The type of what it says, which its handler's annotation names."""
        return answer_of(self.act)
