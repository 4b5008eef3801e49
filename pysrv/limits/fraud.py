"""What fraud rules know of a call, and the order in which they refuse it. Pure.

CHECKS is the table; each row is a function from the facts to a refusal. Users of this server are reached whatever
their number is, but a caller on a list reaches nobody. Emergency numbers pass all of it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from pysrv.limits.blacklist import Hit
from pysrv.limits.decision import Refuse
from pysrv.limits.number_facts import UNKNOWN, NumberFacts

NAME: Final = "destination"


class FraudSettings(Protocol):
    """The settings that the checks read, by their names."""

    @property
    def blocksatellitecalls(self) -> bool: ...
    @property
    def blockpremiumnumbers(self) -> bool: ...
    @property
    def blocksharedcostnumbers(self) -> bool: ...
    @property
    def blockcountries(self) -> Collection[str]: ...
    @property
    def blocksourcecountries(self) -> Collection[str]: ...
    @property
    def blacklists(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FraudFacts:
    """`number` is the destination, when it leaves this server. Hits are None when no entry blocks.

    `source_country` is one of `blocksourcecountries` that the caller's address lies in; empty: in none of them.
    """

    number: NumberFacts = UNKNOWN
    destination_hit: Hit | None = None
    caller_hit: Hit | None = None
    source_country: str = ""


CLEAN = FraudFacts()


@dataclass(frozen=True, slots=True)
class FraudView:
    """One call as the checks see it."""

    facts: FraudFacts
    settings: FraudSettings
    source: str
    caller: str
    dialled: str


def _refuse(setting: str, sentence: str, **figures: int | str) -> Refuse:
    return Refuse(NAME, setting, 403, "Forbidden", sentence, figures)


def _by_entry(view: FraudView, hit: Hit | None) -> Refuse | None:
    if hit is None or not view.settings.blacklists:
        return None
    sentence = f"{hit.number} is on the blacklist: {hit.words}"
    return _refuse(hit.setting, sentence, number=hit.number, entry=hit.entry.digits, kind=hit.entry.kind.value)


def source_country(view: FraudView) -> Refuse | None:
    """An account calls from an address in a country from which nobody may call."""
    country = view.facts.source_country
    if not country or country not in view.settings.blocksourcecountries:
        return None
    sentence = f"{view.source} lies in {country}, and blocksourcecountries has {country}"
    return _refuse("blocksourcecountries", sentence, source=view.source, country=country)


def caller_list(view: FraudView) -> Refuse | None:
    """The caller's number is on a list."""
    return _by_entry(view, view.facts.caller_hit)


def destination_list(view: FraudView) -> Refuse | None:
    """The number is on a list."""
    return _by_entry(view, view.facts.destination_hit)


def satellite(view: FraudView) -> Refuse | None:
    """The number lies in a satellite or international network."""
    number = view.facts.number
    if not number.satellite or not view.settings.blocksatellitecalls:
        return None
    sentence = f"{view.dialled} is reached over {number.satellite}"
    return _refuse("blocksatellitecalls", sentence, number=number.judged, network=number.satellite)


def premium(view: FraudView) -> Refuse | None:
    """It is a premium-rate number."""
    number = view.facts.number
    if not number.premium or not view.settings.blockpremiumnumbers:
        return None
    sentence = f"{view.dialled} is a premium-rate number: its prefix is {number.premium}"
    return _refuse("blockpremiumnumbers", sentence, number=number.judged, prefix=number.premium)


def shared_cost(view: FraudView) -> Refuse | None:
    """It is a shared-cost number."""
    number = view.facts.number
    if not number.shared_cost or not view.settings.blocksharedcostnumbers:
        return None
    sentence = f"{view.dialled} is a shared-cost number: its prefix is {number.shared_cost}"
    return _refuse("blocksharedcostnumbers", sentence, number=number.judged, prefix=number.shared_cost)


def unwanted_country(view: FraudView) -> Refuse | None:
    """The number lies in a country that nobody may call."""
    unwanted = [each for each in view.facts.number.countries if each in view.settings.blockcountries]
    if not unwanted:
        return None
    sentence = f"{view.dialled} lies in {unwanted[0]}, and blockcountries has {unwanted[0]}"
    return _refuse("blockcountries", sentence, number=view.facts.number.judged, country=unwanted[0])


@dataclass(frozen=True, slots=True)
class Check:
    """One row: the settings it enforces, whether it looks only at calls over a trunk, and the function."""

    settings: tuple[str, ...]
    outside_only: bool
    refuse: Callable[[FraudView], Refuse | None]


CHECKS: Final = (
    Check(("blocksourcecountries",), False, source_country),
    Check(("blacklists", "blacklistlevel"), False, caller_list),
    Check(("blacklists", "blacklistlevel"), True, destination_list),
    Check(("blocksatellitecalls",), True, satellite),
    Check(("blockpremiumnumbers",), True, premium),
    Check(("blocksharedcostnumbers",), True, shared_cost),
    Check(("blockcountries",), True, unwanted_country),
)
SETTINGS: Final = tuple(dict.fromkeys(name for check in CHECKS for name in check.settings))
