"""`appliance settings`: the table of settings, read, changed, compared with a profile."""

import fnmatch
import json
from typing import Any

import click
from click.shell_completion import CompletionItem

from appliance.cli.door import notes
from appliance.cli.exits import Exit, Failure
from appliance.cli.passwords import password_of
from appliance.cli.policy import CONFIRM, confirm_s, waiting
from appliance.cli.show import Answer, Column, facts, line, moment, say, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config.opening import DECIDING
from appliance.config.profiles import Profile
from appliance.config.render import default_file, describe, json_schema, words_of
from appliance.config.row import Row
from appliance.config.schema import ROWS, UnknownSetting, row

COLUMNS = (
    Column("name", "name"),
    Column("value", "value"),
    Column("source", "from"),
    Column("scope", "scope"),
    Column("name", "", lambda name: ROWS[name].mark()),
)
DIFF = (
    Column("name", "name"),
    Column("current", "now"),
    Column("wanted", "profile"),
    Column("note", ""),
    Column("name", "", lambda name: ROWS[name].mark()),
)

CHANGES = (Column("at", "when", moment), Column("who", "who"), Column("before", "before"), Column("after", "after"))


def found_row(name: str) -> Row[Any]:
    """The row of a setting. Raises Failure with names like it."""
    try:
        return row(name)
    except UnknownSetting as error:
        raise Failure(Exit.NOT_FOUND, str(error), "'appliance settings list' shows all", "unknown_setting") from None


def _list(session: Session, pattern: str, changed: bool, in_force: bool | None) -> Answer:
    result = session.link().office("settings.list")
    rows = [
        each
        for each in result["settings"]
        if fnmatch.fnmatchcase(each["name"], pattern.lower())
        and (not changed or each["source"] != "default")
        and in_force in (None, each["in_force"])
    ]
    problems = [line(f"problem: {problem}", "yellow") for problem in result.get("problems", [])]
    human = (table(COLUMNS, rows, "no setting fits"), line(f"generation {result['generation']}", "dim"), *problems)
    return Answer(result | {"settings": rows}, human)


def _get(session: Session, name: str) -> Answer:
    found = found_row(name)
    result = session.link().office("settings.get", {"name": found.name})
    where = " + ".join(found.acts_at)
    shown = [
        ("setting", f"{found.name} = {result['value'] or '(empty)'}"),
        ("from", result["source"]),
        ("default", found.default_shown() or "(empty)"),
        ("strict", found.strict.words() if found.strict else ""),
        ("scope", str(found.scope)),
        ("acts at", where),
        ("in force", "yes" if found.in_force else f"no: it can be set and is checked, but {found.lack()}"),
        ("see also", ", ".join(found.see)),
    ]
    return Answer(result, (line(describe(found)), facts(shown)))


def _show(session: Session, name: str) -> Answer:
    result = session.link().office("settings.show", {"name": found_row(name).name})
    shown = [
        ("setting", f"{result['name']} = {result['value'] or '(empty)'}"),
        ("allowed", result["allowed"]),
        ("strict", result["strict"]),
        ("dangerous", "a wrong value can cut you off: change it with --confirm" if result["dangerous"] else ""),
        ("changed", f"{moment(result['changed_at'])} by {result['changed_by']}" if result["changed_at"] else ""),
    ]
    warned = [line(f"warning: {warning}", "yellow") for warning in result["warnings"]]
    history = [_written(each) for each in result["history"]]
    return Answer(result, (line(result["sentence"]), facts(shown), *warned, table(CHANGES, history, "never changed")))


def _written(change: dict[str, Any]) -> dict[str, Any]:
    """A change of the past for people; a secret's texts are not known."""
    texts = {key: change[key] if change[key] is not None else "(default)" for key in ("before", "after")}
    return change | (texts if change["known"] else {"before": "(secret)", "after": "(secret)"})


def _set(session: Session, name: str, value: str, confirm: str | None) -> Answer:
    found = found_row(name)
    if found.kind.secret and value == "-":
        value = password_of(value).text  # on a command line everybody on the machine could read it
    return _changed(session, {found.name: value}, confirm)


def _reset(session: Session, name: str, confirm: str | None) -> Answer:
    return _changed(session, {found_row(name).name: None}, confirm)


