"""A copy is the database of one moment, whatever is written meanwhile."""

from contextlib import closing
from pathlib import Path

import pytest

from pysrv.store import Reader, Store, StoreError
from pysrv.store.copying import CopyReading


def filled(directory: Path, rows: int) -> Store:
    store = Store.open(directory / "appliance.db")
    for number in range(rows):
        store.note("root", "note", f"row {number}", "", "x" * 400)
    store.commit()
    return store


def test_what_is_written_while_it_is_copied_is_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.store.copying.PAGES", 16)
    store, target, steps = filled(tmp_path, 2000), tmp_path / "copy.db", list[int]()
    reader = Reader.open(store.path)

    def write(done: int, total: int) -> None:
        steps.append(total)
        store.note("root", "meanwhile", str(done))
        store.commit()

    reader.copy_to(target, write)
    assert len(steps) > 10
    assert len(set(steps)) == 1  # it never began anew
    with closing(Reader.open(target)) as copy:
        assert copy.damage(indexes=True) == []
        found = copy.contents()
        assert (found.broken_at, copy.last_audit("meanwhile")) == (0, None)
    assert store.audit_chain(found.head).noted_at == 2000
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("copy.db-*"))
    reader.close()
    store.close()


def test_a_copy_that_was_damaged_is_found_out(tmp_path: Path) -> None:
    with filled(tmp_path, 500) as store, closing(store.reader()) as reader:
        reader.copy_to(tmp_path / "copy.db")
    content = bytearray((tmp_path / "copy.db").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\x07" * 4096
    (tmp_path / "copy.db").write_bytes(content)
    with closing(Reader.open(tmp_path / "copy.db")) as copy:
        assert copy.damage(indexes=True)


def test_a_disk_without_room_is_not_filled_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.store.copying.LEAST_LEFT_BYTES", 1 << 60)
    with filled(tmp_path, 1) as store, closing(store.reader()) as reader:
        assert isinstance(reader, CopyReading)
        with pytest.raises(StoreError, match="are free"):
            reader.copy_to(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
