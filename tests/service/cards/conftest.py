"""The service with an access number, a card and a carrier."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.cards.holder import MOBILE, add_card, use


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        use(made)
        yield made


@pytest.fixture
def pin(bench: Bench) -> str:
    """Of a card with 1.00, that lists a mobile number: 100 s to NUMBER."""
    return add_card(bench, "card", MOBILE)


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)
