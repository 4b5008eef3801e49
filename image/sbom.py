"""The bill of materials, CycloneDX 1.6: every Debian package and every Python package that the image holds.

Made of what the machine itself said at the end of its build (provision/80-contents.sh), not of what was asked for.
Package URLs follow the purl specification's types deb and pypi. Pure but for the library's own serial number, which is
given: two builds of the same content have the same bill.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_LONGEST_LICENCE: Final = 80  # some projects put their licence's whole text where its name belongs


def bill(contents: dict[str, Any], name: str, version: str, made_at: float) -> str:
    """The document as JSON; `made_at` is Unix time in seconds. Raises KeyError when a package lacks name or version."""
    whole = Component(name=name, version=version, type=ComponentType.OPERATING_SYSTEM, bom_ref=f"image:{name}")
    rows = [*_debian(contents), *_python(contents)]
    found = Bom(components=rows)
    found.metadata.component = whole
    found.metadata.timestamp = datetime.fromtimestamp(made_at, UTC)
    found.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(sorted(str(row.purl) for row in rows)))
    found.register_dependency(whole, rows)
    return str(JsonV1Dot6(found).output_as_string(indent=1))


def _debian(contents: dict[str, Any]) -> list[Component]:
    distro = f"debian-{contents['release'].get('VERSION_ID', 'testing')}"
    return [
        Component(
            name=row["name"],
            version=row["version"],
            type=ComponentType.LIBRARY,
            bom_ref=f"deb:{row['name']}",
            purl=PackageURL(
                "deb",
                "debian",
                row["name"],
                row["version"],
                {"arch": row["architecture"], "distro": distro, "source": row["source"]},
            ),
        )
        for row in contents["debian"]
    ]


def _python(contents: dict[str, Any]) -> list[Component]:
    return [
        Component(
            name=row["name"],
            version=row["version"],
            type=ComponentType.LIBRARY,
            bom_ref=f"pypi:{row['name']}",
            licenses=_licences(row),
            purl=PackageURL("pypi", None, row["name"].lower().replace("_", "-"), row["version"]),
        )
        for row in contents["python"]
    ]


def _licences(row: dict[str, str]) -> list[License]:
    text = row.get("license", "")
    if not 0 < len(text) <= _LONGEST_LICENCE:
        return []
    return [LicenseFactory().make_from_string(text)]
