"""Requests of scanners, written by hand."""

STRANGER = "198.51.100.7"
REQUEST = (
    "{method} sip:pbx.example SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 198.51.100.7:5060;branch={branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:anna@pbx.example>;tag={tag}\r\n"
    "To: <sip:anna@pbx.example>\r\n"
    "Call-ID: {call_id}\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: {contact}\r\n"
    "{agent}"
    "Content-Length: 0\r\n\r\n"
)
PLAIN = {
    "method": "OPTIONS", "branch": "z9hG4bKabc1", "tag": "8a7b", "call_id": "a84b4c76e66710",
    "contact": "<sip:anna@198.51.100.7>", "agent": "User-Agent: Telephone 1.6\r\n",
}  # fmt: skip
SIPVICIOUS = {
    "branch": "z9hG4bK-3211757225",
    "call_id": "575459366826426825498432",
    "contact": "sip:100@127.0.0.1:5060",
}
TAG = "3766303030303031313363340131323334353637"
NAMES = ("Yealink SIP-T46S 66.85.0.5", "")


def request(**parts: str) -> bytes:
    return REQUEST.format(**{**PLAIN, **parts}).encode()


def agent(name: str) -> bytes:
    return request(agent=f"User-Agent: {name}\r\n")
