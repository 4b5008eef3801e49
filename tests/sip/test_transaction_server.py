"""Server transactions as ladders, over datagrams and over streams (RFC 3261 17.2, RFC 6026, 9.2, 13.3.1.4)."""

import pytest

from tests.sip.playbook import TCP, UDP, Playbook

LADDERS_UDP = {
    "a call is answered; its INVITE is told once, however often it comes": """
        -> INVITE
        tell RequestReceived
        -> again         # nothing to repeat yet
        after 0.2
        <- 100
        -> again
        <- 100
        user 180
        <- 180
        -> again
        <- 180
        user 200
        <- 200
        -> ACK of 2xx
        tell AckReceived
        -> again         # repeated ACKs are absorbed
        after 32
        gone
    """,
    "a quick answer saves the 100": """
        -> INVITE
        tell RequestReceived
        user 180
        <- 180
        after 1
        user 200
        <- 200
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
    """,
    "a lost 2xx is repeated by the endpoint until the ACK comes": """
        -> INVITE
        tell RequestReceived
        user 200
        <- 200
        -> again         # an INVITE that comes again then is absorbed: the 2xx has its own timer
        after 0.5
        <- 200
        after 1
        <- 200
        after 2
        <- 200
        after 4
        <- 200
        after 4
        <- 200
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
    """,
    "a 2xx that is never acknowledged is told after 64*T1": """
        -> INVITE
        tell RequestReceived
        user 200
        <- 200
        after 31.9
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        <- 200
        after 0.1
        tell AckTimedOut
        gone
        -> ACK of 2xx    # far too late: the user may still hold the dialog
        tell AckReceived
    """,
    "a second final response is not sent": """
        -> INVITE
        tell RequestReceived
        user 200
        <- 200
        user 200
        user 486
        user 180
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
        user 200
    """,
    "a refusal is repeated until its ACK comes, which is absorbed": """
        -> INVITE
        tell RequestReceived
        user 486
        <- 486
        -> again
        <- 486
        after 0.5
        <- 486
        after 1
        <- 486
        -> ACK
        -> again
        user 200
        after 5
        gone
    """,
    "a refusal that is never acknowledged is forgotten in silence": """
        -> INVITE
        tell RequestReceived
        user 503
        <- 503
        after 31.9
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        <- 503
        after 0.1
        gone
    """,
    "a cancelled call: the CANCEL is answered, the user told once, 487 is the user's": """
        -> INVITE
        tell RequestReceived
        user 180
        <- 180
        -> CANCEL
        <- 200 to CANCEL
        tell Cancelled
        -> again
        <- 200 to CANCEL
        user 487 to INVITE
        <- 487 to INVITE
        -> ACK
        after 32
        gone
    """,
    "an INVITE that comes again after its CANCEL hears the last response again": """
        -> INVITE
        tell RequestReceived
        user 180
        <- 180
        -> CANCEL
        <- 200 to CANCEL
        tell Cancelled
        user 183 to INVITE
        <- 183
        -> INVITE again
        <- 183
        user 200 to INVITE
        <- 200 to INVITE
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
    """,
    "a CANCEL before any answer stops the 100": """
        -> INVITE
        tell RequestReceived
        -> CANCEL
        <- 200 to CANCEL
        tell Cancelled
        after 1
        user 487 to INVITE
        <- 487
        -> ACK
        after 32
        gone
    """,
    "a CANCEL that comes too late changes nothing": """
        -> INVITE
        tell RequestReceived
        user 200
        <- 200
        -> CANCEL
        <- 200 to CANCEL
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
    """,
    "a CANCEL of nothing gets 481": """
        -> CANCEL
        <- 481 to CANCEL
        gone
    """,
    "a challenge keeps no state: the ACK is known by its tag, the repetition is challenged again": """
        -> INVITE
        tell RequestReceived
        user refuses 407
        <- 407
        gone
        -> ACK
        -> again
        gone
    """,
    "a challenged request that comes again is told again and gets the same answer": """
        -> REGISTER
        tell RequestReceived
        user refuses 401
        <- 401
        -> again
        tell RequestReceived
        user refuses 401
        <- 401
        gone
    """,
    "an INVITE server outlives its transport": """
        -> INVITE
        tell RequestReceived
        user 486
        <- 486
        transport fails
        -> again
        <- 486
        -> ACK
        after 5
        gone
    """,
    "a request is answered, and answered again when it comes again": """
        -> OPTIONS
        tell RequestReceived
        -> again
        user 200
        <- 200
        -> again
        <- 200
        user 404
        after 31
        -> again
        <- 200
        after 1
        gone
    """,
    "a request may hear a provisional response first": """
        -> OPTIONS
        tell RequestReceived
        user 100
        <- 100
        -> again
        <- 100
        user 182
        <- 182
        user 200
        <- 200
        after 32
        gone
    """,
    "a request whose user stays silent dies in silence": """
        -> OPTIONS
        tell RequestReceived
        after 31.9
        after 0.1
        gone
        user 200
    """,
    "a request whose user only ever says 100 dies in silence": """
        -> OPTIONS
        tell RequestReceived
        user 100
        <- 100
        after 32
        gone
    """,
}

LADDERS_TCP = {
    "a refusal over a stream is sent once and gone with its ACK": """
        -> INVITE
        tell RequestReceived
        user 486
        <- 486
        after 10
        -> ACK
        gone
    """,
    "a refusal over a stream still waits 64*T1 for its ACK": """
        -> INVITE
        tell RequestReceived
        user 486
        <- 486
        after 32
        gone
    """,
    "a 2xx is repeated over a stream too": """
        -> INVITE
        tell RequestReceived
        after 0.2
        <- 100
        user 200
        <- 200
        after 0.5
        <- 200
        -> ACK of 2xx
        tell AckReceived
        after 32
        gone
    """,
    "a request over a stream is gone with its answer": """
        -> OPTIONS
        tell RequestReceived
        user 200
        <- 200
        gone
    """,
    "a stream that closes is told to those who have not answered yet": """
        -> INVITE
        tell RequestReceived
        transport fails
        tell TransportFailed
        user 180
        <- 180
        -> CANCEL
        <- 200 to CANCEL
        tell Cancelled
        user 487 to INVITE
        <- 487
        -> ACK
        gone
    """,
    "an INVITE that comes again after its CANCEL is absorbed": """
        -> INVITE
        tell RequestReceived
        user 180
        <- 180
        -> CANCEL
        <- 200 to CANCEL
        tell Cancelled
        transport fails
        -> INVITE again
        <- 180
        user 487 to INVITE
        <- 487
        -> ACK
        gone
    """,
    "a stream that closes under a request": """
        -> OPTIONS
        tell RequestReceived
        transport fails
        tell TransportFailed
        user 100
        <- 100
        transport fails
        tell TransportFailed
        user 200
        <- 200
        gone
    """,
}


@pytest.mark.parametrize("name", LADDERS_UDP)
def test_over_datagrams(name: str) -> None:
    Playbook(UDP).play(LADDERS_UDP[name])


@pytest.mark.parametrize("name", LADDERS_TCP)
def test_over_streams(name: str) -> None:
    Playbook(TCP).play(LADDERS_TCP[name])
