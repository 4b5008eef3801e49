"""The office's verbs for operators: what the `appliance` command asks for over office.sock, or of a single run."""

from pysrv.control.desk import Desk, Live
from pysrv.control.table import VERBS, Control, Session, Verb

__all__ = ["VERBS", "Control", "Desk", "Live", "Session", "Verb"]
