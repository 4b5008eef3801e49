"""The office's verbs for operators: what the `appliance` command asks for over office.sock, or of a single run."""

from pysrv.control.desk import Desk, Live
from pysrv.control.session import Control, Session
from pysrv.control.table import VERBS
from pysrv.control.verb import Verb

__all__ = ["VERBS", "Control", "Desk", "Live", "Session", "Verb"]
