"""The disk's numbers: held against what sfdisk makes of them, and against GRUB's own offsets."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from image import layout
from image.layout import MIB, SECTOR, BadLayout


def test_partitions_follow_each_other_on_whole_mebibytes_and_leave_room_for_the_state() -> None:
    whole = layout.disk(4096, 1280)
    assert [each.name for each in whole.partitions] == ["bios", "esp", "root-a", "root-b"]
    at = MIB
    for each in whole.partitions:
        assert (each.start, each.start % MIB, each.size % MIB) == (at, 0, 0)
        at = each.end
    assert whole.size - at == (4096 - 2 * 1280 - 64) * MIB


@pytest.mark.parametrize(("size", "fits"), [(2560 + 64 + 1 + 512, True), (2560 + 64 + 512, False)])
def test_a_disk_without_room_for_the_state_is_refused_with_the_size_it_needs(size: int, fits: bool) -> None:
    if fits:
        assert layout.disk(size, 1280).size == size * MIB
    else:
        with pytest.raises(BadLayout, match=f"give it {size + 1} or more"):
            layout.disk(size, 1280)


def test_sfdisk_makes_the_table_that_was_meant(tmp_path: Path) -> None:
    whole, raw = layout.disk(3200, 1280), tmp_path / "disk"
    with raw.open("wb") as file:
        file.truncate(whole.size)
    subprocess.run(["sfdisk", "-q", raw], input=layout.sfdisk_script(whole), text=True, check=True)
    found = json.loads(subprocess.run(["sfdisk", "-J", raw], capture_output=True, text=True, check=True).stdout)
    rows = {row["name"]: row for row in found["partitiontable"]["partitions"]}
    for each in whole.partitions:
        row = rows[each.name]
        assert (row["start"] * SECTOR, row["size"] * SECTOR, row["type"]) == (each.start, each.size, each.kind)
        assert row["uuid"].lower() == layout.partition_id(each.number)
    assert found["partitiontable"]["id"].lower() == layout.DISK_ID


def test_the_first_stage_knows_where_the_second_lies_and_leaves_the_table_alone() -> None:
    boot, sector = bytes(range(256)) * 2, b"\xaa" * SECTOR
    made = layout.first_stage(boot, sector, 7 * MIB)
    assert len(made) == SECTOR
    assert struct.unpack_from("<Q", made, 0x5C)[0] == 7 * MIB // SECTOR
    assert made[0x66:0x68] == b"\x90\x90"
    assert made[440:] == sector[440:]
    assert made[:0x5C] == boot[:0x5C]


def test_the_second_stage_lists_its_own_rest() -> None:
    place = layout.disk(4096, 1280)["bios"]
    made = layout.second_stage(b"\1" * 1300, place)
    assert len(made) == 3 * SECTOR
    assert struct.unpack_from("<QHH", made, SECTOR - 12) == (place.start // SECTOR + 1, 2, 0x820)


def test_a_second_stage_that_does_not_fit_is_refused() -> None:
    place = layout.disk(4096, 1280)["bios"]
    with pytest.raises(BadLayout, match="does not fit"):
        layout.second_stage(bytes(place.size + 1), place)
