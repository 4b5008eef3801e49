"""Verbs about blacklists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.store import Store
from pysrv.store.rows import NewAccount
from tests.control.office import NOW, Operator, Service


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "office.db", lambda: NOW) as opened:
        opened.add_account(NewAccount("alice", "correct-horse-42", "appliance", country="DE", blacklistlevel=3), "test")
        yield opened


def test_an_entry_comes_goes_and_is_told_to_the_service(root: Operator, service: Service) -> None:
    entry = root.ask("blacklist.add", digits="881", reason="satellites")["entry"]
    assert (entry["kind"], entry["side"], entry["who"]) == ("fixed", "destination", "root")
    smart = root.ask("blacklist.add", digits="49151", side="caller", account="alice", confidence=0)["entry"]
    assert (smart["kind"], smart["confidence"]) == ("smart", 0)
    assert root.ask("blacklist.list")["counts"] == {"fixed": 1, "smart": 1}
    root.ask("blacklist.remove", ids=[entry["id"]])
    assert service.told == [("blacklist", ["881"], []), ("blacklist", ["49151"], []), ("blacklist", [], ["881"])]


def test_many_entries_come_all_or_none(root: Operator, service: Service) -> None:
    good = [{"digits": str(1000 + each)} for each in range(50)]
    assert root.ask("blacklist.put", entries=good) == {"entries": 50, "added": 50, "changed": 0, "dry_run": False}
    with pytest.raises(WireError, match="no number"):
        root.ask("blacklist.put", entries=[{"digits": "2000"}, {"digits": "x"}])
    assert root.ask("blacklist.list", digits="2")["entries"] == []
    assert len(service.told) == 1


def test_a_dry_run_counts_what_entries_would_change_and_leaves_all_as_it_is(root: Operator, service: Service) -> None:
    root.ask("blacklist.put", entries=[{"digits": "881", "reason": "satellites"}, {"digits": "49", "confidence": 3}])
    told, before = list(service.told), root.ask("blacklist.list")
    new = [
        {"digits": "881", "reason": "satellites"},  # as it is
        {"digits": "49", "confidence": 5},
        {"digits": "49"},  # a fixed one beside the smart one
        {"digits": "881", "side": "caller", "reason": "once"},
        {"digits": "881", "side": "caller", "reason": "twice"},  # of two at one place the later counts
    ]
    counts = {"entries": 4, "added": 2, "changed": 1}
    assert root.ask("blacklist.put", entries=new, dry_run=True) == counts | {"dry_run": True}
    assert (service.told, root.ask("blacklist.list")) == (told, before)
    with pytest.raises(WireError, match="no number"):
        root.ask("blacklist.put", entries=[{"digits": "x"}], dry_run=True)
    assert root.ask("blacklist.put", entries=new) == counts | {"dry_run": False}
    assert root.ask("blacklist.put", entries=new) == {"entries": 4, "added": 0, "changed": 0, "dry_run": False}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"digits": "4a"}, "no number and no prefix"),
        ({"digits": "49", "side": "both"}, "destination or caller"),
        ({"digits": "49", "confidence": 9}, "0 to 6"),
        ({"digits": "49", "account": "nobody"}, "no account"),
        ({"digits": "49", "reason": "a\u2028b"}, "printable"),
        ({"digits": "49", "reason": "a\x1bb"}, "control characters"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_in_words(root: Operator, entry: dict[str, object], words: str) -> None:
    with pytest.raises(WireError, match=words):
        root.ask("blacklist.add", **entry)


def test_nothing_is_removed_when_one_is_not_there(root: Operator) -> None:
    entry = root.ask("blacklist.add", digits="881")["entry"]
    with pytest.raises(WireError, match="there is no entry 77"):
        root.ask("blacklist.remove", ids=[entry["id"], 77])
    assert len(root.ask("blacklist.list")["entries"]) == 1


def test_a_number_is_explained_as_an_account_would_dial_it(root: Operator) -> None:
    root.ask("blacklist.add", digits="499001")
    found = root.ask("blacklist.test", number="0900 1234567", account="alice")
    assert (found["judged"], found["premium"], found["foreign"], found["home"]) == (
        "499001234567",
        "499001",
        False,
        "DE",
    )
    assert (found["blacklistlevel"], [row["digits"] for row in found["entries"]]) == (3, ["499001"])
    assert root.ask("blacklist.test", number="+8816 31234567")["satellite"] == "Iridium"
    with pytest.raises(WireError, match="no number"):
        root.ask("blacklist.test", number="sip:alice")
