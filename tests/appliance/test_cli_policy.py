"""Lists, firewall rules, report-only and changes that wait, on the command line."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import launch
from appliance.cli import policy
from appliance.cli.exits import Exit, Failure
from appliance.cli.firewall import country_codes, port_of
from pysrv.control.single import run_once
from pysrv.store import Store
from tests.appliance.shell import Shell
from tests.control.office import NOW, Service, keeper, office

FEED = "# a feed\n198.51.100.7\n198.51.100.7\n198.51.100.0/28 ; SBL1\nnonsense\n10.0.0.0/24\n2001:db8::/32\n"
GEOIP = "3325256704,3325256959,CN\n3405803776,3405804031,RU\n"


class Same:
    """A digest that is every digest."""

    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Held(dict[str, Any]):
    """A gate that holds whatever it is asked for."""

    def get(self, _name: str, _default: Any = None) -> Any:
        return Same()


@pytest.fixture
def service() -> Service:
    made = Service()
    made.held = Held()
    made.guarded = {"10.0.0.1": "the default gateway"}
    return made


@pytest.fixture
def up(tmp_path: Path, service: Service) -> Iterator[Shell]:
    """An office that runs."""
    shell = Shell(tmp_path)
    with office(shell.runtime, shell.database, service):
        yield shell


@pytest.fixture
def down(tmp_path: Path) -> Shell:
    """An appliance that does not run."""
    return Shell(tmp_path)


@pytest.fixture(autouse=True)
def on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in over the network, whoever runs the tests."""
    monkeypatch.setattr(policy, "ssh_client", lambda: "")
    monkeypatch.setattr(policy, "UTMP", Path("/nonexistent"))
    monkeypatch.setattr(policy.logged_in, "__defaults__", (Path("/nonexistent"),))


def test_a_list_is_imported_and_what_was_not_taken_is_named(up: Shell, service: Service, tmp_path: Path) -> None:
    (tmp_path / "feed.txt").write_text(FEED)
    result = up.run("lists", "import", "feed", str(tmp_path / "feed.txt"))
    assert result.exit_code == Exit.OK, result.output
    assert "feed: 2 networks, 2 doubles and covered ones left out; in force" in result.stdout
    assert "not taken: 2" in result.stdout
    assert "nonsense" in result.stdout
    assert "would cut off 10.0.0.1: the default gateway" in result.stdout
    assert ("lists",) in service.told
    (shown,) = up.json("lists")["lists"]
    assert (shown["name"], shown["entries"], shown["skipped"]) == ("feed", 2, 2)


def test_in_json_every_line_that_was_not_taken_has_its_number(up: Shell) -> None:
    answer = up.json("lists", "import", "feed", "-", stdin="198.51.100.7\n" + "bad\n" * 30)
    assert [bad["line"] for bad in answer["bad"]] == list(range(2, 32))
    assert answer["in_force"] is True


def test_a_dry_run_counts_what_a_list_would_change_and_changes_nothing(up: Shell, tmp_path: Path) -> None:
    file, many = tmp_path / "feed.txt", "".join(f"198.18.{number >> 8}.{number & 255}\n" for number in range(1, 20_000))
    file.write_text(f"192.0.2.1\n{many}nonsense\n")
    first = up.json("lists", "import", "feed", str(file), "--dry-run")
    assert (first["dry_run"], first["added"], first["removed"], len(first["bad"])) == (True, 20_000, 0, 1)
    assert up.json("lists")["lists"] == []
    assert up.run("lists", "import", "feed", str(file)).exit_code == Exit.OK
    file.write_text(f"{many}203.0.113.0/24\n203.0.114.0/24\n")
    assert (
        "2 added, 1 removed; nothing was imported" in up.run("lists", "import", "feed", str(file), "--dry-run").stdout
    )
    assert up.json("lists")["lists"][0]["entries"] == 20_000


