"""A phone out of aiosip's later form, asyncsip 0.1.2: an independent implementation to telephone with, and no more.

    python -m tests.lab.aiosip_shim SERVER LOCAL_ADDRESS USER PASSWORD NUMBER [register|call]

Registers with digest, asks OPTIONS, calls NUMBER, then waits for one incoming call, which it answers; or it registers
and no more, or calls and no more. Prints one JSON object a line for each step. Runs in a process of its own, because it
needs patches of the interpreter's modules.

What the shim mends: asyncsip 0.1.2 does not import on Python 3.11 and later (`asyncio.coroutine` is gone), counts
nonces with one digit where RFC 7616 wants eight, and has no answer to 407 for an INVITE (its handler calls itself).
What it cannot mend, so that such a client proves little beyond message formats: an INVITE is sent once and never
again, a 2xx is not repeated until its ACK, a request is delivered once for each of its repetitions, a Via without a
port raises, the To tag and the branch of a challenged REGISTER come back in the next one, the ACK of a 2xx goes to the
address of record on the INVITE's branch, and there is neither CANCEL by rule, PRACK, nor a route set.
"""

import asyncio
import json
import sys
import types
from typing import Any

PORT = 5080
WAIT_S = 15.0
SDP = "v=0\r\no=asyncsip 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 18000 RTP/AVP 0\r\n"


def library() -> Any:
    """asyncsip, made importable. Raises ImportError when it is not installed."""
    asyncio.coroutine = types.coroutine  # type: ignore[attr-defined]
    import asyncsip
    from asyncsip.auth import AuthorizationAuth

    response = AuthorizationAuth._calculate_response
    AuthorizationAuth._calculate_response = lambda self, *args, **kwargs: response(
        self, *args, **kwargs | {"nonce_count": "00000001"}
    )
    return asyncsip


def credentials(message: Any, user: str, password: str, uri: str) -> str:
    """The answer to the 407 of an INVITE."""
    from asyncsip.auth import Auth

    challenge = Auth.from_authenticate_header(message.headers["Proxy-Authenticate"], "INVITE")
    return str(challenge.generate_authorization(user, password, uri))


def tell(step: str, **what: object) -> None:
    """One line for whoever watches."""
    print(json.dumps({"step": step, **what}), flush=True)


async def phone(server: str, local: str, user: str, password: str, number: str, only: str = "") -> None:
    """Play the phone. Bounded: it ends after one incoming call, or WAIT_S."""
    sip = library()
    ended = asyncio.Event()

    async def answer(request: Any, message: Any) -> None:
        dialog = await request.prepare(status_code=100)
        tell("ringing", caller=message.from_details["uri"]["user"], offer=bool(message.payload))
        await dialog.reply(message, 180)
        await asyncio.sleep(0.1)
        headers = {"Content-Type": "application/sdp"}
        await dialog.reply(message, 200, payload=SDP.format(local), headers=headers)
        tell("answered")
        async for later in dialog:
            await dialog.reply(later, 200)
            if later.method == "BYE":
                tell("ended")
                ended.set()
                return

    class Plan(sip.BaseDialplan):  # type: ignore[misc,name-defined]
        async def resolve(self, method: str, *args: Any, **kwargs: Any) -> Any:
            return answer if method == "INVITE" else None

    app = sip.Application(loop=asyncio.get_running_loop(), dialplan=Plan())
    peer = await app.connect((server, 5060), protocol=sip.UDP, local_addr=(local, PORT))
    me, them = f"sip:{user}@{server}", f"sip:{number}@{server}"

    def parties(callee: str) -> dict[str, Any]:
        contact = sip.Contact.from_header(f"<sip:{user}@{local}:{PORT}>")
        return {
            "from_details": sip.Contact.from_header(me),
            "to_details": sip.Contact.from_header(callee),
            "contact_details": contact,
        }

    if only != "call":
        registered = await peer.register(expires=600, password=password, timeout=5, **parties(me))
        tell("registered", status=registered.status_code)
    if only == "register":
        return
    if not only:
        asked = await peer.request("OPTIONS", timeout=5, **parties(f"sip:{server}"))
        tell("options", status=asked.status_code)
    headers = {"Content-Type": "application/sdp"}
    for _ in range(2):
        call = await peer.invite(headers=dict(headers), payload=SDP.format(local), **parties(them))
        answers = [answer async for answer in call.wait_for_terminate()]
        status = answers[-1].status_code
        if status != 407:
            break
        headers["Proxy-Authorization"] = credentials(answers[-1], user, password, them)
    tell("called", status=status)
    if status == 200:
        await asyncio.sleep(0.5)
        await call.close(timeout=5)
        tell("hung up")
    if only:
        return
    tell("waiting")
    await asyncio.wait_for(ended.wait(), WAIT_S)


if __name__ == "__main__":
    asyncio.run(phone(*sys.argv[1:7]))
