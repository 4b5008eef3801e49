"""The story of the first hour: from an empty database to a telephone that registers, with nothing but a browser."""

import re
from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.operator import Operator
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

NEW_PASSWORD = "my own long words 7"
PHONE_PASSWORD = "correct-horse-42"


def go_on(page: Page, name: str = "Done, go on") -> None:
    """The step's button; the page after it has another heading."""
    before = page.locator("main h2").first.inner_text()
    page.get_by_role("button", name=name).click()
    page.wait_for_function("before => document.querySelector('main h2')?.innerText !== before", arg=before)


def test_an_empty_appliance_is_set_up_in_the_browser_and_a_telephone_registers(
    operator: Operator, lab: Lab, product: Product, phone: Callable[..., Phone]
) -> None:
    assert product.command("accounts", "list")["accounts"] == []
    operator.log_in()
    page = operator.go("/panel/")
    page.get_by_role("link", name=re.compile("first set-up is not finished")).click()
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_label("The same again").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Done, go on").click()
    page.wait_for_url(re.compile("/panel/login"))
    operator.log_in(password=NEW_PASSWORD)
    operator.go("/panel/setup")

    assert page.locator("main h2").first.inner_text() == "The address that you come from"
    assert page.get_by_label("Address or network").input_value() == lab.hosts["operator"].address
    go_on(page)
    page.get_by_label("Domain").fill("pbx.example")
    go_on(page)
    assert re.search("([0-9A-F]{2}:){31}", page.locator("main").inner_text())  # the certificate's fingerprint
    go_on(page)
    assert "native" in page.locator("main").inner_text()
    go_on(page)
    page.get_by_label("Profile").select_option("strict")
    assert "allowtrustedip stays as it is" in page.locator("main").inner_text()  # or this would be his last page
    go_on(page)
    go_on(page, "Skip")  # the trunk
    page.get_by_label("Name", exact=True).fill("alice")
    page.get_by_label("Password").fill(PHONE_PASSWORD)
    page.get_by_label("Numbers").fill("101")
    go_on(page)
    page.get_by_role("button", name="Skip").click()  # mail
    page.wait_for_url(re.compile("/panel/$"))

    assert [each["name"] for each in product.command("accounts", "list")["accounts"]] == ["alice"]
    assert product.command("settings", "get", "localdomain")["value"] == "pbx.example"
    phone("alice").registered()
    row = operator.go("/panel/registrations").get_by_role("row", name=re.compile("alice"))
    assert lab.hosts["alice"].address in row.inner_text()
    assert "first set-up is not finished" not in operator.go("/panel/").locator("main").inner_text()
