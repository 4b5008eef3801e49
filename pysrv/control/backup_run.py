"""The backup that is under way, as far as the office hears of it. Nothing of it is kept over a restart."""

from dataclasses import dataclass
from typing import Final, TypedDict

SILENT_S: Final = 900.0  # without a word for so long, it is held to be over: it may have been killed


class Progress(TypedDict):
    """How far it is: `done` of `total` in this step (copy, save, tidy, check; empty: it begins)."""

    work: str
    step: str
    done: int
    total: int


@dataclass(slots=True)
class Running:
    """What runs: `work` is now or check, empty: nothing. `refusal`: why the last one was not begun."""

    work: str = ""
    step: str = ""
    done: int = 0
    total: int = 0
    heard_at: float = 0.0
    refusal: str = ""

    def begun(self, work: str, now: float) -> None:
        """Somebody asked for it."""
        self.work, self.step, self.done, self.total, self.heard_at, self.refusal = work, "", 0, 0, now, ""

    def heard(self, step: str, done: int, total: int, now: float) -> None:
        """How far it is; whoever began it."""
        self.work, self.step, self.done, self.total = self.work or "now", step, done, total
        self.heard_at, self.refusal = now, ""

    def ended(self, refusal: str = "") -> None:
        """It is over, or was not begun."""
        self.work, self.refusal = "", refusal

    def shown(self, now: float) -> Progress | None:
        """As people see it; None: nothing runs."""
        if not self.work or now - self.heard_at > SILENT_S:
            return None
        return {"work": self.work, "step": self.step, "done": self.done, "total": self.total}
