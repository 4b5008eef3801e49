"""The page and its JSON say what the snapshot says, escaped."""

import json
from html.parser import HTMLParser

import pytest

from appliance import wire
from pysrv.panel import page
from pysrv.panel.status import CallRow
from tests.panel.snapshots import FULL, snapshot


class Reader(HTMLParser):
    """Collects text, and every tag with what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_shows_calls_registrations_verdicts_interfaces_relay_and_settings() -> None:
    words = Reader(page.render(FULL)).words
    for expected in (
        "+4930123456", "answered", "1 min 5 s", "ringing", "sip:alice@192.0.2.7:5060", "Softphone 1", "1 min 30 s",
        "the source is banned", "1,234,567", "eth1", "generic", "no native mode", "kernel", "1 session", "2 bans",
        "30 of 110", "generation 7, 80 not acted on yet", "0.1.0, up for 2 h 3 min",
    ):  # fmt: skip
        assert expected in words, expected


def test_a_verdict_that_never_happened_is_not_shown() -> None:
    assert "never seen" not in page.render(FULL)


def test_an_idle_appliance_says_so_in_words() -> None:
    text = page.render(snapshot(calls=(), registrations=(), tallies=()))
    for words in ("No call is running.", "Nobody is registered.", "The gate has counted nothing yet."):
        assert words in text


def test_a_missing_keeper_is_the_first_thing_said() -> None:
    words = [word for word in Reader(page.render(snapshot(gate=None, gate_problem="refused"))).words if word]
    start = words.index("0.1.0, up for 2 h 3 min")
    assert words[start + 1] == "The keeper is away: refused. The kernel keeps its last plan."


def test_a_relay_outside_the_kernel_gives_its_reason() -> None:
    gate = wire.GateStatus(1, (wire.Interface("lo", "generic"),), "user", "lo cannot send")
    words = Reader(page.render(snapshot(gate=gate))).words
    assert "userspace" in words
    assert "lo cannot send" in words


def test_what_strangers_send_is_escaped() -> None:
    evil = '<script>alert("x")</script>'
    call = CallRow(evil, evil, evil, evil, evil, 0.0)
    text = page.render(snapshot(calls=(call,), notices=(evil,), gate_problem=evil, gate=None, version=evil))
    assert "<script>alert" not in text
    assert [tag for tag, _ in Reader(text).tags].count("script") == 1


def test_the_page_loads_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    for tag, attributes in Reader(page.render(FULL)).tags:
        assert tag != "style"
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "/").startswith("/")
        if tag == "script":
            assert attributes.get("src")


def test_a_long_table_is_cut_and_says_so() -> None:
    calls = tuple(CallRow(str(n), f"caller{n}", "x", "x", "x", 0.0) for n in range(page.MAX_ROWS + 5))
    text = page.render(snapshot(calls=calls))
    assert f"caller{page.MAX_ROWS - 1}<" in text
    assert f"caller{page.MAX_ROWS}<" not in text
    assert "and 5 more" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert page.duration(seconds) == words


def test_the_snapshot_is_plain_json() -> None:
    plain = json.loads(json.dumps(FULL.to_dict()))
    assert plain["calls"][0]["callee"] == "+4930123456"
    assert plain["gate"]["interfaces"][1] == {"name": "eth1", "mode": "generic", "reason": "no native mode"}
    assert plain["tallies"][1]["text"] == "the source is banned"
    assert plain["settings_in_force"] == 30
    assert snapshot(gate=None).to_dict()["gate"] is None
