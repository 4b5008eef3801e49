"""Facts about a dialled number, out of the numbering plans of the `phonenumbers` library, which is used here alone.

The library says of whole numbers what they are, and of a premium number with one digit too many that it is nothing.
Carriers are kinder: they take the first digits and charge. So the plans are taken apart into prefixes, once for each
calling code, and it is prefixes that decide; a number's length only decides where two kinds begin alike.

A number is understood by the first of these that fits:

1. with `*` or `#`, or of up to 2 digits: a code of this appliance or of the trunk, of which nothing is known;
2. a short number of the account's country (`11833` in Germany), if its plan has it;
3. a whole, valid number with its country code: so the appliance understands digits everywhere else;
4. a whole, valid number behind the country's international prefix (`011` in the USA) or its national prefix (`0` in
   Germany), or without either where people dial so (Spain, North America);
5. what is none of that: all these ways at once, everywhere without a prefix too, and with a superfluous 0 behind the
   country code; and it is the worst of them.

It never changes what is dialled.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS, PhoneMetadata

from pysrv.limits.number_facts import PREMIUM_EVERYWHERE, UNKNOWN, NumberFacts, network_of, worst
from pysrv.service.digit_patterns import prefixes_of

LEAST_DIGITS = 7  # of a number that can leave its own exchange
REMEMBERED = 65_536  # numbers: about 20 MB
NORTH_AMERICA = "1"
NOWHERE = "001"  # what the library calls the region of codes without a country
AREA_DIGITS = 3  # a North American number's country is in its area code
REGION_DIGITS = 6  # elsewhere, of codes that several countries share
LONGEST_SHORT = 6  # digits; a dear one is known with two more, if its prefix has SURE_PREFIX of them
SURE_PREFIX = 3
# What plans leave out, because nobody may have such a number (any more), and carriers charge for all the same.
MORE_PREMIUM = {"49": frozenset({"900"}), NORTH_AMERICA: frozenset({"900"})}
PAY_PER_CALL = re.compile(r"[2-9]\d\d976")  # North America's 976 exchange of any area
_ORDINARY = ("fixed_line", "mobile", "toll_free", "voip", "personal_number", "pager", "uan", "voicemail")


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of one calling code. `regions`: the main country first; `where`: prefix to the countries it is of."""

    code: str
    regions: tuple[str, ...]
    premium: frozenset[str]
    shared_cost: frozenset[str]
    where: dict[str, tuple[str, ...]]
    ordinary: re.Pattern[str]
    dear: re.Pattern[str]
    trunk: str  # the national prefix, which some leave in behind the country code

    def is_valid(self, national: str) -> bool:
        """Whether a number like this exists."""
        return bool(self.ordinary.fullmatch(national) or self.dear.fullmatch(national))

    def dear_prefix(self, national: str) -> tuple[str, str]:
        """The prefixes by which it is premium and shared cost; ordinary numbers that begin alike are spared."""
        if self.ordinary.fullmatch(national) and not self.dear.fullmatch(national):
            return self._pay_per_call(national), ""
        return _longest(self.premium, national) or self._pay_per_call(national), _longest(self.shared_cost, national)

    def _pay_per_call(self, national: str) -> str:
        found = PAY_PER_CALL.match(national) if self.code == NORTH_AMERICA else None
        return found[0] if found else ""

    def countries(self, national: str) -> tuple[str, ...]:
        """The countries that a number may lie in; empty: none."""
        if not self.where:
            return self.regions
        found = _longest(self.where.keys(), national)
        if found:
            return self.where[found]
        return () if self.code == NORTH_AMERICA else self.regions[:1]


@lru_cache(maxsize=REMEMBERED)
def facts(number: str, home: str = "") -> NumberFacts:
    """What a number in bare digits (pysrv.billing.number) is to an account of the country `home` (ISO-2)."""
    if runs := digit_runs(number):
        return worst(tuple(facts(run, home) for run in runs))
    if not (number.isascii() and number.isdigit()) or len(number) < 3:
        return UNKNOWN
    home = home if home in SUPPORTED_REGIONS else ""
    if home and (short := _short(number, home)):
        return short
    if _is_valid(number):
        return _international(number, home)
    plain = _inland_and_abroad(number, home) if home else []
    readings = [each for each in plain if _is_valid(each)] or [
        *plain,
        *_bare(number, home),
        *_with_country_code(number),
    ]
    kept = [each for each in dict.fromkeys(readings) if not each.startswith("0")]
    return worst(tuple(_international(each, home) for each in kept)) if kept else UNKNOWN


def digit_runs(number: str) -> tuple[str, ...]:
    """What a number with * or # in it may come to for a switch that takes the keys as its own: all its digits, and
    each run of them that is long enough to lead somewhere; nothing, when it has no keys or is a short code."""
    if not re.fullmatch(r"[0-9*#]+", number, re.ASCII) or number.isdigit():
        return ()
    runs = (re.sub(r"[*#]", "", number), *re.split(r"[*#]+", number))
    return tuple(dict.fromkeys(run for run in runs if len(run) >= LEAST_DIGITS))


def _inland_and_abroad(number: str, home: str) -> list[str]:
    """What a number can be to somebody who dials in this country, each with its country code."""
    found, row = [], _metadata(home)
    code = str(row.country_code)
    if abroad := re.match(row.international_prefix or "(?!)", number):
        rest = number[abroad.end() :]
        found += [rest, rest.lstrip("0")]
    for prefix in (row.national_prefix_for_parsing, row.national_prefix):
        if prefix and (inland := re.match(prefix, number)) and inland.end():
            found.append(code + number[inland.end() :])
    if not row.national_prefix or code == NORTH_AMERICA:
        found += _bare(number, home) if not number.startswith(code) else ()
    return found


