"""A network on symbols, some of its params among them, with a program that computes every size of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracer.diagnostics import Span
from tracer.live.records import Choice
from tracer.network.open_params import OpenParam, OpenParams
from tracer.network.records import Network, Node
from tracer.ops.base import Shape
from tracer.shapes.traced import Ops, Traced
from tracer.sizing.arithmetic import Dim
from tracer.sizing.program import Program
from tracer.sizing.symbol import Condition


class Claim(NamedTuple):
    """What must hold at a node, and what is reported where it does not."""

    holds: Any
    """A bool, or a condition over the symbols."""
    code: str
    severity: str
    message: str
    hint: str | None = None
    narrow: bool = False
    """Where it does not hold, symbols cannot say whether torch takes the sizes."""
    span: Span | None = None
    """The place that a check names."""
    path: str | None = None
    """The file of that place, where it is not the network's own."""


class Outcome(NamedTuple):
    """What the program says for one set of values."""

    shapes: list[Any]
    """By node: a tuple, None where the node has no shape, Ellipsis where the program cannot say."""
    is_refused: bool
    """True where a node refuses its inputs."""


class OpenedNetwork:
    """A network with some params open. :func:`tracer.live.walk.open_network` makes one and fills in its nodes."""

    def __init__(
        self,
        network: Network,
        params: Mapping[str, int],
        open_params: list[OpenParam],
        opened: OpenParams | None,
        first_sizes: dict[str, int],
        choices: list[Choice],
        unknowns: list[str],
        planned: bool,
        program: Program,
    ) -> None:
        self.network = network
        self.params = dict(params)
        """The open params, with their values in the config."""
        self.open_params = open_params
        self.opened = opened
        self.first_sizes = first_sizes
        """A size for each symbol of the input: the config's, where it has one."""
        self.choices = choices
        self.unknowns = unknowns
        """The choices' symbols."""
        self.planned = planned
        """True where the choices follow the sizes."""
        self.program = program
        self.sizes: dict[str, Dim] = {
            symbol: program.space.symbol(symbol) for symbol in network.symbols
        }
        self.ops: Ops = []
        self.shapes: list[Shape | None] = []
        self.claims: list[list[Claim]] = []
        """By node, in the order in which they are reported."""
        self.unknown: set[int] = set()
        """The nodes whose formulas take no symbols."""

    @property
    def traced(self) -> Traced:
        """The network with the shapes that the program computes."""
        return Traced(self.network, self.ops, self.shapes)

    def inputs(self, node: Node) -> list[Any]:
        """The shapes of a node's inputs."""
        return [self.shapes[source.index] for source in node.inputs]

    def operands(self, node: Node) -> dict[str, Any]:
        """The shapes of the nodes that give an argument, by the argument's name."""
        return {field: self.shapes[source.index] for field, source in node.operands.items()}

    def apply(self, values: Mapping[str, int]) -> Outcome:
        """What the program says for values of the input's symbols and of the params'."""
        v = self.program.run({"": 0, **values, **self._chosen(values)})
        found: list[Any] = []
        is_refused = False
        for node in self.network.nodes:
            before = [found[source.index] for source in (*node.inputs, *node.operands.values())]
            if None in before:
                found.append(None)
            elif Ellipsis in before or node.index in self.unknown:
                found.append(Ellipsis)
            else:
                broken = self._broken(node, v)
                failing = [claim for claim in broken if claim.code != "T304"]
                is_refused = is_refused or bool(failing)
                found.append(self._shape(node, failing, v))
        return Outcome(found, is_refused)

    def _chosen(self, values: Mapping[str, int]) -> dict[str, int]:
        """The value of every choice for these sizes."""
        sizes = {symbol: values[symbol] for symbol in self.network.symbols}
        return {name: choice.value(sizes) for name, choice in zip(self.unknowns, self.choices)}

    def _broken(self, node: Node, v: Sequence[int]) -> list[Claim]:
        """The errors of a node, after a run."""
        return [
            claim
            for claim in self.claims[node.index]
            if claim.severity == "error" and not self._holds(claim.holds, v)
        ]

    def _shape(self, node: Node, failing: list[Claim], v: Sequence[int]) -> Any:
        if failing:
            return Ellipsis if failing[0].narrow else None
        shape = self.shapes[node.index]
        return None if shape is None else tuple([v[self.program.slot(n)] for n in shape])

    def _holds(self, holds: Any, v: Sequence[int]) -> bool:
        return (
            bool(self.program.truth(holds, v)) if isinstance(holds, Condition) else bool(holds)
        )
