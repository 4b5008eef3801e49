"""Template, provisioners and files: what can be known of them without a machine."""

import ast
import functools
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from appliance.cli.book import BOOK
from appliance.config.options import CANNOT_RUN, DEFAULT_RUNTIME, DEFAULT_STATE
from appliance.errands import AUDIT_WANTED, MOST_WANTED, WANTED, WITHIN_S
from appliance.following.choice import DIRECTORY, OPTIONS
from appliance.kernel.headers import CACHE_DIR
from appliance.launch import OFFICE_KEEPER_SOCKET, OFFICE_RUNTIME, OFFICE_STATE, USER, VIEW
from appliance.ownership import read
from appliance.prerequisites import BPFFS, CAPABILITIES, GATE, PARENT
from appliance.release import version
from appliance.slots import COUNTERS
from appliance.unit import ENVIRONMENT
from appliance.wizard.machine import KEYS
from image import base, build, ova
from image.packages import PACKAGES
from image.variables import Variables

HERE = base.CODE / "image"
PROVISION = sorted((HERE / "provision").glob("*.sh"))
FILES = HERE / "files"
SCRIPTS = [*PROVISION, *base.INITRAMFS.iterdir(), *(FILES / "usr/local/lib/appliance").iterdir()]
OFFICE_UNIT = "appliance-office.service"
UNITS = sorted((FILES / "etc/systemd/system").glob("*.*"))
PROFILES = sorted((FILES / "etc/apparmor.d").iterdir())
NEWER = {"RestartSteps": 254, "RestartMaxDelaySec": 254}  # of systemd, which the image has
TEMPLATE = json.loads(build.TEMPLATE.read_text())
SERVICE = (FILES / "etc/systemd/system/appliance.service").read_text()
OFFICE = (FILES / "etc/systemd/system/appliance-office.service").read_text()


def text(name: str) -> str:
    return (HERE / "provision" / name).read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_by_its_shell_and_stops_at_its_first_fault(path: Path) -> None:
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lint = ["shellcheck", "--severity=info", "--exclude=SC2016", str(path)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"^set -eu", path.read_text(), re.M)


def test_packer_runs_every_provisioner_in_the_order_of_its_number() -> None:
    (shell,) = (row for row in TEMPLATE["provisioners"] if row["type"] == "shell")
    assert shell["scripts"] == [f"image/provision/{path.name}" for path in PROVISION]
    assert all(re.fullmatch(r"[0-9]{2}-[a-z]+\.sh", path.name) for path in PROVISION)


