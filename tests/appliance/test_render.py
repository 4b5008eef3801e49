"""The settings table in its other forms says everything and can be read back."""

import re

from appliance.config.fields import Bool
from appliance.config.load import parse_file
from appliance.config.render import default_file, describe, json_schema, page, words_of
from appliance.config.row import Place, Row
from appliance.config.schema import ROWS


def test_the_page_has_every_setting_with_its_default_and_marks_the_idle_ones() -> None:
    text = page()
    for name, each in ROWS.items():
        section = text.split(f"### {name}\n")[1].split("###")[0]
        assert each.sentence in section
        assert ("not in force yet" in section) is not each.in_force
        assert f"default `{each.default_shown() or '(empty)'}`" in section


def test_the_default_file_says_nothing_until_its_lines_are_freed_and_then_says_the_defaults() -> None:
    text = default_file()
    assert parse_file(text) == {}
    freed = "\n".join(re.sub(r"^#(?=\w+ = )", "", line) for line in text.splitlines())
    assert parse_file(freed) == {name: each.default for name, each in ROWS.items()}


def test_the_json_schema_has_every_setting_and_says_what_is_in_force() -> None:
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False
    for name, each in ROWS.items():
        assert schema["properties"][name]["x-in-force"] is each.in_force
    assert schema["properties"]["authtype"] == {"$ref": "#/properties/needauth"}
    assert schema["properties"]["localtlsport"]["maximum"] == 65535
    assert "default" not in schema["properties"]["httpapikey"]


def test_a_help_text_has_sentence_range_and_state() -> None:
    text = describe(ROWS["checkrtpaddr"])
    assert "Must be one of 0 = any source" in text
    assert "(Not in force yet.)" not in text
    idle = Row(Bool(), "true", Place.SYSTEM, "Does nothing.")
    idle.name = "idle"
    assert "(Not in force yet.)" in describe(idle)


def test_values_that_can_be_listed_are_offered() -> None:
    assert words_of(ROWS["usetls"]) == ["true", "false"]
    assert words_of(ROWS["maxdailycreditperuser"]) == ["true", "false", "auto"]
    assert words_of(ROWS["checkrtpaddr"]) == ["0", "1", "2"]
    assert words_of(ROWS["calltimeout"]) == []
