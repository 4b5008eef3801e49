"""Some rows of many: the arguments that verbs about long lists share."""

from dataclasses import dataclass
from typing import Final

MOST_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which of many rows: those with these words in them, some of them; without a limit all."""

    words: str = ""
    offset: int = 0
    limit: int = MOST_ROWS


def bounds(args: PageOf) -> tuple[int, int]:
    """Limit and offset within what makes sense."""
    return max(1, min(args.limit, MOST_ROWS)), max(0, min(args.offset, MOST_ROWS))
