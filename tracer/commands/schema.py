"""``tracer schema``: the JSON Schemas of the config language and of the JSON answers."""

from __future__ import annotations

from typing import Any

import click


@click.command("schema")
@click.argument("which", type=click.Choice(["language", "trace", "check", "plan", "sizes"]), default="language")
def command(which: str) -> None:
    """Print a JSON Schema: of the config language (for editors), or of a command's JSON answer."""
    from tracer.views.answers import CheckAnswer, TraceAnswer, to_json
    from tracer.views.plan import PlanAnswer
    from tracer.views.schema import answer_schema, language_schema
    from tracer.views.sizes import SizesAnswer

    answers: dict[str, Any] = {"trace": TraceAnswer, "check": CheckAnswer, "plan": PlanAnswer, "sizes": SizesAnswer}
    schema = language_schema() if which == "language" else answer_schema(answers[which])
    click.echo(to_json(schema), nl=False)
