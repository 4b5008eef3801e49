"""A machine is lost and comes back out of its backup, which was made while calls ran and accounts were written."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.link import Link
from tests.e2e.conftest import RATES
from tests.e2e.test_calls import closed, newest_cdr, pause
from tests.lab.carrier import Carrier, answering
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product, ProductError
from tests.lab.waiting import until

PASSWORD = "correct-horse-42"
MICRO = 1_000_000


@pytest.fixture()
def there(tmp_path: Path) -> Iterator[tuple[Lab, Product]]:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    with Lab(["alice", "trunk"], tag="backup") as lab, Product(lab, tmp_path / "product") as product:
        yield lab, product


def asked_of(product: Product, verb: str, **args: Any) -> dict[str, Any]:
    """A verb of the running office, over its socket."""
    return Link(product.state, product.runtime).running_office(verb, args)


def balances(product: Product) -> dict[str, str]:
    return {each["name"]: each["balance"] for each in asked_of(product, "accounts.list")["accounts"]}


def asked(database: Path, sql: str) -> list[Any]:
    with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as db:
        return db.execute(sql).fetchall()


def kept_adding(product: Product, stop: threading.Event, names: list[str]) -> None:
    while not stop.is_set():
        name = f"w{len(names):03}"
        product.accounts({name: f"7{len(names):03}"}, credit="1.000001")
        names.append(name)


def asked_for_by_the_panel(product: Product) -> None:
    """Office to keeper to root's command and back, with the office told how it went."""
    link = Link(product.state, product.runtime)
    assert link.running_office("backups.make")["running"]["work"] == "now"
    until(lambda: not link.running_office("backups.list")["running"], patience_s=120)
    told = link.running_office("backups.list")
    assert (told["running"], told["refusal"], told["state"]["failure"]) == (None, "", "")
    assert [each["kind"] for each in told["backups"]] == ["incremental", "full"]


def audited(product: Product) -> None:
    """The audit that was asked for is done by root's command, and told."""
    until(lambda: not asked_of(product, "audit.show")["running_since"], patience_s=240)
    told = asked_of(product, "audit.show")
    assert (told["running_since"], told["refusal"]) == (None, "")
    judged = {each["name"]: each["grade"] for each in told["report"]["findings"]}
    assert len(judged) > 100 and {"pass", "fail"} <= set(judged.values())


@pytest.mark.timeout(600)  # two starts and a dozen commands, on a machine that others use
def test_a_lost_machine_comes_back_with_its_money_passwords_and_trail(
    there: tuple[Lab, Product], tmp_path: Path
) -> None:
    lab, product = there
    deck, repository = tmp_path / "rates.csv", tmp_path / "elsewhere"
    deck.write_text(RATES)
    product.command("rates", "import", "retail", str(deck))
    carrier_at = lab.hosts["trunk"].address
    product.command("trunks", "add", "carrier", carrier_at, "--prefix", "49", "--inbound", carrier_at)
    product.account("alice", "101", "--credit", "100.123456", "--deck", "retail")
    product.command("settings", "set", "securepasswords", "2")  # sealed: the key is a file beside the database
    product.command("settings", "set", "maxlines", "7")
    key = product.command("backup", "init", str(repository))
    assert key == {"repository": str(repository), "local": True}
    password = product.command("backup", "password")["password"]

    carrier = Carrier(lab, lab.hosts["trunk"], tmp_path / "carrier", answering())
    alice = Phone(lab, lab.hosts["alice"], tmp_path / "alice", "alice", PASSWORD)
    stop, names = threading.Event(), list[str]()
    writer = threading.Thread(target=kept_adding, args=(product, stop, names))
    try:
        alice.registered()
        alice.dial("4989123456")
        alice.wait("CALL_ESTABLISHED")
        pause(1.2)
        alice.hang_up()
        closed(alice)
        finished = newest_cdr(product)
        alice.dial("4989123456")
        alice.wait("CALL_ESTABLISHED")
        asked_of(product, "audit.make")  # goes on beside the rest
        (running,) = [each["call_id"] for each in asked_of(product, "calls.list")["calls"]]
        writer.start()
        before = len(names)
        made = product.command("backup", "now")["made"]
        stop.set()
        writer.join()
        assert made["size_bytes"] > 0
        assert len(names) > before
        asked_for_by_the_panel(product)
        kinds = [each["kind"] for each in product.command("backup", "list")["backups"]]
        assert kinds == ["incremental", "full"]
        with pytest.raises(ProductError, match="the appliance runs"):
            product.command("restore", "--yes")
        audited(product)
        backup_check = asked_of(product, "checklist.show")["findings"]
        assert next(each["grade"] for each in backup_check if each["name"] == "backup") == "pass"
        fingerprint = asked_of(product, "certificate.show")["certificate"]["fingerprint"]
    finally:
        stop.set()
        alice.close()
        carrier.close()
        product.stop()

    shutil.rmtree(product.state)
    with pytest.raises(ProductError, match="no password"):
        product.command("restore", "--yes")
    product.command("backup", "init", str(repository), "--password", "-", stdin=password + "\n")
    seen = tmp_path / "seen"
    product.command("restore", made["snapshot"], "--into", str(seen))
    held = dict(asked(seen / "office" / "appliance.db", "SELECT name, balance FROM accounts"))
    posted = dict(
        asked(
            seen / "office" / "appliance.db",
            "SELECT accounts.name, sum(postings.amount) FROM accounts JOIN postings "
            "ON postings.account_id = accounts.id GROUP BY accounts.name",
        )
    )
    assert held == posted  # one moment, not a mixture of several
    restored = product.command("restore", made["snapshot"], "--yes")
    assert restored["aside"] is None
    assert restored["database"]["broken_at"] == 0

    product.start()
    # Its lease is a promise of this boot still: the call is taken up, or settled at once when that has ended.
    for each in asked_of(product, "calls.list")["calls"]:
        asked_of(product, "calls.hangup", call_id=each["call_id"])
    cut = newest_cdr(product)
    assert cut["call_id"] == running
    now = balances(product)
    assert set(now) == set(held)
    expected = {name: Decimal(micro) / MICRO for name, micro in held.items()}
    expected["alice"] -= Decimal(cut["charge"])
    assert {name: Decimal(balance) for name, balance in now.items()} == expected
    assert finished["call_id"] in {each["call_id"] for each in asked_of(product, "cdrs.list", limit=9)["cdrs"]}
    assert asked_of(product, "settings.get", name="maxlines")["value"] == "7"
    assert product.command("accounts", "verify", "alice", "--password", "-", stdin=PASSWORD + "\n")["right"]
    assert asked_of(product, "certificate.show")["certificate"]["fingerprint"] == fingerprint
    chain = asked_of(product, "trail.verify", head=restored["database"]["head"])
    assert chain["broken_at"] == 0
    assert 0 < chain["noted_at"] < chain["rows"]
    newest = [each["action"] for each in asked_of(product, "trail.list")["trail"]]
    assert "restore" in newest
