"""
A node as a service of a real systemd, installed by `configs/install.sh`: see tests/helpers/systemd.py for what is real.

The chain has one member, so that one service is a whole network. The watchdog's time is shortened. The program's
dependencies are lent by the environment that runs the tests, as there is no network to install them from.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from noded.storage.schema import SCHEMA
from tests.helpers.systemd import CannotBoot, CommandFailed, Guest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("systemd")]

PROJECT = Path(__file__).parents[2]
INSTALL = "/opt/test/project/configs/install.sh"
HOME = "/var/lib/noded"
CONFIG = f"{HOME}/config.toml"
DROP_IN = """
[Service]
WatchdogSec=10
TimeoutAbortSec=2
Environment=LD_LIBRARY_PATH=/opt/test/python/lib PYTHONPATH=/opt/test/lent
"""
"""A shorter wait for the watchdog, and the way to what is lent."""

LEND = """
mkdir /opt/test/lent && cd /opt/test/lent
for each in ../site-packages/*; do
    case ${each##*/} in *noded*) ;; *) ln -s "$each" . ;; esac
done
"""
"""All installed packages but the project itself, which the installer shall install."""

FIGURES = f"""
from pathlib import Path
from noded.client.http import NodeClient
with NodeClient.in_home(Path("{HOME}")) as node:
    print(node.get_bytes("/metrics").decode())
"""

ENVIRONMENT = {
    "HOME": "/root",
    "NODED_PYTHON": f"/opt/test/python/bin/python3.{sys.version_info.minor}",
    "PYTHONPATH": "/opt/test/lent",
}


class Machine(Guest):
    """A guest on which nodes are installed."""

    def install(self, *arguments: str) -> str:
        """Run the installer."""
        return self.run("sh", INSTALL, *arguments).stdout

    def found(self) -> None:
        """Make keys and a chain, as the README says."""
        self.run(
            *(
                "noded",
                "init",
                "--home",
                HOME,
                "--name",
                "Clinic",
                "--role",
                "hospital",
                "--jurisdiction",
                "DE",
            ),
            *("--address", "127.0.0.1:9470", "--passphrase-file", "/etc/noded/passphrase"),
        )
        self.run(
            *("noded", "genesis", "create", "--name", "alone", "--set", "idle_interval_ms=200"),
            *("--out", f"{HOME}/genesis.cbor", f"{HOME}/institution.json"),
        )

    def status(self) -> dict[str, Any]:
        """How the node says that it stands."""
        said = self.run("noded", "status", "--home", HOME, "--output", "json").stdout
        found: dict[str, Any] = json.loads(said)
        return found

    def height(self) -> int:
        """Of the node's last durable block."""
        return int(self.status()["status"]["height"])

    def configure(self, line: str) -> None:
        """Replace a line of the settings that has the same key."""
        key = line.partition(" = ")[0]
        self.run("sed", "-i", f"s|^{key} = .*|{line}|", CONFIG)

    def schema(self, version: int) -> None:
        """Have the store of a node that stands still, or is about to, be of another schema."""
        self.run("systemctl", "stop", "noded")
        program = f"import sqlite3; sqlite3.connect('{HOME}/ledger.sqlite').execute('PRAGMA user_version = {version}')"
        self.run("/opt/noded/bin/python", "-c", program)

    def figure(self, name: str) -> str:
        """A figure that the node shows to Prometheus."""
        got = self.run("/opt/noded/bin/python", "-c", FIGURES).stdout
        return next(line.split()[1] for line in got.splitlines() if line.startswith(f"{name} "))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine with a node installed and founded, not yet started."""
    wheels = tmp_path_factory.mktemp("wheels")
    shown = {
        Path(sys.base_prefix): "/opt/test/python",
        Path(structlog.__file__).parents[1]: "/opt/test/site-packages",
        PROJECT: "/opt/test/project",
        wheels: "/opt/test/wheels",
    }
    try:
        guest = Machine(tmp_path_factory.mktemp("guest"), shown=shown, environment=ENVIRONMENT)
        with guest:
            build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
            subprocess.run([*build, "--wheel-dir", wheels, PROJECT], check=True, capture_output=True)
            guest.run("sh", "-c", LEND)
            (wheel,) = wheels.iterdir()
            guest.install("install", f"/opt/test/wheels/{wheel.name}")
            guest.write("/etc/systemd/system/noded.service.d/test.conf", DROP_IN)
            guest.run("systemctl", "daemon-reload")
            guest.found()
            yield guest
    except CannotBoot as error:
        pytest.skip(str(error))


@pytest.fixture
def running(machine: Machine) -> Machine:
    """The machine with its node running."""
    machine.run("systemctl", "start", "noded")
    return machine


@pytest.mark.parametrize("unit", ["noded.service", "noded@clinic.service"])
def test_the_units_are_well_formed(machine: Machine, unit: str) -> None:
    done = machine.run("systemd-analyze", "verify", unit)

    assert (done.stdout, done.stderr) == ("", "")


def test_start_returns_when_the_node_serves(running: Machine) -> None:
    """Type=notify: no client that comes after `systemctl start` is too early."""
    assert running.status()["status"]["halted"] is None
    assert running.show("noded", "ActiveState") == "active"
    assert running.show("noded", "NRestarts") == "0"
    assert float(running.figure("process_start_time_seconds")) > 1.6e9


def test_the_status_line_tells_where_the_node_is(running: Machine) -> None:
    text = running.wait(
        lambda: running.show("noded", "StatusText"),
        lambda text: re.match(r"height [1-9]\d*, epoch 1, view", text) is not None,
    )

    assert text in running.run("systemctl", "status", "--no-pager", "noded").stdout


def test_the_passphrase_reaches_the_node_and_nobody_else(running: Machine) -> None:
    """LoadCredential: the keystore is encrypted, and opened; the node's user cannot read the file itself."""
    passphrase = running.read("/etc/noded/passphrase").strip()
    environment = running.read(f"/proc/{running.show('noded', 'MainPID')}/environ")
    keys = running.run("sh", "-c", f"cat {HOME}/keys/*").stdout

    assert '"protection": "passphrase"' in keys
    assert passphrase not in environment
    assert passphrase not in keys + running.journal("noded")
    assert running.run("stat", "-c", "%a %U", "/etc/noded/passphrase").stdout == "600 root\n"


