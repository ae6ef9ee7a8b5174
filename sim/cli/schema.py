"""`noded-sim schema`: the JSON Schema of scenarios."""

import json

import click


@click.command(name="schema")
def command() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sim.scenario.model import Scenario

    schema = Scenario.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    click.echo(json.dumps(schema, indent=2))
