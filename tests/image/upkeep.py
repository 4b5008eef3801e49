"""What an operator's day has besides telephones: a backup, a restart, a restore, an update and a way back, an audit.

The machine is the one of story.py, with its accounts, its money and its attacker; each step ends with all of it there.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from appliance.slots import VERSION
from tests.image import updates
from tests.image.judge import MANY, Check
from tests.image.updates import FOREIGN_FILE, UPDATES
from tests.image.yard import GuestError
from tests.lab.shelf import Authority, Shelf
from tests.lab.storage import SftpServer

if TYPE_CHECKING:
    from tests.image.story import Day

PATIENCE_S, INSTALL_S, CONFIRM_S, FOLLOW_S = 240.0, 1800.0, 900.0, 3600.0
SOURCE_PORT, AUTHORITY, FOLLOW = 8444, "/run/authority.pem", "appliance-follow.service"
SECRETS = "sha256sum /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
SYSTEMD = "usr/lib/systemd/systemd"
WANTED = "/run/appliance/backup.wanted"  # as the keeper lays it; appliance-backup.path looks for it
COUNTERS = "/boot/efi/grub/grubenv"
MISTAKES = ("accounts remove bob", "accounts set alice --credit 1.00", "settings reset localdomain")
BOOT = "cat /proc/sys/kernel/random/boot_id"


class Upkeep:
    """The steps, and what the machine was like before them."""

    def __init__(self, day: "Day") -> None:
        self._day, self._guest = day, day.guest
        self._before: dict[str, Any] = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """In their order."""
        yield "a backup is made while it runs", self.back_up
        yield "one goes to another machine over SFTP, by the unit that the panel asks for one", self.back_up_elsewhere
        yield "the machine is started anew, and everything is still there", self.restart
        yield "what was lost since comes back out of the backup", self.restore
        yield "an update from A to B proves itself and stays", self.update
        yield "a broken A is given up, and B runs again", self.survive_broken
        yield "a priced call goes out as on the first day", self._day.call
        yield "it audits itself", self.audit
        yield "a factory reset makes another machine of it", self.reset

    def back_up(self) -> None:
        """Of everything, with restic, into the machine's own repository."""
        self._guest.commands("backup init")
        made: dict[str, Any] = {}

        def tried() -> bool:
            try:
                made.update(self._guest.command("backup now")["made"])
            except GuestError as error:
                if "another backup runs now" in str(error):  # the schedule's own
                    return False
                raise
            return True

        self._guest.wait("a backup", tried, PATIENCE_S * 2)
        self._before = self.state()
        self._day.figures["backup, bytes"] = made["size_bytes"]
        assert made["size_bytes"] > 0, made

    def back_up_elsewhere(self) -> None:
        """To whom the machine's own key opens a jail, and whose host key its operator has vouched for."""
        server = SftpServer(
            self._day.yard, self._day.yard.hosts["store"], self._day.place / "store", size="128m",
            client=self._guest.operator.namespace,
        )  # fmt: skip
        host_key = server.new_identity()
        server.start()
        server.lets_in(f"restrict {self._guest.command('backup key')['key']}")
        self._guest.commands(f"backup trust {server.place} --fingerprint {host_key}", f"backup init {server.place}")
        self._guest.shell(f"echo now >{WANTED}")
        made: list[dict[str, Any]] = []

        def listed() -> bool:
            made[:] = self._guest.command("backup list")["backups"]
            return bool(made)

        self._guest.wait("a backup over SFTP", listed, PATIENCE_S * 2)
        self._guest.command("backup check")
        held = sum(path.stat().st_size for path in server.inside("backup/data").rglob("*") if path.is_file())
        found = f"{held} bytes lie there; what the server said: {server.log().splitlines()[-1:]}"
        self._day.rows.append(Check("a backup over SFTP is whole", held > 0, found))

    def restart(self) -> None:
        """By root's word; the machine comes up by itself."""
        self._day.figures["seconds of a restart"] = self._restarted("systemctl --no-block reboot")
        self._all_there()
        self._day.figures["systemd-analyze"] = self._guest.shell("systemd-analyze time").splitlines()[0]

    def restore(self) -> None:
        """A bad night: an account, its money and the domain are gone, and the service is put back as it was, from the
        other machine."""
        self._guest.commands(*MISTAKES)
        assert self.state() != self._before
        self._guest.shell("systemctl stop appliance appliance-office")
        self._guest.command("restore --yes")
        self._guest.shell("systemctl start appliance")
        self._guest.wait("/readyz", self._guest.ready, PATIENCE_S * 2)
        self._all_there()

    def update(self) -> None:
        """Signed, fetched from a source, written into B, tried, confirmed by the machine itself; what somebody else
        signed is refused."""
        self._guest.shell(f"mkdir -p {UPDATES} && mount -o ro LABEL=updates {UPDATES}")
        assert self._slots() == {"running": "A", "next": "A", "trial": None}, self._slots()
        refused = self._guest.shell(
            f"appliance update install {UPDATES}/{FOREIGN_FILE} 2>&1 || true", timeout=INSTALL_S
        )
        assert "signature verification failed" in refused, refused
        self._guest.shell(f"umount {UPDATES}")
        newer = self._follow()
        self._day.figures["seconds of the update's restart"] = self._restarted("systemctl --no-block reboot")
        self._guest.wait("a confirmed B", self._confirmed, CONFIRM_S)
        assert self._slots() == {"running": "B", "next": "B", "trial": None}, self._slots()
        runs = self._guest.shell(f"cat {VERSION}").strip()
        assert runs == newer, f"{runs} runs, not {newer}"
        self._all_there()

    def _follow(self) -> str:
        """A source at the operator's address, behind a certificate of his own authority, is followed: the unit fetches
        what it offers and writes it into B. Which version that is."""
        operator, version = self._guest.operator, self._guest.shell(f"cat {VERSION}").strip() + ".1"
        place = self._day.place / "source"
        place.mkdir()
        listener, authority = self._day.yard.socket(operator.namespace, socket.SOCK_STREAM), Authority()
        with Shelf(listener, operator.address, place / "updates", authority, SOURCE_PORT) as shelf:
            updates.newer(updates.updates(self._guest.image), version, shelf.directory, place)
            shelf.list()
            self._guest.shell(f"cat >{AUTHORITY}", stdin=authority.pem.decode())
            self._guest.command(f"update follow {shelf.url} --install --ca {AUTHORITY}")
            began = time.monotonic()
            self._guest.shell(
                f"systemctl start {FOLLOW} || {{ journalctl -u {FOLLOW} -n 20 -o cat; false; }}", timeout=FOLLOW_S
            )
            self._day.figures["seconds of an update that is followed"] = round(time.monotonic() - began, 1)
            last = self._guest.command("update follow")["followed"]["last"]
            fetched = [name for name, _ in shelf.asked if name.endswith(".raucb")]
        found = f"{last['installed']} installed, {len(fetched)} fetched; {last['problem'] or 'no problem'}"
        self._day.rows.append(Check("a source of updates is followed by its unit", last["installed"] == version, found))
        assert last["installed"] == version, last
        self._guest.command("update follow off")
        return version

    def survive_broken(self) -> None:
        """A has lost the program that every start begins with, and is to be tried for the last time."""
        self._guest.shell(
            f"mkdir -p /run/broken && mount /dev/disk/by-partlabel/root-a /run/broken"
            f" && mv /run/broken/{SYSTEMD} /run/broken/{SYSTEMD}.off; umount /run/broken"
        )
        self._guest.shell(f"rauc status mark-active other && grub-editenv {COUNTERS} set TRIAL=A A_TRY=1")
        self._day.figures["seconds until a broken slot was given up"] = self._restarted("systemctl --no-block reboot")
        found = self._slots()
        assert (found["running"], found["next"]) == ("B", "B"), found
        self._all_there()

    def audit(self) -> None:
        """All of its rows."""
        report = self._guest.shell("appliance audit --json || true", timeout=600)
        found = json.loads(report)
        wrong = [f"{each['name']} ({each['value']})" for each in found["findings"] if each["grade"] == "fail"]
        warned = [each["name"] for each in found["findings"] if each["grade"] == "warn"]
        self._day.figures |= {"audit score": found["score"], "audit warnings": " ".join(warned)}
        judged = sum(each["grade"] in ("pass", "warn", "fail") for each in found["findings"])
        said = f"{judged} checks, score {found['score']}; failed: {' '.join(wrong)}; warned: {' '.join(warned)}"
        self._day.rows.append(Check("its own audit finds nothing wrong", judged > MANY and not wrong, said))

    def reset(self) -> None:
        """Nothing of the former one is left but its network; the hypervisor hands in its key once more."""
        secrets, password = self._guest.shell(SECRETS), self._guest.password()
        self._guest.shell("appliance reset --yes && systemctl --no-block reboot", timeout=600)
        self._guest.wait("the end", lambda: not self._guest.ready(), PATIENCE_S)
        self._day.figures["seconds of a factory reset"] = round(
            self._guest.wait("/readyz", self._guest.ready, PATIENCE_S * 5), 1
        )
        self._guest.forget()
        same = {*secrets.split()} & {*self._guest.shell(SECRETS).split()} - {*SECRETS.split()}
        assert not same, same
        self._guest.password(former=password)
        accounts, cdrs, bans = self._guest.commands("accounts list", "cdrs", "bans list")
        left = (accounts["accounts"], cdrs["cdrs"], bans["bans"])
        assert left == ([], [], []), left

    def _restarted(self, word: str) -> float:
        """Seconds until calls can be taken again."""
        boot = self._guest.shell(BOOT)
        self._guest.shell(word)
        self._guest.wait("the end", lambda: not self._guest.ready(), PATIENCE_S)
        took = round(self._guest.wait("/readyz", self._guest.ready, PATIENCE_S * 5), 1)
        assert self._guest.shell(BOOT) != boot, "it was not started anew"
        return took

    def _slots(self) -> dict[str, Any]:
        told = self._guest.command("update status")
        rows = told["slots"]
        named = {each: "".join(row["name"] for row in rows if row[each]) for each in ("running", "next")}
        return named | {"trial": told["trial"]}

    def _confirmed(self) -> bool:
        return self._slots()["trial"] is None

    def _all_there(self) -> None:
        """Accounts, money, records, bans, the gate; and the attacker is still shut out."""
        after = self.state()
        wrong = {name: (value, after[name]) for name, value in self._before.items() if after[name] != value}
        assert not wrong, wrong
        assert not self._day.answers("attacker"), "the attacker is answered again"
        units = self._guest.shell("systemctl --failed --plain --no-legend")
        assert not units.strip(), units

    def state(self) -> dict[str, Any]:
        """What has to outlive all of this."""
        accounts, records, trunks, domain, bans, tunnel, status = self._guest.commands(
            "accounts list", "cdrs", "trunks list", "settings get localdomain", "bans list", "tunnel", "status"
        )
        return {
            "accounts": [(each["name"], each["balance"], each["numbers"]) for each in accounts["accounts"]],
            "records": [(each["callee"], each["charge"]) for each in records["cdrs"]],
            "trunks": [each["name"] for each in trunks["trunks"]],
            "domain": domain["value"],
            "bans": sorted(each["source"] for each in bans["bans"]),
            "tunnel": [each["name"] for each in tunnel["peers"]],
            "registrations": self._day.registered(),
            "gate": [f"{each['name']} {each['mode']}" for each in status["keeper"]["interfaces"]],
            "secrets": self._guest.shell(SECRETS),
        }
