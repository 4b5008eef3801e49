"""The settings whose limit bans a source. The office counts and decides, so its rules have names of their own."""

from typing import Final

BANNING: Final = {
    "maxsubsmmsgcount": "more messages from one address than the setting allows",
    "maxwrongmsgallowed": "more malformed or meaningless messages from one address than the setting allows",
    "maxwrongauthfromip": "more requests without usable credentials, or for unknown users, than the setting allows",
    "maxfailedauthenabledipport": "more wrong passwords from one address:port than the setting allows",
    "maxfailedauthenabledip": "more wrong passwords from one address than the setting allows",
    "fastauthsubswrongusermsg": "more unanswered challenges of one address than the setting allows",
    "decoyextensions": "a decoy was touched from a proven address",
}
"""What each bans for. In report-only the ban is written to the log and not made."""
