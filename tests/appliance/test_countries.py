"""Countries' networks from files."""

from pathlib import Path

import pytest

from appliance import countries, networks

GEOIP = """# a header
16777216,16777471,AU
16777472,16778239,CN
50331648,50331903,CN
16778240,16779263,??
"""
GEOIP6 = "2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP\n2001:250::,2001:252:ffff:ffff:ffff:ffff:ffff:ffff,CN\n"


def files(directory: Path) -> list[Path]:
    (directory / "geoip").write_text(GEOIP)
    (directory / "geoip6").write_text(GEOIP6)
    return [directory / "geoip", directory / "geoip6"]


def test_ranges_of_numbers_and_of_addresses_become_networks(tmp_path: Path) -> None:
    found = countries.networks_of(files(tmp_path), ["CN", "AU", "XX"])
    texts = {country: [networks.text(row) for row in rows] for country, rows in found.items()}
    assert texts == {
        "CN": ["1.0.1.0/24", "1.0.2.0/23", "3.0.0.0/24", "2001:250::/31", "2001:252::/32"],
        "AU": ["1.0.0.0/24"],
        "XX": [],
    }


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "geoip"
    path.write_text("16777216,16777471,AU\n5,4,CN\n")
    with pytest.raises(countries.NoDatabase, match="line 2"):
        countries.networks_of([path], ["CN"])


@pytest.mark.parametrize("data", [b"", b"\xff\x00" * 500, b"1.0.0.0/24 AU\n", b"name,of,DE\n"])
def test_a_file_without_a_line_of_a_database_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "geoip"
    path.write_bytes(data)
    with pytest.raises(countries.NoDatabase, match="is no database of countries"):
        countries.networks_of([path], ["CN"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(countries.NoDatabase, match=r"nothing cannot be read: No such file"):
        countries.networks_of([tmp_path / "nothing"], ["CN"])


def _control(kind: int, size: int) -> bytes:
    return bytes((kind << 5 | size,)) if kind < 8 else bytes((size, kind - 7))


def _text(words: str) -> bytes:
    return _control(2, len(words)) + words.encode()


def _map(**fields: bytes) -> bytes:
    return _control(7, len(fields)) + b"".join(_text(name) + value for name, value in fields.items())


def mmdb(network: int, bits: int, country: str) -> bytes:
    """A database of one IPv4 network (the MaxMind DB file format 2.0, records of 24 bits)."""
    nodes = b""
    for depth in range(bits):
        onward = depth + 1 if depth + 1 < bits else bits + 16
        turn = network >> 31 - depth & 1
        pair = (bits, onward) if turn else (onward, bits)
        nodes += b"".join(record.to_bytes(3, "big") for record in pair)
    number = lambda value, kind, width: _control(kind, width) + value.to_bytes(width, "big")  # noqa: E731
    about = _map(
        node_count=number(bits, 6, 4),
        record_size=number(24, 5, 2),
        ip_version=number(4, 5, 2),
        database_type=_text("Test-Country"),
        languages=_control(11, 0),
        binary_format_major_version=number(2, 5, 2),
        binary_format_minor_version=number(0, 5, 2),
        build_epoch=number(1, 9, 8),
        description=_control(7, 0),
    )
    data = _map(country=_map(iso_code=_text(country)))
    return nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + about


def test_a_maxmind_database_is_read(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    path.write_bytes(mmdb(0xC6336400, 24, "CN"))
    found = countries.networks_of([path], ["CN", "RU"])
    assert {country: [networks.text(row) for row in rows] for country, rows in found.items()} == {
        "CN": ["198.51.100.0/24"],
        "RU": [],
    }
    path.write_bytes(b"nonsense")
    with pytest.raises(countries.NoDatabase, match="no database of countries"):
        countries.networks_of([path], ["CN"])
