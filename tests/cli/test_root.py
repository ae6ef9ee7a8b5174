"""Every command is there, cheap to reach, and its errors have codes that scripts can tell apart."""

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from noded.cli.exits import CommandFailed, Refused, exit_code
from noded.cli.root import COMMANDS, run
from noded.client.answers import NodeUnreachable
from noded.errors import ConfigError, NodedError, StorageError, UnsafeToSign
from noded.keys.errors import KeyExists, KeystoreMissing
from noded.ops.home import HomeExists
from noded.storage.errors import (
    DiskFull,
    HomeLocked,
    SchemaTooNew,
    SchemaTooOld,
    StoreCorrupt,
    WalCorrupt,
    WalForeign,
)
from tests.helpers.command import Captured, complaint, said, told

HEAVY = ("asyncio", "fastapi", "libp2p", "pydantic", "rich", "sqlite3", "trio")
"""What a command that only asks must not load."""


def subcommands(command: click.Command) -> list[click.Command]:
    return list(command.commands.values()) if isinstance(command, click.Group) else [command]


@pytest.mark.parametrize("name", COMMANDS)
class TestEveryCommand:
    def test_is_defined_in_its_own_file(self, name: str) -> None:
        command = importlib.import_module(f"noded.cli.{name}").command

        assert command.name == name

    def test_has_help(self, name: str, capsys: Captured) -> None:
        assert "Usage:" in said(capsys, name, "--help")
        for command in subcommands(importlib.import_module(f"noded.cli.{name}").command):
            assert command.help, command.name

    def test_takes_output(self, name: str) -> None:
        for command in subcommands(importlib.import_module(f"noded.cli.{name}").command):
            assert "output" in [parameter.name for parameter in command.params], command.name


def test_the_list_is_in_order_and_complete(capsys: Captured) -> None:
    files = {
        path.stem for path in Path(str(importlib.import_module("noded.cli").__file__)).parent.glob("*.py")
    }
    shared = {"__init__", "exits", "options", "output", "ownership", "parsing", "root", "terms"}

    assert list(COMMANDS) == sorted(COMMANDS)
    assert files - shared == set(COMMANDS)


@pytest.mark.parametrize("arguments", [["status", "--home", "/nowhere"], ["--help"]])
def test_asking_loads_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from noded.cli.root import run; "
        f"code = run({arguments!r}); "
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] in ("4 []", "0 []")


class TestExitCodes:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (CommandFailed("x"), 1),
            (StorageError("x"), 1),
            (NodedError("x"), 1),
            (ConfigError("x"), 3),
            (KeystoreMissing(Path("x")), 3),
            (NodeUnreachable("x"), 4),
            (Refused("x"), 5),
            (UnsafeToSign("x"), 5),
            (HomeExists(Path("x")), 5),
            (HomeLocked(Path("x"), 7), 5),
            (KeyExists(Path("x"), "consensus"), 5),
            (SchemaTooOld("x", 1, 2), 5),
            (SchemaTooNew("x", 3, 2), 5),
            (StoreCorrupt("x", "why"), 5),
            (WalCorrupt("x", 7, "why"), 5),
            (WalForeign("x"), 5),
            (DiskFull("x"), 1),
        ],
    )
    def test_say_whose_fault_it_is(self, error: NodedError, code: int) -> None:
        assert exit_code(error) == code

    def test_a_home_without_a_node_is_not_reachable(self, tmp_path: Path, capsys: Captured) -> None:
        said = complaint(capsys, "status", "--home", tmp_path, code=4)

        assert "no node answers" in said
        assert f"`noded start --home {tmp_path}`" in said

    def test_a_home_that_is_not_there_is_named_before_anything_is_done(
        self, tmp_path: Path, capsys: Captured
    ) -> None:
        missing = tmp_path / "none"

        for command in (("start",), ("config", "validate"), ("config", "show")):
            assert f"{missing}: there is no home here" in complaint(
                capsys, *command, "--home", missing, code=3
            )
        assert not missing.exists()

    def test_bad_settings_are_config(self, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "config.toml").write_text("[network]\nlisten = 5\n")

        error = complaint(capsys, "config", "validate", "--home", tmp_path, code=3)

        assert "network.listen" in error

    @pytest.mark.parametrize(
        "arguments", [["nonsense"], ["keys", "show"], ["status", "--output", "xml"], ["tx"]]
    )
    def test_mistakes_on_the_command_line_are_usage(self, arguments: list[str], capsys: Captured) -> None:
        assert "Usage:" in complaint(capsys, *arguments, code=2)

    def test_a_failure_is_one_json_object_too(self, tmp_path: Path, capsys: Captured) -> None:
        data = told(capsys, "status", "--home", tmp_path, code=4)

        assert data["error"]["name"] == "NodeUnreachable"
        assert str(tmp_path) in data["error"]["message"]

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["keys", "show"], "Missing argument"),
            (["status", "--nonsense"], "--nonsense"),
            (["patient", "register", "--count", "none"], "--count"),
            (["access", "request", "--actor", "x"], "give either a RECORD or --patient"),
        ],
    )
    def test_a_mistake_on_the_command_line_is_one_json_object_too(
        self, arguments: list[str], why: str, capsys: Captured
    ) -> None:
        assert why in told(capsys, *arguments, code=2)["error"]["message"]

    def test_a_missing_file_is_named(self, tmp_path: Path, capsys: Captured) -> None:
        error = complaint(capsys, "proof", "verify", tmp_path / "none", "--chain-id", "00" * 32, code=1)

        assert str(tmp_path / "none") in error

    def test_a_reader_that_leaves_is_no_traceback(self) -> None:
        done = subprocess.run(
            f"{sys.executable} -m noded config schema | head -c 1", shell=True, capture_output=True, text=True
        )

        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_program(shell: str, capsys: Captured) -> None:
    assert "_NODED_COMPLETE" in said(capsys, "completion", shell)


def test_the_version_is_that_of_the_package(capsys: Captured) -> None:
    from noded import __version__

    assert told(capsys, "version")["noded"] == __version__


def test_run_gives_the_code_back() -> None:
    assert run(["--help"]) == 0