def test_packer_takes_the_template_with_the_values_of_a_build(tmp_path: Path) -> None:
    identity, credential = build.key(tmp_path)
    (tmp_path / "product.tar").touch()
    (tmp_path / "certificate.pem").touch()
    chosen = build.values(
        Variables(), base=tmp_path / "base.qcow2", out=tmp_path / "out", key=identity, key_credential=credential,
        product=tmp_path / "product.tar", files=FILES, console=tmp_path / "console",
        certificate=tmp_path / "certificate.pem",
    )  # fmt: skip
    assert set(TEMPLATE["variables"]) == set(chosen)
    command, about = build.packer("validate", chosen), build.surroundings(tmp_path)
    done = subprocess.run(command, cwd=base.CODE, env=about, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    chosen["cpus"] = "two"
    command = build.packer("validate", chosen)
    assert subprocess.run(command, cwd=base.CODE, env=about, capture_output=True, check=False).returncode != 0


def test_the_machine_that_builds_has_no_way_out() -> None:
    done = subprocess.run(
        build.own_network(["ip", "-br", "link"]), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [line.split()[0] for line in done] == ["lo"]
    (network,) = (words[1] for words in TEMPLATE["builders"][0]["qemuargs"] if words[0] == "-netdev")
    assert re.findall(r"hostfwd=\w+:([0-9.]+):", network) == ["127.0.0.1"]


def test_no_address_of_an_archive_stands_in_the_image_or_its_recipe() -> None:
    for path in [*HERE.rglob("*.py"), *SCRIPTS, *(p for p in FILES.rglob("*") if p.is_file()), build.TEMPLATE]:
        names = [ova.OVF, ova.RASD, ova.VSSD, ova.DISK_FORMAT]  # of a standard; nobody fetches them
        text = functools.reduce(lambda rest, name: rest.replace(name, ""), names, path.read_text())
        assert not re.search(r"https?://[a-z0-9.-]+\.[a-z]{2,}", text), path


def test_the_services_user_and_directories_are_the_products_own() -> None:
    assert f"/nologin {USER}\n" in text("20-users.sh")
    assert f"RequiresMountsFor={DEFAULT_STATE}\n" in SERVICE
    assert f"ReadWritePaths={DEFAULT_STATE} {BPFFS}\n" in SERVICE
    assert f"User={USER}\nGroup={USER}\n" in OFFICE
    assert Path("/var/cache/appliance") == CACHE_DIR
    assert "CacheDirectory=appliance\n" in SERVICE
    mounts = re.findall(r'^echo "PARTLABEL=(\w+) (\S+) ', text("40-system.sh"), re.M)
    assert mounts == [("state", DEFAULT_STATE), ("esp", str(COUNTERS.parents[1]))]
    assert "\nLabel=state\n" in (FILES / "etc/repart.d/50-state.conf").read_text()


def test_the_keeper_has_the_powers_that_it_asks_for() -> None:
    (given,) = re.findall(r"^CapabilityBoundingSet=(.+)$", SERVICE, re.M)
    assert set(given.split()) == {*CAPABILITIES, *GATE, "CAP_DAC_OVERRIDE", "CAP_KILL"}
    assert not set(given.split()) & set(PARENT)


def test_units_are_what_systemd_reads(tmp_path: Path) -> None:
    """Their programs are not on this machine: what remains to be complained of is a fault of the unit."""
    for path in UNITS:
        if path.is_file():
            (tmp_path / path.name).write_text(re.sub(r"(?m)^(Exec\w+=\W?)\S+", r"\1/bin/true", path.read_text()))
    named = [str(path) for path in sorted(tmp_path.iterdir()) if path.suffix in {".service", ".path", ".timer"}]
    assert len(named) == 16
    done = subprocess.run(["systemd-analyze", "verify", *named], capture_output=True, text=True, check=False)
    known = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    newer = [key for key, since in NEWER.items() if int(known) < since]
    ours = [line for line in done.stderr.splitlines() if "appliance" in line and "not-found" not in line]
    ours = [line for line in ours if not any(f"Unknown key '{key}'" in line for key in newer)]
    assert ours == []


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_profile_is_one_that_apparmor_takes(path: Path, tmp_path: Path) -> None:
    def refused(text: str) -> bool:
        (tmp_path / "profile").write_text(text)
        command = ["apparmor_parser", "-QK", str(tmp_path / "profile")]  # loads nothing
        return subprocess.run(command, capture_output=True, check=False).returncode != 0

    assert not refused(path.read_text())
    assert refused(path.read_text().replace("  signal", "  signaal", 1))


def test_each_unit_runs_under_the_profile_of_its_name_in_enforce_mode() -> None:
    assert [path.name for path in PROFILES] == ["appliance-keeper", "appliance-office"]
    assert "\nAppArmorProfile=appliance-keeper\n" in SERVICE
    assert "\nAppArmorProfile=appliance-office\n" in OFFICE
    for path in PROFILES:
        assert re.findall(r"^profile (\S+) flags=\((\S+)\) \{", path.read_text(), re.M) == [
            (path.name, "attach_disconnected")
        ]


def test_the_profile_gives_the_keeper_the_powers_that_its_unit_gives() -> None:
    (given,) = re.findall(r"^CapabilityBoundingSet=(.+)$", SERVICE, re.M)
    allowed = re.findall(r"^  capability (\w+),$", PROFILES[0].read_text(), re.M)
    assert {f"CAP_{each.upper()}" for each in allowed} == set(given.split())
    assert "  deny capability,\n" in PROFILES[1].read_text()


def test_the_unit_shows_the_office_what_a_keeper_would_show_it() -> None:
    shown = re.findall(r" ?(\S+):(/srv/\S+)", "\n".join(re.findall(r"^Bind\w+=(.+)$", OFFICE, re.M)))
    assert {there: here for here, there in shown} == {
        str(VIEW / "code"): "/opt/appliance",
        str(OFFICE_KEEPER_SOCKET.parent): DEFAULT_RUNTIME,
        str(OFFICE_STATE): f"{DEFAULT_STATE}/office",
        str(OFFICE_RUNTIME): f"{DEFAULT_RUNTIME}/office",
    }
    assert f"EnvironmentFile={DEFAULT_RUNTIME}/{ENVIRONMENT}\n" in OFFICE
    assert f"WorkingDirectory={VIEW / 'code'}\n" in OFFICE
    assert f"RestartPreventExitStatus={CANNOT_RUN}\n" in OFFICE
    assert f"--office-unit {OFFICE_UNIT}\n" in SERVICE


def test_updates_are_followed_by_a_unit_that_writes_its_own_directory_and_only_once_a_source_is_chosen() -> None:
    unit = (FILES / "etc/systemd/system/appliance-follow.service").read_text()
    place = f"{DEFAULT_STATE}/{DIRECTORY}"
    assert f"\nConditionPathExists={place}/{OPTIONS}\n" in unit
    assert re.findall(r"^ReadWritePaths=(.+)$", unit, re.M) == [place]
    assert re.findall(r"^CapabilityBoundingSet=(.+)$", unit, re.M) == ["CAP_DAC_OVERRIDE"]
    (words,) = re.findall(r"^ExecStart=\S+ -P -m appliance (.+)$", unit, re.M)
    assert words.rpartition(" ")[0] in dict(BOOK.rows())
    assert " appliance-follow.timer " in text("40-system.sh")
    assert " appliance-follow.service\n" in (FILES / "etc/systemd/system/appliance-reset.service").read_text()


@pytest.mark.parametrize(
    ("unit", "most"),
    [
        ("appliance.service", 3.0),
        ("appliance-office.service", 2.0),
        ("appliance-backup.service", 5.0),
        ("appliance-follow.service", 2.5),
    ],
)
def test_a_unit_is_exposed_as_little_as_it_can_be(unit: str, most: float) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(FILES / "etc/systemd/system" / unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(score) < most


@pytest.mark.parametrize(("name", "wanted"), [("backup", WANTED), ("audit", AUDIT_WANTED)])
def test_what_is_wanted_is_laid_where_its_unit_looks(name: str, wanted: str) -> None:
    unit = (FILES / f"etc/systemd/system/appliance-{name}.path").read_text()
    assert f"PathExists={DEFAULT_RUNTIME}/{wanted}\n" in unit
    assert f" appliance-{name}.path " in text("40-system.sh")


def test_nothing_that_a_word_of_the_keeper_starts_begins_without_end() -> None:
    """More than the keeper lets through, so that they hold only what it did not."""
    paths = sorted((FILES / "etc/systemd/system").glob("*.path"))
    assert [each.stem for each in paths] == ["appliance-audit", "appliance-backup"]
    for path in paths:
        for unit, key in ((path, "TriggerLimit"), (path.with_suffix(".service"), "StartLimit")):
            (minutes,) = re.findall(rf"^{key}IntervalSec=([0-9]+)min$", unit.read_text(), re.M)
            (burst,) = re.findall(rf"^{key}Burst=([0-9]+)$", unit.read_text(), re.M)
            assert int(minutes) * 60 == WITHIN_S, unit.name
            assert 2 * MOST_WANTED < int(burst) <= 20, unit.name


def test_the_table_of_owners_can_be_read_and_names_every_file_of_ours() -> None:
    table = read((FILES / "usr/local/share/appliance/ownership").read_text())
    for path in FILES.rglob("*"):
        if path.is_file():
            assert [row for row in table if path in set(row.places(FILES))], path


def test_user_data_is_not_read_and_only_known_datasources_are_asked() -> None:
    text = (FILES / "etc/cloud/cloud.cfg.d/90-appliance.cfg").read_text()
    assert "\nallow_userdata: false\n" in text
    assert "\ndatasource_list: [NoCloud, ConfigDrive, OpenStack, Ec2, Azure]\n" in text
    assert re.findall(r"^cloud_(\w+)_modules: (.+)$", text, re.M) == [
        ("init", "[set_hostname, update_hostname]"), ("config", "[]"), ("final", "[]"),
    ]  # fmt: skip
    assert (
        f"AuthorizedKeysFile /{KEYS.replace('root', '%u')}\n"
        in (FILES / "etc/ssh/sshd_config.d/10-appliance.conf").read_text()
    )


def test_the_packet_filter_is_one_that_nft_takes() -> None:
    rules = FILES / "etc/nftables.conf"
    command = build.own_network(["nft", "--check", "--file", rules])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert rules.read_text().count("policy drop") == 2


def test_every_service_that_opens_the_packet_filter_has_a_chain_of_its_name() -> None:
    chains = re.findall(r"^\tchain ([\w-]+)", (FILES / "etc/nftables.conf").read_text(), re.M)
    users = [path for path in FILES.rglob("*") if path.is_file() and "appliance/door %N" in path.read_text()]
    names = [path.name.partition(".")[0] if path.suffix == ".service" else path.parent.name[:-10] for path in users]
    assert sorted(names) == ["appliance-office", "ssh"]
    assert set(names) <= set(chains)


def test_what_the_product_needs_of_debian_is_in_the_image() -> None:
    (line,) = re.findall(r'^run_packages="(.+)"$', (base.CODE / "appliance/setup.sh").read_text(), re.M)
    assert set(line.split()) <= set(PACKAGES)


def test_the_archive_of_the_program_is_the_same_each_time_and_holds_no_test(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = build.product(tmp_path), build.product(tmp_path / "again")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        rows = tar.getmembers()
    names = {row.name for row in rows}
    assert {"appliance/keeper.py", "pysrv/office/office.py", "bpf/gate.c", "appliance/requirements.txt"} <= names
    assert not [name for name in names if "test" in Path(name).parts or "__pycache__" in name or ".git" in name]
    assert {(row.uid, row.gid, row.mode & 0o022) for row in rows} == {(0, 0, 0)}


def _text(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def test_the_version_stands_in_one_place() -> None:
    assert Variables().version == version()
    rooms = [path for room in ("image", "appliance", "pysrv") for path in (base.CODE / room).rglob("*.py")]
    named = [path for path in rooms if f'"{version()}"' in path.read_text()]  # in a document's example, it may
    written = [path for path in named if version() in map(_text, ast.walk(ast.parse(path.read_text())))]
    assert written == []


def test_the_key_of_a_build_is_new_each_time(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert build.key(tmp_path)[1] != build.key(tmp_path / "other")[1]


def test_a_base_disk_is_named_by_what_it_is_made_of() -> None:
    assert base.digest(Variables()) == base.digest(Variables(cpus=7, version="2", formats="vhd"))
    others = [Variables(suite="sid"), Variables(mirror="deb file:///srv ./"), Variables(root_mib=3000)]
    assert len({base.digest(each) for each in (Variables(), *others)}) == 4


def test_the_archive_alone_is_a_program_that_runs(tmp_path: Path) -> None:
    with tarfile.open(build.product(tmp_path)) as tar:
        tar.extractall(tmp_path / "place")
    about = {"PYTHONPATH": str(tmp_path / "place"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    command = [sys.executable, "-P", "-m", "appliance", "--version"]
    done = subprocess.run(command, cwd="/", env=about, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+\.\d+", done.stdout)
