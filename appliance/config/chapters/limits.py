"""Settings that bound what calls may cost, how many there may be and where they may go."""

from decimal import Decimal

from appliance.config.fields import AutoBool, Bool, Enum, Int, Money, Number
from appliance.config.row import Place, Row, Scope
from appliance.config.textual import DIALABLE, DIGITS, ZONE, Duration, ListOf, Str

OFF = {0: "off"}


def _warn_small_multiplier(value: Decimal) -> str:
    return "below 4, ordinary days are blocked too" if value < 4 else ""


class AddressRows:
    """Limits of one source address."""

    maxcallperip = Row(
        Int(special=OFF),
        "0",
        Place.LIMITS,
        "Calls from one source address within maxcallperperiod.",
        unit="calls",
        see=("maxcallperperiod", "maxcallperuserid"),
        in_force=True,
    )
    maxdurationperip = Row(
        Duration("off"),
        "0",
        Place.LIMITS,
        "Talk time from one source address within maxcallperperiod.",
        unit="s",
        see=("maxcallperperiod", "maxcallperuserid"),
        in_force=True,
    )
    maxcostperip = Row(
        Money(special=OFF),
        "0",
        Place.LIMITS,
        "Cost of calls from one source address within maxcallperperiod.",
        unit="money",
        see=("maxcallperperiod", "maxcallperuserid"),
        in_force=True,
    )
    maxcallperperiod = Row(
        Number(above=True),
        "1.0",
        Place.LIMITS,
        "Sliding period of the three limits of an address; 1 is one day.",
        unit="days",
        in_force=True,
    )
    maxcallperuserid = Row(
        Int(low=-1, special={-1: "all"}),
        "-1",
        Place.LIMITS,
        "The account, by its id, to which the three limits of an address apply.",
        in_force=True,
    )


class AccountRows:
    """Limits of an account."""

    maxlines = Row(
        Int(high=1_000_000, special=OFF),
        "5",
        Place.LIMITS,
        "Calls that the account may have at once. 1 makes transfers and conferences impossible.",
        scope=Scope.USER,
        unit="calls",
        in_force=True,
        see=("maxlinesoffpeak",),
    )
    maxlinesoffpeak = Row(
        Int(high=1_000_000, special=OFF),
        "5",
        Place.LIMITS,
        "Calls that the account may have at once off-peak; it follows maxlines until it is set apart.",
        scope=Scope.USER,
        unit="calls",
        in_force=True,
        see=("maxlines", "peakhours"),
    )
    credit = Row(
        Money(),
        "0",
        Place.LIMITS,
        "Prepaid balance of the account; never overspent, however many calls run at once.",
        scope=Scope.USER,
        unit="money",
        in_force=True,
        see=("postpaid",),
    )
    postpaid = Row(
        Bool(),
        "false",
        Place.LIMITS,
        "The account pays afterwards, so that its credit is not checked.",
        scope=Scope.USER,
        in_force=True,
        see=("credit", "creditcheckforpostp"),
    )
    creditcheckforpostp = Row(
        Bool(),
        "false",
        Place.LIMITS,
        "The monthly limits are checked for postpaid accounts.",
        strict="true",
        see=("maxmonthlycredit",),
        in_force=True,
    )
    maxmonthlycredit = Row(
        Money(special=OFF),
        "0",
        Place.LIMITS,
        "Most that the account may spend in a calendar month.",
        scope=Scope.USER,
        unit="money",
        see=("creditcheckforpostp", "maxmonthlycreditinc", "maxmonthlycreditend"),
        in_force=True,
    )
    maxmonthlycreditinc = Row(
        Money(),
        "0",
        Place.LIMITS,
        "Added to maxmonthlycredit when a month ends in which the account was active.",
        scope=Scope.USER,
        unit="money",
        see=("maxmonthlycreditend",),
        in_force=True,
    )
    maxmonthlycreditend = Row(
        Money(),
        "0",
        Place.LIMITS,
        "Where maxmonthlycredit stops growing.",
        scope=Scope.USER,
        unit="money",
        see=("maxmonthlycreditinc",),
        in_force=True,
    )
    maxdailyminutes = Row(
        Int(special=OFF),
        "0",
        Place.LIMITS,
        "Talk time of the account in a day.",
        scope=Scope.USER,
        unit="minutes",
        in_force=True,
    )
    maxmonthlyminutes = Row(
        Int(special=OFF),
        "0",
        Place.LIMITS,
        "Talk time of the account in a month.",
        scope=Scope.USER,
        unit="minutes",
        in_force=True,
    )
    maxcps = Row(
        Number(special=OFF),
        "0",
        Place.LIMITS,
        "Calls that the account may start in a second.",
        scope=Scope.USER,
        unit="calls/s",
        in_force=True,
    )
    locklevel = Row(
        Enum(
            {
                0: "none",
                1: "foreign and premium numbers",
                2: "outgoing calls",
                3: "incoming and outgoing calls",
                4: "everything, registration included",
            }
        ),
        "0",
        Place.LIMITS,
        "What the account is locked out of. Emergency numbers pass every lock but 4.",
        scope=Scope.USER,
        in_force=True,
        see=("emergencynumbers",),
    )
    emergencynumbers = Row(
        ListOf(DIALABLE),
        "112,911,999",
        Place.LIMITS,
        "Numbers that pass every check of credit, spending, lines and locks; bans still hold.",
        in_force=True,
        see=("locklevel",),
    )
    onlylocalaccess = Row(
        Bool(),
        "false",
        Place.LIMITS,
        "The account reaches only users and numbers of this appliance.",
        scope=Scope.USER,
        in_force=True,
    )


