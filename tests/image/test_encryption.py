"""What came of machines whose state is encrypted is judged: a good one passes, and each fault is found by its check."""

import copy
from collections.abc import Callable

import pytest

from image.layout import MIB
from tests.image import encryption
from tests.image.encryption import ASKS, OPENED, REFUSES, Found, Start, judge
from tests.image.test_state import RECOVERY

HEADER = "PBKDF:      pbkdf2\nPBKDF:      pbkdf2\n  tpm2-hash-pcrs:   7\n"
SAID = {
    "kind": "crypto_LUKS", "source": "/dev/mapper/state", "slots": ["tpm2", "recovery"], "header": HEADER,
    "recovery": "", "in_journal": False, "audit": {}, "failed": [], "was_planted": True, "bytes": 2500 * MIB,
}  # fmt: skip
FIRST = SAID | {
    "recovery": f"words\n{RECOVERY}\n", "was_planted": False, "bytes": 1400 * MIB,
    "audit": {"grade": "pass", "value": "/dev/mapper/state: LUKS2"},
}  # fmt: skip
KEYED = SAID | {"slots": ["password"]}
GOOD = Found(
    [
        Start(FIRST, f"words\n{RECOVERY}\n", 1),
        Start(SAID, "", 1),
        Start(SAID, f"{ASKS} {REFUSES} {OPENED}", 1),
        Start(SAID, "", 1),
        Start(KEYED | {"was_planted": False}, "", 1),
        Start(KEYED, ASKS, 1),
    ],
    (100, 200),
    b"LUKS\xba\xbe",
    [50],
)


def broken(change: Callable[[Found], object]) -> list[str]:
    found = copy.deepcopy(GOOD)
    change(found)
    return [row.what for row in judge(found) if not row.good]


def test_good_machines_pass() -> None:
    assert broken(lambda found: None) == []
    assert len(list(judge(GOOD))) == 18


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("every start gets to its state", lambda found: found.starts[2].told.clear()),
        ("every start gets to its state", lambda found: found.starts.pop()),
        ("with a TPM the state is encrypted", lambda found: found.starts[0].told.update(kind="ext4")),
        ("the TPM opens it, and a recovery key", lambda found: found.starts[0].told.update(slots=["tpm2"])),
        ("sealed to PCR 7 alone", lambda found: found.starts[0].told.update(header=HEADER.replace("7", "7+9"))),
        ("the console shows the recovery key", lambda found: setattr(found.starts[0], "console", "")),
        ("the journal does not", lambda found: found.starts[0].told.update(in_journal=True)),
        ("the audit is content with it", lambda found: found.starts[0].told.update(audit={"grade": "warn"})),
        ("no key takes time to derive", lambda found: found.starts[4].told.update(header="PBKDF: argon2id\n")),
        (
            "with a key and no TPM it is encrypted to the key",
            lambda found: found.starts[4].told.update(slots=["password", "recovery"]),
        ),
        ("only another TPM and no key are asked", lambda found: setattr(found.starts[1], "console", ASKS)),
        ("and the state stays the same", lambda found: found.starts[5].told.update(was_planted=False)),
        ("what opens nothing is refused", lambda found: setattr(found.starts[2], "console", f"{ASKS} {OPENED}")),
        ("the recovery key opens it, and seals it anew", lambda found: setattr(found.starts[2], "console", ASKS)),
        ("the recovery key is shown once", lambda found: found.starts[3].told.update(recovery=RECOVERY)),
        ("it grows with the disk", lambda found: found.starts[1].told.update(bytes=1400 * MIB)),
        ("no unit failed", lambda found: found.starts[5].told.update(failed=["x.service"])),
        ("on the disk there is LUKS where the state is", lambda found: setattr(found, "magic", b"\0" * 6)),
        ("what is not encrypted is found on it", lambda found: found.planted.clear()),
        ("what is in the state is not", lambda found: found.planted.append(150)),
    ],
)
def test_each_fault_is_found(what: str, change: Callable[[Found], object]) -> None:
    assert what in broken(change)


def test_a_start_says_its_object() -> None:
    assert encryption.heard('noise\n@state {"kind": "ext4"}\n@end\n') == {"kind": "ext4"}
    assert encryption.heard("") == {}
