"""What the allow list comes to for panel and SSH, and what is to be thought of before and after it changes: sentences
that verbs answer with.

Both are opened by the same rule (appliance.config.opening); SSH is kept on the image alone.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from appliance.config.opening import DECIDING, HONOUR_LISTED, REACH_TRUSTED, Extent, Reach, opening
from appliance.config.private import PRIVATE, meets
from appliance.config.settings import Settings
from pysrv.control.desk import Desk
from pysrv.limits.trusted import administering


@dataclass(frozen=True, slots=True)
class Trust:
    """Settings and allow list of one moment. `listed`: trusted networks with their end (Unix seconds; 0: none);
    `begun`: somebody was trusted."""

    settings: Settings
    listed: tuple[tuple[str, float], ...]
    begun: bool

    def administering(self) -> list[tuple[str, float]]:
        """Networks that SSH answers on the image, beside the tunnel, with their ends."""
        return administering(self.settings, self.listed, begun=self.begun)

    def administered_from(self) -> list[str]:
        """The same without ends."""
        return [prefix for prefix, _ in self.administering()]

    def private_shut(self) -> list[str]:
        """Private ranges that are not answered, or not all of them."""
        answered = [ip_network(each) for each in self.administered_from()]
        return [str(each) for each in PRIVATE if not any(_within(each, other) for other in answered)]


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return bool(inner.version == outer.version and inner.subnet_of(outer))  # type: ignore[arg-type]


def trust(desk: Desk) -> Trust:
    """As it is now, within the running transaction."""
    listed = tuple((row.prefix, row.expires_at) for row in desk.store.trusted())
    return Trust(desk.settings, listed, desk.store.trust_begun())


def lost_warnings(before: Trust, after: Trust) -> list[str]:
    """A warning where private networks were answered and are so no longer: the first trusted address does that."""
    lost = [each for each in after.private_shut() if each not in before.private_shut()]
    return [_shut_words(after.settings, lost[0])] if lost else []


def private_networks(now: Trust) -> str:
    """What the first trusted address is going to do to private networks, or that none is answered; empty: neither."""
    begun = Trust(now.settings, now.listed, begun=True)
    if not begun.private_shut() or (now.begun and any(meets(str(each), now.administered_from()) for each in PRIVATE)):
        return ""
    first = begun.private_shut()[0]
    return _shut_words(now.settings, first) if now.begun else _first_words(now.settings, first)


def _first_words(settings: Settings, example: str) -> str:
    words = (
        "the first trusted address shuts the panel, and on the image SSH, to private networks that are not on the "
        f"allow list: '{_allowing(settings, example)}' opens both to one"
    )
    if settings.remoteadmin == Reach.NOWHERE:
        words = (
            "the first trusted address shuts SSH, on the image, to private networks that are not on the allow list: "
            f"'{_allowing(settings, example)}' opens it to one"
        )
    return words


def _shut_words(settings: Settings, example: str) -> str:
    words = (
        "the panel, and on the image SSH, no longer answers private networks that are not on the allow list: "
        f"'{_allowing(settings, example)}' opens both to one"
    )
    if settings.remoteadmin == Reach.NOWHERE:
        words = (
            "on the image SSH no longer answers private networks that are not on the allow list: "
            f"'{_allowing(settings, example)}' opens it to one"
        )
    return words


def _allowing(settings: Settings, prefix: str) -> str:
    """The command that lets a private network in under these settings."""
    allow = f"appliance allow {prefix}"
    return allow if opening(settings).ssh.holds(prefix) else f"{HONOUR_LISTED} && {allow}"


def end_warnings(now: Trust) -> list[str]:
    """A warning where SSH answers somebody, and nobody without an end."""
    found = now.administering()
    if not found or not all(end for _, end in found):
        return []
    words = "nobody opens panel and SSH without an end: after the last one both answer the tunnel alone"
    if now.settings.remoteadmin == Reach.NOWHERE:
        words = "nobody opens SSH without an end: after the last one it answers the tunnel alone"
    return [words]


def entry_warnings(settings: Settings, prefix: str) -> list[str]:
    """Warnings of what stays shut to a trusted address, and of what would open it."""
    opens = opening(settings)
    return _stays_shut(settings, "" if opens.ssh.holds(prefix) else prefix)


def list_warnings(settings: Settings) -> list[str]:
    """The same of all that may be on the list."""
    span = opening(settings).ssh
    what = "public addresses of the allow list" if span is Extent.PRIVATE else "what is on the allow list"
    return _stays_shut(settings, "" if span is Extent.ALL else what)


def change_warnings(before: Trust, after: Trust) -> list[str]:
    """What several changes at once come to: what stays shut to new entries, or to all where a setting is new; that
    private networks are shut out; that all who are trusted end. None where list and deciding settings are as before."""
    decides = any(before.settings.value(name) != after.settings.value(name) for name in DECIDING)
    if not decides and before.listed == after.listed:
        return []
    concerned = [prefix for prefix, end in after.listed if decides or (prefix, end) not in before.listed]
    span = opening(after.settings).ssh
    shut = [prefix for prefix in concerned if not span.holds(prefix)]
    found: list[str] = []
    if len(shut) > 1:
        found = list_warnings(after.settings)
    elif concerned:
        found = entry_warnings(after.settings, (shut or concerned)[0])
    return [*found, *lost_warnings(before, after), *end_warnings(after)]


def _stays_shut(settings: Settings, whom: str) -> list[str]:
    """`whom`: to whom `allowtrustedip` shuts SSH; empty: to nobody of those who matter."""
    honoured, warnings = settings.shown("allowtrustedip"), []
    if whom and settings.remoteadmin == Reach.NOWHERE:
        words = f"on the image SSH stays shut to {whom}: allowtrustedip is {honoured}; '{HONOUR_LISTED}' opens it"
        warnings.append(words)
    elif whom:
        words = (
            f"the panel, and on the image SSH, stays shut to {whom}: allowtrustedip is {honoured}; "
            f"'{HONOUR_LISTED}' opens both"
        )
        warnings.append(words)
    if settings.remoteadmin == Reach.NOWHERE:
        reached = settings.shown("remoteadmin")
        words = (
            f"the panel stays shut to all but this machine: remoteadmin is {reached}; "
            f"'{REACH_TRUSTED}' opens it to trusted addresses"
        )
        warnings.append(words)
    return warnings
