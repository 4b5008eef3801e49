"""Telephones that nobody here wrote register and call through the challenge in the kernel and do not notice it.

All run with the settings that they and the appliance come with. What the service says by itself is counted as well:
the 401 and 407 that come over a telephone's wire, less those of the kernel. A registered device is known to the gate,
so the calls here come from devices that are not: their INVITE is the first thing that the appliance hears of them.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import newest_cdr, pause
from tests.e2e.test_peers import devices
from tests.lab.answers import Answers
from tests.lab.carrier import callers_file, calling, load, registering
from tests.lab.linphone import Linphone
from tests.lab.network import Host, Lab, end
from tests.lab.phones import Phone
from tests.lab.product import ROOT, Product
from tests.lab.tones import seconds_with_tone, write_tone
from tests.lab.waiting import until

PASSWORD = "correct-horse-42"
CALLEE = "100"
TALK_S = 1.5
PATIENCE_S = 60.0
CLIENTS = ("baresip", "linphone", "sipp", "aiosip")
STATUS_OF = {"challenge_401": 401, "challenge_407": 407}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One of its own: nobody in it is known yet, and whoever calls has another address than whoever registers."""
    with Lab(["callee", *CLIENTS, *(f"new-{name}" for name in CLIENTS)], tag="cli") as made:
        yield made


@pytest.fixture(scope="module")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        for number, name in enumerate(("callee", *CLIENTS), int(CALLEE)):
            made.account(name, str(number))
        yield made


