"""The gate: attached in the driver, at work, steered by an office that keeps up, with rules that act."""

import json
import stat
from typing import Any, Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Unreadable, none_of, passed, verdict

BPFFS: Final = "/sys/fs/bpf"
MODES: Final = {1: "native", 2: "generic", 3: "offloaded", 4: "several"}  # XDP_ATTACHED_* of linux/if_link.h
LONG_QUEUE_MS: Final = 200.0
EVERYBODY: Final = ("", "0.0.0.0/0", "::/0")


def _status(machine: Machine) -> dict[str, Any]:
    return dict(machine.keeper("status"))


def _answers(machine: Machine) -> Reading:
    try:
        return passed(f"protocol {_status(machine)['version']}")
    except Unreadable:
        if machine.live:
            return Reading(Grade.FAIL, "nobody answers")
        raise


def _native(machine: Machine) -> Reading:
    interfaces = _status(machine)["interfaces"]
    if not interfaces:
        return Reading(Grade.FAIL, "attached to nothing")
    said = ", ".join(f"{each['name']} {each['mode']}" for each in interfaces)
    outside = [each for each in interfaces if each["name"] != "lo"]
    if not outside:
        return Reading(Grade.WARN, f"{said}: it guards this machine from itself alone")
    modes = {each["mode"] for each in outside}
    return Reading(Grade.PASS if modes == {"native"} else Grade.FAIL if "nftables" in modes else Grade.WARN, said)


def _kernel_agrees(machine: Machine) -> Reading:
    """The kernel's own word about the interfaces of which the keeper says that it holds them."""
    named = [each["name"] for each in _status(machine)["interfaces"] if each["mode"] in ("native", "generic")]
    if not named:
        raise Unreadable("the gate is not held by XDP")
    found = {}
    for each in json.loads(machine.output("ip", "--json", "--details", "link", "show")):
        found[each["ifname"]] = MODES.get(each.get("xdp", {}).get("mode", 0), "")
    bare = [name for name in named if not found.get(name)]
    return none_of(bare, nothing=", ".join(f"{name} {found[name]}" for name in named))


def _uncovered(machine: Machine) -> Reading:
    """Interfaces that have an address of the outside and no gate."""
    held = {each["name"] for each in _status(machine)["interfaces"]}
    found = []
    for each in json.loads(machine.output("ip", "--json", "address", "show", "scope", "global", "up")):
        if each.get("addr_info") and each["ifname"] not in held and "LOOPBACK" not in each.get("flags", ()):
            found.append(each["ifname"])
    return none_of(found, Grade.WARN, "every interface with an address is held")


def _relay(machine: Machine) -> Reading:
    status = _status(machine)
    why = f": {status['relay_reason']}" if status.get("relay_reason") else ""
    return verdict(status["relay"] == "kernel", f"{status['relay']}{why}", Grade.WARN)


def _lacks(machine: Machine) -> Reading:
    return none_of(list(_status(machine).get("missing") or ()), Grade.WARN, "nothing is missing")


def _pinned(machine: Machine) -> Reading:
    return verdict(
        bool(_status(machine)["pinned"]), "pinned" if _status(machine)["pinned"] else "ends with the keeper", Grade.WARN
    )


def _pins(machine: Machine) -> Reading:
    places = machine.many(f"{BPFFS}/appliance*")
    if not places:
        raise Unreadable("nothing is pinned")
    wrong = []
    for place in places:
        for path, seen in [(place, machine.stat(place)), *machine.walk(str(place))]:
            if (
                seen.st_uid != 0
                or stat.S_IMODE(seen.st_mode) & 0o022
                or (not stat.S_ISDIR(seen.st_mode) and seen.st_mode & 0o077)
            ):
                wrong.append(f"{path} has mode {stat.S_IMODE(seen.st_mode):o}")
    return none_of(wrong, nothing="root's alone")


def _steered(machine: Machine) -> Reading:
    delay = float(_status(machine).get("queue_delay_ms", -1.0))
    if delay < 0:
        return Reading(Grade.FAIL, "no office has pulsed")
    return verdict(delay < LONG_QUEUE_MS, f"datagrams wait {delay:.1f} ms", Grade.WARN)


def _plan(machine: Machine) -> Reading:
    held, saved = int(_status(machine)["generation"]), int(machine.office("status")["generation"])
    return verdict(held == saved, f"generation {held} of {saved}", Grade.WARN)


def _seen(machine: Machine) -> Reading:
    status = _status(machine)
    lost, had = int(status.get("lost_offences", 0)), int(status.get("offences", 0))
    return verdict(lost == 0, f"{had} seen, {lost} lost", Grade.WARN)


