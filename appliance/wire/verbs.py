"""What the keeper does for others, and what it says when it refuses."""

from dataclasses import dataclass
from enum import StrEnum

PROTOCOL_VERSION = 1


class WireError(Exception):
    """A refusal that may cross the wire: `code` for programs, `message` and `hint` for people."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


class KeeperVerb(StrEnum):
    """Everything that the root keeper does for others. Nothing else is reachable over its socket."""

    HELLO = "hello"  # Hello -> GateStatus
    SYNC = "sync"  # Plan -> Applied: the whole desired state; the keeper applies the difference
    OPEN_SESSION = "open_session"  # RelaySession -> {}; the same session again replaces its streams
    RENEW_LEASE = "renew_lease"  # Renewal -> {}
    CLOSE_SESSION = "close_session"  # SessionRef -> SessionCounters (final)
    COUNTERS = "counters"  # {} -> {"sessions": [SessionCounters]}
    TALLIES = "tallies"  # {} -> {"tallies": [Tally]}
    BAN = "ban"  # Ban -> {}
    UNBAN = "unban"  # Prefix -> {}
    BANS = "bans"  # {} -> {"bans": [Ban]}
    ALLOW = "allow"  # Source -> {}
    DISALLOW = "disallow"  # Prefix -> {}
    STATUS = "status"  # {} -> GateStatus
    PULSE = "pulse"  # Pulse -> Events: the office's heartbeat; the reply brings what the kernel saw
    BAN_PAIR = "ban_pair"  # PairBan -> {}
    UNBAN_PAIR = "unban_pair"  # Pair -> {}
    KNOW_PAIR = "know_pair"  # KnownPair -> {}: a registered device; again moves its expiry
    FORGET_PAIR = "forget_pair"  # Pair -> {}
    REMEMBER = "remember"  # Refresh -> {}: the kernel answers this REGISTER's repetitions
    FORGET = "forget"  # RefreshRef -> {}
    OFFENDERS = "offenders"  # Top -> {"offenders": [Offender]}
    SAMPLES = "samples"  # SampleQuery -> {"samples": [Sample]}
    BACKUP = "backup"  # BackupWanted -> {}: have a backup made or checked, as root chose it
    AUDIT = "audit"  # {} -> {}: have the machine audited, and the office told
    LISTS = "lists"  # {} -> {"lists": [ListStatus]}
    LOAD_LIST = "load_list"  # ListChunk -> ListStatus: the last chunk puts the list in force, all of it at once
    DROP_LIST = "drop_list"  # ListRef -> {}
    TUNNEL = "tunnel"  # TunnelQuery -> TunnelStatus
    TUNNEL_SWITCH = "tunnel_switch"  # TunnelSwitch -> TunnelStatus: root alone
    TUNNEL_ADD = "tunnel_add"  # NewPeer -> PeerMade
    TUNNEL_REMOVE = "tunnel_remove"  # PeerRef -> {}


class BackupWork(StrEnum):
    """What can be had done with backups."""

    NOW = "now"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class BackupWanted:
    """Have this done; where and how is the keeper's to know."""

    work: BackupWork = BackupWork.NOW


@dataclass(frozen=True, slots=True)
class Hello:
    """First verb of a connection. `version` must equal PROTOCOL_VERSION."""

    version: int = PROTOCOL_VERSION
    role: str = "office"
