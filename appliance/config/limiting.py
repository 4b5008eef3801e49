"""Limits of calls whose refusals can be only reported, by the setting that a refusal names; and those that cannot be.

Shared by the office, which passes such a refusal by, and by the command, which lists it. Settings that only shape a
limit are named beside it in the stages' table.
"""

from typing import Final

LIMITING: Final = {
    "licensecfg": "more calls at once than the appliance may carry",
    "maxcps": "an account starts calls faster than it may",
    "fs_restrictsiptolocal": "a call comes from an address from which none may",
    "allowanonymouscaller": "a caller hides who he is",
    "locklevel": "an account is locked out of this kind of call",
    "maxlines": "an account has all its lines in use",
    "maxlinesoffpeak": "an account has all its lines in use, off-peak",
    "maxcallperip": "more calls from one address than it may start",
    "maxdurationperip": "more talk from one address than it may have",
    "maxcostperip": "more cost from one address than it may cause",
    "onlylocalaccess": "an account may not leave this server",
    "blacklists": "a caller or a number is on a blacklist",
    "blacklistlevel": "a caller or a number is on a blacklist that was bought in, sure enough",
    "blocksourcecountries": "an account calls from a country from which nobody may",
    "blockcountries": "a number lies in a country that nobody may call",
    "blocksatellitecalls": "a number is reached over satellites or an international network",
    "blockpremiumnumbers": "a number is a premium-rate one",
    "blocksharedcostnumbers": "a number is a shared-cost one",
    "blocknotbilledcalls": "a call has no price, or none that is sure",
    "blockhighcostcalls": "every route costs too much",
    "blocknotprofitablecalls": "every route loses somebody money",
    "exposurenew": "a dear call, while the exposure brake holds its account",
    "maxdailycredit": "today's spend of an account passes its own limit",
    "maxdailycreditforenduser": "today's spend of an end user passes the limit of all end users",
    "maxdailycreditforts": "today's spend of a traffic sender passes the limit of all of them",
    "checkmaxdyndailycredit": "today's spend of an account is a multiple of its largest earlier day",
    "maxmonthlycredit": "this month's spend of an account passes its limit",
    "maxdailyminutes": "today's talk of an account passes its limit",
    "maxmonthlyminutes": "this month's talk of an account passes its limit",
}
"""What each would refuse. In report-only the call goes on; the refusal is counted, and kept with the call's record."""

ALWAYS_ACT: Final = {
    "credit": "a lease on money that is not there cannot be given",
    "enabled": "an account that is closed is nobody",
    "techprefix": "a number without its prefix leads nowhere",
    "fwdtootherdomains": "there is no way to a domain that is not called",
    "needauth": "without knowing who calls there is nothing to judge",
}
"""Settings that refuse calls and can never be only reported, with the reason."""
