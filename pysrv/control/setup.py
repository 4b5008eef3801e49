"""Verbs of the first set-up: its steps in their order, and which of them are behind us."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


def show(desk: Desk, _: Any) -> dict[str, Any]:
    """setup.show"""
    behind = desk.store.setup_steps()
    steps = [{"step": str(step), "state": behind.get(step, "")} for step in Step]
    ahead = [each["step"] for each in steps if not each["state"]]
    return {"steps": steps, "next": ahead[0] if ahead else None, "finished": not ahead}


def mark(desk: Desk, args: MarkStep) -> dict[str, Any]:
    """setup.mark"""
    if args.state not in ("", "done", "skipped"):
        raise WireError("bad_args", f"a step is done or skipped, not {args.state[:20]!r}")
    desk.store.mark_setup_step(args.step, args.state, desk.who)
    return show(desk, None)
