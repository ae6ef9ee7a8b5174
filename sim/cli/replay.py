"""`noded-sim replay`: a saved run, once more."""

from pathlib import Path

import click

from sim.cli.options import output_option, show_json


@click.command(name="replay")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@output_option
def command(run: Path, output: str) -> int:
    """Run the scenario of a saved run again; fails if anything happens that did not happen then."""
    from sim.cli.progress import shown
    from sim.cli.root import FAILED, VERDICT_CODES
    from sim.results import code_digest, files_digest, load, summary
    from sim.run import Options, simulate

    saved = load(run)
    with shown(saved.scenario.name, quiet=output == "json") as report:
        result = simulate(saved.scenario, Options(keep_going=saved.manifest.get("kept_going", False)), report)
    before = saved.summary["event_hash"]
    is_same = before == result.event_hash
    is_same_code = saved.manifest["versions"]["code"] == code_digest()
    are_same_files = saved.manifest.get("files") == files_digest(saved.scenario)
    if output == "json":
        show_json(
            {
                **summary(result),
                "replayed_event_hash": before,
                "is_same": is_same,
                "is_same_code": is_same_code,
                "are_same_files": are_same_files,
            }
        )
    else:
        click.echo(f"verdict     {result.verdict}")
        click.echo(f"event hash  {result.event_hash}")
        if is_same:
            click.echo("the same run")
        else:
            why = "" if is_same_code else "; the code has changed since"
            why += "" if are_same_files else "; the files that the scenario names have changed since"
            click.echo(f"another run: it was {before}{why}")
    return VERDICT_CODES[result.verdict] if is_same else FAILED
