"""One large file by URL: once, in parts where the line breaks, of a bounded size, from whom a certificate names.

`https://` alone, and so is every place that the answer leads to. A part that came is gone on with (RFC 9110, sections
13.1.5 and 14.2) when the server says that the file is still the same, and begun anew otherwise.
"""

import hashlib
import http
import http.client
import ssl
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from image.progress import BuildError, Progress

LARGEST: Final = 8 << 30  # bytes
SILENCE_S: Final = 60  # of the other side, until it is given up
_CHUNK, _TENTHS, _MIB = 1 << 20, 10, 1 << 20


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            where = req.full_url
            raise BuildError(f"{where} leads to {newurl}, which is not https://: name where the file itself lies")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, work: Path, progress: Progress) -> Path:
    """The file behind an https:// URL, kept in `work` by a digest of the URL. Raises BuildError."""
    whole = work / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.img"
    if whole.exists():
        progress.say(f"downloaded earlier: {whole} (remove it to have it anew)")
        return whole
    work.mkdir(parents=True, exist_ok=True)
    part, tag = whole.with_suffix(".part"), whole.with_suffix(".tag")
    try:
        _receive(url, part, tag, progress)
    except urllib.error.HTTPError as error:
        raise BuildError(f"{url}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise BuildError(f"{url}: {error or type(error).__name__}; the same command goes on where it ended") from error
    part.rename(whole)
    tag.unlink(missing_ok=True)
    return whole


def _receive(url: str, part: Path, tag: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    about = {"User-Agent": "appliance-image", "Accept-Encoding": "identity"}
    if have:
        about |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context()), _SecureRedirects()
    )
    asked = urllib.request.Request(url, headers=about)  # noqa: S310 - https alone: variables.py, _SecureRedirects
    try:
        answer = opener.open(asked, timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
        raise
    with answer:
        if not (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
            have = 0  # the whole file, from its beginning
        _keep(answer, part, tag, have, progress)


def _keep(answer: http.client.HTTPResponse, part: Path, tag: Path, have: int, progress: Progress) -> None:
    length = answer.headers["Content-Length"]
    size = have + int(length) if length else 0  # 0: not said
    if size > LARGEST:
        raise BuildError(f"{answer.url} has {size} bytes, and {LARGEST} are the most: name a disk, not an archive")
    etag = answer.headers["ETag"] or ""
    same = etag if etag.startswith('"') else answer.headers["Last-Modified"]
    if same:
        tag.write_text(same)
    else:
        tag.unlink(missing_ok=True)
    told = have * _TENTHS // size if size else 0
    with part.open("ab" if have else "wb") as file:
        while piece := answer.read(_CHUNK):
            have += len(piece)
            if have > LARGEST:
                raise BuildError(f"{answer.url} does not end: {LARGEST} bytes are the most")
            file.write(piece)
            if size and have * _TENTHS // size > told:
                told = have * _TENTHS // size
                progress.say(f"  {have // _MIB} of {size // _MIB} MiB")
    if size and have != size:
        raise OSError(f"it ended after {have} of {size} bytes")


def digest(path: Path, kind: str = "sha512") -> str:
    """Its digest in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
