"""Ban lists as others write them."""

import json

import pytest

from appliance import feeds, networks
from appliance.feeds import BadLine, Format

TWO = ["198.51.100.7", "203.0.113.0/24"]

DROP = """; Spamhaus DROP List 2026/11/23 - (c) 2026 The Spamhaus Project
; Last-Modified: Mon, 23 Nov 2026 20:24:16 GMT
198.51.100.7 ; SBL256894
203.0.113.0/24 ; SBL434604
"""
DROP_JSON = """{"cidr":"198.51.100.7","sblid":"SBL256894","rir":"apnic"}
{"cidr":"203.0.113.0/24","sblid":"SBL434604","rir":"ripencc"}
{"type":"metadata","timestamp":1763900000,"size":2,"records":2}
"""
CLOUD = {"syncToken": "1", "prefixes": [{"ip_prefix": TWO[0], "region": "eu"}, {"ip_prefix": TWO[1], "region": "us"}]}


def texts(feed: feeds.Feed) -> list[str]:
    return [networks.text(row) for row in feed.rows]


@pytest.mark.parametrize(
    "text",
    [
        "198.51.100.7\n203.0.113.0/24\n",
        "198.51.100.7\r\n203.0.113.0/24\r\n".replace("\r", ""),
        "\ufeff# a comment\n\n198.51.100.7 # why\n  203.0.113.0/24  // why\n",
        "198.51.100.7/32\n203.0.113.0 - 203.0.113.255\n",
        "::ffff:198.51.100.7\n203.0.113.0-203.0.113.255\n",
        '"198.51.100.7",scanner,3\n203.0.113.0/24,net,1\n'.replace(",", " ,"),
        DROP,
        DROP_JSON,
        json.dumps(TWO),
        json.dumps([{"ip": TWO[0]}, {"cidr": TWO[1]}], indent=1),
        json.dumps({"data": [{"ipAddress": TWO[0], "score": 100}, {"network": TWO[1]}]}),
        json.dumps(CLOUD),
    ],
)
def test_every_way_of_writing_two_networks(text: str) -> None:
    feed = feeds.read(text)
    assert (texts(feed), feed.bad) == (TWO, [])


def test_ipv6_is_read_alike() -> None:
    feed = feeds.read("2001:db8::1\n2001:db8:1::/48\n2001:db8:2:: - 2001:db8:2::3\n")
    assert texts(feed) == ["2001:db8::1", "2001:db8:1::/48", "2001:db8:2::/126"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("192.0.2.300", "neither an address nor a network"),
        ("example.com", "neither an address nor a network"),
        ("192.0.2.7/24", "host bits set; the network is 192.0.2.0/24"),
        ("0.0.0.0/0", "too wide"),
        ("10.0.0.0/7", "too wide"),
        ("::/0", "too wide"),
        ("::/64", "too wide"),
        ("::ffff:0:0/96", "too wide"),
        ("0.0.0.0 - 255.255.255.255", "too wide"),
        ("192.0.2.9 - 192.0.2.1", "last IP address must be greater than first"),
        ("192.0.2.1 - 2001:db8::1", "not of one kind"),
        ("192.0.2.1 - 192.0.2", "no range from an address to an address"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_number_and_the_reason(line: str, reason: str) -> None:
    feed = feeds.read(f"198.51.100.7\n{line}\n203.0.113.0/24\n")
    assert texts(feed) == TWO
    (bad,) = feed.bad
    assert (bad.line, bad.text) == (2, line)
    assert reason in bad.reason
    assert feed.total == 3


def test_entries_and_lines_of_json_are_named_alike() -> None:
    feed = feeds.read(json.dumps([TWO[0], 7, "nonsense"]))
    assert [bad.line for bad in feed.bad] == [2, 3]
    feed = feeds.read('{"ip":"198.51.100.7"}\nnonsense\n{"name":"x"}\n')
    assert feed.bad == [
        BadLine(2, "nonsense", "not JSON"),
        BadLine(3, '{"name":"x"}', "no address under any of ip, cidr, prefix, network"),
    ]


def test_json_that_is_none_is_refused_as_a_whole() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        feeds.read("[1,")


def test_the_format_can_be_said() -> None:
    assert feeds.read("nonsense\n", Format.JSONL).bad[0].reason == "not JSON"
    assert len(feeds.read("[\n", Format.PLAIN).bad) == 1


def test_pieces_are_the_rows_in_order() -> None:
    rows = [networks.parsed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(networks.CHUNK_ROWS + 5)]
    pieces = list(feeds.pieces(rows))
    assert [len(piece) // networks.ROW_BYTES for piece in pieces] == [networks.CHUNK_ROWS, 5]
    assert b"".join(pieces) == b"".join(rows)