def test_reload_takes_good_settings_at_once(running: Machine) -> None:
    running.configure('level = "debug"')
    running.run("systemctl", "reload", "noded")

    assert '"key": "log.level"' in running.journal("noded")
    assert running.figure("noded_config_reload_failed") == "0.0"
    running.configure('level = "info"')
    running.run("systemctl", "reload", "noded")


def test_reload_keeps_the_old_settings_where_the_new_are_bad(running: Machine) -> None:
    process = running.show("noded", "MainPID")
    running.configure('level = "loud"')

    with pytest.raises(CommandFailed):
        running.run("systemctl", "reload", "noded")

    assert "log.level" in running.journal("noded")
    assert running.show("noded", "ActiveState") == "active"
    assert running.show("noded", "MainPID") == process
    assert running.figure("noded_config_reload_failed") == "1.0"
    running.configure('level = "info"')
    running.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "noded")
    running.wait(lambda: running.figure("noded_config_reload_failed"), lambda figure: figure == "0.0")


def test_what_root_writes_belongs_to_the_node(running: Machine) -> None:
    """The operator is root, the node's user exists only while it runs."""
    running.run("noded", "keys", "generate", "spare", "--home", HOME)
    running.run("noded", "snapshot", "create", "--home", HOME)
    running.run("systemctl", "restart", "noded")

    assert running.show("noded", "ActiveState") == "active"
    assert running.run("find", f"{HOME}/", "-user", "root").stdout == ""


def test_a_hung_node_is_killed_and_started_again(running: Machine) -> None:
    """SIGSTOP stops all of the process, so nothing pings the watchdog."""
    height, process = running.height(), running.show("noded", "MainPID")
    restarts = int(running.show("noded", "NRestarts"))
    running.run("sh", "-c", f"kill -STOP {process}")  # A small Debian has no other `kill`.

    running.wait(lambda: int(running.show("noded", "NRestarts")), lambda count: count > restarts)
    running.wait(lambda: running.show("noded", "ActiveState"), lambda state: state == "active")

    assert running.show("noded", "MainPID") not in ("0", process)
    assert "Watchdog timeout" in running.journal("noded")
    assert running.height() >= height


