"""`noded-sim bench`: what this machine can do."""

from time import process_time

import click

from sim.cli.options import output_option, show_json


@click.command(name="bench")
@click.option("--nodes", default=300, help="Nodes that do nothing.")
@click.option("--rounds", default=10, help="Broadcasts of each.")
@output_option
def command(nodes: int, rounds: int, output: str) -> None:
    """Measure how many messages the engine delivers a second of processor time, on one core."""
    from sim.bench import measure_engine

    found = measure_engine(nodes, rounds, clock=process_time)
    if output == "json":
        show_json(
            {
                "nodes": found.nodes,
                "messages": found.messages,
                "seconds": found.seconds,
                "messages_per_s": found.messages_per_s,
            }
        )
    else:
        click.echo(f"{found.messages:,} messages among {nodes} nodes: {found.messages_per_s:,.0f} a second")
