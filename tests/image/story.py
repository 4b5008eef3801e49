"""An operator's day with a booted machine, step by step; every step raises when it does not come out."""

import asyncio
import contextlib
import hashlib
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from tests.browser.operator import CHROMIUM, Operator
from tests.certificates.pebble import running
from tests.image import upkeep
from tests.image.judge import Check
from tests.image.yard import MACHINE, Guest, Yard
from tests.lab.carrier import Carrier, answering, callers_file, load, registering
from tests.lab.hours import Hours
from tests.lab.network import entered
from tests.lab.phones import Phone
from tests.lab.tones import seconds_with_tone
from tests.lab.tunnel import TunnelPeer, read
from tests.lab.tunnel import page as fetched

NEW_PASSWORD, PHONE_PASSWORD = "my own long words 7", "correct-horse-42"
RELAYED, SCANNER, BANNED = "rtp_relayed", "scanner_agent", "banned_pair"  # verdicts.def
ATTACKER_PORT, GUESSES = 5099, 20
NUMBER, TALK_S, HERTZ = "4989123456", 6.0, 440
CLOCK = Path("/etc/systemd/timesyncd.conf.d/50-operator.conf")
DECK = "prefix,per_minute,connect_fee,initial_increment,next_increment\n4989,1.20,0.05,1,1\n"
PATIENCE_S = 240.0  # an emulated machine on a busy host takes seconds to hash a password
OPEN = frozenset({5060, 5061, 8443})  # and not SSH, to which the operator's key was handed in
TRIED = (*range(1, 1025), 2049, 3306, 3389, 4444, 5000, 5432, 6379, 8000, 8080, 8088, 8888, 9090, 9100, 11211, 27017)
PLAIN = {"forcetls": 2, "localhttpport": 80}  # for an authority's challenges
AUTHORITIES = "/var/lib/appliance/office/authorities.pem"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
OPTIONS = (
    "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {at}:{port};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:x@{at}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: {branch}@{at}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Failed(Exception):
    """A step that did not come out, by its name."""


class Day:
    """The machine, its people, and what they have seen."""

    def __init__(self, guest: Guest, yard: Yard, place: Path) -> None:
        self.guest, self.yard, self.place = guest, yard, place
        self.figures: dict[str, float | int | str] = {}
        self._phones: dict[str, Phone] = {}
        self.rows: list[Check] = []  # what is found on the way

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """In their order; telephones and carrier are taken down at the end, whatever happened."""
        carrier = Carrier(self.yard, self.yard.hosts["carrier"], self.place / "carrier", answering())
        operator = self.guest.operator
        hours = Hours(self.yard.socket(operator.namespace), operator.address)
        try:
            hours.start()
            yield "the operator finishes the set-up in Chromium", self.set_up
            yield "a second account, a priced deck and a trunk", self.furnish
            yield "the machine itself says what it is", self.look
            yield "two telephones register with digest", self.register
            yield "a priced call goes out, its audio through the gate", self.call
            yield "a scanner ends at the card, who guesses passwords is banned, telephones are not", self.attack
            yield "the operator's laptop comes in by WireGuard", self.tunnel
            yield "nothing answers but what is meant to", self.scan
            yield "an authority certifies it (ACME), under AppArmor and the packet filter", self.certify
            yield from upkeep.Upkeep(self).steps()
        finally:
            for phone in self._phones.values():
                phone.close()
            carrier.close()
            hours.close()

    def set_up(self) -> None:
        """/panel/setup from the first password to the first account, then a second factor; the browser is the
        operator's, in his namespace."""
        wrapper = self.place / "chromium"
        space = self.guest.operator.namespace
        wrapper.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{space} {CHROMIUM} "$@"\n')
        wrapper.chmod(0o755)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(wrapper), args=["--no-sandbox", "--disable-gpu"])
            try:
                page = browser.new_context(ignore_https_errors=True).new_page()
                operator = Operator(page, f"https://{MACHINE}:8443", self.guest.password())
                page.set_default_timeout(PATIENCE_S * 1000)
                self._walk(operator)
            except BrowserError as error:
                shown = page.locator("body").inner_text(timeout=5000).split()
                raise Failed(f"{page.url} shows '{' '.join(shown)[-600:]}': {error}") from error
            finally:
                browser.close()

    def _walk(self, operator: Operator) -> None:
        page = operator.page

        def go_on(name: str = "Done, go on") -> None:
            before = page.locator("main h2").first.inner_text()
            page.get_by_role("button", name=name).click()
            page.wait_for_function("before => document.querySelector('main h2')?.innerText !== before", arg=before)

        operator.log_in()
        operator.go("/panel/setup")
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.get_by_label("The same again").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Done, go on").click()
        page.wait_for_url(re.compile("/panel/login"))
        operator.log_in(password=NEW_PASSWORD)
        operator.go("/panel/setup")
        assert page.get_by_label("Address or network").input_value() == self.guest.operator.address
        go_on()
        page.get_by_label("Domain").fill("pbx.example")
        for _ in ("domain", "certificate"):
            go_on()
        shown = page.locator("main").inner_text()
        assert "native" in shown, shown[:400]
        go_on()
        page.get_by_label("Profile").select_option("strict")
        go_on()
        go_on("Skip")  # the trunk
        page.get_by_label("Name", exact=True).fill("alice")
        page.get_by_label("Password").fill(PHONE_PASSWORD)
        page.get_by_label("Numbers").fill("101")
        go_on()
        page.get_by_role("button", name="Skip").click()  # mail
        page.wait_for_url(re.compile("/panel/$"))
        operator.go("/panel/you")
        page.get_by_role("button", name="Set up an authenticator").click()
        secret = page.locator("main code").inner_text()
        page.get_by_label("Code").fill(pyotp.TOTP(secret).at(time.time()))
        page.get_by_role("button", name="Switch codes on").click()
        page.get_by_text("Your recovery codes").wait_for()

    def furnish(self) -> None:
        """By the command line, over SSH with the key that the seed handed in: what it sells and over whom, who hears of
        what happens, whom the clock follows."""
        operator = self.guest.operator.address
        self.guest.shell("cat >/run/deck.csv", stdin=DECK)
        self.guest.commands(
            "rates import retail /run/deck.csv",
            f"accounts add bob --password - --number 102 <<<'{PHONE_PASSWORD}'",
            "accounts set alice --credit 10.00 --deck retail",
            f"trunks add carrier {self.yard.hosts['carrier'].address} --prefix 49",
            f"settings set mailserver {operator}",
            "settings set mailfrom appliance@pbx.example",
            "settings set adminemails operator@pbx.example",
        )
        self.guest.shell(  # root's own files are nobody else's (umask 027), and the clock's service is not root
            f"umask 022 && mkdir -p {CLOCK.parent} && cat >{CLOCK} && systemctl restart systemd-timesyncd",
            stdin=f"[Time]\nNTP={operator}\n",
        )

    def look(self) -> None:
        """Native XDP on virtio-net, Secure Boot, by the machine's own words."""
        status = self.guest.command("status")
        modes = [f"{each['name']} {each['mode']}" for each in status["keeper"]["interfaces"]]
        driver = self.guest.shell("readlink /sys/class/net/eth0/device/driver").strip().rpartition("/")[2]
        native = (modes, driver) == (["eth0 native"], "virtio_net")
        self.rows.append(Check("the gate is native XDP on virtio_net", native, f"{modes} {driver}"))
        if self.guest.firmware == "secureboot":
            state = self.guest.shell(f"od -An -tu1 -j4 -N1 {SECURE_BOOT}").strip()
            self.rows.append(Check("the firmware has checked every signature", state == "1", f"SecureBoot={state}"))
        self.figures["memory used, bytes"] = int(self.guest.shell("free -b").splitlines()[1].split()[2])
        self.figures["root used, bytes"] = int(self.guest.shell("df --output=used -B1 /").split()[-1])

    def register(self) -> None:
        """baresip, with REGISTER, 401, REGISTER, 200."""
        for user, number in (("alice", 101), ("bob", 102)):
            directory = self.place / f"phone-{number}"
            host = self.yard.hosts[user]
            self._phones[user] = Phone(self.yard, host, directory, user, PHONE_PASSWORD, tone_hz=HERTZ, expires_s=3600)
            self._phones[user].registered(PATIENCE_S)
        self.both_registered()

    def both_registered(self) -> None:
        found = self.registered()
        assert found == sorted(self.yard.hosts[user].address for user in ("alice", "bob")), found

    def call(self) -> None:
        """The carrier echoes what it hears: alice hears her own tone, which has passed the gate twice."""
        alice, relayed = self._phones["alice"], self._tally(RELAYED)
        alice.dial(NUMBER)
        alice.wait("CALL_ESTABLISHED", PATIENCE_S)
        time.sleep(TALK_S)
        alice.hang_up()
        alice.wait("CALL_CLOSED", PATIENCE_S)
        heard = seconds_with_tone(alice.heard(), HERTZ)
        record = self._record()
        assert heard > TALK_S / 2, f"{heard:.1f} s of the tone were heard"
        assert (record["account"], record["callee"]) == ("alice", NUMBER), record
        # 0.05 for the connection and 0.02 for each begun second
        wanted = 5 + 2 * -(-record["billable_seconds"] // 1)
        assert round(float(record["charge"]) * 100) == wanted, record
        packets = self._tally(RELAYED) - relayed
        found = f"{packets} packets, {heard:.1f} s heard, {record['billable_seconds']} s cost {record['charge']}"
        self.rows.append(Check("the audio was relayed at the card", packets > 50 * TALK_S, found))
        self.figures["call charged"] = record["charge"]

    def attack(self) -> None:
        """SIPVicious betrays itself and ends at the card; who guesses like a telephone is banned by his guesses."""
        attacker, before = self.yard.hosts["attacker"], self._tally(SCANNER)
        command = ["timeout", "60", "svcrack", "--maximumtime=10", "-u", "alice", "-r", "100-400", MACHINE]
        said = self.yard.run(attacker.namespace, command, 120)
        dropped = self._tally(SCANNER) - before
        assert dropped > 0, f"the gate has not seen it: {(said.stdout + said.stderr)[-400:]}"
        self.rows.append(Check("a scanner's guesses end at the card", True, f"{dropped} dropped as {SCANNER}"))

        assert self.answers("attacker"), "a stranger's OPTIONS is not answered"
        guesses = [("alice", f"guess{number}", "1") for number in range(GUESSES)]
        table = callers_file(self.place / "guesses.csv", guesses)
        outcome = load(
            self.yard, attacker, self.place / "guesser", registering(), table, MACHINE, "-t", "u1",
            calls=GUESSES, rate=2, timeout_s=90, port=ATTACKER_PORT,
        )  # fmt: skip
        assert outcome.succeeded == 0, outcome
        bans = self.guest.command("bans list")["bans"]
        (ban,) = [each for each in bans if each["source"] == f"{attacker.address}:{ATTACKER_PORT}"]
        assert ban["rule"] == "maxfailedauthenabledipport", ban
        assert not self.answers("attacker"), "the attacker is still answered"
        found = f"{ban['count']} wrong passwords, {self._tally(BANNED)} packets dropped since"
        self.rows.append(Check("who guesses is banned by itself, with the evidence", True, found))
        self.both_registered()

    def tunnel(self) -> None:
        """The machine's is its kernel's, the laptop's is wireguard-go; the panel answers inside."""
        shown = self.guest.command(f"tunnel on --endpoint {MACHINE}")
        assert (shown["kind"], shown["problem"]) == ("kernel", ""), shown
        told = read(self.guest.command("tunnel add laptop")["text"])
        with TunnelPeer(self.yard, self.guest.operator, told) as laptop:
            until, status = time.monotonic() + PATIENCE_S, 0
            while status != 303 and time.monotonic() < until:
                with contextlib.suppress(OSError):
                    status, _ = fetched(self.guest.operator, shown["addresses"][0], 8443, "/panel/", 20.0)
            assert status == 303, f"the panel says {status} inside of the tunnel"
            assert laptop.heard().handshake_at > 0, "no handshake"
        (row,) = self.guest.command("tunnel")["peers"]
        found = f"{row['received_bytes']} bytes in, {row['sent_bytes']} out"
        self.rows.append(Check("the tunnel carries the panel", row["handshake_at"] > 0, found))

    def scan(self) -> None:
        """Connections to a thousand ports from a stranger's address."""
        found = asyncio.run(self._open())
        self.rows.append(Check("only the meant ports are open", found == OPEN, f"{len(TRIED)} tried: {sorted(found)}"))
        assert found == OPEN, sorted(found)

    async def _open(self) -> frozenset[int]:
        order = [*sorted(OPEN), *random.sample(TRIED, len(TRIED))]
        gate = asyncio.Semaphore(128)

        async def tried(port: int) -> int:
            async with gate:
                with self.yard.socket(self.yard.hosts["scanner"].namespace, 1) as asking:
                    asking.setblocking(False)
                    try:
                        patience = 30.0 if port in OPEN else 4.0
                        loop = asyncio.get_running_loop()
                        await asyncio.wait_for(loop.sock_connect(asking, (MACHINE, port)), patience)
                    except (OSError, TimeoutError):
                        return 0
                    return port

        return frozenset(await asyncio.gather(*map(tried, order))) - {0}

    def certify(self) -> None:
        """Pebble on the operator's machine asks for the challenge at port 80; the office's profile lets it order."""
        operator, place = self.guest.operator, self.place / "pebble"
        place.mkdir()
        before = [self.guest.command(f"settings get {name}")["value"] for name in PLAIN]
        self.guest.commands(*(f"settings set {name} {value}" for name, value in PLAIN.items()))
        with entered(operator.namespace), running(place, 80, MACHINE, operator.address) as pebble:
            known = pebble.authorities.decode()
            self.guest.shell(f"install -o pysrv -g pysrv -m 600 /dev/stdin {AUTHORITIES}", stdin=known)
            told = self.guest.command(f"certificate order {pebble.directory} pbx.example --agree")
        ordered = told["certificate"]["fingerprint"].replace(":", "").lower()
        with entered(operator.namespace):
            shown = {port: self._fingerprint(port) for port in (5061, 8443)}
        found = f"{told['certificate']['issuer']}, served at {sorted(shown)}"
        good = told["order"]["in_use"] and set(shown.values()) == {ordered}
        self.rows.append(Check("the ordered certificate serves SIP and web", good, found))
        self.guest.commands(*(f"settings set {name} {value}" for name, value in zip(PLAIN, before, strict=True)))

    def _fingerprint(self, port: int) -> str:
        pem = ssl.get_server_certificate((MACHINE, port), timeout=PATIENCE_S)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    def registered(self) -> list[str]:
        """Who is: the telephones' addresses."""
        return sorted(each["remote_host"] for each in self.guest.command("registrations")["registrations"])

    def _record(self) -> dict[str, Any]:
        """The newest call's, written when the relay's last figures are in."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if found := self.guest.command("cdrs --limit 1")["cdrs"]:
                return dict(found[0])
            time.sleep(1)
        raise Failed("no record was written")

    def _tally(self, verdict: str) -> int:
        tallies = self.guest.command("status")["keeper"]["tallies"]
        return sum(int(each["packets"]) for each in tallies if each["verdict"] == verdict)

    def answers(self, peer: str) -> bool:
        """Whether an OPTIONS of this peer is answered."""
        host = self.yard.hosts[peer]
        with self.yard.socket(host.namespace) as asking:
            asking.bind((host.address, ATTACKER_PORT))
            asking.settimeout(4.0)
            for _ in range(3):
                branch = f"{random.randrange(1 << 40):x}"
                asked = OPTIONS.format(to=MACHINE, at=host.address, port=ATTACKER_PORT, branch=branch)
                asking.sendto(asked.encode(), (MACHINE, 5060))
                try:
                    asking.recv(4096)
                except TimeoutError:
                    continue
                return True
        return False
