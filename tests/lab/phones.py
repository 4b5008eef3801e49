"""A real softphone (baresip) under control: registers, calls, holds, transfers, and records what it hears.

baresip is driven over its ctrl_tcp module: JSON in netstrings, events and replies on one connection.
"""

import json
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.network import Host, Lab, end, entered
from tests.lab.tones import read_samples, seconds_with_tone, write_tone

CONTROL_PORT = 4444
SIP_PORT = 5060
RTP_PORTS = "16000-16200"
PATIENCE_S = 30.0

_CONFIG = """\
poll_method epoll
sip_listen {address}:{sip_port}
sip_trans_def {transport}
{certificate}
call_local_timeout 120
call_max_calls 4
call_hold_other_calls no
audio_player aufile,{directory}/heard.wav
audio_source aufile,{directory}/tone.wav
audio_alert aufile,{directory}/alert.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_txmode thread
audio_level no
ausrc_format s16
auplay_format s16
rtp_ports {rtp_ports}
rtcp_mux {rtcp_mux}
jitter_buffer_delay 1-5
rtp_stats yes
net_interface {address}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
{modules}
snd_path {directory}
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control_port}
"""


class PhoneError(Exception):
    """The phone did not do what was asked within the time given."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that baresip reported: CALL_RINGING, CALL_ESTABLISHED, REGISTER_OK and so on."""

    kind: str
    peer: str
    detail: str
    at: float


class Phone:
    """One baresip in one namespace of the lab."""

    def __init__(self, lab: Lab, host: Host, directory: Path, user: str, password: str, **options: Any) -> None:
        self.lab, self.host, self.user = lab, host, user
        self.directory = directory
        self.events: list[Event] = []
        self._inbox: queue.Queue[Event] = queue.Queue()
        self._replies: queue.Queue[dict[str, Any]] = queue.Queue()
        self._configure(password, options)
        self._log = (directory / "log.txt").open("wb")
        self._process = lab.start(
            host.namespace, ["baresip", "-f", str(directory)], stdout=self._log, stderr=self._log, stdin=-3
        )
        self._control = self._connect()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, kind: str, timeout: float = PATIENCE_S) -> Event:
        """The next event of a kind; earlier ones of other kinds are passed over. Raises PhoneError."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            try:
                event = self._inbox.get(timeout=left)
            except queue.Empty:
                break
            if event.kind == kind:
                return event
        seen = ", ".join(e.kind for e in self.events[-8:]) or "nothing"
        raise PhoneError(f"{self.user}: no {kind} within {timeout:g} s; saw {seen}")

    def command(self, name: str, parameters: str = "") -> str:
        """One menu command; returns its answer. Raises PhoneError."""
        body = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._control.sendall(b"%d:%s," % (len(body), body))
        try:
            answer = self._replies.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise PhoneError(f"{self.user}: no answer to {name}") from None
        if not answer.get("ok", False):
            raise PhoneError(f"{self.user}: {name} {parameters}: {answer.get('data')}")
        return str(answer.get("data", ""))

    def registered(self, timeout: float = PATIENCE_S) -> None:
        """Wait until the registrar has accepted this phone (its event may have come before we listened)."""
        until = time.monotonic() + timeout
        while "OK" not in (shown := self.command("reginfo")):
            if time.monotonic() > until:
                raise PhoneError(f"{self.user}: not registered within {timeout:g} s: {shown.strip()[-200:]}")
            threading.Event().wait(0.05)

    def dial(self, number: str) -> None:
        self.command("dial", f"sip:{number}@{self.host.gateway}")

    def answer(self) -> None:
        self.command("accept")

    def hang_up(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, number: str) -> None:
        self.command("transfer", f"sip:{number}@{self.host.gateway}")

    def heard(self) -> list[int]:
        """All samples that this phone has decoded so far (sndfile begins a new file with each stream)."""
        files = sorted(self.directory.glob("dump-*-dec.wav"))
        return [sample for file in files for sample in read_samples(file)]

    def hears(self, frequency_hz: int, seconds: float, window_s: float = 0.1) -> None:
        """Wait until it has heard a tone for so long, in windows of which two fit into it. Raises PhoneError."""
        until = time.monotonic() + PATIENCE_S
        while (heard := seconds_with_tone(self.heard(), frequency_hz, window_s)) < seconds:
            if time.monotonic() > until:
                raise PhoneError(f"{self.user}: {heard:.1f} s of {frequency_hz} Hz within {PATIENCE_S:g} s")
            threading.Event().wait(0.1)

    def packets(self) -> tuple[int, int]:
        """Of the call that ended last: what it sent and received, as it counts itself. Raises PhoneError."""
        until = time.monotonic() + PATIENCE_S
        while not (found := re.findall(r"^packets: +(\d+) +(\d+)$", self.log(), re.MULTILINE)):
            if time.monotonic() > until:
                raise PhoneError(f"{self.user}: no call has ended")
            threading.Event().wait(0.05)
        return int(found[-1][0]), int(found[-1][1])

    def log(self) -> str:
        """What baresip printed."""
        return (self.directory / "log.txt").read_text(errors="replace")

    def close(self) -> None:
        """Hang up, unregister and end the program."""
        self._control.close()
        end(self._process)
        self._log.close()

    def _configure(self, password: str, options: dict[str, Any]) -> None:
        host, transport = self.host, options.get("transport", "udp")
        self.directory.mkdir(parents=True, exist_ok=True)
        write_tone(self.directory / "tone.wav", options.get("tone_hz", 440), options.get("tone_s", 60.0))
        config = _CONFIG.format(
            address=host.address,
            sip_port=SIP_PORT,
            transport=transport,
            certificate=f"sip_certificate {options['certificate']}" if "certificate" in options else "",
            directory=self.directory,
            control_port=CONTROL_PORT,
            rtp_ports=RTP_PORTS,
            rtcp_mux="yes" if options.get("rtcp_mux") else "no",
            modules="\n".join(f"module {name}" for name in options.get("modules", ())),
        )
        (self.directory / "config").write_text(config)
        account = (
            f"<sip:{self.user}@{host.gateway};transport={transport}>;auth_user={self.user};auth_pass={password}"
            f";answermode={options.get('answer', 'manual')};regint={options.get('expires_s', 600)};audio_codecs=PCMU"
        )
        (self.directory / "accounts").write_text(account + options.get("account", "") + "\n")
        (self.directory / "contacts").write_text("")

    def _connect(self) -> socket.socket:
        until = time.monotonic() + PATIENCE_S
        while True:
            with entered(self.host.namespace):
                control = socket.socket()
            try:
                control.connect((self.host.address, CONTROL_PORT))
                return control
            except ConnectionRefusedError:
                control.close()
                if time.monotonic() > until or self._process.poll() is not None:
                    raise PhoneError(f"{self.user}: baresip did not start: {self.log()[-400:]}") from None
                threading.Event().wait(0.05)

    def _listen(self) -> None:
        buffer = b""
        while True:
            try:
                chunk = self._control.recv(65536)
            except OSError:
                return
            if not chunk:
                return
            buffer += chunk
            while (colon := buffer.find(b":")) > 0 and len(buffer) > (stop := colon + 1 + int(buffer[:colon])):
                self._take(json.loads(buffer[colon + 1 : stop]))
                buffer = buffer[stop + 1 :]

    def _take(self, message: dict[str, Any]) -> None:
        if not message.get("event"):
            self._replies.put(message)
            return
        event = Event(
            str(message.get("type", "")),
            str(message.get("peeruri", "")),
            str(message.get("param", "")),
            time.monotonic(),
        )
        self.events.append(event)
        self._inbox.put(event)