def test_at_a_terminal_a_list_in_use_is_replaced_after_a_word(
    up: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    file, words = tmp_path / "feed.txt", ("lists", "import", "feed")
    file.write_text("192.0.2.1\n192.0.2.2\n")
    assert up.run(*words, str(file)).exit_code == Exit.OK  # there was none: nobody is asked
    assert up.run(*words, str(file)).exit_code == Exit.OK  # nothing would change
    file.write_text("192.0.2.1\n")
    asked = up.run(*words, str(file), stdin="n\n")
    assert asked.exit_code != Exit.OK and "2 networks: 0 added, 1 removed. Replace it?" in asked.stderr
    assert up.json("lists")["lists"][0]["entries"] == 2
    assert up.run(*words, str(file), stdin="y\n").exit_code == Exit.OK
    assert up.run(*words, str(file), "--yes").exit_code == Exit.OK
    assert up.json("lists")["lists"][0]["entries"] == 1


@pytest.mark.parametrize("text", ["198.51.100.7\nnonsense\n", "198.51.100.7\n10.0.0.1\n"])
def test_strict_takes_all_or_nothing(up: Shell, text: str) -> None:
    result = up.run("lists", "import", "feed", "-", "--strict", stdin=text)
    assert result.exit_code == Exit.REFUSED
    assert "nothing was imported" in result.stderr
    assert up.json("lists")["lists"] == []


@pytest.mark.parametrize(
    ("text", "words"), [("", "names no network"), ("nonsense\n", "line 1: nonsense"), ("[1,", "is not JSON")]
)
def test_a_list_without_a_network_is_refused(up: Shell, text: str, words: str) -> None:
    result = up.run("lists", "import", "feed", "-", stdin=text)
    assert result.exit_code == Exit.REFUSED
    assert words in result.stderr


@pytest.mark.parametrize(("name", "words"), [("x" * 65, "cannot be a list's name"), ("CN", "is the name of a country")])
def test_a_name_that_no_list_can_have_is_refused_before_the_file_is_read(up: Shell, name: str, words: str) -> None:
    result = up.run("lists", "import", name, "/nonexistent")
    assert result.exit_code == Exit.REFUSED
    assert words in result.stderr and "nonexistent" not in result.stderr


def test_a_list_that_is_no_text_is_not_written_on_the_terminal(up: Shell, tmp_path: Path) -> None:
    (tmp_path / "feed.gz").write_bytes(b"\x1f\x8b\x08\x00\x00" + b"\xff\x1b" * 500)
    result = up.run("lists", "import", "feed", str(tmp_path / "feed.gz"))
    assert result.exit_code == Exit.REFUSED
    assert "is no text" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_list_is_removed(up: Shell) -> None:
    up.json("lists", "import", "feed", "-", stdin="198.51.100.7\n")
    assert up.run("lists", "remove", "feed").exit_code == Exit.OK
    assert up.run("lists", "remove", "feed").exit_code == Exit.NOT_FOUND


def test_rules_are_added_listed_tested_and_removed(up: Shell) -> None:
    assert "rule 1: deny 192.0.2.0/24" in up.run("firewall", "deny", "192.0.2.0/24").stdout
    result = up.run("firewall", "allow", "192.0.2.0/24", "--port", "5060/udp", "--note", "phones")
    assert "rule 2: allow 192.0.2.0/24 port 5060/udp" in result.stdout
    assert "phones" in up.run("firewall").stdout
    assert "dropped as firewall_denied" in up.run("firewall", "test", "192.0.2.7", "5060/tcp").stdout
    assert "no rule about the source stops it" in up.run("firewall", "test", "192.0.2.7", "5060/udp").stdout
    assert "removed rule 1" in up.run("firewall", "remove", "1", "2").stdout
    assert "no firewall rules" in up.run("firewall").stdout


def test_a_deny_says_which_trunks_it_keeps_out(up: Shell) -> None:
    inbound = ("--inbound", "192.0.2.7", "--inbound", "203.0.113.7")
    assert up.run("trunks", "add", "carrier", "192.0.2.7", *inbound).exit_code == Exit.OK
    assert "keeps out: trunk carrier (192.0.2.7)\n" in up.run("firewall", "deny", "192.0.2.0/24").stdout
    assert "keeps out" not in up.run("firewall", "allow", "192.0.2.0/24", "--port", "5061").stdout


def test_countries_come_from_a_database_file(up: Shell, tmp_path: Path) -> None:
    (tmp_path / "geoip").write_text(GEOIP)
    database = ("--database", str(tmp_path / "geoip"))
    result = up.run("firewall", "deny", "country", "cn,RU", *database)
    assert result.exit_code == Exit.OK, result.output
    assert "rule 1: deny country CN" in result.stdout
    assert [row["name"] for row in up.json("lists")["countries"]] == ["CN", "RU"]
    assert "country_denied" in up.run("firewall", "test", "198.51.100.7").stdout
    missing = up.run("firewall", "deny", "country", "UK", *database)
    assert "GB, not UK" in missing.stderr
    (tmp_path / "geoip").write_text(GEOIP + "16777216,16777471,CN\n")
    assert up.json("firewall", "countries", *database)["read"] == {"CN": 2, "RU": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("firewall", "deny", "country"), "no country was named"),
        (("firewall", "deny", "country", "China"), "CHINA is no country"),
        (("firewall", "deny", "country", "CN", "--port", "5060"), "has no port"),
        (("firewall", "deny", "192.0.2.0/24", "CN"), "what is 'CN'"),
        (("firewall", "deny", "192.0.2.0/24", "--port", "sip"), "'sip' is no port"),
        (("firewall", "test", "192.0.2.7", "70000"), "'70000' is no port"),
        (("firewall", "test", "gateway"), "'gateway' is no address"),
        (("firewall", "remove", "first"), "'first' is not a whole number"),
        (("lists", "show", "feed"), "got unexpected extra argument: feed\n  hint: 'appliance lists show --help'"),
        (("firewall", "deny", "192.0.2.1/24"), "did you mean 192.0.2.0/24"),
        (("firewall", "deny", "192.0.2.0/24", "--confirm", "soon"), "--confirm"),
    ],
)
def test_wrong_words_are_usage_errors(up: Shell, words: tuple[str, ...], said: str) -> None:
    result = up.run(*words)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_a_deny_of_a_protected_address_says_which_and_why(up: Shell) -> None:
    result = up.run("firewall", "deny", "10.0.0.1")
    assert result.exit_code == Exit.REFUSED
    assert "denying 10.0.0.1 would cut off 10.0.0.1: the default gateway" in result.stderr
    assert "the default gateway" in up.run("firewall", "protected").stdout


