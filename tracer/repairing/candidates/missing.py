"""A layer that is missing: one that enlarges or shrinks by a whole factor, or the merge with a skip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.ops.pooling import Pooling
from tracer.repairing.bench import Bench, one_or_several
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.solved import single
from tracer.repairing.candidates.wiring import expectation
from tracer.source.edits import Edit


class _Resizing(NamedTuple):
    """A layer that changes the size by a whole factor."""

    op: str
    argument: str
    """The factor's."""
    said: str


ENLARGING = _Resizing("Upsample", "scale_factor", "enlarged")

MOST = 2
"""Skips that are joined, and layers that a pool is put before, at most."""

AXES = (1, 2, 3)
"""Spatial axes that torch's layers have."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """A factor before a merge or before what is expected, a skip before a layer that is made for more channels."""
    merge = bench.failing_merge
    if merge is not None and not merge.uses:
        yield from islice(_pools_behind_skip(bench, merge), MOST)
        yield from _factors_before(bench, merge)
    unmet = bench.first_with("T304")
    if unmet is not None:
        yield from _factor_before(bench, unmet)
    layer = bench.first_with("T204")
    if layer is not None and not layer.uses:
        yield from islice(_skip_before(bench, layer), MOST)


# --- a factor --------------------------------------------------------------------------------------------------------


def _factors_before(bench: Bench, merge: Node) -> Iterator[Candidate]:
    """Each input that is smaller by a whole factor is enlarged by it; or each larger one is pooled."""
    spatial = [shape[2:] for shape in bench.trace.input_shapes(merge) if shape is not None]
    axes = {len(sizes) for sizes in spatial}
    if len(spatial) != len(merge.inputs) or len(axes) != 1:
        return
    count = axes.pop()
    if count not in AXES:
        return

    pooling = _Resizing(f"MaxPool{count}d", "kernel_size", "pooled")
    largest, least = max(spatial), min(spatial)
    up = [factor_of(one, largest) for one in spatial]
    down = [factor_of(least, one) for one in spatial]
    yield from _inserted(bench, merge, up, ENLARGING)
    yield from _inserted(bench, merge, down, pooling)


def _inserted(
    bench: Bench, merge: Node, factors: Sequence[int], resizing: _Resizing
) -> Iterator[Candidate]:
    """A new layer before each input whose factor is not 1; nothing where one has no factor."""
    section, own = merge.section, merge.declaration.name
    edits, told, after = [], [], []
    for name, factor in zip(bench.written_names(merge), factors):
        made = name
        if factor > 1:
            made = f"{own}_{name.replace('.', '_')}"
            layer: dict[str, Any] = {
                "op": resizing.op,
                "from": name,
                resizing.argument: factor,
            }
            edits.append(Edit((section, made), layer, before=own))
            told.append(f"{name} by {factor}")
        after.append(made)

    if edits and 0 not in factors:
        edits.append(Edit((section, own, "from"), one_or_several(after)))
        title = f"a factor is missing before {own}: {', '.join(told)} {resizing.said}"
        # Maps of three and more strides in one merge are those of a pyramid.
        is_pyramid = resizing is ENLARGING and len(told) > 1
        kind = Kind.FORGOTTEN if is_pyramid else Kind.REBUILT
        yield Candidate(title, edits, kind)


def _pools_behind_skip(bench: Bench, merge: Node) -> Iterator[Candidate]:
    """A pool as the network has others, between a skip and the layer behind it: the decoder's map is larger by that."""
    if len(merge.inputs) != 2:
        return
    own = bench.decoder_of(merge)
    skip = merge.inputs[1 - own]
    small, large = bench.shape(skip), bench.shape(merge.inputs[own])
    if small is None or large is None or len(small) != len(large):
        return

    factor = factor_of(small[2:], large[2:])
    pool = _pool_by(bench, factor)
    if pool is None:
        return
    layer = {"op": pool.op_name, "kernel_size": factor}
    for reader in bench.readers.get(skip.index, []):
        if reader is merge:
            continue
        edits = put_before(reader, list(reader.inputs).index(skip), layer, "pooled")
        name = reader.uses[0].name if reader.uses else reader.declaration.name
        title = f"a pool is missing before {name}, as {pool.declaration.name} is"
        yield Candidate(title, edits, Kind.FORGOTTEN, Oddness.USUAL)


