"""Layers that enlarge take their size from a node when the network runs: the skip, or the map that was pooled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracer.network.graph import skip_of
from tracer.network.records import Node
from tracer.ops.base import Op
from tracer.ops.resize import Interpolate, Upsample
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.solved import is_unpooling, is_up_layer, leads_to_fault, named
from tracer.repairing.writing import Path, path_of
from tracer.source.edits import Edit


def candidates(bench: Bench) -> Iterator[Candidate]:
    """``output_size: NODE`` and ``size: NODE``, for the layers at the fault alone and for all of their kind."""
    kinds = (is_enlarging,) if bench.is_large else (is_up_layer, is_resize, is_enlarging)
    for is_of_kind in kinds:
        layers = list(filter(is_of_kind, bench.network.nodes))
        near = [node for node in layers if leads_to_fault(bench, node)]
        yield from _near_fault(bench, near)
        if near != layers:
            yield from _sized(bench, layers, "skip")

    unpoolings = list(filter(is_unpooling, bench.network.nodes))
    failing = list(filter(bench.is_at_fault, unpoolings))
    yield from _sized(bench, failing, "map that is pooled")
    yield from _sized(bench, unpoolings, "map that is pooled")


def _near_fault(bench: Bench, near: list[Node]) -> Iterator[Candidate]:
    """Those that meet a skip, and all that lead to the fault."""
    meeting = [node for node in near if skip_of(node, bench.readers) is not None]
    if near == meeting or not _is_promised_by_sizes(bench):
        yield from _sized(bench, meeting, "skip")
    if near != meeting:
        yield from _sized(bench, near, "skip")


def _is_promised_by_sizes(bench: Bench) -> bool:
    """Whether an output's size is promised over the input's: the last layer has to keep that at all sizes."""
    promised = list(bench.network.output_expect.values())
    promised += [node.expect for node in bench.network.outputs.values() if node.expect]
    return any(isinstance(dim, str) for dims, _ in promised for dim in dims[2:])


def is_enlarging(node: Node) -> bool:
    """A transposed convolution or a resize whose size is not given by another node."""
    return is_up_layer(node) or is_resize(node)


def is_resize(node: Node) -> bool:
    """A resize whose size is not given by another node."""
    return isinstance(node.op, (Upsample, Interpolate)) and not node.operands


def size_argument(op: Op | None) -> str:
    """The argument of a layer that names the node whose size it takes.

    >>> size_argument(Upsample(scale_factor=2))
    'size'
    """
    return "size" if isinstance(op, (Upsample, Interpolate)) else "output_size"


def _sized(bench: Bench, layers: Sequence[Node], what: str) -> Iterator[Candidate]:
    """The sizes of some layers, taken from the node that each has to meet."""
    found: dict[Path, Edit] = {}
    words = []
    for node in layers:
        model = model_of(bench, node)
        name = None if model is None else bench.name_for(model, node)
        if name is None:
            continue
        word = size_argument(node.op)
        words.append(word)
        place = path_of(node, node.declaration)
        sized: Path = (*place, word)
        found[sized] = Edit(sized, name)
        if "scale_factor" in node.declaration.arguments:
            factor: Path = (*place, "scale_factor")
            found[factor] = Edit(factor, None, removes=True)

    edits = list(found.values())
    if edits:
        said = " and ".join(dict.fromkeys(words))
        yield Candidate(
            f"{said} of {named(edits)}, taken from the {what} at run time", edits, Kind.SIZED
        )


def model_of(bench: Bench, node: Node) -> Node | None:
    """The node whose size a layer should have: the map that was pooled, or the skip that it meets.

    Of a layer that no merge follows, the input, where its output should be as large.
    """
    pool = node.operands.get("indices")
    if pool is not None:
        return pool.inputs[0]
    skip = skip_of(node, bench.readers)
    if skip is not None:
        return skip

    inputs = [one for one in bench.network.nodes if one.is_input]
    return inputs[0] if len(inputs) == 1 and not node.uses else None