def _changed(session: Session, changes: dict[str, str | None], confirm: str | None) -> Answer:
    args = {"changes": changes} | ({"confirm_s": confirm_s(confirm)} if confirm else {})
    result = session.link().office("settings.set", args)
    words = []
    for each in result["settings"]:
        mark = ROWS[each["name"]].mark()
        words.append(line(f"{each['name']} = {each['value'] or '(empty)'}" + (f"  ({mark})" if mark else "")))
    state = "in force" if result["live"] else "saved; in force when the appliance starts"
    warned = [line(f"warning: {warning}", "yellow") for warning in result["warnings"]]
    last = line(f"generation {result['generation']}, {state}", "dim")
    ssh = notes(session) if DECIDING & {each["name"] for each in result["settings"]} else ()
    return Answer(result, (*words, *warned, last, *waiting(result.get("pending")), *ssh))


def _diff(session: Session, profile: str) -> Answer:
    result = session.link().office("settings.diff", {"profile": profile})
    return Answer(result, (table(DIFF, result["changes"], f"nothing differs from {profile}"),))


def _apply(session: Session, profile: str, yes: bool, confirm: str | None) -> Answer:
    difference = _diff(session, profile)
    changes = {each["name"]: each["wanted"] for each in difference.value["changes"] if not each["by_hand"]}
    if not changes:
        return difference
    if not yes:
        if session.json:
            raise click.UsageError("with --json, 'settings apply' needs --yes")
        say(difference, as_json=False)
        click.confirm(f"Apply these {len(changes)} changes?", abort=True)
    return _changed(session, changes, confirm)


def _file(_session: Session) -> Answer:
    text = default_file()
    return Answer({"text": text}, (text.rstrip("\n"),))


def _schema(_session: Session) -> Answer:
    schema = json_schema()
    return Answer(schema, (json.dumps(schema, indent=2),))


def complete_name(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Settings that begin so."""
    return [CompletionItem(name, help=each.sentence) for name, each in ROWS.items() if name.startswith(begun.lower())]


def complete_value(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Values of the setting that stands before, where they can be listed."""
    try:
        words = words_of(row(str(context.params.get("name") or "")))
    except UnknownSetting:
        return []
    return [CompletionItem(word) for word in words if word.startswith(begun)]


GROUP = Group("settings", "The settings: see, explain, change, compare.")
NAME = argument("name", shell_complete=complete_name)
PROFILE = argument("profile", type=click.Choice([str(profile) for profile in Profile]), default="strict")

COMMANDS = (
    Command(
        "settings list",
        "List the settings.",
        _list,
        (
            argument("pattern", default="*", required=False),
            option("--changed", is_flag=True, default=False, help="Only those that are not at their default."),
            option("--in-force/--idle", "in_force", default=None, help="Only those that something acts on, or not."),
        ),
        "PATTERN is a shell pattern such as 'max*'. Marked are those that do nothing, or not all, so far.",
    ),
    Command("settings get", "Explain one setting and show its value.", _get, (NAME,)),
    Command(
        "settings show",
        "Show a setting with what is allowed, what warns, and who changed it and when.",
        _show,
        (NAME,),
        "Example: 'appliance settings show maxlines'. 'appliance settings get' explains the setting itself.",
    ),
    Command(
        "settings set",
        "Change a setting; takes effect at once.",
        _set,
        (NAME, argument("value", shell_complete=complete_value), CONFIRM),
        "The value '-' of a secret is read from standard input.",
        minus=True,
    ),
    Command(
        "settings reset", "Take a change back: the file's value or the default holds again.", _reset, (NAME, CONFIRM)
    ),
    Command("settings diff", "Show what a profile would change.", _diff, (PROFILE,)),
    Command(
        "settings apply",
        "Apply a profile, after showing what it changes.",
        _apply,
        (
            argument("profile", type=click.Choice([str(profile) for profile in Profile])),
            option("--yes", is_flag=True, default=False, help="Do not ask."),
            CONFIRM,
        ),
    ),
    Command("settings file", "Print a settings file with every default, commented out.", _file),
    Command("settings schema", "Print the JSON Schema of the settings file.", _schema),
)
