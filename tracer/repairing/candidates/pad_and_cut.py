"""Pad the input to the next size that works, and cut the output: for networks that give back the input's size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tracer.network.records import Network, Node
from tracer.planning.working_sizes import Axis
from tracer.repairing.bench import Bench, one_or_several
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.behind_outputs import Behind, put_behind
from tracer.shapes.trace import trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.source.edits import Edit

PADS = {1: "ZeroPad1d", 2: "ZeroPad2d", 3: "ZeroPad3d"}


def candidates(bench: Bench) -> Iterator[Candidate]:
    """One pad behind the input and one cut per axis behind the output."""
    network = bench.network
    inputs = [node for node in network.nodes if node.is_input]
    outputs = list(network.outputs.values())
    if len(inputs) != 1 or len(outputs) != 1 or bench.aim is not None or bench.is_large:
        return
    output = outputs[0]
    if output.is_input or output.uses:
        return

    axes = _axes(bench, inputs[0])
    ratio = _ratio(bench, output, axes)
    if ratio is not None:
        before = _pad(bench, inputs[0], axes)
        behind = _cuts(network, output, axes, ratio)
        yield Candidate(_title(axes), [*before, *behind], Kind.PADDED)


def _title(axes: list[_PaddedAxis]) -> str:
    padded = [f"{axis.symbol} to {axis.written}" for axis in axes if axis.modulus > 1]
    return f"the input is padded ({', '.join(padded)}), the output cut"


class _PaddedAxis(NamedTuple):
    """One spatial axis of the input."""

    symbol: str
    dim: int
    modulus: int
    residue: int

    @property
    def written(self) -> str:
        """``16k + 12``."""
        return f"{self.modulus}k + {self.residue}" if self.residue else f"{self.modulus}k"

    @property
    def amount(self) -> int | str:
        """How much is added: an expression over the symbol."""
        if self.modulus == 1:
            return 0
        if not self.residue:
            return f"-{self.symbol} % {self.modulus}"
        return f"({self.residue} - {self.symbol}) % {self.modulus}"


def _axes(bench: Bench, node: Node) -> list[_PaddedAxis]:
    """The spatial axes, each a symbol of its own whose sizes run in one class; none where they are others."""
    symbols = [dim for dim in node.pattern[2:] if isinstance(dim, str)]
    is_plain = len(symbols) == len(node.pattern) - 2 == len(set(symbols))
    if not is_plain or len(symbols) not in PADS:
        return []
    try:
        axes = bench.net.working_sizes(every_dim=False).axes
    except TooLarge:
        return []

    found = []
    for dim, symbol in enumerate(symbols, 2):
        sizes = _one_class(axes[symbol])
        if sizes is None:
            return []
        found.append(_PaddedAxis(symbol, dim, sizes.modulus, sizes.residues[0]))
    return found


def _one_class(axis: Axis) -> SizeSet | None:
    """The best set of sizes that is one class: aligned, lossless, or those that run."""
    sets = (axis.aligned, axis.lossless, axis.runs)
    return next((sizes for sizes in sets if len(sizes.residues) == 1), None)


def _ratio(bench: Bench, output: Node, axes: list[_PaddedAxis]) -> int | None:
    """The whole number of times that the output is larger than the input, at two sizes that run."""
    if all(axis.modulus == 1 for axis in axes):
        return None

    found = {_ratio_at(bench, output, axes, turns) for turns in (4, 7)}
    ratio = found.pop()
    return None if found else ratio


def _ratio_at(
    bench: Bench,
    output: Node,
    axes: list[_PaddedAxis],
    turns: int,
) -> int | None:
    """The same at one size: so many turns of each axis's period."""
    sizes = {axis.symbol: axis.modulus * turns + axis.residue for axis in axes}
    every = {**bench.network.defaults(), **sizes}
    shape = trace(bench.network, every, bench.ops).by_index[output.index] or ()
    if len(shape) != 2 + len(axes):
        return None

    parts = {divmod(shape[axis.dim], sizes[axis.symbol]) for axis in axes}
    ratio, rest = parts.pop()
    is_whole = not parts and rest == 0
    return ratio if is_whole and ratio else None


def _pad(bench: Bench, node: Node, axes: list[_PaddedAxis]) -> list[Edit]:
    """The pad behind the input, and the names of those that read the input."""
    first = next(one for one in bench.network.nodes if not one.is_input)
    top = first.uses[0] if first.uses else first.declaration
    amounts: list[Any] = []
    for axis in reversed(axes):
        amounts += [0, axis.amount]
    pad: dict[str, Any] = {
        "op": PADS[len(axes)],
        "padding": tuple(amounts),
    }

    inserted = Edit((first.section, "pad"), pad, before=top.name)
    return [inserted, *_readers_of(bench.network, node.name)]


def _readers_of(network: Network, name: str) -> Iterator[Edit]:
    """The declarations that name the input read the pad in its place."""
    for section, declaration in _declared(network):
        names = [one.value for one in declaration.inputs or []]
        if name in names:
            changed = ["pad" if one == name else one for one in names]
            yield Edit((section, declaration.name, "from"), one_or_several(changed))


def _declared(network: Network) -> list[tuple[str, Any]]:
    """The declarations at the top level with their sections, uses of blocks among them."""
    found: dict[int, tuple[str, Any]] = {}
    for node in network.nodes:
        if not node.is_input:
            top = node.uses[0] if node.uses else node.declaration
            found[id(top)] = (node.section, top)
    return list(found.values())


def _cuts(
    network: Network,
    output: Node,
    axes: list[_PaddedAxis],
    ratio: int,
) -> list[Edit]:
    """A Slice for each padded axis behind the output."""
    layers = []
    for axis in axes:
        if axis.modulus > 1:
            stop = axis.symbol if ratio == 1 else f"{ratio}*{axis.symbol}"
            arguments = {
                "dim": axis.dim,
                "start": 0,
                "stop": stop,
            }
            layers.append(Behind(axis.symbol.lower(), "Slice", arguments))
    return put_behind(network, output, layers)
