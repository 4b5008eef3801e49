"""What the kernel is locked by: lockdown, signed starts, modules, processors' holes, AppArmor."""

from typing import Final

from appliance.audit import mending, sysctls
from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Step, Unreadable, none_of, verdict

PROTOCOLS: Final = ("dccp", "sctp", "rds", "tipc", "n-hdlc", "ax25", "netrom", "x25", "rose", "can", "atm", "appletalk")
FILE_SYSTEMS: Final = ("cramfs", "hfs", "hfsplus", "jffs2", "udf")
BUSES: Final = ("usb-storage", "firewire-core", "thunderbolt", "bluetooth")
SECURE_BOOT: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
WEAKENING: Final = (
    "mitigations=off", "nopti", "nospectre_v1", "nospectre_v2", "spec_store_bypass_disable=off", "apparmor=0",
    "selinux=0", "security=none", "nokaslr", "noexec=off", "nosmep", "nosmap", "module.sig_enforce=0", "lockdown=none",
    "init=/bin/sh", "init=/bin/bash", "single", "systemd.debug-shell=1", "systemd.debug_shell",
)  # fmt: skip


def _lockdown(machine: Machine) -> Reading:
    said = machine.text("/sys/kernel/security/lockdown").strip()
    chosen = said.partition("[")[2].partition("]")[0] or said
    return verdict(chosen in ("integrity", "confidentiality"), chosen)


def _secure_boot(machine: Machine) -> Reading:
    if not machine.is_there("/sys/firmware/efi"):
        raise Unreadable("no UEFI firmware")
    on = machine.text(SECURE_BOOT)[-1:] == "\x01"
    return verdict(on, "on" if on else "off", Grade.WARN)


def _command_line(machine: Machine) -> Reading:
    words = machine.text("/proc/cmdline").split()
    return none_of([word for word in words if word in WEAKENING], nothing="nothing that weakens it")


def _holes(machine: Machine) -> Reading:
    places = machine.many("/sys/devices/system/cpu/vulnerabilities/*")
    if not places:
        raise Unreadable("the kernel says nothing about its processor")
    found = [place.name for place in places if machine.text(place).startswith("Vulnerable")]
    return none_of(found, Grade.WARN, f"{len(places)} known, none open")


def _tainted(machine: Machine) -> Reading:
    value = int(machine.text("/proc/sys/kernel/tainted"))
    # Documentation/admin-guide/tainted-kernels: 2 forced module, 7 oops, 12 out of tree, 13 unsigned.
    marks = {1: "module loaded by force", 7: "an oops", 12: "module from outside", 13: "unsigned module"}
    return none_of(
        [words for bit, words in marks.items() if value >> bit & 1], Grade.WARN, "no foreign module, no oops"
    )


def _blocked(machine: Machine) -> frozenset[str]:
    """Modules that cannot be loaded: modprobe.d(5)."""
    found = set()
    for path in machine.many("/etc/modprobe.d/*.conf", "/usr/lib/modprobe.d/*.conf", "/run/modprobe.d/*.conf"):
        for line in machine.lines(path):
            words = line.split()
            if words[0] == "install" and words[2:] in (["/bin/false"], ["/bin/true"], ["/usr/bin/false"]):
                found.add(words[1].replace("_", "-"))
    return frozenset(found)


def _unblocked(machine: Machine, names: tuple[str, ...]) -> list[str]:
    blocked = _blocked(machine)
    return [name for name in names if name not in blocked]


def _modules(name: str, what: str, why: str, names: tuple[str, ...]) -> Check:
    def judge(machine: Machine) -> Reading:
        return none_of(_unblocked(machine, names), Grade.WARN, f"{len(names)} blocked")

    def mend(machine: Machine) -> list[Step]:
        return [
            step
            for each in _unblocked(machine, names)
            for step in mending.line(machine, mending.MODPROBE_FILE, f"install {each} ", f"install {each} /bin/false")
        ]

    return Check(
        f"kernel.{name}", what, why, "modprobe.d(5): install NAME /bin/false", 1, judge,
        f"'install NAME /bin/false' in /etc/modprobe.d for {', '.join(names)}", mend,
    )  # fmt: skip


def _loaded(machine: Machine) -> Reading:
    loaded = {line.split()[0].replace("_", "-") for line in machine.lines("/proc/modules")}
    return none_of(sorted(loaded & {*PROTOCOLS, *FILE_SYSTEMS, *BUSES}), Grade.WARN)


