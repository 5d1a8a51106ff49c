"""``tracer examples``: the configs that come with the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.commands.options import completed, shown, write_output
from tracer.diagnostics import shortened

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PACKAGE = Path(__file__).resolve().parent.parent


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return completed(examples(), incomplete)


@click.command("examples")
@click.argument("name", required=False, shell_complete=_names)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write NAME to; otherwise standard output.",
)
@click.option("--overwrite", is_flag=True, help="Replace the output where it is there already.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    help="How to show the list: text, unless it is json.",
)
def command(name: str | None, output: str | None, overwrite: bool, format_: str | None) -> None:
    """List the configs that come with the package, or print the one called NAME: real networks to start from."""
    paths = examples()
    if not paths:
        click.echo("the examples are not there: this installation has no configs/", err=True)
        raise click.exceptions.Exit(2)

    if name is not None:
        if format_ is not None:
            raise click.UsageError("--format is for the list; an example is YAML")
        _give(_path_of(name, paths), output, overwrite)
        return

    if output is not None:
        raise click.UsageError("say which example to write: tracer examples NAME -o FILE")
    _list(paths, format_)


def examples() -> dict[str, Path]:
    """The configs by name: those in the installed package, or those of the checkout that it stands in."""
    for folder in (PACKAGE / "configs", PACKAGE.parent / "configs"):
        found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
        if found:
            return found
    return {}


def _path_of(name: str, paths: dict[str, Path]) -> Path:
    """The file of an example, which may be called by its file's name."""
    stem = name.removesuffix(".yaml")
    if stem in paths:
        return paths[stem]

    from tracer.network.values import did_you_mean

    hint = did_you_mean(stem, paths) or "`tracer examples` lists them"
    raise click.UsageError(f"no example is called {shortened(name, 60)!r}; {hint}")


def _give(path: Path, output: str | None, overwrite: bool) -> None:
    """Print the file, or copy it to where nothing is lost."""
    if output is not None and os.path.lexists(output) and not overwrite:
        raise click.UsageError(f"{shown(output)} is there already; --overwrite replaces it")
    write_output(output, path.read_bytes())


def _list(paths: dict[str, Path], format_: str | None) -> None:
    """Print what the examples are."""
    from tracer.views.examples import examples_answer, examples_listing

    texts = {name: path.read_text("utf-8") for name, path in paths.items()}
    answer = examples_answer(texts)
    if format_ == "json":
        from tracer.views.found import to_json

        click.echo(to_json(answer), nl=False)
    else:
        click.echo(examples_listing(answer), nl=False)
