"""Settings of calling cards and of the voice menu that serves them."""

from appliance.config.fields import Bool, Enum, Int
from appliance.config.row import Place, Row, Strict
from appliance.config.textual import DIALABLE, Duration, ListOf


class CardRows:
    """Calling cards and the IVR."""

    ivrnumbers = Row(
        ListOf(DIALABLE),
        "",
        Place.IVR,
        "Access numbers: who dials one is answered by the appliance itself, asked for the PIN of a calling card and "
        "for the number to call. Empty: there is no such service.",
        in_force=True,
        see=("callingcardauth", "ivrcalls"),
    )
    ivrcalls = Row(
        Int(1, 500),
        "30",
        Place.IVR,
        "Callers that may be in the voice menu at once; a further one is told that the line is busy.",
        in_force=True,
        see=("ivrnumbers",),
    )
    ivrtimeout = Row(
        Duration(),
        "120s",
        Place.IVR,
        "Longest stay in the voice menu until a number is dialled; nobody pays for it.",
        unit="s",
        in_force=True,
        see=("ivrnumbers",),
    )
    ivrtries = Row(
        Int(1, 10),
        "3",
        Place.IVR,
        "How often a PIN, and then a number, may be keyed in within one call.",
        in_force=True,
        see=("maxwrongpins",),
    )
    ivrvalidatedtmf = Row(
        Bool(),
        "true",
        Place.IVR,
        "What is keyed in is checked: a PIN has 10 to 20 digits, a number 3 to 15 (or is an emergency number), "
        "and nothing else is looked up or dialled. Off: keys that are no digits are left out, what is too long is cut "
        "off, and the rest is taken as it is.",
        strict="true",
        in_force=True,
        see=("pinlength",),
    )
    callingcardauth = Row(
        Enum(
            {
                0: "the number that a trunk claims, or the PIN",
                1: "as 0, unless the caller asked not to be shown",
                2: "as 1, unless a wrong PIN came from that number within the hour",
                3: "as 2, and the trunk asserts the number (P-Asserted-Identity)",
                4: "as 3, and From says the same number",
                5: "as 4, and the number is that of a telephone of this server that proved its password",
                6: "as 5, and the PIN was given from there within 30 days",
                7: "as 5, and the PIN was given from there within 7 days",
                8: "as 5, and the PIN was given from there within a day",
                9: "the PIN alone",
            }
        ),
        "9",
        Place.AUTH,
        "When the caller's number is enough to know a calling card; at every level the PIN is. Numbers count with "
        "anumberhandling 1 alone.",
        strict="9",
        in_force=True,
        see=("authpin", "anumberhandling"),
    )
    anumberhandling = Row(
        Enum({0: "off", 1: "by caller number"}),
        "0",
        Place.AUTH,
        "Whether the voice menu knows callers by their number, which over a trunk can be forged.",
        strict="0",
        in_force=True,
        see=("callingcardauth",),
    )
    pinlength = Row(
        Int(10, 20),
        "12",
        Place.AUTH,
        "Digits of a new calling card's PIN; cards that have one keep it.",
        unit="digits",
        strict=Strict("12", at_least=True),
        in_force=True,
        see=("authpin", "ivrvalidatedtmf"),
    )
    maxwrongpins = Row(
        Int(0, 1000, {0: "no limit"}),
        "6",
        Place.AUTH,
        "Wrong PINs of one caller within an hour; then its PINs are not looked at for an hour, the next time for two, "
        "doubling up to a day. A caller is an account, or a number together with its trunk.",
        strict="6",
        in_force=True,
        see=("ivrtries", "maxwrongpinsall"),
    )
    maxwrongpinsall = Row(
        Int(0, 1_000_000, {0: "no limit"}),
        "100",
        Place.AUTH,
        "Wrong PINs of all callers within an hour; then only those are looked at who have given a right one before.",
        strict="100",
        in_force=True,
        see=("maxwrongpins",),
    )
