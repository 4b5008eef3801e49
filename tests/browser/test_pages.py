"""Every page of the panel as a browser sees it: it opens, nothing complains, nothing is asked of elsewhere, axe-core
finds no serious fault, in light and in dark, and it fits a telephone without scrolling sideways."""

import re

import pytest

from pysrv.panel import ROUTES
from tests.browser.operator import DESK, TELEPHONE, Operator
from tests.browser.pictures import PLACE, name_of, pages
from tests.lab.product import Product

PAGES = [route.path for route in ROUTES if route.menu]
FIRST_PAGE_BYTES = 100_000


@pytest.fixture(autouse=True, scope="module")
def customers(product: Product) -> None:
    product.account("alice", "101", "--credit", "25", "--maxdailycredit", "10")
    product.account("bob", "102", "--credit", "1.50")


@pytest.mark.timeout(400)  # some thirty pages, each looked at by axe-core twice
def test_every_page_opens_is_accessible_in_light_and_dark_and_fits_a_telephone(operator: Operator) -> None:
    operator.log_in()
    faults: dict[str, list[str]] = {}
    for path in (*PAGES, "/panel/accounts/alice"):
        page = operator.go(path)
        assert page.locator("h1").count() == 1, path
        found = operator.faults()
        page.emulate_media(color_scheme="dark")
        found += operator.faults("color-contrast")  # nothing else of a page depends on the scheme
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(TELEPHONE)
        if (wide := operator.too_wide()) > 0:
            found.append(f"{wide} pixels too wide for a telephone")
        page.set_viewport_size(DESK)
        if found:
            faults[path] = found
    assert faults == {}


def test_the_panel_is_used_without_a_mouse(operator: Operator) -> None:
    operator.go("/panel/login")
    page = operator.page
    page.keyboard.press("Tab")  # the link that skips the header
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label(re.compile("^Name")).focus()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(operator.password)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/panel/$"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_first_page_is_small(operator: Operator) -> None:
    sizes: list[int] = []
    operator.page.on("response", lambda response: sizes.append(len(response.body())))
    operator.go("/panel/login")
    operator.page.wait_for_load_state("networkidle")
    assert 0 < sum(sizes) < FIRST_PAGE_BYTES


def test_a_german_reads_german(operator: Operator) -> None:
    operator.log_in()
    operator.page.get_by_role("button", name="Deutsch").click()
    assert operator.page.locator("html").get_attribute("lang") == "de"
    operator.page.get_by_role("button", name="English").click()
    assert operator.page.locator("html").get_attribute("lang") == "en"


def test_every_page_has_its_picture_in_the_documents() -> None:
    assert {path.name for path in PLACE.glob("*.jpg")} == {name_of(path) for path in pages()}, "make pictures"
