"""Floor 8: the Python interface: a loaded network, and functions of it.

``import tracer`` gives the names of this file; each imports what it needs when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracer.diagnostics import Diagnostic, TracerError
from tracer.graph import arrange
from tracer.network.expansion import expand
from tracer.network.records import Network
from tracer.plan import Solution, plan_one
from tracer.source.tree import Fault, decode
from tracer.trace import Recipe, Trace, trace


class Net:
    """A loaded network. Made by :func:`load` and :func:`loads`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._plans: dict[tuple[tuple[str, int], ...], Solution] = {}
        self._recipe: Recipe | None = None
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
        if not any(node.unknowns for node in self.network.nodes):
            return plan_one(self.network, sizes)
        key = tuple(sorted(sizes.items()))
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
            self._recipe = Recipe(self.network, solution.ops)
            if self._recipe.sound:
                self._recipe.lower()
        if not self._recipe.sound or len(values) < len(self.network.symbols):
            return None
        shapes = self._recipe.apply(values)
        return None if shapes is None else Trace(self.network, solution.ops, values, shapes, [])


def _independent(found: list[Diagnostic], solution: Solution) -> list[Diagnostic]:
    """What is wrong besides the plan: a merge that no values close is told once, as T401."""
    return [d for d in found if d.code not in ("T301", "T304") or not solution.diagnostics]


def loads(text: str, path: str = "<string>", /, **params: Any) -> Net:
    """A network from a config's text; keyword arguments replace params.

    Raises :class:`TracerError` with every T0xx to T2xx error.
    """
    return load_text(text, path, params)


def load_text(
    text: str,
    path: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
) -> Net:
    """A network from a config's text, with params, symbols' sizes and inputs' shapes replaced.

    An input's shape is found by its name; the empty name stands for the only input. Raises TracerError, and
    ValueError for a param, symbol or input that the config doesn't have.
    """
    network = expand(text, path, params)
    for name, shape in (inputs or {}).items():
        replace_input(network, name, shape)
    for symbol, size in (sizes or {}).items():
        if symbol not in network.symbols:
            known = ", ".join(network.symbols) or "none"
            raise ValueError(f"the input has no symbol {symbol!r}; its symbols: {known}")
        network.sizes[symbol] = size
    arrange(network)
    net = Net(network)
    if all(symbol in network.sizes for symbol in network.symbols):
        early = [d for d in net.trace().diagnostics if d.code < "T3"]
        if early:
            raise TracerError(early)
    return net


def replace_input(network: Network, name: str, shape: tuple[int, ...]) -> None:
    """Give an input another shape: its symbols take the sizes, its fixed dims are replaced."""
    inputs = [node for node in network.nodes if node.is_input]
    chosen = [node for node in inputs if node.name == name] if name else inputs
    if len(chosen) != 1:
        known = ", ".join(node.name for node in inputs)
        raise ValueError(f"no input is called {name!r}; inputs: {known}" if name else f"which input? write {known}=...")
    node = chosen[0]
    if len(node.pattern) == len(shape):
        for dim, n in zip(node.pattern, shape):
            if isinstance(dim, str):
                network.sizes[dim] = n
        node.pattern = tuple(d if isinstance(d, str) else n for d, n in zip(node.pattern, shape))
        if any(network.sizes[d] != n for d, n in zip(node.pattern, shape) if isinstance(d, str)):
            raise ValueError(f"one symbol of the input would need two sizes in {','.join(map(str, shape))}")
    else:
        node.pattern = shape


def load(path: str | os.PathLike[str], /, **params: Any) -> Net:
    """A network from a config file; keyword arguments replace params: ``load("unet.yaml", base=32)``.

    Raises :class:`TracerError` with every T0xx to T2xx error, and OSError where the file cannot be read.
    """
    try:
        text = decode(read_bytes(path))
    except Fault as fault:
        raise TracerError([Diagnostic(fault.code, fault.message, fault.span, path=str(path))]) from None
    return loads(text, str(path), **params)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes, at most one more than a config may have."""
    from tracer.source.limits import FILE_BYTES

    with Path(path).open("rb") as file:
        return file.read(FILE_BYTES + 1)


def check(path: str | os.PathLike[str], /, **params: Any) -> list[Diagnostic]:
    """Everything wrong with a config file, ordered by place; never raises on bad input."""
    from tracer.rules import judge

    try:
        return judge(load(path, **params))
    except TracerError as error:
        return error.diagnostics
    except OSError as error:
        return [Diagnostic("T001", f"cannot be read: {error.strerror or error}", None, path=str(path))]


def checks(text: str, path: str = "<string>", /, **params: Any) -> list[Diagnostic]:
    """Everything wrong with a config's text, ordered by place."""
    from tracer.rules import judge

    try:
        return judge(loads(text, path, **params))
    except TracerError as error:
        return error.diagnostics