def _last(machine: Machine) -> Reading:
    """Every line of the machine's own sysctl files that the kernel does not follow."""
    wanted: dict[str, str] = {}
    for path in machine.many("/etc/sysctl.d/*.conf"):
        wanted |= sysctls.wanted(str(path), machine)
    if not wanted:
        raise Unreadable("there is no file in /etc/sysctl.d")
    found = []
    for name, value in wanted.items():
        place = f"/proc/sys/{name.replace('.', '/')}"
        if machine.is_there(place) and machine.text(place).split() != value.split():
            found.append(name)
    return none_of(found, nothing=f"{len(wanted)} in force")


def _apparmor(machine: Machine) -> Reading:
    on = machine.text("/sys/module/apparmor/parameters/enabled").strip() == "Y"
    return verdict(on, "on" if on else "off")


def _complaining(machine: Machine) -> Reading:
    rows = machine.text("/sys/kernel/security/apparmor/profiles").splitlines()
    if not rows:
        return Reading(Grade.FAIL, "no profile is loaded")
    return none_of(
        [row.partition(" (")[0] for row in rows if not row.endswith("(enforce)")], nothing=f"{len(rows)} enforced"
    )


def _swap(machine: Machine) -> Reading:
    areas = [line.split()[0] for line in machine.text("/proc/swaps").splitlines()[1:]]
    plain = [area for area in areas if not area.startswith(("/dev/dm-", "/dev/zram", "/dev/mapper/"))]
    return none_of(plain, Grade.WARN, "none that outlives the power")


CHECKS: Final = (
    Check(
        "kernel.lockdown", "The kernel is locked down",
        "Otherwise root, or who became it, changes the kernel that everything else here relies on.",
        "/sys/kernel/security/lockdown", 3, _lockdown,
        "lockdown=integrity on the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub and a restart)",
    ),
    Check(
        "kernel.secure_boot", "The firmware starts signed kernels alone",
        "Whoever has the disk for a minute could lay another kernel onto it.", "the firmware's variable SecureBoot", 1,
        _secure_boot, "switch Secure Boot on in the firmware",
    ),
    Check(
        "kernel.command_line", "The kernel is started with nothing that weakens it",
        "One word there switches a whole protection off.", "/proc/cmdline", 3, _command_line,
        "take the words away (GRUB_CMDLINE_LINUX, then update-grub and a restart)",
    ),
    Check(
        "kernel.holes", "The processor's known holes are closed",
        "Another program, or another guest of the same host, would read this one's memory.",
        "/sys/devices/system/cpu/vulnerabilities", 2, _holes,
        "install intel-microcode or amd64-microcode, update the kernel; a guest needs its host to do so",
    ),
    Check(
        "kernel.tainted", "The kernel is whole and of one maker",
        "A foreign module is as mighty as the kernel, and nobody checked it.", "kernel.tainted", 2, _tainted,
        "remove the module; after an oops look at 'journalctl -k' and restart",
    ),
    Check(
        "kernel.sysctl_files", "What the sysctl files ask for is in force",
        "A later file, or a program, may have set it back.", "/etc/sysctl.d against /proc/sys", 2, _last,
        "sysctl --system, and look for who sets it back",
    ),
    _modules(
        "rare_protocols", "Rare network protocols cannot be loaded",
        "Any program that asks for such a socket loads a driver that hardly anybody maintains.", PROTOCOLS,
    ),
    _modules(
        "rare_file_systems", "Rare file systems cannot be loaded", "A prepared disk attacks the driver that reads it.",
        FILE_SYSTEMS,
    ),
    _modules(
        "buses", "Foreign devices cannot be plugged in",
        "Storage, Thunderbolt and Bluetooth are doors for whoever stands at the machine.", BUSES,
    ),
    Check(
        "kernel.loaded", "None of these is loaded", "A block does not unload what is there already.", "/proc/modules",
        1, _loaded, "rmmod NAME, or a restart",
    ),
    Check(
        "kernel.apparmor", "AppArmor is on", "It holds keeper and office when they are taken over.",
        "/sys/module/apparmor/parameters/enabled", 3, _apparmor,
        "apparmor=1 security=apparmor on the kernel's command line",
    ),
    Check(
        "kernel.profiles", "Every AppArmor profile is enforced", "One that only complains holds nobody.",
        "/sys/kernel/security/apparmor/profiles", 2, _complaining, "aa-enforce PROFILE",
    ),
    Check(
        "kernel.swap", "No memory is written to a disk in the clear",
        "Keys and passwords would lie there after the power is gone.", "/proc/swaps", 1, _swap,
        "swapoff -a and remove it from /etc/fstab, or use zram",
    ),
)  # fmt: skip
