"""The commands about prices against a running office."""

from pathlib import Path

import pytest

from appliance.cli.exits import Exit
from appliance.cli.rates import COMPARED_ROWS
from pysrv.control import decks
from tests.appliance.shell import Shell

DECK = "prefix;per_minute;time_class\n49;0,12;\n49171;0,30;peak\n"


def test_a_deck_is_imported_with_its_terms_and_exported_again(up: Shell, tmp_path: Path) -> None:
    assert up.run("taxes", "set", "vat", "19%").exit_code == Exit.OK
    assert up.run("currencies", "set", "USD", "0.92").exit_code == Exit.OK
    words = ("rates", "import", "retail", "-", "--currency", "USD", "--tax", "vat")
    assert up.json(*words, stdin=DECK)["rates"] == 2
    (deck,) = up.json("rates")["decks"]
    assert (deck["currency"], deck["tax"]) == ("USD", "vat")
    file = tmp_path / "out.csv"
    assert up.json("rates", "export", "retail", str(file))["rates"] == 2
    assert up.json("rates", "import", "again", str(file))["rates"] == 2
    assert "49171,0.3,0,1,1,0,,0,,peak,," in up.run("rates", "export", "retail").stdout.splitlines()


def test_an_import_of_a_later_day_says_so(up: Shell) -> None:
    up.run("rates", "import", "retail", "-", stdin=DECK)
    result = up.run("rates", "import", "retail", "-", "--effective", "2030-01-07", stdin=DECK)
    assert "in force from 2030-01-0" in result.stdout
    assert up.run("rates", "remove", "retail", "--scheduled").exit_code == Exit.OK
    assert len(up.json("rates")["decks"]) == 1


def test_two_prices_at_one_time_name_file_line_and_column(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "retail.csv"
    file.write_text("prefix,per_minute,valid_from\n49,1,2026-01-01\n49,2,2026-06-01\n")
    result = up.run("rates", "import", "retail", str(file))
    assert result.exit_code == Exit.REFUSED
    assert "retail.csv, line 3, column valid_from: 49 holds at the same time twice" in result.stderr


def test_the_calculator_shows_lines_routes_and_refusals(up: Shell) -> None:
    up.run("rates", "import", "retail", "-", stdin=DECK)
    up.run("accounts", "add", "alice", "--deck", "retail")
    up.run("trunks", "add", "carrier", "192.0.2.7", "--prefix", "49")
    shown = up.run("rates", "quote", "4930123", "--account", "alice", "--seconds", "90").stdout
    assert "alice: prefix 49 (longest match) in deck retail" in shown
    assert "total EUR" in shown and "0.18" in shown
    assert "trunk carrier, route 49" in shown
    assert "the owner earns 0.18 EUR; no cost known: give the trunk a rate deck" in shown
    assert up.json("rates", "quote", "33", "--deck", "retail")["levels"][0]["rate"] is None
    assert up.run("rates", "quote", "33").exit_code == Exit.REFUSED


def test_currencies_and_taxes_are_listed(up: Shell) -> None:
    up.run("taxes", "set", "vat", "19%", "--note", "Germany")
    up.run("currencies", "set", "USD", "23/25", "--from", "2026-01-01")
    assert "Germany" in up.run("taxes").stdout
    assert "23/25" in up.run("currencies").stdout
    assert up.run("currencies", "remove", "USD").exit_code == Exit.OK
    assert up.run("taxes", "remove", "vat").exit_code == Exit.OK
    assert "prices are in EUR alone" in up.run("currencies").stdout


def test_quality_and_a_past_call_are_shown(up: Shell) -> None:
    assert "no calls were offered" in up.run("trunks", "quality").stdout
    assert up.run("calls", "show", "c1").exit_code == Exit.NOT_FOUND
    assert up.json("trunks", "quality") == {"quality": [], "window_s": 86_400.0}


def test_an_account_pays_in_its_own_currency(up: Shell) -> None:
    up.run("currencies", "set", "USD", "0.5")
    up.run("rates", "import", "retail", "-", stdin=DECK)
    assert up.run("accounts", "add", "alice", "--deck", "retail", "--currency", "USD").exit_code == Exit.OK
    (level,) = up.json("rates", "quote", "4930123", "--account", "alice")["levels"]
    assert (level["total"], level["currency"]) == ("0.24", "USD")


def test_a_dry_run_counts_what_a_deck_would_change_and_changes_nothing(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    many = "".join(f"33{number},1\n" for number in range(COMPARED_ROWS + 1))
    file.write_text(f"prefix,per_minute\n49,1\n{many}")
    first = up.json("rates", "import", "retail", str(file), "--dry-run")
    assert (first["dry_run"], first["added"], first["changed"], first["removed"]) == (True, COMPARED_ROWS + 2, 0, 0)
    assert up.json("rates")["decks"] == []
    assert up.run("rates", "import", "retail", str(file)).exit_code == Exit.OK
    file.write_text(f"prefix,per_minute\n49,2\n{many.removeprefix('330,1')}7,1\n")
    counted = up.json("rates", "import", "retail", str(file), "--dry-run")
    assert (counted["added"], counted["changed"], counted["removed"]) == (1, 1, 1)
    assert up.json("rates", "list", "retail", "--prefix", "49")["rates"][0]["per_minute"] == "1.00"
    assert COMPARED_ROWS == decks.COMPARED_ROWS


def test_at_a_terminal_a_deck_in_use_is_replaced_after_a_word(
    up: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    file, words = tmp_path / "new.csv", ("rates", "import", "retail")
    file.write_text("prefix,per_minute\n49,1\n")
    assert up.run(*words, str(file)).exit_code == Exit.OK  # there was none: nobody is asked
    file.write_text("prefix,per_minute\n49,2\n48,1\n")
    asked = up.run(*words, str(file), stdin="n\n")
    assert asked.exit_code != Exit.OK and "1 added, 1 changed, 0 removed. Replace it?" in asked.stderr
    assert up.json("rates")["decks"][0]["rates"] == 1
    assert up.run(*words, str(file), stdin="y\n").exit_code == Exit.OK
    assert up.run(*words, str(file), "--yes").exit_code == Exit.OK
    assert up.json("rates")["decks"][0]["rates"] == 2
