"""The commands of `noded`, and what becomes of errors."""

import importlib
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import click

from noded.cli.exits import FAILED, exit_code
from noded.cli.output import Output
from noded.errors import NodedError

COMMANDS: Final = {
    "access": "Ask for records of other institutions, answer requests, see who asked.",
    "backup": "Back up a whole home, and bring it back.",
    "bench": "Measure a network of real nodes on this machine.",
    "breakglass": "Emergency access without the patient, and its review.",
    "completion": "Print the script that completes commands in a shell.",
    "condition": "Write conditions of consents from FHIR or the Data Use Ontology.",
    "config": "Show, check and compare a node's settings.",
    "consent": "Grant, amend, revoke and list a patient's consents.",
    "db": "Check, prune, roll back and migrate the store.",
    "debug": "Gather what someone who helps needs to see.",
    "delegate": "Let others act for a patient for a time, and end it.",
    "demo": "Show the whole story with real nodes on this machine.",
    "doctor": "Say what is wrong with the node, and what to do.",
    "erasure": "Demand that a record be erased, carry it out, and see who has not.",
    "events": "Follow what happens on the ledger.",
    "fhir": "Import FHIR documents as records.",
    "genesis": "Make, show and check the founding document.",
    "group": "Name groups of members, to whom patients can give one consent.",
    "init": "Make a node's home: keys, settings, particulars.",
    "join": "Accept a member's invitation to its chain.",
    "keys": "Make, list, rotate, export and import a node's keys.",
    "member": "Invite and register an institution, change what is known of a member, suspend it.",
    "patient": "Register patients, and make and rotate their pairwise keys.",
    "peers": "List the other members and their connections.",
    "policy": "Show who may send what.",
    "proof": "Prove ledger entries, and verify proofs without a node.",
    "query": "Read blocks, transactions, members and single entries.",
    "ready": "Declare that this member's node runs, so that it may vote.",
    "record": "Get, list, amend and withdraw records.",
    "reload": "Have the running node read its settings again.",
    "reputation": "Show reputations, and explain where they come from.",
    "snapshot": "Make, list, verify and restore snapshots of the ledger.",
    "start": "Run the node of a home.",
    "status": "Show how the node stands, and why the chain does if it does.",
    "testnet": "Make the homes of a whole network on this machine.",
    "tokens": "Make, list and revoke what clients of the HTTP API show.",
    "top": "Watch how node, chain and members stand.",
    "tx": "Send transactions and wait until they are final.",
    "validators": "Show who may vote in this epoch, with which power.",
    "version": "Show the version of program, protocol and formats.",
    "vote": "Put something to the vote of the members, and vote.",
}
"""Every command with what `noded --help` says of it; `noded.cli.NAME` defines it as `command`."""


class _Lazy(click.Group):
    """Imports a command when it is given, so that none pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"noded.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def noded() -> None:
    """
    A node of a permissioned ledger for medical records.

    `noded demo` shows everything at once. Commands reach their node through the unix socket in its home.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code: 0 ok, 1 failure, 2 usage, 3 config, 4 not reachable, 5 unsafe."""
    output = Output()
    try:
        result = noded.main(args=list(arguments), prog_name="noded", standalone_mode=False, obj=output)
    except click.ClickException as error:
        error.show()
        output.is_json = "--output=json" in arguments or ("--output", "json") in pairwise(arguments)
        output.failed_as_said({"name": type(error).__name__, "message": error.format_message()})
        return error.exit_code
    except click.Abort:
        return 130
    except NodedError as error:
        output.failed({"name": type(error).__name__, "message": str(error)}, str(error))
        return exit_code(error)
    except BrokenPipeError:
        sys.stderr.close()  # Whoever read stdout went away, as `head` does; nobody is left to be told.
        return FAILED
    except OSError as error:
        message = f"{error.filename or 'the system'}: {error.strerror or error}"
        output.failed({"name": type(error).__name__, "message": message}, message)
        return FAILED
    return result if isinstance(result, int) else 0
