"""What each level of validateinput refuses, and what stays legal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.input import ALPHABET, CONTROL, MARKUP, RULES, SQL, TRICKS, Rule, first_refused, refused

WRONG = [
    (CONTROL, "a\x00b"), (CONTROL, "bell\x07"), (CONTROL, "\x1b[31m"), (CONTROL, "c1\x85"), (CONTROL, "del\x7f"),
    (SQL, "' OR '1'='1"), (SQL, '" or 1=1'), (SQL, "x' AND name LIKE 'a"), (SQL, "admin'--"), (SQL, "a'; DROP TABLE t"),
    (SQL, "1; delete from cdrs"), (SQL, "x UNION ALL SELECT password"), (SQL, "x' /* */"), (SQL, "load_extension('x')"),
    (MARKUP, "<script>alert(1)</script>"), (MARKUP, "<img src=x onerror=alert(1)"), (MARKUP, "<b>Bob</b>"),
    (MARKUP, "< / script >"), (MARKUP, "javascript:alert(1)"), (MARKUP, "<!-- x"), (MARKUP, "<svg/onload=x>"),
    (TRICKS, "../../etc/passwd"), (TRICKS, "..\\windows"), (TRICKS, "${jndi:ldap}"), (TRICKS, "{{7*7}}"),
    (TRICKS, "a%00b"), (TRICKS, "&#60;"), (TRICKS, "\u202etxt.exe"), (TRICKS, "zero\u200bwidth"), (TRICKS, "`id`"),
    (ALPHABET, "a<b"), (ALPHABET, "back\\slash"), (ALPHABET, "{json}"), (ALPHABET, "smile \U0001f600"),
    (ALPHABET, "^x$"),
]  # fmt: skip
LEGAL_AT_3 = (
    "O'Brien", "Müller & Söhne GmbH", "Bob <bob@example.org>", "<sip:bob@example.org;transport=tcp>", "a < b > c",
    "Select Union Ltd.", "It's \"us\" or them", "D'Arcy and Sons", "Rock 'n' Roll", "drop; create later",
    "prefix,per_minute\n49,0.06\r\n\t", "*/5 * * * *", "50% off", "ivr; 2nd floor", "https://example.org/a?b=c&d=e#f",
    "^00(49|43)[0-9]+$", "{\"a\": [1]}", "~user", "Ελλάδα", "北京", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "2026-11-29T00:00:00Z", "-----BEGIN X-----", "user; rm", "Ann-Marie O'Neil-O'Hara", "what's --verbose",
)  # fmt: skip
LEGAL_AT_5 = (
    "O'Brien",
    "Müller & Söhne GmbH",
    "Ελλάδα",
    "prefix,per_minute\n49,0.06\r\n",
    "+49 (30) 1234-5",
    "a@b.org",
)


@pytest.mark.parametrize(("rule", "text"), WRONG)
def test_each_level_refuses_its_own_and_no_lower_one_does(rule: Rule, text: str) -> None:
    assert refused(rule.level, text) is rule
    assert refused(rule.level - 1, text) is None
    assert refused(5, text) is not None


@pytest.mark.parametrize("text", LEGAL_AT_3)
def test_what_is_legal_comes_in_at_the_default(text: str) -> None:
    assert refused(3, text) is None


@pytest.mark.parametrize("text", LEGAL_AT_5)
def test_names_numbers_and_sheets_come_in_at_every_level(text: str) -> None:
    assert refused(5, text) is None


@given(st.text(), st.integers(0, 4))
def test_a_level_refuses_all_that_the_ones_before_refuse(text: str, level: int) -> None:
    if refused(level, text) is not None:
        assert refused(level + 1, text) is not None
    assert refused(0, text) is None


@pytest.mark.parametrize(
    "field",
    [
        "password",
        "web_password",
        "authpwd",
        "pin",
        "key",
        "httpapikey",
        "proof_password",
        "token",
        "certificate",
        "pem",
    ],
)
def test_secrets_are_not_looked_into(field: str) -> None:
    assert first_refused(5, {field: "' OR '1'='1 <script> \x00"}) is None
    assert first_refused(5, {"changes": {field: "\x00"}}) is None


@pytest.mark.parametrize("field", ["name", "display_name", "shipping", "monkey", "opinion"])
def test_what_only_sounds_like_a_secret_is_looked_into(field: str) -> None:
    assert first_refused(1, {field: "\x00"}) is not None


def test_texts_are_found_wherever_they_are_and_named() -> None:
    found = first_refused(3, {"rows": [["a", 1, None], ["b", "<script>"]], "n": 2})
    assert found is not None and (found.field, found.rule) == ("rows", MARKUP)
    found = first_refused(3, {"changes": {"<script>": "x"}})
    assert found is not None and found.field == "changes"
    assert first_refused(3, {"a": True, "b": 1.5}) is None


def test_the_levels_are_those_of_the_setting() -> None:
    assert [rule.level for rule in RULES] == [1, 2, 3, 4, 5]
