"""Small limits for tests of the counters."""

from dataclasses import dataclass


@dataclass
class Limits:
    maxsubsmmsgcount: int = 5
    maxsubsmmsgperiod: float = 60.0
    maxwrongmsgallowed: int = 3
    maxwrongmsgperiod: float = 60.0
    maxwrongauthfromip: int = 4
    maxfailedauthenabledipport: int = 2
    maxfailedauthenabledip: int = 6
    maxsubfailauthperiod: float = 60.0
    fastauthsubswrongusermsg: int = 4
    reenabledosblocked: float = 3600.0
