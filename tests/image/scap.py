"""OpenSCAP's rules for Debian, applied to the finished disk from outside.

The rules are Debian's package ssg-debian: the newest that it has for a server are Debian 11's, and they say of another
release that they do not apply, so the copy that is used here leaves that condition out. Read offline, a rule sees files
and packages, not the running kernel and not what covers /etc and /var.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from image import layout
from image.compare import table
from image.progress import Progress
from tests.image.judge import Check

PROGRAM = "oscap"
CONTENT, NAME = Path("/usr/share/xml/scap/ssg/content"), "ssg-debian11"
PROFILES = ("standard", "anssi_np_nt28_high")
PREFIX = "xccdf_org.ssgproject.content_"
FEWEST = 40  # rules with a verdict, in each profile
_CONDITION = re.compile(r'^.*platform idref="(?:cpe:|#machine").*\n', re.MULTILINE)
_VERDICT = re.compile(rf"^Rule\s+{PREFIX}rule_(\S+)\nResult\s+(\S+)$", re.MULTILINE)

_ONE_STATE = "the slot is read-only; what is written lies on the state's partition, with nodev, nosuid and noexec"
_JOURNAL = "the journal keeps the log, limited by size and age; a second daemon would keep a second copy"
_TIMERS = "systemd's timers do what cron would"
_CLOCK = "systemd-timesyncd keeps the clock"
_ELSEWHERE = "stands in sshd_config.d, which the rule does not read; the audit's rows access.ssh_* ask sshd itself"
# What does not hold, and what is there in its stead. A rule that is kept after all has to leave this table.
ANSWERED: Mapping[str, str] = {
    "partition_for_home": "nobody has a home",
    "partition_for_tmp": "a file system in memory, mounted by a unit",
    "partition_for_var": _ONE_STATE,
    "partition_for_var_log": _ONE_STATE,
    "partition_for_var_log_audit": _ONE_STATE,
    "package_audit_installed": "the service has its own trail, chained; AppArmor's refusals are in the journal",
    "package_rsyslog_installed": _JOURNAL,
    "service_rsyslog_enabled": _JOURNAL,
    "rsyslog_files_groupownership": _JOURNAL,
    "rsyslog_files_ownership": _JOURNAL,
    "rsyslog_files_permissions": _JOURNAL,
    "package_syslogng_installed": _JOURNAL,
    "service_syslogng_enabled": _JOURNAL,
    "ensure_logrotate_activated": _JOURNAL,
    "package_cron_installed": _TIMERS,
    "service_cron_enabled": _TIMERS,
    "package_ntp_installed": _CLOCK,
    "service_ntp_enabled": _CLOCK,
    "sysctl_kernel_randomize_va_space": "of a running kernel: the audit's row kernel.randomize_va_space",
    "grub2_enable_iommu_force": "a guest has no IOMMU to force, and on metal the kernel's default uses it",
    "apt_sources_list_official": "the machine asks no archive: updates come whole and signed",
    "sshd_set_keepalive_0": _ELSEWHERE,
    "sshd_set_idle_timeout": _ELSEWHERE,
    "sshd_disable_empty_passwords": _ELSEWHERE,
    "sshd_disable_root_login": "root alone may log in, by key: a second person would need a set-id program",
}


def verdicts(said: str) -> dict[str, str]:
    """What oscap printed as rules and their results."""
    return dict(_VERDICT.findall(said))


def judge(profile: str, found: Mapping[str, str], answered: Mapping[str, str] = ANSWERED) -> Iterable[Check]:
    """That enough was judged, that nothing fails without an answer, and that no answer is older than its rule."""
    judged = {rule: verdict for rule, verdict in found.items() if verdict in ("pass", "fail")}
    passed = sum(verdict == "pass" for verdict in judged.values())
    failed = {rule for rule, verdict in judged.items() if verdict == "fail"}
    open_, stale = sorted(failed - set(answered)), sorted(set(answered) & (set(judged) - failed))
    said = f"{passed} of {len(judged)} hold, {len(failed) - len(open_)} are answered otherwise"
    said += "".join(f"; not answered: {each}" for each in open_) + "".join(f"; holds by now: {each}" for each in stale)
    good = len(judged) >= FEWEST and not open_ and not stale
    yield Check(f"OpenSCAP: {profile}", good, said)


def judged(image: Path) -> list[Check]:
    """Both profiles on slot A of a disk. Needs root; the disk is mounted where only this run sees it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        raw, root = place / "disk.raw", place / "root"
        root.mkdir()
        subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
        (root_a,) = [each for each in table(raw, Progress(place / "logs"))["partitions"] if each["name"] == "root-a"]
        start = int(root_a["start"]) * layout.SECTOR
        for kind in ("xccdf", "oval", "ocil", "cpe-oval", "cpe-dictionary"):
            text = (CONTENT / f"{NAME}-{kind}.xml").read_text()
            (place / f"{NAME}-{kind}.xml").write_text(_CONDITION.sub("", text) if kind == "xccdf" else text)
        mounted = f'mount -o ro,noexec,nosuid,nodev,loop,offset={start} {raw} {root} && exec "$@"'
        checks: list[Check] = []
        for profile in PROFILES:
            rules = [f"--cpe={place / NAME}-cpe-dictionary.xml", f"{place / NAME}-xccdf.xml"]
            ask = [f"{PROGRAM}-chroot", str(root), "xccdf", "eval", "--profile", f"{PREFIX}profile_{profile}", *rules]
            words = ["unshare", "--mount", "sh", "-c", mounted, "sh", *ask]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
            checks += judge(profile, verdicts(done.stdout))
        return checks
