"""Calls a second with digest (INVITE, 407, ACK, INVITE, 180, 200, ACK, BYE), and what 1,000 of them cost.

The appliance is a back-to-back user agent with all that it does for money: a lease reserved, a relay session opened in
the kernel and closed, a priced record settled on disk. Kamailio proxies the same calls and keeps dialogs, with
credentials from SQLite, without media and money. sippy's b2bua_simple bridges them without asking for credentials.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench import kamailio, office
from tests.bench.load import Best, Load, best
from tests.bench.processes import family, favour, pin, processors
from tests.bench.report import Row, compare, say
from tests.lab.carrier import SDP, Carrier, answering, callers_file, calling
from tests.lab.network import Lab, end

FLOOR = 500.0
AT_ONCE = 256
RING_MS = 20  # sent at once, 180 and 200 may overtake each other
NUMBER = "4989123456"


def run() -> Iterator[Row]:
    """Rate and cost beside each peer."""
    server, load = processors()
    with tempfile.TemporaryDirectory(prefix="bench") as folder, Lab(["load", "carrier"], tag="bcl") as lab:
        directory = Path(folder)
        directory.chmod(0o755)
        far = lab.hosts["carrier"]
        # A proxy's route has to come back in the carrier's answers.
        scenario = answering(ring_ms=RING_MS).replace("[last_From:]", "[last_Record-Route:]\n[last_From:]")
        carrier = Carrier(lab, far, directory / "carrier", scenario)
        try:
            pin([carrier.pid], load)
            favour([carrier.pid])
            with office.appliance(lab, directory / "appliance", server, far.address) as product:
                ours = best("calls: appliance", _load(lab, directory, FLOOR), lambda: office.pids(product))
            proxy = _kamailio(lab, directory)
            sippy = _sippy(lab, directory)
        finally:
            carrier.close()
    for name, peer in (("kamailio, proxy", proxy), ("sippy b2bua_simple, no digest", sippy)):
        yield compare("calls: calls with digest/s", ours.per_second, peer.per_second if peer else None, name, FLOOR)
        level = peer.cpu_per_1000 if peer else None
        yield compare("calls: CPU-seconds per 1,000", ours.cpu_per_1000, level, name, level, less=True)


def _load(lab: Lab, directory: Path, expected: float) -> Load:
    host, (_, cpu) = lab.hosts["load"], processors()
    rows = [(name, password, NUMBER) for name, password in office.users()]
    table = callers_file(directory / "callers.csv", rows)
    # Left alone, SIPp's credentials are for the host, not for the Request-URI.
    options = ("-auth_uri", f"{NUMBER}@{host.gateway}:5060")
    return Load(lab, host, directory / "sipp", calling(talk_ms=0), table, host.gateway, AT_ONCE, cpu, expected, options)


def _kamailio(lab: Lab, directory: Path) -> Best | None:
    if not kamailio.installed():
        say("kamailio is not installed: no comparison with it")
        return None
    cpu, _ = processors()
    near, far = lab.hosts["load"].gateway, lab.hosts["carrier"].address
    with kamailio.Kamailio(lab, directory / "kamailio", office.users(), cpu, address=near, carrier=far) as server:
        return best("calls: kamailio", _load(lab, directory, 2 * FLOOR), server.pids)


def _sippy(lab: Lab, directory: Path) -> Best | None:
    program = shutil.which("b2bua_simple", path=str(Path(sys.executable).parent))
    if program is None:
        say("sippy is not installed: no comparison with it")
        return None
    cpu, _ = processors()
    command = ["taskset", "-c", str(cpu), program, "-f", "-l", lab.hosts["load"].gateway, "-p", "5060"]
    command += ["-n", f"{lab.hosts['carrier'].address}:5060"]
    process = lab.start(
        lab.appliance, ["env", "SIPLOG_BEND=none", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, cwd=str(directory),
    )  # fmt: skip
    try:
        threading.Event().wait(1.5)  # it says nothing when it is ready
        load = replace(_load(lab, directory, FLOOR / 4), scenario=unasked(), at_once=AT_ONCE // 4)
        return best("calls: sippy", load, lambda: family(process.pid))
    finally:
        end(process)


def unasked() -> str:
    """Callers whom nobody asks for credentials."""
    ident = (
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n"
        "From: <sip:[field0]@[remote_ip]>;tag=[pid]c[call_number]\n"
    )
    uri = "sip:[field2]@[remote_ip]:[remote_port]"
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><scenario name="caller">'
        f'<send retrans="500"><![CDATA[\nINVITE {uri} SIP/2.0\n{ident}To: <sip:[field2]@[remote_ip]>\n'
        "Call-ID: [call_id]\nCSeq: 1 INVITE\nContact: <sip:[field0]@[local_ip]:[local_port]>\n"
        f"Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}]]></send>"
        '<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="200" rrs="true"/>'
        f"<send><![CDATA[\nACK {uri} SIP/2.0\n{ident}[last_To:]\nCall-ID: [call_id]\nCSeq: 1 ACK\n"
        "Content-Length: 0\n\n]]></send>"
        f'<send retrans="500"><![CDATA[\nBYE {uri} SIP/2.0\n{ident}[last_To:]\nCall-ID: [call_id]\nCSeq: 2 BYE\n'
        'Content-Length: 0\n\n]]></send><recv response="200"/></scenario>'
    )
