"""The appliance without XDP: real phones telephone behind the nftables gate, and an attacker is dropped there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import TALK_S, closed, connected, newest_cdr
from tests.e2e.test_cards import BEEP_S, keys
from tests.lab.network import Lab, xdp_mode
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.waiting import until


@pytest.fixture(scope="module")
def bare_lab() -> Iterator[Lab]:
    with Lab(["alice", "bob"], tag="nft") as made:
        yield made


@pytest.fixture(scope="module")
def fallen_back(bare_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(bare_lab, directory, "--mode", "nftables") as made:
        for name, number in (("alice", "101"), ("bob", "102")):
            made.account(name, number)
        yield made


@pytest.fixture
def phones(bare_lab: Lab, fallen_back: Product, tmp_path: Path) -> Iterator[tuple[Phone, Phone]]:
    made = []
    for name, hertz in (("alice", ALICE_HZ), ("bob", BOB_HZ)):
        made.append(Phone(bare_lab, bare_lab.hosts[name], tmp_path / name, name, "correct-horse-42", tone_hz=hertz))
        made[-1].registered()
    yield made[0], made[1]
    for each in made:
        each.close()


def tallies(product: Product) -> dict[str, int]:
    return {row["verdict"]: row["packets"] for row in product.command("status")["keeper"]["tallies"]}


def test_status_says_which_gate_is_held_and_what_it_lacks(bare_lab: Lab, fallen_back: Product) -> None:
    keeper = fallen_back.command("status")["keeper"]
    assert {each["mode"] for each in keeper["interfaces"]} == {"nftables"}
    assert [xdp_mode(bare_lab.appliance, name) for name in bare_lab.interfaces] == ["none", "none"]
    assert keeper["relay"] == "user"
    assert len(keeper["missing"]) >= 3, json.dumps(keeper)


def test_a_call_goes_through_and_its_audio_by_the_office(fallen_back: Product, phones: tuple[Phone, Phone]) -> None:
    alice, bob = phones
    connected(alice, bob, "102")
    bob.hears(ALICE_HZ, TALK_S)
    alice.hears(BOB_HZ, TALK_S)
    alice.hang_up()
    closed(alice, bob)
    assert newest_cdr(fallen_back)["callee"] == "102"
    seen = tallies(fallen_back)
    assert seen["rtp_to_user"] >= 0.99 * (alice.packets()[0] + bob.packets()[0]) - 4
    assert seen["sip_request"] > 0


def test_an_operators_ban_silences_a_phone_until_it_is_lifted(
    bare_lab: Lab, fallen_back: Product, phones: tuple[Phone, Phone]
) -> None:
    alice, _ = phones
    before = tallies(fallen_back)["banned"]
    fallen_back.command("ban", bare_lab.hosts["alice"].address, "--reason", "test")
    alice.dial("102")
    until(lambda: tallies(fallen_back)["banned"] > before)
    fallen_back.command("unban", bare_lab.hosts["alice"].address)


def test_a_card_s_holder_is_heard_and_spoken_to_by_the_office_s_own_relay(
    fallen_back: Product, phones: tuple[Phone, Phone]
) -> None:
    fallen_back.command("settings", "set", "ivrnumbers", "9000")
    pin = fallen_back.command("accounts", "add", "card", "--type", "calling_card")["pin"]
    alice, bob = phones
    alice.dial("9000")
    alice.wait("CALL_ESTABLISHED")
    alice.hears(1000, 0.2, BEEP_S)  # the office asks for the PIN
    keys(alice, pin + "#")
    alice.hears(660, BEEP_S, BEEP_S)  # and says the credit
    keys(alice, "102#")
    bob.wait("CALL_INCOMING")
    bob.answer()
    bob.wait("CALL_ESTABLISHED")
    alice.hears(BOB_HZ, 3.0)  # far more of it than the office says in that tone
    bob.hears(ALICE_HZ, 1.5)
    bob.hang_up()
    closed(alice, bob)
    assert (newest_cdr(fallen_back)["account"], newest_cdr(fallen_back)["callee"]) == ("card", "102")
