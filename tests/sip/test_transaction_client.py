"""Client transactions as ladders, over datagrams and over streams (RFC 3261 17.1, RFC 6026, 9.1)."""

import pytest

from tests.sip.playbook import TCP, UDP, Playbook

LADDERS_UDP = {
    "a call is answered and its 2xx repeated until the user's ACK arrives": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        -> 183
        tell ResponseReceived 183
        after 5          # ringing is not repeated
        -> 200
        tell ResponseReceived 200
        user acks
        <- ACK
        -> 200           # the ACK was lost
        tell ResponseReceived 200
        user acks
        <- ACK
        after 32
        gone
        -> 200           # a stray is dropped
    """,
    "a call is answered at once": """
        user INVITE
        <- INVITE
        -> 200
        tell ResponseReceived 200
        -> 180           # late and out of order: of no use any more
        after 32
        gone
    """,
    "an INVITE that nobody answers is repeated at doubling intervals and times out": """
        user INVITE
        <- INVITE
        after 0.5
        <- INVITE
        after 1
        <- INVITE
        after 2
        <- INVITE
        after 4
        <- INVITE
        after 8
        <- INVITE
        after 16
        <- INVITE
        after 0.5
        tell RequestTimedOut
        gone
    """,
    "a refused call is acknowledged by the transaction, again when the refusal comes again": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        -> 486
        tell ResponseReceived 486
        <- ACK
        -> 486
        <- ACK
        after 32
        gone
    """,
    "a call is refused at once": """
        user INVITE
        <- INVITE
        -> 503
        tell ResponseReceived 503
        <- ACK
        -> 200           # a proxy sends one final response only
        transport fails  # nobody needs to know any more
        gone
    """,
    "cancelling a ringing call sends CANCEL at once, and 487 ends it": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        user cancels
        <- CANCEL
        user cancels     # twice does nothing
        -> 200 to CANCEL
        -> 487 to INVITE
        tell ResponseReceived 487
        <- ACK
        after 32
        gone
    """,
    "cancelling waits for a provisional response": """
        user INVITE
        <- INVITE
        user cancels
        after 0.5
        <- INVITE
        -> 100
        tell ResponseReceived 100
        <- CANCEL
        -> 200 to CANCEL
        -> 180 to INVITE
        tell ResponseReceived 180
        -> 487 to INVITE
        tell ResponseReceived 487
        <- ACK
        after 32
        gone
    """,
    "an answer overtakes the CANCEL": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        user cancels
        <- CANCEL
        -> 200 to INVITE
        tell ResponseReceived 200
        -> 481 to CANCEL
        after 32
        gone
    """,
    "an answer comes before the CANCEL was allowed to go": """
        user INVITE
        <- INVITE
        user cancels
        -> 200
        tell ResponseReceived 200
        after 32
        gone
    """,
    "a refusal comes before the CANCEL was allowed to go": """
        user INVITE
        <- INVITE
        user cancels
        -> 486
        tell ResponseReceived 486
        <- ACK
        after 32
        gone
    """,
    "a cancelled INVITE that nobody answers times out": """
        user INVITE
        <- INVITE
        user cancels
        after 31.5
        <- INVITE
        <- INVITE
        <- INVITE
        <- INVITE
        <- INVITE
        <- INVITE
        after 0.5
        tell RequestTimedOut
        gone
    """,
    "a peer that ignores our CANCEL is given up after 64*T1": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        user cancels
        <- CANCEL
        -> 200 to CANCEL
        after 31.9
        after 0.1
        tell RequestTimedOut
        gone
    """,
    "a lost CANCEL is repeated, and its end is nobody's business": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        user cancels
        <- CANCEL
        after 0.5
        <- CANCEL
        after 1
        <- CANCEL
        -> 200 to CANCEL
        -> 200 to CANCEL
        -> 487 to INVITE
        tell ResponseReceived 487
        <- ACK
        after 32
        gone
    """,
    "the transport fails before anything came back": """
        user INVITE
        <- INVITE
        transport fails
        tell TransportFailed
        gone
    """,
    "the transport fails while the call rings": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        transport fails
        tell TransportFailed
        gone
    """,
    "the transport fails while a CANCEL waits for its provisional": """
        user INVITE
        <- INVITE
        user cancels
        transport fails
        tell TransportFailed
        gone
    """,
    "the transport fails after the CANCEL": """
        user INVITE
        <- INVITE
        -> 180
        tell ResponseReceived 180
        user cancels
        <- CANCEL
        transport fails
        tell TransportFailed
        gone
    """,
    "a request is answered, and its answer absorbed when it comes again": """
        user OPTIONS
        <- OPTIONS
        -> 200
        tell ResponseReceived 200
        -> 200
        after 5
        gone
    """,
    "a lost request is repeated up to every T2": """
        user OPTIONS
        <- OPTIONS
        after 0.5
        <- OPTIONS
        after 1
        <- OPTIONS
        after 2
        <- OPTIONS
        after 4
        <- OPTIONS
        after 4
        <- OPTIONS
        -> 404
        tell ResponseReceived 404
        after 5
        gone
    """,
    "a request that is only heard of is repeated every T2 and times out": """
        user OPTIONS
        <- OPTIONS
        -> 100
        tell ResponseReceived 100
        -> 180
        tell ResponseReceived 180
        after 3.9
        after 0.1
        <- OPTIONS
        after 4
        <- OPTIONS
        after 20
        <- OPTIONS
        <- OPTIONS
        <- OPTIONS
        <- OPTIONS
        <- OPTIONS
        after 4
        tell RequestTimedOut
        gone
    """,
    "a request that is heard of is answered in the end": """
        user OPTIONS
        <- OPTIONS
        -> 100
        tell ResponseReceived 100
        -> 200
        tell ResponseReceived 200
        transport fails  # too late to matter
        after 5
        gone
    """,
    "a request that nobody answers times out": """
        user BYE
        <- BYE
        after 31.5
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        <- BYE
        after 0.5
        tell RequestTimedOut
        gone
    """,
    "the transport fails under a request": """
        user OPTIONS
        <- OPTIONS
        transport fails
        tell TransportFailed
        gone
    """,
    "the transport fails under a request that was heard of": """
        user OPTIONS
        <- OPTIONS
        -> 100
        tell ResponseReceived 100
        transport fails
        tell TransportFailed
        gone
    """,
}

LADDERS_TCP = {
    "nothing is repeated over a stream, and a call that nobody answers still times out": """
        user INVITE
        <- INVITE
        after 31.9
        after 0.1
        tell RequestTimedOut
        gone
    """,
    "a refused call over a stream leaves nothing behind": """
        user INVITE
        <- INVITE
        -> 486
        tell ResponseReceived 486
        <- ACK
        gone
    """,
    "a 2xx is repeated over a stream too, so the transaction stays for it": """
        user INVITE
        <- INVITE
        -> 200
        tell ResponseReceived 200
        -> 200
        tell ResponseReceived 200
        after 32
        gone
    """,
    "a request over a stream is sent once and gone with its answer": """
        user OPTIONS
        <- OPTIONS
        after 20
        -> 200
        tell ResponseReceived 200
        gone
    """,
    "a stream that closes fails what waits on it": """
        user OPTIONS
        <- OPTIONS
        transport fails
        tell TransportFailed
        gone
    """,
}


@pytest.mark.parametrize("name", LADDERS_UDP)
def test_over_datagrams(name: str) -> None:
    Playbook(UDP).play(LADDERS_UDP[name])


@pytest.mark.parametrize("name", LADDERS_TCP)
def test_over_streams(name: str) -> None:
    Playbook(TCP).play(LADDERS_TCP[name])
