"""The table of limits that can be only reported agrees with what refuses calls."""

import ast
from pathlib import Path

from appliance.config.account import FIELDS
from appliance.config.limiting import ALWAYS_ACT, LIMITING
from appliance.config.schema import ROWS
from pysrv.limits import exposure, fraud, price
from pysrv.limits.blacklist import KINDS
from pysrv.limits.spend import RULES
from pysrv.limits.stages import table
from pysrv.limits.stages.table import STAGES
from pysrv.service.spending import CEILINGS

IN_STAGES = {name for stage in STAGES for name in stage.settings}
MADE_BY = {"Refuse": 1, "Challenge": 1, "_refuse": 0, "Complaint": 0}  # where the setting stands
NO_RULE = {"routes", "lines", "capacity"}  # a number that leads nowhere is no limit


def test_every_limit_is_a_setting_of_a_stage_or_a_ceiling() -> None:
    assert set(LIMITING) | set(ALWAYS_ACT) <= IN_STAGES
    assert set(LIMITING) <= set(ROWS) | set(FIELDS)
    assert all(LIMITING.values())
    assert not set(LIMITING) & set(ALWAYS_ACT)


def test_every_ceiling_of_spend_can_be_only_reported() -> None:
    assert {rule.setting for rule in RULES} <= CEILINGS <= set(LIMITING)


def refusing() -> set[str]:
    """The settings that refusals are made with, read from the source of the stages and of the rules behind them."""
    found = set()
    behind = [Path(module.__file__) for module in (fraud, exposure, price)]
    for path in [*sorted(Path(table.__file__).parent.glob("*.py")), *behind]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (place := MADE_BY.get(getattr(node.func, "id", ""))) is not None:
                named = node.args[place]
                if isinstance(named, ast.Constant):
                    found.add(str(named.value))
    return found | {kind.setting for kind in KINDS} | set(price.ROUTE_SETTINGS)


def test_whatever_a_stage_refuses_by_is_in_one_of_the_two_tables() -> None:
    named = refusing()
    assert {"licensecfg", "maxcallperip", "blocknotbilledcalls", "blockcountries", "exposurenew"} <= named
    assert named - NO_RULE <= set(LIMITING) | set(ALWAYS_ACT)