def test_stop_is_clean_and_the_state_is_kept(running: Machine) -> None:
    before = running.status()
    running.run("systemctl", "stop", "noded")

    assert running.show("noded", "Result") == "success"
    assert running.show("noded", "ExecMainStatus") == "0"
    assert '"event": "stopping"' in running.journal("noded")

    running.run("systemctl", "start", "noded")
    after = running.status()
    assert (after["chain_id"], after["institution"]) == (before["chain_id"], before["institution"])
    assert after["status"]["height"] >= before["status"]["height"]


def stays_down(machine: Machine, code: int) -> None:
    """The node does not start, and is not started again and again: the exit code says that it would not help."""
    machine.run("systemctl", "restart", "noded", code=None)

    assert machine.wait(lambda: machine.show("noded", "ActiveState"), lambda state: state == "failed")
    assert machine.show("noded", "ExecMainStatus") == str(code)
    assert machine.show("noded", "NRestarts") == "0"


def test_a_wrong_passphrase_does_not_start_again_and_again(running: Machine) -> None:
    right = running.read("/etc/noded/passphrase")
    running.write("/etc/noded/passphrase", "wrong\n")

    stays_down(running, 3)

    running.write("/etc/noded/passphrase", right)
    running.run("systemctl", "start", "noded")


def test_bad_settings_do_not_start_again_and_again(running: Machine) -> None:
    """Such as an upgrade finds, where a setting is no more."""
    running.configure('level = "loud"')

    stays_down(running, 3)

    running.configure('level = "info"')
    running.run("systemctl", "start", "noded")


def test_a_store_of_another_schema_does_not_start_again_and_again(running: Machine) -> None:
    running.schema(99)

    stays_down(running, 5)

    assert "newer program" in running.journal("noded")
    running.schema(SCHEMA.version)
    running.run("systemctl", "start", "noded")


def test_what_may_pass_is_tried_until_it_has(running: Machine) -> None:
    """And whoever has mended it need not wait, however often it was tried."""
    running.run("systemctl", "stop", "noded")
    running.run("sh", "-c", f"mv {HOME}/wal {HOME}/aside && touch {HOME}/wal")
    for _ in range(11):
        running.run("systemctl", "start", "noded", code=1)
    running.wait(lambda: int(running.show("noded", "NRestarts")), lambda count: count > 0)
    running.run("sh", "-c", f"rm {HOME}/wal && mv {HOME}/aside {HOME}/wal")

    running.run("systemctl", "start", "noded")


def test_upgrade_rollback_and_removal(running: Machine) -> None:
    process, release = running.show("noded", "MainPID"), running.read_link("/opt/noded")
    (wheel,) = running.run("sh", "-c", "echo /opt/test/wheels/*.whl").stdout.split()

    with pytest.raises(CommandFailed):
        running.install("install", "/etc/hostname")  # No wheel: nothing changes.
    assert running.read_link("/opt/noded") == release
    assert running.show("noded", "MainPID") == process

    running.install("install", wheel)
    assert running.read_link("/opt/noded") != release

    running.install("rollback")
    assert running.read_link("/opt/noded") == release
    assert running.show("noded", "ActiveState") == "active"
    assert running.show("noded", "MainPID") != process

    running.install("uninstall")
    assert running.run("systemctl", "is-active", "noded", code=None).stdout == "inactive\n"
    assert running.run("sh", "-c", "ls -d /opt/noded* /usr/local/bin/noded", code=None).stdout == ""
    assert "institution.json" in running.run("ls", f"{HOME}/").stdout
    assert running.run("ls", "/etc/noded").stdout == "passphrase\n"

    running.run("sh", INSTALL, "uninstall", "--purge")
    assert (
        running.run("sh", "-c", "ls -d /etc/noded /var/lib/noded* /var/lib/private/noded*", code=None).stdout
        == ""
    )
