"""Settings that an administrator changed, their generation, and the audit trail. Values are text here: the settings
table parses and judges them."""

from pysrv.store.rows import Override
from pysrv.store.secrecy import SETTING, SecrecyReading, SecrecyWriting


class SettingReading(SecrecyReading):
    """Questions about settings."""

    def overrides(self) -> dict[str, str]:
        """Name and text of every setting that differs from its default."""
        rows = self._all("SELECT name, value FROM settings WHERE value IS NOT NULL ORDER BY name")
        return {str(name): self._opened(str(value), SETTING, name) for name, value in rows}

    def override_rows(self) -> list[Override]:
        """The same with who changed it and when."""
        sql = "SELECT name, value, generation, changed_at, who FROM settings WHERE value IS NOT NULL ORDER BY name"
        return [Override(row[0], self._opened(row[1], SETTING, row[0]), *row[2:]) for row in self._all(sql)]

    def generation(self) -> int:
        """Counts changes of settings; 0: none was ever made."""
        row = self._one("SELECT coalesce(max(generation), 0) FROM settings")
        return int(row[0]) if row else 0


class SettingWriting(SettingReading, SecrecyWriting):
    """Changes of settings."""

    def set_setting(self, name: str, text: str | None, who: str = "", *, secret: bool = False) -> int:
        """Overrides a setting (None: back to its default); returns the new generation. Secrets are not audited."""
        row = self._one("SELECT value FROM settings WHERE name = ?", (name,))
        before = row[0] if row else None
        with self._atomic():
            generation = self.generation() + 1
            kept = self._kept(text, SETTING, name) if secret and text is not None else text
            self._write(
                "INSERT OR REPLACE INTO settings (name, value, generation, changed_at, who) VALUES (?, ?, ?, ?, ?)",
                (name, kept, generation, self._clock(), who),
            )
            shown = ("", "") if secret else (_shown(before), _shown(text))
            self._audit(who, "setting", name, *shown)
        return generation


def _shown(value: str | None) -> str:
    return "(default)" if value is None else value
