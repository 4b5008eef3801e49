"""What the audit of the machine says, as the panel shows it: the checks' own words, and for those that are alike the
sentence that they are made of. What a check of a setting asks and why stands in the table of settings."""

import re
from collections.abc import Iterator

from appliance.audit.row import Area
from appliance.audit.table import CHECKS
from pysrv.web.saying import SAID, Sentence

PLACE = re.compile(r"%\(([a-z])\)s")
ALIKE = (
    "%(w)s (IPv4)",
    "%(w)s (IPv4, new interfaces)",
    "%(w)s (IPv6)",
    "%(w)s (IPv6, new interfaces)",
    "%(a)s is mounted as narrow as can be",
    "%(w)s can get no more rights by a program",
    "%(w)s sees the system read-only",
    "%(w)s sees no home",
    "%(w)s has temporary files of its own",
    "%(w)s sees no device",
    "%(w)s loads no module",
    "%(w)s reads no log of the kernel",
    "%(w)s changes no control group",
    "%(w)s sets no clock",
    "%(w)s gives no name",
    "%(w)s makes no namespace",
    "%(w)s makes no set-id program",
    "%(w)s opens known kinds of socket alone",
    "%(w)s stays of its architecture",
    "%(w)s runs nothing that it wrote into memory",
    "%(w)s has a filter for system calls",
    "%(w)s calls the kernel by one architecture alone",
    "%(w)s has an AppArmor profile",
    "%(w)s writes no core",
    "%(w)s sees no user but its own",
    "%(w)s writes no parameter of the kernel",
    "%(w)s sees no process of others",
    "%(w)s is a user without rights",
    "sysctl -w %(a)s=%(b)s, and the same in /etc/sysctl.d",
    "sysctl -w %(a)s=%(b)s, and the same in /etc/sysctl.d; look first at who needs it",
    "sysctl -w %(a)s=%(b)s, and the same in /etc/sysctl.d; taking it back needs a restart",
    "%(a)s in /etc/ssh/sshd_config.d; 'sshd -t'; 'systemctl reload ssh' with a second session open",
    "%(a)s in %(b)s; remove drop-ins",
    "chmod %(a)s and chown root for %(b)s",
    "'install NAME /bin/false' in /etc/modprobe.d for %(a)s",
    "mount it with %(a)s (/etc/fstab)",
    "'appliance settings set %(a)s', after 'appliance try'",
)


def _sentence(words: str) -> Sentence:
    parts = PLACE.split(words)
    return Sentence(tuple(parts[::2]), tuple(parts[1::2]), words)


MADE_OF = sorted(map(_sentence, ALIKE), key=lambda each: -each.weight)


def audited() -> Iterator[str]:
    """Every sentence."""
    for check in CHECKS:
        texts = (check.fix,) if check.area is Area.SETTINGS else (check.what, check.why, check.fix)
        for text in texts:
            yield from _made_of(text)


def _made_of(text: str) -> Iterator[str]:
    for each in MADE_OF:
        found = each.match(text)
        if found is not None:
            yield each.said
            for name in SAID.intersection(found):
                yield from _made_of(found[name])
            return
    yield text