def test_the_session_of_whoever_types_is_protected_before_anything_is_done(
    up: Shell, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "ssh_client", lambda: "203.0.113.9")
    up.run("firewall", "deny", "192.0.2.0/24")
    assert service.told == [("policy",), ("policy",)]
    ((_, args),) = policy.here()
    assert args == {"addresses": [("203.0.113.9", "your own SSH session")]}


def test_every_command_says_from_where_it_is_used(up: Shell, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "ssh_client", lambda: "203.0.113.9")
    assert up.json("accounts")["accounts"] == []
    assert service.told == [("policy",)]
    up.json("accounts")
    service.guarded["203.0.113.9"] = "your own SSH session"
    assert up.run("ban", "203.0.113.9").exit_code == Exit.REFUSED


def test_who_is_logged_in_is_read_from_utmp(tmp_path: Path) -> None:
    def entry(kind: int, user: bytes, host: bytes) -> bytes:
        return struct.pack(
            "=hxxi32s4s32s256shhiii16s20x", kind, 1, b"pts/0", b"0", user, host, 0, 0, 0, 0, 0, bytes(16)
        )

    path = tmp_path / "utmp"
    path.write_bytes(
        entry(2, b"reboot", b"6.1")
        + entry(7, b"root", b"192.0.2.7")
        + entry(7, b"ada", b"")
        + entry(8, b"", b"192.0.2.8")
    )
    assert list(policy.logged_in(path)) == [("192.0.2.7", "root is logged in from there")]


