"""The conversation at the screen: a page of facts, a list of numbers, and one question after another.

Knows lines in and lines out, no terminal: what is typed comes from `ask`, which raises EOFError when nobody is there;
`typed` waits a little for it and says whether there is something.
An empty answer leaves things as they are. Nothing is changed before the last question.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.config.opening import HONOUR_LISTED
from appliance.wizard import entries
from appliance.wizard.machine import Machine, MachineError

CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
WIDTH: Final = 78
Ask = Callable[[str], str]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the menu. `state` says how it stands."""

    text: str
    act: Callable[["Menu"], None]
    state: Callable[[Machine], str] = lambda _: ""


class Menu:
    """One conversation, until `ask` ends it."""

    def __init__(self, machine: Machine, ask: Ask, say: Say, typed: Callable[[], bool] = lambda: True) -> None:
        self.machine, self.ask, self.say, self._typed = machine, ask, say, typed

    def run(self) -> None:
        """Show, ask, act, for ever. Raises EOFError."""
        news = ""
        while True:
            said = self.machine.said()
            self.say(CLEAR + self.page(news))
            while not (typed := self._typed()) and self.machine.said() == said:
                pass  # until the appliance announces something else
            if typed:
                news = self._chosen(self.ask("").strip())

    def page(self, news: str = "") -> str:
        """What the screen shows."""
        machine = self.machine
        lines = [f"appliance {machine.version()}    {machine.name()}", ""]
        lines += [_safe(line) for line in machine.said()] or ["The appliance is starting; press Enter to look again."]
        if told := machine.recovery():
            lines += ["", *(_safe(line) for line in told)]
        lines.append("")
        for number, item in enumerate(ITEMS, 1):
            lines.append(f"  {number}  {item.text:36}{_safe(item.state(machine))}".rstrip())
        lines += ["  Enter  look again", "", *([f"* {_safe(news)}", ""] if news else [])]
        return "\n".join([*lines, "Type a number, then Enter:"])

    def _chosen(self, typed: str) -> str:
        if not typed:
            return ""
        if not (typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(ITEMS)):
            return f"type a number from 1 to {len(ITEMS)}, not {typed!r:.20}"
        try:
            ITEMS[int(typed) - 1].act(self)
        except (entries.BadEntry, MachineError) as error:
            return str(error)
        except Unchanged:
            return "nothing was changed"
        return "done"

    def wanted(self, question: str) -> str:
        """An answer; an empty one changes nothing (Unchanged)."""
        answer = self.ask(f"{question} (empty: leave it)\n> ").strip()
        if not answer:
            raise Unchanged
        return answer

    def tell(self, line: str) -> None:
        """A line of the system's, if there is one."""
        if line.strip():
            self.say(_safe(line))

    def sure(self, what: str) -> None:
        """Ask once more. Raises Unchanged."""
        if self.ask(f"{what} Type yes: ").strip().lower() != "yes":
            raise Unchanged


class Unchanged(Exception):
    """Whoever was asked thought better of it."""


def _safe(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _network(menu: Menu) -> None:
    answer = menu.wanted("Address with its network's length, such as 192.0.2.10/24; or dhcp")
    wanted = None
    if answer.lower() != "dhcp":
        gateway = menu.ask("Gateway (empty: none)\n> ")
        wanted = entries.static(answer, gateway, menu.ask("Servers of names, with blanks between (empty: none)\n> "))
    menu.machine.set_network(wanted)
    menu.say("The appliance serves the addresses that it had at its start: restart the machine for the new one.")
    menu.ask("Enter: go on ")


def _name(menu: Menu) -> None:
    menu.machine.set_name(entries.host_name(menu.wanted("Name of this machine")))


def _ssh(menu: Menu) -> None:
    if menu.machine.ssh_open():
        menu.tell(menu.machine.answers())
        menu.sure("Close SSH and forget its keys?")
        menu.machine.close_ssh()
        return
    menu.machine.open_ssh([entries.public_key(menu.wanted("Paste your public key, one line"))])
    menu.say(f"This machine's key: {menu.machine.host_key() or 'is made now'}")
    menu.tell(menu.machine.answers())
    menu.ask("SSH is open to root with that key. Enter: go on ")


def _trusted(menu: Menu) -> None:
    menu.say("From a trusted address panel and SSH are reached, and the gate lets all of it pass; log-ins stay.")
    menu.say("The first one shuts both to private networks, from which they are reached until then.")
    prefix = entries.trusted(menu.wanted("Address or network, such as 198.51.100.7 or 198.51.100.0/24"))
    if not menu.machine.opening().ssh.holds(prefix):
        menu.say(f"The setting allowtrustedip keeps panel and SSH shut to {prefix}: it would open nothing.")
        menu.say("Honoured as listed (3), all that is on the allow list opens SSH, and the panel too unless")
        menu.say("remoteadmin is 0, which shuts that to all but this machine.")
        menu.say(HONOUR_LISTED)
        menu.sure("Do that, and trust the address?")
        menu.machine.honour_trusted()
    for line in menu.machine.trust(prefix):
        menu.tell(line)
    menu.ask("Enter: go on ")


def _password(menu: Menu) -> None:
    menu.sure("A new password for 'admin' of the panel? The old one, and his sessions, end.")
    menu.say(_safe(menu.machine.new_password().replace("\n", "  ")))
    menu.ask("It is shown this once. Enter: go on ")


def _restart(menu: Menu) -> None:
    menu.sure("Restart the machine? Calls end.")
    menu.machine.restart()


def _reset(menu: Menu) -> None:
    menu.say("Everything that the appliance holds goes for good: customers, money, calls, prices, settings, backups on")
    menu.say("this disk, certificate and keys. Address and name stay. Then it starts as it was delivered.")
    if menu.ask("Type the machine's name to do it (empty: leave it)\n> ").strip() != menu.machine.name():
        raise Unchanged
    menu.machine.reset()
    menu.machine.restart()


def _how_addressed(machine: Machine) -> str:
    return f"{'static' if machine.static() else 'DHCP'}: {', '.join(machine.addresses()) or 'none yet'}"


def _how_open(machine: Machine) -> str:
    return (
        f"open, {len(machine.keys())} key{'' if len(machine.keys()) == 1 else 's'}" if machine.ssh_open() else "closed"
    )


ITEMS: Final = (
    Item("Address", _network, _how_addressed),
    Item("Name", _name, Machine.name),
    Item("SSH", _ssh, _how_open),
    Item("Trusted address", _trusted),
    Item("New password for the panel", _password),
    Item("Restart the machine", _restart),
    Item("Factory reset", _reset),
)
