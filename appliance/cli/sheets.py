"""`appliance accounts import` and `export`: accounts as a CSV file.

A file is read here, so that an error names its line; what a cell may hold is the office's to say. Generated passwords
leave by a file of their own, or are shown once.
"""

import contextlib
import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from appliance.cli.exits import Exit, Failure
from appliance.cli.importing import bar_of, read_file
from appliance.cli.link import Request
from appliance.cli.passwords import GENERATED, generated
from appliance.cli.show import Answer, Column, line, table
from appliance.cli.table import Command, Session, argument, option
from appliance.config.account import FIELDS

PIECE_ROWS = 25  # with a password to be judged in each, a tenth of a second
MOST_BYTES = 64 * 1024 * 1024
MOST_SHOWN = 50  # generated passwords that are shown where no file was named
DELIMITERS = ",;\t"
COLUMNS = ("name", "password", "numbers", "credit", "currency", *FIELDS)
SECRETS = (Column("name", "account"), Column("password", "password"))


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One row of a file: where it begins, and its cells by column."""

    line: int
    cells: Mapping[str, str] = field(repr=False)


def read_sheet(data: bytes, name: str) -> tuple[list[str], list[SheetLine]]:
    """The columns and rows of a CSV file in UTF-8, separated by comma, semicolon or tab. Raises Failure."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise _bad(name, number, "not UTF-8 text", "save the file as 'CSV UTF-8'") from None
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return _rows(reader, name)


def _rows(reader: Any, name: str) -> tuple[list[str], list[SheetLine]]:
    columns: list[str] = []
    rows, at = [], 1
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip().lower() for cell in cells]
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(columns):
                    raise _bad(name, at, f"{len(cells)} cells, and the header has {len(columns)}")
                rows.append(SheetLine(at, dict(zip(columns, cells, strict=True))))
            at = reader.line_num + 1
    except csv.Error as error:
        raise _bad(name, at, f"no CSV: {error}") from None
    if not rows:
        raise Failure(Exit.REFUSED, f"{name} has no accounts", "the first line names columns, each other an account")
    return columns, rows


def _bad(name: str, number: int, words: str, hint: str = "nothing was imported") -> Failure:
    return Failure(Exit.REFUSED, f"{name}, line {number}: {words}", hint, "bad_sheet")


@contextlib.contextmanager
def _kept_apart(path: str | None, made: Mapping[str, str], *, dry_run: bool) -> Iterator[None]:
    """Generated passwords in a new file of mode 0600; no import, no file."""
    if path is None or dry_run or not made:
        yield
        return
    try:
        held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{path} cannot be made: {error.strerror}", "name a file that is new") from None
    try:
        with os.fdopen(held, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("name", "password"), *made.items()])
            file.flush()
            os.fsync(file.fileno())
        yield
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def _import(session: Session, file: str, passwords: str | None, dry_run: bool, update: bool) -> Answer:
    columns, lines = read_sheet(read_file(file, MOST_BYTES, "split the file"), file)
    made = {each.cells["name"].strip(): generated() for each in lines if _wants_one(each)}
    if len(made) > MOST_SHOWN and passwords is None and not dry_run:
        words = f"{len(made)} passwords would be generated: --passwords FILE says where they go"
        raise Failure(Exit.USAGE, words, "it is made with mode 0600")
    begin: Request = ("sheets.begin", {"columns": columns, "update": update})
    rows = [_wired(each, made) for each in lines]
    pieces = range(0, len(rows), PIECE_ROWS)
    requests = [begin, *(("sheets.rows", {"rows": rows[at : at + PIECE_ROWS]}) for at in pieces)]
    with _kept_apart(passwords, made, dry_run=dry_run):
        result = _send(session, file, [*requests, ("sheets.commit", {"dry_run": dry_run})], len(rows))
    shown = {} if dry_run or passwords is not None else made
    told = [{"name": name, "password": password} for name, password in shown.items()]
    human = (line(_words(result)), *((table(SECRETS, told, ""),) if told else ()), *_once(told, passwords, made))
    return Answer(result | ({"passwords": told} if told else {}), human if not dry_run else human[:1])


def _wants_one(row: SheetLine) -> bool:
    return row.cells.get("password", "").strip().lower() == GENERATED and "name" in row.cells


def _wired(row: SheetLine, made: Mapping[str, str]) -> dict[str, Any]:
    if not _wants_one(row):
        return {"line": row.line, "cells": dict(row.cells)}
    cells = dict(row.cells) | {"password": made[row.cells["name"].strip()]}
    return {"line": row.line, "cells": cells, "generated": True}


def _send(session: Session, file: str, requests: list[Request], total: int) -> dict[str, Any]:
    with bar_of(session, f"{Path(file).name}") as drawn:
        task = drawn.add_task("", total=total, words="lines")

        def progress(done: int, _total: int) -> None:
            drawn.update(task, completed=min((done - 1) * PIECE_ROWS, total))

        try:
            return session.link().office_all(requests, progress)[-1]
        except Failure as failure:
            if failure.code != "bad_sheet":
                raise
            raise Failure(failure.exit_code, f"{file}, {failure.message}", failure.hint, failure.code) from None


def _words(result: Mapping[str, Any]) -> str:
    would = "would be " if result["dry_run"] else ""
    words = f"accounts: {len(result['added'])} {would}added, {len(result['updated'])} {would}changed"
    kept = result["credit_kept"]
    return words + (f"; the balance of {kept} stays: 'appliance accounts set NAME --top-up' moves it" if kept else "")


def _once(told: list[dict[str, str]], path: str | None, made: Mapping[str, str]) -> tuple[Any, ...]:
    if told:
        return (line("The passwords are shown this once; they are not kept in clear.", "dim"),)
    words = f"{len(made)} generated passwords are in {path} (mode 0600): hand them out, then remove it"
    return (line(words),) if made else ()


def _export(session: Session, file: str) -> Answer:
    accounts = session.link().office("accounts.list")["accounts"]
    written = io.StringIO()
    sheet = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    sheet.writeheader()
    for account in accounts:
        own = {"name": account["name"], "numbers": " ".join(account["numbers"]), "credit": account["balance"]}
        sheet.writerow(account["fields"] | own | {"password": "", "currency": account["currency"]})
    if file == "-":
        return Answer({"accounts": len(accounts), "csv": written.getvalue()}, (written.getvalue().rstrip("\n"),))
    try:
        held = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(held, "w", encoding="utf-8") as out:
            out.write(written.getvalue())
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{file} cannot be written: {error.strerror}") from None
    return Answer({"accounts": len(accounts), "file": file}, (line(f"{len(accounts)} accounts are in {file}"),))


COMMANDS = (
    Command(
        "accounts import",
        "Add accounts from a CSV file; all of them or none.",
        _import,
        (
            argument("file", type=click.Path(allow_dash=True)),
            option("--dry-run", is_flag=True, default=False, help="Do everything and take it back."),
            option("--update", is_flag=True, default=False, help="Also change accounts that exist."),
            option("--passwords", metavar="FILE", type=click.Path(), help="A new file for generated passwords."),
        ),
        "The header names the columns: name, password (or the word generated), numbers (separated by spaces), credit, "
        "currency, and every option of 'accounts add' as 'accounts export' writes it. An empty cell is the default, or "
        "with --update what is there. An error names line and column. The balance of an account that exists stays.",
    ),
    Command(
        "accounts export",
        "Write all accounts as a CSV file, without passwords.",
        _export,
        (argument("file", type=click.Path(allow_dash=True), default="-"),),
        "What is written can be changed and imported again with --update.",
    ),
)
