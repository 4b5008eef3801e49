"""Where backups lie, when they are made and how long they are kept: STATE/backup, root's alone.

These are no settings of the settings table: the office may write those, and whoever names the repository decides what
root sends where and with which programs. So they stand in a file of root's, `options.toml`, and the repository's
password in one beside it. Both have mode 0600.
"""

import hashlib
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from appliance.backup.keys import certificates

DIRECTORY, OPTIONS, PASSWORD, LOCAL = "backup", "options.toml", "password", "repository"
PASSWORD_BYTES: Final = 24
MOST_BYTES: Final = 64 * 1024
REMOTE: Final = ("sftp:", "s3:", "rest:", "b2:", "azure:", "gs:", "swift:")
# Places that restic reaches by starting another program, which is not installed and has a configuration of its own.
NOT_TAKEN: Final = ("rclone:",)
ADDRESSED: Final = ("s3:", "rest:")
LONGEST_KEPT: Final = 10_000
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
# Up to the last at sign before the path, where an address ends its password. A slash in one is refused.
_SECRET: Final = re.compile(r"(://[^/@:\s]*:)[^/\s]*@")
_CONFIDENTIAL: Final = re.compile(r"KEY|SECRET|PASS|TOKEN|SAS")
LEAST_SECRET: Final = 4  # characters: shorter texts would black out words that are none
# What decides how programs run, rather than whom the repository lets in.
_FORBIDDEN: Final = ("LD_", "RESTIC_", "PYTHON", "PATH", "HOME", "IFS", "BASH", "ENV")


class BackupError(Exception):
    """A backup that was not made, looked at or put back: one line, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class NotPermitted(BackupError):
    """What only root may do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator chose. `every_h`: hours between scheduled backups, 0: none by themselves; `at_h`: the hour of
    the day (local time) from which the day's one is due, when `every_h` is 24 or more. The others say how many are
    kept: of the last ones, and of the last one of each day, week and month."""

    repository: str = ""
    every_h: int = 24
    at_h: int = 3
    keep_last: int = 3
    keep_daily: int = 7
    keep_weekly: int = 5
    keep_monthly: int = 12
    environment: Mapping[str, str] = field(default_factory=dict)
    authority: str = ""  # the file in STATE/backup whose certificates vouch for the place, beside those of the machine

    def __post_init__(self) -> None:
        """Raises BackupError that names what is out of range."""
        _within("every_h", self.every_h, 0, 24 * 31)
        _within("at_h", self.at_h, 0, 23)
        for name in KEPT:
            _within(name, getattr(self, name), 0, LONGEST_KEPT)
        if not any(getattr(self, name) for name in KEPT):
            raise BackupError("nothing would be kept", "give one of the numbers of what is kept more than 0")
        if self.repository:
            check_repository(self.repository)
        for name, value in self.environment.items():
            check_variable(name, value)
        if self.authority and not _AUTHORITY.fullmatch(self.authority):
            raise BackupError(f"{self.authority!r:.80} is no file of an authority", "'appliance backup init --ca FILE'")

    def told(self, text: str) -> str:
        """A text of another program's without the secrets of this place."""
        text = masked(text)
        for name, value in self.environment.items():
            if _CONFIDENTIAL.search(name) and len(value) >= LEAST_SECRET:
                text = text.replace(value, "***")
        return text

    @property
    def shown(self) -> str:
        """The repository as it may be shown: without a password in its address."""
        return masked(self.repository)

    @property
    def is_local(self) -> bool:
        """Whether the repository lies in a directory of this machine."""
        return not self.repository.startswith(REMOTE)


KEPT: Final = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
NUMBERS: Final = ("every_h", "at_h", *KEPT)


_AUTHORITY: Final = re.compile(r"authority-[0-9a-f]{16}\.pem")


