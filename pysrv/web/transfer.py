"""Files in and out over the web: uploads are read as they come and are bounded, downloads leave as they are made.

multipart/form-data is RFC 7578. The form's own fields stand before its file, so that it is known whose form it is
before a byte of the file is taken. A cell that a spreadsheet would run as a formula is disarmed (CWE-1236).
"""

import asyncio
import codecs
import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import BodyPartReader, web

from appliance.config import document
from appliance.wire import WireError
from pysrv.web.acting import heard

MOST_BYTES: Final = 16 * 1024 * 1024
LONGEST_S: Final = 120.0
MOST_FIELDS, MOST_FIELD_BYTES = 40, 8192
MOST_LINE: Final = 65_536
CHUNK_BYTES: Final = 65_536
_PLAIN = re.compile(r"[+-]?[0-9.]*", re.ASCII)


@dataclass(slots=True)
class Upload:
    """A form with a file: the fields before it, and the file, which can be read once. `part` None: no file came."""

    fields: dict[str, str] = field(repr=False)
    part: BodyPartReader | None = field(default=None, repr=False)
    came: Callable[[], None] = lambda: None  # told of every piece, so that the connection is known to be in use

    @property
    def name(self) -> str:
        """What the file was called; for people only."""
        return (self.part.filename or "")[:80] if self.part is not None else ""

    async def pieces(self, lines: int) -> AsyncIterator[tuple[int, str]]:
        """The file's text as whole lines, so many at a time, each piece with the number of its first line. Raises
        WireError for what is no text, too large or too slow."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        held, number, first = "", 1, 1
        ready: list[str] = []
        async for chunk in self._chunks():
            held += _decoded(decoder, chunk, number)
            split = "\r" if held.endswith("\r") else ""  # its line end may be in two chunks
            *whole, held = held.removesuffix(split).replace("\r\n", "\n").split("\n")
            held += split
            if len(held) > MOST_LINE:
                raise WireError("bad_file", f"line {number + len(whole)} is longer than {MOST_LINE} characters")
            ready += whole
            number += len(whole)
            while len(ready) >= lines:
                yield first, "\n".join(ready[:lines]) + "\n"
                ready, first = ready[lines:], first + lines
        held += _decoded(decoder, b"", number, final=True)
        ready += [held] if held.strip() else []
        if ready:
            yield first, "\n".join(ready) + "\n"

    async def text(self) -> str:
        """All of it. Raises WireError."""
        return "".join([piece async for _, piece in self.pieces(1000)])

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self.part is None or not self.part.filename:
            raise WireError("invalid", "no file was chosen", "choose one, then send the form again")
        taken = 0
        try:
            async with asyncio.timeout(LONGEST_S):
                while chunk := await self.part.read_chunk(CHUNK_BYTES):
                    taken += len(chunk)
                    self.came()
                    if taken > MOST_BYTES:
                        words = f"the file is larger than {MOST_BYTES // 1024**2} MiB"
                        raise WireError("too_large", words, "split it, or use the command line; nothing was imported")
                    yield chunk
        except TimeoutError:
            raise WireError("invalid", "the file came too slowly", "nothing was imported") from None


UPLOAD: web.RequestKey[Upload] = web.RequestKey("upload", Upload)


async def receive(request: web.Request) -> Upload:
    """The form's fields, up to its file. Raises WireError for what is no such form."""
    if request.content_type != "multipart/form-data":
        raise WireError("bad_args", "a form with a file is expected", "open the page again and choose a file")
    fields: dict[str, str] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or len(fields) >= MOST_FIELDS:
            raise WireError("bad_args", "this form has parts that no page of the appliance sends")
        if part.filename is not None:
            return Upload(fields, part, lambda: heard(request))
        fields[str(part.name)] = await _field(part)
    return Upload(fields)


async def configuration(request: web.Request, data: bytes) -> dict[str, Any]:
    """A configuration that came as a file or a body, read in slices, so that calls go between. Raises WireError."""
    reading = document.slices(data)
    try:
        while True:
            next(reading)
            heard(request)
            await asyncio.sleep(0)
    except StopIteration as done:
        found: dict[str, Any] = done.value
        return found
    except document.BadDocument as error:
        raise WireError("bad_configuration", str(error), "nothing was changed") from None


async def download(
    request: web.Request, name: str, pieces: AsyncIterator[str], kind: str = "text/csv"
) -> web.StreamResponse:
    """A file for the browser to keep, sent piece by piece."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80]
    response = web.StreamResponse(
        headers={"Content-Type": f"{kind}; charset=utf-8", "Content-Disposition": f'attachment; filename="{safe}"'}
    )
    first = await anext(pieces, "")  # a refusal comes before the first byte
    await response.prepare(request)
    await response.write(first.encode())
    async for piece in pieces:
        heard(request)
        await response.write(piece.encode())
        await asyncio.sleep(0)  # calls first
    await response.write_eof()
    return response


def lines_of(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV (RFC 4180, with plain line ends)."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def harmless(value: object) -> str:
    """A cell that no spreadsheet runs: what begins like a formula and is no number gets an apostrophe before it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _PLAIN.fullmatch(text) else text


async def _field(part: BodyPartReader) -> str:
    data = b""
    while chunk := await part.read_chunk(MOST_FIELD_BYTES):
        data += chunk
        if len(data) > MOST_FIELD_BYTES:
            raise WireError("bad_args", f"{str(part.name)[:40]!r} is too long")
    return data.decode("utf-8", "replace").strip()


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, number: int, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError:
        words = f"not UTF-8 text, at line {number} or a little behind it"
        raise WireError(
            "bad_file", words, "save the file as UTF-8 ('CSV UTF-8' for a table); nothing was imported"
        ) from None
