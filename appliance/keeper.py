"""The keeper: the small root process that holds the gate, serves its verbs and keeps the office running.

`run` is the whole life of one: check, load, attach, serve, stop. It must not know SIP, money or the database; the
office does, as another user. What stays when it ends is one rule: nothing, unless the start said --pin.
"""

import asyncio
import dataclasses
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance import reset, verbs
from appliance.config.options import DEFAULT_INTERFACE, DEFAULT_RUNTIME, OPTIONS_VARIABLE, Mode, Relay, RunOptions
from appliance.door import Door
from appliance.errands import Errands
from appliance.fallback import HeldGate, Load, XdpGate, hold
from appliance.kernel import ruleset
from appliance.launch import OFFICE_RUNTIME, OFFICE_STATE, Launch, account, environment, tidy
from appliance.listener import Listener
from appliance.patience import Patience
from appliance.prerequisites import BPFFS, CannotStart, NotRoot, RuntimeLock, Wanted, check, check_powers, settle
from appliance.supervise import Identity, Supervisor, end_process
from appliance.tunnel.keeping import Tunnel, place_of
from appliance.unit import CONTROL_GROUPS, Unit, members, notify_ready
from appliance.verbs import Caller
from appliance.wire import WireError

TICK_S = 1.0
CANNOT_START = 1
NOT_PERMITTED = 4  # as of every other command that needs root
LOOPBACK = ("127.0.0.1", "::1")


def say(line: str) -> None:
    """One line for the operator, or for the journal."""
    sys.stderr.write(f"keeper: {line}\n")
    sys.stderr.flush()


def run(options: RunOptions, load: Load | None = None) -> int:
    """Keep one appliance until it is told to stop. Returns the exit status; says why when it cannot start."""
    try:
        return _run(options, load or _load)
    except CannotStart as error:
        for reason in error.reasons:
            sys.stderr.write(f"cannot start: {reason}\n")
        return NOT_PERMITTED if isinstance(error, NotRoot) else CANNOT_START
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(options: RunOptions, load: Load) -> int:
    check_powers(parent=not options.office_unit)
    lock = RuntimeLock(Path(options.runtime))
    lock.take()
    try:
        _reset_finished(Path(options.state))
        prepared = _prepared(options)
        with _unit_begun(prepared) as unit, _bounded(unit) as serves:
            return _hold(prepared, load, unit, serves)
    finally:
        lock.release()


@contextmanager
def _unit_begun(options: RunOptions) -> Iterator[Unit | None]:
    """The office's unit, told to begin where there is one: what it has to do before it listens, it does while the gate
    is loaded, and waits for the keeper's socket. A start that is broken off takes it along; one that fails leaves it
    waiting for the next keeper.
    """
    if not options.office_unit:
        yield None
        return
    runtime = Path(options.runtime)
    unit = Unit(options.office_unit, account().pw_uid, environment(_launch(options)), runtime, say)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        (runtime / "keeper.sock").unlink(missing_ok=True)  # a killed keeper's: the office waits for ours
        unit.prepare()
        notify_ready()
        yield unit
    except (KeyboardInterrupt, SystemExit):
        asyncio.run(unit.stop())
        tidy(runtime)
        raise


@contextmanager
def _bounded(unit: Unit | None) -> Iterator[Callable[[], None]]:
    """A start that systemd does not bound is bounded here, until what this yields is called: the keeper serves."""
    if unit is None:
        yield lambda: None
        return
    patience = Patience(say)
    try:
        yield patience.end
    finally:
        patience.end()


def _reset_finished(state: Path) -> None:
    """A reset that was begun is done before anything else looks at the state. Raises CannotStart."""
    try:
        if reset.finish(state):
            say("a reset that was begun is finished: this is a first start")
    except reset.ResetError as error:
        raise CannotStart(str(error)) from None


def _prepared(options: RunOptions) -> RunOptions:
    """The options with every address named, on a machine that has been found fit for them. Raises CannotStart."""
    runtime = Path(options.runtime)
    unit = options.office_unit
    left = None if unit else Identity.read(runtime / "office.pid")
    if left is not None and not options.pin:
        say(f"ends the office of a keeper that was killed (process {left.pid})")
        end_process(left)
    check(_wanted(options, listen=()))
    resolved = dataclasses.replace(options, listen=options.listen or _addresses(options.interfaces))
    taken_over = options.pin and (bool(members(CONTROL_GROUPS / unit)) if unit else left is not None)
    if not taken_over:  # one that is holds its ports already
        check(_wanted(resolved, listen=resolved.listen))
    return resolved


def _wanted(options: RunOptions, listen: tuple[str, ...]) -> Wanted:
    ports = (("udp", options.sip_port), ("tcp", options.sip_port), ("tcp", options.https_port))
    return Wanted(
        Path(options.state),
        Path(options.runtime),
        options.interfaces,
        tuple((protocol, address, port) for address in listen for protocol, port in ports),
        pinned=options.pin and options.mode is not Mode.NFTABLES,
        compiler=options.mode in (Mode.NATIVE, Mode.GENERIC),
    )


