"""What an office that runs remembers of itself, and no database holds."""

from dataclasses import dataclass, field

from pysrv.control.audit_run import Begun
from pysrv.control.backup_run import Running
from pysrv.service.history import History
from pysrv.service.recent import Recent


@dataclass(frozen=True, slots=True)
class Memory:
    """What an office that runs remembers of itself."""

    history: History = field(default_factory=History)
    log: Recent = field(default_factory=Recent)
    backup: Running = field(default_factory=Running)
    audit: Begun = field(default_factory=Begun)
