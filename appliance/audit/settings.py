"""Settings by their strict values: a row for each setting that has one, out of the table of settings itself.

The running office says what holds. What a click would change belongs to the panel and to 'appliance settings apply':
a strict setting may end calls of customers, so nothing is mended here.
"""

from typing import Any, Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Unreadable
from appliance.audit.service import FINDINGS
from appliance.config.fields import BadValue
from appliance.config.row import Row
from appliance.config.schema import ROWS

# What laxness can cost: 3 the purse of everybody, 2 that of one account or the way in. All others: 1.
WEIGHTS: Final = {
    "allownoauthcalls": 3, "enforcestrongauth": 3, "blocknotbilledcalls": 3, "checkmaxdyndailycredit": 3,
    "validatepassword": 2, "minpwdlength": 2, "blockpremiumnumbers": 2, "blocksatellitecalls": 2,
    "callpatternaction": 2, "creditcheckforpostp": 2, "apideftrustadmin": 2, "validateinput": 2,
    "allowanonymouscaller": 2, "maxfailedauthenabledipport": 2, "maxfailedauthenabledip": 2, "maxwrongpins": 2,
    "paymentfirstmanual": 2, "uauthverifypwd": 2,
}  # fmt: skip


def values(machine: Machine) -> dict[str, dict[str, Any]]:
    """Settings of the running office by name. Raises Unreadable."""
    return {str(each["name"]): dict(each) for each in machine.office("settings.list")["settings"]}


def _row(row: Row[Any]) -> Check:
    def judge(machine: Machine) -> Reading:
        said = values(machine).get(row.name)
        if said is None:
            raise Unreadable("this office does not know it")
        if not row.in_force and not row.partly:
            raise Unreadable("nothing acts on it yet")
        return _judged(row, str(said["value"]))

    assert row.strict is not None
    return Check(
        f"settings.{row.name}", f"{row.name} is {row.strict.words()}", row.sentence, "the office's verb settings.list",
        WEIGHTS.get(row.name, 1), judge,
        f"'appliance settings set {row.name} {row.strict.target or '...'}', after 'appliance try'",
    )  # fmt: skip


def _judged(row: Row[Any], shown: str) -> Reading:
    assert row.strict is not None
    lax = Grade.FAIL if WEIGHTS.get(row.name, 1) > 1 else Grade.WARN
    if row.kind.secret or not row.strict.target:
        return Reading(Grade.PASS if shown else lax, "set" if shown else "not set")
    try:
        value = row.kind.parse(shown)
    except BadValue:
        raise Unreadable(f"{shown!r:.40} cannot be read") from None
    return Reading(Grade.PASS if row.strict.accepts(row.kind, value) else lax, shown or "empty")


CHECKS: Final = tuple(_row(row) for row in ROWS.values() if row.strict is not None and row.name not in FINDINGS)