def _addresses(interfaces: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that the office listens on when none were named. Raises CannotStart."""
    from appliance.kernel import link

    usable: list[str] = []
    for name in interfaces:
        if name == DEFAULT_INTERFACE:
            usable += settle(LOOPBACK, patience_s=0.0)
        else:
            usable += settle(address for address in link.addresses(name) if not address.startswith("fe80:"))
    if not usable:
        raise CannotStart(f"{', '.join(interfaces)} has no address: give it one, or name one with --listen")
    return tuple(usable)


def _load(pin_dir: Path | None) -> XdpGate:
    from appliance.kernel.gate import Gate  # takes bcc in, which takes a while

    return Gate.load(pin_dir)


def pin_dir(options: RunOptions) -> Path:
    """Where a service keeps its pins; another runtime directory has other pins."""
    other = "" if options.runtime == DEFAULT_RUNTIME else "-" + hashlib.sha256(options.runtime.encode()).hexdigest()[:8]
    return BPFFS / f"appliance{other}"


def _hold(options: RunOptions, load: Load, unit: Unit | None, serves: Callable[[], None]) -> int:
    """Hold a gate, serve, and let go of it again however serving ends."""
    started_at = time.monotonic()
    if options.mode is not Mode.NFTABLES:
        say("loads the gate; where it was never compiled, that takes some seconds")
    try:
        gate = hold(load, options, pin_dir(options), ruleset.table_name(options.runtime))
        try:
            _say_what_is_held(gate, options)
            say(f"ready to serve after {time.monotonic() - started_at:.1f} s")
            return asyncio.run(_serve(gate, options, unit, serves))
        finally:
            gate.close()
    except WireError as error:
        raise CannotStart(f"{error.message}: {error.hint}" if error.hint else error.message) from None


def _say_what_is_held(gate: HeldGate, options: RunOptions) -> None:
    for interface in gate.status().interfaces:
        why = f": {interface.reason}" if interface.reason else ""
        say(f"gate attached to {interface.name}, {interface.mode}{why}")
    if options.relay is Relay.USER:
        gate.relay_in_userspace("--relay user was chosen")
    status = gate.status()
    for missing in status.missing:
        say(f"this gate has not {missing}")
    if options.relay is Relay.KERNEL and status.relay != "kernel":
        raise CannotStart(f"the kernel cannot relay here ({status.relay_reason}): use --relay auto")
    say(f"audio is relayed by the {'kernel' if status.relay == 'kernel' else 'office: ' + status.relay_reason}")
    if DEFAULT_INTERFACE in options.interfaces:
        say("lo reaches this machine alone; for a real interface: make run IFACE=eth0")


async def _serve(gate: HeldGate, options: RunOptions, unit: Unit | None, serves: Callable[[], None]) -> int:
    """Serve verbs and keep the office running until a signal, or until the office cannot be started at all.

    Without a `unit` the office is a child of this process. `serves` is called once verbs are taken.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    runtime, user = Path(options.runtime), account()
    callers = {0: Caller.ROOT, user.pw_uid: Caller.OFFICE}
    bounds = verbs.Bounds(
        (options.rtp_first, options.rtp_last), frozenset((("udp", options.sip_port), ("tcp", options.sip_port)))
    )
    tunnel = Tunnel(place_of(options), gate.guard_tunnel, say)
    tunnel.start()
    door = Door(Path(options.state), say)
    door.start()
    errands = Errands(Path(options.state), runtime, say, by_unit=bool(options.office_unit))
    listener = Listener(
        runtime / "keeper.sock",
        callers,
        user.pw_gid,
        lambda caller, line: verbs.answer(gate, caller, line, say, bounds, tunnel, errands, door),
        say,
    )
    await listener.start()
    serves()
    office = unit or Supervisor(_launch(options), runtime, say, survive=options.pin)
    running = asyncio.create_task(office.run())
    others = [
        asyncio.create_task(told.wait()),
        asyncio.create_task(_tick(gate, tunnel, door)),
        asyncio.create_task(errands.run()),
    ]
    await asyncio.wait([running, *others], return_when=asyncio.FIRST_COMPLETED)
    status = running.result() if running.done() else 0
    if told.is_set():
        say("stopping")
    errands.stop()
    await office.stop()
    await listener.stop()
    tunnel.close()
    for task in (running, *others):
        task.cancel()
    tidy(runtime)
    return status


def _launch(options: RunOptions) -> Launch:
    """The office's start; it is told the directories as it sees them."""
    seen = dataclasses.replace(options, state=str(OFFICE_STATE), runtime=str(OFFICE_RUNTIME))
    return Launch(
        state=options.state,
        runtime=options.runtime,
        keeper_pid=0 if options.pin else os.getpid(),
        environment={OPTIONS_VARIABLE: seen.to_json()},
    )


async def _tick(gate: HeldGate, tunnel: Tunnel, door: Door) -> None:
    """The upkeep of gate, tunnel and SSH's door, once a second. A fault is said once and does not stop the keeper."""
    said = ""
    while True:
        await asyncio.sleep(TICK_S)
        try:
            gate.tick()
            tunnel.tick()
            door.tick()
        except Exception as error:
            if str(error) != said:
                said = str(error)
                say(f"upkeep failed: {type(error).__name__}: {error}")
