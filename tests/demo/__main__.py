"""`make demo`: a telephone service under attack, in under a minute, in network namespaces of its own.

Two real phones register and talk, a call goes out over a priced trunk, an attacker floods meanwhile. The terminal
shows it live; at the end come the ladder of one call, the priced records and what the gate did with every packet.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from tests.demo.ladder import Sniffer, ladder
from tests.interrupt import INTERRUPTED, interruptible
from tests.lab.carrier import Carrier, answering
from tests.lab.flood import Flood
from tests.lab.network import Lab
from tests.lab.phones import Phone, PhoneError
from tests.lab.product import Product, ProductError
from tests.lab.tones import seconds_with_tone

ALICE_HZ, BOB_HZ = 440, 880
NUMBER = "4989123456"
DECK = "prefix,per_minute,connect_fee,initial_increment,next_increment,destination\n4989,1.20,0.05,1,1,Munich\n"
FLOOD_S, FLOOD_PPS = 12.0, 20_000


@dataclass(slots=True)
class Stage:
    """What is shown while it runs."""

    product: Product
    flood: Flood
    began: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False

    def picture(self) -> Group:
        """The screen now."""
        steps = Table.grid(padding=(0, 1))
        for mark, text in self.steps:
            steps.add_row(mark, text)
        tables: list[Panel | Table] = [
            Panel(steps, title=f"demonstration, {time.monotonic() - self.began:.0f} s", title_align="left")
        ]
        try:
            status = self.product.command("status")
            calls = self.product.command("calls", "list")["calls"]
            tables += [_calls(calls), verdicts(status, self.flood)]
        except (ProductError, KeyError):
            pass
        return Group(*tables)


@contextmanager
def step(stage: Stage, text: str) -> Iterator[None]:
    """One line of the story: running, then done or failed."""
    stage.steps.append(("[yellow]…[/]", text))
    at = len(stage.steps) - 1
    try:
        yield
    except (PhoneError, ProductError, AssertionError) as error:
        stage.steps[at] = ("[red]✗[/]", f"{text}: {error}")
        stage.failed = True
        raise
    stage.steps[at] = ("[green]✓[/]", text)


def _calls(calls: list[dict[str, Any]]) -> Table:
    table = Table(title="running calls", title_justify="left", expand=True)
    for head in ("account", "from", "to", "state", "talk", "reserved"):
        table.add_column(head)
    for call in calls:
        talk = f"{call['talk_s']:.0f} s" if call["talk_s"] is not None else "-"
        table.add_row(call["account"], call["caller"], call["callee"], call["state"], talk, call["reserved"])
    return table


def verdicts(status: dict[str, Any], flood: Flood | None = None) -> Table:
    """What the gate did with the packets."""
    sent = f"; the attacker has sent {flood.sent:,}" if flood is not None else ""
    table = Table(
        title=f"verdicts at the NIC ({status['keeper']['relay']} relay){sent}", title_justify="left", expand=True
    )
    table.add_column("verdict")
    table.add_column("action")
    table.add_column("packets", justify="right")
    table.add_column("meaning")
    for tally in status["keeper"]["tallies"]:
        if tally["packets"]:
            colour = {"DROP": "red", "PASS": "green"}.get(tally["action"], "cyan")
            table.add_row(tally["verdict"], f"[{colour}]{tally['action']}[/]", f"{tally['packets']:,}", tally["text"])
    return table


def talk(seconds: float) -> None:
    """People talk."""
    threading.Event().wait(seconds)


def story(stage: Stage, lab: Lab, directory: Path, passwords: dict[str, str]) -> None:
    """What happens, in order."""
    phones: list[Phone] = []
    try:
        with step(stage, "two phones register with digest"):
            for user, hertz in (("alice", ALICE_HZ), ("bob", BOB_HZ)):
                phones.append(Phone(lab, lab.hosts[user], directory / user, user, passwords[user], tone_hz=hertz))
            for phone in phones:
                phone.registered()
        stage.flood.start()
        alice, bob = phones
        with step(stage, f"an attacker floods SIP with {FLOOD_PPS:,} packets a second while alice calls bob"):
            alice.dial("102")
            bob.wait("CALL_INCOMING")
            bob.answer()
            alice.wait("CALL_ESTABLISHED")
            talk(5.0)
        with step(stage, "each heard the other's tone"):
            assert seconds_with_tone(bob.heard(), ALICE_HZ) > 4, "bob did not hear alice"
            assert seconds_with_tone(alice.heard(), BOB_HZ) > 4, "alice did not hear bob"
            alice.hang_up()
            bob.wait("CALL_CLOSED")
        with step(stage, f"alice dials {NUMBER} over the trunk, 1.20 a minute"):
            alice.dial(NUMBER)
            alice.wait("CALL_ESTABLISHED")
            talk(4.0)
            alice.hang_up()
            alice.wait("CALL_CLOSED")
        stage.flood.wait()
    finally:
        for phone in phones:
            phone.close()


def prepare(product: Product, lab: Lab, directory: Path) -> dict[str, str]:
    """Accounts, rates and the trunk; returns the passwords."""
    deck = directory / "rates.csv"
    deck.write_text(DECK)
    product.command("rates", "import", "retail", str(deck))
    product.command("trunks", "add", "carrier", lab.hosts["trunk"].address, "--prefix", "49")
    return {
        name: product.account(name, number, "--credit", "10", "--deck", "retail")
        for name, number in (("alice", "101"), ("bob", "102"))
    }


def show(console: Console, stage: Stage, directory: Path) -> None:
    """The summary."""
    console.print(
        Panel(ladder(directory / "sip.log"), title="the call over the trunk, message by message", title_align="left")
    )
    records = Table(title="call records", title_justify="left", expand=True)
    for head in ("account", "to", "trunk", "seconds", "billed", "prefix", "charge", "packets from caller/callee"):
        records.add_column(head)
    for cdr in stage.product.command("cdrs")["cdrs"]:
        rate = cdr["rate"] or {"prefix": "-"}
        packets = f"{cdr['from_caller']['packets']}/{cdr['from_callee']['packets']}"
        records.add_row(
            cdr["account"], cdr["callee"], cdr["trunk"] or "-", f"{cdr['duration_s']:.1f}",
            str(cdr["billable_seconds"]), rate["prefix"], cdr["charge"], packets,
        )  # fmt: skip
    console.print(records)
    console.print(verdicts(stage.product.command("status")))


def run(console: Console) -> int:
    """The whole demonstration; returns the exit status."""
    began = time.monotonic()
    console.print("building namespaces and starting the appliance...")
    with (
        tempfile.TemporaryDirectory(prefix="appliance-demo-") as name,
        Lab(["alice", "bob", "trunk", "attacker"], tag="demo") as lab,
    ):
        directory = Path(name)
        directory.chmod(0o755)
        with Product(lab, directory / "appliance") as product:
            passwords = prepare(product, lab, directory)
            carrier = Carrier(lab, lab.hosts["trunk"], directory / "carrier", answering())
            sniffer = Sniffer(lab, directory / "sip.log", ("alice", "trunk"))
            stage = Stage(product, Flood(lab, lab.hosts["attacker"], FLOOD_PPS, FLOOD_S))
            try:
                _watch(console, stage, lambda: story(stage, lab, directory, passwords))
                if not stage.failed:
                    show(console, stage, directory)
            finally:
                stage.flood.close()
                sniffer.close()
                carrier.close()
            if stage.failed:
                console.print(product.log()[-2000:])
    console.print(
        f"{'failed' if stage.failed else 'done'} after {time.monotonic() - began:.0f} s; everything is cleaned up"
    )
    return 1 if stage.failed else 0


def _watch(console: Console, stage: Stage, act: Callable[[], None]) -> None:
    """Run the story beside the picture of it."""
    done = threading.Event()

    def play() -> None:
        try:
            act()
        except (PhoneError, ProductError, AssertionError):
            stage.failed = True
        finally:
            done.set()

    threading.Thread(target=play, daemon=True).start()
    try:
        with Live(stage.picture(), console=console, auto_refresh=False, transient=False) as live:
            while not done.wait(1.0):
                live.update(stage.picture(), refresh=True)
            live.update(stage.picture(), refresh=True)
    finally:
        if not console.is_terminal:
            console.print()  # the last picture ends without a line's end there


def main() -> int:
    """The demonstration, or what was left of it when somebody interrupted; returns the exit status."""
    console = Console()
    interruptible()
    try:
        return run(console)
    except KeyboardInterrupt:
        console.print("interrupted; everything is cleaned up")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
