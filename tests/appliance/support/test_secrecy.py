"""What looks like a secret goes, whatever stands around it; what helps stays."""

import pytest

from appliance.support.masking import Masks
from appliance.support.secrecy import GONE, walked, without_secrets

SECRET = "kuhglocke-7731-x"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"smtp_password = '{SECRET}' and more",
        f"stripesecret: {SECRET}",
        f"the passphrase is '{SECRET}'",
        f"administrator: user 'admin', password '{SECRET}'",
        f"pin={SECRET}",
        f"?token={SECRET}&page=2",
        f"Authorization: Basic {SECRET}",
        f'Proxy-Authorization: Digest username="a", response="{SECRET}"',
        f"Cookie: session={SECRET}; theme=dark",
        f"sent Bearer {SECRET} to it",
        f"https://anna:{SECRET}@example.net/hook",
        f"sip:anna:{SECRET}@192.0.2.1",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0\n\n{SECRET}\n",
        f"-----END X----- -----BEGIN PRIVATE KEY-----{SECRET}",
        f"recovery_code={SECRET}",
        f"https://sms.example.net/?user=us&pass={SECRET}",
        f"ha1: {SECRET}",
    ],
)
def test_a_secret_goes_in_every_form(text: str) -> None:
    assert SECRET not in without_secrets(text)
    assert GONE in without_secrets(text)


def test_a_long_run_of_letters_and_digits_goes_by_itself() -> None:
    assert without_secrets("made 4f1Zq0mYp8T2xW6bR9cV3nK7 today") == f"made {GONE} today"


def test_a_key_goes_whatever_stands_in_it() -> None:
    key = "aB3/dE6/gH9/jK2/mN5/pQ8/sT1/vW4/yZ7/bC0/fG3="
    assert without_secrets(f"peer {key} is up") == f"peer {GONE} is up"


@pytest.mark.parametrize(
    "text",
    [
        "INFO pysrv.service: gate connected",
        "call began id=7c1f caller=anna callee=4930111",
        "ban source=192.0.2.7 rule=maxwrongpassword count=5",
        "/opt/appliance/pysrv/service/conductor.py, line 210, in _answered",
        "CREATE TABLE calls (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "keepalive every 30 s, spinning: no",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_a_key_goes_out_of_a_log_that_wrote_it_line_by_line() -> None:
    key = ("-----BEGIN PRIVATE KEY-----", "MIIEvQ/BADANBgkq/hkiG9w0BAQEFAASC", "ab/cd==", "-----END PRIVATE KEY-----")
    told = "".join(f"2026-01-01T00:00:00 appliance.service {line}\n" for line in key)
    assert without_secrets(f"a\n{told}b\n") == f"a\n2026-01-01T00:00:00 appliance.service {GONE}\nb\n"


def test_a_stranger_who_sends_the_first_line_of_a_key_takes_no_other_line_out_of_a_log() -> None:
    sent = "10:00 office wrong credentials agent='-----BEGIN A KEY-----'"
    others = "10:01 office ban source=192.0.2.7\n10:02 office agent='-----END A KEY-----'\n"
    told = without_secrets(f"{sent}\n{others}")
    assert told == f"10:00 office wrong credentials agent='{GONE}\n{others}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a-", "a.", "a:", 'pin="', "-----BEGIN A-----\n", "x -----BEGIN A-----\ny\n"])
def test_no_line_that_a_stranger_sends_takes_longer_than_its_length(piece: str) -> None:
    without_secrets(piece * 20_000)  # a pattern that goes back over it takes minutes
    Masks().text(piece * 5_000)


def test_a_value_is_walked_with_the_names_of_its_members() -> None:
    assert walked({"a": ["b", {"c": 1, "d": None}]}, str.upper) == {"A": ["B", {"C": 1, "D": None}]}
