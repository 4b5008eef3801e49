"""Verbs of the first set-up: its steps in their order, and which of them are behind us."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

from appliance.wire import WireError
from pysrv.control.desk import Desk


class Step(StrEnum):
    """What somebody who has just started the appliance should see to, in this order."""

    PASSWORD = "password"  # noqa: S105 - a step
    ADDRESS = "address"
    DOMAIN = "domain"
    CERTIFICATE = "certificate"
    INTERFACES = "interfaces"
    PROFILE = "profile"
    TRUNK = "trunk"
    ACCOUNTS = "accounts"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class MarkStep:
    """A step that is done, skipped, or (`state` empty) to be done again."""

    step: Step
    state: str = "done"


class StepRow(TypedDict):
    """A step of the first set-up; `state` empty: it is ahead."""

    step: Step
    state: str


class SetupAnswer(TypedDict):
    """The first set-up. `next` null: every step is behind."""

    steps: list[StepRow]
    next: Step | None
    finished: bool


def show(desk: Desk, _: Any) -> SetupAnswer:
    """setup.show"""
    behind = desk.store.setup_steps()
    steps: list[StepRow] = [{"step": step, "state": behind.get(step, "")} for step in Step]
    ahead = [each["step"] for each in steps if not each["state"]]
    return {"steps": steps, "next": ahead[0] if ahead else None, "finished": not ahead}


def mark(desk: Desk, args: MarkStep) -> SetupAnswer:
    """setup.mark"""
    if args.state not in ("", "done", "skipped"):
        raise WireError("bad_args", f"a step is done or skipped, not {args.state[:20]!r}")
    desk.store.mark_setup_step(args.step, args.state, desk.who)
    return show(desk, None)
