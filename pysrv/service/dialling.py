"""Click to dial: a phone is asked to make a call (RFC 3515; the call flow of RFC 5359 section 2.19).

The phone that does so calls like any other: it proves itself, policy looks at the call, and the account pays. So
nothing here decides or costs anything; whoever may not call that number is told so by his phone.
"""

from pysrv.calls.registrar import Registrar
from pysrv.service.surroundings import Surroundings
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.message import Request
from pysrv.sip.uri import escape_user


class Dialling:
    """REFER to registered phones. What the phone answers is the phone's owner's to see."""

    def __init__(self, endpoint: Endpoint, registrar: Registrar, world: Surroundings) -> None:
        self._endpoint, self._registrar, self._world = endpoint, registrar, world

    def ask(self, account: str, number: str, now: float) -> bool:
        """Asks the phone of the account that registered last; False: none is registered."""
        bindings = self._registrar.bindings(account, self._world.clock.wall())
        if not bindings:
            return False
        binding = max(bindings, key=lambda each: each.expires_at)
        local, port = binding.flow.local
        host = (f"[{local}]" if ":" in local else local).encode()
        whose, tokens = escape_user(account.encode()), self._world.tokens
        transport = binding.flow.transport.encode()
        headers = [
            (b"from", b"<sip:%b@%b>;tag=%b" % (whose, host, tokens())),
            (b"to", b"<sip:%b@%b>" % (whose, host)),
            (b"call-id", tokens()),
            (b"cseq", b"1 REFER"),
            (b"contact", b"<sip:appliance@%b:%d;transport=%b>" % (host, port, transport)),
            (b"refer-to", b"<sip:%b@%b>" % (escape_user(number.encode()), host)),
            (b"referred-by", b"<sip:%b@%b>" % (whose, host)),
            (b"refer-sub", b"false"),  # RFC 4488: nobody here waits for its NOTIFYs
            (b"supported", b"norefersub"),
        ]
        self._endpoint.send_request(Request.new(b"REFER", binding.contact, headers), binding.flow, now)
        return True
