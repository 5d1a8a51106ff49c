"""Layers behind an output, which take its name, its place and its promise over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracer.network.records import Expectation, Network, Node
from tracer.network.values import mapping
from tracer.source.edits import Edit
from tracer.source.tree import compose, entries


class Behind(NamedTuple):
    """A layer that is put behind an output."""

    suffix: str
    """Of its name, behind the output's own."""
    op: str
    arguments: Mapping[str, Any]


def put_behind(
    network: Network,
    output: Node,
    layers: Sequence[Behind],
) -> list[Edit]:
    """The edits for layers behind the only output: each reads the one before, the last has what is expected."""
    edits: list[Edit] = []
    before = output.name
    for layer in layers:
        name = _free_name(network, f"{output.name}_{layer.suffix}")
        made = {"op": layer.op, "from": before, **layer.arguments}
        if layer is layers[-1] and output.expect is not None:
            made["expect"] = written_shape(output.expect)
        edits.append(Edit((output.section, name), made, after=output.name))
        before = name

    if output.expect is not None:
        edits.append(Edit((output.section, output.name, "expect"), None, removes=True))
    return [*edits, *_renamed(network, output, before)]


def written_shape(expected: Expectation) -> tuple[Any, ...]:
    """A promised shape as a config has it."""
    pattern, _ = expected
    return tuple("_" if dim is None else getattr(dim, "text", dim) for dim in pattern)


def _free_name(
    network: Network,
    wanted: str,
) -> str:
    """A name that no node has."""
    name = wanted
    while name in network.names:
        name += "_"
    return name


def _renamed(
    network: Network,
    output: Node,
    behind: str,
) -> list[Edit]:
    """``output`` names the new layer in the place of the one before it."""
    given = entries(mapping(compose(network.source), "the document")).get("output")
    if given is None:
        return []

    (name,) = network.outputs
    if name != output.name:
        return [Edit(("output", name), behind)]
    expected = network.output_expect.get(name)
    if expected is None:
        return [Edit(("output",), behind)]
    return [Edit(("output",), {behind: written_shape(expected)})]
