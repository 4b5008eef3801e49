"""Forms that count once: a page draws a number into its form, which is used up in the transaction of what was done.

As the API's Idempotency-Key (pysrv.api.repeats): the same form sent again does nothing and gets the answer of the
first, with another content it is refused. A refused form has done nothing and may be sent again.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.store.api import KeptAnswer
from pysrv.web.acting import backing, do
from pysrv.web.identity import identity

FIELD: Final = "once"
LONGEST: Final = 64
_NOT_MEANT = frozenset({FIELD, "form_token", "proof_password", "sure"})


def fresh() -> str:
    """A number for a form: 128 bits, of no form before."""
    return secrets.token_urlsafe(16)


def do_once(
    request: web.Request,
    fields: Mapping[str, str],
    verb: str,
    args: Mapping[str, Any],
    answer: Callable[[dict[str, Any]], str],
) -> str:
    """What `answer` makes of what the verb said, when this form came first. Raises WireError."""
    number = fields.get(FIELD, "")
    if not 16 <= len(number) <= LONGEST:
        raise WireError("bad_args", "this form has no number that lets it count once", "open the page again")
    store, whose = backing(request).store, identity(request).who
    digest = hashlib.sha256(f"form\0{whose}\0{number}".encode()).digest()
    content = _content(request, fields)
    if (kept := store.api_answer(digest)) is not None:
        if not hmac.compare_digest(kept.request, content):
            hint = "the page below is a new one: what was done before is in its figures"
            raise WireError("conflict", "this form was sent already, with something else in it", hint)
        return (kept.body or b"").decode()
    said = do(
        request,
        verb,
        args,
        lambda said: store.keep_api_answer(digest, KeptAnswer(content, 303, answer(said).encode())),
    )
    return answer(said)


def _content(request: web.Request, fields: Mapping[str, str]) -> bytes:
    meant = {name: text for name, text in fields.items() if name not in _NOT_MEANT}
    return hashlib.sha256(json.dumps([request.path, sorted(meant.items())]).encode()).digest()
