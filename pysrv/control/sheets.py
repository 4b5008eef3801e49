"""Verbs that import accounts from a sheet: rows come in pieces and are checked, and count together or not at all.

Every error names line and column. An existing account changes only when the sheet may update, only where a cell is not
empty, and never its money. The hash of a password for the web is made when it is first used there: ten thousand at once
would hold calls up for minutes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from appliance.config.account import FIELDS
from appliance.config.fields import BadValue
from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing import money
from pysrv.billing.number import normalise
from pysrv.control import accounts
from pysrv.control.answer import Done
from pysrv.control.desk import Desk
from pysrv.control.passwords import checked
from pysrv.store import StoreError
from pysrv.store.account_checks import CHECKS, check_currency, check_name

OWN_COLUMNS = ("name", "password", "numbers", "credit", "currency")
COLUMNS = (*OWN_COLUMNS, *FIELDS)
MOST_ROWS = 200_000
MOST_BESIDE_CALLS = 500  # rows of one transaction, which takes a quarter of a second: leases are renewed no later
SHOWN = 20  # problems


@dataclass(frozen=True, slots=True)
class BeginSheet:
    """The columns of a sheet, and whether it may change accounts that exist."""

    columns: tuple[str, ...]
    update: bool = False


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row: where it stands in the file, and its cells by column. `generated`: a machine made the password up."""

    line: int
    cells: dict[str, str] = field(repr=False)
    generated: bool = False


@dataclass(frozen=True, slots=True)
class SheetRows:
    """One piece of a sheet."""

    rows: tuple[SheetRow, ...]


