"""The bill of materials: complete, valid, and the same for the same content."""

import json
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest

from image.sbom import bill

CONTENTS: dict[str, Any] = {
    "release": {"VERSION_ID": "13"},
    "kernel": "6.12",
    "debian": [
        {"name": "libc6", "version": "2.41-12", "architecture": "amd64", "source": "glibc", "kib": "13223"},
        {"name": "bash", "version": "5.2+b3", "architecture": "amd64", "source": "bash", "kib": "7196"},
    ],
    "python": [
        {"name": "aiohttp", "version": "3.14.5", "license": "Apache-2.0 AND MIT"},
        {"name": "long_one", "version": "1", "license": "Permission is hereby granted " * 9},
    ],
}


def schema(address: str) -> Any:
    """A schema of the standard, by its file's name, out of the library."""
    return json.loads(
        (files("cyclonedx.schema._res") / address.rpartition("/")[2].replace("schema.json", "schema.json")).read_text()
    )


def test_every_package_of_both_kinds_is_a_component_with_its_address() -> None:
    made = json.loads(bill(CONTENTS, "appliance", "0.1.0", 0))
    assert {row["purl"] for row in made["components"]} == {
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&source=glibc",
        "pkg:deb/debian/bash@5.2%2Bb3?arch=amd64&distro=debian-13&source=bash",
        "pkg:pypi/aiohttp@3.14.5",
        "pkg:pypi/long-one@1",
    }
    licences = {row["name"]: row.get("licenses") for row in made["components"]}
    assert licences["aiohttp"] == [{"expression": "Apache-2.0 AND MIT"}]
    assert licences["long_one"] is None
    (whole,) = (row for row in made["dependencies"] if len(row.get("dependsOn", ())) > 1)
    assert len(whole["dependsOn"]) == 4


def test_the_bill_is_what_the_standard_says() -> None:
    made = bill(CONTENTS, "appliance", "0.1.0", 1.7e9)
    assert json.loads(made)["specVersion"] == "1.6"
    rules = jsonschema_rs.validator_for(schema("bom-1.6.SNAPSHOT.schema.json"), retriever=schema)
    rules.validate(json.loads(made))
    with pytest.raises(jsonschema_rs.ValidationError):
        rules.validate(json.loads(made) | {"components": [{"type": "fruit", "name": "pear"}]})


def test_the_same_content_has_the_same_bill_and_another_has_another() -> None:
    assert bill(CONTENTS, "appliance", "0.1.0", 0) == bill(CONTENTS, "appliance", "0.1.0", 0)
    fewer = CONTENTS | {"debian": CONTENTS["debian"][:1]}
    serials = {json.loads(bill(each, "appliance", "0.1.0", 0))["serialNumber"] for each in (CONTENTS, fewer)}
    assert len(serials) == 2


def test_a_package_without_a_version_is_no_row() -> None:
    with pytest.raises(KeyError, match="version"):
        bill(CONTENTS | {"python": [{"name": "lost"}]}, "appliance", "0.1.0", 0)
