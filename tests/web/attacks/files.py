"""Attacks on files: paths that lead out, and uploads that are something else than they say."""

import gzip
import io
import zipfile
from pathlib import Path

import aiohttp

from pysrv.web import transfer
from tests.web.attacks.ground import ROUTES, Ground
from tests.web.attacks.wire import BODIES
from tests.web.house import Answer

OUT = (
    "../" * 8 + "etc/passwd",
    "..%2f" * 8 + "etc%2fpasswd",
    "%2e%2e/" * 8 + "etc/passwd",
    "..%5c" * 8 + "etc%5cpasswd",
    "..%252f" * 8 + "etc%252fpasswd",
    "....//" * 8 + "etc/passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "..;/..;/etc/passwd",
    "..%c0%af" * 8 + "etc/passwd",
    "%00/etc/passwd",
    "style.css%00.html",
    "../appliance.db",
    "..%2f..%2fappliance.db",
    "~root/.profile",
    "file:///etc/passwd",
    "..",
    ".",
    "%2e%2e",
    "languages/de.po",
    "..%2flanguages%2fde.po",
)
SECRETS = ("root:x:0", "SQLite format 3", "BEGIN PRIVATE", "msgid", "import ")
UPLOADS = [route.path for route in ROUTES if route.uploads]


async def paths_out(ground: Ground) -> None:
    """Static files, pages of a name, downloads and the API: a path is a name, never a place on the disk."""
    await ground.enter("olga")
    cookie, token = ground.cookie, f"Authorization: {ground.token('*:write')['Authorization']}"
    for out in OUT:
        for target in (
            f"/static/{out}",
            f"/static/web/{out}",
            f"/static/../{out}",
            f"/panel/accounts/{out}",
            f"/panel/rates/{out}/export.csv",
            f"/panel/settings/{out}",
            f"/api/v1/decks/{out}/export",
            f"/api/v1/accounts/{out}",
            f"/portal/calls.csv?month={out}",
            f"/{out}",
            f"/webhooks/{out}",
        ):
            status, said = await ground.asked("GET", target, cookie, token)
            assert status not in (0, 500), target
            body = said.partition("\r\n\r\n")[2]
            assert not any(secret in body for secret in SECRETS), (target, body[:200])


def zip_bomb(size: int) -> bytes:
    """A sheet as a spreadsheet program writes it, whose one file is that large."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/worksheets/sheet1.xml", b"0" * size)
    return out.getvalue()


LYING = {
    "a zip bomb": zip_bomb(8 * 1024 * 1024),
    "a gzip bomb": gzip.compress(b"49,1\n" * 2_000_000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "a program": b"\x7fELF" + bytes(4000),
    "UTF-16": "prefix,per_minute\n49,1\n".encode("utf-16"),
    "a page": b"<html><script>alert(1)</script></html>",
    "XML that unfolds": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>',
    "a line without an end": b"4" * 200_000,
    "a field without an end": b'prefix,per_minute\n"' + b"4" * 100_000,
    "columns without end": b"prefix,per_minute" + b",x" * 30_000 + b"\n49,1\n",
    "nothing": b"",
}


async def lying_uploads(ground: Ground) -> None:
    """Archives, programs, pictures, other alphabets: refused with words, and nothing is imported or written down."""
    browser = await ground.enter("olga")
    files = sorted(str(each) for each in Path(ground.place).rglob("*"))
    for path in UPLOADS:
        for what, data in LYING.items():
            with ground.unchanged((path, what)):
                answer = await browser.upload(path, {"deck": "evil"}, data, name="../../../../tmp/evil.csv")
            _refused_with_words(answer, (path, what))
        for name in ("../../evil.csv", "/etc/cron.d/evil", 'a"; filename="b.csv', "CON", "x" * 300):
            with ground.unchanged((path, name)):
                _refused_with_words(await browser.upload(path, {"deck": "evil"}, b"\x00\xff", name=name), (path, name))
    assert sorted(str(each) for each in Path(ground.place).rglob("*")) == files
    assert not Path("/tmp/evil.csv").exists()


def _refused_with_words(answer: Answer, what: object) -> None:
    assert 400 <= answer.status < 500, (what, answer.status)
    assert 'role="alert"' in answer.text, what
    assert "Traceback" not in answer.text and "codec" not in answer.text, what


async def endless_uploads(ground: Ground) -> None:
    """Rows without end: taken in pieces, refused at their limit, and never held in memory."""
    browser = await ground.enter("olga")
    row = b"".join(b"49%06d,1\n" % number for number in range(7000))

    async def rows() -> object:
        yield b"prefix,per_minute\n"
        for _ in range(3 * transfer.MOST_BYTES // len(row)):
            yield row

    for path in UPLOADS:
        with ground.unchanged(path), ground.remembering(2 * transfer.MOST_BYTES):
            form = aiohttp.MultipartWriter("form-data")
            for name, text in (("form_token", browser.form_token), ("deck", "evil")):
                form.append(text).set_content_disposition("form-data", name=name)
            form.append(rows()).set_content_disposition("form-data", name="file", filename="a.csv")
            try:
                answer = await browser._ask("POST", path, data=form, headers={"Origin": browser.origin})
            except OSError:  # hung up on, while it still sent
                continue
            assert 400 <= answer.status < 500, path


async def many_parts(ground: Ground) -> None:
    """Parts and fields without end, parts in parts, a field of megabytes."""
    browser = await ground.enter("olga")
    for path in UPLOADS:
        for parts in (
            [("form_token", browser.form_token), *((f"f{number}", "x") for number in range(2000))],
            [("form_token", browser.form_token), ("deck", "x" * 1_000_000)],
            [("form_token", browser.form_token)] * 100,
        ):
            form = aiohttp.FormData(parts, default_to_multipart=True)
            with ground.unchanged(path):
                answer = await browser._ask("POST", path, data=form, headers={"Origin": browser.origin})
            assert 400 <= answer.status < 500, path


async def packed_bodies(ground: Ground) -> None:
    """A body that unfolds to a gigabyte, on the way to a form, to the API, and to a gateway's entry."""
    bomb = gzip.compress(b"a=" + b"1" * 50_000_000, 9)
    browser = await ground.enter("olga")
    token = ground.token("*:write")
    places = (*BODIES, (UPLOADS[0], "multipart/form-data; boundary=x"))
    with ground.remembering(20_000_000):
        for path, kind in places:
            for coding in ("gzip", "deflate", "br", "GZIP, identity"):
                headers = {"Content-Encoding": coding, "Content-Type": kind, "Origin": browser.origin, **token}
                answer = await browser._ask("POST", path, data=bomb, headers=headers)
                assert answer.status == 415, (path, coding, answer.status)
