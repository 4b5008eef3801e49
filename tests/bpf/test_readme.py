"""bpf/README.md shows what the lists say today."""

from appliance.kernel import layout

README = layout.BPF_DIR / "README.md"


def test_the_tables_are_fresh() -> None:
    text = README.read_text(encoding="utf-8")
    assert layout.render(text) == text, "draw them again: python -m appliance.kernel.layout"


def test_every_file_of_the_directory_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for path in layout.BPF_DIR.iterdir():
        assert path.name == README.name or f"`{path.name}`" in text, f"{path.name} is missing in bpf/README.md"
