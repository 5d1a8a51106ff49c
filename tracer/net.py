"""A loaded network, which traces itself for any sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, Span, TracerError, legible
from tracer.memo import Memo
from tracer.network.records import (
    Elsewhere,
    Expectation,
    Network,
    Promise,
    as_written,
    first_size,
    is_set,
)
from tracer.planning.solution import Solution, solved_already
from tracer.shapes.recipe import CompiledRecipe, compiled, recipe_of
from tracer.shapes.trace import Trace, declared_ops, trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.source.python_places import Place, Places, at_own_lines

if TYPE_CHECKING:
    from tracer import Drawing, Plan
    from tracer.planning.built import AsBuilt
    from tracer.planning.constraints import Constraints
    from tracer.planning.recurring import Recurring
    from tracer.planning.working_sizes import Form, WorkingSizes


OPERATIONS = 500_000
"""Operations that are kept with plans: so many of all sizes together."""


class Unrolled:
    """A network without blocks, in which each node can be changed by itself; it is written when it is asked for."""

    def __init__(self, write: Callable[[], tuple[str, Places]]) -> None:
        self._write = write

    @cached_property
    def _written(self) -> tuple[str, Places]:
        return self._write()

    @property
    def text(self) -> str:
        """The text of the network."""
        return self._written[0]

    @property
    def places(self) -> Places:
        """The places of its nodes in the program, by the names that they have there."""
        return self._written[1]

    def seen_by(self, own: Callable[[Places], Places]) -> Unrolled:
        """The same network with other places."""

        def write() -> tuple[str, Places]:
            return self.text, own(self.places)

        return Unrolled(write)


class ReadFrom(msgspec.Struct, frozen=True):
    """The program that a network was read from, where that is no config."""

    source: str
    """How the user named it: ``my_nets.py:UNet``."""
    places: Places
    """The places of its nodes in the program, by name."""
    unrolled: Unrolled | None = None
    """The same network without blocks: what is one block's text is several lines of the program, or values of one."""
    plan: str | None = None
    """The command that lists repairs."""
    repairs: int | None = None
    """How many it lists; None where that is not known."""
    warnings: tuple[Diagnostic, ...] = ()
    """What was not read of it."""
    parameters: tuple[str, ...] = ()
    """The names that the inputs have in it; none where they are not known."""
    data: Places = {}
    """The places of what its layers follow from, by name, in a file that is no program."""
    size_key: str | None = None
    """The key there of the input's spatial sizes; no other value of its config has a place in the file."""
    advice: str | None = None
    """What can be done about an error there; None where a command lists repairs."""

    @property
    def hint(self) -> str | None:
        """What can be done about an error."""
        if self.advice is not None:
            return self.advice
        if self.plan is None or self.repairs == 0:
            return None
        some = {None: "repairs", 1: "1 repair"}.get(self.repairs, f"{self.repairs} repairs")
        return f"`{self.plan}` lists {some}"


class Loading(msgspec.Struct, frozen=True):
    """How a network was loaded, so that an edit of its text can be loaded alike."""

    path: str
    params: Mapping[str, Any]
    """The params that were replaced."""
    sizes: Mapping[str, int]
    """The sizes of symbols that were replaced."""
    inputs: Mapping[str, tuple[int, ...]]
    """The shapes of inputs that were replaced."""
    read_from: ReadFrom | None = None
    """The program that the text was written from; None for a config of the user's."""
    until: str | None = None
    """The layer up to which the text is read."""


Differing = tuple[tuple[int, ...] | None, tuple[int, ...] | None]
"""Two values of one argument, one for each axis; None where it has none."""


