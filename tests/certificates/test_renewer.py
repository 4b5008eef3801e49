"""A certificate out of a real ACME server, proven over real HTTP by the web's own port, in use at the next handshake,
renewed in time; and what is said when it comes to nothing."""

import asyncio
import contextlib
import socket
import ssl
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.certificates.authority import MOST_ANSWER
from pysrv.certificates.held import AUTHORITIES_NAME, Certificates
from pysrv.certificates.renewal import Standing
from pysrv.certificates.renewer import FILE_NAME, Renewer
from pysrv.control.session import Control
from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.certificates.pebble import Pebble, running
from tests.control.office import Operator, Service
from tests.ports import free_port
from tests.web.house import House, living

NAME = "pbx.example"
DAY = 86_400.0
PLAIN = {"localhttpport": "8080", "forcetls": "2", "localdomain": NAME}


@pytest.fixture(scope="module")
def http_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def pebble(http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with running(tmp_path_factory.mktemp("pebble"), http_port) as made:
        yield made


@dataclass
class Office:
    """What the office puts together: certificates, their renewer, the web's plain port, and the verbs."""

    house: House
    held: Certificates
    directory: Path
    told: list[tuple[int, str, float]] = field(default_factory=list)
    issued: list[tuple[str, str]] = field(default_factory=list)
    ahead_s: float = 0.0
    renewer: Renewer = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a restart: all that is known lies in the directory."""
        self.renewer = Renewer(self.directory, self.held, self.now, self._failed, self._renewed)
        self.house.challenges = self.renewer.challenges

    def now(self) -> float:
        return time.time() + self.ahead_s

    def operator(self) -> Operator:
        made = Control(self.house.store, Service(self.house.settings()), certificates=self.held, renewer=self.renewer)
        return Operator(made.session("root"))

    def order(self, pebble: Pebble, *names: str) -> None:
        told = {"directory": pebble.directory, "email": "ops@pbx.example", "agreed": True, "names": list(names)}
        self.operator().ask("certificate.order", **told)

    def _failed(self, standing: Standing, ends_at: float) -> None:
        self.told.append((standing.failures, standing.problem, ends_at))

    def _renewed(self, before: str, after: str) -> None:
        self.issued.append((before, after))


@pytest.fixture
async def office(tmp_path: Path, http_port: int, pebble: Pebble) -> AsyncIterator[Office]:
    async with living(tmp_path, ()) as (house, _):
        for setting, text in PLAIN.items():
            house.store.set_setting(setting, text, "test")
        house.store.commit()
        directory = tmp_path
        (directory / AUTHORITIES_NAME).write_bytes(pebble.authorities)
        place: list[Office] = []
        clock = lambda: place[0].now() if place else time.time()  # noqa: E731
        held = Certificates(directory, ["127.0.0.1"], lambda: NAME, lambda: "", clock)
        place.append(Office(house, held, directory))
        await house.web.start_plain(["127.0.0.1"], http_port)
        yield place[0]


async def shown(office: Office, authorities: bytes) -> str:
    """Whom a client that believes these authorities reads in the handshake, over a socket of its own."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=office.held.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        context = ssl.create_default_context(cadata=authorities.decode())
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
        found = writer.get_extra_info("peercert")
        writer.close()
        return ",".join(value for _, value in found["subjectAltName"])


def accounts(pebble: Pebble) -> list[str]:
    """What it has noted of new accounts: other tests of this file order of it as well."""
    return [line for line in pebble.log.read_text().splitlines() if "There are now" in line and "account" in line]


async def test_one_is_ordered_proven_in_use_at_once_and_renewed_before_it_ends(office: Office, pebble: Pebble) -> None:
    own = office.held.fingerprint
    office.order(pebble)
    assert office.operator().ask("certificate.show")["order"]["running"]
    loop = asyncio.create_task(office.renewer.run())
    while not office.issued and (office.renewer.shown() or pytest.fail("forgotten")).failures == 0:
        await asyncio.sleep(0.02)
    loop.cancel()
    told = office.operator().ask("certificate.show")
    assert told["order"]["problem"] == "", told
    assert told["certificate"]["own"] and told["certificate"]["names"] == [NAME]
    assert (told["order"]["issued"], told["order"]["in_use"], told["order"]["running"]) == (True, True, False)
    first = office.held.fingerprint
    assert office.issued == [(own, first)]
    assert await shown(office, pebble.authorities) == NAME
    assert office.renewer.challenges == {}
    file = office.directory / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # nothing is asked for before two thirds of its life are over; then, after a restart, it is renewed by itself
    life = told["certificate"]["ends_at"] - told["certificate"]["begins_at"]
    office.start()
    assert told["order"]["due_at"] == pytest.approx(told["certificate"]["begins_at"] + life * 2 / 3)
    assert not office.renewer._is_due(office.renewer._standing or pytest.fail("lost"))
    office.ahead_s = life * 2 / 3 + 60
    assert office.renewer._is_due(office.renewer._standing or pytest.fail("lost"))
    known = accounts(pebble)
    assert known
    assert await office.renewer.attempt()
    assert office.held.fingerprint not in (own, first) and office.told == []
    assert accounts(pebble) == known  # the second order came by the same account


async def test_a_renewal_that_fails_leaves_what_serves_and_is_told_and_repeated_later(
    office: Office, pebble: Pebble
) -> None:
    office.order(pebble)
    assert await office.renewer.attempt()
    good = office.held.fingerprint
    await office.house.web.stop_plain()  # nobody answers the authority any more
    office.ahead_s = 30 * 365 * DAY
    assert not await office.renewer.attempt()
    ((failures, problem, ends_at),) = office.told
    assert failures == 1 and NAME in problem and ends_at == office.held.shown().ends_at
    told = office.operator().ask("certificate.show")
    assert "could not be renewed" in " ".join(told["notices"]) and "port 80" in told["order"]["hint"]
    assert office.held.fingerprint == good
    assert told["order"]["due_at"] == pytest.approx(office.now() + 3600, abs=60)
    finding = next(
        each for each in office.operator().ask("checklist.show")["findings"] if each["name"] == "certificate"
    )
    assert (finding["grade"], finding["value"]) == ("fail", "its renewal fails")


async def test_what_cannot_be_ordered_says_why_and_what_to_do(office: Office, pebble: Pebble, tmp_path: Path) -> None:
    (office.directory / AUTHORITIES_NAME).unlink()
    office.order(pebble)
    assert not await office.renewer.attempt()
    ordered = office.renewer.shown()
    assert ordered is not None
    assert "does not prove who it is" in ordered.problem and "authorities.pem" in ordered.hint
    (office.directory / AUTHORITIES_NAME).write_bytes(pebble.own)  # its own name, but not what it issues
    office.order(pebble)
    assert not await office.renewer.attempt()
    ordered = office.renewer.shown()
    assert ordered is not None and "the chain is incomplete" in ordered.problem
    for address, words in (
        (pebble.directory.replace("/dir", "/none"), "does not speak ACME"),
        (f"https://127.0.0.1:{free_port()}/dir", "cannot be reached"),
    ):
        office.renewer.order(address, "", (NAME,))
        assert not await office.renewer.attempt()
        ordered = office.renewer.shown()
        assert ordered is not None and words in ordered.problem and ordered.hint, ordered
    assert office.told == [] and not office.held.shown().own  # an order is watched by who gave it


async def test_one_that_the_operator_brought_is_never_replaced(office: Office, pebble: Pebble) -> None:
    office.order(pebble)
    assert await office.renewer.attempt()
    key, authority = new_key(), root(time.time())
    leaf = authority.sign(NAME, (NAME,), key, time.time())
    office.held.put(key_pem(key) + pem_of(leaf, authority.certificate))
    office.ahead_s = 0.0
    standing = office.renewer._standing
    assert standing is not None and not office.renewer._is_due(standing)
    ordered = office.renewer.shown()
    assert ordered is not None and ordered.issued and not ordered.in_use
    # nor one that is brought while the authority still works
    trying, another = asyncio.create_task(office.renewer.attempt()), new_key()
    await asyncio.sleep(0)
    office.held.put(
        key_pem(another) + pem_of(authority.sign(NAME, (NAME,), another, time.time()), authority.certificate)
    )
    brought = office.held.fingerprint
    assert not await trying
    assert office.held.fingerprint == brought and office.renewer.shown() is not None
    office.operator().ask("certificate.forget")
    assert not (office.directory / FILE_NAME).exists()
    with pytest.raises(WireError, match="no certificate is ordered"):
        office.operator().ask("certificate.forget")


async def test_an_order_that_has_come_to_nothing_ends_when_one_is_brought(office: Office) -> None:
    office.renewer.order(f"https://127.0.0.1:{free_port()}/dir", "", (NAME,))
    assert not await office.renewer.attempt()
    assert (office.renewer.shown() or pytest.fail("forgotten")).failures == 1
    key, authority = new_key(), root(time.time())
    pem = key_pem(key) + pem_of(authority.sign(NAME, (NAME,), key, time.time()), authority.certificate)
    told = office.operator().ask("certificate.set", pem=pem.decode())
    assert told["certificate"]["own"] and told["order"] is None
    assert not (office.directory / FILE_NAME).exists()


async def test_an_authority_that_never_ends_its_answer_keeps_no_other_order_from_being_made(office: Office) -> None:
    key, authority = new_key(), root(time.time())
    server_pem = office.directory / "server.pem"
    server_pem.write_bytes(key_pem(key) + pem_of(authority.sign("x", ("127.0.0.1",), key, time.time())))
    (office.directory / AUTHORITIES_NAME).write_bytes(pem_of(authority.certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_pem)
    over = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not over.is_set():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)

    async with await asyncio.start_server(drip, "127.0.0.1", 0, ssl=context) as server:
        renewer = Renewer(office.directory, office.held, office.now, longest_order_s=1.0)
        renewer.order(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/dir", "", (NAME,))
        assert not await renewer.attempt()
        over.set()
    ordered = renewer.shown()
    assert ordered is not None and not ordered.running and "was not done after 1 s" in ordered.problem


async def test_an_answer_without_end_is_not_read(office: Office) -> None:
    key, authority = new_key(), root(time.time())
    server_pem = office.directory / "server.pem"
    server_pem.write_bytes(key_pem(key) + pem_of(authority.sign("x", ("127.0.0.1",), key, time.time())))
    (office.directory / AUTHORITIES_NAME).write_bytes(pem_of(authority.certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_pem)
    sent = 0

    def pour(listening: socket.socket) -> None:
        """With a blocking socket: asyncio's TLS takes whatever is written while it says goodbye, and drops it."""
        nonlocal sent
        plain, _ = listening.accept()
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as stream:
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while sent < 64 * MOST_ANSWER:
                stream.sendall(b" " * 65_536)
                sent += 65_536

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        pouring = asyncio.create_task(asyncio.to_thread(pour, listening))
        renewer = Renewer(office.directory, office.held, office.now)
        renewer.order(f"https://127.0.0.1:{listening.getsockname()[1]}/dir", "", (NAME,))
        assert not await renewer.attempt()
        await pouring
    ordered = renewer.shown()
    assert ordered is not None and "answers with more than 1024 KiB" in ordered.problem
    assert sent < 32 * MOST_ANSWER


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"directory": "http://127.0.0.1/dir"}, "not the https address"),
        ({"directory": "https://user@ca.example/"}, "not the https address"),
        ({"email": "nobody"}, "no mail address"),
        ({"agreed": False}, "terms must be agreed"),
        ({"names": ["*.pbx.example"]}, "cannot be proven over HTTP"),
        ({"names": ["not a name"]}, "no DNS name"),
    ],
)
async def test_an_order_that_could_not_be_is_refused_before_anybody_is_asked(
    office: Office, wrong: dict[str, object], words: str
) -> None:
    with pytest.raises(WireError, match=words) as error:
        office.operator().ask("certificate.order", **({"directory": "https://ca.example/", "agreed": True} | wrong))
    assert error.value.hint or "DNS name" in words
    assert office.renewer.shown() is None


@pytest.mark.parametrize(("setting", "text", "words"), [("localhttpport", "0", "port 80"), ("forcetls", "3", "clear")])
async def test_without_a_plain_port_nothing_is_ordered(office: Office, setting: str, text: str, words: str) -> None:
    office.house.store.set_setting(setting, text, "test")
    office.house.store.commit()
    with pytest.raises(WireError, match=words) as error:
        office.operator().ask("certificate.order", directory="https://ca.example/", agreed=True)
    assert setting in error.value.hint
