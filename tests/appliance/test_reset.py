"""A factory reset: everything of the state goes, whatever interrupts it, and the next start is a first one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import reset
from appliance.cli import reset as command
from appliance.cli.exits import Exit
from appliance.prerequisites import RuntimeLock
from appliance.reset import MARKER, ResetError, Wanted
from tests.appliance.namespaces import Namespace
from tests.appliance.shell import Shell
from tests.appliance.test_running import SERVES, appliance
from tests.appliance.trees import REPOSITORY

FIRST = "administrator: user 'admin'"
AT_HOME = ("reset", "--yes")


def furnish(state: Path) -> None:
    for name in ("office/appliance.db", "office/key.pem", "tunnel/book.json", "backup/options.toml", "backup/password",
                 "backup/repository/config", "before-restore-1/x", "settings.toml"):  # fmt: skip
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")


def left(state: Path) -> list[str]:
    return sorted(str(path.relative_to(state)) for path in state.rglob("*") if path.is_file())


class Interrupted(Exception):
    """The power went."""


@pytest.mark.parametrize("keep", [False, True])
def test_wherever_it_is_interrupted_it_has_done_nothing_or_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, keep: bool
) -> None:
    kept = ["backup/repository/config"] if keep else []
    rename, unlink, rmtree = Path.rename, Path.unlink, reset.shutil.rmtree
    for lasts in range(40):
        state = tmp_path / str(lasts)
        furnish(state)
        before, steps = left(state), iter(range(lasts))

        def step(steps: Iterator[int] = steps) -> None:
            if next(steps, None) is None:
                raise Interrupted

        monkeypatch.setattr(Path, "rename", lambda *args: (step(), rename(*args))[1])
        monkeypatch.setattr(Path, "unlink", lambda *args, **more: (step(), unlink(*args, **more))[1])
        monkeypatch.setattr(reset.shutil, "rmtree", lambda *args: (step(), rmtree(*args))[1])
        ended = True
        try:
            reset.begin(state, Wanted(keep_backups=keep))
            assert reset.finish(state)
        except Interrupted:
            ended = False
        monkeypatch.undo()
        begun = (state / MARKER).exists()
        beyond = begun or ended or (state / reset.ASIDE).exists()
        assert reset.finish(state) is begun
        assert [name for name in left(state) if not name.startswith(".")] == (kept if beyond else before)
        if ended:
            assert lasts > 5 and not reset.finish(state)
            return
    raise AssertionError("it never ended")


def test_a_marker_that_cannot_be_read_is_a_reset_all_the_same(tmp_path: Path) -> None:
    furnish(tmp_path)
    (tmp_path / MARKER).write_text("{")
    assert reset.finish(tmp_path) and left(tmp_path) == []


def test_links_in_the_state_are_not_followed(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    furnish(state)
    elsewhere.mkdir()
    (elsewhere / "repository").mkdir()
    (elsewhere / "precious").write_text("1")
    (state / "linked").symlink_to(elsewhere)
    (state / "office" / "linked").symlink_to(elsewhere)
    reset.begin(state, Wanted())
    reset.finish(state)
    assert (elsewhere / "precious").exists() and os.listdir(state) == []


def test_what_the_image_keeps_beside_the_appliances_state_is_not_touched(tmp_path: Path) -> None:
    names = ["lost+found/#12", "system/etc/upper/hostname", "updates/central.raucs"]
    furnish(tmp_path)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    here = os.open(tmp_path / "system/etc/upper", os.O_PATH)  # an overlay holds it so
    shown = [path for path, _ in reset.goes(tmp_path, tmp_path / "nowhere", Wanted())]
    reset.begin(tmp_path, Wanted())
    assert reset.finish(tmp_path) and left(tmp_path) == names
    assert not {str(tmp_path / name.partition("/")[0]) for name in names} & set(shown)
    assert os.path.samestat(os.fstat(here), os.stat(tmp_path / "system/etc/upper"))
    os.close(here)


def test_a_disk_of_its_own_in_the_state_is_emptied(tmp_path: Path) -> None:
    furnish(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    words = f"""
mount -t tmpfs disk {tmp_path}/office && mkdir {tmp_path}/office/sub && touch {tmp_path}/office/sub/key.pem &&
ln -s {tmp_path}/elsewhere {tmp_path}/office/linked && touch {tmp_path}/office/appliance.db || exit 9
{sys.executable} -c 'if True:
    from pathlib import Path
    from appliance import reset
    state = Path("{tmp_path}")
    reset.begin(state, reset.Wanted())
    assert reset.finish(state) and not reset.finish(state)'
