"""Settings of how prices come about and of which trunk a call takes."""

import re

from appliance.config.fields import Choice, Int
from appliance.config.hours import is_holiday, is_hours, is_weekday
from appliance.config.row import Place, Row
from appliance.config.textual import Duration, Form, ListOf, Str


def is_currency(text: str) -> bool:
    """Whether `text` has the form of an ISO 4217 code."""
    return re.fullmatch(r"[A-Z]{3}", text, re.ASCII) is not None


HOURS = Form(is_hours, "hours of weekdays such as Mon-Fri 08:00-20:00, Sat 09:00-12:00", "hours of weekdays")
HOLIDAY = Form(is_holiday, "a date such as 12-25 or 2026-04-03", "dates such as 12-25 or 2026-04-03")
WEEKDAY = Form(is_weekday, "a weekday in three letters", "weekdays in three letters")
CURRENCY = Form(is_currency, "a currency of three capital letters such as EUR", "currencies of three capital letters")


class PriceRows:
    """Prices by time, currencies, and the choice of a trunk."""

    peakhours = Row(
        Str(HOURS),
        "Mon-Fri 08:00-20:00",
        (Place.BILLING, Place.LIMITS),
        "When it is peak time, for rates of a time class and for maxlinesoffpeak; a holiday never is.",
        in_force=True,
        see=("weekend", "holidays"),
    )
    weekend = Row(
        ListOf(WEEKDAY),
        "Sat,Sun",
        Place.BILLING,
        "Days of the weekend, outside peakhours.",
        in_force=True,
        see=("peakhours", "holidays"),
    )
    holidays = Row(
        ListOf(HOLIDAY),
        "",
        Place.BILLING,
        "Holidays of every year (12-25) or of one (2026-04-03); they come before peakhours.",
        in_force=True,
        see=("peakhours", "weekend"),
    )
    basecurrency = Row(
        Str(CURRENCY),
        "EUR",
        Place.BILLING,
        "The currency that exchange rates lead to, costs of trunks are compared in, and decks have that name none. "
        "It is meant to be chosen once: exchange rates that are set keep their figures.",
        in_force=True,
        see=("blockhighcostcalls",),
    )
    routing = Row(
        Choice(
            {
                "priority": "longest prefix, then the priority of the route",
                "cost": "what the call is expected to cost",
                "quality": "answered calls and their length",
                "balanced": "cost, weighed by quality",
            }
        ),
        "priority",
        Place.BILLING,
        "In which order the trunks for a number are tried.",
        in_force=True,
        see=("expectedtalk", "routingwindow", "routingsamples", "routingminasr"),
    )
    expectedtalk = Row(
        Duration(),
        "3m",
        Place.BILLING,
        "How long a call is expected to last where routes are compared by cost and profit is judged.",
        unit="s",
        in_force=True,
        see=("routing", "blocknotprofitablecalls"),
    )
    routingwindow = Row(
        Duration(),
        "1d",
        Place.BILLING,
        "How far back a trunk's calls count for its quality; the older, the less.",
        unit="s",
        in_force=True,
        see=("routing",),
    )
    routingsamples = Row(
        Int(1, 100_000),
        "20",
        Place.BILLING,
        "Calls over a trunk to a destination before its quality is judged; until then it is tried first.",
        unit="calls",
        in_force=True,
        see=("routing",),
    )
    trunkfailures = Row(
        Int(0, 10_000, special={0: "off"}),
        "5",
        (Place.BILLING, Place.NOTIFY),
        "After so many calls in a row that a trunk did not take (no answer to the request, or 5xx) the administrators "
        "are told, once a day.",
        unit="calls",
        in_force=True,
        see=("routing", "sendadminemailnotifications"),
    )
    routingminasr = Row(
        Int(0, 100, special={0: "off"}),
        "5",
        Place.BILLING,
        "A trunk that answers a smaller share of its calls to a destination is tried last, unless routing is priority.",
        unit="%",
        in_force=True,
        see=("routing",),
    )
