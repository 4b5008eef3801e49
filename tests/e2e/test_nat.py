"""500 phones and a bot behind one address: the phones come back at once, and the bot's port alone is banned."""

import time
from pathlib import Path

import pytest

from appliance.cli.link import exchange
from tests.lab.carrier import callers_file, load, registering
from tests.lab.network import Lab
from tests.lab.product import Product

pytestmark = pytest.mark.load

PHONES, WITHIN_S = 500, 10.0
PASSWORD = "correct-horse-42"
BOT_PORT, WRONG_ALLOWED = 45_000, 50


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """A laboratory of its own: its bans must not meet the other tests'."""
    directory = tmp_path_factory.mktemp("nat")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Lab(["nat", "attacker"], tag="nat") as lab, Product(lab, directory) as product:
        made = ((f"phone{number}", [str(2000 + number)]) for number in range(PHONES))
        wanted = [{"name": name, "password": PASSWORD, "numbers": numbers} for name, numbers in made]
        exchange(product.runtime / "office.sock", [("accounts.add", each) for each in wanted])
        yield lab, product


def bans(product: Product) -> list[dict[str, object]]:
    return list(product.command("bans", "list")["bans"])


def test_500_phones_behind_one_address_come_back_within_10_s_and_nobody_is_banned(
    office: tuple[Lab, Product], tmp_path: Path
) -> None:
    lab, product = office
    host = lab.hosts["nat"]
    rows = [(f"phone{number}", PASSWORD, "1") for number in range(PHONES)]
    callers = callers_file(tmp_path / "phones.csv", rows)
    began = time.monotonic()
    outcome = load(
        lab, host, tmp_path / "phones", registering(), callers, host.gateway, "-t", "un", "-max_socket", "1000",
        calls=PHONES, rate=70, timeout_s=30, port=20_000,
    )  # fmt: skip
    assert (outcome.succeeded, outcome.failed) == (PHONES, 0)
    assert time.monotonic() - began < WITHIN_S + 1.0  # SIPp itself takes a moment to start and end
    sources = {(row["remote_host"], row["remote_port"]) for row in product.command("registrations")["registrations"]}
    assert len(sources) > PHONES * 0.9  # a port that SIPp has closed may come back
    assert {address for address, _ in sources} == {host.address}
    assert bans(product) == []


def test_a_brute_force_bot_among_them_is_banned_by_its_port_alone(office: tuple[Lab, Product], tmp_path: Path) -> None:
    lab, product = office
    host = lab.hosts["nat"]
    guesses = [("phone7", f"guess{number}", "1") for number in range(WRONG_ALLOWED + 20)]
    outcome = load(
        lab, host, tmp_path / "bot", registering(), callers_file(tmp_path / "guesses.csv", guesses), host.gateway,
        "-t", "u1", calls=len(guesses), rate=50, timeout_s=20, port=BOT_PORT,
    )  # fmt: skip
    assert outcome.succeeded == 0
    tallies = product.command("status")["keeper"]["tallies"]
    assert next(row["packets"] for row in tallies if row["verdict"] == "banned_pair") > 0
    (ban,) = bans(product)
    assert (ban["source"], ban["rule"]) == (f"{host.address}:{BOT_PORT}", "maxfailedauthenabledipport")
    assert ban["count"] == WRONG_ALLOWED + 1
    assert len(list(ban["neighbours"])) == 20  # type: ignore[call-overload]
    shown = product.command("bans", "show", host.address)["bans"]
    assert [each["source"] for each in shown] == [ban["source"]]

    again = callers_file(tmp_path / "again.csv", [("phone7", PASSWORD, "1")])
    phone = load(lab, host, tmp_path / "again", registering(), again, host.gateway, calls=1, rate=1, port=20_007)
    assert (phone.succeeded, phone.failed) == (1, 0)

    lifted = product.command("bans", "lift", str(ban["source"]))
    assert lifted["lifted"] == [ban["source"]]
    assert bans(product) == []