class SpendRows:
    """Spending in a day, and what happens when it is too much."""

    timezone = Row(
        Str(ZONE),
        "UTC",
        Place.LIMITS,
        "Where days and months of limits and prices begin.",
        in_force=True,
    )
    spendwarnings = Row(
        ListOf(DIGITS),
        "80,95",
        (Place.LIMITS, Place.NOTIFY),
        "Percent of a spending limit at which its account's owner and the administrators are told; empty: never.",
        unit="%",
        in_force=True,
    )
    creditwarning = Row(
        Money(special=OFF),
        "0",
        (Place.LIMITS, Place.NOTIFY),
        "A prepaid account that has less than this left is told so, once a day.",
        unit="money",
        in_force=True,
        see=("spendwarnings", "notifyowners"),
    )

    maxdailycreditforenduser = Row(
        Money(special=OFF),
        "0",
        Place.LIMITS,
        "Most that any end user may spend in a day.",
        unit="money",
        in_force=True,
    )
    maxdailycreditforts = Row(
        Money(special=OFF),
        "0",
        Place.LIMITS,
        "Most that any traffic sender may spend in a day.",
        unit="money",
        in_force=True,
    )
    maxdailycredit = Row(
        Money(special=OFF),
        "0",
        Place.LIMITS,
        "Most that this account may spend in a day; the lower of this and the general limit holds.",
        scope=Scope.USER,
        unit="money",
        see=("maxdailycreditperuser", "maxdailycreditforenduser", "maxdailycreditforts"),
        in_force=True,
    )
    maxdailycreditperuser = Row(
        AutoBool("on as soon as one account has maxdailycredit"),
        "auto",
        Place.LIMITS,
        "Whether the daily limits of single accounts are looked at.",
        see=("maxdailycredit",),
        in_force=True,
    )
    checkmaxdyndailycredit = Row(
        Enum({0: "off", 1: "end users", 2: "end users and traffic senders"}),
        "0",
        Place.LIMITS,
        "For whom the dynamic limit holds: in one day no more than the minimum below, or the multiplier times the "
        "largest daily spending of earlier days, whichever is more. A day on which the account was blocked teaches "
        "nothing.",
        strict="2",
        see=("maxdyndailycredit_multiplier", "maxdyndailycreditforenduser_min", "maxdynmaxdailycreditforts_min"),
        in_force=True,
    )
    maxdyndailycreditforenduser_min = Row(
        Money(),
        "10",
        Place.LIMITS,
        "The dynamic limit never blocks an end user below this.",
        unit="money",
        in_force=True,
    )
    maxdynmaxdailycreditforts_min = Row(
        Money(),
        "100",
        Place.LIMITS,
        "The dynamic limit never blocks a traffic sender below this.",
        unit="money",
        in_force=True,
    )
    maxdyndailycredit_multiplier = Row(
        Number(low=1),
        "7",
        Place.LIMITS,
        "How many times the largest earlier day one day may cost.",
        warns=_warn_small_multiplier,
        see=("checkmaxdyndailycredit",),
        in_force=True,
    )
    quotadiscreason = Row(
        Int(400, 699),
        "403",
        Place.LIMITS,
        "What a call that a spending limit refuses is answered with, and the reason of one that it ends.",
        unit="SIP status",
        in_force=True,
    )
