"""The store as the others see it: `Store`, the one writer, and `Reader`, a second connection for slow questions.

Group commit: the first write after a commit begins a transaction, the conductor calls `commit()` once per drain and
lets messages go out only then. Reads of the same Store see the writes of the running drain; a Reader sees commits.
"""

import time
from pathlib import Path
from typing import Self

from pysrv.store.api import ApiReading, ApiWriting
from pysrv.store.backups import BackupReading, BackupWriting
from pysrv.store.blacklists import BlacklistReading, BlacklistWriting
from pysrv.store.calls import CallReading, CallWriting
from pysrv.store.cards import CardReading, CardWriting
from pysrv.store.copying import CopyReading
from pysrv.store.currencies import CurrencyReading, CurrencyWriting
from pysrv.store.database import Clock, open_reader, open_writer
from pysrv.store.firewall import FirewallReading, FirewallWriting
from pysrv.store.history import HistoryReading
from pysrv.store.imports import RateWriting
from pysrv.store.lists import ListReading, ListWriting
from pysrv.store.machine_audits import MachineAuditReading, MachineAuditWriting
from pysrv.store.notices import NoticeReading, NoticeWriting
from pysrv.store.payment_reading import PaymentReading
from pysrv.store.payments import PaymentWriting
from pysrv.store.people import PeopleReading, PeopleWriting
from pysrv.store.portal import PortalReading, PortalWriting
from pysrv.store.quality import QualityWriting
from pysrv.store.rates import RateReading
from pysrv.store.registrations import RegistrationReading, RegistrationWriting
from pysrv.store.reports import ReportReading, ReportWriting
from pysrv.store.security import SecurityReading, SecurityWriting
from pysrv.store.settings import SettingReading, SettingWriting
from pysrv.store.setup import SetupReading, SetupWriting
from pysrv.store.traffic import Counted, TrafficReading
from pysrv.store.trail import TrailReading, TrailWriting
from pysrv.store.trunks import TrunkReading, TrunkWriting
from pysrv.store.usage import UsageReading
from pysrv.store.usual import UsualReading, UsualWriting
from pysrv.store.web import WebReading, WebWriting


class Reader(
    CardReading,
    PortalReading,
    PaymentReading,
    UsageReading,
    TrunkReading,
    RateReading,
    CurrencyReading,
    CallReading,
    RegistrationReading,
    SettingReading,
    SecurityReading,
    ListReading,
    FirewallReading,
    HistoryReading,
    ReportReading,
    BlacklistReading,
    UsualReading,
    NoticeReading,
    PeopleReading,
    WebReading,
    ApiReading,
    CopyReading,
    TrailReading,
    SetupReading,
    TrafficReading,
    BackupReading,
    MachineAuditReading,
):
    """Every question and no change. One thread at a time."""

    @classmethod
    def open(cls, path: Path | str, clock: Clock = time.time) -> Self:
        """Opens an existing database file read-only. Raises StoreError."""
        return cls(open_reader(Path(path)), Path(path), clock)


class Store(
    CardWriting,
    PortalWriting,
    PaymentWriting,
    CallWriting,
    TrunkWriting,
    RateWriting,
    CurrencyWriting,
    QualityWriting,
    RegistrationWriting,
    SettingWriting,
    SecurityWriting,
    ListWriting,
    FirewallWriting,
    ReportWriting,
    BlacklistWriting,
    UsualWriting,
    NoticeWriting,
    PeopleWriting,
    WebWriting,
    ApiWriting,
    TrailWriting,
    SetupWriting,
    TrafficReading,
    BackupWriting,
    MachineAuditWriting,
):
    """Every question and every change. One process, one thread."""

    @classmethod
    def open(cls, path: Path | str, clock: Clock = time.time) -> Self:
        """Opens or makes the database file, migrated. Raises StoreError: locked, unwritable, corrupt or too new."""
        db, lock = open_writer(Path(path))
        store = cls(db, Path(path), clock, lock)
        try:
            store.check_key()
            store._drop_unfinished_imports()
            store.drop_unfinished_lists()
            store.commit()
        except BaseException:
            store.close()
            raise
        return store

    def _forget(self) -> None:
        self._counted = Counted()
        super()._forget()

    def reader(self) -> Reader:
        """A read-only connection to the same file, with the same clock."""
        return Reader.open(self._path, self._clock)
