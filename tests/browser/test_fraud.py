"""The story of a fraud: a stolen telephone dials dear numbers, the dynamic limit ends its call, a mail tells of it,
and the operator, who knows the customer, lets him spend more today."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.operator import Operator
from tests.e2e.test_calls import nobody_talks
from tests.e2e.test_notices import PATIENCE_S, listens
from tests.lab.carrier import Carrier, answering
from tests.lab.network import Lab, end
from tests.lab.phones import Phone
from tests.lab.product import Product

RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,6.00,0,1,1\n"
NUMBER = "4930123456"


@pytest.fixture
def carrier(lab: Lab, product: Product, tmp_path: Path) -> Iterator[Carrier]:
    deck = tmp_path / "rates.csv"
    deck.write_text(RATES)
    product.command("rates", "import", "dear", str(deck))
    product.command("trunks", "add", "carrier", lab.hosts["trunk"].address, "--prefix", "49")
    made = Carrier(lab, lab.hosts["trunk"], tmp_path / "carrier", answering())
    yield made
    made.close()


@pytest.fixture
def mails(lab: Lab, product: Product, tmp_path: Path) -> Iterator[Path]:
    """A mail server that writes down what it gets."""
    host, place = lab.hosts["operator"], tmp_path / "mail"
    server = lab.start(
        host.namespace,
        [".venv/bin/python", "-m", "aiosmtpd", "-n", "-l", f"{host.address}:2525",
         "-c", "aiosmtpd.handlers.Mailbox", str(place)],
    )  # fmt: skip
    for name, text in (
        ("mailserver", host.address), ("mailport", "2525"), ("mailsecurity", "none"), ("mailfrom", "pbx@example.org"),
        ("adminemails", "noc@example.org"), ("sendadminemailnotifications", "2"), ("notifydigest", "0s"),
    ):  # fmt: skip
        product.command("settings", "set", name, text)
    assert listens(lab, host.namespace, host.address, 2525)
    yield place
    end(server)


def arrived(place: Path) -> str:
    """The text of the mails that came, waited for."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        files = [file for file in (place / "new").glob("*") if file.is_file()]
        if files:
            return "".join(file.read_text(errors="replace") for file in files)
        time.sleep(0.1)
    return ""


def test_a_fraud_is_stopped_told_and_allowed_again(
    operator: Operator, lab: Lab, product: Product, phone: Callable[..., Phone], carrier: Carrier, mails: Path
) -> None:
    for name, text in (("checkmaxdyndailycredit", "2"), ("maxdyndailycreditforenduser_min", "0.30")):
        product.command("settings", "set", name, text)
    product.account("alice", "101", "--credit", "25", "--deck", "dear")
    alice = phone("alice")
    alice.registered()
    operator.log_in()
    alice.dial(NUMBER)
    alice.wait("CALL_ESTABLISHED")
    alice.wait("CALL_CLOSED")  # three seconds of talk are what the limit leaves
    nobody_talks(product)

    page = operator.go("/panel/accounts/alice")
    assert re.search(r"maxdyndailycredit\w*\s+0\.30\s+0\.30", page.locator("main").inner_text())
    alice.dial(NUMBER)
    alice.wait("CALL_CLOSED")
    nobody_talks(product)
    said = operator.go("/panel/why?account=alice").locator("main").inner_text()
    assert "maxdyndailycredit" in said
    assert "alice" in arrived(mails)
    assert "noc@example.org" in operator.go("/panel/notices").locator("main").inner_text()

    operator.go("/panel/accounts/alice")
    page.get_by_label("Allow more for today").fill("5")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(re.compile("/panel/accounts/alice"))
    alice.dial(NUMBER)
    alice.wait("CALL_ESTABLISHED")
    alice.hang_up()
