"""The generated documents are what their tables say, and the check notices when they are not."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import docs
from appliance.cli.book import BOOK
from appliance.cli.exits import Exit

REPOSITORY = docs.DIRECTORY.parent
NAMED = re.compile(r"`((?:appliance|bpf|docs|pysrv|tests)/[\w/]+(?:\.\w+)?)`")
LINKED = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)")
WRITTEN = ("bpf/README.md", "docs/architecture.md", "docs/decisions.md", "docs/threat-model.md")


def pages() -> dict[str, docs.Page]:
    return docs.pages(lambda: docs.command_page(BOOK))


def test_every_page_that_the_office_draws_is_written() -> None:
    assert set(docs._office_pages()) <= set(pages())


@pytest.mark.parametrize("path", sorted([REPOSITORY / "README.md", *docs.DIRECTORY.glob("*.md")]), ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = LINKED.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("name", list(pages()))
def test_a_generated_document_is_up_to_date(name: str) -> None:
    """Stale? `appliance docs` writes it anew."""
    assert (docs.DIRECTORY / name).read_text(encoding="utf-8") == pages()[name]()


def test_documents_are_written_where_they_are_missing_and_then_left_alone(tmp_path: Path) -> None:
    book = {"settings.md": lambda: "one\n", "sub/verdicts.md": lambda: "two\n"}
    assert docs.write(tmp_path, book) == ["settings.md", "sub/verdicts.md"]
    assert docs.write(tmp_path, book) == []
    assert docs.stale(tmp_path, book) == []


def test_the_check_fails_when_a_document_is_stale_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "settings.md").write_text("old\n")
    result = CliRunner().invoke(BOOK.root, ["docs", "--check", "--directory", str(tmp_path / "docs")])
    assert result.exit_code == Exit.REFUSED
    assert "settings.md" in result.stderr
    assert (tmp_path / "docs" / "settings.md").read_text() == "old\n"


def test_a_page_that_the_office_does_not_draw_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "_office_pages", dict)
    with pytest.raises(docs.DocsError, match=r"state-machines\.md"):
        docs.office_page("state-machines.md")


def test_every_command_stands_on_the_page_of_commands() -> None:
    page = docs.command_page(BOOK)
    for words, command in BOOK.rows():
        assert f"## appliance {words}\n" in page
        assert command.help is not None


@pytest.mark.parametrize("name", WRITTEN)
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    named = set(NAMED.findall((REPOSITORY / name).read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []


def test_every_row_of_the_threat_model_names_a_test() -> None:
    rows = (docs.DIRECTORY / "threat-model.md").read_text(encoding="utf-8").split("|---|---|---|---|\n")[1]
    for row in rows.split("\n\n")[0].splitlines():
        assert "`tests/" in row.split("|")[4], row


def test_every_module_and_test_of_the_rfc_index_is_there() -> None:
    """A name without a room is of the room before it."""
    rows = (docs.DIRECTORY / "rfc.md").read_text(encoding="utf-8").split("|---|---|---|---|---|\n")[1].split("\n\n")[0]
    gone = []
    for row in rows.splitlines():
        for cell, below in zip(row.split("|")[4:6], ("pysrv", "tests"), strict=True):
            room = ""
            for name in re.findall(r"`([^`]+)`", cell):
                room, _, last = name.rpartition("/") if "/" in name else (room, "", name)
                places = (Path(below, room, last), Path(room, last))
                if not any(list(REPOSITORY.glob(f"{place}{end}")) for place in places for end in ("", ".py")):
                    gone.append(f"{row.split('|')[1].strip()}: {name}")
    assert gone == []


def test_every_room_of_the_tree_stands_in_the_architecture() -> None:
    tree = (
        (docs.DIRECTORY / "architecture.md").read_text(encoding="utf-8").partition("## The tree")[2].partition("## ")[0]
    )
    packages = [path.parent for top in ("appliance", "pysrv") for path in REPOSITORY.glob(f"{top}/*/__init__.py")]
    assert packages
    assert [room.name for room in packages if f"`{room.relative_to(REPOSITORY)}`" not in tree] == []
