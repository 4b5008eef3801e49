"""Numbers as tables; and that no digit more or less, and no way of dialling, hides what a number is."""

import itertools
import random
import re

import phonenumbers
import pytest

from pysrv.service import numbering
from pysrv.service.digit_patterns import UnreadablePattern, prefixes_of, shortest
from pysrv.service.numbering import facts

SATELLITES = [
    ("881631234567", "Iridium"), ("881641234567", "Iridium"), ("881751234567", "Iridium"),
    ("881851234567", "Globalstar"), ("881931234567", "Globalstar"),
    ("8821612345678", "Thuraya"), ("88216", "Thuraya"), ("870776123456", "Inmarsat"), ("870", "Inmarsat"),
    ("881212345678", "global mobile satellite system"), ("88213123456", "international network"),
    ("8823451234567", "international network"), ("883510012345678", "international network"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "network"), SATELLITES)
@pytest.mark.parametrize("home", ["", "DE", "US"])
def test_networks_without_a_country_are_known_by_their_prefix(number: str, network: str, home: str) -> None:
    found = facts(number, home)
    if len(number) >= 6:
        assert (found.satellite, found.premium) == (network, "")
        assert found.foreign is (True if home else None)
    else:
        assert found.satellite in (network, "")  # as few digits are a short number, if the country has such


@pytest.mark.parametrize(
    ("number", "home", "prefix"),
    [
        ("979123456789", "", "979"),
        ("9791", "DE", "979"),
        ("499001234567", "", "499001"),  # German 0900
        ("499001234567", "US", "499001"),
        ("09001234567", "DE", "499001"),
        ("0900123456789012", "DE", "499001"),
        ("0900777", "DE", "49900"),  # nobody has it, carriers may charge it
        ("4909001234567", "DE", "499001"),  # +49 (0) 900
        ("441371234567", "DE", ""),
        ("09098790123", "GB", "4490"),  # UK 09
        ("449098790123", "US", "4490"),
        ("449098790123456", "US", "4490"),
        ("449098", "", "4490"),
        ("19005551234", "US", "19005"),
        ("9005551234", "US", "19005"),
        ("190055512345678", "US", "19005"),
        ("011449098790123", "US", "4490"),  # abroad, as one dials in the USA
        ("12129761234", "US", "1212976"),  # 976
        ("2129761234", "US", "1212976"),
        ("390878123", "IT", "390878"),  # Italian numbers keep their 0
        ("8071234567", "ES", "34807"),
        ("88095551234", "RU", "7809"),
        ("810449098790123", "RU", "4490"),
        ("33891234567", "FR", "3389"),
        ("366012", "FR", "36"),  # a short number
    ],
)
def test_premium_numbers_are_known_however_they_are_dialled(number: str, home: str, prefix: str) -> None:
    assert facts(number, home).premium == prefix


@pytest.mark.parametrize(
    ("number", "home", "countries", "foreign"),
    [
        ("4930123456", "DE", ("DE",), False),
        ("030123456", "DE", ("DE",), False),
        ("4930123456", "", ("DE",), None),
        ("4930123456", "AT", ("DE",), True),
        ("12125551234", "US", ("US",), False),
        ("2125551234", "US", ("US",), False),
        ("14165551234", "US", ("CA",), True),
        ("18765551234", "US", ("JM",), True),  # the Caribbean looks like home
        ("12425551234", "US", ("BS",), True),
        ("18095551234", "US", ("DO",), True),
        ("14735551234", "US", ("GD",), True),
        ("18005551234", "US", ("US",), False),
        ("18005551234", "CA", ("CA",), False),  # every North American country's
        ("15005551234", "US", ("US",), False),
        ("1555123", "US", (), True),
        ("447797123456", "GB", ("JE",), True),
        ("442079460000", "GB", ("GB",), False),
        ("77012345678", "RU", ("KZ",), True),
        ("89031234567", "RU", ("RU",), False),
        ("61891641234", "AU", ("CX",), True),
        ("33891234", "DK", ("DK",), False),  # eight digits without a prefix, as one dials there
        ("112", "DE", ("DE",), False),
        ("80012345678", "DE", (), True),
        ("99912345678", "DE", (), True),  # no country has it
        ("0891234567", "", (), None),
        ("*43", "DE", (), None),
        ("1", "DE", (), None),
        ("0000870776123456", "DE", (), True),
    ],
)
def test_a_number_has_a_country_and_is_foreign_or_not(
    number: str, home: str, countries: tuple[str, ...], foreign: bool | None
) -> None:
    found = facts(number, home)
    assert found.foreign is foreign
    assert found.countries[: len(countries)] == countries


