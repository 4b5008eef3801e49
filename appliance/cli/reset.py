"""`appliance reset`: the machine as it was delivered."""

import os
import shutil
import subprocess
from pathlib import Path

import click
from rich.console import RenderableType

from appliance import reset
from appliance.backup.place import BackupError
from appliance.backup.restoring import unused
from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, Column, line, say, table
from appliance.cli.table import Command, Session, option
from appliance.following.choice import FollowError, Room
from appliance.prerequisites import CannotStart, RuntimeLock
from appliance.reset import ResetError, Wanted

ROOT = Path("/")
WORD = "reset"
UNITS = ("appliance.service", "appliance-office.service")
PATIENCE_S = 120.0
GOES = (Column("path", "goes"), Column("what", "what it is"))


def _reset(session: Session, network: bool, keep_backups: bool, yes: bool) -> Answer:
    if os.geteuid() != 0:
        raise Failure(Exit.NOT_PERMITTED, "only root can reset the appliance", "run it as root")
    state = session.state.absolute()
    wanted = reset.begun(state) or Wanted(network, keep_backups)  # one that was begun is finished as it was begun
    gone, kept = reset.goes(state, ROOT, wanted), reset.stays(state, ROOT, wanted)
    if not gone and not reset.under_way(state):
        raise Failure(Exit.NOT_FOUND, f"there is nothing of the appliance in {state}", "see --state")
    if not yes:
        if session.json:
            raise click.UsageError("with --json, 'reset' needs --yes")
        say(Answer(None, _shown(gone, kept)), as_json=False)
        word = click.prompt(f"All of this goes for good. Type {WORD}", default="", show_default=False, err=True)
        if word.strip() != WORD:
            raise Failure(Exit.REFUSED, "nothing was removed")
    stopped = _stopped()
    lock = RuntimeLock(session.runtime.absolute())
    try:
        lock.take()
    except CannotStart as error:
        words = f"the appliance runs: {error.reasons[0]}"
        raise Failure(Exit.REFUSED, words, "stop it, then reset; nothing was removed") from None
    try:
        with unused(state), Room(state).still():
            reset.begin(state, wanted)
            if reset.is_image(ROOT):
                reset.forget_machine(ROOT, wanted)
            reset.finish(state)
    except (BackupError, FollowError) as error:
        raise Failure(Exit.REFUSED, error.message, error.hint) from None
    except ResetError as error:
        raise Failure(Exit.REFUSED, str(error)) from None
    finally:
        lock.release()
    value = {"removed": [path for path, _ in gone], "network": wanted.network, "keep_backups": wanted.keep_backups}
    return Answer(value, (line("reset: the next start is a first one"), line(_next(stopped=stopped), "dim")))


def _shown(gone: list[tuple[str, str]], kept: list[str]) -> tuple[RenderableType, ...]:
    rows = [{"path": path, "what": what} for path, what in gone]
    return (table(GOES, rows, "a reset was begun already"), *(line(f"stays: {each}") for each in kept))


def _next(*, stopped: bool) -> str:
    if reset.is_image(ROOT):
        return "restart the machine: 'systemctl reboot'"
    return "start it: 'systemctl start appliance'" if stopped else "start it with 'appliance run'"


def _stopped() -> bool:
    """Stops the service of systemd where it runs; False: there is none. Raises Failure."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir() or not _asked(systemctl, "is-active", "--quiet"):
        return False
    if not _asked(systemctl, "stop"):
        raise Failure(Exit.REFUSED, "systemd did not stop the appliance", "see 'systemctl status appliance'")
    return True


def _asked(systemctl: str, *words: str) -> bool:
    command = [systemctl, *words, *UNITS]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


COMMANDS = (
    Command(
        "reset",
        "Make the appliance as it was delivered: everything that it holds goes.",
        _reset,
        (
            option("--network", is_flag=True, default=False, help="Address and name of an image's machine too."),
            option("--keep-backups", is_flag=True, default=False, help="A repository within the state stays."),
            option("--yes", is_flag=True, default=False, help="Do not ask."),
        ),
        "Database, certificate, keys, secrets, settings, tunnel, the backups' password and options, and the source of "
        "updates that was chosen; on the image "
        "also machine id, SSH host keys, the keys that SSH takes, and the journal. What goes is shown, and a word has "
        "to be typed. A service of systemd is stopped; an 'appliance run' has to be stopped by hand. One that is "
        "interrupted has done nothing, or is finished at the next start: a first one, with a new first password.",
    ),
)