def _within(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise BackupError(f"{name} is {value!r}, and must be a whole number from {least} to {most}")


def masked(text: str) -> str:
    """A text without the passwords of addresses in it."""
    return _SECRET.sub(r"\1***@", text)


def check_repository(text: str) -> None:
    """Raises BackupError for what is neither an absolute directory nor a remote place that restic knows."""
    if not text.isprintable() or len(text) > 1000 or text.startswith("-"):
        raise BackupError(f"{text!r:.80} is no repository", "name a directory, or sftp:, s3:, rest: and its place")
    if text.startswith(NOT_TAKEN):
        words = f"{text.partition(':')[0]}: is no place of the appliance's: it would need a program that is not there"
        raise BackupError(words, "sftp:, s3:, rest: and a directory need none")
    if text.startswith("sftp:"):
        # ssh takes what begins with a minus for an option, and some of its options run programs (ssh.py looks closer).
        host = text.removeprefix("sftp:").removeprefix("//")
        if host.rpartition("@")[2].startswith("-") or host.startswith("-"):
            raise BackupError(f"{masked(text)!r:.80} names no host", "sftp:USER@HOST:/DIRECTORY")
    elif text.startswith(ADDRESSED):
        _check_address(text)
    elif not text.startswith((*REMOTE, "/")):
        kinds = ", ".join(REMOTE)
        raise BackupError(f"{masked(text)!r:.80} is no repository", f"an absolute directory, or a place behind {kinds}")


def _check_address(text: str) -> None:
    """Raises BackupError for an address of which programs would disagree where its password ends."""
    kind, _, address = text.partition(":")
    if kind == "s3" and "://" not in address and "@" not in address and address.strip("/"):
        return  # s3:HOST/BUCKET
    try:
        found = urlsplit(address)
        whole = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        whole = False
    if not whole or "@" in found.path or (kind == "s3" and "@" in found.netloc):
        hint = {
            "s3": "s3:https://HOST/BUCKET; its keys go by --env",
            "rest": "rest:https://USER:PASSWORD@HOST:PORT/NAME/",
        }
        words = f"this is no address behind {kind}: (in a name or password /, @ and : are written %2F, %40 and %3A)"
        raise BackupError(words, hint[kind])


def check_variable(name: str, value: str) -> None:
    """Raises BackupError for a name that is no credential of a repository."""
    if not _VARIABLE.fullmatch(name) or name.startswith(_FORBIDDEN):
        hint = "such as AWS_ACCESS_KEY_ID; 'restic help' and its manual name them"
        raise BackupError(f"{name!r:.60} is no variable for a repository's credentials", hint)
    if not isinstance(value, str) or not value.isprintable():
        raise BackupError(f"{name} must be one line of text")


class Place:
    """STATE/backup of one appliance."""

    def __init__(self, state: Path) -> None:
        self.state, self.directory = state, state / DIRECTORY
        self.options_file, self.password_file = self.directory / OPTIONS, self.directory / PASSWORD
        self.tried_file = self.directory / (PASSWORD + ".tried")  # a password before it has opened anything
        self.local = self.directory / LOCAL

    def make(self) -> None:
        """The directory, closed to everybody else. Raises BackupError."""
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o755)
            self.directory.mkdir(exist_ok=True, mode=0o700)
            os.chmod(self.directory, 0o700, follow_symlinks=True)
        except OSError as error:
            raise _unwritable(error) from None

    @property
    def is_set_up(self) -> bool:
        """Whether `appliance backup init` or a first backup has been here. Raises BackupError."""
        return _is_there(self.options_file) and _is_there(self.password_file)

    def options(self) -> Options:
        """What the file says; the defaults where there is none. Raises BackupError."""
        text = self.text(self.options_file)
        try:
            found: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BackupError(f"{self.options_file}: {error}", "mend the file, or take it away") from None
        known = {each.name for each in fields(Options)}
        if unknown := sorted(set(found) - known):
            raise BackupError(f"{self.options_file}: there is no option {unknown[0]!r:.60}", "mend the file")
        if not isinstance(found.get("environment", {}), dict) or any(
            not isinstance(found.get(name, ""), str) for name in ("repository", "authority")
        ):
            words = f"{self.options_file}: repository and authority are texts, environment a table"
            raise BackupError(words, "mend the file")
        chosen = Options(**found)
        return chosen if chosen.repository else Options(**asdict(chosen) | {"repository": str(self.local)})

    def choose(self, options: Options) -> None:
        """Write the file, whole. Raises BackupError."""
        lines = ["# Written by 'appliance backup set'; docs/operations.md explains it."]
        lines += [f"repository = {_quoted(options.repository)}"]
        lines += [f"{name} = {getattr(options, name)}" for name in NUMBERS]
        lines += [f"authority = {_quoted(options.authority)}"] if options.authority else []
        if options.environment:
            lines += ["", "[environment]"]
            lines += [f"{name} = {_quoted(value)}" for name, value in sorted(options.environment.items())]
        self.write(self.options_file, "\n".join(lines) + "\n")

    def keep_authority(self, pem: bytes) -> str:
        """Certificates that vouch for the place, written; the name of their file. Raises BackupError."""
        try:
            text = certificates(pem)
        except ValueError:
            raise BackupError("this file holds no certificate", "give the authority's certificate in PEM") from None
        name = f"authority-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
        self.write(self.directory / name, text)
        return name

    def drop_authorities(self) -> None:
        """Take away the certificates that no options name. Raises BackupError."""
        kept = self.options().authority
        for path in self.directory.glob("authority-*.pem"):
            if path.name != kept:
                path.unlink(missing_ok=True)

    def password(self, file: Path | None = None) -> str:
        """The repository's password; `file`: another file's than the place's own. Raises BackupError."""
        if not (found := self.text(file or self.password_file).strip()):
            hint = "'appliance backup init' makes one, or takes that of a repository that is there"
            raise BackupError(f"there is no password in {file or self.password_file}", hint)
        return found

    def make_password(self) -> str:
        """A new password, written. Raises BackupError."""
        made = secrets.token_urlsafe(PASSWORD_BYTES)
        self.write(self.password_file, made + "\n")
        return made

    @staticmethod
    def text(path: Path) -> str:
        """What a file of the directory says; empty where there is none. Raises BackupError."""
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return ""
        except PermissionError as error:
            raise _closed(error) from None
        except (OSError, UnicodeDecodeError) as error:
            raise BackupError(f"{path} cannot be read: {error}", "mend the file, or take it away") from None

    def write(self, path: Path, text: str) -> None:
        """A file of mode 0600 in the directory, whole or not at all. Raises BackupError."""
        self.make()
        fresh = path.with_name(path.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            held = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(held, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(held)
            fresh.rename(path)
        except OSError as error:
            raise _unwritable(error) from None


def _is_there(path: Path) -> bool:
    # Newer versions of Path.exists() say False of what may not be looked at.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise _closed(error) from None
    return True


def _quoted(text: str) -> str:
    """A basic string of TOML; what comes in is printable."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _closed(error: PermissionError) -> BackupError:
    return NotPermitted(f"{error.filename} is not yours to read", "run the command as root")


def _unwritable(error: OSError) -> BackupError:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{error.filename} is not yours to write", "run the command as root")
    return BackupError(f"cannot write to {error.filename}: {error.strerror}", "see --state")
