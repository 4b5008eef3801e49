"""A month of synthetic call records, the same each time: accounts below resellers, a deck, and calls in the order of
their setup. Half of the answered calls last under two minutes, one in twenty above a quarter of an hour, a third is
never answered, and the hours of the day are unlike.
"""

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from pysrv.billing.number import prefixes
from pysrv.billing.tariff import Rate, price
from pysrv.limits.replay.past import PastCall
from tests.limits.replay.month import Account

ACCOUNTS, RESELLERS, PREFIXES = 2_000, 40, 5_000
DAYS, DAY_S = 30, 86_400.0
BEGIN_DAY = 20_500  # 2026-02-16
MICRO = 1_000_000
HOURS = (1, 1, 1, 1, 1, 2, 3, 5, 8, 10, 10, 9, 8, 9, 10, 10, 9, 8, 7, 6, 4, 3, 2, 1)
_UNTIL = tuple(accumulate(HOURS))


@dataclass(frozen=True)
class Customer(Account):
    """An account with who is above it (0: the owner); as it is sold, with credit and five lines."""

    postpaid: bool = False
    maxlines: int = 5
    maxlinesoffpeak: int = 5
    reseller: int = 0


def accounts() -> list[Customer]:
    """Resellers first; three of four accounts are below one. Every fiftieth end user is a traffic sender."""
    sellers = [Customer(1 + n, f"seller{n}", "reseller", postpaid=True, maxlines=0) for n in range(RESELLERS)]
    users = [
        Customer(
            1 + RESELLERS + n,
            f"user{n}",
            "traffic_sender" if n % 50 == 0 else "end_user",
            postpaid=n % 3 == 0,
            maxlines=0 if n % 50 == 0 else 5,
            reseller=0 if n % 4 == 0 else 1 + n % RESELLERS,
        )
        for n in range(ACCOUNTS)
    ]
    return sellers + users


class Deck:
    """Rates in memory, looked up by longest prefix."""

    def __init__(self, share: int) -> None:
        """`share` in percent of the price that end users pay."""
        chance = random.Random(7)
        self._rates: dict[str, Rate] = {}
        for number in range(PREFIXES):
            prefix = str(20 + number % 80) + (str(number // 80) if number >= 80 else "")
            increments = (1, 1) if number % 3 else (60, 60)
            per_minute = chance.choice((5_000, 10_000, 20_000, 50_000, 200_000)) * share // 100
            self._rates[prefix] = Rate(prefix, per_minute, 0, *increments)
        self._seen: dict[str, Rate | None] = {}

    def rate_for(self, number: str) -> Rate | None:
        """The rate of a number."""
        if number not in self._seen:
            found = (self._rates[each] for each in prefixes(number) if each in self._rates)
            self._seen[number] = next(found, None)
        return self._seen[number]


def records(count: int, seed: int = 1) -> Iterator[tuple[float, int, str, int, float]]:
    """Setup time, account's place, number, seconds of talk (0: not answered), seconds of ringing; in order."""
    chance = random.Random(seed)
    numbers = [f"{20 + n % 80}{n * 7919 % 10**7:07}" for n in range(20_000)]
    per_day = [count * 24 // (24 * DAYS)] * DAYS
    per_day[-1] += count - sum(per_day)
    for day, calls in enumerate(per_day):
        begin = (BEGIN_DAY + day) * DAY_S
        hours = (bisect(_UNTIL, chance.random() * _UNTIL[-1]) for _ in range(calls))
        for at in sorted(begin + hour * 3600 + chance.random() * 3600 for hour in hours):
            who = int(chance.paretovariate(0.6) * 7919) % ACCOUNTS
            talk_s = 0 if chance.random() < 0.33 else max(1, int(chance.lognormvariate(4.6, 1.3)))
            yield at, who, chance.choice(numbers), min(talk_s, 7200), 2 + chance.random() * 20


class Month:
    """The month as calls, rated by the way: what an importer of records would do."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.accounts = accounts()
        self._decks = Deck(100), Deck(70)

    def calls(self) -> Iterator[PastCall]:
        """Every call with the rates of its levels, its charge and its cost."""
        retail, wholesale = self._decks
        users = self.accounts[RESELLERS:]
        for number, (at, who, callee, talk_s, rings_s) in enumerate(records(self.count)):
            user = users[who]
            rate, below = retail.rate_for(callee), wholesale.rate_for(callee)
            charge = price(rate, talk_s) if rate is not None else 0
            chain = (user.id, user.reseller) if user.reseller else (user.id,)
            rates = (rate, below) if user.reseller else (rate,)
            answered = at + rings_s if talk_s else None
            yield PastCall(
                f"call-{number:07}", chain, f"192.0.2.{who % 250}", user.name, callee, at, answered,
                at + rings_s + talk_s, talk_s, rates=rates, charge=charge, cost=charge // 2,
            )  # fmt: skip
