"""The audit of the machine that was asked for here, until it is told. Nothing of it is kept over a restart."""

from dataclasses import dataclass
from typing import Final

SILENT_S: Final = 660.0  # appliance-audit.service ends one after 600 s


@dataclass(slots=True)
class Begun:
    """`at`: when one was asked for, Unix seconds; 0: none runs. `refusal`: why the last one was not begun."""

    at: float = 0.0
    refusal: str = ""

    def begun(self, now: float) -> None:
        """Somebody asked for one."""
        self.at, self.refusal = now, ""

    def ended(self, why: str = "") -> None:
        """It was reported, or was not begun."""
        self.at, self.refusal = 0.0, why

    def since(self, now: float) -> float | None:
        """When the one that runs was begun. None: none runs, or it was not heard of for so long that it must have
        failed, which is the refusal then."""
        if self.at and now - self.at > SILENT_S:
            self.ended(why="it was begun, and nothing was reported")
        return self.at or None
