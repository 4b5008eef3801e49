"""The slots as commands reach them: on the image, and by root."""

import os

from appliance.cli.exits import Exit, Failure
from appliance.slots import Slots, here


def slots_here() -> Slots:
    """The machine's slots. Raises Failure where it has none, or whoever asks is not root."""
    if not here():
        raise Failure(Exit.NOT_RUNNING, "this machine has no slots", "only the image has them: see image/README.md")
    if os.geteuid() != 0:
        raise Failure(Exit.NOT_PERMITTED, "only root changes or sees the slots", "run it as root")
    return Slots()
