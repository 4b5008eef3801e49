"""The gate in the kernel: loads and attaches bpf/gate.c, and gives its maps to the verbs of surface.py.

Without `pin_dir` nothing outlives the process: maps and links hang on its descriptors. With it the maps lie in
`<pin_dir>/<version>` and the links in `<pin_dir>/links`, and the next load takes both over. Another version has maps
of its own: a program never meets maps, or stages, of another one.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from appliance import wire
from appliance.kernel import grammar, headers, layout, link, syscall
from appliance.kernel.compiler import kept
from appliance.kernel.maps import Handle, KernelTables
from appliance.kernel.neighbour import Neighbours
from appliance.kernel.program import Program
from appliance.kernel.rings import KernelWitness
from appliance.kernel.surface import GateSurface

_FORWARDING: Final = tuple(Path(f"/proc/sys/net/{family}/conf/lo/forwarding") for family in ("ipv4", "ipv6"))
_BPF_MAGIC: Final = "bpf"
STAGES: Final = layout.stages()


class Gate(GateSurface):
    """The loaded program. Use `Gate.load()`, then `attach()`; `close()` leaves nothing behind unless it is pinned."""

    def __init__(self, program: Program, pin_dir: Path | None) -> None:
        self._program = program
        self._pin_dir = pin_dir
        self.program_fd = program.load("gate")
        self._attachments: dict[str, link.Attachment] = {}
        self._forwarding: dict[Path, str] = {}
        self._unstripped: set[str] = set()
        self._user_relay = ""
        self._neighbours = Neighbours()
        self.maps = program.maps
        self.kernel = KernelTables(self.maps)
        self.kernel.witness = KernelWitness(program, self.maps)
        _write_grammar(self.maps["grammars"])
        self._install_stages()
        super().__init__(self.kernel)
        self._pinned = pin_dir is not None

    @classmethod
    def load(cls, pin_dir: Path | None = None, header_cache: Path = headers.CACHE_DIR) -> "Gate":
        """Loads the program: two seconds, and five more where it was never compiled.

        `pin_dir` must lie in a mounted bpf file system; `header_cache` keeps headers and what was compiled.

        Raises WireError: "no_bcc", "no_headers", "no_bpffs", "bad_pins", "bpf_refused" with what to do.
        """
        pins = None if pin_dir is None else _pins(pin_dir)
        program = Program(kept("gate", layout.source(), [f"-I{layout.BPF_DIR}"], header_cache), pins)
        try:
            return cls(program, pin_dir)
        except BaseException:
            program.close()
            raise

    def _install_stages(self) -> None:
        """Loads every program that the source has of STAGES, where the walk finds it.

        A pinned map holds them when the keeper is gone; a place for which there is no program now becomes empty.
        """
        written = layout.programs(layout.source())
        for name, place in STAGES.items():
            self.kernel.set_stage(place, self._program.load(name) if name in written else None)

    def attach(self, ifname: str, mode: str = link.Mode.AUTO) -> wire.Interface:
        """Attaches to an interface; `mode` is `auto` (natively if it can), `careful`, `native` or `generic`.

        Once more is no change. Raises WireError, see link.attach.
        """
        if ifname in self._attachments:
            return self._interfaces[ifname]
        pin = None if self._pin_dir is None else self._pin_dir / "links" / ifname
        attachment = link.attach(self.program_fd, ifname, pin, link.Mode(mode))
        self._attachments[ifname] = attachment
        self._interfaces[ifname] = attachment.interface
        self._choose_relay()
        return attachment.interface

    def detach_all(self) -> None:
        """Takes the program off every interface, pinned or not."""
        for attachment in self._attachments.values():
            link.detach(attachment)
        for name in self._unstripped:
            link.strip_tags(name, strip=True)
        self._unstripped.clear()
        self._attachments.clear()
        self._interfaces.clear()
        self._choose_relay()

    def settle_pins(self) -> None:
        """Once all interfaces carry this program: removes what an earlier keeper pinned and nothing uses now.

        Not before: the earlier program finds its stages through a pinned map, which is emptied with its last pin.
        """
        if self._pin_dir is None:
            return
        for held in (self._pin_dir / "links").glob("*"):
            if held.name not in self._attachments:
                held.unlink(missing_ok=True)
        for other in self._pin_dir.iterdir():
            if other.name not in (layout.version(), "links"):
                shutil.rmtree(other, ignore_errors=True)

    def close(self) -> None:
        """Unpinned: detaches and unloads. Pinned: lets go, and the kernel goes on with the last plan."""
        if self._pinned:
            for attachment in self._attachments.values():
                link.release(attachment)
            self._attachments.clear()
        else:
            self.detach_all()
        self._neighbours.close()
        self._program.close()

    def remove(self) -> None:
        """Detaches and removes the pins: nothing is left of the gate."""
        self.detach_all()
        self.close()
        if self._pin_dir is not None:
            shutil.rmtree(self._pin_dir, ignore_errors=True)

    def relay_in_userspace(self, reason: str) -> None:
        """From now on media passes to a userspace relay; `reason` is what status() says."""
        self._user_relay = reason
        self._choose_relay()

    def refresh_paths(self) -> None:
        """Reads again by which interfaces packets may leave: VLAN interfaces come and go."""
        paths = link.paths(list(self._attachments)) if self._attachments else {}
        self.kernel.set_paths(paths)
        for name, attachment in self._attachments.items():
            tagged = any(lower == attachment.ifindex and tags for lower, tags in paths.values())
            if tagged and link.strip_tags(name, strip=False):
                self._unstripped.add(name)

    def _reach_all(self) -> None:
        super()._reach_all()
        if self._relay_here:
            self.refresh_paths()

    def _choose_relay(self) -> None:
        reason = self._why_not_relay()
        self._neighbours.forget()
        if not reason:
            self.refresh_paths()
        self._set_relay(not reason, reason)

    def _why_not_relay(self) -> str:
        if not self._attachments:
            self._restore_forwarding()
            return "no interface is attached"
        if self._user_relay:
            return self._user_relay
        if "lo" in self._attachments:
            return "lo is attached, and XDP cannot send on loopback"
        return self._allow_forwarding()

    def _allow_forwarding(self) -> str:
        """bpf_fib_lookup answers only for an interface that forwards. It is asked for lo: nothing else changes."""
        for path in _FORWARDING:
            try:
                before = path.read_text(encoding="ascii").strip()
                if before == "0":
                    path.write_text("1", encoding="ascii")
                    self._forwarding[path] = before
            except FileNotFoundError:
                continue  # no IPv6 here
            except OSError as error:
                return f"{path} cannot be set: {error.strerror}"
        return ""

    def _restore_forwarding(self) -> None:
        for path, before in self._forwarding.items():
            with contextlib.suppress(OSError):
                path.write_text(before, encoding="ascii")
        self._forwarding.clear()

    def _reach(self, remotes: set[bytes]) -> None:
        if self._relay_here and remotes:
            self._neighbours.want(ip[12:] if layout.is_ip4(ip) else ip for ip in remotes)


def _write_grammar(handle: Handle) -> None:
    """The table by which the reading stages check lines; it never changes while they run."""
    table = grammar.table()
    shape = layout.Shape(handle.leaf)
    row = shape.pack({"classes": table.classes, "following": table.following})
    key = layout.Shape(handle.key)
    syscall.MapDescriptor(handle.fd, key.bytes, shape.bytes).update(key.pack_number(0), row)


def _pins(pin_dir: Path) -> Path:
    """The directory of this version's map pins. Those of another stay until no program needs them: settle_pins()."""
    if not _on_bpffs(pin_dir):
        raise wire.WireError("no_bpffs", f"{pin_dir} is not in a bpf file system", f"mount -t bpf bpf {pin_dir.parent}")
    pin_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # a bpf file system that was mounted by hand lets everybody make directories
    if pin_dir.stat().st_uid != os.geteuid():
        hint = f"remove it, and mount with mode=0700: 'rm -r {pin_dir}'"
        raise wire.WireError("bad_pins", f"{pin_dir} belongs to another user, who could change the gate's maps", hint)
    pin_dir.chmod(0o700)
    here = pin_dir / layout.version()
    here.mkdir(exist_ok=True)
    return here


def _on_bpffs(path: Path) -> bool:
    best, kind = "", ""
    where = str(path.resolve())
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, point, fs = line.split()[:3]
        if (where + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, fs
    return kind == _BPF_MAGIC