class Net:
    """A loaded network. Made by :func:`load` and :func:`loads`.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, H, 8]\\nsizes: {H: 8}\\nlayers: {act: ReLU}")
    >>> net.trace(H=16).shapes["act"]
    (1, 3, 16, 8)
    """

    def __init__(
        self,
        network: Network,
        loading: Loading | None = None,
        *,
        explain_plan: bool = True,
        planned: Solution | None = None,
    ) -> None:
        self.network = network
        self.loading = loading
        """How it was loaded; None for a network that was made without a text."""
        self.explain_plan = explain_plan
        """Whether a plan that no values serve says which assignments serve which sizes; without, it costs less."""
        self.planned = planned
        """The values of every ``auto`` and of inferred widths, where they stay for all sizes; None: they are solved."""
        self._is_open = any(node.unknowns for node in network.nodes)
        self._solutions: Memo[Solution] = Memo(1 + OPERATIONS // max(len(network.nodes), 1))
        """By the sizes that were given."""
        self._compiled: CompiledRecipe | None = None
        self._is_compiled = False
        self._traces = 0
        self._first: Trace | None = None
        self._recurring: Recurring | None = None
        """What its plans have in common, where that was looked for and found."""

    def __repr__(self) -> str:
        """The kind of network it is: ``<Net unet: 25 nodes, input [1, 3, H, W]>``."""
        network = self.network
        inputs = [
            f"{node.name} [{', '.join(str(as_written(dim)) for dim in node.pattern)}]"
            for node in network.nodes
            if node.is_input
        ]
        name, shapes = legible(network.name or network.path), legible(", ".join(inputs))
        return f"<Net {name}: {len(network.nodes)} nodes, {shapes}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; None where it is large."""
        import tracer

        return tracer.svg_of(self)

    def draw(self, *, depth: int | None = 1) -> Drawing:
        """The picture, as :func:`tracer.draw` gives it as SVG; a notebook shows it."""
        import tracer

        return tracer.draw(self, depth=depth)

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
        return Net(resized, loading, explain_plan=self.explain_plan, planned=self.planned)

    def promising(
        self,
        path: str | None,
        sizes: Mapping[str, Promise],
        places: Mapping[str, Span],
        outputs: Mapping[str, Expectation],
    ) -> Net:
        """The network with what another file promises of it: sizes with their places there, and outputs' shapes.

        The symbols and the outputs are the network's own. Without a ``path`` the places are in its own file.
        """
        network = self.network
        elsewhere = None
        if path is not None:
            elsewhere = Elsewhere(path, frozenset(sizes), frozenset(outputs))
        promised = replace(
            network,
            sizes={**network.sizes, **sizes},
            size_spans={**network.size_spans, **places},
            output_expect={**network.output_expect, **outputs},
            elsewhere=elsewhere,
        )
        return Net(promised, self.loading, explain_plan=self.explain_plan)

    def as_built(self) -> Net:
        """The network of the module that ``build`` and ``export`` make, whose values stay for all sizes.

        Without it every trace solves each ``auto`` for its own sizes, and widths that a layer infers follow them.

        >>> import tracer
        >>> net = tracer.loads("input: [1, n]\\nsizes: {n: 8}\\nlayers: {l: {op: Linear, out_features: 2}}")
        >>> net.trace(n=9).shapes["l"], net.as_built().trace(n=9).shapes["l"]
        ((1, 2), None)
        """
        return self.built_as(self)

    def built_as(self, other: Net) -> Net:
        """This network, at its sizes, with the values that ``other`` has as it is built: of one config at two sizes."""
        planned = replace(other.solution(), ops=other.built.ops)
        return Net(self.network, self.loading, explain_plan=self.explain_plan, planned=planned)

    # --- the program that it was read from ----------------------------------------------------------------------------

    @property
    def read_from(self) -> ReadFrom | None:
        """The program that it was read from; None for a config."""
        return None if self.loading is None else self.loading.read_from

    def reading_of(self, program: ReadFrom) -> Net:
        """The same network, whose nodes have their places in a program."""
        assert self.loading is not None
        put_places(self.network, program.places)
        self._first = None
        self.loading = replace(self.loading, read_from=program)
        return self

    def told(self, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Findings as the user sees them: at the lines of the program that the network was read from."""
        program = self.read_from
        if program is None:
            return list(found)
        elsewhere = self.network.elsewhere
        promised = None if elsewhere is None else elsewhere.path
        places = program.places or self._places_in_data(program.data)
        return at_own_lines(found, places, self.network.path, program.hint, promised)

    def _places_in_data(self, data: Places) -> Places:
        """The place of each node, which is that of the layer that it is in."""
        layers = {node.name: node.name.partition(".")[0] for node in self.network.nodes}
        return {name: data[layer] for name, layer in layers.items() if layer in data}

    def differences(self, other: Net) -> dict[str, Differing]:
        """The values, here and as ``other`` is built, of every ``auto`` and inferred width that are not the same."""
        mine, theirs = self._values(), other._values()
        names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        return {name: (mine.get(name), theirs.get(name)) for name in names}

    def _values(self) -> dict[str, tuple[int, ...]]:
        """The value of every ``auto`` and of every inferred width that depends on the sizes."""
        widths = {
            f"{w.node}.{w.argument}": (w.value,)
            for w in self.built.widths
            if w.value is not None
        }
        return {**self.solution().assignments, **widths}

    @cached_property
    def built(self) -> AsBuilt:
        """The operations as they are built at the declared sizes, and the widths that depend on those."""
        from tracer.planning.built import as_built

        ops = self.solution().ops
        recipe = recipe_of(self.network, ops, contracts=False)
        return as_built(recipe, ops, self.network.defaults())

    # --- values of `auto` ---------------------------------------------------------------------------------------------

    def plan(self, /, sizes: Mapping[str, int] | None = None, **others: int) -> Plan:
        """The plan, as :func:`tracer.plan` gives it: ``net.plan(H=500)``.

        ``sizes`` gives some symbols one size instead of the declared, and so do keywords.
        """
        import tracer

        return tracer.plan(self, sizes={**(sizes or {}), **others})

    def solution(self, sizes: Mapping[str, int] | None = None) -> Solution:
        """The values of every ``auto``: one assignment for all sizes that the config promises.

        ``sizes`` gives some symbols one size instead. It says nothing of faults that no ``auto`` decides:
        :meth:`plan` does.
        """
        if self.planned is not None:
            return self.planned
        if not self._is_open:
            return self._solutions.setdefault((), solved_already(declared_ops(self.network)))

        fixed = sizes or {}
        key = tuple(sorted(fixed.items()))
        known = self._solutions.get(key)
        if known is None:
            known = self._solutions[key] = self._solved(fixed)
        return known

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
        """The exact sets of input sizes that run, run losslessly, run aligned, and keep every promise.

        They are those of the network as it is built (:meth:`as_built`) at the declared sizes.
        With ``every_dim`` every dim that is a number has its sets too, as if it were a symbol. Raises
        :class:`TracerError` (T006) where a set repeats later than is computed.
        """
        try:
            return self.working_sizes(every_dim=every_dim, promises=True)
        except TooLarge as error:
            fault = Diagnostic("T006", str(error), None, path=self.network.path)
            raise TracerError([fault]) from None

    def working_sizes(self, *, every_dim: bool = False, promises: bool = False) -> WorkingSizes:
        """The same as :meth:`sizes`; raises :class:`TooLarge`, which has no place, instead of the diagnostic.

        Only with ``promises`` is there the set of those that keep what the config promises.
        """
        from tracer.planning.working_sizes import with_every_dim_open, working_sizes

        # Another number in place of one that is written is another config: what follows from it is not fixed.
        network = with_every_dim_open(self.network) if every_dim else self.network
        found = working_sizes(
            network,
            self.built.ops,
            network.defaults(),
            promises=promises,
            recipe=None if every_dim else self.built.recipe,
        )
        return replace(found, widths=self.built.widths)

    def constraints(self) -> Constraints:
        """Which sizes run, of all symbols together, as it is built at the declared ones.

        Raises :class:`TooLarge`, and :class:`tracer.planning.constraining.NoSymbols` where an operation takes numbers.
        """
        from tracer.planning.constraining import constraints_of
        from tracer.planning.constraints import Constraints

        sizes = self.network.defaults()
        return Constraints(constraints_of(self.network, self.built.ops, sizes))

    def forms(
        self, sets: Mapping[str, SizeSet], *, every_dim: bool = False
    ) -> dict[str, list[Form]]:
        """For the first residue classes of each symbol's set, the shape of every node over k."""
        from tracer.planning.working_sizes import forms, with_every_dim_open

        network = with_every_dim_open(self.network) if every_dim else self.network
        sizes, ops = network.defaults(), self.built.ops
        return {
            symbol: forms(network, ops, sizes, symbol, found) for symbol, found in sets.items()
        }

    # --- shapes -------------------------------------------------------------------------------------------------------

    def trace(self, /, **sizes: int) -> Trace:
        """Shapes for the declared sizes, with some replaced: ``net.trace(H=572, W=572)``.

        Every ``auto`` is solved for these sizes; ``net.as_built().trace(H=572)`` keeps the values of the declared ones.
        Never raises on a wrong network: what could not be traced has the shape None and a diagnostic. Raises
        ValueError for a size of a symbol that the input doesn't have.
        """
        if not sizes and self._first is not None:
            return self._first

        check_sizes(self.network, sizes)
        values = {**self.network.defaults(), **sizes}
        has_one_size = self._has_one_size(sizes)
        again = self._known(values) if has_one_size else None
        if again is not None:
            return again

        solution = self.solution(sizes)
        again = self._applied(values, solution)
        if again is not None:
            return again

        found = self._on_ints(values, solution)
        if has_one_size and solution.assignments and not found.diagnostics:
            self._learn(found, solution)
        if not sizes:
            self._first = found
        return found

    def _on_ints(self, values: dict[str, int], solution: Solution) -> Trace:
        """The trace of every node by itself, which has words for what is wrong."""
        found = trace(self.network, values, solution.ops)
        if not solution.solved:
            others = [d for d in found.diagnostics if d.node not in solution.explained]
            found.diagnostics = [*solution.diagnostics, *others]
        found.diagnostics = self.told(found.diagnostics)
        return found

    def quick_trace(self, most: int) -> Trace | None:
        """The trace at the declared sizes where it is there, or costs no search and visits at most so many nodes."""
        is_costly = self._is_open or len(self.network.nodes) > most
        if self._first is None and is_costly:
            return None
        return self.trace()

    def _has_one_size(self, given: Mapping[str, int]) -> bool:
        """Whether every symbol has one size with these: where one has several, one assignment serves them all."""
        declared = self.network.sizes
        for symbol in self.network.symbols:
            if symbol not in given and (symbol not in declared or is_set(declared[symbol])):
                return False
        return True

    def _known(self, values: dict[str, int]) -> Trace | None:
        """The trace at sizes like those that were planned before; None where there are none."""
        if self._recurring is None:
            return None
        found = self._recurring.at(values)
        return None if found is None else Trace(self.network, found[0], values, found[1], [])

    def _learn(self, found: Trace, solution: Solution) -> None:
        """Keep what was planned for sizes like these, from the second trace on: one alone would not pay."""
        if self._traces == 1 or self.planned is not None:
            return

        if not self._is_compiled:
            from tracer.planning.recurring import recurring

            self._is_compiled = True
            self._recurring = recurring(self.network)
        if self._recurring is not None:
            self._recurring.learn(found.sizes, solution, found.by_index)

    def _applied(self, values: dict[str, int], solution: Solution) -> Trace | None:
        """The trace by the recipe, compiled once; None where the ints must decide."""
        # Compiling pays from the second trace on, where the operations are the same for all sizes.
        self._traces += 1
        stays = self.planned is not None or not solution.assignments
        if self._traces == 1 or not stays or not solution.solved:
            return None

        if not self._is_compiled:
            self._is_compiled = True
            self._compiled = compiled(recipe_of(self.network, solution.ops))

        if self._compiled is None or len(values) < len(self.network.symbols):
            return None
        shapes = self._compiled.apply(values)
        return None if shapes is None else Trace(self.network, solution.ops, values, shapes, [])


def put_places(network: Network, places: Mapping[str, Place]) -> None:
    """Give each node its place in the program that a network was read from."""
    for node in network.nodes:
        node.place = places.get(node.name)
        node.has_lines = False


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
