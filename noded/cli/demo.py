"""`noded demo`."""

import sys
from pathlib import Path

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, members


@declare(name="demo")
@click.option(
    "--fhir",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of FHIR R4 documents (*.json) instead of the samples.",
)
@click.option("--nodes", type=click.IntRange(4, 64), default=4, show_default=True, help="Institutions.")
@click.option("--keep", is_flag=True, help="Leave the network's files behind.")
def command(output: Output, fhir: Path | None, nodes: int, keep: bool) -> None:
    """Show the whole story with real nodes on this machine; ends with 0 only if every check holds."""
    from noded.demo.run import run_demo

    result = run_demo(
        fhir=fhir, nodes=nodes, keep=keep, say=lambda line: print(line, file=sys.stderr, flush=True)
    )
    output.show(result, _summary)
    failed = [check["name"] for check in result["checks"] if not check["ok"]]
    if failed:
        raise CommandFailed(f"these checks failed: {', '.join(failed)}")


def _summary(result: Json) -> str:
    """The figures; each check was told when it was made."""
    checks = result["checks"]
    held = sum(check["ok"] for check in checks)
    return members({**result, "checks": f"{held} of {len(checks)} hold"})
