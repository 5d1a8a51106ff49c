"""Merges that cut, pad or resize the decoder's map, or cut the skip."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.network.graph import merge_behind
from tracer.network.records import Node
from tracer.ops.merge import Merge
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.solved import named
from tracer.repairing.writing import Path, path_of
from tracer.source.edits import Edit

ROUNDS = 16
"""Merges that are aligned, one after the other, before a repair is given up."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """``align`` on every merge that does not close, from the first on; ``decoder`` where the skip comes first."""
    for merge in _merges(bench):
        for mode in ("crop", "pad", "resize"):
            yield from _aligned(bench, merge, mode)


def _merges(bench: Bench) -> list[Node]:
    """The first merge that does not close; where no values of ``auto`` serve, those behind layers that have one."""
    if bench.failing_merge is not None:
        return [bench.failing_merge]
    if bench.aim is not None:
        return []
    behind = [
        merge_behind(node, bench.readers) for node in bench.network.nodes if node.unknowns
    ]
    merges = list(dict.fromkeys(merge for merge in behind if merge is not None))
    if bench.first_with("T006") is None:
        return merges

    # Each is searched as long as the whole network was.
    bench.left_out = len(merges) > 1
    return merges[:1]


def _aligned(bench: Bench, first: Node, mode: str) -> Iterator[Candidate]:
    """One way to align, at each merge that fails in turn."""
    edits: dict[Path, Edit] = {}
    merge: Node | None = first
    for _ in range(ROUNDS):
        if merge is None:
            break
        if mode != "resize" and _is_factor_apart(bench, merge):
            return
        place = path_of(merge, merge.declaration)
        align: Path = (*place, "align")
        if align in edits:
            return
        edits |= _of_merge(bench, merge, mode)

        made = bench.loaded(list(edits.values()))
        if made is None:
            return
        edited = Bench.at(made[1], bench)
        merge = _same(bench, edited.failing_merge)
        if merge is not None and edited.first_with("T006") is not None:
            return
    if edits:
        yield _of_edits(list(edits.values()), mode)


def _of_edits(edits: list[Edit], mode: str) -> Candidate:
    is_named = all(edit.path[-1] == "decoder" for edit in edits)
    kind = Kind.FORGOTTEN if is_named else Kind.ALIGNED
    return Candidate(f"align: {mode} at {named(edits)}", edits, kind)


def _is_factor_apart(bench: Bench, merge: Node) -> bool:
    """Whether the inputs differ by so much that a factor is missing, and not some rows."""
    shapes = [shape for shape in bench.trace.input_shapes(merge) if shape is not None]
    for sizes in zip(*[shape[2:] for shape in shapes]):
        if max(sizes) >= 1.8 * max(min(sizes), 1):
            return bool(min(sizes) > 1)
    return False


def _of_merge(bench: Bench, merge: Node, mode: str) -> dict[Path, Edit]:
    """The edits of one merge."""
    place: Path = path_of(merge, merge.declaration)
    found: dict[Path, Edit] = {}
    op = merge.op
    if isinstance(op, Merge) and op.align != mode:
        align: Path = (*place, "align")
        found[align] = Edit(align, mode)

    own = bench.decoder_of(merge)
    name = bench.name_for(merge.inputs[own], merge)
    if own and name is not None and isinstance(op, Merge) and op.decoder is None:
        decoder: Path = (*place, "decoder")
        found[decoder] = Edit(decoder, name)
    return found


def _same(bench: Bench, merge: Node | None) -> Node | None:
    """The node of the bench's network of the same name."""
    if merge is None:
        return None
    return bench.network.names.get(merge.name)
