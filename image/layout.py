"""The disk as numbers: which partition lies where, what sfdisk is told, and how BIOS finds its way to the kernel. Pure.

A GPT disk (UEFI 2.10, section 5.3) with five places: GRUB's second stage for BIOS, the EFI system partition, two slots
of the same size for the system, and what is left for the state. An image is delivered with the system in slot A; an
update fills the slot that is not running (boot.py). The state's partition is made and grown by the machine itself at
its first boot (initramfs/state), so it is on no image and on no two machines alike. GRUB's first two stages are patched
as grub-bios-setup does it (GRUB 2.12: util/setup.c, include/grub/i386/pc/boot.h), which needs a block device.
"""

import struct
from dataclasses import dataclass
from typing import Final

SECTOR: Final = 512
MIB: Final = 1 << 20
GRAIN: Final = MIB  # every partition begins and ends on it
TAIL: Final = MIB  # kept free behind the last one, for the second copy of the table
ROOT_UUID: Final = "6f1c2a54-7e0b-4c1d-9a55-52c4e1d3a0a1"  # of the file system; the same in every build and slot
DISK_ID: Final = "6f1c2a54-7e0b-4c1d-9a55-52c4e1d3a0d0"

# Offsets that GRUB fixes for boot.img and diskboot.img.
_KERNEL_SECTOR, _DRIVE_CHECK, _CODE_END = 0x5C, 0x66, 440
_BLOCK_LIST, _LOAD_SEGMENT = 0x1F4, 0x820
_NO_OPERATION: Final = b"\x90\x90"


class BadLayout(ValueError):
    """A disk that cannot be laid out as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One row of the table; `start` and `size` are bytes, `kind` is the type's GUID."""

    number: int
    name: str
    kind: str
    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Disk:
    """All partitions of an image of `size` bytes."""

    size: int
    partitions: tuple[Partition, ...]

    def __getitem__(self, name: str) -> Partition:
        return next(each for each in self.partitions if each.name == name)


# (number, name, type, MiB). The types are those of the Discoverable Partitions Specification and of GRUB.
_PLACES: Final = (
    (14, "bios", "21686148-6449-6E6F-744E-656564454649", 3),
    (15, "esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 60),
)
SLOTS: Final = {"A": 1, "B": 2}  # numbers of their partitions
_ROOT_TYPE: Final = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"  # root, x86-64
LEAST_STATE_MIB: Final = 512


def disk(size_mib: int, root_mib: int) -> Disk:
    """The lay-out of a disk with slots of `root_mib`. Raises BadLayout when too little is left for the state."""
    at, rows = GRAIN, []
    slots = [(number, slot_name(each), _ROOT_TYPE, root_mib) for each, number in SLOTS.items()]
    for number, name, kind, mib in (*_PLACES, *slots):
        rows.append(Partition(number, name, kind, at, mib * MIB))
        at += mib * MIB
    least = (at + TAIL) // MIB + LEAST_STATE_MIB
    if size_mib < least:
        raise BadLayout(f"a disk of {size_mib} MiB is too small for two slots of {root_mib}: give it {least} or more")
    return Disk(size_mib * MIB, tuple(rows))


def slot_name(slot: str) -> str:
    """The name of a slot's partition: root-a, root-b."""
    return f"root-{slot.lower()}"


def sfdisk_script(whole: Disk) -> str:
    """What sfdisk(8) reads. Identifiers are fixed, so that two builds have the same table."""
    lines = ["label: gpt", f"label-id: {DISK_ID}", "first-lba: 34"]
    for each in whole.partitions:
        place = f"start={each.start // SECTOR}, size={each.size // SECTOR}"
        lines.append(f"{each.number}: {place}, type={each.kind}, name={each.name}, uuid={partition_id(each.number)}")
    return "\n".join(lines) + "\n"


def partition_id(number: int) -> str:
    """The partition's own GUID."""
    return f"{DISK_ID[:-2]}{number:02d}"


def first_stage(boot: bytes, table_sector: bytes, core_at: int) -> bytes:
    """The disk's first sector: GRUB's boot.img, told where core.img lies, around the table that stands there."""
    code = bytearray(boot[:_CODE_END])
    struct.pack_into("<Q", code, _KERNEL_SECTOR, core_at // SECTOR)
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NO_OPERATION  # trust the BIOS about the drive it booted from
    return bytes(code) + table_sector[_CODE_END:SECTOR]


def second_stage(core: bytes, partition: Partition) -> bytes:
    """core.img, told where the rest of itself lies. Raises BadLayout when it does not fit its partition."""
    padded = bytearray(core + bytes(-len(core) % SECTOR))
    if len(padded) > partition.size:
        raise BadLayout(f"GRUB's second stage of {len(padded)} bytes does not fit into {partition.size}")
    rest = (partition.start // SECTOR + 1, len(padded) // SECTOR - 1, _LOAD_SEGMENT)
    struct.pack_into("<QHH", padded, _BLOCK_LIST, *rest)
    return bytes(padded)