def test_a_setting_changed_with_confirm_waits_and_is_confirmed_or_undone(up: Shell, service: Service) -> None:
    result = up.run("settings", "set", "maxlines", "3", "--confirm", "60s")
    assert "taken back in 60 s unless 'appliance changes confirm' comes before" in result.stdout
    assert service.settings().maxlines == 3
    assert "settings: maxlines" in up.run("changes").stdout
    assert up.run("settings", "set", "maxlines", "4").exit_code == Exit.REFUSED
    assert "taken back: settings: maxlines" in up.run("changes", "undo").stdout
    assert service.settings().maxlines == 5
    up.run("settings", "apply", "strict", "--yes", "--confirm", "2m")
    assert "stays: settings:" in up.run("changes", "confirm").stdout
    assert up.run("changes", "confirm").exit_code == Exit.NOT_FOUND
    assert "no change waits" in up.run("changes").stdout


def test_rules_show_their_mode_and_what_they_stopped(up: Shell) -> None:
    tally = {"verdict": "listed", "action": "DROP", "text": "", "packets": 7, "bytes": 1, "reported": 5}
    with keeper(up.runtime, {"tallies": {"tallies": [tally]}}):
        up.run("rules", "report-only", "listed", "on")
        rows = {row["verdict"]: row for row in up.json("rules")["rules"]}
    assert (rows["listed"]["mode"], rows["listed"]["packets"], rows["listed"]["reported"]) == ("reports only", 7, 5)
    assert rows["banned"]["mode"] == "acts"
    assert "rtp_source" in rows
    assert "sip_request" not in rows


def test_a_settings_name_means_all_of_its_rules(up: Shell) -> None:
    result = up.json("rules", "report-only", "checkrtpaddr", "on")
    assert "rtp_source" in result["report_only"]
    assert up.json("rules", "report-only", "checkrtpaddr", "off")["report_only"] == []
    assert up.run("rules", "report-only", "nonsense", "on").exit_code == Exit.NOT_FOUND


def test_every_setting_of_rules_has_rules_that_drop() -> None:
    for setting, verdicts in policy.SETTINGS.items():
        assert set(verdicts) <= policy.rule_names().keys(), setting


@pytest.mark.parametrize(("text", "port"), [(None, ("any", 0)), ("5060", ("any", 5060)), ("udp/53", ("udp", 53))])
def test_ports_are_read(text: str | None, port: tuple[str, int]) -> None:
    assert port_of(text) == port


