"""Floods made by other people's tools: the service does not hear of them, and who is registered telephones on."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scapy.packet import Packet

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import closed, connected, pause
from tests.e2e.test_peers import tallies
from tests.lab.network import Lab, end
from tests.lab.office import Work, work
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.replays import Forger, Replay
from tests.lab.tones import seconds_with_tone

pytestmark = pytest.mark.load

PASSWORD = "correct-horse-42"
TALK_S, CALL_S, FLOOD_S = 2.0, 5, 2
FRAMES = 600  # different ones in a flood, over and over
LEAST_PACKETS = 50_000
STORM_RATE = 300
# Without proof 3000 packets of strangers reach the service at once and 33 a second, odd forms 100 and 50 a second
# (bpf/limits.def: budget, odd); the rest is what the telephones themselves say.
AT_ONCE, A_SECOND, OWN = 3000 + 100, 33 + 50, 50
Pair = tuple[Phone, Phone]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One of its own: these floods take what strangers share."""
    with Lab(["alice", "bob", "attacker"], tag="for") as made:
        yield made


@pytest.fixture(scope="module")
def product(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("product")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Product(lab, directory) as made:
        for name, number in (("alice", "101"), ("bob", "102")):
            made.account(name, number)
        yield made


@pytest.fixture(scope="module")
def pair(lab: Lab, product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two telephones that were registered before any of it began."""
    directory = tmp_path_factory.mktemp("phones")
    with ExitStack() as stack:
        phones = []
        for name, hertz in (("alice", ALICE_HZ), ("bob", BOB_HZ)):
            phones.append(Phone(lab, lab.hosts[name], directory / name, name, PASSWORD, tone_hz=hertz))
            stack.callback(phones[-1].close)
            phones[-1].registered()
        yield phones[0], phones[1]


@pytest.fixture(scope="module")
def forger(lab: Lab) -> Forger:
    """A tenth of what it makes bears the telephones' addresses."""
    return Forger(lab, lab.hosts["attacker"], [lab.hosts[name].address for name in ("alice", "bob")])


@pytest.fixture
def unharmed(lab: Lab, product: Product, pair: Pair) -> Iterator[None]:
    """Holds the test to it that nobody registered was banned, and that both are registered still."""
    yield
    addresses = {lab.hosts[name].address for name in ("alice", "bob")}
    registered = {(row["remote_host"], row["remote_port"]) for row in product.command("registrations")["registrations"]}
    assert {address for address, _ in registered} == addresses
    banned = {row["source"] for row in product.command("bans")["bans"]}
    assert not banned & (addresses | {f"{address}:{port}" for address, port in registered})
    if banned:
        product.command("unban", "--all")


def calls_with_audio(pair: Pair) -> None:
    """The two telephones call each other, and each hears the other."""
    alice, bob = pair
    since = {phone: len(phone.heard()) for phone in pair}
    connected(alice, bob, "102")
    pause(TALK_S)
    alice.hang_up()
    closed(alice, bob)
    for phone, hertz in ((alice, BOB_HZ), (bob, ALICE_HZ)):
        assert seconds_with_tone(phone.heard()[since[phone] :], hertz) >= 0.8 * TALK_S


@pytest.mark.parametrize(("method", "verdict"), [("REGISTER", "challenge_401"), ("INVITE", "challenge_407")])
def test_a_spoofed_flood_wakes_python_zero_times(
    lab: Lab, product: Product, forger: Forger, unharmed: None, tmp_path: Path, method: str, verdict: str
) -> None:
    replay = Replay(lab, lab.hosts["attacker"], tmp_path / "flood.pcap", forger.requests(method, FRAMES), FLOOD_S)
    tallied, start = tallies(product), work(product)
    pause(FLOOD_S)
    quiet = work(product).since(start)
    start = work(product)
    with replay:
        sent = replay.sent()
    flooded = work(product).since(start)
    longer = flooded.seconds / quiet.seconds  # tcpreplay has to start and to end
    moved = Counter(tallies(product))
    moved.subtract(tallied)
    assert sent > LEAST_PACKETS
    assert moved[verdict] > LEAST_PACKETS / 10, moved
    # Not one datagram was read, and not one waits or was lost: the sockets saw none.
    assert (flooded.read, flooded.waiting, flooded.lost) == (0, 0, 0), (flooded, moved)
    # Its heart beats on, and it wakes for nothing else.
    assert flooded.wakeups <= 1.25 * longer * quiet.wakeups + 10, (flooded, quiet)


def spoofed(forger: Forger) -> list[Packet]:
    return [frame for method in ("REGISTER", "INVITE", "OPTIONS") for frame in forger.requests(method, FRAMES // 3)]


@pytest.mark.parametrize(
    "frames",
    [spoofed, lambda forger: forger.fragments(FRAMES // 8), lambda forger: forger.malformed(FRAMES // 4)],
    ids=["spoofed", "fragments", "malformed"],
)
def test_a_registered_pair_calls_through_a_flood_of_packets_that_are(
    lab: Lab, product: Product, pair: Pair, forger: Forger, unharmed: None, tmp_path: Path,
    frames: Callable[[Forger], list[Packet]],
) -> None:  # fmt: skip
    start = work(product)
    with Replay(lab, lab.hosts["attacker"], tmp_path / "flood.pcap", frames(forger), CALL_S) as replay:
        calls_with_audio(pair)
        sent = replay.sent()
    little(work(product).since(start), sent)


def strangers_share(done: Work) -> float:
    """What may have reached the service in that time."""
    return AT_ONCE + A_SECOND * max(3 * CALL_S, done.seconds) + OWN


def little(done: Work, sent: int) -> None:
    """Holds the service's work under a flood to what strangers may ask of it in that time, and to a part of a CPU."""
    assert sent > LEAST_PACKETS
    assert done.read <= strangers_share(done), (done, sent)
    assert done.lost == 0, done
    assert done.cpu_s <= 0.25 * max(CALL_S, done.seconds), done


# -- SIPp ---------------------------------------------------------------------------------------------------------


def scenario(method: str) -> str:
    """A request that waits for no answer: SIPp's own scenarios know neither REGISTER nor OPTIONS."""
    return (
        f'<?xml version="1.0"?><scenario name="storm"><send><![CDATA[\n{method} sip:[remote_ip] SIP/2.0\n'
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n"
        "From: <sip:100@[remote_ip]>;tag=[call_number]\nTo: <sip:100@[remote_ip]>\nCall-ID: [call_id]\n"
        f"CSeq: 1 {method}\nContact: <sip:100@[local_ip]:[local_port]>\nUser-Agent: {'SIPp in a storm ' * 8}\n"
        "Content-Length: 0\n\n]]></send></scenario>"
    )


@pytest.fixture
def storm(lab: Lab, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """SIPp three times at once, each from many ports: its own calls, and REGISTERs and OPTIONS."""
    host, running = lab.hosts["attacker"], ExitStack()

    def start() -> None:
        for number, method in enumerate(("", "REGISTER", "OPTIONS")):
            file = tmp_path / f"{method}.xml"
            file.write_text(scenario(method))
            command = ["sipp", *(("-sf", str(file)) if method else ("-sn", "uac")), "-i", host.address, "-nostdin"]
            command += ["-p", str(6500 + 1000 * number), "-t", "un", "-max_socket", "500", "-r", str(STORM_RATE)]
            command += ["-m", str(STORM_RATE * CALL_S), "-l", "400", "-timeout", f"{CALL_S}s", host.gateway]
            log = running.enter_context((tmp_path / f"{method}.log").open("wb"))
            running.callback(end, lab.start(host.namespace, command, stdout=log, stderr=log, cwd=str(tmp_path)))

    with running:
        yield start


def test_a_registered_pair_calls_through_storms_of_sipp(
    product: Product, pair: Pair, unharmed: None, storm: Callable[[], None]
) -> None:
    start, before = work(product), Counter(tallies(product))
    storm()
    calls_with_audio(pair)
    moved = Counter(tallies(product))
    moved.subtract(before)
    done = work(product).since(start)
    assert min(moved[name] for name in ("challenge_401", "over_guard")) >= STORM_RATE, +moved
    assert done.read <= strangers_share(done) and done.lost == 0, done
