"""`make pictures`: the pictures of every page of the panel and the portal, for docs/pictures, out of a real appliance
with a few customers, calls and bans. Compressed as WebP would need another library; Chromium's JPEG does.
"""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from pysrv.panel import ROUTES
from tests.browser import customers
from tests.browser.operator import CHROMIUM, Operator, administrator
from tests.lab.network import Lab
from tests.lab.product import Product

PLACE = Path(__file__).resolve().parents[2] / "docs" / "pictures"
QUALITY = 60
WIDTH, HEIGHT = 1280, 860
MORE = ("/panel/accounts/alice", "/panel/login")
PORTAL = ("/portal/login", *customers.FOR_ALL, *customers.FOR_RESELLERS, customers.OF_A_CUSTOMER)


def pages() -> tuple[str, ...]:
    """The addresses that have a picture."""
    return (*(route.path for route in ROUTES if route.menu), *MORE, *PORTAL)


def name_of(path: str) -> str:
    """The file of a page's picture."""
    return (re.sub(r"[^a-z0-9]+", "-", path.strip("/")) or "front") + ".jpg"


def main() -> int:
    """Make them all; returns the exit status."""
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, Lab(["operator", "attacker"], tag="pictures") as lab:
        Path(directory).chmod(0o755)
        with Product(lab, Path(directory) / "product") as product, sync_playwright() as playwright:
            _populate(product)
            wrapper = Path(directory) / "chromium"
            namespace = lab.hosts["operator"].namespace
            wrapper.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{namespace} {CHROMIUM} "$@"\n')
            wrapper.chmod(0o755)
            browser = playwright.chromium.launch(executable_path=str(wrapper), args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(ignore_https_errors=True, viewport={"width": WIDTH, "height": HEIGHT})
            operator = Operator(
                context.new_page(), f"https://{lab.hosts['operator'].gateway}:8443", administrator(product)
            )
            operator.go("/panel/login")
            _shoot(operator, "/panel/login")
            operator.log_in()
            for path in pages():
                if path.startswith("/panel/") and path != "/panel/login":
                    operator.go(path)
                    _shoot(operator, path)
            context.clear_cookies()
            _portal(operator)
            browser.close()
    for left in PLACE.glob("*.jpg"):
        if left.name not in {name_of(path) for path in pages()}:
            left.unlink()
    return 0


def _portal(operator: Operator) -> None:
    """What a customer sees, and what a reseller has beside it."""
    operator.go("/portal/login")
    _shoot(operator, "/portal/login")
    for name, paths in (
        ("alice", customers.FOR_ALL),
        ("rex", (*customers.FOR_RESELLERS, customers.OF_A_CUSTOMER)),
    ):
        customers.enter(operator, name)
        for path in paths:
            operator.go(path)
            _shoot(operator, path)
        customers.leave(operator)


def _shoot(operator: Operator, path: str) -> None:
    operator.page.screenshot(path=PLACE / name_of(path), type="jpeg", quality=QUALITY)
    print(f"pictures: {name_of(path)}", flush=True)


def _populate(product: Product) -> None:
    customers.populate(product)
    product.command("trunks", "add", "carrier", "198.51.100.7", "--prefix", "49")
    product.command("ban", "203.0.113.9", "--reason", "guessed passwords")


if __name__ == "__main__":
    sys.exit(main())
