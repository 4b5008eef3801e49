"""Commands as rows, and the click commands made from them. Knows no single command.

Every command, group and the root take the same few options (`--json`, `--state`, `--runtime`, `--config`), wherever
in the line they stand; the one nearest to the end wins.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from appliance.cli.exits import MEANINGS, Exit, Failure
from appliance.cli.link import Link
from appliance.cli.show import Answer, complain, say
from appliance.config.load import parse_file
from appliance.config.options import DEFAULT_RUNTIME, DEFAULT_STATE
from appliance.config.schema import ROWS
from appliance.config.settings import BadSettings
from appliance.wire import WireError

ABOUT = "A VoIP security appliance: a gate at the network card, a SIP back-to-back user agent, limits and money."
FILE_NAME = "settings.toml"
MOST_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Session:
    """One call of the command: where the appliance is and how to answer."""

    state: Path
    runtime: Path
    config: Path | None
    json: bool

    def link(self) -> Link:
        """The line to this appliance."""
        from appliance.cli.policy import here  # its commands stand on this module

        return Link(self.state, self.runtime, self.file_texts, before=here)

    def file_text(self) -> str:
        """The settings file; empty when none is named and STATE has none. Raises Failure."""
        path = self.config or self.state / FILE_NAME
        try:
            with path.open("rb") as file:
                return file.read(MOST_FILE_BYTES).decode()
        except (FileNotFoundError, NotADirectoryError):
            if self.config is None:
                return ""
            raise Failure(Exit.NOT_FOUND, f"there is no settings file {path}", "see --config") from None
        except UnicodeDecodeError as error:
            raise Failure(Exit.REFUSED, f"{path} is not UTF-8 text at byte {error.start}") from None
        except PermissionError:
            if self.config is None:
                return ""  # not this user's to read; whatever needs it also needs root and says so
            raise Failure(Exit.NOT_PERMITTED, f"{path} cannot be read", "run it as root") from None
        except OSError as error:
            raise Failure(Exit.REFUSED, f"{path} cannot be read: {error.strerror}", "see --config") from None

    def file_texts(self) -> dict[str, str]:
        """What the settings file says, as canonical text by name. Raises Failure."""
        try:
            values = parse_file(self.file_text())
        except BadSettings as error:
            path = self.config or self.state / FILE_NAME
            hint = f"'appliance check --config {path}' lists everything"
            raise Failure(Exit.REFUSED, f"{path}, {error.problems[0]}", hint, "bad_settings") from None
        return {name: ROWS[name].kind.text(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, what it does in one sentence, its parameters, and the function that answers."""

    words: str
    help: str
    run: Callable[..., Answer]
    params: tuple[click.Parameter, ...] = ()
    more: str = ""
    minus: bool = False  # an argument may begin with a minus


@dataclass(frozen=True, slots=True)
class Group:
    """A word with commands below it; on its own it does `default`."""

    word: str
    help: str
    default: str = "list"


def argument(name: str, **more: Any) -> click.Argument:
    """A positional parameter."""
    return click.Argument([name], **more)


def option(*names: str, **more: Any) -> click.Option:
    """An option with its default shown."""
    return click.Option(list(names), **{"show_default": True} | more)


COMMON = ("state_dir", "runtime_dir", "config_file", "as_json")


def _common() -> list[click.Parameter]:
    directory = click.Path(path_type=Path, file_okay=False)
    return [
        option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        option("--state", "state_dir", type=directory, help=f"State directory (APPLIANCE_STATE, {DEFAULT_STATE})."),
        option(
            "--runtime", "runtime_dir", type=directory, help=f"Socket directory (APPLIANCE_RUNTIME, {DEFAULT_RUNTIME})."
        ),
        option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            help=f"Settings file (APPLIANCE_CONFIG, STATE/{FILE_NAME} if there).",
        ),
    ]


