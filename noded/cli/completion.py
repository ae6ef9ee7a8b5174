"""`noded completion`."""

import click

from noded.cli.options import command as declare
from noded.cli.output import Output


@declare(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(output: Output, shell: str) -> None:
    """Print the script that completes commands in a shell: `eval "$(noded completion bash)"`."""
    from click.shell_completion import get_completion_class

    from noded.cli.root import noded

    found = get_completion_class(shell)
    assert found is not None
    script = found(noded, {}, "noded", "_NODED_COMPLETE").source()
    output.show({"shell": shell, "script": script}, lambda data: str(data["script"]))
