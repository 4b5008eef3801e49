"""A network namespace for one keeper: a veth pair and a BPF file system, all gone when its holder ends."""

import json
import os
import subprocess
from pathlib import Path

_SCRIPT = """
mount -t bpf bpf /sys/fs/bpf && ip link set lo up && ip link add ours type veth peer name theirs &&
ip addr add 192.0.2.1/24 dev ours && ip link set ours up && ip link set theirs up && exec sleep infinity
"""
_MODES = {0: "", 1: "native", 2: "generic"}


class Namespace:
    """Held by one sleeping process; `enter` goes before a command that is to run in it."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", _SCRIPT])
        self.enter = ("nsenter", f"--net=/proc/{self.holder.pid}/ns/net", f"--mount=/proc/{self.holder.pid}/ns/mnt")
        while "sleep" not in Path(f"/proc/{self.holder.pid}/comm").read_text():
            assert self.holder.poll() is None
            os.sched_yield()

    def run(self, *command: str) -> str:
        """What the command prints; raises when it fails."""
        return subprocess.run([*self.enter, *command], capture_output=True, text=True, check=True).stdout

    def xdp(self, ifname: str) -> str:
        """The mode of what is attached, or nothing."""
        (link,) = json.loads(self.run("ip", "--json", "link", "show", ifname))
        return _MODES[link.get("xdp", {}).get("mode", 0)]

    def __enter__(self) -> "Namespace":
        return self

    def __exit__(self, *_error: object) -> None:
        self.holder.kill()
        self.holder.wait()
