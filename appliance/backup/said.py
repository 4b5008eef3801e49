"""What restic and ssh say, and what it means to who runs the appliance: the table of it.

Versions differ in words and in patience: newer ones repeat for a quarter of an hour what no repetition mends, such as a
wrong key. Rows that are `hopeless` end a look at once.
"""

import re
from dataclasses import dataclass, field
from typing import Final

AGAIN: Final = re.compile(r"returned error, retrying after [^:]*: (?P<why>.*)")
_OF_SSH: Final = re.compile(r"^subprocess [^ ]*ssh: (ssh: )?")
NO_SESSION: Final = "unable to start the sftp session"
HOST_KEY: Final = "Host key verification failed"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row: what `said` matches means `words`; `hint` is what to do."""

    said: re.Pattern[str]
    words: str
    hint: str
    hopeless: bool = True
    absent: bool = False  # there is no repository there


def _row(said: str, words: str, hint: str, *, hopeless: bool = True, absent: bool = False) -> Meaning:
    return Meaning(re.compile(said, re.IGNORECASE), words, hint, hopeless, absent)


PASSWORD: Final = _row("wrong password", "", "put the repository's password into {password}")
LOCKED: Final = _row(
    "already locked",
    "",
    "another run holds it; when none does, 'appliance backup unlock', and 'appliance backup unlock --all' for locks of "
    "a machine that is gone",
    hopeless=False,
)
# The first row that fits counts.
MEANINGS: Final = (
    PASSWORD,
    LOCKED,
    _row(
        r"x509:|certificate signed by|HTTP response to HTTPS",
        "the place does not prove who it is",
        "with a certificate of your own authority: 'appliance backup init REPOSITORY --ca FILE'",
    ),
    _row(
        r"access key id you provided|InvalidAccessKeyId|signature we calculated|SignatureDoesNotMatch|access ?denied|"
        r"no credentials found|getCredentials|anonymous|\(40[13]\)|\b40[13] (unauthorized|forbidden)",
        "the place does not take these credentials",
        "S3: 'appliance backup init REPOSITORY --env AWS_ACCESS_KEY_ID=- --env AWS_SECRET_ACCESS_KEY=-'; REST: name "
        "and password stand in its address, which 'appliance backup init -' reads",
    ),
    _row(
        r"permission denied \(",
        "{host} does not let this appliance in",
        "'appliance backup key' shows the line for its account there (authorized_keys)",
    ),
    _row(r"bucket name", "", "see the place: s3:https://HOST/BUCKET/FOLDER"),
    _row(
        r"unable to open config file: .*(file does not exist|no such file or directory)|<config/?> does not exist|"
        r"specified (bucket|key) does not exist|NoSuchBucket|NoSuchKey|\(404\)|repository does not exist",
        "there is none",
        "'appliance backup init REPOSITORY' makes one, or see whether this is the place",
        absent=True,
    ),
    _row(
        r"connection refused|no route to host|i/o timeout|no such host|network is unreachable|connection timed out|"
        r"could not resolve|name resolution|does not answer|operation timed out",
        "the place cannot be reached",
        "see its name and port, and what lies between",
        hopeless=False,
    ),
    _row(
        r"no space left|insufficient storage|\(507\)|quota|storagefull",
        "the disk at the other side is full",
        "make room there, or keep fewer ('appliance backup set --keep-last 1 --keep-daily 3'), then 'appliance backup "
        "forget'",
    ),
    _row(
        r"SSH_FX_FAILURE",
        "the other side cannot write, so its disk may be full",
        "make room there, or keep fewer ('appliance backup set --keep-last 1 --keep-daily 3'), then 'appliance backup "
        "forget'",
        hopeless=False,
    ),
    _row(
        r"permission denied|SSH_FX_PERMISSION",
        "the place may not be written to",
        "name a directory that its account may write to",
    ),
    _row(
        r"connection lost|broken pipe|connection reset|closed connection|file already closed|unexpected EOF|: EOF$",
        "the connection broke off",
        "the next run goes on with what is there already",
        hopeless=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a run that failed told: `line`, the one that says why, and its `meaning`, None: nobody knows."""

    line: str
    meaning: Meaning | None = field(default=None)


def judged(text: str) -> Said:
    """The end of what restic or ssh wrote to standard error."""
    lines = [_OF_SSH.sub("", each).strip() for each in text.splitlines() if each.strip()]
    fatal = [each.removeprefix("Fatal: ") for each in lines if each.startswith("Fatal:")]
    repeated = [match["why"] for each in lines if (match := AGAIN.search(each))]
    for line in [*fatal[:1], *repeated[-1:], *reversed(lines)]:
        for row in MEANINGS:
            if row.said.search(line):
                return Said(line, row)
    return Said((fatal[:1] or lines[-1:] or ["it did not say why"])[0])


def is_hopeless(line: str) -> bool:
    """Whether a line says that restic will repeat what cannot come out otherwise."""
    match = AGAIN.search(line)
    found = judged(match["why"]).meaning if match else None
    return found is not None and found.hopeless
