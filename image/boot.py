"""How the machine finds the slot that it starts: GRUB's menus, its counters, and its second stage for BIOS. Pure, but
for the last.

GRUB and its files lie on the EFI system partition, for BIOS and UEFI alike, and belong to neither slot: an update does
not touch them. The counters are those of RAUC's back end for GRUB (rauc: src/bootloaders/grub.c): ORDER, and for each
slot whether it is good (X_OK) and how often it was tried (X_TRY). A slot is only counted while it is on trial: TRIAL
names the one that an update filled and whose health nobody has confirmed yet. So a machine that was confirmed once
stays with its version, however often its power fails while it starts.

The kernel and its words are the slot's own (SLOT_MENU in it), so they change with an update.
"""

from pathlib import Path
from typing import Final

from image import layout
from image.progress import Progress

TRIES: Final = 3  # of a slot on trial, until the other one is started again
ENVIRONMENT_BYTES: Final = 1024  # GRUB's environment block has this size, for ever
SLOT_MENU: Final = "boot/grub/slot.cfg"
ENVIRONMENT: Final = "grub/grubenv"  # on the EFI system partition
KERNEL_LINE: Final = (
    "console=tty0 console=ttyS0,115200 net.ifnames=0 quiet loglevel=3 panic=10 "
    "lockdown=integrity slab_nomerge randomize_kstack_offset=on vsyscall=none systemd.ssh_auto=no"
)
_ESP: Final = 15
# All of the second stage for BIOS; Debian's signed GRUB for UEFI has these and more.
_MODULES: Final = (
    *("biosdisk", "part_gpt", "fat", "ext2", "normal", "linux", "serial", "terminal", "configfile", "echo", "test"),
    *("loadenv", "regexp", "reboot", "sleep"),
)


def menu() -> str:
    """The first menu, which chooses a slot and hands over to the slot's own."""
    places = "\n".join(
        f'if [ "$slot" = {slot} ]; then set slot_number={number}; set slot_id={layout.partition_id(number)}; fi'
        for slot, number in layout.SLOTS.items()
    )
    counted = "\n".join(
        f'      {"if" if tries == 0 else "elif"} [ "$try" = {tries} ]; then set slot="$each"; set try={tries + 1}; '
        "set counted=yes"
        for tries in range(TRIES)
    )
    return f"""# Which slot starts. Its counters are in grubenv beside this file.
set timeout=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
regexp --set=1:drive "^([^,]+)," "$root"
set environment="($root)/{ENVIRONMENT}"
load_env -f "$environment"
if [ -z "$ORDER" ]; then set ORDER="A B"; set A_OK=1; set B_OK=1; fi
for each in $ORDER; do
  if [ -z "$slot" ]; then
    if [ "$each" = A ]; then set ok="$A_OK"; set try="$A_TRY"; else set ok="$B_OK"; set try="$B_TRY"; fi
    if [ -z "$try" ]; then set try=0; fi
    if [ "$ok" = 1 ]; then
      if [ "$each" != "$TRIAL" ]; then set slot="$each"
      else
{counted}
      fi
      fi
    fi
  fi
done
if [ -z "$slot" ]; then set slot=A; fi
if [ -n "$counted" ]; then
  set trial=appliance.trial
  if [ "$slot" = A ]; then set A_TRY="$try"; save_env -f "$environment" A_TRY
  else set B_TRY="$try"; save_env -f "$environment" B_TRY; fi
fi
{places}
set root="$drive,gpt$slot_number"
source "($root)/{SLOT_MENU}"
boot
echo "Slot $slot cannot be started. Once more."
sleep 5
reboot
"""


def first_menu() -> str:
    """What GRUB for UEFI reads beside itself: where the menu is."""
    return "configfile /grub/grub.cfg\n"


def slot_menu(kernel: str, sealed: bool) -> str:
    """A slot's own: its kernel, and what it is told. A slot that is being built may be written and keeps no state."""
    words = "ro rauc.slot=$slot $trial" if sealed else "rw"
    return (
        f"linux /boot/vmlinuz-{kernel} root=PARTUUID=$slot_id {words} {KERNEL_LINE}\ninitrd /boot/initrd.img-{kernel}\n"
    )


def environment() -> bytes:
    """The counters of an image: the system is in slot A, and slot B is empty."""
    rows = {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "0", "B_TRY": "0"}
    text = "# GRUB Environment Block\n" + "".join(f"{name}={value}\n" for name, value in rows.items())
    return text.encode().ljust(ENVIRONMENT_BYTES, b"#")


def second_stage(root: Path, progress: Progress) -> bytes:
    """GRUB's second stage for BIOS, whole, so that it reads nothing but menus; made by the system below `root`."""
    command = ["chroot", str(root), "grub-mkimage", "-O", "i386-pc", "-d", "/usr/lib/grub/i386-pc", "-o", "/core.img"]
    command += ["-p", f"(,gpt{_ESP})/grub", *_MODULES]  # of the drive that it was read from
    progress.run(command, log="grub")
    core = (root / "core.img").read_bytes()
    (root / "core.img").unlink()
    return core
