"""Telephones and a carrier over TLS, between real programs: baresip and OpenSSL against the appliance."""

import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.certificates.pebble import running
from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import closed, connected, newest_cdr
from tests.e2e.test_peers import devices
from tests.lab.network import Host, Lab, entered
from tests.lab.phones import Phone
from tests.lab.product import Product, ProductError
from tests.lab.waiting import until

PASSWORD = "correct-horse-42"
NUMBER = "4930123456"
TALK_S = 2.0
PROOFS = 5002  # where the authority of the test asks for proofs
MakePhone = Callable[..., Phone]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["alice", "bob", "carrier"], tag="tls") as made:
        yield made


@pytest.fixture(scope="module")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        made.account("alice", "101", "--credit", "100")
        made.account("bob", "102", "--credit", "100")
        yield made


@pytest.fixture
def phone(lab: Lab, product: Product, tmp_path: Path) -> Iterator[MakePhone]:
    with contextlib.ExitStack() as stack:

        def make(user: str, **options: object) -> Phone:
            new = Phone(lab, lab.hosts[user], tmp_path / user, user, PASSWORD, **options)
            stack.callback(new.close)
            new.registered()
            return new

        yield make


def greeted(host: Host, port: int) -> str:
    """SHA-256 of the certificate that is shown at this port. Raises OSError when nobody listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with entered(host.namespace):
        sock = socket.socket()
    with sock:
        sock.settimeout(10)
        sock.connect((host.gateway, port))
        with context.wrap_socket(sock) as secure:
            shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return hashlib.sha256(shown).hexdigest()


def is_open(host: Host, port: int) -> bool:
    try:
        return bool(greeted(host, port))
    except ConnectionError:
        return False


@pytest.mark.setting("usetls")
@pytest.mark.parametrize("caller", ["alice", "bob"])
def test_a_telephone_over_tls_and_one_over_udp_talk(product: Product, phone: MakePhone, caller: str) -> None:
    alice, bob = phone("alice", transport="tls", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    assert [row["transport"] for row in devices(product, "alice")] == ["tls"]
    if caller == "alice":
        connected(alice, bob, "102")
    else:
        connected(bob, alice, "101")  # over the connection that alice has opened
    bob.hears(ALICE_HZ, TALK_S)
    alice.hears(BOB_HZ, TALK_S)
    (alice if caller == "bob" else bob).hang_up()  # whoever did not call
    closed(alice, bob)
    assert (record := newest_cdr(product))["sip_status"] == 200
    assert record["ended_by"] == "callee"


@pytest.mark.setting("usetls")
@pytest.mark.setting("usetlsforall")
@pytest.mark.setting("localtlsport")
def test_the_port_of_tls_is_open_where_the_settings_say_so(lab: Lab, product: Product, phone: MakePhone) -> None:
    host = lab.hosts["bob"]
    phone("alice", transport="tls")
    assert is_open(host, 5061)
    product.command("settings", "set", "usetls", "false")
    assert is_open(host, 5061)  # usetlsforall still says so
    product.command("settings", "set", "usetlsforall", "false")
    until(lambda: not is_open(host, 5061))
    until(lambda: devices(product, "alice") == [])  # nobody can reach her any more
    product.command("settings", "set", "usetls", "true")
    until(lambda: is_open(host, 5061))
    product.command("settings", "set", "localtlsport", "5071")
    until(lambda: is_open(host, 5071))
    assert not is_open(host, 5061)
    for name in ("usetlsforall", "localtlsport"):
        product.command("settings", "reset", name)
    until(lambda: is_open(host, 5061))


@pytest.mark.setting("sslcertpwd")
def test_the_operator_s_certificate_serves_sip_and_web_without_a_restart(
    lab: Lab, product: Product, phone: MakePhone, tmp_path: Path
) -> None:
    host, now, office = lab.hosts["bob"], time.time(), product.office_pid()
    before = greeted(host, 5061)
    assert before == greeted(host, 8443)
    alice = phone("alice", transport="tls")
    above, key = root(now), new_key()
    leaf = above.sign("pbx.example", ("pbx.example", host.gateway), key, now)
    file = tmp_path / "mine.pem"
    file.write_bytes(key_pem(key, "open sesame") + pem_of(leaf, above.certificate))
    with pytest.raises(Exception, match="encrypted"):
        product.command("certificate", "set", str(file))
    assert greeted(host, 5061) == before
    product.command("settings", "set", "sslcertpwd", "-", stdin="open sesame\n")
    shown = product.command("certificate", "set", str(file))["certificate"]
    mine = shown["fingerprint"].replace(":", "").lower()
    assert shown["own"] and mine != before
    assert greeted(host, 5061) == greeted(host, 8443) == mine
    assert product.office_pid() == office and devices(product, "alice")
    product.command("certificate", "remove")
    assert greeted(host, 5061) == greeted(host, 8443) != mine
    alice.registered()


def test_a_carrier_is_called_over_tls_when_it_shows_its_certificate(
    lab: Lab, product: Product, phone: MakePhone, tmp_path: Path
) -> None:
    now, host = time.time(), lab.hosts["carrier"]
    above, key = root(now), new_key()
    file = tmp_path / "carrier.pem"
    file.write_bytes(key_pem(key) + pem_of(above.sign("carrier", (host.address,), key, now), above.certificate))
    carrier = Phone(
        lab, host, tmp_path / "carrier", NUMBER, PASSWORD, transport="tls", expires_s=0, certificate=file,
        answer="auto", tone_hz=BOB_HZ, account=";catchall=yes",
    )  # fmt: skip
    alice = phone("alice", tone_hz=ALICE_HZ)
    try:
        product.command(
            "trunks", "add", "secret", host.address, "--transport", "tls", "--port", "5061", "--prefix", "49"
        )
        alice.dial(NUMBER)
        alice.wait("CALL_CLOSED")  # nobody vouches for the carrier yet
        assert newest_cdr(product)["sip_status"] == 500  # what a 503 becomes on its way back (RFC 3261 16.7)
        assert not [event for event in carrier.events if event.kind == "CALL_INCOMING"]
        authorities = product.state / "office" / "authorities.pem"
        authorities.write_bytes(pem_of(above.certificate))
        authorities.chmod(0o644)
        alice.dial(NUMBER)
        alice.wait("CALL_ESTABLISHED")
        carrier.hears(ALICE_HZ, TALK_S)
        alice.hang_up()
        closed(alice, carrier)
        assert newest_cdr(product)["sip_status"] == 200
    finally:
        carrier.close()


def test_a_certificate_is_ordered_at_an_authority_and_serves_sip_and_web_at_once(
    lab: Lab, product: Product, tmp_path: Path
) -> None:
    host, own = lab.hosts["bob"], greeted(lab.hosts["bob"], 5061)
    product.command("settings", "set", "localhttpport", str(PROOFS))
    with entered(lab.appliance), running(tmp_path, PROOFS, host.gateway) as pebble:
        (product.state / "office" / "authorities.pem").write_bytes(pebble.authorities)
        with pytest.raises(ProductError, match="terms must be agreed to"):
            product.command("certificate", "order", pebble.directory, "pbx.example")
        told = product.command("certificate", "order", pebble.directory, "pbx.example", "--agree")
    ordered = told["certificate"]["fingerprint"].replace(":", "").lower()
    assert told["order"]["in_use"] and told["certificate"]["names"] == ["pbx.example"]
    assert greeted(host, 5061) == greeted(host, 8443) == ordered != own
    product.command("certificate", "forget")
    product.command("certificate", "remove")
    product.command("settings", "reset", "localhttpport")
    assert greeted(host, 5061) == greeted(host, 8443) != ordered
