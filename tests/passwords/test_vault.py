"""Sealed texts: only with their key, only at their place; a key that is missing, open to others or wrong is named."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.passwords.vault import Vault, VaultError, is_sealed, key_of

PLACE = "accounts.ha1_md5:1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.key"


@pytest.fixture
def vault(path: Path) -> Vault:
    made = Vault(path)
    made.make()
    return made


def test_a_text_is_sealed_and_opened_at_its_place(vault: Vault) -> None:
    sealed = vault.seal("d41d8cd9", PLACE)
    assert is_sealed(sealed)
    assert "d41d8cd9" not in sealed
    assert vault.open(sealed, PLACE) == "d41d8cd9"
    assert vault.seal("d41d8cd9", PLACE) != sealed


@pytest.mark.parametrize("place", ["accounts.ha1_md5:2", "accounts.ha1_sha256:1", "trunks.password:1"])
def test_a_sealed_text_does_not_open_in_another_row_or_column(vault: Vault, place: str) -> None:
    with pytest.raises(VaultError, match="was changed, or belongs to another row"):
        vault.open(vault.seal("secret", PLACE), place)


@given(st.integers(0, 200), st.characters(codec="ascii", exclude_categories=["Cc"]))
def test_no_changed_text_opens_as_another(tmp_path_factory: pytest.TempPathFactory, at: int, letter: str) -> None:
    vault = Vault(tmp_path_factory.getbasetemp() / "fuzz.key")
    vault.make()
    sealed = vault.seal("a secret of some length, longer than a block", PLACE)
    changed = sealed[: at % len(sealed)] + letter + sealed[at % len(sealed) + 1 :]
    try:
        assert vault.open(changed, PLACE) == "a secret of some length, longer than a block"
    except VaultError:
        assert changed != sealed


def test_the_key_is_made_once_with_mode_0600(path: Path) -> None:
    first = Vault(path).make()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Vault(path).make() == first
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_missing_key_is_named_and_not_made_anew(vault: Vault, path: Path) -> None:
    sealed = vault.seal("secret", PLACE)
    path.unlink()
    with pytest.raises(VaultError, match=r"secrets\.key is missing"):
        Vault(path).open(sealed, PLACE)
    assert not path.exists()


def test_another_key_is_named_with_both_ids(vault: Vault, path: Path) -> None:
    sealed = vault.seal("secret", PLACE)
    path.unlink()
    other = Vault(path)
    other.make()
    with pytest.raises(VaultError, match=f"sealed with key {key_of(sealed)}"):
        other.open(sealed, PLACE)
    with pytest.raises(VaultError, match="put that key back"):
        other.demand(key_of(sealed))


@pytest.mark.parametrize("content", [b"", b"short\n", b"zz" * 32, b"00" * 31])
def test_what_is_no_key_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(VaultError, match="holds no key"):
        Vault(path).make()
    assert path.read_bytes() == content


def test_a_key_that_others_can_read_is_refused(vault: Vault, path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        Vault(path).seal("secret", PLACE)


def test_a_link_in_the_place_of_the_key_is_not_followed(path: Path) -> None:
    (path.parent / "other").write_text("00" * 32)
    os.symlink(path.parent / "other", path)
    with pytest.raises(VaultError, match="cannot be read"):
        Vault(path).make()
