"""A real browser against the real appliance: Debian's Chromium in the operator's namespace, the gate in the middle.

Each module has an appliance of its own, because its story changes what the others would find.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.operator import CHROMIUM, DESK, Operator, administrator
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["operator", "alice", "bob", "trunk", "attacker"], tag="browser") as made:
        yield made


@pytest.fixture(scope="module")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        yield made


@pytest.fixture(scope="module")
def browser(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    wrapper = tmp_path_factory.mktemp("chromium") / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{lab.hosts["operator"].namespace} {CHROMIUM} "$@"\n')
    wrapper.chmod(0o755)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(wrapper), args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture()
def operator(lab: Lab, product: Product, browser: Browser) -> Iterator[Operator]:
    """The operator at his browser; whatever the page complains about on its console fails the test."""
    context = browser.new_context(ignore_https_errors=True, locale="en-GB", viewport=DESK)
    made = Operator(context.new_page(), f"https://{lab.hosts['operator'].gateway}:8443", administrator(product))
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture()
def phone(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Phone]]:
    """Makes phones; they are gone after the test."""
    made: list[Phone] = []

    def make(user: str, password: str = "correct-horse-42") -> Phone:
        new = Phone(lab, lab.hosts[user], tmp_path / f"{user}{len(made)}", user, password)
        made.append(new)
        return new

    yield make
    for each in made:
        each.close()
