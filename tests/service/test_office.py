"""The office on loopback, without a keeper: what it says of its health, what it counts of its ring, what it exports."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.config.options import KEEPER_VARIABLE, OPTIONS_VARIABLE, RunOptions
from pysrv.net.udp import PortBusy
from pysrv.office import Office
from pysrv.store import DATABASE, Store
from tests.net.test_hep import decoded
from tests.ports import free_port

HOST = "127.0.0.1"
TRIES = 5


def datagrams() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind((HOST, 0))
    return sock


@asynccontextmanager
async def running(directory: Path, fill: Callable[[Store], None] = lambda _: None) -> AsyncIterator[tuple[Office, int]]:
    """An office, with what `fill` puts into its store before it starts, and its SIP port; a port that somebody takes in
    between is tried anew."""
    for attempt in range(TRIES):
        state = directory / str(attempt)
        state.mkdir()
        with Store.open(state / DATABASE) as store:
            fill(store)
        port = free_port()
        options = RunOptions(
            listen=(HOST,), state=str(state), runtime=str(state), sip_port=port, https_port=free_port()
        )  # fmt: skip
        office = Office(options, str(state / "keeper.sock"))
        try:
            await office.start()
        except (PortBusy, OSError):
            await office.stop()
            continue
        try:
            yield office, port
        finally:
            await office.stop()
        return
    raise AssertionError("no port stays free here")


async def test_an_office_without_a_keeper_says_which_part_is_missing(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, _):
        assert office.health().text() == "store: ok\nsip: ok\nkeeper: not connected\n"


async def test_a_first_password_outlives_a_start_that_failed_and_its_line_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr("sys.stdout", SimpleNamespace(write=written.append, flush=lambda: None))
    with socket.create_server((HOST, 0)) as taken:
        port = int(taken.getsockname()[1])
        options = RunOptions(
            listen=(HOST,), state=str(tmp_path), runtime=str(tmp_path), sip_port=port, https_port=free_port()
        )
        office = Office(options, str(tmp_path / "keeper.sock"))
        with pytest.raises(PortBusy):
            await office.start()
        await office.stop()
    assert written == []
    for _ in range(TRIES):
        with contextlib.suppress(PortBusy, OSError):
            office = Office(replace(options, sip_port=free_port()), str(tmp_path / "keeper.sock"))
            try:
                await office.start()
                break
            finally:
                await office.stop()
    assert len(written) == 1
    assert re.search(r"\nadministrator: user 'admin', password '\S+' .*\n$", written[0])


async def test_an_office_whose_sockets_are_gone_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, _):
        office._udp.close(office._loop)
        assert "sip: not listening" in office.health().text()


async def test_an_office_that_does_not_listen_on_tcp_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, _):
        await office._tcp.close()
        assert "sip: not listening" in office.health().text()


async def test_a_store_that_somebody_else_holds_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, _):
        office._store.commit()
        office._store._run("PRAGMA busy_timeout=0")
        with sqlite3.connect(office._store._path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            assert "store: locked" in office.health().text()
            other.execute("ROLLBACK")
        other.close()


async def test_open_connections_are_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(options("tcp", port))
        assert await reader.readline() == b"SIP/2.0 200 OK\r\n"
        assert office._service.operators.figures().connections == 1
        (trace,) = office._service.operators.traces().find(source=HOST)
        assert [(noted.flow.transport, noted.start_line) for noted in trace.messages] == [
            ("tcp", f"OPTIONS sip:{HOST} SIP/2.0"),
            ("tcp", "SIP/2.0 200 OK"),
        ]
        writer.write_eof()
        await reader.read()  # until the office has let go
        assert office._service.operators.figures().connections == 0
        writer.close()


async def test_what_is_heard_and_said_reaches_a_homer_server(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with datagrams() as homer, datagrams() as us:
        async with running(tmp_path) as (office, port):
            server = f"{HOST}:{homer.getsockname()[1]}"
            office._service.operators.apply_settings(
                office._service.operators.settings().with_changes({"hepserver": server})
            )
            us.sendto(options("udp", us.getsockname()[1]), (HOST, port))
            packets = [decoded(await asyncio.wait_for(loop.sock_recv(homer, 65_535), 10)) for _ in range(2)]
            assert [packet[15].partition(b"\r\n")[0] for packet in packets] == [
                b"OPTIONS sip:127.0.0.1 SIP/2.0",
                b"SIP/2.0 200 OK",
            ]
            assert [int.from_bytes(packet[7]) for packet in packets] == [us.getsockname()[1], port]
            figures = office._service.operators.figures()
            assert (figures.hep_sent, figures.hep_dropped) == (2, 0)


async def test_the_log_follows_its_setting(tmp_path: Path) -> None:
    async with running(tmp_path) as (office, _):
        assert office.log_format() == "text"
        office._service.operators.apply_settings(
            office._service.operators.settings().with_changes({"logformat": "json"})
        )
        assert office.log_format() == "json"


def options(transport: str, port: int) -> bytes:
    lines = [
        f"OPTIONS sip:{HOST} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {HOST}:{port};branch=z9hG4bKx1;rport",
        "Max-Forwards: 70",
        f"From: <sip:probe@{HOST}>;tag=1",
        f"To: <sip:{HOST}>",
        "Call-ID: probe1",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "never so"
        time.sleep(0.02)


def reached(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((HOST, port)) == 0


@contextlib.contextmanager
def unit_of_its_own(place: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """An office as a unit starts it, beside its keeper, once it hears that it is to stop; and its SIP port."""
    ports = {"sip_port": free_port(), "https_port": free_port()}
    options = RunOptions(
        listen=(HOST,), state=str(place), runtime=str(place), office_unit="office.service", pin=True, **ports
    )
    given = {OPTIONS_VARIABLE: options.to_json(), KEEPER_VARIABLE: str(place / "keeper.sock")}
    command = [sys.executable, "-m", "pysrv"]
    with subprocess.Popen(command, env=os.environ | given, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: hears_stop(process.pid))
            yield process, ports["sip_port"]
        finally:
            process.kill()


def hears_stop(pid: int) -> bool:
    """Whether SIGTERM has a handler there: proc_pid_status(5)."""
    caught = re.search(r"SigCgt:\t(\w+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) >> signal.SIGTERM - 1 & 1)


def test_an_office_that_is_a_unit_opens_nothing_before_a_keeper_is_there(tmp_path: Path) -> None:
    with unit_of_its_own(tmp_path) as (process, port):
        time.sleep(0.5)  # in which it would have opened everything
        assert not reached(port)
        (tmp_path / "keeper.sock").touch()
        until(lambda: reached(port))
        process.terminate()
        assert process.wait(30) == 0


def test_an_office_that_waits_for_its_keeper_can_be_stopped(tmp_path: Path) -> None:
    with unit_of_its_own(tmp_path) as (process, _):
        process.terminate()
        assert process.wait(30) == 0
