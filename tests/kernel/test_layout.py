"""Addresses and networks as the maps hold them, codecs from ctypes, and the lists of bpf/."""

import ctypes
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel import layout
from appliance.wire import WireError


@given(st.ip_addresses())
def test_an_address_survives_the_way_there_and_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    expected = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert layout.address_text(layout.address(str(address))) == _compressed(expected or address)


def _compressed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    import socket

    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address.packed)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_a_network_is_the_one_that_ipaddress_makes(number: int, length: int) -> None:
    network = ipaddress.ip_network((number, length), strict=False)
    packed, bits = layout.network(f"{ipaddress.IPv4Address(number)}/{length}")
    assert (packed[12:], bits - 96) == (network.network_address.packed, length)
    text = layout.network_text(packed, bits)
    assert ipaddress.ip_network(text) == network


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "1.2.3.256", "::g", "1.2.3.4%eth0", "fe80::1%eth0"])
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(WireError, match="is not an IP address"):
        layout.address(text)


class _Address(ctypes.Structure):
    _fields_ = [("word", ctypes.c_uint32 * 4)]


_Address.__name__ = "address"


class _Inner(ctypes.Structure):
    _fields_ = [("ip", _Address), ("port", ctypes.c_uint16)]


class _Row(ctypes.Structure):
    _fields_ = [
        ("count", ctypes.c_uint64),
        ("inner", _Inner),
        ("__pad_2", ctypes.c_char * 4),
        ("pair", ctypes.c_uint64 * 2),
        ("mac", ctypes.c_uint8 * 6),
    ]


def test_a_codec_follows_the_types_of_the_program() -> None:
    shape = layout.Shape(_Row)
    assert shape.bytes == ctypes.sizeof(_Row)
    assert shape.names == ("count", "inner.ip", "inner.port", "pair.0", "pair.1", "mac")
    values = {"count": 9, "inner.ip": bytes(range(16)), "inner.port": 7, "pair.0": 1, "pair.1": 2, "mac": b"sixsix"}
    packed = shape.pack(values)
    assert shape.unpack(packed) == values
    row = _Row.from_buffer_copy(packed)
    assert (row.count, row.inner.port, row.pair[1], bytes(row.mac)) == (9, 7, 2, b"sixsix")
    with pytest.raises(KeyError, match="no field 'nix'"):
        shape.pack({"nix": 1})


def test_the_lists_are_read_whole() -> None:
    for name, rows in (("verdicts.def", layout.verdicts()), ("limits.def", layout.limits())):
        lines = (layout.BPF_DIR / name).read_text().splitlines()
        assert len(rows) == sum(line.startswith(("VERDICT(", "LIMIT(")) for line in lines)
    maps = (layout.BPF_DIR / "maps.c").read_text().splitlines()
    assert len(layout.maps()) == sum(line.startswith(('MAP("', "RING(struct")) for line in maps)
    assert all(row.text for row in layout.maps())
