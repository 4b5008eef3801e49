"""Words and ways of notices: a text whatever figures come, no secret, one line where one is meant."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.settings import Settings
from pysrv.limits.notice_routes import LEVELS, Channel, closed, render, routes
from pysrv.limits.notices import ALIASES, KINDS, Audience, Severity, kind_of, severity_of, without_secrets, words

SERVICE = Path(__file__).resolve().parents[2] / "pysrv"
FIGURES = st.dictionaries(st.text(max_size=12), st.one_of(st.integers(), st.text(max_size=300)), max_size=6)
FULL = {
    "adminemails": "a@example.org,b@example.org", "adminphones": "+491", "mailserver": "mail.example.org",
    "mailfrom": "pbx@example.org", "smsgatewayurl": "https://gw.example/?n={number}&t={text}",
    "notifywebhook": "https://hook.example/", "notifywebhookkey": "k", "sendadminemailnotifications": "2",
}  # fmt: skip


def settings(**texts: str) -> Settings:
    return Settings().with_changes({**FULL, **texts}, 1)


def told_in(path: Path) -> set[str]:
    """Names of kinds that a module tells."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
    return {
        str(node.args[0].value)
        for node in calls
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("_tell", "tell", "add_notice")
        and isinstance(node.args[0], ast.Constant) and re.fullmatch(r"[a-z_]+", str(node.args[0].value))
    }  # fmt: skip


def test_every_kind_that_the_service_tells_has_a_row() -> None:
    told = set().union(*(told_in(path) for path in SERVICE.rglob("*.py")))
    assert {"spend_blocked", "spend_warning", "not_billed", "test"} <= told
    assert told - set(KINDS) - set(ALIASES) == set()


@given(name=st.one_of(st.sampled_from(sorted(KINDS)), st.text(max_size=20)), account=st.text(), figures=FIGURES)
def test_there_is_a_text_whatever_comes(name: str, account: str, figures: dict[str, int | str]) -> None:
    for owner in (False, True):
        said = words(name, account, figures, owner=owner)
        assert said.subject
        assert said.subject.isprintable()
        assert all(line.isprintable() for line in said.text.split("\n"))
        assert len(said.subject) <= 200


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_without_figures_says_question_marks(name: str) -> None:
    said = words(name, "alice", {})
    assert "{" not in said.subject + said.text


def test_money_is_written_as_money_and_times_as_dates() -> None:
    warning = {"setting": "maxdailycredit", "percent": 80, "limit": 12_500_000, "unit": "money"}
    assert "is 12.50." in words("spend_warning", "alice", warning).text.replace("which is", "is")
    seconds = {"setting": "maxdailyminutes", "percent": 80, "limit": 600, "unit": "seconds"}
    assert "600 s" in words("spend_warning", "alice", seconds).text
    exposure = {"running_per_minute": 3_000_000, "usual_per_minute": 250_000, "headroom": "", "lasts_s": ""}
    assert "cost 3.00 a minute; usual are at most 0.25. What is left (?)" in words("exposure", "alice", exposure).text
    assert "2027-01-15 08:00 UTC" in words("password_weak", "alice", {"replaced_at": 1_800_000_000}).text


def test_an_unknown_kind_tells_its_figures() -> None:
    said = words("something_new", "alice", {"count": 7, "why": "so"})
    assert (said.subject, said.text.split("\n")[1:]) == ("alice: something_new", ["count: 7", "why: so"])


@pytest.mark.parametrize("name", ["password", "new_password", "ha1_md5", "pin", "secret", "api_key", "nonce"])
def test_what_is_named_like_a_secret_is_left_out(name: str) -> None:
    assert without_secrets({name: "hidden", "spins": 3}) == {"spins": 3}
    assert "hidden" not in words("something_new", "alice", {name: "hidden"}).text


def test_who_tells_may_say_how_loud_it_is() -> None:
    assert severity_of("not_billed", {}) is Severity.WARNING
    assert severity_of("not_billed", {"severity": "error"}) is Severity.WARNING
    assert severity_of("not_billed", {"severity": "critical"}) is Severity.CRITICAL


def test_an_alias_is_its_kind() -> None:
    assert kind_of("card_guessed") is KINDS["pin_guessing"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", KINDS)
def test_administrators_hear_what_their_level_says_and_the_webhook_everything(name: str, level: int) -> None:
    found = routes(name, {}, settings(sendadminemailnotifications=str(level)), "owner@example.org")
    heard = KINDS[name].always or KINDS[name].severity in LEVELS[level]
    admins = [route for route in found if not route.owner and route.channel is not Channel.WEBHOOK]
    whom = [] if KINDS[name].audience is Audience.OWNER else ["a@example.org", "b@example.org", "+491"]
    assert [route.recipient for route in admins] == whom
    assert {route.refused for route in admins} <= {"" if heard else "sendadminemailnotifications"}
    assert [route.refused for route in found if route.channel is Channel.WEBHOOK] == [""]


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        (Channel.MAIL, "mailserver"), (Channel.MAIL, "mailfrom"), (Channel.SMS, "smsgatewayurl"),
        (Channel.WEBHOOK, "notifywebhook"), (Channel.WEBHOOK, "notifywebhookkey"),
    ],
)  # fmt: skip
def test_a_closed_channel_names_the_setting_that_it_lacks(channel: Channel, name: str) -> None:
    assert closed(channel, settings()) == ""
    assert closed(channel, settings(**{name: ""})) == name


def test_the_page_has_every_kind() -> None:
    page = render()
    assert all(f"| `{name}` |" in page for name in KINDS)
