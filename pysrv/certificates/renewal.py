"""What was agreed with an authority, and when it is asked again. Pure: `now` and every `*_at` are Unix seconds.

A third of the lifetime left is time enough for an authority that is away for days, whether its certificates last for
six days or for ninety. A try that failed is repeated ever more seldom: authorities count failures and lock out who
makes many (RFC 8555, 6.6 rateLimited).
"""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

LEFT: Final = 3  # the last of so many parts of the lifetime
FIRST_WAIT_S: Final = 3600.0
LONGEST_WAIT_S: Final = 86_400.0
MOST_WORDS: Final = 600


@dataclass(frozen=True, slots=True)
class Standing:
    """An order that stands until it is forgotten. `key`: the account's private key (PEM); `fingerprint`: of the
    certificate that was issued last, empty: none yet; `failures`: how many tries in a row have failed, the last one at
    `failed_at` with `problem`, for which `hint` says what to do."""

    directory: str
    email: str
    names: tuple[str, ...]
    key: str = field(repr=False)
    fingerprint: str = ""
    failures: int = 0
    failed_at: float = 0.0
    problem: str = ""
    hint: str = ""

    def failed(self, now: float, problem: str, hint: str) -> "Standing":
        """After one more try that came to nothing."""
        return replace(
            self,
            failures=self.failures + 1,
            failed_at=now,
            problem=problem[:MOST_WORDS],
            hint=hint[:MOST_WORDS],
        )

    def issued(self, fingerprint: str) -> "Standing":
        """After a certificate has come."""
        return replace(self, fingerprint=fingerprint, failures=0, failed_at=0.0, problem="", hint="")


def due_at(standing: Standing, begins_at: float, ends_at: float) -> float:
    """When the authority is to be asked; 0: at once. `begins_at`, `ends_at`: of the certificate that it issued."""
    at = ends_at - (ends_at - begins_at) / LEFT if standing.fingerprint else 0.0
    return max(at, standing.failed_at + wait_s(standing.failures)) if standing.failures else at


def wait_s(failures: int) -> float:
    """How long after the last of so many failures: an hour, then twice as long each time, a day at most."""
    return min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 16), LONGEST_WAIT_S) if failures else 0.0


def text_of(standing: Standing) -> str:
    """As it is kept."""
    return json.dumps(asdict(standing))


def standing_of(text: str) -> Standing | None:
    """What was kept; None for anything else."""
    try:
        told: dict[str, Any] = json.loads(text)
        return Standing(**(told | {"names": tuple(told["names"])}))
    except (ValueError, TypeError, KeyError):
        return None
