"""The choice of a slot: menus that GRUB reads, and counters that its own program reads."""

import subprocess
from pathlib import Path

import pytest

from image import boot


@pytest.mark.parametrize("text", [boot.menu(), boot.first_menu(), boot.slot_menu("6.12", True)])
def test_grub_can_read_its_menus(text: str, tmp_path: Path) -> None:
    (tmp_path / "menu").write_text(text)
    done = subprocess.run(["grub-script-check", tmp_path / "menu"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "menu").write_text(text + "fi\n")
    assert subprocess.run(["grub-script-check", tmp_path / "menu"], capture_output=True, check=False).returncode


def test_the_counters_of_an_image_say_that_slot_a_alone_can_be_started(tmp_path: Path) -> None:
    block = tmp_path / "grubenv"
    block.write_bytes(boot.environment())
    assert block.stat().st_size == boot.ENVIRONMENT_BYTES
    subprocess.run(["grub-editenv", block, "set", "TRIAL=B", "B_OK=1"], check=True)
    said = subprocess.run(["grub-editenv", block, "list"], capture_output=True, text=True, check=True).stdout
    assert dict(row.split("=", 1) for row in said.splitlines()) == {
        "ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "1", "B_TRY": "0", "TRIAL": "B",
    }  # fmt: skip


def test_a_sealed_slot_is_read_only_and_says_which_one_it_is() -> None:
    (line, _) = boot.slot_menu("6.12", sealed=True).splitlines()
    assert " ro rauc.slot=$slot $trial " in line
    assert "root=PARTUUID=$slot_id" in line
    (line, _) = boot.slot_menu("6.12", sealed=False).splitlines()
    assert " rw " in line
    assert "rauc.slot" not in line
