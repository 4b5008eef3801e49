"""Notices leave the house here: the outbox of the store becomes mails, SMS and posts to a webhook."""

from pysrv.notify.dispatcher import Dispatcher

__all__ = ["Dispatcher"]
