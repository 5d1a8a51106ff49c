"""Floor 9: a loaded network, which traces itself for any sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.diagnostics import Diagnostic
from tracer.network.records import Network
from tracer.planning.solution import Solution
from tracer.planning.solving import plan_one
from tracer.trace import CompiledRecipe, Trace, trace


class Net:
    """A loaded network. Made by :func:`load` and :func:`loads`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._open = any(node.unknowns for node in network.nodes)
        self._plans: dict[tuple[tuple[str, int], ...], Solution] = {}
        self._recipe: CompiledRecipe | None = None
        self._traces = 0
        self._first: Trace | None = None

    @property
    def name(self) -> str | None:
        """The config's ``name``."""
        return self.network.name

    @property
    def params(self) -> dict[str, Any]:
        """The values of the config's params."""
        return dict(self.network.params)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the inputs' shapes."""
        return tuple(self.network.symbols)

    @property
    def graph(self) -> Any:
        """The network as networkx.DiGraph, traced with its declared sizes."""
        return self.trace().graph

    def plan(self, sizes: Mapping[str, int]) -> Solution:
        """The values of every ``auto`` for these sizes."""
        key = tuple(sorted(sizes.items())) if self._open else ()
        if key not in self._plans:
            self._plans[key] = plan_one(self.network, sizes)
        return self._plans[key]

    def trace(self, **sizes: int) -> Trace:
        """Shapes for the declared sizes, with some replaced: ``net.trace(H=572, W=572)``.

        Never raises on a wrong network: what could not be traced has the shape None and a diagnostic. Raises
        ValueError for a size of a symbol that the input doesn't have.
        """
        network = self.network
        for symbol, size in sizes.items():
            if symbol not in network.symbols:
                known = ", ".join(network.symbols) or "none"
                raise ValueError(f"the input has no symbol {symbol!r}; its symbols: {known}")
            if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
                raise ValueError(f"the size of {symbol} must be an integer between 0 and 2**63 - 1, not {size!r}")
        values = {**network.defaults(), **sizes}
        if not sizes and self._first is not None:
            return self._first
        solution = self.plan(values)
        self._traces += 1
        if self._traces > 1 and not solution.assignments and solution.feasible:
            found = self._applied(values, solution)
            if found is not None:
                return found
        result = trace(network, values, solution.ops)
        if not solution.feasible:
            result.diagnostics = [*solution.diagnostics, *_independent(result.diagnostics, solution)]
        if not sizes:
            self._first = result
        return result

    def _applied(self, values: dict[str, int], solution: Solution) -> Trace | None:
        """The trace by the recipe, compiled once; None where the ints must decide."""
        if self._recipe is None:
            self._recipe = CompiledRecipe(self.network, solution.ops)
        if not self._recipe.sound or len(values) < len(self.network.symbols):
            return None
        shapes = self._recipe.apply(values)
        return None if shapes is None else Trace(self.network, solution.ops, values, shapes, [])


def _independent(found: list[Diagnostic], solution: Solution) -> list[Diagnostic]:
    """What is wrong besides the plan: a merge that no values close is told once, as T401."""
    return [d for d in found if d.code not in ("T301", "T304") or not solution.diagnostics]
