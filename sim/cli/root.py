"""The commands of `noded-sim`, and what becomes of errors."""

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import click

from noded.errors import ConfigError, NodedError

FAILED: Final = 1
CONFIG_INVALID: Final = 3
VERDICT_CODES: Final = {"pass": 0, "stalled": 10, "violated": 11, "model-violated": 12, "crashed": 13}
"""Exit codes by verdict; of several runs the highest counts."""

COMMANDS: Final = {
    "bench": "Measure what the engine delivers on this machine.",
    "calibrate": "Measure what computing costs on this machine.",
    "check": "Check a scenario and show all that it comes to.",
    "compare": "Compare two runs or sweeps.",
    "metrics": "Write the course of runs for Prometheus and the Grafana dashboard.",
    "plot": "Draw the pictures of runs as PDF and PNG, with their data as CSV.",
    "replay": "Run a saved run again and compare its event hash.",
    "report": "Write one HTML page with pictures about runs.",
    "resume": "Go on with a sweep that was interrupted.",
    "run": "Run one scenario.",
    "schema": "Print the JSON Schema of scenarios.",
    "shrink": "Make the scenario of a failing run as small as it can be.",
    "swarm": "Run many scenarios drawn from seeds, and keep those that fail.",
    "sweep": "Run a scenario for every value of its grid.",
    "trace": "Write a window of a run as a Perfetto trace.",
    "validate": "Compare with published measurements, and with real daemons.",
}
"""Every command with what `noded-sim --help` says of it; `sim.cli.NAME` defines it as `command`."""


class _Lazy(click.Group):
    """Imports a command when it is given."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"sim.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def noded_sim() -> None:
    """
    Simulate hundreds of nodes of a permissioned ledger under virtual time.

    The exit status says the verdict: 0 pass, 10 stalled, 11 violated, 12 more was faulty than the protocol bears,
    13 a node crashed; 1 failure, 2 usage, 3 scenario invalid.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        result = noded_sim.main(args=list(arguments), prog_name="noded-sim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except NodedError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIG_INVALID if isinstance(error, ConfigError) else FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {place}{error.strerror}; check the folder, its disk and who owns it", file=sys.stderr)
        return FAILED
    return result if isinstance(result, int) else 0
