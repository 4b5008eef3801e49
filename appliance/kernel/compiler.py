"""Compiles the kernel's programs from C: the only importer of bcc. Half a second a program."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.kernel import headers
from appliance.wire import WireError


def compiled(source: str, flags: Sequence[str] = (), header_cache: Path = headers.CACHE_DIR) -> Any:
    """The program of the C text `source`, as bcc's BPF object; `flags` go to the compiler.

    Raises WireError: "no_bcc", "no_headers", "bpf_refused" with what to do.
    """
    headers.provide(header_cache)
    try:
        from bcc import BPF
    except ImportError:
        raise WireError(
            "no_bcc", "bcc for Python is missing", "apt-get install python3-bpfcc (not PyPI's bcc)"
        ) from None
    if os.geteuid() != 0:
        raise WireError("bpf_refused", "loading a program needs root", "run as root")
    try:
        return BPF(text=source.encode(), cflags=list(flags))
    except Exception as error:  # bcc raises bare Exception, and has printed why
        raise WireError("bpf_refused", f"the program does not compile: {error}", "see the compiler above") from error


def loaded(program: Any, function: str) -> int:
    """The descriptor of one XDP function of a compiled program. Raises WireError("bpf_refused")."""
    try:
        return int(program.load_func(function.encode(), type(program).XDP).fd)
    except Exception as error:  # as above
        raise WireError("bpf_refused", f"the kernel does not take {function}: {error}", "see above") from error
