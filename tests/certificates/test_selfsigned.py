"""The appliance's own certificate: private, lasting, renewed in time."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from pysrv.certificates import selfsigned as certificate
from pysrv.certificates.selfsigned import ensure

NOW = 1_800_000_000.0
DAY = 86_400.0


def names_of(path: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(path.read_bytes())
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in extension}


def test_a_certificate_is_made_once_and_kept(tmp_path: Path) -> None:
    first = ensure(tmp_path, ["pbx.example"], ["192.0.2.1", "2001:db8::1"], NOW)
    again = ensure(tmp_path, ["other.example"], [], NOW + 100 * DAY)
    assert (first.made, again.made) == (True, False)
    assert first.fingerprint == again.fingerprint
    assert names_of(first.path) == {"pbx.example", "192.0.2.1", "2001:db8::1"}


def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    made = ensure(tmp_path, ["pbx.example"], [], NOW)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [certificate.FILE_NAME]


def test_it_is_renewed_a_month_before_it_ends(tmp_path: Path) -> None:
    first = ensure(tmp_path, ["pbx.example"], [], NOW)
    last_days = NOW + certificate.LIFE.total_seconds() - 29 * DAY
    assert ensure(tmp_path, ["pbx.example"], [], last_days - 2 * DAY).fingerprint == first.fingerprint
    assert ensure(tmp_path, ["pbx.example"], [], last_days).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "garbage", [b"", b"not PEM", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_file_is_replaced(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / certificate.FILE_NAME).write_bytes(garbage)
    assert ensure(tmp_path, ["pbx.example"], [], NOW).made


def test_a_certificate_without_any_name_still_serves(tmp_path: Path) -> None:
    assert ensure(tmp_path, [], [], NOW).context().minimum_version == ssl.TLSVersion.TLSv1_2
