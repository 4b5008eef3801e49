"""The certificate in use: exchanged while it serves, never for a worse one. Handshakes here are real ones in memory."""

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pysrv.certificates.brought import CertificateError
from pysrv.certificates.held import AUTHORITIES_NAME, FILE_NAME, Certificates
from tests.certificates.authority import Key, below, key_pem, new_key, pem_of, root

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = root(NOW)
MIDDLE = below(ROOT, NOW)


@dataclass
class Place:
    directory: Path
    domain: str = "pbx.example"
    passphrase: str = ""
    now: float = NOW

    def held(self) -> Certificates:
        return Certificates(
            self.directory, ["127.0.0.1"], lambda: self.domain, lambda: self.passphrase, lambda: self.now
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def brought(
    key: Key | None = None, passphrase: str = "", *, days: tuple[int, int] = (-1, 90), name: str = "pbx.example"
) -> bytes:
    key = key or new_key()
    leaf = MIDDLE.sign(name, (name,), key, NOW, days)
    return key_pem(key, passphrase) + pem_of(leaf, MIDDLE.certificate, ROOT.certificate)


def shown_to(server: ssl.SSLContext) -> list[str]:
    """Who the certificates that a client is shown are for, by a handshake in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    ways = [ssl.MemoryBIO() for _ in range(4)]
    ends = [
        client.wrap_bio(ways[0], ways[1]),
        server.wrap_bio(ways[2], ways[3], server_side=True),
    ]
    for _ in range(8):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        ways[2].write(ways[1].read())
        ways[0].write(ways[3].read())
    found = ends[0]._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    texts = [each.public_bytes() for each in found]
    return [x509.load_pem_x509_certificate(text.encode()).subject.rfc4514_string() for text in texts]


def test_the_appliance_s_own_serves_until_there_is_another(place: Place) -> None:
    held = place.held()
    assert not held.shown().own and held.shown().names == ("pbx.example", "127.0.0.1")
    assert held.notices() == ()
    held.put(brought())
    assert held.shown().own and held.shown().chain == 3
    assert shown_to(held.context) == ["CN=pbx.example", "CN=Intermediate of the tests", "CN=Root of the tests"]
    assert place.held().shown() == held.shown()


def test_nobody_else_can_read_the_operator_s_key_and_nothing_is_left_lying_about(place: Place) -> None:
    place.held().put(brought())
    assert (place.directory / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in place.directory.iterdir()) == ["panel.pem", FILE_NAME]


def test_a_bad_one_is_refused_and_what_serves_goes_on(place: Place) -> None:
    held = place.held()
    held.put(brought())
    before, file = held.fingerprint, (place.directory / FILE_NAME).read_bytes()
    with pytest.raises(CertificateError, match="expired"):
        held.put(brought(days=(-30, -1)))
    assert held.fingerprint == before
    assert (place.directory / FILE_NAME).read_bytes() == file


def test_a_file_that_another_program_lays_down_is_taken_up_and_a_bad_one_is_told(place: Place) -> None:
    held = place.held()
    assert not held.refresh()
    (place.directory / FILE_NAME).write_bytes(brought())
    assert held.refresh() and held.shown().own
    good = held.fingerprint
    (place.directory / FILE_NAME).write_bytes(b"oops")
    assert held.refresh()
    assert held.fingerprint == good
    assert "the last good one serves" in held.notices()[0]


def test_a_bad_file_at_start_leaves_the_appliance_s_own_with_a_notice(place: Place) -> None:
    (place.directory / FILE_NAME).write_bytes(brought(days=(-30, -1)))
    held = place.held()
    assert not held.shown().own
    assert "expired" in held.shown().problem
    assert "the appliance's own certificate serves" in held.notices()[0]


@pytest.mark.setting("sslcertpwd")
def test_the_passphrase_opens_the_file_and_what_is_kept_stays_encrypted(place: Place) -> None:
    held = place.held()
    with pytest.raises(CertificateError, match="encrypted"):
        held.put(brought(passphrase="open sesame"))
    place.passphrase = "open sesame"
    held.put(brought(passphrase="open sesame"))
    assert held.shown().own and shown_to(held.context)[0] == "CN=pbx.example"
    assert b"ENCRYPTED PRIVATE KEY" in (place.directory / FILE_NAME).read_bytes()
    place.passphrase = "another"
    assert not place.held().shown().own


def test_a_request_s_key_waits_for_its_certificate(place: Place) -> None:
    held = place.held()
    asked = x509.load_pem_x509_csr(held.request(["pbx.example", "www.example"]).encode())
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert asked.is_signature_valid and names.get_values_for_type(x509.DNSName) == ["pbx.example", "www.example"]
    again = x509.load_pem_x509_csr(held.request(["pbx.example"]).encode())
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded = [each.public_key().public_bytes(serialization.Encoding.DER, spki) for each in (asked, again)]
    assert encoded[0] == encoded[1]
    key = serialization.load_pem_private_key((place.directory / "request.pem").read_bytes(), None)
    leaf = MIDDLE.sign("pbx.example", ("pbx.example",), key, NOW)  # type: ignore[arg-type]
    held.put(pem_of(leaf, MIDDLE.certificate, ROOT.certificate))
    assert held.shown().own


def test_a_wrong_name_and_a_near_end_are_told(place: Place) -> None:
    held = place.held()
    held.put(brought(name="other.example"))
    assert "not for pbx.example" in held.notices()[0]
    place.domain = "other.example"
    assert held.notices() == ()
    place.now = NOW + 80 * DAY
    assert "ends on" in held.notices()[0]


def test_back_to_the_appliance_s_own(place: Place) -> None:
    held = place.held()
    assert not held.drop()
    held.put(brought())
    assert held.drop() and not held.shown().own and held.notices() == ()


def test_our_own_is_renewed_while_it_serves(place: Place) -> None:
    held = place.held()
    before = held.fingerprint
    place.now = NOW + 800 * DAY
    assert held.refresh() and held.fingerprint != before


def test_authorities_that_are_none_are_said_and_leave_the_others(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    held = place.held()
    plain = held.client_context().cert_store_stats()
    (place.directory / AUTHORITIES_NAME).write_text("no certificate")
    assert held.client_context().cert_store_stats() == plain
    assert "authorities.pem cannot be used" in caplog.text


def test_carriers_are_believed_by_further_authorities_of_the_operator(place: Place) -> None:
    held = place.held()
    plain = held.client_context().cert_store_stats()["x509_ca"]
    (place.directory / AUTHORITIES_NAME).write_bytes(pem_of(ROOT.certificate))
    extended = held.client_context()
    assert extended.cert_store_stats()["x509_ca"] == plain + 1
    assert extended.check_hostname and extended.verify_mode is ssl.CERT_REQUIRED
