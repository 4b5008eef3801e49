"""What policy answers: go on, prove who you are, or no, and then why, with the setting and the figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Refuse:
    """A call that may not be: `stage` and `setting` say which rule, `status` and `reason` what the caller is told.

    `sentence` is for the log, the CDR and the operator; strangers never see it. Money figures are micro-units.
    """

    stage: str
    setting: str
    status: int
    reason: str
    sentence: str
    figures: Figures = field(default_factory=dict)
    reports: tuple["Refuse", ...] = ()


@dataclass(frozen=True, slots=True)
class Challenge:
    """Credentials are wanted before anything else is said."""

    stage: str
    setting: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may be set up. `reports`: what rules in report-only would have refused."""

    emergency: bool = False
    reports: tuple[Refuse, ...] = ()


Decision = Allow | Challenge | Refuse