@pytest.fixture(scope="module")
def callee(lab: Lab, product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """Somebody who takes every call."""
    phone = Phone(
        lab, lab.hosts["callee"], tmp_path_factory.mktemp("callee"), "callee", PASSWORD, answer="auto", tone_hz=BOB_HZ
    )
    phone.registered()
    yield phone
    phone.close()


def verdicts(product: Product) -> dict[str, int]:
    """What `appliance gate verdicts` shows: packets by verdict."""
    shown = product.command("gate", "verdicts", "--all", "--seconds", "0")
    return {row["verdict"]: row["packets"] for row in shown["tallies"]}


@contextmanager
def challenged_by_the_kernel(lab: Lab, product: Product, host: Host, verdict: str) -> Iterator[None]:
    """Holds the appliance to it: the first request ends as `verdict`, and its service challenges nobody by itself."""
    before = verdicts(product)
    with Answers(lab, host) as heard:
        yield
    after = verdicts(product)
    moved = Counter({name: packets - before[name] for name, packets in after.items() if packets != before[name]})
    assert moved[verdict] >= 1, (moved, heard.statuses)
    for name, status in STATUS_OF.items():
        assert heard.statuses[status] == moved[name] and (name == verdict or not moved[name]), (moved, heard.statuses)


def was_carried(product: Product, account: str) -> dict[str, Any]:
    """The account's one call, answered; its record."""
    record = newest_cdr(product)
    assert (record["account"], record["callee"], record["sip_status"]) == (account, CALLEE, 200), record
    return record


def talked(record: dict[str, Any]) -> bool:
    """Whether both sides of a call of TALK_S sent audio through the appliance, most of the time."""
    return min(int(record[side]["packets"]) for side in ("from_caller", "from_callee")) >= 0.6 * 50 * TALK_S


@pytest.fixture
def afterwards() -> Iterator[ExitStack]:
    """What is closed when the test has looked: a telephone that leaves registers once more."""
    with ExitStack() as stack:
        yield stack


# -- baresip ------------------------------------------------------------------------------------------------------


def baresip(lab: Lab, host: Host, directory: Path, afterwards: ExitStack, **options: Any) -> Phone:
    phone = Phone(lab, host, directory, "baresip", PASSWORD, **options)
    afterwards.callback(phone.close)
    return phone


def test_baresip_calls(lab: Lab, product: Product, callee: Phone, tmp_path: Path, afterwards: ExitStack) -> None:
    host = lab.hosts["new-baresip"]
    with challenged_by_the_kernel(lab, product, host, "challenge_407"):
        phone = baresip(lab, host, tmp_path / "phone", afterwards, expires_s=0)
        phone.dial(CALLEE)
        phone.wait("CALL_ESTABLISHED")
        pause(TALK_S)
        phone.hears(BOB_HZ, TALK_S)
        phone.hang_up()
        callee.wait("CALL_CLOSED")
    assert talked(was_carried(product, "baresip"))


def test_baresip_registers(lab: Lab, product: Product, tmp_path: Path, afterwards: ExitStack) -> None:
    host = lab.hosts["baresip"]
    with challenged_by_the_kernel(lab, product, host, "challenge_401"):
        baresip(lab, host, tmp_path / "phone", afterwards).registered()
    assert len(devices(product, "baresip")) == 1


# -- linphone -----------------------------------------------------------------------------------------------------


def linphone(lab: Lab, host: Host, directory: Path, afterwards: ExitStack, *, registers: bool) -> Linphone:
    phone = Linphone(lab, host, directory, "linphone", PASSWORD, registers=registers)
    afterwards.callback(phone.close)
    return phone


def test_linphone_calls(lab: Lab, product: Product, callee: Phone, tmp_path: Path, afterwards: ExitStack) -> None:
    host, tone = lab.hosts["new-linphone"], write_tone(tmp_path / "tone.wav", ALICE_HZ, 10)
    with challenged_by_the_kernel(lab, product, host, "challenge_407"):
        phone = linphone(lab, host, tmp_path, afterwards, registers=False)
        phone.ask(f"call sip:{CALLEE}@{host.gateway}", "connected.")
        before = len(callee.heard())
        phone.play(tone)
        pause(TALK_S)
        until(lambda: seconds_with_tone(callee.heard()[before:], ALICE_HZ) >= TALK_S, phone.said)
        phone.ask("terminate", "ended")
        callee.wait("CALL_CLOSED")
    assert talked(was_carried(product, "linphone"))


def test_linphone_registers(lab: Lab, product: Product, tmp_path: Path, afterwards: ExitStack) -> None:
    host = lab.hosts["linphone"]
    with challenged_by_the_kernel(lab, product, host, "challenge_401"):
        linphone(lab, host, tmp_path, afterwards, registers=True).registered()
    assert len(devices(product, "linphone")) == 1


# -- SIPp ---------------------------------------------------------------------------------------------------------


def sipp(lab: Lab, host: Host, directory: Path, scenario: str, uri: str) -> None:
    """One round of a scenario, from one port."""
    callers = callers_file(directory / "callers.csv", [("sipp", PASSWORD, CALLEE)])
    done = load(
        lab, host, directory / "load", scenario, callers, host.gateway, "-auth_uri", uri,
        calls=1, rate=1, timeout_s=PATIENCE_S,
    )  # fmt: skip
    assert (done.succeeded, done.failed) == (1, 0)


def test_sipp_calls(lab: Lab, product: Product, callee: Phone, tmp_path: Path) -> None:
    host = lab.hosts["new-sipp"]
    with challenged_by_the_kernel(lab, product, host, "challenge_407"):
        sipp(lab, host, tmp_path, calling(talk_ms=300), f"{CALLEE}@{host.gateway}")
    was_carried(product, "sipp")


def test_sipp_registers(lab: Lab, product: Product, tmp_path: Path) -> None:
    host = lab.hosts["sipp"]
    # A request that says as much as a telephone's: to a much shorter one the gate would answer with more than it got.
    scenario = registering().replace("Expires: 600", "Expires: 600\nUser-Agent: " + "SIPp as a telephone; " * 6)
    with challenged_by_the_kernel(lab, product, host, "challenge_401"):
        sipp(lab, host, tmp_path, scenario, host.gateway)
    assert len(devices(product, "sipp")) == 1


# -- aiosip, in its later form asyncsip ---------------------------------------------------------------------------


Step = Callable[[str], dict[str, Any]]


@pytest.fixture
def aiosip(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Step]]:
    """Starts it; gives what waits until it says that it has done a step."""
    started: list[subprocess.Popen[bytes]] = []
    said, log = tmp_path / "said.jsonl", tmp_path / "log.txt"

    def step(name: str) -> dict[str, Any]:
        end_at = time.monotonic() + PATIENCE_S
        while True:
            for line in said.read_text().splitlines():
                if (told := json.loads(line))["step"] == name:
                    return dict(told)
            assert time.monotonic() < end_at and started[-1].poll() in (None, 0), (
                name,
                said.read_text(),
                log.read_text(),
            )
            pause(0.05)

    def start(host: Host, *options: str) -> Step:
        command = [sys.executable, "-P", "-W", "ignore", "-m", "tests.lab.aiosip_shim", host.gateway, host.address]
        with said.open("wb") as output, log.open("wb") as errors:
            process = lab.start(
                host.namespace, [*command, "aiosip", PASSWORD, CALLEE, *options],
                stdout=output, stderr=errors, cwd=str(ROOT), env={"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        started.append(process)
        return step

    yield start
    for each in started:
        end(each)


def test_aiosip_calls(lab: Lab, product: Product, callee: Phone, aiosip: Callable[..., Step]) -> None:
    host = lab.hosts["new-aiosip"]
    with challenged_by_the_kernel(lab, product, host, "challenge_407"):
        step = aiosip(host, "call")
        assert step("called")["status"] == 200
        step("hung up")
    was_carried(product, "aiosip")


def test_aiosip_registers(lab: Lab, product: Product, aiosip: Callable[..., Step]) -> None:
    host = lab.hosts["aiosip"]
    with challenged_by_the_kernel(lab, product, host, "challenge_401"):
        assert aiosip(host, "register")("registered")["status"] == 200
    assert len(devices(product, "aiosip")) == 1
