"""Which networks lie in a country, by a database file: CSV lines `start,end,CC` or MaxMind's .mmdb format.

CSV is what Debian's package tor-geoipdb holds (made of the IPFire location database, CC BY-SA 4.0): IPv4 ends as
numbers, IPv6 ends as addresses.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import maxminddb

from appliance import networks

DEFAULTS: Final = (
    ("/usr/share/tor/geoip", "/usr/share/tor/geoip6"),
    ("/usr/local/share/appliance/geoip", "/usr/local/share/appliance/geoip6"),
    ("/usr/share/GeoIP/GeoLite2-Country.mmdb",),
    ("/var/lib/GeoIP/GeoLite2-Country.mmdb",),
)
_COMMENTS: Final = ("#", "/")
_EVERY: Final = 50_000

Progress = Callable[[int], None]


class NoDatabase(Exception):
    """There is no database, or it cannot be read. Says what to do."""


def default_files() -> tuple[Path, ...]:
    """The files of the first database that is here. Raises NoDatabase."""
    for names in DEFAULTS:
        paths = tuple(Path(name) for name in names)
        if all(path.is_file() for path in paths):
            return paths
    places = ", ".join(names[0] for names in DEFAULTS)
    raise NoDatabase(f"no database of countries: none of {places} exists")


def networks_of(
    paths: Iterable[Path], wanted: Iterable[str], progress: Progress = lambda _: None
) -> dict[str, list[bytes]]:
    """Each wanted country's networks, in order and disjoint; empty for one that has none. Raises NoDatabase."""
    found: dict[str, list[bytes]] = {country: [] for country in wanted}
    done = 0
    for path in paths:
        for country, rows in _entries(path, found.keys()):
            found[country] += rows
            done += 1
            if not done % _EVERY:
                progress(done)
    return {country: networks.merged(rows) for country, rows in found.items()}


def _entries(path: Path, wanted: Iterable[str]) -> Iterator[tuple[str, list[bytes]]]:
    try:
        yield from _mmdb(path, set(wanted)) if path.suffix == ".mmdb" else _csv(path, set(wanted))
    except OSError as error:
        raise NoDatabase(f"{path} cannot be read: {error.strerror or error}") from None


def _csv(path: Path, wanted: set[str]) -> Iterator[tuple[str, list[bytes]]]:
    is_one = False
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.strip().replace('"', "").split(",")
            if len(words) < 3 or words[0].startswith(_COMMENTS):
                continue
            is_one = is_one or _is_range(words[0], words[1])
            if words[2] not in wanted:
                continue
            try:
                ends = (_address(words[0]), _address(words[1]))
                yield words[2], [networks.row(each) for each in ipaddress.summarize_address_range(*ends)]
            except (ValueError, TypeError) as error:
                raise NoDatabase(f"{path}, line {number}: {error}") from None
    if not is_one:
        raise NoDatabase(f"{path} is no database of countries: no line reads start,end,CC")


def _is_range(first: str, last: str) -> bool:
    try:
        return bool(_address(first)) and bool(_address(last))
    except ValueError:
        return False


def _address(text: str) -> Any:
    return ipaddress.IPv4Address(int(text)) if text.isdigit() else ipaddress.ip_address(text)


def _mmdb(path: Path, wanted: set[str]) -> Iterator[tuple[str, list[bytes]]]:
    try:
        with maxminddb.open_database(str(path)) as reader:
            for network, record in reader:
                if (country := _country(record)) in wanted:
                    yield country, [networks.row(network)]
    except maxminddb.InvalidDatabaseError as error:
        raise NoDatabase(f"{path} is no database of countries: {error}") from None


def _country(record: Any) -> str:
    """The country of a record: where the address is, else where it is registered."""
    for name in ("country", "registered_country"):
        part = record.get(name) if isinstance(record, dict) else None
        if isinstance(part, dict) and isinstance(part.get("iso_code"), str):
            return str(part["iso_code"])
        if isinstance(part, str):
            return part
    return ""
