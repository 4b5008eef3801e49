"""A callback with real telephones: alice is called, then bob (or a carrier's number), and the two hear each other."""

from collections.abc import Callable
from typing import Any

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import closed, newest_cdr, priced
from tests.lab.phones import Phone
from tests.lab.product import Product

TALK_S = 4.0
NUMBER = "4989123456"  # 0.60 a minute, 0.05 to connect
MakePhone = Callable[..., Phone]


def records(product: Product) -> dict[str, dict[str, Any]]:
    """The records of the last two calls, by whom they went to."""
    newest_cdr(product)
    return {each["callee"]: each for each in product.command("cdrs", "--limit", "2")["cdrs"]}


def balance(product: Product) -> float:
    account = product.command("accounts", "show", "alice")["account"]
    assert account["reserved"] == "0.00"
    return float(account["balance"])


def test_alice_rings_and_answers_then_bob_and_they_hear_each_other(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    product.command("calls", "callback", "alice", "102")
    assert "102" in alice.wait("CALL_INCOMING").peer
    assert not any(event.kind == "CALL_INCOMING" for event in bob.events)
    alice.answer()
    bob.wait("CALL_INCOMING")
    bob.answer()
    bob.wait("CALL_ESTABLISHED")
    bob.hears(ALICE_HZ, TALK_S)
    alice.hears(BOB_HZ, TALK_S)
    assert len(product.command("calls", "list")["calls"]) == 2
    alice.hang_up()
    closed(alice, bob)
    found = records(product)
    assert {callee: each["charge"] for callee, each in found.items()} == {"102": "0.00", "alice": "0.00"}
    assert {each["account"] for each in found.values()} == {"alice"}
    assert found["alice"]["duration_s"] > found["102"]["duration_s"] > TALK_S


def test_a_callback_to_a_priced_number_costs_what_the_call_costs(
    product: Product, phone: MakePhone, carrier: Callable[..., object]
) -> None:
    carrier()
    alice, before = phone("alice", tone_hz=ALICE_HZ), balance(product)
    product.command("calls", "callback", "alice", NUMBER)
    alice.wait("CALL_INCOMING")
    alice.answer()
    alice.wait("CALL_ESTABLISHED")
    # the carrier echoes: what alice hears of herself has crossed the kernel both ways
    alice.hears(ALICE_HZ, TALK_S)
    alice.hang_up()
    closed(alice)
    found = records(product)
    dear = found[NUMBER]
    assert priced(dear) and dear["billable_seconds"] >= TALK_S
    assert (dear["trunk"], found["alice"]["charge"]) == ("carrier", "0.00")
    assert round(before - balance(product), 2) == float(dear["charge"])
