"""Compiled programs: what is kept of them, and how they come into the kernel."""

import os
from pathlib import Path

import pytest

from appliance.kernel import compiler, syscall
from appliance.kernel.compiler import Compiled, kept
from appliance.kernel.program import Program
from appliance.kernel.testrun import run
from appliance.wire import WireError

SOURCE = """
#include <uapi/linux/bpf.h>
BPF_ARRAY(seen, u64, 4);
BPF_RINGBUF_OUTPUT(told, 1);
int count(struct xdp_md *ctx)
{
	u32 place = 2;
	u64 *row = seen.lookup(&place), one = 7;
	if (row)
		*row += 1;
	told.ringbuf_output(&one, sizeof(one), 0);
	return %s;
}
"""
DROPPED = 1


@pytest.fixture(autouse=True, scope="module")
def headers(header_cache: Path) -> None:
    compiler.headers.provide(header_cache)


@pytest.fixture
def source() -> str:
    return SOURCE % "XDP_DROP"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is really compiled."""
    texts: list[str] = []
    before = compiler.compiled

    def compiled(text: str, *rest: object) -> Compiled:
        texts.append(text)
        return before(text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(compiler, "compiled", compiled)
    return texts


def test_a_program_out_of_its_file_does_what_it_did(source: str, tmp_path: Path, compilations: list[str]) -> None:
    for _ in range(2):
        program = Program(kept("counter", source, cache=tmp_path))
        records: list[bytes] = []
        program.open_ring("told", lambda record, told=records: not told.append(record))  # type: ignore[misc]
        done = run(program.load("count"), bytes(64), repeat=3)
        program.consume()
        rows = syscall.MapDescriptor(program.maps["seen"].fd, 4, 8)
        assert (done.action, rows.lookup((2).to_bytes(4, "little"))) == (DROPPED, (3).to_bytes(8, "little"))
        assert records == [(7).to_bytes(8, "little")] * 3
        program.close()
    assert compilations == [source]


def test_another_text_is_compiled_anew_and_the_oldest_files_go(
    source: str, tmp_path: Path, compilations: list[str]
) -> None:
    texts = [f"{source}/* {number} */" for number in range(compiler.KEPT + 2)]
    for age, text in enumerate(texts):
        kept("counter", text, cache=tmp_path)
        for path in tmp_path.glob("counter-*.json"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age - 1))
    assert compilations == texts
    assert len(list(tmp_path.glob("counter-*.json"))) == compiler.KEPT
    kept("counter", texts[-1], cache=tmp_path)
    assert compilations == texts


@pytest.mark.parametrize("harm", ["damaged", "writable", "another's"])
def test_a_file_that_cannot_be_trusted_is_not_loaded(
    source: str, tmp_path: Path, compilations: list[str], harm: str
) -> None:
    first = kept("counter", source, cache=tmp_path)
    (path,) = tmp_path.glob("counter-*.json")
    if harm == "damaged":
        path.write_bytes(path.read_bytes()[:-9])
    elif harm == "writable":
        path.chmod(0o666)
    else:
        os.chown(path, 65534, 65534)
    assert kept("counter", source, cache=tmp_path) == first
    assert len(compilations) == 2
    about = path.stat()
    assert (about.st_uid, about.st_mode & 0o077) == (0, 0)


def test_where_nothing_can_be_kept_the_program_is_there_all_the_same(source: str, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    compiler.headers.tree(place)
    subject = kept("counter", source, cache=place)
    (path,) = place.glob("counter-*.json")
    path.unlink()
    path.mkdir()  # a file cannot take its place
    assert kept("counter", source, cache=place) == subject
    assert not list(place.glob(".program-*"))


def test_a_pin_of_another_map_is_named_and_not_taken(source: str, header_cache: Path, pin_dir: Path) -> None:
    pin_dir.mkdir()
    other = syscall.create_map(syscall.MAP_HASH, 4, 8, 4)
    syscall.pin(other, pin_dir / "seen")
    os.close(other)
    with pytest.raises(WireError, match="another map than seen") as refused:
        Program(compiler.compiled(source, (), header_cache), pin_dir)
    assert refused.value.code == "bad_pins"


def test_pinned_maps_keep_their_rows_for_the_next_program(source: str, header_cache: Path, pin_dir: Path) -> None:
    pin_dir.mkdir()
    made = compiler.compiled(source, (), header_cache)
    for _ in range(2):
        program = Program(made, pin_dir)
        run(program.load("count"), bytes(64))
        rows = syscall.MapDescriptor(program.maps["seen"].fd, 4, 8)
        last = rows.lookup((2).to_bytes(4, "little"))
        program.close()
    assert last == (2).to_bytes(8, "little")


def test_what_the_kernel_or_the_program_does_not_have_is_refused_by_name(header_cache: Path) -> None:
    program = Program(compiler.compiled(SOURCE % "*(int *)(u64)ctx->data", (), header_cache))
    with pytest.raises(WireError, match="has no function nothing"):
        program.load("nothing")
    with pytest.raises(WireError, match="the kernel does not take count"):  # it reads the packet without asking its end
        program.load("count")
    program.close()
