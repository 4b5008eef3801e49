"""Other people's tools against the appliance: sipsak, sipvicious, asyncsip, and SIPp over IPv6 and TCP."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_calls import nobody_talks, priced
from tests.lab.carrier import callers_file, calling, load, registering
from tests.lab.network import Host, Lab, end
from tests.lab.phones import Phone
from tests.lab.product import ROOT, Product
from tests.lab.waiting import until

NUMBER = "4989123456"
PASSWORD = "correct-horse-42"
MakePhone = Callable[..., Phone]


KEPT_OUT = ("over_rate_stranger", "over_guard", "over_budget", "slip_503")


def tallies(product: Product) -> dict[str, int]:
    return {row["verdict"]: row["packets"] for row in product.command("status")["keeper"]["tallies"]}


def devices(product: Product, account: str) -> list[dict[str, Any]]:
    return [row for row in product.command("registrations")["registrations"] if row["aor"] == account]


def answers_options(lab: Lab, host: Host, *options: str) -> bool:
    """sipsak's verdict: exit status 0 means that a 200 came."""
    return lab.run(host.namespace, ["sipsak", *options, "-s", f"sip:{host.gateway}"], 30).returncode == 0


# -- sipsak -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipsak_is_answered_when_it_asks_for_options(lab: Lab, product: Product, transport: str) -> None:
    assert product.command("status")["office"]
    shown = lab.run(
        lab.hosts["bob"].namespace, ["sipsak", "-v", "-E", transport, "-s", f"sip:{lab.hosts['bob'].gateway}"]
    )
    assert shown.returncode == 0
    assert "200 OK" in shown.stdout
    assert "Allow: INVITE" in shown.stdout


def test_sipsak_registers_with_its_password_and_not_with_another(lab: Lab, product: Product) -> None:
    host = lab.hosts["bob"]
    product.account("sak", "110")

    def register(password: str, expires: int) -> int:
        contact = ["-C", f"sip:sak@{host.address}:5060", "-x", str(expires)]
        command = ["sipsak", "-U", "-u", "sak", "-a", password, *contact, "-s", f"sip:sak@{host.gateway}"]
        return lab.run(host.namespace, command, 30).returncode

    assert register("wrong", 60) != 0
    assert not devices(product, "sak")
    assert register(PASSWORD, 60) == 0
    (device,) = devices(product, "sak")
    assert device["contact"] == f"<sip:sak@{host.address}:5060>"


# -- sipvicious ---------------------------------------------------------------------------------------------------


@pytest.fixture()
def scan(lab: Lab, product: Product) -> Iterator[Callable[..., str]]:
    """Runs one of its tools as the attacker, and gives what it printed.

    The attacker is on the allow list meanwhile, which spares it the strangers' bucket: judged is what the service says.
    """

    def run(tool: str, *options: str) -> str:
        host = lab.hosts["attacker"]
        product.command("allow", host.address)
        try:
            done = lab.run(host.namespace, ["timeout", "40", tool, *options, host.gateway], 50)
        finally:
            product.command("disallow", host.address)
        return done.stdout + done.stderr

    yield run


def test_svmap_finds_a_sip_server_and_learns_no_product_name(
    scan: Callable[..., str], lab: Lab, product: Product
) -> None:
    found = scan("svmap")
    row = next(line for line in found.splitlines() if lab.hosts["attacker"].gateway in line)
    assert row.split("|")[2].strip() == "unknown"
    assert answers_options(lab, lab.hosts["bob"])


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_svwar_cannot_tell_extensions_that_exist_from_those_that_do_not(scan: Callable[..., str], method: str) -> None:
    # 101 to 103 are accounts; it gives up at the first answer, or, forced, finds nothing
    for options in ((), ("--force",)):
        assert "found nothing" in scan("svwar", "-m", method, "-e", "100-110", *options)


def test_svcrack_with_a_wrong_dictionary_finds_nothing_and_phones_keep_working(
    scan: Callable[..., str], product: Product, phone: MakePhone, tmp_path: Path
) -> None:
    alice, bob = phone("alice"), phone("bob")
    words = tmp_path / "words.txt"
    words.write_text("".join(f"secret{number}\n" for number in range(150)))
    assert "found nothing" in scan("svcrack", "-t", "0.001", "-u", "alice", "-d", str(words))
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")
    alice.hang_up()
    bob.wait("CALL_CLOSED")


