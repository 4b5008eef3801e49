"""The conductor: events become facts, facts decisions, decisions effects; one commit before anything leaves."""

from pysrv.service.conductor import Service

__all__ = ["Service"]
