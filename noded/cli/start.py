"""`noded start`."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Output


@declare(name="start")
@home_option
def command(output: Output, home: Path) -> None:
    """Run the node of a home until SIGTERM; it logs to stderr, as JSON where that is no terminal."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = (
        "1"  # It would look for some in every distribution that is installed.
    )
    gc.disable()  # Until the node is complete: all that is made by then stays, and to look through it takes time.
    from noded.config import load
    from noded.ops.home import open_keys
    from noded.storage.lock import HomeLock

    config = load(home, os.environ)
    with HomeLock(config.home):
        with ThreadPoolExecutor(max_workers=1) as pool:
            opening = pool.submit(open_keys, config)  # Stretches the passphrase while Python reads the rest.
            from noded.daemon.main import run_daemon
        run_daemon(config, opening.result())
    output.show({"stopped": str(home)}, lambda data: f"{data['stopped']}: the node has stopped")
