"""`noded config`."""

import os
from pathlib import Path

import click

from noded.cli.options import FILE, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table


@click.group("config")
def command() -> None:
    """Show, check and compare a node's settings."""


@declare(command, name="show")
@home_option
def show(output: Output, home: Path) -> None:
    """Show all settings in force: defaults, the home's file, the environment."""
    from noded import config

    loaded = config.load(home, os.environ)
    output.show(loaded.model_dump(mode="json"), lambda _: config.show(loaded))


@declare(command, name="validate")
@home_option
@click.argument("file", type=FILE, required=False)
def validate(output: Output, home: Path, file: Path | None) -> None:
    """Check the settings of the home, or a FILE that shall take their place; exit code 3 says that they are bad."""
    from noded import config

    config.load(home, os.environ, file=file)
    checked = file or home / config.CONFIG_NAME
    output.show({"ok": True, "file": str(checked)}, lambda data: f"{data['file']}: the settings are good")


@declare(command, name="schema")
def schema(output: Output) -> None:
    """Print the JSON Schema of the settings file."""
    import json

    from noded import config

    output.show(config.schema(), lambda data: json.dumps(data, indent=2))


@declare(command, name="diff")
@home_option
@click.argument("file", type=FILE)
def diff(output: Output, home: Path, file: Path) -> None:
    """Show what would be different with another FILE in the place of the home's, and what needs a restart."""
    from noded import config

    changes = config.diff(config.load(home, os.environ), config.load(home, os.environ, file=file))
    data = {
        "changes": [
            {
                "key": change.key,
                "old": _plain(change.old),
                "new": _plain(change.new),
                "needs_restart": change.needs_restart,
            }
            for change in changes
        ]
    }
    output.show(data, _show_changes)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _show_changes(data: Json) -> str:
    if not data["changes"]:
        return "no setting differs"
    rows = [(each["key"], each["old"], each["new"], each["needs_restart"]) for each in data["changes"]]
    return table(("key", "now", "then", "restart"), rows)
