"""SIPp as a carrier (UAS) and as a load of callers (UAC): scenarios are made here, results read from its counters."""

import csv
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.network import Host, Lab, end
from tests.lab.waiting import until

SDP = """v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""

_COMMON = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:[field0]@[remote_ip]>;tag=[pid]c[call_number]
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What SIPp counted over its whole run; `answer_ms`: from each first INVITE to its answer."""

    succeeded: int
    failed: int
    retransmissions: int
    exit_status: int
    answer_ms: tuple[float, ...] = ()

    def answered_within_ms(self, share: float) -> float:
        """The answer time that `share` of the calls did not exceed; infinite when there was none."""
        ordered = sorted(self.answer_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


def answering(*, ring_ms: int = 100, status: int = 200) -> str:
    """A carrier: rings, then answers with `status`; after 200 it echoes RTP and waits for BYE."""
    final = f"SIP/2.0 {status} " + ("OK" if status == 200 else "No")
    to = "[last_To:];tag=[pid]c[call_number]"
    head = f"[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]\n"
    contact = "Contact: <sip:carrier@[local_ip]:[local_port];transport=[transport]>\n"
    ringing = f"<send><![CDATA[\nSIP/2.0 180 Ringing\n{head}{contact}Content-Length: 0\n\n]]></send>"
    if status != 200:
        tail = f'<send retrans="500"><![CDATA[\n{final}\n{head}Content-Length: 0\n\n]]></send><recv request="ACK"/>'
    else:
        tail = (
            f'<send retrans="500"><![CDATA[\n{final}\n{head}{contact}Content-Type: application/sdp\n'
            f'Content-Length: [len]\n\n{SDP}]]></send><recv request="ACK" crlf="true"/>'
            '<recv request="BYE"/><send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n'
            "[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>"
        )
    return _scenario("carrier", f'<recv request="INVITE" crlf="true"/>{ringing}<pause milliseconds="{ring_ms}"/>{tail}')


def calling(*, talk_ms: int = 1000, login_first: bool = False) -> str:
    """Callers with digest: field0 is the user, field1 the [authentication] keyword, field2 the number to dial."""
    uri, to = "sip:[field2]@[remote_ip]:[remote_port]", "To: <sip:[field2]@[remote_ip]>"
    ident = "Call-ID: [call_id]\n"
    contact = "Contact: <sip:[field0]@[local_ip]:[local_port];transport=[transport]>\n"

    def invite(cseq: int, extra: str, mark: str = "") -> str:
        return (
            f'<send retrans="500"{mark}><![CDATA[\nINVITE {uri} SIP/2.0\n{_COMMON}{to}\n{ident}CSeq: {cseq} INVITE\n'
            f"{contact}{extra}Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}]]></send>"
        )

    refused = (
        '<recv response="100" optional="true"/><recv response="407" auth="true"/>'
        f"<send><![CDATA[\nACK {uri} SIP/2.0\n{_COMMON}[last_To:]\n{ident}CSeq: 1 ACK\nContent-Length: 0\n\n]]></send>"
    )
    talk = (
        _challenged_again(407, "INVITE")
        + '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
        '<recv response="183" optional="true"/><recv response="200" rtd="1" rrs="true"/>'
        f"<send><![CDATA[\nACK [next_url] SIP/2.0\n{_COMMON}[routes]\n[last_To:]\n{ident}CSeq: 2 ACK\n"
        f'Content-Length: 0\n\n]]></send><pause milliseconds="{talk_ms}"/>'
        f'<send retrans="500"><![CDATA[\nBYE [next_url] SIP/2.0\n{_COMMON}[routes]\n[last_To:]\n{ident}CSeq: 3 BYE\n'
        'Content-Length: 0\n\n]]></send><recv response="200"/>'
    )
    return _scenario("caller", invite(1, "", ' start_rtd="1"') + refused + invite(2, "[field1]\n") + talk)


def _challenged_again(status: int, method: str) -> str:
    """Passes over further challenges of the first request: whoever is late to read the first has sent it again, and a
    challenge without state has another nonce each time. One of the second request fails the call as ever."""
    first = f'<ereg regexp="1 {method}" search_in="hdr" header="CSeq:" check_it="true" assign_to="1"/>'
    again = f'<recv response="{status}" optional="true" next="1"><action>{first}</action></recv>'
    return f'<label id="1"/>{again}<Reference variables="1"/>'


def _register(cseq: int, extra: str) -> str:
    return (
        f'<send retrans="500"><![CDATA[\nREGISTER sip:[remote_ip] SIP/2.0\n{_COMMON}'
        f"To: <sip:[field0]@[remote_ip]>\nCall-ID: [call_id]\nCSeq: {cseq} REGISTER\n"
        f"Contact: <sip:[field0]@[local_ip]:[local_port]>\n{extra}"
        "Expires: 600\nContent-Length: 0\n\n]]></send>"
    )


def registering() -> str:
    """Registrations with digest: field0 is the user, field1 the [authentication] keyword."""
    return _scenario(
        "register", _register(1, "") + "<recv response=\"401\" auth=\"true\"/>" + _register(2, "[field1]\n")
        + _challenged_again(401, "REGISTER") + "<recv response=\"200\"/>",
    )  # fmt: skip


def refreshing() -> str:
    """The same registration again, without credentials: who is believed gets 200 at once."""
    return _scenario("refresh", _register(3, "") + '<recv response="200"/>')


def callers_file(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """SIPp's table of callers from (user, password, number to dial)."""
    lines = [f"{user};[authentication username={user} password={password}];{number}" for user, password, number in rows]
    path.write_text("SEQUENTIAL\n" + "\n".join(lines) + "\n")
    return path


class Carrier:
    """SIPp waiting for calls in a peer's namespace."""

    def __init__(self, lab: Lab, host: Host, directory: Path, scenario: str, *options: str, port: int = 5060) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.trace = directory / "carrier.log"
        (directory / "carrier.xml").write_text(scenario)
        command = ["sipp", "-sf", str(directory / "carrier.xml"), "-i", host.address, "-p", str(port), "-nostdin"]
        command += ["-mi", host.address, "-mp", "17000", "-rtp_echo", "-buff_size", "4000000"]
        self._log = self.trace.open("wb")
        self._process = lab.start(
            host.namespace, [*command, *options], stdout=self._log, stderr=self._log, cwd=str(directory)
        )
        self._until_it_listens(f"{socket.inet_aton(host.address)[::-1].hex().upper()}:{port:04X}")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _until_it_listens(self, socket_address: str) -> None:
        """Returns once the socket is there, as the kernel of its namespace writes it (proc(5), /proc/net/udp)."""
        tables = [Path(f"/proc/{self.pid}/net/{name}") for name in ("udp", "tcp")]

        def listens() -> bool:
            assert self._process.poll() is None, self.trace.read_text(errors="replace")[-800:]
            try:
                return any(socket_address in table.read_text() for table in tables)
            except OSError:  # it has just ended
                return False

        until(listens, lambda: f"SIPp does not listen: {self.trace.read_text(errors='replace')[-800:]}")

    def close(self) -> None:
        """End it."""
        end(self._process, 1.0)
        self._log.close()


def load(
    lab: Lab, host: Host, directory: Path, scenario: str, callers: Path, server: str, *options: str,
    calls: int, rate: float, timeout_s: float = 120.0, port: int = 5070,
) -> Outcome:  # fmt: skip
    """Run SIPp as callers to the end and count. Bounded by `calls` and `timeout_s`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "load.xml").write_text(scenario)
    statistics = directory / "load.csv"
    statistics.unlink(missing_ok=True)
    command = ["sipp", "-sf", str(directory / "load.xml"), "-inf", str(callers), "-i", host.address, "-p", str(port)]
    command += ["-m", str(calls), "-r", f"{rate:g}", "-l", str(max(10, int(rate * 20))), "-nostdin", "-trace_stat"]
    command += ["-stf", str(statistics), "-fd", "1", "-timeout", f"{timeout_s:.0f}s", "-timeout_error"]
    command += ["-trace_rtt", "-rtt_freq", "1"]
    command += ["-recv_timeout", "20000", "-buff_size", "4000000", *options, f"{server}:5060"]
    with (directory / "load.log").open("wb") as log:
        process = lab.start(host.namespace, command, stdout=log, stderr=log, cwd=str(directory))
        try:
            status = process.wait(timeout_s + 15)
        except subprocess.TimeoutExpired:
            status = end(process)
    return _outcome(statistics, status, _answer_times(directory))


def _answer_times(directory: Path) -> list[float]:
    found: list[float] = []
    for path in directory.glob("*_rtt.csv"):
        with path.open() as file:
            found += [float(row["response_time_ms"]) for row in csv.DictReader(file, delimiter=";")]
        path.unlink()
    return found


def _outcome(statistics: Path, status: int, answer_ms: list[float]) -> Outcome:
    with statistics.open() as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    last = rows[-1] if rows else {}

    def count(name: str) -> int:
        return int(last.get(f"{name}(C)") or 0)

    return Outcome(count("SuccessfulCall"), count("FailedCall"), count("Retransmissions"), status, tuple(answer_ms))


def _scenario(name: str, body: str) -> str:
    return f'<?xml version="1.0" encoding="ISO-8859-1"?><scenario name="{name}">{body}</scenario>'