def _pool_by(bench: Bench, factor: int) -> Node | None:
    """The first pool that shrinks by a factor, and does nothing else."""
    if factor < 2:
        return None
    pools = (node for node in bench.network.nodes if isinstance(node.op, Pooling))
    return next((pool for pool in pools if _is_plain(pool.op, factor)), None)


def _is_plain(pool: Any, factor: int) -> bool:
    """Whether the windows of a pool lie side by side, each of the factor's size."""
    kernel, stride = single(pool.kernel_size), single(pool.stride)
    padding = single(getattr(pool, "padding", 0))
    return kernel == factor and stride in (None, factor) and not padding


def factor_of(small: Sequence[int], large: Sequence[int]) -> int:
    """The whole number by which every size of one map is that of the other; 0 where there is none."""
    if any(a < 1 or b % a for a, b in zip(small, large)):
        return 0
    found = {b // a for a, b in zip(small, large)}
    return found.pop() if len(found) == 1 else 0


def _factor_before(bench: Bench, node: Node) -> Iterator[Candidate]:
    """The map that comes to a node is smaller than expected by a whole factor."""
    shape = bench.shape(node) or ()
    expected = expectation(bench, node) or ()
    top = node.uses[0] if node.uses else node.declaration
    is_alike = len(shape) == len(expected) and len(shape) in (3, 4, 5)
    if not is_alike or None in expected[2:] or len(top.inputs or []) > 1:
        return
    factor = factor_of(shape[2:], expected[2:])
    if factor < 2:
        return

    layer = _enlarging(factor, shape, expected)
    title = f"a factor is missing before {top.name}: enlarged by {factor}"
    yield Candidate(title, put_before(node, 0, layer), Kind.REBUILT)


def _enlarging(factor: int, shape: Shape, expected: Shape) -> dict[str, Any]:
    """A layer that enlarges by a factor, and makes other channels where others are expected."""
    channels = expected[1]
    if channels in (None, shape[1]):
        return {"op": "Upsample", "scale_factor": factor}
    return {
        "op": f"ConvTranspose{len(shape) - 2}d",
        "out_channels": channels,
        "kernel_size": factor,
        "stride": factor,
    }


def put_before(
    node: Node, position: int, layer: Mapping[str, Any], said: str = "enlarged"
) -> list[Edit]:
    """A new layer before a node, or the use of its block, which reads it in the place of one of its inputs."""
    reader = node.uses[0] if node.uses else node.declaration
    made = f"{reader.name}_{said}"
    if not reader.inputs:
        return [Edit((node.section, made), {**layer}, before=reader.name)]

    names = [one.value for one in reader.inputs]
    placed = {**layer, "from": names[position]}
    names[position] = made
    return [
        Edit((node.section, made), placed, before=reader.name),
        Edit((node.section, reader.name, "from"), one_or_several(names)),
    ]


# --- a skip ----------------------------------------------------------------------------------------------------------


def _skip_before(bench: Bench, layer: Node) -> Iterator[Candidate]:
    """A Concat with a map of the same size that has the channels which a layer is made for and does not get."""
    wanted = getattr(layer.op, "in_channels", None)
    names = bench.written_names(layer)
    shape = bench.trace.input_shapes(layer)[0] if len(names) == 1 else None
    if wanted is None or shape is None or len(shape) < 3 or wanted <= shape[1]:
        return

    missing = wanted - shape[1]
    model = (shape[0], missing, *shape[2:])
    alike = [one for one in bench.before(layer) if bench.shape(one) == model]
    for other in alike:
        skip = bench.name_for(other, layer)
        if skip is None or skip in names or not _ends_a_level(bench, other):
            continue
        own = layer.declaration.name
        joined: dict[str, Any] = {"op": "Concat", "from": (names[0], skip)}
        edits = [
            Edit((layer.section, f"{own}_joined"), joined, before=own),
            Edit((layer.section, own, "from"), f"{own}_joined"),
        ]
        title = f"{own} reads {names[0]} and {skip}: {wanted} = {shape[1]} + {missing} channels"
        yield Candidate(title, edits, Kind.FORGOTTEN, Oddness.NATURAL)


def _ends_a_level(bench: Bench, node: Node) -> bool:
    """Whether a node is the last of its size, and no merge reads it yet."""
    readers = bench.readers.get(node.index, [])
    if any(len(reader.inputs) > 1 for reader in readers):
        return False
    sizes = (bench.shape(node) or ())[2:]
    return any((bench.shape(reader) or ())[2:] != sizes for reader in readers)
