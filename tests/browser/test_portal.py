"""Every page of the portal in a browser, as a customer and as a reseller, and a customer's first visit from log-in to
log-out."""

import re

import pytest

from tests.browser import customers
from tests.browser.operator import DESK, TELEPHONE, Operator
from tests.lab.product import Product


@pytest.fixture(autouse=True, scope="module")
def accounts(product: Product) -> None:
    customers.populate(product)
    product.account("dora", "107", "--credit", "12.50", "--type", "calling_card")


def looked_at(operator: Operator, path: str) -> list[str]:
    """What is wrong with a page, in light, in dark and on a telephone."""
    page = operator.go(path)
    found = [] if page.locator("h1").count() == 1 else ["not one heading"]
    found += operator.faults()
    page.emulate_media(color_scheme="dark")
    found += operator.faults("color-contrast")
    page.emulate_media(color_scheme="light")
    return found + narrow(operator)


def narrow(operator: Operator) -> list[str]:
    """Whether the page fits a telephone."""
    operator.page.set_viewport_size(TELEPHONE)
    wide = operator.too_wide()
    operator.page.set_viewport_size(DESK)
    return [f"{wide} pixels too wide for a telephone"] if wide > 0 else []


@pytest.mark.parametrize(
    ("name", "paths"),
    [("alice", customers.FOR_ALL), ("rex", (*customers.FOR_RESELLERS, customers.OF_A_CUSTOMER))],
)
def test_every_page_is_accessible_in_both_schemes_and_fits_a_telephone_in_both_languages(
    operator: Operator, name: str, paths: tuple[str, ...]
) -> None:
    faults = {"/portal/login": looked_at(operator, "/portal/login")}
    customers.enter(operator, name)
    faults |= {path: looked_at(operator, path) for path in paths}
    operator.page.get_by_role("button", name="Deutsch").click()
    operator.page.wait_for_selector("html[lang=de]")
    for path in paths:
        operator.go(path)
        assert operator.page.locator("html").get_attribute("lang") == "de", path
        faults[f"{path} in German"] = narrow(operator)
    assert {path: found for path, found in faults.items() if found} == {}


def test_the_portal_is_used_without_a_mouse(operator: Operator) -> None:
    page = operator.go("/portal/login")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label(re.compile("^(Name|User)")).focus()
    page.keyboard.type("bob")
    page.keyboard.press("Tab")
    page.keyboard.type(customers.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/portal/$"))
    operator.go("/portal/forwards")
    page.get_by_label("Every call goes to").focus()
    page.keyboard.type("101")
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert page.get_by_label("Every call goes to").input_value() == "101"


def test_a_customer_comes_for_the_first_time(operator: Operator, product: Product) -> None:
    customers.enter(operator, "dora")
    page = operator.page
    assert "12.50" in page.locator("main").inner_text()
    menu = page.get_by_role("navigation")
    menu.get_by_role("link", name="Calls", exact=True).click()
    assert page.locator("h1").inner_text() == "Calls"
    menu.get_by_role("link", name="Limits of your own").click()
    page.get_by_label(re.compile("^Spend of a day")).fill("3")
    page.get_by_role("button", name="Save").click()
    menu.get_by_role("link", name="Overview").click()
    assert re.search("Spend of a day \\(your own\\)", page.locator("main").inner_text())
    menu.get_by_role("link", name="Forwards").click()
    page.get_by_label("When busy, calls go to").fill("107")
    page.get_by_role("button", name="Save").click()
    assert "circle" in page.get_by_role("alert").inner_text()
    page.get_by_label("When busy, calls go to").fill("102")
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()
    assert page.get_by_role("alert").count() == 0
    assert product.command("accounts", "forward", "dora")["forwards"]["busy"] == "102"
    menu.get_by_role("link", name="Passwords").click()
    page.get_by_role("button", name="Make a new PIN").click()
    pin = page.get_by_role("status").locator("strong").inner_text()
    assert pin.isdigit()
    customers.leave(operator)
    operator.go("/portal/forwards")
    assert "/portal/login" in page.url