def _bare(number: str, home: str) -> list[str]:
    """All digits as a number of the country."""
    return [f"{_metadata(home).country_code}{number}"] if home and not number.startswith("00") else []


def _with_country_code(number: str) -> list[str]:
    """The number as it is, and without the national prefix that some write behind the country code: +49 (0) 900.

    00 is an international prefix everywhere here (pysrv.billing.number), so nothing begins with it.
    """
    number = number.lstrip("0") if number.startswith("00") else number
    plan = _plan_of(number)
    if plan is None:
        return [number]
    national = number[len(plan.code) :]
    inner = plan.trunk and national.startswith(plan.trunk)
    return [number, plan.code + national[len(plan.trunk) :]] if inner else [number]


def _international(number: str, home: str) -> NumberFacts:
    """The facts of a number with its country code."""
    network = network_of(number)
    if network or number.startswith(PREMIUM_EVERYWHERE):
        premium = "" if network else PREMIUM_EVERYWHERE
        return NumberFacts((), True if home else None, premium, "", network, number)
    plan = _plan_of(number)
    if plan is None:
        return NumberFacts((), True if home else None, judged=number)
    national = number[len(plan.code) :]
    countries = plan.countries(national)
    premium, shared_cost = plan.dear_prefix(national)
    return NumberFacts(
        (home,) if home in countries else countries[:1],
        home not in countries if home else None,
        plan.code + premium if premium else "",
        plan.code + shared_cost if shared_cost else "",
        "",
        number,
    )


def _is_valid(number: str) -> bool:
    plan = _plan_of(number)
    return plan is not None and plan.is_valid(number[len(plan.code) :])


def _plan_of(number: str) -> Plan | None:
    for digits in (1, 2, 3):
        if number[:digits].isdigit() and int(number[:digits]) in COUNTRY_CODE_TO_REGION_CODE and number[0] != "0":
            return plan(number[:digits])
    return None


def _short(number: str, home: str) -> NumberFacts | None:
    """A short number of the country, by its plan of short numbers; None: it has none like this."""
    every, dear = short_plan(home)
    prefix = _longest(dear, number)
    is_dear = len(number) <= LONGEST_SHORT or (len(number) <= LONGEST_SHORT + 2 and len(prefix) >= SURE_PREFIX)
    premium = prefix if is_dear else ""
    if not premium and (len(number) > LONGEST_SHORT or not every.fullmatch(number)):
        return None
    return None if _is_valid(number) else NumberFacts((home,), False, premium, judged=number)


@lru_cache(maxsize=512)  # there are some 240 calling codes
def plan(code: str) -> Plan:
    """The numbering plan of a calling code."""
    regions = COUNTRY_CODE_TO_REGION_CODE[int(code)]
    rows = [_metadata(region, int(code)) for region in regions]
    digits = AREA_DIGITS if code == NORTH_AMERICA else REGION_DIGITS
    found: dict[str, list[str]] = {}
    for region, row in zip(regions, rows, strict=True) if len(regions) > 1 else ():
        for prefix in _prefixes(row, (*_ORDINARY, "premium_rate", "shared_cost"), digits):
            found.setdefault(prefix, []).append(region)
    joined = {kind: frozenset().union(*(_prefixes(row, (kind,)) for row in rows)) for kind in _DEAR}
    return Plan(
        code,
        regions if regions[0] != NOWHERE else (),
        joined["premium_rate"] | MORE_PREMIUM.get(code, frozenset()),
        joined["shared_cost"],
        {prefix: tuple(where) for prefix, where in found.items()},
        _any_of(rows, _ORDINARY),
        _any_of(rows, _DEAR),
        (rows[0].national_prefix or "") if code != NORTH_AMERICA else "1",
    )


_DEAR = ("premium_rate", "shared_cost")


@lru_cache(maxsize=512)
def short_plan(region: str) -> tuple[re.Pattern[str], frozenset[str]]:
    """The short numbers of a country, and the prefixes of the dear ones."""
    row = PhoneMetadata.short_metadata_for_region(region)
    if row is None:
        return re.compile("(?!)"), frozenset()
    return _any_of([row], ("general_desc",)), _prefixes(row, ("premium_rate",))


def _metadata(region: str, code: int = 0) -> PhoneMetadata:
    found = (
        PhoneMetadata.metadata_for_nongeo_region(code, None)
        if region == NOWHERE
        else PhoneMetadata.metadata_for_region(region, None)
    )
    if found is None:
        raise LookupError(f"no numbering plan for {region} {code}")
    return found


def _patterns(row: PhoneMetadata, kinds: tuple[str, ...]) -> list[str]:
    found = [getattr(row, kind) for kind in kinds]
    return [each.national_number_pattern for each in found if each is not None and each.national_number_pattern]


def _prefixes(row: PhoneMetadata, kinds: tuple[str, ...], most: int = 10) -> frozenset[str]:
    return frozenset().union(*(prefixes_of(pattern, most) for pattern in _patterns(row, kinds)))


def _any_of(rows: list[PhoneMetadata], kinds: tuple[str, ...]) -> re.Pattern[str]:
    patterns = [f"(?:{pattern})" for row in rows for pattern in _patterns(row, kinds)]
    return re.compile("|".join(patterns) or "(?!)", re.ASCII)


def _longest(prefixes: Collection[str], number: str) -> str:
    return next((number[:digits] for digits in range(min(len(number), 12), 0, -1) if number[:digits] in prefixes), "")
