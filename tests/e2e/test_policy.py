"""Lists, rules and unconfirmed changes in the running product: what a packet meets, before and after crashes."""

import os
import signal
from collections.abc import Iterator

import pytest

from appliance.cli.exits import Failure
from appliance.cli.link import Link
from tests.lab.network import Lab
from tests.lab.product import Product, ProductError
from tests.lab.waiting import until

OPTIONS = b"OPTIONS sip:x SIP/2.0\r\n\r\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Product]]:
    with Lab(["phone", "stranger"], tag="policy") as lab, Product(lab, tmp_path_factory.mktemp("product")) as product:
        yield lab, product


def knocked(lab: Lab, product: Product) -> set[str]:
    """The verdicts in which datagrams of the stranger end now."""
    before = _packets(product)
    host = lab.hosts["stranger"]
    with lab.socket(host.namespace) as sock:
        for _ in range(3):
            sock.sendto(OPTIONS, (host.gateway, 5060))
    after = _packets(product)
    return {name for name in after if after[name] > before.get(name, 0)}


def _packets(product: Product) -> dict[str, int]:
    """Over the keeper's socket: what a change for some seconds did is asked for within them."""
    told = Link(product.state, product.runtime).keeper("tallies")
    return {each["verdict"]: each["packets"] for each in told["tallies"]}


def answers(product: Product) -> bool:
    """Whether the office is there again."""
    try:
        return bool(Link(product.state, product.runtime).running_office("status"))
    except Failure:
        return False


def in_force(product: Product, name: str) -> bool:
    return any(row["name"] == name and row["in_force"] for row in product.command("lists")["lists"])


def reported(product: Product) -> int:
    """How many packets a rule would have dropped."""
    rows = {row["verdict"]: row for row in product.command("rules")["rules"]}
    assert rows["firewall_denied"]["mode"] == "reports only"
    return int(rows["firewall_denied"]["reported"])


def test_an_imported_list_stops_its_sources_survives_restarts_and_goes(place: tuple[Lab, Product]) -> None:
    lab, product = place
    stranger = lab.hosts["stranger"].address
    answer = product.command("lists", "import", "feed", "-", stdin=f"{stranger}\n203.0.113.0/24\n")
    assert answer["in_force"]
    assert knocked(lab, product) >= {"listed"}
    os.kill(product.office_pid(), signal.SIGKILL)
    until(lambda: answers(product))
    until(lambda: in_force(product, "feed"))
    assert knocked(lab, product) >= {"listed"}
    product.stop()
    product.start()
    until(lambda: in_force(product, "feed"))
    assert knocked(lab, product) >= {"listed"}
    product.command("lists", "remove", "feed")
    until(lambda: "listed" not in knocked(lab, product))


def test_a_deny_that_nobody_confirms_is_taken_back_although_the_office_was_killed(place: tuple[Lab, Product]) -> None:
    lab, product = place
    stranger = lab.hosts["stranger"].address
    pending = product.command("firewall", "deny", stranger, "--confirm", "12s")["pending"]
    assert 0 < pending["left_s"] <= 12
    assert "firewall: deny" in Link(product.state, product.runtime).running_office("status")["unconfirmed"]
    until(lambda: "firewall_denied" in knocked(lab, product))
    os.kill(product.office_pid(), signal.SIGKILL)
    assert "firewall_denied" in knocked(lab, product), "the kernel goes on with what it was told"
    until(lambda: answers(product))
    until(lambda: not product.command("firewall")["rules"])
    until(lambda: "firewall_denied" not in knocked(lab, product))


def test_the_machines_own_address_cannot_be_denied_or_banned(place: tuple[Lab, Product]) -> None:
    lab, product = place
    own = lab.hosts["stranger"].gateway
    for words in (("firewall", "deny", own), ("ban", own), ("lists", "import", "feed", "-", "--strict")):
        with pytest.raises(ProductError, match="an address of this machine"):
            product.command(*words, stdin=f"{own}\n")


def test_a_rule_in_report_only_counts_and_lets_pass(place: tuple[Lab, Product]) -> None:
    lab, product = place
    product.command("rules", "report-only", "firewall_denied", "on")
    product.command("firewall", "deny", lab.hosts["stranger"].address)
    assert "firewall_denied" not in knocked(lab, product)
    until(lambda: "firewall_denied" not in knocked(lab, product) and reported(product) >= 3)
    assert "firewall_denied" not in knocked(lab, product)
