"""A certificate that the operator brings: taken when clients would take it, else refused with the reason."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pysrv.certificates.brought import MOST_BYTES, MOST_CERTIFICATES, CertificateError, names, read, serves
from tests.certificates.authority import below, key_pem, new_key, pem_of, root

NOW = 1_800_000_000.0
ROOT = root(NOW)
MIDDLE = below(ROOT, NOW)
KEY = new_key()
LEAF = MIDDLE.sign("pbx.example", ("pbx.example", "192.0.2.1"), KEY, NOW)
WHOLE = key_pem(KEY) + pem_of(LEAF, MIDDLE.certificate, ROOT.certificate)


def refusal(pem: bytes, passphrase: str = "", now: float = NOW, roots: tuple[bytes, ...] = ()) -> str:
    with pytest.raises(CertificateError) as error:
        read(pem, passphrase, now, roots)
    assert error.value.hint
    return error.value.message


@pytest.mark.parametrize(
    "pem",
    [
        WHOLE,
        pem_of(LEAF, MIDDLE.certificate, ROOT.certificate) + key_pem(KEY),
        pem_of(ROOT.certificate, MIDDLE.certificate) + key_pem(KEY) + pem_of(LEAF),
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + WHOLE,
    ],
    ids=["as it should be", "key last", "upside down", "as openssl ecparam writes it"],
)
def test_key_and_chain_are_found_in_any_order(pem: bytes) -> None:
    assert read(pem, "", NOW).chain == (LEAF, MIDDLE.certificate, ROOT.certificate)


def test_an_authority_that_clients_know_need_not_be_in_the_file() -> None:
    short = key_pem(KEY) + pem_of(LEAF, MIDDLE.certificate)
    assert "chain is incomplete: the certificate of 'CN=Root of the tests'" in refusal(short)
    assert read(short, "", NOW, [ROOT.name.public_bytes()]).chain == (LEAF, MIDDLE.certificate)


def test_a_chain_that_lacks_its_middle_is_refused() -> None:
    assert "Intermediate of the tests" in refusal(key_pem(KEY) + pem_of(LEAF, ROOT.certificate))


def test_a_name_alone_makes_no_issuer() -> None:
    impostor = below(root(NOW, "Root of the tests"), NOW)
    assert "chain is incomplete" in refusal(key_pem(KEY) + pem_of(LEAF, impostor.certificate, ROOT.certificate))


@pytest.mark.timeout(20)  # a search that looks for the end of each beginning takes minutes
def test_what_only_begins_keys_is_refused_at_once() -> None:
    begun = b"-----BEGIN PRIVATE KEY-----" * ((MOST_BYTES - len(pem_of(LEAF))) // 27)
    assert "no private key" in refusal(pem_of(LEAF) + begun)


def test_a_file_of_hundreds_of_certificates_is_refused_before_each_is_held_against_each() -> None:
    many = pem_of(LEAF, MIDDLE.certificate, ROOT.certificate) + pem_of(ROOT.certificate) * MOST_CERTIFICATES
    assert f"at most {MOST_CERTIFICATES}" in refusal(key_pem(KEY) + many)


@pytest.mark.setting("sslcertpwd")
def test_an_encrypted_key_takes_its_passphrase() -> None:
    locked = key_pem(KEY, "open sesame") + pem_of(LEAF, MIDDLE.certificate, ROOT.certificate)
    assert read(locked, "open sesame", NOW).leaf == LEAF
    assert "encrypted" in refusal(locked)
    assert "not the passphrase" in refusal(locked, "wrong")
    assert read(WHOLE, "not needed", NOW).leaf == LEAF


Case = tuple[str, Callable[[], bytes], str]
CASES: list[Case] = [
    ("nothing", lambda: b"", "no readable certificate"),
    ("no PEM", lambda: b"\x00\xff" * 50, "no readable certificate"),
    ("too long", lambda: WHOLE * 500, "too long"),
    ("no key", lambda: pem_of(LEAF, MIDDLE.certificate, ROOT.certificate), "no private key"),
    ("another's key", lambda: key_pem(new_key()) + pem_of(LEAF), "does not fit"),
    (
        "a broken key",
        lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + pem_of(LEAF),
        "cannot be read",
    ),
    ("a short key", lambda: _of(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    ("a key that phones do not know", lambda: _of(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor ECDSA"),
]


def _of(key: object) -> bytes:
    return key_pem(key) + pem_of(LEAF)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_no_client_would_take_is_refused_with_the_reason(case: Case) -> None:
    assert case[2] in refusal(case[1]())


def test_time_is_looked_at() -> None:
    day = 86_400.0
    assert "expired on" in refusal(WHOLE, now=NOW + 91 * day)
    assert "valid only from" in refusal(WHOLE, now=NOW - 2 * day)


def test_the_key_of_a_request_fits_a_file_without_one() -> None:
    bare = pem_of(LEAF, MIDDLE.certificate, ROOT.certificate)
    assert read(bare, "", NOW, spare_key=key_pem(KEY)).leaf == LEAF


@pytest.mark.parametrize(
    ("named", "name", "fits"),
    [
        ("pbx.example", "PBX.example", True),
        ("pbx.example", "other.example", False),
        ("*.example.net", "pbx.example.net", True),
        ("*.example.net", "a.pbx.example.net", False),
        ("*.example.net", "example.net", False),
        ("p*x.example", "pbx.example", False),
    ],
)
def test_a_star_stands_for_one_label(named: str, name: str, fits: bool) -> None:
    assert serves(MIDDLE.sign("x", (named,), KEY, NOW), name) is fits


def test_the_subject_s_own_name_does_not_count() -> None:
    assert names(MIDDLE.sign("pbx.example", (), KEY, NOW)) == ()
    assert isinstance(LEAF, x509.Certificate) and names(LEAF) == ("pbx.example", "192.0.2.1")
