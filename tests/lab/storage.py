"""Places for backups: OpenSSH with an account that does SFTP alone in a jail of its own, and rclone's servers, which
speak S3 and REST. Each runs in a namespace of the laboratory, and what it holds is gone with it.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.lab.network import Host, Lab, end, entered

ACCOUNT: Final = "boxes"
# Of the server's own file system: SSH wants no directory above it that others may write to.
JAIL: Final = Path("/mnt/jail")
KEYS: Final = Path("/mnt/authorized_keys")  # read as the account, which may not enter a run's own directories
FOLDER: Final = "pbx"
READY_S: Final = 30.0
SSHD: Final = "/usr/sbin/sshd"
# The server's own view of the machine: one account more, a disk of its own, a place for its process numbers.
SCRIPT: Final = """
set -e
mount -t tmpfs -o size={size},mode=755 none /mnt
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/sshd {jail}/{folder}
chown {uid}:{uid} {jail}/{folder}
mount --bind {directory}/passwd /etc/passwd
exec {sshd} -D -e -f {directory}/sshd_config
"""
CONFIG: Final = """
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {keys}
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
StrictModes no
Subsystem sftp internal-sftp
Match User {account}
  ChrootDirectory {jail}
  ForceCommand internal-sftp
  DisableForwarding yes
"""
UID: Final = 4722


class SftpServer:
    """`sshd` of a peer: one account, let in by key, that sees its jail and nothing else. `size`: of its disk;
    `client`: the namespace that has to reach it, the appliance's where none is named."""

    def __init__(
        self, lab: Lab, host: Host, directory: Path, *, port: int = 22, size: str = "96m", client: str = ""
    ) -> None:
        self._lab, self.host, self._directory, self.port = lab, host, directory, port
        self._client = client or lab.appliance
        directory.mkdir(mode=0o755)
        self._keys = ""
        self._log = directory / "sshd.log"
        account = f"{ACCOUNT}:*:{UID}:{UID}::/{FOLDER}:/usr/sbin/nologin\n"
        (directory / "passwd").write_text(Path("/etc/passwd").read_text() + account)
        self.new_identity()
        self._words = {
            "directory": directory, "jail": JAIL, "folder": FOLDER, "uid": UID, "size": size, "sshd": SSHD,
            "port": port, "account": ACCOUNT, "keys": KEYS,
        }  # fmt: skip
        (directory / "sshd_config").write_text(CONFIG.format(**self._words))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> str:
        """As the appliance names it."""
        if self.port == 22:
            return f"sftp:{ACCOUNT}@{self.host.address}:/{FOLDER}/backup"
        return f"sftp://{ACCOUNT}@{self.host.address}:{self.port}//{FOLDER}/backup"

    def new_identity(self) -> str:
        """A host key as a machine that was installed anew has; its fingerprint. It counts from the next start on."""
        key = self._directory / "host_key"
        key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        done = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True)
        return done.stdout.split()[1]

    def lets_in(self, *lines: str) -> None:
        """Whose keys open the account, from now on."""
        self._keys = "".join(f"{line}\n" for line in lines)
        self._inside(KEYS).write_text(self._keys)

    def start(self) -> None:
        """Serve, on an empty disk."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT.format(**self._words)]
        with self._log.open("ab") as log:
            self._process = self._lab.start(
                self.host.namespace, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._reached, self.log)
        self._inside(KEYS).write_text(self._keys)

    def _reached(self) -> bool:
        return answers(self._client, self.host, self.port)

    def stop(self) -> None:
        """No more connections."""
        if self._process is not None:
            end(self._process)

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace")

    def inside(self, path: str = "") -> Path:
        """What lies on its disk, seen from here."""
        return self._inside(JAIL / FOLDER / path)

    def _inside(self, path: Path) -> Path:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/root{path}")

    def cut(self, *, off: bool) -> None:
        """The server's end of the wire is down, or up again: nothing says so to the other end of a connection."""
        words = ["ip", "-n", self.host.namespace, "link", "set", self.host.interface, "down" if off else "up"]
        subprocess.run(words, check=True, capture_output=True)
        if not off:
            until(self._reached, self.log)


class RcloneServer:
    """One of rclone's servers, behind TLS: `kind` is s3 or restic. `user` and `secret`: whom it lets in."""

    def __init__(self, lab: Lab, host: Host, directory: Path, kind: str, user: str, secret: str, port: int) -> None:
        self._lab, self.host, self.port, self._directory = lab, host, port, directory
        directory.mkdir(mode=0o755)
        (directory / "held").mkdir()
        self.authority = directory / "ca.pem"
        self._certify()
        named = {"s3": ["--auth-key", f"{user},{secret}"], "restic": ["--user", user, "--pass", secret]}[kind]
        self._command = [
            str(Path(sys.executable).with_name("rclone")), "--config", "/dev/null", "serve", kind,
            str(directory / "held"), "--addr", f"{host.address}:{port}", *named,
            "--cert", str(directory / "server.pem"), "--key", str(directory / "server.key"),
        ]  # fmt: skip
        self._log = directory / "rclone.log"

    @property
    def address(self) -> str:
        """Host and port, as they stand in addresses."""
        return f"{self.host.address}:{self.port}"

    def start(self) -> None:
        """Serve."""
        with self._log.open("ab") as log:
            self._lab.start(self.host.namespace, self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: answers(self._lab.appliance, self.host, self.port), lambda: self._log.read_text(errors="replace"))

    def holds(self, text: str) -> bool:
        """Whether the text stands in anything that it keeps, or in what it said."""
        wanted = text.encode()
        files = [path for path in self._directory.rglob("*") if path.is_file() and path.suffix != ".key"]
        return any(wanted in path.read_bytes() for path in files)

    def _certify(self) -> None:
        """An authority of its own, and a certificate for its address."""
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        (self._directory / "names").write_text(f"subjectAltName=IP:{self.host.address}")
        for words in (
            ["req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority", "-days", "2"],
            ["req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=a server"],
            ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
             "-extfile", "names", "-out", "server.pem"],
        ):  # fmt: skip
            subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True)


def answers(namespace: str, host: Host, port: int) -> bool:
    """Whether somebody listens there, seen from a namespace."""
    with entered(namespace), socket.socket() as sock:
        sock.settimeout(5)
        return sock.connect_ex((host.address, port)) == 0


def until(true: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait for what comes soon. Raises RuntimeError with `why` when it does not."""
    end_at = time.monotonic() + READY_S
    while not true():
        if time.monotonic() > end_at:
            raise RuntimeError(f"it did not come: {why()[-1500:]}")
        time.sleep(0.02)
