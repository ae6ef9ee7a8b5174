"""`noded start`: run the node of a home until it is told to stop."""

import os
from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Output


@declare(name="start")
@home_option
def command(output: Output, home: Path) -> None:
    """Run the node of a home, until SIGTERM or SIGINT; its log goes to stderr."""
    from noded.config.loading import load
    from noded.daemon.main import run_daemon

    run_daemon(load(home, os.environ))