def test_a_flood_of_sipsak_costs_the_flooder_its_answers_and_nobody_else(
    lab: Lab, product: Product, phone: MakePhone
) -> None:
    alice = phone("alice")
    host, before, began = lab.hosts["attacker"], tallies(product), time.monotonic()
    flood = lab.run(host.namespace, ["sipsak", "-F", "-e", "5000", "-s", f"sip:{host.gateway}"], 30)
    assert flood.returncode == 0
    # as many strangers' messages pass as fastauthsubswrongusermsg says, 300 of them at once and as many in ten seconds;
    # the NIC keeps the rest
    after = tallies(product)
    most = 300 + 30 * (time.monotonic() - began)
    assert sum(after[name] - before[name] for name in KEPT_OUT) > 4800 - most
    alice.dial("4")
    assert "404" in alice.wait("CALL_CLOSED").detail


# -- asyncsip -----------------------------------------------------------------------------------------------------


def test_asyncsip_registers_calls_the_carrier_and_answers_a_call(
    lab: Lab, product: Product, carrier: Callable[..., object], tmp_path: Path
) -> None:
    host, caller = lab.hosts["bob"], lab.hosts["carol"]
    product.account("dora", "120", "--credit", "10", "--deck", "retail")
    product.account("erik", "121")
    carrier()
    script = [sys.executable, "-P", "-W", "ignore", "-m", "tests.lab.aiosip_shim"]
    said = tmp_path / "dora.jsonl"
    with said.open("wb") as output, (tmp_path / "dora.log").open("wb") as log:
        process = lab.start(
            host.namespace, [*script, host.gateway, host.address, "dora", PASSWORD, NUMBER],
            stdout=output, stderr=log, cwd=str(ROOT), env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:

        def waits() -> bool:
            assert process.poll() is None, (tmp_path / "dora.log").read_text()
            return b"waiting" in said.read_bytes()

        until(waits, (tmp_path / "dora.log").read_text)
        callers = callers_file(tmp_path / "callers.csv", [("erik", PASSWORD, "120")])
        outcome = load(
            lab, caller, tmp_path / "erik", calling(talk_ms=300), callers, caller.gateway,
            "-auth_uri", f"120@{caller.gateway}", calls=1, rate=1, timeout_s=30,
        )  # fmt: skip
        assert (outcome.succeeded, outcome.failed) == (1, 0)
        assert process.wait(30) == 0
    finally:
        end(process)
    steps = [json.loads(line) for line in said.read_text().splitlines()]
    assert [(step["step"], step.get("status")) for step in steps] == [
        ("registered", 200), ("options", 200), ("called", 200), ("hung up", None), ("waiting", None),
        ("ringing", None), ("answered", None), ("ended", None),
    ]  # fmt: skip
    assert steps[5]["caller"] == "121"
    nobody_talks(product)
    (record,) = product.command("cdrs", "--account", "dora")["cdrs"]
    assert (record["callee"], record["sip_status"]) == (NUMBER, 200) and priced(record)


# -- other ways of transport --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("six", "transport"), [(True, "udp"), (False, "tcp"), (True, "tcp")], ids=["ipv6-udp", "ipv4-tcp", "ipv6-tcp"]
)
def test_registrations_and_calls_go_over(
    six: bool, transport: str, lab: Lab, product: Product, carrier: Callable[..., object], tmp_path: Path
) -> None:
    host = lab.hosts["carol"]
    name = f"{transport}{6 if six else 4}"
    product.account(name, {"udp6": "130", "tcp4": "131", "tcp6": "132"}[name], "--credit", "10", "--deck", "retail")
    server = f"[{host.gateway6}]" if six else host.gateway
    near = replace(host, address=host.address6) if six else host
    over = ["-t", "t1"] if transport == "tcp" else []
    carrier()
    callers = callers_file(tmp_path / "callers.csv", [(name, PASSWORD, NUMBER)])
    entered = load(
        lab, near, tmp_path / "register", registering(), callers, server, *over, "-auth_uri", server,
        calls=3, rate=10, timeout_s=20,
    )  # fmt: skip
    assert (entered.succeeded, entered.failed) == (3, 0)
    if transport == "tcp":  # the connection is gone, and with it the way to the device
        until(lambda: not devices(product, name))
    else:
        (device,) = devices(product, name)
        assert device["remote_host"] == host.address6
    called = load(
        lab, near, tmp_path / "call", calling(talk_ms=300), callers, server, *over, "-auth_uri", f"{NUMBER}@{server}",
        calls=3, rate=10, timeout_s=20,
    )  # fmt: skip
    assert (called.succeeded, called.failed) == (3, 0)
    nobody_talks(product)
    records = product.command("cdrs", "--account", name)["cdrs"]
    assert [(row["sip_status"], row["source"]) for row in records] == [(200, near.address)] * 3
    assert all(priced(row) for row in records)


def test_a_phone_over_tcp_is_called_on_the_connection_that_it_opened(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob", transport="tcp")
    assert [row["transport"] for row in devices(product, "bob")] == ["tcp"]
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")
    bob.hang_up()
    alice.wait("CALL_CLOSED")
