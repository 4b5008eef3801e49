"""The sounds of the voice menu by name: recordings of the installation where there are any, else tones.

A recording is a file NAME.ul in the directory of clips: mu-law, 8000 Hz, one channel, no header. Each is read once.
"""

import logging
from pathlib import Path

from pysrv.media.tones import CLIPS, clip

MOST_BYTES = 60 * 8000  # a minute
_log = logging.getLogger("pysrv.voice")


class Clips:
    """All of them; a file that cannot be read is as good as none."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._held: dict[str, bytes] = {}

    def sound(self, name: str) -> bytes:
        """One clip as mu-law. Raises KeyError for a name that the voice menu does not know."""
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = self._recorded(name) or clip(name)
        return held

    def _recorded(self, name: str) -> bytes:
        if self._directory is None or name not in CLIPS:
            return b""
        try:
            with (self._directory / f"{name}.ul").open("rb") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            _log.warning("clip %s cannot be read: %s", name, error.strerror)
            return b""