def _remember(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The common options of this word, over those of the words before it."""
    kept: dict[str, Any] = context.find_root().meta.setdefault("appliance.common", {})
    kept.update({name: given[name] for name in COMMON if given.get(name)})
    return kept


def _session(kept: dict[str, Any]) -> Session:
    config = kept.get("config_file") or os.environ.get("APPLIANCE_CONFIG")
    return Session(
        Path(kept.get("state_dir") or os.environ.get("APPLIANCE_STATE") or DEFAULT_STATE),
        Path(kept.get("runtime_dir") or os.environ.get("APPLIANCE_RUNTIME") or DEFAULT_RUNTIME),
        Path(config) if config else None,
        bool(kept.get("as_json")),
    )


def attempt(run: Callable[[], Answer], *, as_json: bool) -> Exit:
    """Do one command and say what came of it; nothing but an exit code leaves here."""
    try:
        answer = run()
        say(answer, as_json=as_json)
        sys.stdout.flush()
        return answer.exit_code
    except Failure as failure:
        complain(failure, as_json=as_json)
        return failure.exit_code
    except WireError as error:
        return _fail(Failure.of(error), as_json)
    except BadSettings as error:
        return _fail(Failure(Exit.REFUSED, str(error), code="bad_settings"), as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has gone; say no more
        return Exit.OK
    except (KeyboardInterrupt, click.Abort):
        return _fail(Failure(Exit.INTERRUPTED, "interrupted"), as_json)
    except click.ClickException:
        raise
    except Exception as error:
        if os.environ.get("APPLIANCE_DEBUG"):
            raise
        words = f"a fault of the program: {type(error).__name__}: {error}"
        return _fail(Failure(Exit.REFUSED, words, "APPLIANCE_DEBUG=1 shows where"), as_json)


def _fail(failure: Failure, as_json: bool) -> Exit:
    complain(failure, as_json=as_json)
    return failure.exit_code


def _click_command(row: Command) -> click.Command:
    def callback(**given: Any) -> None:
        context = click.get_current_context()
        session = _session(_remember(context, given))
        values = {name: value for name, value in given.items() if name not in COMMON}
        context.exit(int(attempt(lambda: row.run(session, **values), as_json=session.json)))

    return click.Command(
        name=row.words.split()[-1],
        callback=callback,
        params=[*row.params, *_common()],
        help=f"{row.help}\n\n{row.more}".rstrip(),
        short_help=row.help,
        context_settings={"ignore_unknown_options": True} if row.minus else None,
    )


class _Group(click.Group):
    """A group that says what is wrong with its words as every other failure is said: one line, or JSON."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run the words; ends the program."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(words, prog_name, **extra | {"standalone_mode": False})
        except click.ClickException as error:
            status = _misused(error, as_json="--json" in words)
        except (KeyboardInterrupt, click.Abort):
            status = _fail(Failure(Exit.INTERRUPTED, "interrupted"), "--json" in words)
        sys.exit(status if isinstance(status, int) else 0)


def _misused(error: click.ClickException, *, as_json: bool) -> Exit:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return Exit.USAGE
    context = getattr(error, "ctx", None)
    words, _, near = error.format_message().rstrip(".").partition(" (")
    near = near.rstrip(")")
    if words.startswith("Got unexpected extra"):
        words, near = f"{words}: {near}", ""
    words = words.replace("a valid integer range", "a whole number").replace("a valid float range", "a number")
    hint = near or (f"'{context.command_path} --help' explains" if context is not None else "")
    return _fail(Failure(Exit.USAGE, f"{words[:1].lower()}{words[1:]}", hint), as_json)


def _click_group(name: str, words: str, default: str = "", epilog: str = "") -> click.Group:
    def callback(**given: Any) -> None:
        context = click.get_current_context()
        _remember(context, given)
        if context.invoked_subcommand is None:
            assert isinstance(context.command, click.Group)
            context.invoke(context.command.commands[default], **dict.fromkeys(COMMON))

    return _Group(
        name=name,
        callback=callback,
        params=_common(),
        help=words + (f"\n\nWithout a command: {default}." if default else ""),
        short_help=words,
        epilog=epilog,
        invoke_without_command=bool(default),
        no_args_is_help=not default,
    )


def exit_codes() -> str:
    """The exit codes on one line, for --help."""
    return "Exit codes: " + ", ".join(f"{int(code)} {words}" for code, words in MEANINGS.items()) + "."


@dataclass(slots=True)
class Book:
    """All commands of the program."""

    about: str
    groups: Sequence[Group]
    commands: Sequence[Command]
    version: str = ""
    root: click.Group = field(init=False)

    def __post_init__(self) -> None:
        self.root = _click_group("appliance", self.about, epilog=exit_codes())
        self.root.params.append(_version_option(self.version))
        inside = {group.word: _click_group(group.word, group.help, group.default) for group in self.groups}
        for row in self.commands:
            first, _, rest = row.words.partition(" ")
            (inside[first] if rest else self.root).add_command(_click_command(row))
        for made in inside.values():
            self.root.add_command(made)

    def rows(self) -> Iterable[tuple[str, click.Command]]:
        """Every command by its words, in the table's order."""
        for row in self.commands:
            first, _, rest = row.words.partition(" ")
            made = self.root.commands[first]
            yield row.words, made.commands[rest] if rest and isinstance(made, click.Group) else made


def _version_option(version: str) -> click.Option:
    def show(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"appliance {version}")
            context.exit()

    return option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show, help="Say the version.")
