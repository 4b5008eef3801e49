"""The header tree from which the gate compiles."""

from pathlib import Path

import pytest

from appliance.kernel import headers
from appliance.wire import WireError


def test_a_tree_is_made_once_and_kept(tmp_path: Path) -> None:
    made = headers.tree(tmp_path)
    stamp = made.stat().st_ino
    assert (made / "include" / "uapi" / "linux" / "if_ether.h").exists()
    assert (made / "include" / "linux" / "kconfig.h").read_text().startswith("#define CONFIG_BPF_SYSCALL")
    assert headers.tree(tmp_path).stat().st_ino == stamp
    assert [path.name for path in tmp_path.iterdir()] == [made.name], "nothing half made stays"


def test_a_machine_without_the_headers_is_told_the_package(tmp_path: Path) -> None:
    with pytest.raises(WireError, match="is missing") as refused:
        headers.tree(tmp_path / "cache", include=tmp_path)
    assert refused.value.hint == "apt-get install linux-libc-dev"


def test_other_headers_make_another_tree(tmp_path: Path) -> None:
    include = tmp_path / "include"
    for part in ("linux", "asm-generic", f"{headers.multiarch()}/asm"):
        (include / part).mkdir(parents=True)
    (include / "linux" / "bpf.h").touch()
    first = headers.tree(tmp_path / "cache", include)
    (include / "linux" / "new.h").touch()
    assert headers.tree(tmp_path / "cache", include) != first


def test_an_operators_own_tree_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path))
    assert headers.provide(tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()
