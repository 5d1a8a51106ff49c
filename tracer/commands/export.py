"""``tracer export``: the network for other tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.commands.options import (
    Overrides,
    files,
    need,
    network_options,
    sizes_of,
    write_output,
)
from tracer.commands.reading import complain, loaded
from tracer.commands.waiting import waiting
from tracer.diagnostics import TracerError

if TYPE_CHECKING:
    from tracer.net import Net

NEEDED = {
    "torch": [("torch", "torch")],
    "onnx": [("torch", "torch"), ("onnx", "onnx"), ("onnxscript", "onnx")],
}
"""The formats that torch writes, with the modules that they need and the extras that have these."""

ENDINGS = {".py": "torch", ".onnx": "onnx"}
"""Formats by the ending of the file."""

NAMED = 3
"""So many buffers are named."""


@click.command("export")
@click.argument("config", shell_complete=files)
@network_options
@click.option(
    "--to",
    type=click.Choice(["torch", "onnx", "nnunet", "bioimageio"]),
    help="torch: one Python file that needs only torch. onnx: a model. nnunet: the architecture in plans (JSON). "
    "bioimageio: the inputs and outputs of a model description (YAML).",
)
@click.option(
    "--residue",
    "residues",
    multiple=True,
    metavar="SYMBOL=N,...",
    help="For bioimageio: describe the class of sizes that N belongs to.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write; otherwise standard output.",
)
def command(
    config: str,
    overrides: Overrides,
    to: str | None,
    residues: tuple[str, ...],
    output: str | None,
) -> None:
    """Write CONFIG as a torch module, an ONNX model with torch's initial weights, nnU-Net plans, or a description.

    An ONNX model keeps the config's symbols open where torch's exporter can. It is run at its own sizes and at others,
    and compared with the trace, as are what onnx infers of it and what is read of it again. Exit code 3 where they
    differ, 1 where it cannot be run; then nothing is written. Plans are written for U-Nets of stages, and read again:
    where the network is another one, exit code 1 says what differs. They have the `architecture` of a configuration,
    its patch and batch, to paste into a plans.json; spacing, normalization and the like are nnU-Net's own.

    A description of BioImage.IO (rdf.yaml) has the sizes of each input's axes as `min + step*k`, those of the outputs
    by scale and offset, and the halo of each. Where sizes follow each other otherwise, exit code 1 says which node.
    """
    kind = _kind(to, output)
    if residues and kind != "bioimageio":
        raise click.UsageError("--residue is for --to bioimageio")
    like = sizes_of(residues, "--residue")
    for module, extra in NEEDED.get(kind, ()):
        need(module, extra)

    text, net = loaded(config, overrides, partial(complain, config=config))
    try:
        content = _description(net, like) if kind == "bioimageio" else WRITERS[kind](net)
    except TracerError as error:
        complain(error.diagnostics, text, config=config)
        raise click.exceptions.Exit(1) from None
    if kind in NEEDED:
        _tell_unwritten(net)
    write_output(output, content)


def _kind(to: str | None, output: str | None) -> str:
    """The format that is asked for."""
    kind = to or ENDINGS.get(Path(output or "").suffix)
    if kind is None:
        raise click.UsageError(
            "say what to write: --to torch, --to nnunet, --to bioimageio, -o NAME.py or -o NAME.onnx"
        )
    if kind == "onnx" and output is None:
        raise click.UsageError("say where to write the model: -o NAME.onnx")
    return kind


def _tell_unwritten(net: Net) -> None:
    """Lines on standard error where a network has values that no config has."""
    from tracer.torch_bridge.unwritten import made_at_run_time, unwritten_in

    found = {
        "values of buffers are not written, load them": unwritten_in(net.network),
        "zeros stand for what the module makes at run time": made_at_run_time(
            net.network, net.built.ops
        ),
    }
    for what, several in found.items():
        names = list(several)
        listed = ", ".join(names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        if names:
            click.echo(f"{what}: {listed}{more}", err=True)


def _source(net: Net) -> bytes:
    from tracer.torch_bridge.source import torch_source

    with waiting("the module is written"):
        return torch_source(net).encode("utf-8")


def _onnx(net: Net) -> bytes:
    """The model; warnings go to standard error. Where it is not what the trace says, the command ends."""
    from tracer.torch_bridge.onnx_export import onnx_export

    with waiting("the model is exported and compared"):
        exported = onnx_export(net)
    if exported.fixed:
        click.echo(
            f"its sizes are fixed, as torch's exporter does not keep them open: {exported.fixed}",
            err=True,
        )
    if exported.unread:
        click.echo(f"not compared by reading it again: {exported.unread}", err=True)
    for difference in exported.differences:
        click.echo(f"differs from the trace: {difference}", err=True)
    if exported.uncompared:
        click.echo(f"not written, as it cannot be compared: {exported.uncompared}", err=True)
    if exported.differences:
        raise click.exceptions.Exit(3)
    if exported.uncompared:
        raise click.exceptions.Exit(1)
    return exported.model


def _plans(net: Net) -> bytes:
    """nnU-Net's plans; what they leave open goes to standard error."""
    from tracer.neighbours.plans_writing import plans_of

    with waiting("the plans are written and read again"):
        written = plans_of(net)
    click.echo(written.told, err=True)
    return written.text.encode("utf-8")


def _description(net: Net, like: Mapping[str, int]) -> bytes:
    """BioImage.IO's description; what was chosen goes to standard error."""
    from tracer.neighbours.bioimageio_writing import description_of

    try:
        with waiting("the sizes are described"):
            written = description_of(net, like)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--residue") from None
    for line in written.told:
        click.echo(line, err=True)
    return written.text.encode("utf-8")


WRITERS: Mapping[str, Callable[[Net], bytes]] = {
    "torch": _source,
    "onnx": _onnx,
    "nnunet": _plans,
}
"""What writes a network, by its format."""
