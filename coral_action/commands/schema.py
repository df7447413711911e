"""`coral-quantize schema`: the JSON Schema of coral.yml."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of coral.yml, for editors and validators.

    Example: coral-quantize schema > coral.schema.json
    """
    from coral_action.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
