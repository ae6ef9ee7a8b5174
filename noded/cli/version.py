"""`noded version`."""

from noded.cli.options import command as declare
from noded.cli.output import Output


@declare(name="version")
def command(output: Output) -> None:
    """Show the version of program, protocol and formats."""
    import platform
    from importlib.metadata import version

    from noded.lightclient import PROOF_VERSION
    from noded.types.block import BLOCK_VERSION
    from noded.types.transaction import TRANSACTION_VERSION

    output.show(
        {
            "noded": version("noded"),
            "block": BLOCK_VERSION,
            "transaction": TRANSACTION_VERSION,
            "proof": PROOF_VERSION,
            "python": platform.python_version(),
        }
    )
