"""The challenge in the kernel before a whole product: phones do not notice it, and floods do not reach the service."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_peers import tallies
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

MakePhone = Callable[..., Phone]
PASSWORD = "correct-horse-42"
SIPP = ["sipp", "-m", "20", "-r", "20", "-timeout", "20", "-timeout_error", "-nostdin"]


def _register(cseq: int, line: str) -> str:
    """One REGISTER of alice, with a further header line."""
    return f"""<send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:alice@[remote_ip]>;tag=[call_number]
To: <sip:alice@[remote_ip]>
Call-ID: [call_id]
CSeq: {cseq} REGISTER
Contact: <sip:alice@[local_ip]:[local_port]>
Expires: 60
{line}
Content-Length: 0

]]></send>
"""


AGENT = "User-Agent: SIPp as a telephone, which says some more of itself so that there is room for an answer"
REGISTER = (
    '<?xml version="1.0"?><scenario name="register">\n'
    + _register(1, AGENT)
    + '<recv response="401" auth="true"/>\n'
    + _register(2, "[authentication username=alice password={password}]")
    + '<recv response="200"/>\n</scenario>\n'
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One of its own: nobody in it is known yet."""
    with Lab(["alice", "bob", "carol", "dave", "erin"], tag="chl") as made:
        yield made


@pytest.fixture(scope="module")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        for name, number in (("alice", "101"), ("bob", "102"), ("carol", "103")):
            made.account(name, number)
        yield made


@pytest.fixture()
def phone(lab: Lab, product: Product, tmp_path: Path) -> Iterator[MakePhone]:
    made: list[Phone] = []

    def make(user: str, **options: Any) -> Phone:
        made.append(Phone(lab, lab.hosts[user], tmp_path / user, user, PASSWORD, **options))
        made[-1].registered()
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_baresip_registers_and_calls_through_the_challenge(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    seen = tallies(product)
    assert seen["challenge_401"] >= 2
    assert seen["nonce_valid"] >= 2
    assert seen["sip_odd"] == 0
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")
    alice.hang_up()
    bob.wait("CALL_CLOSED")


def test_sipp_registers_through_the_challenge(lab: Lab, product: Product, tmp_path: Path) -> None:
    host = lab.hosts["dave"]
    scenario = tmp_path / "register.xml"
    scenario.write_text(REGISTER.replace("{password}", PASSWORD), encoding="utf-8")
    before = tallies(product)
    done = lab.run(host.namespace, [*SIPP, "-sf", str(scenario), host.gateway], 40)
    assert done.returncode == 0, done.stdout[-800:] + done.stderr[-400:]
    after = tallies(product)
    assert after["challenge_401"] - before["challenge_401"] >= 1
    assert after["nonce_valid"] - before["nonce_valid"] >= 1


def test_switched_off_the_service_challenges_by_itself(product: Product, phone: MakePhone) -> None:
    product.command("settings", "set", "nicchallenge", "false")
    try:
        before = tallies(product)
        phone("carol")
        after = tallies(product)
    finally:
        product.command("settings", "set", "nicchallenge", "true")
    assert after["challenge_401"] == before["challenge_401"]
    assert after["nonce_valid"] == before["nonce_valid"]
    assert after["sip_request"] - before["sip_request"] >= 2


def test_an_account_that_is_believed_by_its_address_is_not_challenged(lab: Lab, product: Product) -> None:
    host = lab.hosts["erin"]
    product.account("erin", "105", "--needauth", "1", "--authip", host.address)
    with lab.socket(host.namespace) as sock:
        sock.bind((host.address, 5060))
        sock.settimeout(5)

        def asked(number: int) -> bytes:
            """What a REGISTER without credentials is told."""
            lines = (
                f"REGISTER sip:{host.gateway} SIP/2.0",
                f"Via: SIP/2.0/UDP {host.address}:5060;branch=z9hG4bKerin{number};rport",
                "Max-Forwards: 70",
                f"From: <sip:erin@{host.gateway}>;tag=e{number}",
                f"To: <sip:erin@{host.gateway}>",
                f"Call-ID: erin{number}@{host.address}",
                "CSeq: 1 REGISTER",
                f"Contact: <sip:erin@{host.address}:5060>",
                "Expires: 60",
                "User-Agent: a telephone that says some more of itself, so that there is room for an answer",
                "Content-Length: 0",
                "",
                "",
            )
            sock.sendto("\r\n".join(lines).encode(), (host.gateway, 5060))
            return sock.recv(2000).split(b"\r\n")[0]

        before = tallies(product)["challenge_401"]
        assert asked(1) == b"SIP/2.0 200 OK"
        assert tallies(product)["challenge_401"] == before
        product.command("accounts", "set", "erin", "--authip", lab.hosts["dave"].address)
        product.command("accounts", "set", "erin", "--locklevel", "4")  # its device is forgotten
        assert asked(2).startswith(b"SIP/2.0 401")
        assert tallies(product)["challenge_401"] == before + 1
