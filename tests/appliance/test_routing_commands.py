"""`rates` and `trunks`: a deck comes as a file or by a pipe, and a wrong cell is named by its place."""

from pathlib import Path

from appliance.cli.exits import Exit
from tests.appliance.shell import DECK, Shell


def test_a_deck_is_imported_and_listed(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "retail.csv"
    file.write_text(DECK + "".join(f"88{n:04d};1,5;somewhere\n" for n in range(2500)))
    assert up.json("rates", "import", "retail", str(file)) == {"deck": "retail", "rates": 2502}
    assert up.json("rates", "list")["decks"][0]["rates"] == 2502
    assert up.json("rates", "list", "retail", "--prefix", "4930")["rates"][0]["per_minute"] == "0.01"
    assert up.run("rates", "remove", "retail").exit_code == Exit.OK


def test_a_wrong_cell_names_file_line_and_column(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "retail.csv"
    file.write_text(DECK + "".join(f"88{n:04d};1,5;somewhere\n" for n in range(1500)) + "33;dear;France\n")
    result = up.run("rates", "import", "retail", str(file))
    assert result.exit_code == Exit.REFUSED
    assert "retail.csv, line 1504, column per_minute" in result.stderr
    assert up.json("rates", "list") == {"decks": []}


def test_a_deck_comes_from_standard_input_too(up: Shell) -> None:
    assert up.json("rates", "import", "retail", "-", stdin=DECK)["rates"] == 2


def test_a_file_that_is_not_text_names_the_place(up: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"prefix,per_minute\n49,\xff\n")
    result = up.run("rates", "import", "retail", str(tmp_path / "x.csv"))
    assert "line 2, column 4: not UTF-8" in result.stderr
    assert up.run("rates", "import", "retail", str(tmp_path / "none")).exit_code == Exit.NOT_FOUND


def test_trunks_and_their_routes(up: Shell) -> None:
    words = ("--prefix", "49", "--inbound", "192.0.2.0/28", "--channels", "30", "--transport", "tcp")
    trunk = up.json("trunks", "add", "carrier", "192.0.2.9", *words)["trunk"]
    assert (trunk["transport"], trunk["max_channels"], trunk["inbound"]) == ("tcp", 30, ["192.0.2.0/28"])
    routes = up.json("trunks", "routes", "carrier", "--add", "44", "--priority", "5", "--remove", "49")["routes"]
    assert routes == [{"prefix": "44", "priority": 5, "strip": 0, "prepend": ""}]
    assert up.json("trunks", "routes", "carrier", "--add", "all")["routes"][0]["prefix"] == ""
    assert up.json("trunks", "set", "carrier", "--disable")["trunk"]["enabled"] is False
    assert "carrier" in up.run("trunks").stdout
    assert up.run("trunks", "remove", "carrier").exit_code == Exit.OK
