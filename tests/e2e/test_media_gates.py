"""Audio before the answer, as the settings allow it, and calls whose keys come by a DTLS handshake."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import MakePhone, closed, connected, newest_cdr
from tests.e2e.test_peers import tallies
from tests.lab.carrier import Carrier, answering
from tests.lab.ear import Ear
from tests.lab.network import Lab
from tests.lab.product import Product
from tests.lab.scenarios import with_early_media
from tests.lab.waiting import until

RING_MS = 3500
NUMBER = "4989123456"
DTLS = {"modules": ("srtp.so", "dtls_srtp.so"), "account": ";mediaenc=dtls_srtp"}


@pytest.fixture
def settings(product: Product) -> Iterator[Callable[[str, str], None]]:
    """Changes a setting for one test."""
    changed: dict[str, str] = {}

    def change(name: str, value: str) -> None:
        changed.setdefault(name, str(product.command("settings", "get", name)["value"]).lower())
        product.command("settings", "set", name, value)

    yield change
    for name, value in changed.items():
        product.command("settings", "set", name, value)


def early_and_late(ear: Ear, answered: float) -> tuple[int, int]:
    """Packets that came before the answer, which the appliance has noted in Unix time, and after it."""
    to_unix = time.time() - time.monotonic()
    times = [to_unix + at for at in ear.times()]
    return sum(at < answered - 0.1 for at in times), sum(at > answered + 0.1 for at in times)


def late(ear: Ear, answered: float) -> bool:
    """Whether the talk after the answer was heard for a while."""
    return early_and_late(ear, answered)[1] > 50


@pytest.mark.setting("blockearlymedia")
@pytest.mark.setting("blockearlymedia_in")
@pytest.mark.parametrize(
    ("setting", "carrier_hears", "caller_hears"),
    [("", True, True), ("blockearlymedia_in", False, False), ("blockearlymedia", False, False)],
    ids=["neither", "blockearlymedia_in", "blockearlymedia"],
)
def test_early_media_flow_unless_a_setting_holds_them_back_until_the_answer(
    lab: Lab, product: Product, phone: MakePhone, settings: Callable[[str, str], None], tmp_path: Path,
    setting: str, carrier_hears: bool, caller_hears: bool,
) -> None:  # fmt: skip
    if setting:
        settings(setting, "true")
    # The carrier echoes what it hears, also while it rings: whom it does not hear hears nothing.
    carrier = Carrier(lab, lab.hosts["trunk"], tmp_path / "carrier", with_early_media(answering(ring_ms=RING_MS)))
    at_carrier, at_caller = Ear(lab, "trunk"), Ear(lab, "alice")
    before = tallies(product)
    try:
        alice = phone("alice", tone_hz=ALICE_HZ)
        alice.dial(NUMBER)
        alice.wait("CALL_ESTABLISHED")
        (call,) = product.command("calls", "list")["calls"]
        answered = call["answered_at"]
        for ear, hears_early in ((at_carrier, carrier_hears), (at_caller, caller_hears)):
            until(partial(late, ear, answered))
            early, _ = early_and_late(ear, answered)
            assert (early > 50) is hears_early and (early == 0) is not hears_early
        alice.hang_up()
        closed(alice)
        held = tallies(product)["rtp_early"] - before.get("rtp_early", 0)
        assert (held > 50) is (setting == "blockearlymedia_in")
        assert newest_cdr(product)["trunk"] == "carrier"
    finally:
        for each in (carrier, at_carrier, at_caller):
            each.close()


def test_a_call_whose_keys_come_by_dtls_is_heard_both_ways(product: Product, phone: MakePhone) -> None:
    before = tallies(product)
    alice, bob = phone("alice", tone_hz=ALICE_HZ, **DTLS), phone("bob", tone_hz=BOB_HZ, **DTLS)
    connected(alice, bob, "102")
    bob.hears(ALICE_HZ, 2.0)
    alice.hears(BOB_HZ, 2.0)
    alice.hang_up()
    closed(alice, bob)
    after = tallies(product)
    assert after["dtls_relayed"] - before.get("dtls_relayed", 0) >= 4, "a handshake has four flights at least"
    assert after["rtp_dtls"] == before.get("rtp_dtls", 0)