def _judges(machine: Machine) -> Reading:
    return none_of([str(each) for each in machine.office("rules.list")["report_only"]], Grade.WARN, "every rule acts")


def _waits(machine: Machine) -> Reading:
    pending = machine.office("rules.list").get("pending")
    return verdict(pending is None, "nothing" if pending is None else str(pending["what"]), Grade.WARN)


def _wide_rules(machine: Machine) -> Reading:
    """Rules that let everybody in before anything else is asked."""
    rules = machine.office("firewall.list")["rules"]
    found = [
        str(each["match"])
        for each in rules
        if each["action"] == "allow" and each["prefix"] in EVERYBODY and not each["country"] and not each["port"]
    ]
    return none_of(found)


def _idle_rules(machine: Machine) -> Reading:
    return none_of(
        [str(each["match"]) for each in machine.office("firewall.list")["rules"] if each.get("idle")], Grade.WARN
    )


def _old_lists(machine: Machine) -> Reading:
    lists = machine.office("lists.list")["lists"]
    found = [
        str(each["name"])
        for each in lists
        if each.get("imported_at") and machine.now - float(each["imported_at"]) > 30 * 86_400
    ]
    return none_of(found, Grade.WARN, f"{len(lists)} lists" if lists else "there is none")


STATUS: Final = "the keeper's verb status"
CHECKS: Final = (
    Check(
        "gate.answers", "The keeper runs", "Without it nobody steers the gate, and no audio is let through.", STATUS,
        3, _answers, "systemctl start appliance, or 'appliance run'; it says why it cannot",
    ),
    Check(
        "gate.native", "The gate sits in the network card's driver",
        "In the stack each packet of a flood costs many times as much.", STATUS, 3, _native,
        "use a card whose driver knows XDP (docs/operations.md); 'appliance status' says why not",
    ),
    Check(
        "gate.kernel", "So says the kernel", "A program that somebody took away lets everything through.",
        "ip --json --details link show", 3, _kernel_agrees, "restart the appliance, and look for who took it away",
    ),
    Check(
        "gate.uncovered", "Every interface with an address has the gate", "What it is not on, it does not guard.",
        "ip --json address show", 2, _uncovered, "add the interface with --interface (/etc/appliance/start)",
    ),
    Check(
        "gate.relay", "Audio is relayed by the kernel",
        "In the kernel a stream of nobody's ends without waking anybody.", STATUS, 1, _relay,
        "see what it says; --relay auto",
    ),
    Check(
        "gate.missing", "The gate gives every protection", "What it lacks, it cannot hold.", STATUS, 2, _lacks,
        "a kernel of Debian 12 or newer, python3-bpfcc, the kernel's headers",
    ),
    Check(
        "gate.pinned", "The gate outlives its keeper", "While the keeper starts anew, nobody would guard the card.",
        STATUS, 2, _pinned, "appliance run --pin, as the unit does",
    ),
    Check(
        "gate.pins", "What is pinned is root's", "Who writes these maps steers the gate.",
        f"owner and mode below {BPFFS}", 3, _pins, f"chmod -R go-w {BPFFS}/appliance",
    ),
    Check(
        "gate.steered", "The office is there, and keeps up", "A gate that nobody tells anything bans nobody.", STATUS,
        2, _steered, "'appliance status'; docs/operations.md says what to do under load",
    ),
    Check(
        "gate.plan", "The gate has the office's plan",
        "Until then an older one holds: what was changed since, it does not know.", STATUS, 2, _plan,
        "start the office; its log says why it cannot",
    ),
    Check(
        "gate.evidence", "No offence was lost", "What is lost is not counted, and bans nobody.", STATUS, 1, _seen,
        "a faster machine, or fewer samples",
    ),
    Check(
        "gate.rules_act", "No rule only reports", "It counts, and lets through.", "the office's verb rules.list", 2,
        _judges, "'appliance rules report-only NAME off', once its report is understood",
    ),
    Check(
        "gate.pending", "No change waits for its word", "It is taken back by itself.", "the office's verb rules.list",
        1, _waits, "'appliance changes confirm' or 'appliance changes undo'",
    ),
    Check(
        "gate.wide_rules", "No rule allows everybody everything", "It stands before all that follows.",
        "the office's verb firewall.list", 3, _wide_rules, "'appliance firewall remove NUMBER'",
    ),
    Check(
        "gate.idle_rules", "Every rule can act", "A country without its networks matches nobody.",
        "the office's verb firewall.list", 1, _idle_rules, "'appliance firewall countries' loads them",
    ),
    Check(
        "gate.old_lists", "Imported lists are fresh", "Addresses change hands within weeks.",
        "the office's verb lists.list", 1, _old_lists, "'appliance lists import' anew, or a feed",
    ),
)  # fmt: skip
