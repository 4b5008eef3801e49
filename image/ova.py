"""An OVF package in one file: descriptor, manifest and disk, as VMware, VirtualBox and Proxmox import it.

DSP0243 1.1 (DMTF): section 5.3 fixes the order within the archive (descriptor, manifest, then the files as the
descriptor references them) and USTAR as its format; chapters 6 to 8 the descriptor. The hardware that it asks for is
what both the hypervisors and the image's kernel know: AHCI, because VirtualBox takes VMware's own controller for an LSI
one, which that kernel has no driver for, and vmxnet3. The standard's 1.1 knows SHA-1 alone; the manifest has
SHA-256, as VMware's own tool writes it beside such a descriptor.
"""

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

from image.layout import MIB

OVF: Final = "http://schemas.dmtf.org/ovf/envelope/1"
RASD: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
DISK_FORMAT: Final = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
DEBIAN_64: Final = "96"  # CIM_OperatingSystem.OsType
HARDWARE: Final = "vmx-13"  # ESXi 6.5 and everything after it
CPUS, MEMORY_MIB = 2, 2048
NETWORK: Final = "VM Network"
_LARGEST: Final = 8 << 30  # what USTAR can say of one file's size
_PREFIXES: Final = {"ovf": OVF, "rasd": RASD, "vssd": VSSD}


class BadPackage(ValueError):
    """A disk that no OVF package can hold; the message says why."""


def descriptor(name: str, version: str, disk: str, stored_bytes: int, capacity_bytes: int) -> bytes:
    """The .ovf: `disk` is the file's name, `stored_bytes` what it takes, `capacity_bytes` what the machine sees."""
    for prefix, address in _PREFIXES.items():
        Xml.register_namespace(prefix, address)
    whole = Xml.Element(_ovf("Envelope"))
    file = {"id": "file1", "href": disk, "size": str(stored_bytes)}
    _add(_add(whole, "References"), "File", **file)
    disks = _section(whole, "DiskSection", "The disk")
    _add(disks, "Disk", diskId="disk1", fileRef="file1", capacity=str(capacity_bytes), format=DISK_FORMAT)
    networks = _section(whole, "NetworkSection", "The network that the gate stands in")
    _add(_add(networks, "Network", name=NETWORK), "Description", text="SIP, audio and HTTPS")
    system = _section(whole, "VirtualSystem", f"{name} {version}", id=name)
    _add(system, "Name", text=name)
    product = _section(system, "ProductSection", "What it is")
    _add(product, "Product", text=name)
    _add(product, "Version", text=version)
    _section(system, "OperatingSystemSection", "Debian GNU/Linux, 64 bits", id=DEBIAN_64)
    hardware = _section(system, "VirtualHardwareSection", "What it runs on")
    made = _add(hardware, "System")
    for key, value in (
        ("ElementName", "Virtual Hardware Family"),
        ("InstanceID", "0"),
        ("VirtualSystemIdentifier", name),
        ("VirtualSystemType", HARDWARE),
    ):
        Xml.SubElement(made, f"{{{VSSD}}}{key}").text = value
    for row in _hardware():
        item = _add(hardware, "Item")
        for key in sorted(row):  # the schema's order
            Xml.SubElement(item, f"{{{RASD}}}{key}").text = row[key]
    Xml.indent(whole)
    return bytes(Xml.tostring(whole, encoding="utf-8", xml_declaration=True)) + b"\n"


def _hardware() -> Sequence[Mapping[str, str]]:
    """Rows of CIM_ResourceAllocationSettingData; ResourceType 3 processors, 4 memory, 10 Ethernet, 17 disk, 20 SATA."""
    return (
        {"InstanceID": "1", "ResourceType": "3", "ElementName": f"{CPUS} processors", "VirtualQuantity": str(CPUS)},
        {
            "InstanceID": "2", "ResourceType": "4", "ElementName": f"{MEMORY_MIB} MiB of memory",
            "AllocationUnits": "byte * 2^20", "VirtualQuantity": str(MEMORY_MIB),
        },
        {
            "InstanceID": "3", "ResourceType": "20", "ElementName": "SATA controller", "Address": "0",
            "ResourceSubType": "vmware.sata.ahci",
        },
        {
            "InstanceID": "4", "ResourceType": "17", "ElementName": "Disk", "Parent": "3", "AddressOnParent": "0",
            "HostResource": "ovf:/disk/disk1",
        },
        {
            "InstanceID": "5", "ResourceType": "10", "ElementName": "Network card", "ResourceSubType": "VmxNet3",
            "Connection": NETWORK, "AutomaticAllocation": "true", "AddressOnParent": "0",
        },
    )  # fmt: skip


def manifest(digests: Mapping[str, str]) -> bytes:
    """The .mf: SHA-256 by the file's name, in the order of the archive."""
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in digests.items()).encode()


def write(path: Path, name: str, version: str, disk: Path, capacity_bytes: int, at: int) -> None:
    """The package: `disk` is a stream-optimised vmdk, `at` the time of everything in it. Raises BadPackage."""
    stored = disk.stat().st_size
    if stored >= _LARGEST:
        raise BadPackage(f"{disk.name} has {stored / MIB:.0f} MiB, and the archive can hold {_LARGEST / MIB:.0f}")
    stem = path.name.removesuffix(".ova")
    inside = f"{stem}-disk1.vmdk"
    described = descriptor(name, version, inside, stored, capacity_bytes)
    with disk.open("rb") as file:
        digests = {
            f"{stem}.ovf": hashlib.sha256(described).hexdigest(),
            inside: hashlib.file_digest(file, "sha256").hexdigest(),
        }
        file.seek(0)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for each, content in ((f"{stem}.ovf", described), (f"{stem}.mf", manifest(digests))):
                tar.addfile(_row(each, len(content), at), BytesIO(content))
            tar.addfile(_row(inside, stored, at), file)


def _row(name: str, size: int, at: int) -> tarfile.TarInfo:
    row = tarfile.TarInfo(name)
    row.size, row.mtime, row.mode = size, at, 0o644
    return row


def _ovf(name: str) -> str:
    return f"{{{OVF}}}{name}"


def _add(above: Xml.Element, element: str, text: str | None = None, **attributes: str) -> Xml.Element:
    made = Xml.SubElement(above, _ovf(element), {_ovf(key): value for key, value in attributes.items()})
    made.text = text
    return made


def _section(above: Xml.Element, element: str, info: str, **attributes: str) -> Xml.Element:
    made = _add(above, element, **attributes)
    _add(made, "Info", text=info)
    return made
