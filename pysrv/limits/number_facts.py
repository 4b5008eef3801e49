"""What a dialled number is: whose country, dear by its kind, by way of a satellite. Values only.

Who reads a numbering plan is not known here; what a network outside of all countries is called stands in NETWORKS,
which is the whole list of what `blocksatellitecalls` refuses.
"""

from dataclasses import dataclass

PREMIUM_EVERYWHERE = "979"  # international premium rate service, ITU-T E.169.2
NETWORKS = (
    ("870", "Inmarsat"),
    ("881", "global mobile satellite system"),
    ("8816", "Iridium"),
    ("8817", "Iridium"),
    ("8818", "Globalstar"),
    ("8819", "Globalstar"),
    ("882", "international network"),
    ("88216", "Thuraya"),
    ("883", "international network"),
)


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """`countries` are ISO-2, several when the digits can be understood in several ways; empty: none is known.

    `foreign` None: not known, which is taken as foreign. `premium` and `shared_cost` hold the prefix that says so,
    `satellite` the network's name; empty: it is none.
    `judged` is the number with its country code, as it was understood.
    """

    countries: tuple[str, ...] = ()
    foreign: bool | None = None
    premium: str = ""
    shared_cost: str = ""
    satellite: str = ""
    judged: str = ""


UNKNOWN = NumberFacts()


def network_of(number: str) -> str:
    """The network without a country that a number with its country code lies in; the longest prefix decides."""
    found = [(len(prefix), name) for prefix, name in NETWORKS if number.startswith(prefix)]
    return max(found)[1] if found else ""


def worst(readings: tuple[NumberFacts, ...]) -> NumberFacts:
    """One number that can be understood in several ways is whatever any of them is."""
    if len(readings) == 1:
        return readings[0]
    foreign = [each.foreign for each in readings]
    return NumberFacts(
        tuple(dict.fromkeys(country for each in readings for country in each.countries)),
        True if True in foreign else None if None in foreign else False,
        next((each.premium for each in readings if each.premium), ""),
        next((each.shared_cost for each in readings if each.shared_cost), ""),
        next((each.satellite for each in readings if each.satellite), ""),
        next((each.judged for each in readings if each.premium or each.satellite), readings[0].judged),
    )
