"""A loaded network, which traces itself for any sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, TracerError
from tracer.network.records import Network, first_size, is_set
from tracer.planning.solution import Solution, solved_already
from tracer.shapes.recipe import CompiledRecipe, compiled, recipe_of
from tracer.shapes.trace import Trace, declared_ops, trace
from tracer.sizing.size_set import SizeSet, TooLarge

if TYPE_CHECKING:
    from tracer import Plan
    from tracer.planning.working_sizes import Form, WorkingSizes


class Loading(msgspec.Struct, frozen=True):
    """How a network was loaded, so that an edit of its text can be loaded alike."""

    path: str
    params: Mapping[str, Any]
    """The params that were replaced."""
    sizes: Mapping[str, int]
    """The sizes of symbols that were replaced."""
    inputs: Mapping[str, tuple[int, ...]]
    """The shapes of inputs that were replaced."""


class Net:
    """A loaded network. Made by :func:`load` and :func:`loads`.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, H, 8]\\nsizes: {H: 8}\\nlayers: {act: ReLU}")
    >>> net.trace(H=16).shapes["act"]
    (1, 3, 16, 8)
    """

    def __init__(
        self, network: Network, loading: Loading | None = None, *, explain_plan: bool = True
    ) -> None:
        self.network = network
        self.loading = loading
        """How it was loaded; None for a network that was made without a text."""
        self.explain_plan = explain_plan
        """Whether a plan that no values serve says which assignments serve which sizes; without, it costs less."""
        self._is_open = any(node.unknowns for node in network.nodes)
        self._solutions: dict[tuple[tuple[str, int], ...], Solution] = {}
        self._compiled: CompiledRecipe | None = None
        self._is_compiled = False
        self._traces = 0
        self._first: Trace | None = None

    def __repr__(self) -> str:
        """The kind of network it is: ``<Net unet: 25 nodes, input [1, 3, H, W]>``."""
        network = self.network
        inputs = [
            f"{node.name} [{', '.join(map(str, node.pattern))}]"
            for node in network.nodes
            if node.is_input
        ]
        return (
            f"<Net {network.name or network.path}: {len(network.nodes)} nodes, {', '.join(inputs)}>"
        )

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

    def with_sizes(self, sizes: Mapping[str, int]) -> Net:
        """The network with other sizes declared for some symbols.

        Raises ValueError for a symbol that the input doesn't have, and for what is no size.
        """
        network = self.network
        check_sizes(network, sizes)

        loading = self.loading
        if loading is not None:
            loading = replace(loading, sizes={**loading.sizes, **sizes})
        resized = replace(network, sizes={**network.sizes, **sizes})
        return Net(resized, loading, explain_plan=self.explain_plan)

    # --- values of `auto` ---------------------------------------------------------------------------------------------

    def plan(self, sizes: Mapping[str, int] | None = None) -> Plan:
        """The plan, as :func:`tracer.plan` gives it; ``sizes`` gives some symbols one size instead of the declared."""
        import tracer

        return tracer.plan(self, sizes)

    def solution(self, sizes: Mapping[str, int] | None = None) -> Solution:
        """The values of every ``auto``: one assignment for all sizes that the config promises.

        ``sizes`` gives some symbols one size instead. It says nothing of faults that no ``auto`` decides:
        :meth:`plan` does.
        """
        if not self._is_open:
            return self._solutions.setdefault((), solved_already(declared_ops(self.network)))

        fixed = sizes or {}
        key = tuple(sorted(fixed.items()))
        if key not in self._solutions:
            self._solutions[key] = self._solved(fixed)
        return self._solutions[key]

    def _solved(self, fixed: Mapping[str, int]) -> Solution:
        from tracer.planning.all_sizes import plan_all
        from tracer.planning.solving import plan_one

        symbols, declared = self.network.symbols, self.network.sizes
        promises = {s: promise for s, promise in declared.items() if s in symbols} | dict(fixed)

        several = any(is_set(promise) for promise in promises.values())
        if several and all(symbol in promises for symbol in symbols):
            return plan_all(self.network, promises, explain=self.explain_plan)
        return plan_one(
            self.network, {symbol: first_size(promise) for symbol, promise in promises.items()}
        )

    # --- sizes of the input -------------------------------------------------------------------------------------------

    def sizes(self, *, every_dim: bool = False) -> WorkingSizes:
        """The exact sets of input sizes that run, run losslessly, and run aligned.

        With ``every_dim`` every dim that is a number has its sets too, as if it were a symbol. Raises
        :class:`TracerError` (T006) where a set repeats later than is computed.
        """
        try:
            return self.working_sizes(every_dim=every_dim)
        except TooLarge as error:
            fault = Diagnostic("T006", str(error), None, path=self.network.path)
            raise TracerError([fault]) from None

    def working_sizes(self, *, every_dim: bool = False) -> WorkingSizes:
        """The same as :meth:`sizes`; raises :class:`TooLarge`, which has no place, instead of the diagnostic."""
        from tracer.planning.working_sizes import with_every_dim_open, working_sizes

        network = with_every_dim_open(self.network) if every_dim else self.network
        return working_sizes(network, self.solution().ops, network.defaults())

    def forms(
        self, sets: Mapping[str, SizeSet], *, every_dim: bool = False
    ) -> dict[str, list[Form]]:
        """For the first residue classes of each symbol's set, the shape of every node over k."""
        from tracer.planning.working_sizes import forms, with_every_dim_open

        network = with_every_dim_open(self.network) if every_dim else self.network
        sizes, ops = network.defaults(), self.solution().ops
        return {symbol: forms(network, ops, sizes, symbol, found) for symbol, found in sets.items()}

    # --- shapes -------------------------------------------------------------------------------------------------------

    def trace(self, /, **sizes: int) -> Trace:
        """Shapes for the declared sizes, with some replaced: ``net.trace(H=572, W=572)``.

        Never raises on a wrong network: what could not be traced has the shape None and a diagnostic. Raises
        ValueError for a size of a symbol that the input doesn't have.
        """
        if not sizes and self._first is not None:
            return self._first

        check_sizes(self.network, sizes)
        values = {**self.network.defaults(), **sizes}
        solution = self.solution(sizes)

        # Compiling pays from the second trace on, where the operations are the same for all sizes.
        self._traces += 1
        if self._traces > 1 and solution.solved and not solution.assignments:
            again = self._applied(values, solution)
            if again is not None:
                return again

        found = trace(self.network, values, solution.ops)
        if not solution.solved:
            others = [d for d in found.diagnostics if d.node not in solution.explained]
            found.diagnostics = [*solution.diagnostics, *others]
        if not sizes:
            self._first = found
        return found

    def _applied(self, values: dict[str, int], solution: Solution) -> Trace | None:
        """The trace by the recipe, compiled once; None where the ints must decide."""
        if not self._is_compiled:
            self._is_compiled = True
            self._compiled = compiled(recipe_of(self.network, solution.ops))

        if self._compiled is None or len(values) < len(self.network.symbols):
            return None
        shapes = self._compiled.apply(values)
        return None if shapes is None else Trace(self.network, solution.ops, values, shapes, [])


def check_sizes(network: Network, sizes: Mapping[str, int]) -> None:
    """Raises ValueError for a symbol that the network's inputs don't have, and for a size that is none."""
    for symbol, size in sizes.items():
        if symbol not in network.symbols:
            raise unknown_symbol(network, symbol)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
            raise ValueError(
                f"the size of {symbol} must be an integer between 0 and 2**63 - 1, not {size!r}"
            )


def unknown_symbol(network: Network, symbol: str) -> ValueError:
    """The error that names the symbols which the inputs have."""
    known = ", ".join(network.symbols) or "none"
    return ValueError(f"the input has no symbol {symbol!r}; its symbols: {known}")
