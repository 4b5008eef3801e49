"""Ordinary SIPp scenarios of carrier.py made special: a port of its own for each call, early media."""

import re

from tests.lab.carrier import SDP

_SEEN = (
    '<action><ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="true" assign_to="whole,port"/>'
    '<log message="{field} [$port]"/></action></recv>'
)
_DESCRIBED = re.compile(r'<recv (?:response="200"[^>]* rrs="true"|request="INVITE" crlf="true")/>')
_RINGING = re.compile(r"SIP/2\.0 180 Ringing\n(.*?)Content-Length: 0\n\n", re.DOTALL)


def with_own_ports(scenario: str, field: str) -> str:
    """The scenario with an RTP port of its own for each call, out of `field` of SIPp's table ("[field3]").

    It logs a line "its own port, the appliance's port" for each call; start it with -trace_logs.
    """
    seen = _SEEN.format(field=field)
    scenario, found = _DESCRIBED.subn(lambda match: match[0].removesuffix("/>") + ">" + seen, scenario)
    assert found == 1
    scenario = scenario.replace("[media_port]", field)
    return scenario.replace("</scenario>", '<Reference variables="whole"/></scenario>')


def with_early_media(scenario: str) -> str:
    """A carrier whose ringing is a 183 with a description, so that audio flows before its answer."""
    described = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}"
    scenario, found = _RINGING.subn(lambda match: f"SIP/2.0 183 Session Progress\n{match[1]}{described}", scenario)
    assert found == 1
    return scenario
