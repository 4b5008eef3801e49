"""`make pictures`: every page of the panel and the portal, for docs/pictures, out of a real appliance at work.

Telephones, calls over a carrier, a call refused, an attacker. WebP would need another library; Chromium's JPEG does.
"""

import re
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from playwright.sync_api import sync_playwright

from pysrv.panel import ROUTES
from tests.browser import customers
from tests.browser.operator import CHROMIUM, Operator, administrator
from tests.lab.carrier import Carrier, answering
from tests.lab.flood import Flood
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

PLACE = Path(__file__).resolve().parents[2] / "docs" / "pictures"
QUALITY = 60
TALK_S = 7.0
HOSTS = ["operator", "alice", "bob", "trunk", "attacker"]
RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.02,0.01,60,60\n44,0.04,0,60,60\n"
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
    with tempfile.TemporaryDirectory() as directory, Lab(HOSTS, tag="pictures") as lab:
        Path(directory).chmod(0o755)
        with Product(lab, Path(directory) / "product") as product, sync_playwright() as playwright:
            _populate(product, lab)
            telephones = _telephone(lab, Path(directory))
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
            for telephone in telephones:
                telephone.close()
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


def _telephone(lab: Lab, directory: Path) -> tuple[Phone, Phone]:
    """A call over the carrier that has ended, one that is refused, one that nobody may make, and one that goes on."""
    alice, bob = (Phone(lab, lab.hosts[name], directory / name, name, customers.PASSWORD) for name in ("alice", "bob"))
    alice.registered()
    bob.registered()
    with closing(Carrier(lab, lab.hosts["trunk"], directory / "carrier", answering())):
        alice.dial("4930555")
        alice.wait("CALL_ESTABLISHED")
        time.sleep(TALK_S)
        alice.hang_up()
        alice.wait("CALL_CLOSED")
        bob.dial("49900123456")  # blockpremiumnumbers refuses it
        bob.wait("CALL_CLOSED")
    flood = Flood(lab, lab.hosts["attacker"], pps=800, seconds=6.0)
    flood.start()
    flood.wait()
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")
    return alice, bob


def _populate(product: Product, lab: Lab) -> None:
    customers.populate(product)
    deck = product.directory / "rates.csv"
    deck.write_text(RATES)
    product.command("rates", "import", "retail", str(deck))
    for name in ("alice", "bob", "cora"):
        product.command("accounts", "set", name, "--deck", "retail")
    product.command("trunks", "add", "carrier", lab.hosts["trunk"].address, "--prefix", "49")
    product.command("ban", "203.0.113.9", "--reason", "guessed passwords")
    product.command("backup", "now")


if __name__ == "__main__":
    sys.exit(main())
