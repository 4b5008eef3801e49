"""Lists of numbers as CSV: what is tolerated, and that whatever is wrong is named by line and column."""

import pytest

from appliance import numberlist
from appliance.numberlist import BadCell, read

WHOLE = """number,match,side,account,confidence,reason
+881,prefix,destination,,,satellites
0049 151-1234,number,caller,alice,,pesters

252,,,,5,"from a feed, daily"
"""


def test_a_list_is_read_column_by_column() -> None:
    assert read(WHOLE) == [
        {
            "digits": "881", "whole": False, "side": "destination", "account": "", "confidence": None,
            "reason": "satellites",
        },
        {"digits": "491511234", "whole": True, "side": "caller", "account": "alice", "confidence": None,
         "reason": "pesters"},
        {"digits": "252", "whole": False, "side": "destination", "account": "", "confidence": 5,
         "reason": "from a feed, daily"},
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["\ufeffprefix\r\n252\r\n", "Digits;level\n252;3\n", "note\tnumber\nx\t252\n"])
def test_other_ways_to_write_a_table_are_tolerated(text: str) -> None:
    (entry,) = read(text)
    assert entry["digits"] == "252"


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, "number", "missing from the header"),
        ("252\n253\n", 1, "252", "unknown column"),
        ("number,nummer\n", 1, "nummer", "unknown column"),
        ("number,prefix\n252,252\n", 1, "prefix", "twice"),
        ("number\n252\n25x\n", 3, "number", "'25x' is no number"),
        ("number\n" + "1" * 19 + "\n", 2, "number", "1 to 18 digits"),
        ("number,confidence\n252,7\n", 2, "confidence", "0 to 6"),
        ("number,confidence\n252,-1\n", 2, "confidence", "0 to 6"),
        ("number,match\n252,regex\n", 2, "match", "must be prefix or number"),
        ("number,side\n252,both\n", 2, "side", "must be destination or caller"),
        ("number,reason\n252,a\x1bb\n", 2, "reason", "printable"),
        ("number,reason\n252\n", 2, "", "1 columns, the header has 2"),
        ('number,reason\n252,"open\n', 2, "", "not CSV"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(text: str, line: int, column: str, words: str) -> None:
    with pytest.raises(BadCell, match=words) as caught:
        read(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numberlist, "MOST_ENTRIES", 3)
    with pytest.raises(BadCell, match="line 5: more than 3 entries"):
        read("number\n1\n2\n3\n4\n")
