"""Settings of what fraud looks like: numbers and countries, blacklists, patterns of calling, the exposure brake."""

from appliance.config.fields import Bool, Enum, Int, Money, Number
from appliance.config.row import Place, Row, Scope
from appliance.config.textual import COUNTRY, Duration, ListOf, Str

OFF = {0: "off"}
MOST_COUNTED = 400  # what the counters of patterns can hold (pysrv/limits/patterns.py)


class NumberRows:
    """Unwanted numbers and countries."""

    homecountry = Row(
        Str(COUNTRY),
        "",
        Place.FRAUD,
        "The country in which accounts without one of their own are at home: to others it is foreign, and it says how "
        "national numbers are dialled. Empty: every number may be foreign.",
        in_force=True,
        see=("locklevel", "blockpremiumnumbers"),
    )
    blocksharedcostnumbers = Row(
        Bool(),
        "false",
        Place.FRAUD,
        "Numbers whose cost the called party shares are refused; in some countries they are the lesser premium rate.",
        in_force=True,
        see=("blockpremiumnumbers",),
    )
    blockcountries = Row(
        ListOf(COUNTRY), "", Place.FRAUD, "Countries whose numbers are refused.", in_force=True, see=("homecountry",)
    )
    blocksourcecountries = Row(
        ListOf(COUNTRY),
        "",
        Place.FRAUD,
        "Countries from whose addresses no account may call. `appliance blacklist countries` makes their networks "
        "known to the office.",
        in_force=True,
    )
    blacklists = Row(
        Bool(),
        "true",
        Place.FRAUD,
        "Numbers and callers on the blacklists are refused.",
        in_force=True,
        see=("blacklistlevel", "dynamicblacklistperiod"),
    )
    blacklistlevel = Row(
        Int(0, 6, OFF),
        "0",
        Place.FRAUD,
        "From which confidence on smart entries of the blacklists block: 6 only the surest, 1 all. Accounts without a "
        "level of their own have this one.",
        scope=Scope.USER,
        in_force=True,
        see=("blacklists",),
    )
    dynamicblacklistperiod = Row(
        Duration(),
        "1d",
        Place.FRAUD,
        "How long an entry lasts that a counter has put on a blacklist.",
        unit="s",
        in_force=True,
        see=("callpatternaction",),
    )


class PatternRows:
    """Patterns of calling."""

    maxshortcalls = Row(
        Int(high=100_000, special=OFF),
        "100",
        Place.FRAUD,
        "Answered calls shorter than shortcallseconds, of one account or to one thousand of numbers, within "
        "callpatternperiod; more are a pattern.",
        unit="calls",
        strict="50",
        in_force=True,
        see=("shortcallseconds", "callpatternperiod", "callpatternaction"),
    )
    shortcallseconds = Row(
        Duration(), "6s", Place.FRAUD, "Below this an answered call is a short one.", unit="s", in_force=True
    )
    maxsequentialcalls = Row(
        Int(high=MOST_COUNTED, special=OFF),
        "50",
        Place.FRAUD,
        "Different numbers beside each other (at most 10 apart) that one account may dial within callpatternperiod, in "
        "whatever order; more are a pattern.",
        unit="numbers",
        strict="20",
        in_force=True,
        see=("callpatternperiod", "callpatternaction"),
    )
    maxcallcountries = Row(
        Int(high=250, special=OFF),
        "0",
        Place.FRAUD,
        "Different countries abroad that one account may call within callpatternperiod; more are a pattern.",
        unit="countries",
        strict="10",
        in_force=True,
        see=("callpatternperiod", "callpatternaction"),
    )
    maxfailedcalls = Row(
        Int(high=100_000, special=OFF),
        "0",
        Place.FRAUD,
        "Calls of one account that may end without an answer within callpatternperiod; more are a pattern.",
        unit="calls",
        in_force=True,
        see=("callpatternperiod", "callpatternaction"),
    )
    callpatternperiod = Row(
        Duration(), "1h", Place.FRAUD, "The sliding period of all patterns.", unit="s", in_force=True
    )
    callpatternaction = Row(
        Enum(
            {
                0: "report",
                1: "also a dynamic entry for the range",
                2: "also the account is locked out of foreign and premium numbers",
                3: "also the account is locked out of outgoing calls",
            }
        ),
        "0",
        Place.FRAUD,
        "What a pattern leads to. Ranges of less than five digits, and patterns without a range, are only reported "
        "by 1. A lock stays until somebody lifts it.",
        strict="1",
        in_force=True,
        see=("dynamicblacklistperiod", "locklevel"),
    )


class ExposureRows:
    """The exposure brake."""

    exposurewarn = Row(
        Duration("off"),
        "30m",
        Place.FRAUD,
        "An account whose running calls would use up its tightest ceiling within this time, and cost more a minute "
        "than it is used to, is reported.",
        unit="s",
        in_force=True,
        see=("exposurejump", "exposurefloor"),
    )
    exposurenew = Row(
        Duration("off"),
        "10m",
        Place.FRAUD,
        "Within this time it may begin no call that costs more a minute than any did on earlier days. Needs an earlier "
        "day.",
        unit="s",
        in_force=True,
        see=("exposurewarn",),
    )
    exposurecut = Row(
        Duration("off"),
        "off",
        Place.FRAUD,
        "Within this time its dearest calls are ended, until it would last longer. Needs an earlier day.",
        unit="s",
        in_force=True,
        see=("exposurewarn",),
    )
    exposurejump = Row(
        Number(low=1),
        "3",
        Place.FRAUD,
        "How many times the most that its calls cost a minute on any earlier day is still usual.",
        in_force=True,
        see=("exposurewarn",),
    )
    exposurefloor = Row(
        Money(),
        "0.5",
        Place.FRAUD,
        "What all calls of an account together may always cost a minute, whatever is usual.",
        unit="money/min",
        in_force=True,
        see=("exposurewarn",),
    )
