"""`appliance accounts import`, `export`, `tree`, `days`, `allow`, `list`, `show`, `passwords`, `verify`, `reveal`: the
command against a real office."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.exits import Exit, Failure
from appliance.cli.passwords import LENGTH
from appliance.cli.sheets import COLUMNS, read_sheet
from appliance.cli.usage import WIDTH, bar
from pysrv.control.sheets import COLUMNS as OFFICE_COLUMNS
from tests.appliance.shell import Shell
from tests.control.office import Service, office

SHEET = "name;password;numbers;credit;parent;type\nshop;generated;;;;reseller\nalice;generated;+49301 102;5,5;shop;\n"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    with office(shell.runtime, shell.database, Service()):
        yield shell


def written(shell: Shell, text: str) -> str:
    path = shell.state / "accounts.csv"
    path.write_text(text)
    return str(path)


def test_a_sheet_is_imported_and_its_generated_passwords_are_in_a_file_of_their_own(up: Shell) -> None:
    secrets = up.state / "passwords.csv"
    file = written(up, SHEET.replace("5,5", "5.5"))
    result = up.run("accounts", "import", file, "--passwords", str(secrets))
    assert result.exit_code == Exit.OK, result.output
    assert "accounts: 2 added, 0 changed" in result.stdout
    assert secrets.stat().st_mode & 0o777 == 0o600
    rows = list(csv.reader(io.StringIO(secrets.read_text())))
    assert [row[0] for row in rows] == ["name", "shop", "alice"]
    assert all(len(row[1]) == LENGTH and row[1] not in result.output for row in rows[1:])
    assert up.run("accounts", "verify", "alice", stdin=rows[2][1] + "\n").exit_code == Exit.OK
    assert up.run("accounts", "verify", "alice", stdin="wrong\n").exit_code == Exit.REFUSED


def test_without_a_file_generated_passwords_are_shown_once(up: Shell) -> None:
    result = up.json("accounts", "import", written(up, "name,password\nalice,generated\n"))
    (shown,) = result["passwords"]
    assert up.run("accounts", "verify", "alice", stdin=shown["password"] + "\n").exit_code == Exit.OK
    many = "name,password\n" + "".join(f"user{n},generated\n" for n in range(60))
    refused = up.run("accounts", "import", written(up, many))
    assert (refused.exit_code, "--passwords FILE" in refused.output) == (Exit.USAGE, True)


def test_a_refused_or_dry_import_leaves_no_account_and_no_file(up: Shell) -> None:
    secrets = up.state / "passwords.csv"
    file = written(up, "name,password,maxlines\nalice,generated,2\nbob,generated,many\n")
    refused = up.run("accounts", "import", file, "--passwords", str(secrets))
    assert refused.exit_code == Exit.REFUSED
    assert f"{file}, line 3, column maxlines: must be" in " ".join(refused.output.split())
    assert not secrets.exists()
    good = written(up, "name,password\nalice,generated\n")
    dry = up.run("accounts", "import", good, "--dry-run", "--passwords", str(secrets))
    assert "accounts: 1 would be added" in dry.stdout
    assert not secrets.exists()
    assert up.json("accounts", "list") == {"accounts": [], "next": None}
    secrets.write_text("mine")
    taken = up.run("accounts", "import", good, "--passwords", str(secrets))
    assert (taken.exit_code, secrets.read_text()) == (Exit.REFUSED, "mine")


def test_what_is_exported_can_be_imported_again_and_changes_nothing(up: Shell) -> None:
    up.run("accounts", "add", "shop", "--type", "reseller")
    up.run("accounts", "add", "alice", "--number", "49301", "--credit", "7", "--parent", "shop", "--maxcps", "1.5")
    up.run("accounts", "set", "alice", "--display-name", 'Alice "A", Liddell', "--authip", "192.0.2.1,192.0.2.2")
    before = up.json("accounts", "list")
    file = up.state / "out.csv"
    assert up.run("accounts", "export", str(file)).exit_code == Exit.OK
    assert file.stat().st_mode & 0o777 == 0o600
    result = up.json("accounts", "import", str(file), "--update")
    assert (result["updated"], result["credit_kept"]) == (["alice", "shop"], 2)
    assert up.json("accounts", "list") == before
    assert up.run("accounts", "export").stdout == file.read_text()


def test_an_export_holds_no_secret(up: Shell) -> None:
    result = up.json("accounts", "add", "alice")
    text = up.run("accounts", "export").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["password"] == ""
    assert result["password"] not in text
    assert "ha1" not in text


def test_both_halves_name_the_same_columns() -> None:
    assert tuple(COLUMNS) == tuple(OFFICE_COLUMNS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no accounts"),
        (b"name,password\n", "no accounts"),
        (b"name,password\nalice\n", "line 2: 1 cells, and the header has 2"),
        (b'name,password\nalice,x\n"bob,y\n', "line 3: no CSV"),
        (b'name,password\n"a\nb",x\nbob\n', "line 4: 1 cells"),
        (b"name,password\nalice,\xff\n", "line 2: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_by_line(data: bytes, words: str) -> None:
    with pytest.raises(Failure, match=words):
        read_sheet(data, "file.csv")


@given(st.binary(max_size=200) | st.text(alphabet='ab",;\t\n\r\0', max_size=60).map(str.encode))
def test_any_bytes_are_a_sheet_or_refused(data: bytes) -> None:
    try:
        columns, rows = read_sheet(data, "file.csv")
    except Failure as failure:
        assert failure.message.startswith("file.csv")
    else:
        assert rows
        assert all(len(row.cells) <= len(columns) and row.line >= 2 for row in rows)


def test_a_tree_shows_who_is_below_whom(up: Shell) -> None:
    up.run("accounts", "import", written(up, SHEET.replace("5,5", "5.5")))
    (shop,) = up.json("accounts", "tree")["accounts"]
    assert (shop["name"], [each["name"] for each in shop["below"]]) == ("shop", ["alice"])
    shown = up.run("accounts", "tree").stdout
    assert shown.index("owner of the appliance") < shown.index("shop") < shown.index("alice")


def test_a_list_is_narrowed_by_group_type_and_parent(up: Shell) -> None:
    up.run("accounts", "import", written(up, SHEET.replace("5,5", "5.5")))
    up.run("accounts", "add", "bob", "--group", "sales")

    def names(*words: str) -> list[str]:
        return [row["name"] for row in up.json("accounts", "list", *words)["accounts"]]

    assert names("--group", "sales") == ["bob"]
    assert names("--type", "reseller") == ["shop"]
    assert names("--parent", "shop") == ["alice"]
    assert names("--parent", "-") == ["bob", "shop"]
    assert names() == ["alice", "bob", "shop"]


def test_an_account_is_shown_with_its_day_and_how_much_of_each_limit_that_is(up: Shell) -> None:
    up.run("accounts", "add", "alice", "--credit", "9", "--maxdailycredit", "4", "--maxmonthlyminutes", "100")
    usage = up.json("accounts", "show", "alice")["usage"]
    limits = {row["setting"]: (row["used"], row["limit"], row["unit"]) for row in usage["limits"]}
    assert limits["maxdailycredit"] == ("0.00", "4.00", "EUR")
    assert limits["maxmonthlyminutes"] == ("0.0", "100.0", "minutes")
    assert limits["maxlines"] == ("0", "5", "calls")
    shown = up.run("accounts", "show", "alice").stdout
    assert "maxdailycredit" in shown
    assert "0 %" in shown
    allowed = up.json("accounts", "allow", "alice", "2.50")
    assert allowed["usage"]["extra"] == "2.50"
    (day,) = up.json("accounts", "days", "alice")["days"]
    assert (day["spent"], day["extra"], day["blocked"]) == ("0.00", "2.50", "")
    assert up.run("accounts", "allow", "alice", "-1").exit_code != Exit.OK


def test_days_and_allowances_of_nobody_are_not_found(up: Shell) -> None:
    for words in (("days", "nobody"), ("allow", "nobody", "1"), ("reveal", "nobody"), ("verify", "nobody")):
        assert up.run("accounts", *words, stdin="x\n").exit_code == Exit.NOT_FOUND


def test_a_bar_is_full_at_its_limit_and_never_longer() -> None:
    assert [bar(percent).plain.count("█") for percent in (0, 50, 100, 250)] == [0, WIDTH // 2, WIDTH, WIDTH]
    assert bar(250).plain.endswith("250 %")


def test_passwords_are_listed_by_what_is_known_of_them(up: Shell) -> None:
    up.run("accounts", "add", "alice", "--web-password", "generated")
    (row,) = up.json("accounts", "passwords")["passwords"]
    assert (row["score"], row["web_own"], row["readable"]) == (4, True, False)
    assert "4 of 4" in up.run("accounts", "passwords").stdout
    assert "no weak passwords" in up.run("accounts", "passwords", "--weak").stdout


def test_a_password_kept_as_entered_is_revealed(up: Shell) -> None:
    up.run("settings", "set", "securepasswords", "0")
    made = up.json("accounts", "add", "alice")["password"]
    assert up.json("accounts", "reveal", "alice")["password"] == made
