"""The settings table in other forms: the documents' page, a commented settings file, a JSON Schema, help texts.

Everything here is a pure function of the table.
"""

from typing import Any

from appliance.config.fields import AutoBool, Bool, Choice, Enum
from appliance.config.profiles import Profile, diff
from appliance.config.row import IDLE, Row
from appliance.config.schema import CHAPTERS, ROWS
from appliance.config.settings import Settings

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

PAGE_HEAD = """\
# Settings

Generated from the settings table by `appliance docs`; do not edit.

A value comes from the default below, then from the settings file (`appliance run --config FILE`), then from a stored
change (`appliance settings set NAME VALUE`); the later one wins. `appliance settings list` shows each value and where
it comes from. Names may be written in any case. A setting of scope *user* is an account's own; the value here
is what an account gets that is added without one, and changes none that is there.

Durations are written `90s`, `3m`, `6h`, `1h30m` or `7d`. Money is in the account's currency, with at most 6 decimals.
A setting marked **{idle}** can be set and is checked, but nothing acts on it so far: {count} of {total} are in force.
"""

FILE_HEAD = """\
# Settings of the appliance. Every line is a default, commented out: remove the # before its name and change it.
# `appliance check --config FILE` says what is wrong with a file; `appliance settings get NAME` explains a setting.
"""


def chapter_rows(chapter: type) -> list[Row[Any]]:
    """The rows of one chapter in order."""
    return [row for row in vars(chapter).values() if isinstance(row, Row)]


def title(chapter: type) -> str:
    """A chapter's heading."""
    return (chapter.__doc__ or "").splitlines()[0].rstrip(".")


def page() -> str:
    """docs/settings.md."""
    in_force = sum(row.in_force for row in ROWS.values())
    parts = [PAGE_HEAD.format(idle=IDLE, count=in_force, total=len(ROWS))]
    for chapter in CHAPTERS:
        parts.append(f"\n## {title(chapter)}\n")
        parts += [_section(row) for row in chapter_rows(chapter)]
    parts.append(_profile_section())
    return "\n".join(parts).rstrip() + "\n"


def _section(row: Row[Any]) -> str:
    idle = f" **({row.idle()})**" if row.idle() else ""
    facts = [f"default `{row.default_shown() or '(empty)'}`", f"scope {row.scope}", f"acts at {row.places()}"]
    facts += [f"unit {row.unit}"] if row.unit else []
    facts += [f"strict profile: `{row.strict.words()}`"] if row.strict else []
    facts += [f"also called `{alias}`" for alias in row.aliases]
    lines = [f"### {row.name}", "", f"{row.sentence}{idle}", "", f"- {'; '.join(facts)}", f"- {allowed_line(row)}"]
    lines += [f"- see {', '.join(f'[{name}](#{name})' for name in row.see)}"] if row.see else []
    return "\n".join(lines) + "\n"


def allowed_line(row: Row[Any]) -> str:
    """What may be written, as a sentence without its full stop."""
    return f"must be {row.kind.allowed()}"


def _profile_section() -> str:
    lines = [
        "\n## The strict profile\n",
        "`appliance settings diff strict` shows what it would change here, `appliance settings apply strict` applies "
        "it, `appliance settings apply compatible` goes back. Over the defaults it changes:\n",
        "| setting | default | strict |",
        "|---|---|---|",
    ]
    for change in diff(Settings(), Profile.STRICT):
        wanted = f"`{change.wanted}`" if change.wanted else f"by hand: {change.note}"
        lines.append(f"| [{change.name}](#{change.name}) | `{change.current or '(empty)'}` | {wanted} |")
    return "\n".join(lines)


def default_file() -> str:
    """A settings file in which every line is a default, commented out, below what it means."""
    lines = [FILE_HEAD]
    for chapter in CHAPTERS:
        lines.append(f"\n# ---- {title(chapter)} ----\n")
        for row in chapter_rows(chapter):
            lines += [f"# {line}" for line in wrapped(describe(row), 110)]
            lines.append(f"#{row.name} = {row.kind.to_toml(row.default)}\n")
    return "\n".join(lines)


def describe(row: Row[Any]) -> str:
    """One paragraph: the sentence, the range, and whether it is in force."""
    idle = f" ({row.idle().capitalize()}.)" if row.idle() else ""
    allowed = allowed_line(row)
    return f"{row.sentence} {allowed[0].upper()}{allowed[1:]}.{idle}"


def wrapped(text: str, width: int) -> list[str]:
    """`text` broken at spaces into lines of at most `width` characters."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the settings file. `x-in-force` says whether anything acts on a setting."""
    properties: dict[str, Any] = {}
    for row in ROWS.values():
        properties[row.name] = _property(row)
        properties |= {alias: {"$ref": f"#/properties/{row.name}"} for alias in row.aliases}
    return {
        "$schema": SCHEMA_ID,
        "title": "Settings of the appliance",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(row: Row[Any]) -> dict[str, Any]:
    idle = f" ({row.idle()})" if row.idle() else ""
    schema = {"description": row.sentence + idle, **row.kind.json_schema(), "x-in-force": row.in_force}
    schema |= {"x-scope": str(row.scope), "x-acts-at": [str(place) for place in row.acts_at]}
    schema |= {"x-unit": row.unit} if row.unit else {}
    return schema | ({} if row.generated else {"default": row.kind.text(row.default)})


def words_of(row: Row[Any]) -> list[str]:
    """Values that a shell may offer for a setting; empty when there are too many to list."""
    kind = row.kind
    if isinstance(kind, Bool | AutoBool):
        return ["true", "false"] + (["auto"] if isinstance(kind, AutoBool) else [])
    return [str(value) for value in kind.labels] if isinstance(kind, Enum | Choice) else []
