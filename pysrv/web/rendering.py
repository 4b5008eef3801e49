"""Pages out of templates (Jinja2, everything escaped), in the reader's language (gettext catalogues read by Babel).

A room's templates and static files lie in its own `templates` and `static` folders and are named `room/file`. Static
files carry a digest in their address, so a browser may keep them for ever.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po
from babel.numbers import format_decimal, get_decimal_symbol
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from pysrv.web.saying import Sentences

PYSRV: Final = Path(__file__).resolve().parents[1]
ROOMS: Final = ("web", "panel", "portal")
LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
SOURCE_LANGUAGE: Final = "en"
_AMOUNT: Final = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]+))?", re.ASCII)
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Catalogue(Translations):
    """One language, out of its files: what it has no words for stays English."""

    @classmethod
    def read(cls, paths: Iterable[Path]) -> "Catalogue":
        """Raises OSError."""
        made = cls()
        made._catalog = {key: text for path in paths for key, text in _words(path)}
        return made


def _words(path: Path) -> Iterator[tuple[Any, str]]:
    with path.open("rb") as file:
        for message in read_po(file):
            if message.id and message.string and not message.fuzzy:
                if isinstance(message.id, str):
                    yield message.id, str(message.string)
                else:
                    yield from (((message.id[0], form), text) for form, text in enumerate(message.string))


def duration(seconds: float) -> str:
    """A length of time as people say it: `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def moment(at: float | None, zone: str = "UTC") -> str:
    """A point in time in the appliance's time zone; a dash for none."""
    if not at:
        return "–"
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone or "UTC")).strftime("%Y-%m-%d %H:%M:%S")


def count(number: float, code: str = SOURCE_LANGUAGE) -> str:
    """A number with its thousands apart, as the language parts them."""
    return format_decimal(round(number), locale=code)


def plain(number: float, code: str = SOURCE_LANGUAGE) -> str:
    """A figure with four digits that count, without an exponent."""
    if abs(number) >= 1000:
        return count(number, code)
    return format_decimal(Decimal(f"{number:.4g}"), locale=code, decimal_quantization=False)


def size(number_of_bytes: float, code: str = SOURCE_LANGUAGE) -> str:
    """An amount of bytes in the unit that fits it (IEC 80000-13): `512 MiB`, `3.2 GiB`."""
    value, units = float(number_of_bytes), iter(("B", "KiB", "MiB", "GiB"))
    unit = next(units)
    while value >= 1024 and unit != "TiB":
        value, unit = value / 1024, next(units, "TiB")
    return f"{format_decimal(round(value, 1 if value < 10 else 0), locale=code)} {unit}"


def amount(text: object, code: str = SOURCE_LANGUAGE) -> str:
    """An amount that a verb says ("1250.00"), with the language's marks and all of its decimals; other words stay."""
    found = _AMOUNT.fullmatch(str(text))
    if found is None:
        return str(text)
    sign, whole, decimals = found.groups()
    mark = get_decimal_symbol(code) if decimals else ""
    return f"{sign}{format_decimal(int(whole), locale=code)}{mark}{decimals or ''}"


class Pages:
    """All templates and static files of the web."""

    def __init__(self) -> None:
        loaders = {room: FileSystemLoader(PYSRV / room / "templates") for room in ROOMS}
        self._environments = {code: _environment(PrefixLoader(loaders), code) for code in LANGUAGES}
        self._files: dict[str, tuple[bytes, str]] = {}
        self._marks: dict[str, str] = {}
        for room in ROOMS:
            for path in sorted((PYSRV / room / "static").glob("*")):
                if path.suffix in TYPES:
                    body = path.read_bytes()
                    self._files[f"{room}/{path.name}"] = body, TYPES[path.suffix]
                    self._marks[f"{room}/{path.name}"] = hashlib.sha256(body).hexdigest()[:12]
        for environment in self._environments.values():
            environment.globals["static"] = self.address

    def page(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        """A page."""
        environment = self._environments.get(language) or self._environments[SOURCE_LANGUAGE]
        return environment.get_template(name).render(values)

    def address(self, name: str) -> str:
        """Where a static file is."""
        return f"/static/{name}?v={self._marks[name]}"

    def file(self, name: str) -> tuple[bytes, str] | None:
        """A static file and its type."""
        return self._files.get(name)


@cache
def pages() -> Pages:
    """All templates and static files, read and compiled once."""
    return Pages()


def _environment(loader: PrefixLoader, code: str) -> Environment:
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"], auto_reload=False,
    )  # fmt: skip
    environment.install_gettext_translations(catalogue(code), newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {"duration": duration, "moment": moment, "said": _said(code)}
    environment.filters |= {each.__name__: partial(each, code=code) for each in (count, plain, amount, size)}
    environment.globals |= {"language": code, "languages": LANGUAGES}
    return environment


def _said(code: str) -> Callable[[object], str]:
    return lambda text: say(str(text), code)


@cache
def catalogue(code: str) -> Translations:
    """The words of a language; English ones are the templates' own."""
    return Catalogue.read(catalogue_files(code)) if code != SOURCE_LANGUAGE else Translations()


@cache
def sentences(code: str) -> Sentences:
    """The sentences of a language: whole ones of all its files, and those with places of the last one."""
    if code == SOURCE_LANGUAGE:
        return Sentences(())
    files = catalogue_files(code)
    found = [(words, said) for path in files for words, said in _words(path) if isinstance(words, str)]
    with_places = {words for words, _ in _words(files[-1])}
    return Sentences((words, said) for words, said in found if "%(" not in words or words in with_places)


@lru_cache(maxsize=8192)
def say(text: str, code: str = SOURCE_LANGUAGE) -> str:
    """A text that the office's rooms made, in the language; what it has no words for stays English."""
    if code == SOURCE_LANGUAGE:
        return text
    return "\n".join(map(sentences(code).say, text.split("\n")))


def catalogue_files(code: str) -> tuple[Path, Path, Path]:
    """The files of a language: what the pages say, what the table of settings says, and sentences of other rooms."""
    place = PYSRV / "web" / "languages"
    return place / f"{code}.po", place / f"{code}.settings.po", place / f"{code}.sentences.po"


def language_of(wanted: str, header: str) -> str:
    """The language to answer in: the person's own, else the best of Accept-Language (RFC 9110, 12.5.4)."""
    if wanted in LANGUAGES:
        return wanted
    ranked: list[tuple[float, str]] = []
    for part in header[:200].split(","):
        name, _, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        ranked.append((-weight, name.strip().lower().partition("-")[0]))
    for _, code in sorted(ranked, key=lambda item: item[0]):
        if code in LANGUAGES:
            return code
    return SOURCE_LANGUAGE