@dataclass(frozen=True, slots=True)
class CommitSheet:
    """The end of a sheet. `dry_run`: everything is done and taken back."""

    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A row that was read: what it makes of which account."""

    line: int
    name: str
    password: str | None = field(repr=False)
    generated: bool
    numbers: tuple[str, ...] | None
    credit: str | None
    currency: str | None
    fields: Mapping[str, Any]
    exists: bool


@dataclass(slots=True)
class SheetImport:
    """A sheet that is coming in."""

    settings: Settings
    decks: frozenset[str]
    update: bool
    rows: list[Planned] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)  # names and numbers, and where each stands
    problems: list[str] = field(default_factory=list)

    def wrong(self, line: int, column: str, words: str) -> None:
        """Notes what is wrong with a cell."""
        self.problems.append(f"line {line}{f', column {column}' if column else ''}: {words}")

    def refuse(self) -> None:
        """Raises WireError with what is wrong, if anything is."""
        if self.problems:
            more = len(self.problems) - SHOWN
            words = "; ".join(self.problems[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise WireError("bad_sheet", words, "nothing was imported")


class SheetRead(TypedDict):
    """How many rows can be carried out so far, and how many problems there are."""

    rows: int
    problems: int


class SheetImported(TypedDict):
    """The accounts that were added and changed, by name; nothing was with `dry_run`. `credit_kept`: so many have money
    already, which a sheet leaves alone."""

    added: list[str]
    updated: list[str]
    credit_kept: int
    dry_run: bool


def begin(desk: Desk, args: BeginSheet) -> Done:
    """sheets.begin: one import at a time for each connection."""
    desk.close()
    for number, column in enumerate(args.columns, 1):
        if column not in COLUMNS or column in args.columns[: number - 1]:
            words = "stands there twice" if column in COLUMNS else f"there are {', '.join(COLUMNS)}"
            raise WireError("bad_sheet", f"line 1, column {number}: {column[:60]!r}: {words}", "nothing was imported")
    if "name" not in args.columns:
        raise WireError("bad_sheet", "line 1: there is no column name", "nothing was imported")
    decks = frozenset(deck.name for deck in desk.store.decks())
    desk.sheet = SheetImport(desk.settings, decks, args.update)
    return {}


def rows(desk: Desk, args: SheetRows) -> SheetRead:
    """sheets.rows"""
    sheet = _sheet(desk)
    if len(sheet.rows) + len(args.rows) > MOST_ROWS:
        raise WireError("bad_sheet", f"more than {MOST_ROWS} rows", "split the file; nothing was imported")
    for row in args.rows:
        planned = _read(desk, sheet, row)
        if planned is not None:
            sheet.rows.append(planned)
    return {"rows": len(sheet.rows), "problems": len(sheet.problems)}


def commit(desk: Desk, args: CommitSheet) -> SheetImported:
    """sheets.commit"""
    sheet = _sheet(desk)
    for planned in sheet.rows:
        _check_parent(desk, sheet, planned)
    sheet.refuse()
    _spare_calls(desk, len(sheet.rows))
    done: SheetImported = {
        "added": [row.name for row in sheet.rows if not row.exists],
        "updated": [row.name for row in sheet.rows if row.exists],
        "credit_kept": sum(row.exists and row.credit is not None for row in sheet.rows),
        "dry_run": args.dry_run,
    }
    _carry_out(desk, sheet, take_back=args.dry_run)
    sheet.refuse()
    desk.sheet = None
    if not args.dry_run:
        _tell(desk, [row.name for row in sheet.rows if row.exists])
    return done


def _spare_calls(desk: Desk, count: int) -> None:
    """Refuses what would hold running calls up until their leases end. Raises WireError."""
    if desk.live is not None and count > MOST_BESIDE_CALLS and desk.store.open_calls():
        words = f"calls are running, and {count} accounts at once would hold them up"
        hint = f"import while no call runs, or in files of {MOST_BESIDE_CALLS} rows; nothing was imported"
        raise WireError("busy", words, hint)


def _tell(desk: Desk, names: list[str]) -> None:
    """A new account is remembered by nobody; changed ones are."""
    for name in names:
        desk.after_commit(lambda live, name=name: live.account_changed(name))  # type: ignore[misc]


def _sheet(desk: Desk) -> SheetImport:
    if desk.sheet is None:
        raise WireError("conflict", "no sheet was begun on this connection")
    return desk.sheet


def _read(desk: Desk, sheet: SheetImport, row: SheetRow) -> Planned | None:
    """What a row says; None: nothing that can be carried out, and the problems say why."""
    before = len(sheet.problems)
    cells = {column: text.strip() for column, text in row.cells.items() if text.strip()}
    name = cells.get("name", "")
    _attempt(sheet, row.line, "name", lambda: check_name(name))
    existing = desk.store.account(name) if len(sheet.problems) == before else None
    if existing is not None and not sheet.update:
        sheet.wrong(row.line, "name", f"there is already an account {name!r}: --update changes it")
    if (first := sheet.lines.setdefault(f"name {name}", row.line)) != row.line:
        sheet.wrong(row.line, "name", f"{name!r} stands in line {first} already")
    fields = _fields(desk, sheet, row.line, name, cells)
    numbers = _numbers(desk, sheet, row.line, name, cells.get("numbers"))
    _money(sheet, row.line, cells, existing.currency if existing is not None else None)
    password = row.cells.get("password") or None
    known = {"display_name": existing.display_name, "email": existing.email} if existing is not None else {}
    if password is None and existing is None:
        sheet.wrong(row.line, "password", "a new account needs one, or the word generated")
    elif password is not None:
        owned = numbers if numbers is not None else existing.numbers if existing is not None else ()
        owner = accounts.owner_of(name, owned, {**known, **fields})
        _attempt(
            sheet, row.line, "password",
            lambda: checked(sheet.settings, owner, password, generated=row.generated),
        )  # fmt: skip
    if len(sheet.problems) > before:
        return None
    money_cells = cells.get("credit"), cells.get("currency")
    return Planned(row.line, name, password, row.generated, numbers, *money_cells, fields, existing is not None)


def _attempt(sheet: SheetImport, line: int, column: str, act: Callable[[], object]) -> bool:
    """Whether something was not refused; a refusal is noted."""
    try:
        act()
    except (WireError, StoreError) as error:
        sheet.wrong(line, column, error.message)
        return False
    except (BadValue, money.MoneyError) as error:
        sheet.wrong(line, column, str(error))
        return False
    return True


def _fields(desk: Desk, sheet: SheetImport, line: int, name: str, cells: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, text in cells.items():
        if column not in FIELDS:
            continue
        try:
            found[column] = FIELDS[column].parse(text)
        except BadValue as error:
            sheet.wrong(line, column, str(error).removeprefix(column + " "))
            continue
        wanted = CHECKS.get(column)
        if wanted is not None and not wanted.accepts(found[column]):
            sheet.wrong(line, column, f"must be {wanted.words}, not {text[:60]!r}")
    if (deck := found.get("deck")) and deck not in sheet.decks:
        sheet.wrong(line, "deck", f"there is no rate deck {deck[:60]!r}")
    if (tax := found.get("tax")) is not None:
        _attempt(sheet, line, "tax", lambda: accounts.check_tax(desk, tax))
    if found.get("parent") == name:
        sheet.wrong(line, "parent", "no account is above itself")
    return found


def _numbers(desk: Desk, sheet: SheetImport, line: int, name: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    found = []
    for written in text.replace(",", " ").replace(";", " ").split():
        number = normalise(written)
        if number is None:
            sheet.wrong(line, "numbers", f"{written[:60]!r} is not a number: digits, with or without +, at most 32")
            continue
        owner = desk.store.account_by_number(number)
        if owner is not None and owner.name != name:
            sheet.wrong(line, "numbers", f"{number} already belongs to {owner.name}")
        if (first := sheet.lines.setdefault(f"number {number}", line)) != line:
            sheet.wrong(line, "numbers", f"{number} stands in line {first} already")
        found.append(number)
    _attempt(sheet, line, "numbers", lambda: accounts.check_decoys(sheet.settings, (name, *found)))
    return tuple(dict.fromkeys(found))


def _money(sheet: SheetImport, line: int, cells: Mapping[str, str], held: str | None) -> None:
    if (credit := cells.get("credit")) is not None:
        _attempt(sheet, line, "credit", lambda: accounts.not_negative(credit))
    if (currency := cells.get("currency")) is not None:
        _attempt(sheet, line, "currency", lambda: check_currency(currency))
        if held is not None and currency != held:
            sheet.wrong(line, "currency", f"the account has {held}, and keeps it")


def _check_parent(desk: Desk, sheet: SheetImport, planned: Planned) -> None:
    parent = planned.fields.get("parent")
    if parent and f"name {parent}" not in sheet.lines and desk.store.account(parent) is None:
        sheet.wrong(planned.line, "parent", f"there is no account {parent[:60]!r}, here or in the file")


class _TakenBack(Exception):
    """Ends a dry run."""


def _carry_out(desk: Desk, sheet: SheetImport, *, take_back: bool) -> None:
    """Every row, all together; parents when all accounts are there."""
    try:
        with desk.store.together():
            for planned in sheet.rows:
                _attempt(sheet, planned.line, "", lambda row=planned: _apply(desk, sheet, row))  # type: ignore[misc]
            for planned in sheet.rows:
                if (parent := planned.fields.get("parent")) is not None:
                    _attempt(
                        sheet, planned.line, "parent",
                        lambda row=planned, above=parent: desk.store.set_account(row.name, who=desk.who, parent=above),  # type: ignore[misc]
                    )  # fmt: skip
            if take_back or sheet.problems:
                raise _TakenBack
    except _TakenBack:
        pass


def _apply(desk: Desk, sheet: SheetImport, row: Planned) -> None:
    fields = {name: value for name, value in row.fields.items() if name != "parent"}
    if row.exists:
        account = desk.store.account(row.name)
        assert account is not None, "it was there when the row was read, and this is the same turn's store"
        changes = accounts.AccountChanges(password=row.password, generated=row.generated, numbers=row.numbers)
        accounts.update(desk, sheet.settings, account, changes, fields)
        return
    args = accounts.AddAccount(
        row.name,
        row.password or "",
        row.generated,
        numbers=row.numbers or (),
        credit=row.credit,
        currency=row.currency or "EUR",
    )
    accounts.insert(desk, sheet.settings, args, accounts.profile_of(sheet.settings, args) | fields, fields)
