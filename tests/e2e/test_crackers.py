"""SIPVicious as it comes, and under a telephone's name: it finds nothing, and who guesses passwords is banned alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_peers import devices, tallies
from tests.e2e.test_scanners import attack, settings  # noqa: F401  (fixtures)
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

pytestmark = pytest.mark.load

PASSWORD = "correct-horse-42"
NAMES = {"scanner_agent": "", "scanner_shape": "Yealink SIP-T46S 66.85.0.5"}
GUESSES = 200
PATIENCE = "--maximumtime=3"  # seconds that svcrack waits for an answer; 10 if nobody says so


@pytest.fixture
def neighbour(lab: Lab, product: Product, tmp_path: Path) -> Iterator[Phone]:
    """Somebody honest at the attacker's address."""
    phone = Phone(lab, lab.hosts["attacker"], tmp_path / "neighbour", "carol", PASSWORD)
    phone.registered()
    yield phone
    phone.close()


def is_reached(neighbour: Phone, caller: Phone) -> bool:
    """Whether a call to the neighbour is answered."""
    caller.dial("103")
    neighbour.wait("CALL_INCOMING")
    neighbour.answer()
    caller.wait("CALL_ESTABLISHED")
    caller.hang_up()
    neighbour.wait("CALL_CLOSED")
    return True


TOOLS = (
    ("svmap",),
    ("svwar", "-e", "100-110"),
    ("svwar", "--force", "-m", "INVITE", "-e", "100-110"),
    ("svwar", "--force", "-m", "OPTIONS", "-e", "100-110"),
    ("svcrack", PATIENCE, "-u", "alice", "-r", "100-110"),
)


def test_it_finds_nothing_under_its_own_name_and_under_a_telephones(
    lab: Lab,
    product: Product,
    attack: Callable[..., str],  # noqa: F811
) -> None:
    before = tallies(product)
    with ThreadPoolExecutor(2 * len(TOOLS)) as beside:
        runs = [beside.submit(attack, *tool, name=name) for tool in TOOLS for name in NAMES.values()]
        heard = [run.result() for run in runs]
    after = tallies(product)
    assert all(after[verdict] - before[verdict] >= len(TOOLS) for verdict in NAMES), heard
    for said in heard:
        assert "found nothing" in said or f"{lab.hosts['attacker'].gateway}:5060" not in said, said
    # Nobody else was a stranger meanwhile: nothing was answered, and nothing reached the service.
    answered = ("challenge_401", "challenge_407", "options_answered", "slip_503", "sip_request", "sip_odd")
    assert {name: after[name] - before[name] for name in answered} == dict.fromkeys(answered, 0), heard


def test_who_guesses_from_a_proven_address_is_banned_and_the_neighbour_telephones_on(
    lab: Lab,
    product: Product,
    attack: Callable[..., str],  # noqa: F811
    settings: Callable[[str, str], Any],  # noqa: F811
    phone: Callable[..., Phone],
    neighbour: Phone,
    tmp_path: Path,
) -> None:
    alice, host = phone("alice"), lab.hosts["attacker"]
    settings("blockua", "")  # else it would not get as far as a challenge, whose answer proves its address
    words = tmp_path / "words.txt"
    words.write_text("".join(f"secret{number}\n" for number in range(GUESSES)))
    said = attack("svcrack", PATIENCE, "-u", "alice", "-d", str(words))
    try:
        (ban,) = product.command("bans")["bans"]
        assert (ban["rule"], ban["scope"], ban["proven"]) == ("maxfailedauthenabledipport", "address:port", True), said
        assert ban["source"].startswith(f"{host.address}:") and "carol" in str(ban["neighbours"])
        assert tallies(product)["banned_pair"] > 0
        assert "found nothing" in said or "alice" not in said, said
        assert is_reached(neighbour, alice)
        assert [row["remote_host"] for row in devices(product, "carol")] == [host.address]
    finally:
        product.command("unban", "--all")
