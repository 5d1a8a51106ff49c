"""A loaded network, which traces itself for any sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tracer.diagnostics import Diagnostic
from tracer.network.records import Network, first_size, is_set
from tracer.planning.solution import Solution
from tracer.shapes.recipe import CompiledRecipe
from tracer.shapes.trace import Trace, declared_ops, trace
from tracer.sizing.size_set import SizeSet

if TYPE_CHECKING:
    from tracer.planning.working_sizes import Form, WorkingSizes


def _unloadable(text: str) -> Net:
    raise TypeError("the network was not loaded from a text")


class Net:
    """A loaded network. Made by :func:`load` and :func:`loads`.

    Without ``tabled``, a plan that no values serve does not say which assignments serve which sizes, and costs less.
    """

    def __init__(self, network: Network, *, tabled: bool = True) -> None:
        self.network = network
        self._tabled = tabled
        self._open = any(node.unknowns for node in network.nodes)
        self._plans: dict[tuple[tuple[str, int], ...], Solution] = {}
        self._recipe: CompiledRecipe | None = None
        self._traces = 0
        self._first: Trace | None = None
        self.reloaded: Callable[..., Net] = _unloadable
        """Loads an edited text with the params, sizes and inputs that this network was loaded with."""

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

    def to_yaml(self) -> str:
        """The config's text."""
        return self.network.source

    def plan(self, sizes: Mapping[str, int] | None = None) -> Solution:
        """The values of every ``auto``: one assignment for all sizes that the config promises.

        ``sizes`` gives some symbols one size instead.
        """
        if not self._open:
            return self._plans.setdefault((), Solution(True, {}, 0, declared_ops(self.network), []))
        fixed = sizes or {}
        key = tuple(sorted(fixed.items()))
        if key not in self._plans:
            from tracer.planning.all_sizes import plan_all
            from tracer.planning.solving import plan_one

            known = {
                symbol: n
                for symbol, n in self.network.sizes.items()
                if symbol in self.network.symbols
            }
            promises = {**known, **fixed}
            several = any(is_set(promise) for promise in promises.values())
            first = {symbol: first_size(promise) for symbol, promise in promises.items()}
            complete = all(symbol in promises for symbol in self.network.symbols)
            every = several and complete
            self._plans[key] = (
                plan_all(self.network, promises, self._tabled)
                if every
                else plan_one(self.network, first)
            )
        return self._plans[key]

    def sizes(self, *, every_dim: bool = False) -> WorkingSizes:
        """The exact sets of input sizes that run, run losslessly, and run aligned.

        With ``every_dim`` the dims that are numbers are asked as if they were symbols. Raises
        :class:`tracer.sizing.size_set.TooLarge` where a set repeats later than is computed.
        """
        from tracer.planning.working_sizes import with_every_dim_open, working_sizes

        network, ops = self.network, self.plan().ops
        if every_dim:
            network = with_every_dim_open(network)
        return working_sizes(network, ops, network.defaults())

    def forms(
        self, sets: Mapping[str, SizeSet], *, every_dim: bool = False
    ) -> dict[str, list[Form]]:
        """For the first residue classes of each symbol's set, the shape of every node over k."""
        from tracer.planning.working_sizes import forms, with_every_dim_open

        network = with_every_dim_open(self.network) if every_dim else self.network
        sizes, ops = network.defaults(), self.plan().ops
        return {symbol: forms(network, ops, sizes, symbol, found) for symbol, found in sets.items()}

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
                raise ValueError(
                    f"the size of {symbol} must be an integer between 0 and 2**63 - 1, not {size!r}"
                )
        values = {**network.defaults(), **sizes}
        if not sizes and self._first is not None:
            return self._first
        solution = self.plan(sizes)
        self._traces += 1
        if self._traces > 1 and not solution.assignments and solution.feasible:
            found = self._applied(values, solution)
            if found is not None:
                return found
        result = trace(network, values, solution.ops)
        if not solution.feasible:
            result.diagnostics = [
                *solution.diagnostics,
                *_independent(result.diagnostics, solution),
            ]
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
