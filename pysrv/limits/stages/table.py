"""STAGES: the order of checks for a call. Each row names the settings that it enforces."""

from pysrv.limits.stages import fraud
from pysrv.limits.stages.address import address
from pysrv.limits.stages.authentication import authentication
from pysrv.limits.stages.brake import brake
from pysrv.limits.stages.capacity import capacity
from pysrv.limits.stages.destination import destination
from pysrv.limits.stages.lines import lines
from pysrv.limits.stages.locks import locks
from pysrv.limits.stages.number import number
from pysrv.limits.stages.price import cost, price, profit
from pysrv.limits.stages.source import source
from pysrv.limits.stages.spend import spend
from pysrv.limits.stages.stage import Stage

STAGES = (
    Stage("capacity", ("licensecfg", "maxcps", "emergencynumbers"), capacity),
    Stage("source", ("fs_restrictsiptolocal", "allowanonymouscaller", "emergencynumbers"), source),
    Stage("number", ("techprefix",), number),
    Stage("authentication", ("needauth", "allownoauthcalls", "enforcestrongauth", "enabled"), authentication),
    Stage("lock level", ("locklevel", "emergencynumbers"), locks),
    Stage("lines", ("maxlines", "maxlinesoffpeak", "emergencynumbers"), lines),
    Stage(
        "address",
        ("maxcallperip", "maxdurationperip", "maxcostperip", "maxcallperperiod", "maxcallperuserid"),
        address,
    ),
    Stage("destination", ("onlylocalaccess", "fwdtootherdomains", "emergencynumbers"), destination),
    *fraud.stages(),
    Stage("price", ("blocknotbilledcalls", "vgetpriceexactmatch", "reuseuppergep", "emergencynumbers"), price),
    Stage("cost", ("blockhighcostcalls", "emergencynumbers"), cost),
    Stage("profit", ("blocknotprofitablecalls", "expectedtalk", "emergencynumbers"), profit),
    Stage(
        "exposure",
        ("exposurenew", "exposurewarn", "exposurecut", "exposurejump", "exposurefloor", "emergencynumbers"),
        brake,
    ),
    Stage(
        "funds",
        (
            "credit", "postpaid", "creditcheckforpostp", "maxmonthlycredit", "maxdailycredit",
            "maxdailycreditforenduser", "maxdailycreditforts", "maxdailycreditperuser", "checkmaxdyndailycredit",
            "maxdyndailycreditforenduser_min", "maxdynmaxdailycreditforts_min", "maxdyndailycredit_multiplier",
            "maxdailyminutes", "maxmonthlyminutes", "quotadiscreason", "emergencynumbers",
        ),
        spend,
    ),
)  # fmt: skip
