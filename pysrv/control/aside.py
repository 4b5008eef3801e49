"""Replays for the web: each in a process of its own (`python -m pysrv replay`), so that no call waits for one.

One at a time, and none for ever: whoever asks for more is refused, and the process of one who has gone is ended.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance import wire
from appliance.wire import WireError

LONGEST_S: Final = 120.0
MOST_REPLY_BYTES: Final = 8 * 1024 * 1024
MODULE: Final = "pysrv"


class Aside:
    """Runs replays. `environment` is what the process sees, `file` what the settings file says, by name."""

    def __init__(self, environment: Mapping[str, str], file: Mapping[str, str], longest_s: float = LONGEST_S) -> None:
        self._environment, self._file, self._longest_s = environment, file, longest_s
        self._running = False

    async def replay(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        """What `replay` answers; `heard` is called with every sign of life. Raises WireError."""
        if self._running:
            raise WireError("busy", "somebody tries something on the past already", "wait for it, then try again")
        self._running = True
        try:
            async with asyncio.timeout(self._longest_s):
                return await self._run(args, heard)
        except TimeoutError:
            words = f"this took longer than {self._longest_s:.0f} seconds"
            raise WireError("failed", words, "try fewer days, or 'appliance rules try' on the command line") from None
        finally:
            self._running = False

    async def _run(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, "replay",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=dict(self._environment), limit=MOST_REPLY_BYTES,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            asked = wire.request(1, "context", {"file": dict(self._file)}) + wire.request(2, "replay", dict(args))
            process.stdin.write(asked)
            process.stdin.close()
            async for line in process.stdout:
                heard()
                message = wire.decode(line)
                if "progress" in message:
                    continue
                if not message.get("ok"):
                    raise _refusal(message.get("error") or {})
                if message.get("id") == 2:
                    return dict(message["result"])
            raise WireError("failed", "the replay ended without an answer", "the appliance's log says more")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _refusal(error: Mapping[str, Any]) -> WireError:
    return WireError(str(error.get("code", "failed")), str(error.get("message", "")), str(error.get("hint", "")))
