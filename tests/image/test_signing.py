"""The signature over what a build gave: good for what was signed, by whom it was signed, and for nothing else."""

import subprocess
from pathlib import Path

import pytest

from image import signing
from image.__main__ import main
from image.formats import SUMS, sums
from image.progress import BuildError

FILES = ("appliance-1.qcow2", "appliance-1.cdx.json")


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A directory with files, digests and signature; its key lies above it."""
    place = tmp_path / "out"
    place.mkdir()
    for name in FILES:
        (place / name).write_text(f"what {name} holds")
    (place / SUMS).write_text(sums([place / name for name in FILES]))
    signing.sign(place, signing.own_key(tmp_path))
    return place


def test_what_was_signed_is_verified_and_a_format_may_be_missing(signed: Path) -> None:
    assert signing.verify(signed, signed / signing.SIGNERS) == sorted(FILES)
    (signed / FILES[0]).unlink()
    assert signing.verify(signed, signed / signing.SIGNERS) == [FILES[1]]
    (signed / FILES[1]).unlink()
    with pytest.raises(signing.Unverified, match="none of the files"):
        signing.verify(signed, signed / signing.SIGNERS)


def test_the_documented_commands_verify_it_without_this_program(signed: Path) -> None:
    readme = (Path(signing.__file__).with_name("README.md")).read_text()
    _, _, rest = readme.partition("<!-- verify -->\n```\n")
    commands = rest.partition("```")[0]
    assert "ssh-keygen -Y verify" in commands
    done = subprocess.run(["sh", "-euc", commands], cwd=signed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'Good "appliance-image" signature for appliance' in done.stdout
    (signed / FILES[0]).write_text("another")
    assert subprocess.run(["sh", "-euc", commands], cwd=signed, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (FILES[0], "another machine", f"{FILES[0]} is not the file that was signed"),
        (SUMS, f"{'0' * 64}  {FILES[0]}\n", "is not what a signer of"),
        (
            signing.SIGNATURE,
            "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
            "is not what a signer",
        ),
    ],
)
def test_whatever_was_changed_is_refused(signed: Path, name: str, content: str, why: str) -> None:
    (signed / name).write_text(content)
    with pytest.raises(signing.Unverified, match=why):
        signing.verify(signed, signed / signing.SIGNERS)


def test_another_key_and_another_purpose_are_refused(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    signing.own_key(other)
    (other / "known").write_text(signing.signers((other / "signing_key.pub").read_text()))
    with pytest.raises(signing.Unverified, match="is not what a signer"):
        signing.verify(signed, other / "known")
    (signed / signing.SIGNATURE).unlink()
    command = ["ssh-keygen", "-Y", "sign", "-f", str(tmp_path / "signing_key"), "-n", "file", str(signed / SUMS)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(signing.Unverified, match="is not what a signer"):
        signing.verify(signed, signed / signing.SIGNERS)


def test_digests_name_nothing_outside_the_directory(signed: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").write_text("x")
    (signed / SUMS).write_text(f"{'0' * 64}  ../beside\n")
    signing.sign(signed, tmp_path / "signing_key")
    with pytest.raises(signing.Unverified, match=r"'\.\./beside', which is not in"):
        signing.verify(signed, signed / signing.SIGNERS)


def test_the_own_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = signing.own_key(tmp_path / "new")
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert signing.own_key(tmp_path / "new").read_bytes() == before


def test_a_key_that_others_can_read_or_that_is_missing_signs_nothing(signed: Path, tmp_path: Path) -> None:
    (tmp_path / "signing_key").chmod(0o644)
    with pytest.raises(BuildError, match="ssh-keygen -Y sign ended with"):
        signing.sign(signed, tmp_path / "signing_key")
    with pytest.raises(BuildError, match="there is no such file; ssh-keygen -t ed25519"):
        signing.sign(signed, tmp_path / "lost")


def test_the_command_says_what_is_good_and_ends_with_1_when_something_is_not(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["verify", f"directory={signed}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"{FILES[0]}: as it was signed" in said
    assert "SHA256:" in said
    assert "compare that fingerprint" in said
    (signed / FILES[0]).write_text("another")
    assert main(words) == 1
    assert "do not start it" in capsys.readouterr().err
    assert main(["verify", "where=/"]) == 2