find {tmp_path}"""
    command = ["unshare", "--mount", "sh", "-c", words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(tmp_path), str(tmp_path / "office")]


def test_the_layers_of_the_machine_stand_where_the_initial_file_system_makes_them() -> None:
    program = (REPOSITORY / "image/initramfs/state").read_text()
    made = set(re.findall(r"^\[ -d \$place/(\S+) \]", program, re.MULTILINE))
    rauc = (REPOSITORY / "image/files/etc/rauc/system.conf").read_text()
    made |= set(re.findall(r"^data-directory=/var/lib/appliance/(\S+)$", rauc, re.MULTILINE))
    assert made == {"system", "updates"} and made <= set(reset.KEPT)


def test_what_the_machine_is_known_by_is_made_anew(tmp_path: Path) -> None:
    for name, text in {
        reset.IMAGE: "0.1.0", "etc/machine-id": "1234", "etc/hostname": "pbx", "etc/ssh/ssh_host_ed25519_key": "k",
        "etc/ssh/ssh_host_ed25519_key.pub": "k", "etc/ssh/sshd_config": "c", "etc/ssh/authorized_keys/root": "k",
        "etc/systemd/network/05-wizard.network": "n", "etc/systemd/network/80-dhcp.network": "n", "root/.ssh/id": "k",
        "var/log/journal/1234/system.journal": "j", "var/log/wtmp": "w", "var/lib/cloud/data/x": "c",
        "var/log/cloud-init-output.log": "c", "etc/systemd/network/10-cloud-init-eth0.network": "n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shown = dict(reset.goes(tmp_path / "state", tmp_path, Wanted()))
    assert str(tmp_path / "etc/ssh/ssh_host_ed25519_key") in shown
    reset.forget_machine(tmp_path, Wanted())
    network = {f"etc/systemd/network/{name}.network" for name in ("05-wizard", "10-cloud-init-eth0")}
    kept = [reset.IMAGE, "etc/hostname", "etc/machine-id", "etc/ssh/sshd_config", *network]
    assert left(tmp_path) == sorted([*kept, "etc/systemd/network/80-dhcp.network"])
    assert (tmp_path / "etc/machine-id").read_text() == "" and (tmp_path / "etc/hostname").read_text() == "pbx"
    reset.forget_machine(tmp_path, Wanted(network=True))
    assert not network & set(left(tmp_path)) and (tmp_path / "etc/hostname").read_text() == "appliance\n"


def test_the_command_says_what_goes_and_wants_a_word(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "ROOT", down.state / "nowhere")
    furnish(down.state)
    before = left(down.state)
    refused = down.run("reset", stdin="yes\n")
    assert refused.exit_code == Exit.REFUSED and "nothing was removed" in refused.stderr
    assert "keys of the administrators' tunnel" in refused.stdout and "backups elsewhere" in refused.stdout
    assert down.run("reset", "--json").exit_code == Exit.USAGE
    assert left(down.state) == before
    assert "a first one" in down.run("reset", "--keep-backups", stdin="reset\n").stdout
    assert left(down.state) == ["backup/repository/config"]
    assert str(down.state / "backup") in down.json(*AT_HOME)["removed"]
    assert down.run(*AT_HOME).exit_code == Exit.NOT_FOUND


def test_while_it_runs_or_is_under_way_nothing_else_happens(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "ROOT", down.state / "nowhere")
    furnish(down.state)
    before, lock = left(down.state), RuntimeLock(down.runtime)
    lock.take()
    refused = down.run(*AT_HOME)
    lock.release()
    assert refused.exit_code == Exit.REFUSED and "the appliance runs" in refused.stderr
    assert left(down.state) == before
    reset.begin(down.state, Wanted(keep_backups=True))
    assert "a reset of" in down.run("accounts", "list").stderr
    assert down.json(*AT_HOME)["keep_backups"] is True  # as it was begun
    assert left(down.state) == ["backup/repository/config"]


def test_a_state_that_cannot_be_written_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ResetError, match="nothing was removed"):
        reset.begin(tmp_path / "none", Wanted())


def test_the_next_start_of_the_product_is_a_first_one(tmp_path: Path) -> None:
    def words(*more: str) -> list[str]:
        where = [f"--state={tmp_path}/state", f"--runtime={tmp_path}/run"]
        return [sys.executable, "-m", "appliance", *more, *where]

    passwords, certificates = set(), set()
    with Namespace() as namespace:
        for time in range(3):
            with appliance(namespace, tmp_path) as process:
                certificates.add(process.line(SERVES).rpartition("SHA-256")[2])
                passwords.add(process.line(FIRST))
                assert any("reset that was begun is finished" in line for line in process.seen) is (time == 2)
                done = subprocess.run(words(*AT_HOME), cwd=REPOSITORY, capture_output=True, text=True, check=False)
                assert done.returncode == Exit.REFUSED and "the appliance runs" in done.stderr
            if time == 0:
                done = subprocess.run(words(*AT_HOME, "--json"), cwd=REPOSITORY, capture_output=True, check=True)
                assert str(tmp_path / "state" / "office") in json.loads(done.stdout)["removed"]
                assert os.listdir(tmp_path / "state") == []
            else:
                reset.begin(tmp_path / "state", Wanted())  # and the power goes
    assert len(passwords) == len(certificates) == 3
