"""One laboratory for all whole-path tests: real phones, a real carrier, the real appliance with native XDP between."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.carrier import Carrier, answering
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

ALICE_HZ, BOB_HZ, CAROL_HZ = 440, 880, 1320
RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0.05,1,1\n4930,1.20,0,60,60\n"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with Lab(["alice", "bob", "carol", "trunk", "attacker"], tag="e2e") as made:
        yield made


@pytest.fixture(scope="session")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        deck = directory / "rates.csv"
        deck.write_text(RATES)
        made.command("rates", "import", "retail", str(deck))
        made.command(
            "trunks", "add", "carrier", lab.hosts["trunk"].address, "--prefix", "49", "--inbound",
            lab.hosts["trunk"].address,
        )  # fmt: skip
        for name, number in (("alice", "101"), ("bob", "102"), ("carol", "103")):
            made.account(name, number, "--credit", "100", "--deck", "retail")
        yield made


@pytest.fixture()
def phone(lab: Lab, product: Product, tmp_path: Path) -> Iterator[Callable[..., Phone]]:
    """Makes phones that are registered; they are gone after the test."""
    made: list[Phone] = []

    def make(user: str, **options: Any) -> Phone:
        directory = tmp_path / f"{user}{len(made)}"
        new = Phone(lab, lab.hosts[user], directory, user, "correct-horse-42", **options)
        made.append(new)
        new.registered()
        return new

    yield make
    for each in made:
        each.close()


@pytest.fixture()
def carrier(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Carrier]]:
    """Starts the carrier with a scenario; it is ended after the test."""
    made: list[Carrier] = []

    def start(**scenario: Any) -> Carrier:
        new = Carrier(lab, lab.hosts["trunk"], tmp_path / f"carrier{len(made)}", answering(**scenario))
        made.append(new)
        return new

    yield start
    for each in made:
        each.close()