@pytest.mark.parametrize("text", ["0", "70000", "5060/sctp", "udp", "1/2", "5060/udp/tcp"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Failure):
        port_of(text)


def test_a_country_is_named_once() -> None:
    assert country_codes("cn, RU,CN") == ["CN", "RU"]
    assert json.dumps(country_codes("de")) == '["DE"]'


def test_without_a_service_a_change_is_saved_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    down = Shell(tmp_path)

    def once(_state: Path, _runtime: Path, lines: bytes, on_line: Callable[[bytes], None]) -> int:
        return run_once(lambda: Store.open(down.database), "root", lines.splitlines(), on_line)

    monkeypatch.setattr(launch, "once", once)
    for words in (
        ("firewall", "deny", "192.0.2.0/24"),
        ("firewall", "remove", "1"),
        ("rules", "report-only", "over_speed", "on"),
    ):
        assert "saved; in force when the appliance starts" in down.run(*words).stdout, words


def test_limits_of_calls_stand_among_the_rules_and_can_be_only_reported(up: Shell, service: Service) -> None:
    before = {row["verdict"]: row for row in up.json("rules")["rules"]}
    assert (before["maxdailycredit"]["mode"], before["maxdailycredit"]["reported"]) == ("acts", 0)
    assert "maxdailycredit: reports only" in up.run("rules", "report-only", "maxdailycredit", "on").stdout
    assert ("policy",) in service.told
    after = {row["verdict"]: row for row in up.json("rules")["rules"]}
    assert after["maxdailycredit"]["mode"] == "reports only"


def test_what_a_limit_would_have_refused_today_is_counted(down: Shell) -> None:
    with Store.open(down.database, lambda: NOW) as store:
        store.note_reported("maxlines", int(NOW // 86_400))
        store.note_reported("maxlines", int(NOW // 86_400))
        store.note_reported("maxlines", 1)
        store.commit()
    with office(down.runtime, down.database):
        rows = {row["verdict"]: row for row in down.json("rules")["rules"]}
    assert rows["maxlines"]["reported"] == 2


def test_money_that_is_not_there_cannot_be_only_reported(up: Shell) -> None:
    result = up.run("rules", "report-only", "credit", "on")
    assert result.exit_code == Exit.REFUSED
    assert "credit always acts" in result.stderr


def test_entries_of_blacklists_come_are_tested_and_go(up: Shell) -> None:
    assert "nothing is on the blacklists" in up.run("blacklist").stdout
    added = up.run("blacklist", "add", "+881", "--reason", "satellites")
    assert "destination" in added.stdout and "satellites" in added.stdout
    (row,) = up.json("blacklist", "list", "--holds", "+8816 31234567")["entries"]
    assert (row["digits"], row["kind"]) == ("881", "fixed")
    tested = up.run("blacklist", "test", "+8816 31234567").stdout
    assert "Iridium" in tested and "satellites" in tested
    assert "removed entry 1" in up.run("blacklist", "remove", "1").stdout
    assert up.run("blacklist", "remove", "1").exit_code == Exit.NOT_FOUND
    assert up.run("blacklist", "add", "49x").exit_code == Exit.USAGE


def test_a_list_of_numbers_is_imported_whole_or_not_at_all(up: Shell, tmp_path: Path) -> None:
    bad = up.run("blacklist", "import", "-", stdin="number,confidence\n252,5\n253,9\n")
    assert bad.exit_code == Exit.REFUSED
    assert "-, line 3, column confidence: '9' is no confidence" in bad.stderr
    assert up.json("blacklist")["entries"] == []
    text = "number;confidence\n" + "".join(f"{252_000 + each};{each % 7}\n" for each in range(2500))
    (tmp_path / "feed.csv").write_text(text)
    assert "2500 entries" in up.run("blacklist", "import", str(tmp_path / "feed.csv")).stdout
    assert up.json("blacklist", "list", "--limit", "1")["counts"] == {"smart": 2500}
    assert up.run("blacklist", "import", "-", stdin="number\n").exit_code == Exit.REFUSED


def test_an_import_of_numbers_says_first_what_it_would_replace(
    up: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, words = tmp_path / "feed.csv", ("blacklist", "import")
    file.write_text("number,confidence\n" + "".join(f"{252_000 + each},3\n" for each in range(1500)))
    assert "1500 added, 0 changed; nothing" in up.run(*words, str(file), "--dry-run").stdout
    assert up.json("blacklist")["entries"] == []
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    assert up.run(*words, str(file)).exit_code == Exit.OK  # nothing is replaced: nobody is asked
    file.write_text("number,confidence\n252001,5\n252002,3\n881,\n252001,4\n")
    asked = up.run(*words, str(file), stdin="n\n")
    assert asked.exit_code != Exit.OK and "of 3 entries there would be 1 added, 1 changed. Import them?" in asked.stderr
    assert up.json("blacklist", "list", "--limit", "1")["counts"] == {"smart": 1500}
    done = up.json(*words, str(file), "--yes")
    assert done == {"entries": 3, "added": 1, "changed": 1}
    assert up.json("blacklist", "list", "--holds", "252001")["entries"][0]["confidence"] == 4


def test_the_networks_of_unwanted_countries_are_read_and_kept(up: Shell, tmp_path: Path) -> None:
    (tmp_path / "geoip").write_text(GEOIP)
    assert "names no country" in up.run("blacklist", "countries", "--database", str(tmp_path / "geoip")).stdout
    up.run("settings", "set", "blocksourcecountries", "CN")
    assert up.json("blacklist", "countries", "--database", str(tmp_path / "geoip"))["read"] == {"CN": 1}
    up.run("firewall", "deny", "country", "RU", "--database", str(tmp_path / "geoip"))
    up.run("firewall", "remove", "1")
    assert [row["name"] for row in up.json("lists", "show")["countries"]] == ["CN"]