def examples() -> list[tuple[str, phonenumbers.PhoneNumber]]:
    kind = phonenumbers.PhoneNumberType.PREMIUM_RATE
    found = ((region, phonenumbers.example_number_for_type(region, kind)) for region in phonenumbers.SUPPORTED_REGIONS)
    return sorted((region, number) for region, number in found if number is not None)


@pytest.mark.parametrize(("region", "example"), examples(), ids=lambda each: each if isinstance(each, str) else "")
def test_no_digit_more_or_less_and_no_way_of_dialling_hides_a_premium_number(
    region: str, example: phonenumbers.PhoneNumber
) -> None:
    plan = numbering.plan(str(example.country_code))
    national = phonenumbers.national_significant_number(example)
    prefix = next(national[:digits] for digits in range(1, 13) if national[:digits] in plan.premium)
    trunk = phonenumbers.PhoneMetadata.metadata_for_region(region, None).national_prefix or ""
    for digits in (national, national + "7", national + "123", national[:-1], prefix + "5"):
        spared = plan.ordinary.fullmatch(digits) and not plan.dear.fullmatch(digits)
        assert spared or facts(plan.code + digits, "").premium, digits
        assert spared or facts(plan.code + digits, "XX").premium, digits
    means_another = not trunk and numbering._is_valid(national)  # in Malta, 500 37123 is a number of the Falklands
    assert means_another or facts(trunk + national, region).premium
    assert facts("00" + plan.code + national, region).premium or not plan.is_valid(national)


def test_ordinary_numbers_of_every_country_are_neither_dear_nor_foreign_at_home() -> None:
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    wrong = []
    for region, kind in itertools.product(sorted(phonenumbers.SUPPORTED_REGIONS), kinds):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        number = f"{example.country_code}{phonenumbers.national_significant_number(example)}"
        found = facts(number, region)
        if found.premium or found.satellite or found.foreign or found.countries != (region,):
            wrong.append((region, number, found))
    assert wrong == []


def test_every_plan_of_the_library_can_be_read() -> None:
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        plan = numbering.plan(str(code))
        assert all(prefix.isdigit() for prefix in (*plan.premium, *plan.shared_cost, *plan.where)), code
    for region in phonenumbers.SUPPORTED_SHORT_REGIONS:
        numbering.short_plan(region)


def test_the_memory_of_numbers_is_bounded() -> None:
    rng = random.Random(4)
    numbers = ["".join(rng.choice("0123456789") for _ in range(12)) for _ in range(3000)]
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        numbering.plan(str(code))
    for number in numbers:
        facts(number, "DE")
    assert facts.cache_info().maxsize == numbering.REMEMBERED


@pytest.mark.parametrize(
    ("pattern", "prefixes"),
    [
        (r"90(?:0[1-3]|1)\d{6}", {"9001", "9002", "9003", "901"}),
        (r"[67]00\d{5,6}", {"600", "700"}),
        (r"8\d5", {f"8{digit}5" for digit in "0123456789"}),
        (r"12?3\d", {"123", "13"}),
        (r"(?:12){1,2}", {"12"}),
        (r"\d{9}", {""}),
    ],
)
def test_a_pattern_is_taken_apart_into_prefixes(pattern: str, prefixes: set[str]) -> None:
    assert prefixes_of(pattern) == prefixes


@pytest.mark.parametrize("pattern", [r"9(?!0)\d", r"9(0", r"9)", r"9+", r"|+"])
def test_a_sign_that_is_not_known_is_an_error_and_not_a_hole(pattern: str) -> None:
    with pytest.raises(UnreadablePattern):
        prefixes_of(pattern)


def test_prefixes_agree_with_the_pattern_itself() -> None:
    """Whatever the pattern matches begins with one of its prefixes."""
    rng = random.Random(7)
    for region in ("DE", "FR", "SE", "IT", "JE", "BR"):
        pattern = phonenumbers.PhoneMetadata.metadata_for_region(region, None).premium_rate.national_number_pattern
        prefixes = prefixes_of(pattern)
        for _ in range(3000):
            number = "".join(rng.choice("0123456789") for _ in range(rng.randint(6, 11)))
            if re.fullmatch(pattern, number):
                assert any(number.startswith(prefix) for prefix in prefixes), (region, number)


def test_what_a_shorter_prefix_covers_is_left_out() -> None:
    assert shortest({"12", "1234", "13", "123"}) == {"12", "13"}
