"""``tracer schema``: the JSON Schemas of the config language and of the JSON answers."""

from __future__ import annotations

from typing import Any

import click

ANSWERS = (
    "trace",
    "check",
    "plan",
    "sizes",
    "verify",
    "compare",
    "constraints",
    "tile",
    "examples",
)


@click.command("schema")
@click.argument("which", type=click.Choice(["language", *ANSWERS]), default="language")
def command(which: str) -> None:
    """Print a JSON Schema: of the config language (for editors), or of a JSON answer."""
    from tracer.planning.constraints import ConstraintsAnswer
    from tracer.views.answers import TraceAnswer
    from tracer.views.comparison import CompareAnswer
    from tracer.views.examples import ExamplesAnswer
    from tracer.views.found import CheckAnswer, to_json
    from tracer.views.plan import PlanAnswer
    from tracer.views.schema import answer_schema, language_schema
    from tracer.views.sizes import SizesAnswer
    from tracer.views.tiling import TileAnswer
    from tracer.views.verify import VerifyAnswer

    records: tuple[Any, ...] = (
        TraceAnswer,
        CheckAnswer,
        PlanAnswer,
        SizesAnswer,
        VerifyAnswer,
        CompareAnswer,
        ConstraintsAnswer,
        TileAnswer,
        ExamplesAnswer,
    )
    schema = (
        language_schema()
        if which == "language"
        else answer_schema(dict(zip(ANSWERS, records))[which])
    )
    click.echo(to_json(schema), nl=False)
