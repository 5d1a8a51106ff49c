"""The network's conditions on its unknowns.

Each unknown becomes a symbol, the network is traced on symbols once, and what torch requires and the config expects
becomes conditions on the unknowns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tracer.network.records import Network
from tracer.ops.base import Op
from tracer.planning.search import Ask, Broken, Effort, SearchResult, solve
from tracer.planning.unknowns import Unknowns, unknowns_of
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import Trace, declared_ops, trace
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Space


class Problem(msgspec.Struct):
    """A network's unknowns and the conditions on them, for input sizes of which some may be left open."""

    network: Network
    sizes: dict[str, int]
    space: Space
    unknowns: Unknowns
    recipe: Recipe
    legality: list[Ask] | None
    """What torch requires of the values themselves; None where an operation takes no symbols."""
    effort: Effort = msgspec.field(default_factory=Effort)
    """What all searches for this network's values may take together."""

    @property
    def symbolic(self) -> bool:
        """Whether every operation takes symbols, so that the conditions are all that values can meet."""
        return not self.recipe.undecided and self.legality is not None

    @property
    def strict(self) -> bool:
        """Whether an operation requires more of symbols than of numbers: what is refuted may still exist."""
        return any(
            type(op).symbols_restrict is not Op.symbols_restrict
            for op in self.unknowns.ops
            if op is not None
        )

    def is_legal(self, values: Mapping[str, int]) -> bool:
        """Whether torch makes the modules with these values."""
        return self.unknowns.is_legal(self.unknowns.solved_ops(values))

    def traced(self, values: Mapping[str, int]) -> Trace:
        """The trace on ints with these values."""
        return trace(self.network, self.sizes, self.unknowns.solved_ops(values))

    def solve(
        self, samples: Sequence[Mapping[str, int]] = ({},), further: Sequence[Ask] = ()
    ) -> SearchResult:
        """The least-cost values that serve every sample of the open sizes, and ``further`` conditions.

        Raises TooManyValues.
        """
        asks: list[Ask] = [*(self.legality or ()), *further]
        for sample in samples:
            replaced = Substitution(self.space, sample)
            for condition, node in self.recipe.conditions:
                holds = replaced.condition(condition) if sample else condition
                if isinstance(holds, Condition):
                    asks.append((holds, node))
                elif not holds:
                    return SearchResult(None, 0, Broken(condition, node, {}), [])
        return self.searched(asks)

    def searched(self, asks: Sequence[Ask]) -> SearchResult:
        """The least-cost values that meet conditions. Raises TooManyValues."""
        return solve(self.space, self.unknowns.variables, asks, self.effort)


def problem_of(network: Network, sizes: Mapping[str, int]) -> Problem:
    """The conditions on a network's unknowns, for these sizes; symbols without one stay open."""
    space = Space()
    unknowns = unknowns_of(network, declared_ops(network), space)
    recipe = recipe_of(network, unknowns.open_ops, sizes, space)
    return Problem(network, dict(sizes), space, unknowns, recipe, unknowns.legality())
