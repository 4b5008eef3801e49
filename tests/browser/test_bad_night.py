"""The story of the bad night, as far as an attack goes: it begins, the dashboard says so by itself, the bans explain
who was shut out, and a click brings the customer's phone back."""

import re
from collections.abc import Callable

import pytest

from tests.browser.operator import Operator
from tests.e2e.test_calls import nobody_talks
from tests.lab.flood import Flood
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

pytestmark = pytest.mark.load

FLOOD_PPS, FLOOD_S = 2000, 55.0
SOON_MS = 50_000


@pytest.fixture(autouse=True, scope="module")
def customers(product: Product) -> None:
    product.account("alice", "101", "--credit", "25")
    product.account("bob", "102", "--credit", "25")


def test_an_attack_begins_and_the_dashboard_says_so_by_itself(operator: Operator, lab: Lab, product: Product) -> None:
    operator.log_in()
    page = operator.go("/panel/")
    notice = page.locator("#attack")
    assert notice.is_hidden()
    line = page.locator('polyline[data-key="dropped"]')
    flood = Flood(lab, lab.hosts["attacker"], FLOOD_PPS, FLOOD_S)
    flood.start()
    try:
        notice.wait_for(state="visible", timeout=SOON_MS)
    finally:
        flood.close()
    assert re.search(r"An attack began at .*: up to [\d,]+ packets a second are dropped", notice.inner_text())
    heights = [float(point.partition(",")[2]) for point in (line.get_attribute("points") or "").split()]
    # 120 units from the top down: it lay on the ground, and rose to what a round scale (1, 2, 5) gives the highest line
    assert max(heights) == 120 and min(heights) <= 120 * (1 - 2 / 5)
    assert page.locator("[data-marks] line").count() == 1


def test_a_ban_is_explained_and_a_click_brings_the_phone_back(
    operator: Operator, lab: Lab, product: Product, phone: Callable[..., Phone]
) -> None:
    alice, bob = phone("alice"), phone("bob")
    alice.registered()
    bob.registered()
    address = lab.hosts["alice"].address
    product.command("ban", address, "--reason", "looked like the attack")
    operator.log_in()
    page = operator.go("/panel/bans")
    page.get_by_role("link", name=address).click()
    assert "looked like the attack" in page.locator("main").inner_text()
    behind = page.get_by_role("row", name=re.compile("Registered behind it now"))
    assert "alice" in behind.inner_text()
    operator.go(f"/panel/why?address={address}")
    assert f"The gate keeps {address} out" in page.locator("main").inner_text()
    operator.go("/panel/bans")
    page.get_by_role("button", name=f"Lift the ban of {address}").click()
    page.wait_for_url(re.compile("/panel/bans$"))
    assert address not in page.locator("main").inner_text()
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")
    operator.go("/panel/calls")
    page.get_by_role("button", name=re.compile("^Hang up")).first.click()
    alice.wait("CALL_CLOSED")
    nobody_talks(product)
    assert "No call that fits is running." in operator.go("/panel/calls").locator("main").inner_text()


def test_without_scripts_the_same_is_there(operator: Operator, product: Product) -> None:
    operator.log_in()
    context = operator.page.context.browser
    assert context is not None
    plain = context.new_context(
        ignore_https_errors=True, java_script_enabled=False, storage_state=operator.page.context.storage_state()
    )
    try:
        page = plain.new_page()
        page.goto(operator.origin + "/panel/")
        assert page.locator("polyline").count() == 8
        assert (page.locator('polyline[data-key="dropped"]').get_attribute("points") or "").count(",") > 3
        page.get_by_text("The last figures as a table").click()
        assert page.get_by_role("columnheader", name="Queue delay, ms").is_visible()
    finally:
        plain.close()
