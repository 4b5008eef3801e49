"""What restic 0.14 and 0.18 and ssh were heard to say, and what is made of it."""

import pytest

from appliance.backup.said import is_hopeless, judged

NONE, CREDENTIALS = "there is none", "the place does not take these credentials"
REACHED, BROKEN = "the place cannot be reached", "the connection broke off"
UNPROVEN, FULL = "the place does not prove who it is", "the disk at the other side is full"
# fmt: off
# ruff: noqa: E501
HEARD = (
    ("Fatal: unable to open config file: Lstat: file does not exist\nIs there a repository at the following location?\nsftp:a@b:/c", NONE),
    ("Fatal: repository does not exist: unable to open config file: Lstat /pbx/config: file does not exist\nIs there a", NONE),
    ("Fatal: unable to open config file: stat /mnt/backup/config: no such file or directory\nIs there a repository at", NONE),
    ("Fatal: unable to open config file: Stat: The specified bucket does not exist\nIs there a repository at the", NONE),
    ("Stat(<config/>) returned error, retrying after 868.122156ms: Stat: The specified bucket does not exist", NONE),
    ("Fatal: unable to open config file: <config/> does not exist\nIs there a repository at the following location?", NONE),
    ("Fatal: unable to open config file: Stat: The Access Key Id you provided does not exist in our records.\nIs there a "
     "repository at the following location?", CREDENTIALS),
    ("Stat(<config/>) returned error, retrying after 8.8s: Stat: The request signature we calculated does not match the "
     "signature you provided. Check your key and signing method.", CREDENTIALS),
    ("Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\nIs there a", CREDENTIALS),
    ("Fatal: unable to open repository at s3:x: s3.getCredentials: no credentials found. Use `-o s3.unsafe`", CREDENTIALS),
    ('Fatal: unable to open config file: client.Head: Head "https://u:***@h/c": x509: certificate signed by unknown '
     "authority\nIs there a repository at the following location?", UNPROVEN),
    ('Head "https://u:***@h/c" returned error, retrying after 1.2s: tls: failed to verify certificate: x509: certificate '
     "signed by unknown authority", UNPROVEN),
    ("ssh: connect to host h port 22: Connection refused", REACHED),
    ("Stat(<config/>) returned error, retrying after 6.6s: Head \"https://h/c\": dial tcp h:1: connect: connection refused", REACHED),
    ("for 30 s it does not answer", REACHED),
    ("Save(<data/d5>) failed: sftp: no space left on device\nFatal: unable to save snapshot: sftp: no space left on "
     "device", FULL),
    ('Fatal: unable to save snapshot: Write: sftp: "Failure" (SSH_FX_FAILURE)', "the other side cannot write, so its disk may be full"),
    ("Fatal: create repository at sftp:h:/c failed: permission denied", "the place may not be written to"),
    ("Fatal: unable to save snapshot: connection lost", BROKEN),
    ("boxes@h: Permission denied (publickey).", "{host} does not let this appliance in"),
    ("Fatal: wrong password or no key found", ""),
    ("unable to create lock in backend: repository is already locked by PID 7 on gone by root (UID 0, GID 0)\nlock was "
     "created at 2026-11-29 14:26:12 (12.8s ago)\nthe `unlock` command can be used to remove stale locks", ""),
)
# fmt: on


@pytest.mark.parametrize(("text", "words"), HEARD)
def test_what_was_heard_has_its_meaning(text: str, words: str) -> None:
    found = judged(text)
    assert found.meaning is not None
    assert found.meaning.words == words
    assert found.meaning.absent == (words == NONE)


def test_the_line_that_counts_is_the_one_that_says_why() -> None:
    locked = HEARD[-1][0]
    assert judged(locked).line.startswith("unable to create lock in backend: repository is already locked by PID 7")
    assert judged("a\nFatal: something else\nb").line == "something else"
    assert judged("").line == "it did not say why"
    assert judged("something else").meaning is None


@pytest.mark.parametrize(("text", "words"), HEARD)
def test_only_what_no_repetition_mends_ends_a_look(text: str, words: str) -> None:
    mends = words in (REACHED, BROKEN, "the other side cannot write, so its disk may be full")
    assert is_hopeless(text) == ("retrying" in text and not mends)
