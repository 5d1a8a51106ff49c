"""The exact sets of input sizes that a network takes, per axis, for every integer.

The network is traced on symbols once. What torch requires, what loses nothing and where grids coincide are conditions
on sizes; those of one symbol are decided by :mod:`tracer.sizing.periodic`. No sampling: a set is a proof.
Where a condition ties two symbols together, the set of each is the one with the others at their
declared sizes (or the next that they take by themselves), and the tie is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec

from tracer.diagnostics import printable, shortened
from tracer.geometry.grids import meetings, unpoolings
from tracer.network.records import Network, Node
from tracer.ops.base import LOSSES, Op, Shape
from tracer.planning.built import Width
from tracer.planning.search import holds_within
from tracer.shapes.recipe import Recipe, recipe_of, with_contracts
from tracer.shapes.trace import Trace, trace
from tracer.shapes.traced import Ops
from tracer.sizing.growth import Aperiodic
from tracer.sizing.periodic import (
    Analysis,
    Decided,
    always,
    always_from,
    decide,
    none_below,
)
from tracer.sizing.primitives import SYMBOL
from tracer.sizing.program import substitute
from tracer.sizing.size_set import NONE, SizeSet, TooLarge, of_members, of_residues
from tracer.sizing.substitution import FromLeast, Substitution
from tracer.sizing.symbol import Condition, Size, SizeLike, Writing, identity

if TYPE_CHECKING:
    from tracer import Drawing

Ask = tuple[Condition | bool, Node, Collection[str]]
"""A condition, the node that it belongs to, and the symbols that it judges where it is decided."""

NO_PERIOD = "a size has no period that could be shown, as where a resize multiplies by 0.57 or sizes are divided"

NO_SYMBOLS = "an expression or an operation takes numbers only"

TRACED = 256
"""Sizes that are traced one by one, where formulas take no symbols."""

ENDLESS = 2**40
"""Above this, no size is asked for."""

READABLE = 12
"""Atoms of a tie that are written out."""

STEPS = 100_000
"""Nodes that are traced one by one at most, where a set has to be widened or formulas take no symbols."""

FEWEST = 16
"""Sizes that are traced one by one in any case."""


class Axis(msgspec.Struct, frozen=True):
    """The sizes of one symbol."""

    runs: SizeSet
    """torch raises nothing."""
    lossless: SizeSet
    """... and no strided operation drops a row, no crop is uneven."""
    aligned: SizeSet
    """... and at every merge the inputs' sampling grids coincide."""
    below: int | None = None
    """Decided below this size only; None: for every size."""
    because: str | None = None
    """Why not for every size."""
    others: Mapping[str, int] = {}
    """The sizes of other symbols with which these are the sets; none: they are so whatever the others are."""
    kept: SizeSet | None = None
    """Those that run and keep every promise (``output`` and ``expect``); None where nothing is promised."""


class Coupling(msgspec.Struct, frozen=True):
    """A condition that ties several symbols together."""

    symbols: tuple[str, ...]
    constraint: str
    """``(H // 32)*(W // 32) == 49``."""
    node: str


class WorkingSizes(msgspec.Struct, frozen=True):
    """The sets of every symbol of the input."""

    axes: dict[str, Axis]
    couplings: list[Coupling]
    widths: list[Width] = []
    """The widths that layers infer from the input's size: the sets are those of a module with these."""

    def __repr__(self) -> str:
        """The sizes that run: ``<WorkingSizes H = 16k + 12, k >= 11; W = 16k + 12, k >= 11>``."""
        texts = []
        for symbol, axis in self.axes.items():
            text = axis.runs.told(printable(symbol))
            texts.append(text if axis.below is None else f"{text} (known below {axis.below})")
        return f"<WorkingSizes {shortened('; '.join(texts) or 'no symbols')}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; None where it is large."""
        import tracer

        return tracer.svg_of(self)

    def draw(self) -> Drawing:
        """The picture: of every symbol the sizes from 0 on, those that run filled."""
        import tracer

        return tracer.drawing_of(self)


def working_sizes(
    network: Network,
    ops: Ops,
    sizes: Mapping[str, int],
    *,
    promises: bool = False,
    recipe: Recipe | None = None,
) -> WorkingSizes:
    """The sets of every symbol; ``sizes`` are the declared ones, for axes that are tied together.

    With ``promises`` there is the set of those that keep every promise as well. ``recipe``: that of the operations,
    without contracts, where it is at hand.
    Raises :class:`tracer.sizing.size_set.TooLarge` where a set repeats later than is computed.
    """
    if recipe is None:
        recipe = recipe_of(network, ops, contracts=False)
    analysis = Analysis(recipe.program.space)
    found = _of_recipe(recipe, ops, sizes, analysis)
    if not promises or not promises_something(network):
        return found
    kept = _kept(recipe, ops, sizes, analysis.afresh())
    axes = {symbol: _with_kept(axis, kept[symbol]) for symbol, axis in found.axes.items()}
    return msgspec.structs.replace(found, axes=axes)


def promises_something(network: Network) -> bool:
    """Whether the config expects some shape to come out."""
    return bool(network.output_expect) or any(node.expect for node in network.nodes)


def _with_kept(axis: Axis, kept: Decided) -> Axis:
    found = msgspec.structs.replace(axis, kept=kept.sizes & axis.runs)
    if kept.below is None:
        return found

    below = kept.below if axis.below is None else min(kept.below, axis.below)
    return msgspec.structs.replace(found, below=below, because=axis.because or NO_PERIOD)


def _kept(
    plain: Recipe, ops: Ops, sizes: Mapping[str, int], analysis: Analysis
) -> dict[str, Decided]:
    """The sizes of every symbol that run and keep every promise; ``plain`` is the recipe without them."""
    network = plain.network
    recipe = with_contracts(plain)
    if recipe.undecided or _runs_as_numbers_only(recipe, ops, sizes):
        return {symbol: _kept_alone(network, ops, sizes, symbol) for symbol in network.symbols}
    if recipe.failed is not None:
        return dict.fromkeys(network.symbols, Decided(NONE, None))

    keeps = SizeConditions(recipe, sizes, analysis).with_conditions(
        (condition, node, ()) for condition, node in recipe.conditions
    )
    found = {}
    for symbol in network.symbols:
        decided = decide([keeps.about(symbol)], symbol, keeps.analysis)
        others = keeps.fixed()
        (found[symbol],) = _widened(recipe, ops, others, symbol, decided, contracts=True)
    return found


def _kept_alone(network: Network, ops: Ops, sizes: Mapping[str, int], symbol: str) -> Decided:
    """The same of one symbol, the others at ``sizes``: by tracing, where an operation takes no symbols."""
    found = promised_sizes(network, ops, sizes, symbol)
    if found is not None:
        return found
    import numpy

    truth = numpy.zeros(TRACED + 1, bool)
    for n in range(TRACED):
        truth[n] = not trace(network, {**sizes, symbol: n}, ops).diagnostics
    return Decided(of_members(truth, 1), TRACED)


def _of_recipe(
    recipe: Recipe, ops: Ops, sizes: Mapping[str, int], analysis: Analysis
) -> WorkingSizes:
    """The sets of every symbol, whatever is promised."""
    network = recipe.network
    if _runs_as_numbers_only(recipe, ops, sizes):
        axes: dict[str, Axis] = {}
        for symbol in network.symbols:
            others = {name: n for name, n in sizes.items() if name != symbol}
            alone = recipe_of(network, ops, others, contracts=False)
            own = Analysis(alone.program.space)
            axes |= _sets(alone, ops, sizes, [symbol], own).axes
            axes[symbol] = msgspec.structs.replace(axes[symbol], others=others)
        return WorkingSizes(axes, _sets(recipe, ops, sizes, [], analysis).couplings)
    return _sets(recipe, ops, sizes, network.symbols, analysis)


def _sets(
    recipe: Recipe,
    ops: Ops,
    sizes: Mapping[str, int],
    symbols: Collection[str],
    analysis: Analysis,
) -> WorkingSizes:
    """The sets of some symbols of a recipe."""
    network = recipe.network
    if not recipe.sound:
        if recipe.failed is not None:
            none = (Decided(NONE, None),) * 3
            return WorkingSizes(
                {
                    symbol: _axis(_widened(recipe, ops, sizes, symbol, none))
                    for symbol in symbols
                },
                [],
            )
        return WorkingSizes(
            {symbol: _traced(network, ops, sizes, symbol, len(symbols)) for symbol in symbols},
            [],
        )
    run = SizeConditions(recipe, sizes, analysis).with_conditions(
        (condition, node, ()) for condition, node in recipe.conditions
    )
    asks = [run, run.with_conditions(_losses(recipe)), run.with_conditions(_alignments(recipe))]
    axes = {}
    for symbol, found in {
        s: decide([kind.about(s) for kind in asks], s, run.analysis) for s in symbols
    }.items():
        at = {**run.fixed(), **run.others(symbol)}
        runs, lossless, aligned = _widened(recipe, ops, at, symbol, found)
        if any(op.grid_needs_numbers() for op in ops if op is not None):
            aligned = _confirmed(network, ops, at, symbol, aligned)
        axes[symbol] = _axis([runs, lossless, aligned])
    couplings = run.couplings(network.symbols)
    for symbol, axis in axes.items():
        tied = {name for tie in couplings if symbol in tie.symbols for name in tie.symbols}
        others = {name: n for name, n in run.others(symbol).items() if name in tied}
        axes[symbol] = msgspec.structs.replace(axis, others=others)
    return WorkingSizes(axes, couplings)


def _axis(found: Sequence[Decided]) -> Axis:
    runs, lossless, aligned = [d.sizes for d in found]
    below = min([d.below for d in found if d.below is not None], default=None)
    return Axis(runs, lossless, aligned, below, None if below is None else NO_PERIOD)


def _is_narrower(recipe: Recipe) -> bool:
    """Whether an operation takes less of the symbols that it has here than of numbers."""
    return any(True for _ in narrower_nodes(recipe))


def narrower_nodes(recipe: Recipe) -> Iterator[Node]:
    """The nodes whose operation takes less of the symbols that it has here than of numbers."""
    for node, op in zip(recipe.network.nodes, recipe.ops):
        if op is None or type(op).symbols_restrict is Op.symbols_restrict:
            continue
        inputs = [recipe.shape(source) for source in node.inputs]
        known = [shape for shape in inputs if shape is not None]
        if len(known) < len(inputs) or op.symbols_restrict(*known):
            yield node


def _runs_as_numbers_only(recipe: Recipe, ops: Ops, sizes: Mapping[str, int]) -> bool:
    """Whether the declared sizes run though symbols in their place don't, as a dim of 1 is squeezed there.

    Each symbol is then asked with the others as numbers: what follows has another rank.
    """
    network = recipe.network
    if not _is_narrower(recipe) or any(symbol not in sizes for symbol in network.symbols):
        return False
    if recipe.sound and all(
        substitute([condition for condition, _ in recipe.conditions], sizes)
    ):
        return False
    return next(iter(_judged(trace(network, sizes, ops))))


def with_every_dim_open(network: Network) -> Network:
    """The network with a symbol, ``input[2]``, for every dim of its inputs that is a number."""
    opened = msgspec.structs.replace(
        network,
        symbols=dict(network.symbols),
        sizes=dict(network.sizes),
        nodes=list(network.nodes),
    )
    for node in network.nodes:
        if not node.is_input:
            continue
        opened.nodes[node.index] = twin = copy(node)
        names = [f"{node.name}[{dim}]" for dim in range(len(node.pattern))]
        for name, n in zip(names, node.pattern):
            if isinstance(n, int):
                opened.symbols[name], opened.sizes[name] = node.span, n
        twin.pattern = tuple(
            [name if isinstance(n, int) else n for name, n in zip(names, node.pattern)]
        )
    return opened


def ties(network: Network, ops: Ops, sizes: Mapping[str, int]) -> list[Coupling]:
    """What ties several symbols together, expectations included; none where the formulas take no symbols."""
    recipe = recipe_of(network, ops)
    if not recipe.sound:
        return []
    conditions = SizeConditions(recipe, sizes).with_conditions(
        (condition, node, ()) for condition, node in recipe.conditions
    )
    return conditions.couplings(network.symbols) if conditions.tied else []


def promised_sizes(
    network: Network, ops: Ops, sizes: Mapping[str, int], symbol: str
) -> Decided | None:
    """The sizes of one symbol that run and meet every expectation, the others at ``sizes``.

    None where the formulas take no symbols. Raises TooLarge.
    """
    fixed = {name: n for name, n in sizes.items() if name != symbol}
    recipe = recipe_of(network, ops, fixed)
    if not recipe.sound and recipe.failed is None:
        return None
    conditions = [condition for condition, _ in recipe.conditions] if recipe.sound else [False]
    found = decide([conditions], symbol, Analysis(recipe.program.space))
    return _widened(recipe, ops, sizes, symbol, found, contracts=True)[0]


class SizeConditions:
    """Conditions of one kind, by the symbols that they depend on."""

    def __init__(
        self, recipe: Recipe, sizes: Mapping[str, int], analysis: Analysis | None = None
    ) -> None:
        self.recipe = recipe
        self.declared = sizes
        self.analysis = analysis or Analysis(recipe.program.space)
        self.alone: dict[str, list[Condition]] = {}
        self.tied: list[tuple[Condition, Node, frozenset[str]]] = []
        self.impossible: set[str] = set()
        """Symbols for which a condition never holds."""
        self._holds: dict[Any, bool] = {}
        self._own: dict[str, SizeSet] = {}
        self._floors: dict[str, int] = {}
        self._fixed: dict[str, int] | None = None
        self._others: dict[str, dict[str, int]] = {}
        self._names: dict[int, tuple[str, int]] | None = None

    def with_conditions(self, asks: Iterable[Ask]) -> SizeConditions:
        """The same question for other conditions of the same recipe."""
        found = SizeConditions(self.recipe, self.fixed(), self.analysis)
        seen = set()
        for whole, node, symbols in asks:
            if isinstance(whole, bool):
                found.impossible.update(() if whole else symbols)
                continue
            for condition in whole.conjuncts():
                key = identity(condition)
                if key not in seen:
                    seen.add(key)
                    found._add(condition, node)
        return found

    def _add(self, condition: Condition, node: Node) -> None:
        support = self.analysis.space.support(condition)
        if len(support) == 1:
            self.alone.setdefault(next(iter(support)), []).append(condition)
        else:
            self.tied.append((condition, node, support))

    def about(self, symbol: str) -> Iterator[Condition | bool]:
        """The conditions on one symbol, the others at their :meth:`fixed` sizes where they are tied to it."""
        if symbol in self.impossible:
            yield False
        yield from self.alone.get(symbol, ())
        others = self.others(symbol)
        replaced = Substitution(self.analysis.space, others)
        for condition, _, symbols in self.tied:
            if symbol in symbols and symbols <= {*others, symbol}:
                yield replaced.condition(condition)

    def fixed(self) -> dict[str, int]:
        """For each symbol the size next to the declared one that it takes by itself: at which others are asked."""
        if self._fixed is None:
            self._fixed = dict(self.declared)
            at = self.analysis.at(self.declared)
            for symbol, declared in self.declared.items():
                if not all(map(at.truth, self.alone.get(symbol, ()))):
                    self._fixed[symbol] = next(
                        iter(self.own(symbol).nearest(declared)), declared
                    )
        return self._fixed

    def others(self, symbol: str) -> dict[str, int]:
        """The sizes of the other symbols at which one is asked: :meth:`fixed`, where it has a size with them.

        Where it has none, or an empty batch alone, one of the others takes a size at which it has.
        """
        if symbol not in self._others:
            self._others[symbol] = self._together(symbol)
        return self._others[symbol]

    def _together(self, symbol: str) -> dict[str, int]:
        sizes = self.fixed()
        others = {name: n for name, n in sizes.items() if name != symbol}
        tied = [one for one in self.tied if symbol in one[2] and one[2] <= {symbol, *others}]
        at = self.analysis.at(sizes)
        if not tied or symbol not in sizes or all(at.truth(c) for c, _, _ in tied):
            return others
        if (self._with_others(symbol, sizes).at_least(1)) is not None:
            return others

        for name in dict.fromkeys(name for one in tied for name in one[2] if name != symbol):
            n = next(iter(self._with_others(name, sizes).nearest(sizes[name])), 0)
            if n > 0:
                return {**others, name: n}
        return others

    def _with_others(self, symbol: str, sizes: Mapping[str, int]) -> SizeSet:
        """The sizes of a symbol with the others at these."""
        fixed = {name: n for name, n in sizes.items() if name != symbol}
        replaced = Substitution(self.analysis.space, fixed)
        tied = [
            c for c, _, symbols in self.tied if symbol in symbols and symbols <= sizes.keys()
        ]
        asked = [*self.alone.get(symbol, ()), *map(replaced.condition, tied)]
        return decide([asked], symbol, self.analysis)[0].sizes

    def couplings(self, symbols: Collection[str]) -> list[Coupling]:
        """The conditions that do not hold for every combination of sizes that the symbols take by themselves.

        An alternative that an empty axis makes true (``H >= 1 or N == 0``) is no tie for anyone but an empty batch.
        """
        found: dict[str, Coupling] = {}
        space = self.analysis.space
        for condition, node, _ in self.tied:
            kept = _of_filled(condition)
            support = space.support(kept)
            if len(support) < 2 or self._always(kept):
                continue
            kept = self._simpler(kept)
            support = space.support(kept)
            if len(support) < 2 or self._always(kept):
                continue
            assert isinstance(kept, Condition)
            constraint = kept.written(self._writing())
            found.setdefault(
                constraint,
                Coupling(tuple(s for s in symbols if s in support), constraint, node.name),
            )
        return list(found.values())

    def _simpler(self, condition: Condition | bool) -> Condition | bool:
        """The condition without what the least sizes of its symbols decide; one that never holds as it is."""
        space = self.analysis.space
        least = {symbol: self._filled(symbol).start for symbol in space.support(condition)}
        try:
            found = FromLeast(space, least).condition(condition)
        except TooLarge:
            return condition
        return condition if found is False else found

    def _writing(self) -> Writing:
        """Ties in words that can be read: a long expression is called by a node's dim that it is, ``enc1[2]``."""
        if self._names is None:
            self._names = {}
            for node, shape in zip(self.recipe.network.nodes, self.recipe.shapes):
                for dim, n in enumerate(shape):
                    if isinstance(n, Size):
                        self._names.setdefault(
                            id(n.siblings), (f"{node.name}[{dim}]", n.constant)
                        )
        return Writing(self._named, READABLE)

    def _named(self, size: Size) -> str | None:
        """A node's dim that is a size, or differs from it by a number."""
        assert self._names is not None
        name, constant = self._names.get(id(size.siblings), ("", 0))
        if not name or constant == size.constant:
            return name or None
        apart = size.constant - constant
        return f"({name} {'-' if apart < 0 else '+'} {abs(apart)})"

    def _always(self, condition: Condition | bool) -> bool:
        """Whether it holds for every combination of sizes, by alternatives of one symbol each."""
        if isinstance(condition, bool):
            return condition
        if condition.relation == "and":
            return all(map(self._always, condition.parts))
        if condition.relation == "or":
            return any(map(self._always, condition.parts))
        key = identity(condition)
        if key not in self._holds:
            self._holds[key] = self._holds_everywhere(condition)
        return self._holds[key]

    def _holds_everywhere(self, condition: Condition) -> bool:
        """Whether a comparison holds for every combination of sizes; by bounds where it is one of several symbols."""
        support = self.analysis.space.support(condition)
        if len(support) != 1:
            domains = {symbol: self._filled(symbol) for symbol in support}
            return holds_within(condition, domains) is True

        (symbol,) = support
        if always_from(condition, self._floor(symbol), self.analysis):
            return True
        return always(condition, symbol, self.own(symbol), self.analysis)

    def _filled(self, symbol: str) -> range:
        """A range with all sizes that a symbol takes by itself, those of no empty axis."""
        least = max(self._floor(symbol), 1)
        return range(least, max(least + 1, ENDLESS))

    def _floor(self, symbol: str) -> int:
        """A size below which a symbol takes none by itself: less than its set, and less work."""
        if symbol not in self._floors:
            self._floors[symbol] = none_below(self.alone.get(symbol, ()), self.analysis)
        return self._floors[symbol]

    def own(self, symbol: str) -> SizeSet:
        """The sizes that a symbol takes by itself."""
        if symbol not in self._own:
            self._own[symbol] = decide([self.alone.get(symbol, ())], symbol, self.analysis)[
                0
            ].sizes
        return self._own[symbol]


def _of_filled(condition: Condition | bool) -> Condition | bool:
    """The condition where no symbol is 0."""
    if isinstance(condition, bool):
        return condition
    if condition.relation in ("and", "or"):
        a, b = map(_of_filled, condition.parts)
        return a & b if condition.relation == "and" else a | b
    size = condition.parts[0]
    is_symbol = not size.constant and len(size.terms) == 1 and len(size.terms[0][0]) == 1
    if (
        is_symbol
        and size.space.atoms[size.terms[0][0][0]].primitive is SYMBOL
        and condition.relation != "ge"
    ):
        return bool(condition.relation == "ne")
    return condition


def _losses(recipe: Recipe) -> Iterable[Ask]:
    """What holds where nothing is dropped or cropped unevenly, and the symbols along whose dim that would be."""
    shapes, nodes = recipe.shapes, recipe.network.nodes
    asked: set[Any] = set()
    for node, op in zip(nodes, recipe.ops):
        if op is None:
            continue
        key = (
            id(op),
            *[
                recipe.shape_of[source.index]
                for source in (*node.inputs, *node.operands.values())
            ],
        )
        if key in asked:
            continue
        asked.add(key)
        inputs = [shapes[source.index] for source in node.inputs]
        given = {field: shapes[source.index] for field, source in node.operands.items()}
        for remark in op.remarks(*inputs, **given):
            if remark.code in LOSSES:
                yield remark.holds, node, _deciding(recipe, inputs, remark.dim)


def _deciding(recipe: Recipe, inputs: Sequence[Shape], dim: int | None) -> Collection[str]:
    """The symbols of which a node's inputs are made along a dim, which is counted in the longest.

    All symbols where it is of a fixed size, or where no dim is known: what fails there fails whatever the sizes.
    """
    if dim is None:
        return recipe.network.symbols

    found: set[str] = set()
    rank = max(map(len, inputs))
    for shape in inputs:
        at = dim - rank + len(shape)
        size = shape[at] if 0 <= at < len(shape) else None
        if isinstance(size, Size):
            found |= size.space.support(size)
    return found or recipe.network.symbols


def _alignments(recipe: Recipe) -> Iterable[Ask]:
    """What holds where the grids of every merge coincide, and every unpooling gives the pooled size back."""
    shapes = recipe.shapes
    # A merge of many inputs has a meeting for each.
    deciding: dict[tuple[int, int], Collection[str]] = {}
    for meeting in meetings(recipe.traced):
        key = (meeting.node.index, meeting.dim)
        if key not in deciding:
            merged = [shapes[source.index] for source in meeting.node.inputs]
            deciding[key] = _deciding(recipe, merged, meeting.dim)
        yield meeting.holds, meeting.node, deciding[key]
    for unpooling in unpoolings(recipe.traced):
        made = shapes[unpooling.node.index]
        yield unpooling.holds, unpooling.node, _deciding(recipe, [made], unpooling.dim)


def _traced(
    network: Network, ops: Ops, sizes: Mapping[str, int], symbol: str, symbols: int
) -> Axis:
    """By tracing size after size on ints, where an operation takes no symbols."""
    import numpy

    count = max(min(TRACED, STEPS // (len(network.nodes) * symbols)), FEWEST)
    truth = numpy.zeros((3, count + 1), bool)
    for n in range(count):
        truth[:, n] = list(_judged(trace(network, {**sizes, symbol: n}, ops)))
    runs, lossless, aligned = (of_members(row, 1) for row in truth)
    others = {
        name: n for name, n in sizes.items() if name in network.symbols and name != symbol
    }
    return Axis(runs, lossless, aligned, count, NO_SYMBOLS, others)


def is_aligned(found: Trace) -> bool:
    """Whether the grids of every merge coincide, and every unpooling gives the pooled size back."""
    return all(m.holds for m in meetings(found)) and all(u.holds for u in unpoolings(found))


def _widened(
    recipe: Recipe,
    ops: Ops,
    sizes: Mapping[str, int],
    symbol: str,
    found: Sequence[Decided],
    *,
    contracts: bool = False,
) -> list[Decided]:
    """With the small sizes that an operation refuses for a symbol and takes as a number: of *runs*, and of more.

    They stand below the size from which *runs* repeats: behind it, a dim that may be 1 has grown. With ``contracts``
    they have to meet every expectation. Raises TooLarge where those are too many to trace.
    """
    if not _is_narrower(recipe) or any(
        name not in sizes for name in recipe.network.symbols if name != symbol
    ):
        return list(found)
    import numpy

    network, runs = recipe.network, found[0].sizes
    until = max(runs.start, TRACED)
    if until * len(network.nodes) > STEPS:
        raise TooLarge(
            f"the sizes of {symbol} below {until} would have to be traced one by one"
        )
    taken = runs.mask(numpy.arange(until))
    truths = [d.sizes.mask(numpy.arange(max(until, d.sizes.start))) for d in found]
    for n in range(until):
        if not taken[n]:
            traced = trace(network, {**sizes, symbol: n}, ops)
            if contracts and traced.diagnostics:
                continue
            for truth, holds in zip(truths, _judged(traced)):
                truth[n] = holds
    return [Decided(d.sizes.with_first(truth), d.below) for truth, d in zip(truths, found)]


def _judged(found: Trace) -> Iterator[bool]:
    """Whether the sizes of a trace run, are lossless, and are aligned."""
    holds = all(d.code == "T304" for d in found.diagnostics) and None not in found.by_index
    yield holds
    holds = holds and not found.lost()
    yield holds
    yield holds and is_aligned(found)


def _confirmed(
    network: Network, ops: Ops, sizes: Mapping[str, int], symbol: str, found: Decided
) -> Decided:
    """Without the sizes whose grids differ as numbers: one of each class is asked, as the ratio of its grids is one."""
    import numpy

    def differs(n: int) -> bool:
        traced = trace(network, {**sizes, symbol: n}, ops)
        held = [m for m in meetings(traced) if _judges(m, recipe, symbol)]
        return not all(m.holds for m in held)

    recipe = recipe_of(
        network, ops, {s: n for s, n in sizes.items() if s != symbol}, contracts=False
    )
    members = found.sizes
    if not recipe.sound or len(members.finite) + len(members.residues) > TRACED:
        return found

    truth = numpy.zeros(members.start, bool)
    for n in members.finite:
        truth[n] = not differs(n)

    start, modulus = members.start, members.modulus
    firsts = {r: start + (r - start) % modulus for r in members.residues}
    same = [r for r, first in firsts.items() if not differs(first + modulus)]
    kept = of_residues(truth, modulus, numpy.array(same, numpy.int64))
    return Decided(kept, found.below)


def _judges(meeting: Any, recipe: Recipe, symbol: str) -> bool:
    """Whether a merge meets along a dim of this symbol."""
    merged = [recipe.shapes[source.index] for source in meeting.node.inputs]
    return symbol in _deciding(recipe, merged, meeting.dim)


class Form(msgspec.Struct, frozen=True):
    """The shapes of all nodes for one class of sizes, ``modulus * k + remainder``."""

    modulus: int
    remainder: int
    least: int
    """The least k of the set from which on all shapes are these."""
    shapes: dict[str, tuple[SizeLike, ...]]
    """By node: dims are numbers or sizes over ``k``."""

    @property
    def size(self) -> str:
        """``16k + 12``."""
        k = f"{self.modulus}k" if self.modulus > 1 else "k"
        return f"{k} + {self.remainder}" if self.remainder else k


def forms(
    network: Network,
    ops: Ops,
    sizes: Mapping[str, int],
    symbol: str,
    found: SizeSet,
    most: int = 4,
) -> list[Form]:
    """The shape of every node over k, for up to ``most`` residue classes of a set; the other symbols as declared."""
    recipe = recipe_of(
        network, ops, {name: n for name, n in sizes.items() if name != symbol}, contracts=False
    )
    if not recipe.sound:
        return []
    space = recipe.program.space
    analysis, k = Analysis(space), space.symbol("k")
    squeezed = NONE
    if _is_narrower(recipe):
        squeezed = (
            found
            - decide([[condition for condition, _ in recipe.conditions]], symbol, analysis)[
                0
            ].sizes
        )
    result = []
    for residue in found.residues[:most]:
        # Where a dim of 1 is squeezed, the ranks are others.
        least = found.at_least(
            max(
                [found.start, *(n + 1 for n in squeezed.finite if n % found.modulus == residue)]
            )
        )
        assert least is not None
        least = (least + (residue - least) % found.modulus) // found.modulus
        replaced = Substitution(space, {symbol: k * found.modulus + residue})
        known = FromLeast(space, {"k": least})
        written = []
        for shape in recipe.unique:
            dims = [known.size(replaced.size(d)) for d in shape]
            written.append(tuple(_affine(d, analysis) for d in dims))
            least = max(
                [
                    least,
                    *(_since(form, d, least, analysis) for form, d in zip(written[-1], dims)),
                ]
            )
        shapes = {
            node.name: written[index] for node, index in zip(network.nodes, recipe.shape_of)
        }
        result.append(Form(found.modulus, residue, least, shapes))
    return result


def _affine(size: SizeLike, analysis: Analysis) -> SizeLike:
    """A size as a·k + b, where it is one for all large k: minima and choices that are decided drop out."""
    if isinstance(size, int) or all(
        len(monomial) == 1 and size.space.atoms[monomial[0]].primitive is SYMBOL
        for monomial, _ in size.terms
    ):
        return size
    try:
        growth = analysis.growth(size)
    except Aperiodic:
        return size
    if growth.period != 1:
        return size
    value: Any = Substitution(size.space, {"k": growth.since}).size(size)
    k: Size = size.space.symbol("k")
    slope = int(growth.slope)
    return _plus(k * slope, value - slope * growth.since)


def _since(form: SizeLike, size: SizeLike, least: int, analysis: Analysis) -> int:
    """The k from which on, down to ``least``, a size has its affine form."""
    if form is size or isinstance(size, int):
        return least
    since = analysis.growth(size).since
    while since > least:
        replaced = Substitution(size.space, {"k": since - 1})
        if replaced.size(size) != replaced.size(form):
            break
        since -= 1
    return since


def _plus(a: SizeLike, b: int) -> SizeLike:
    return a + b


FACTOR_OF_K = re.compile(r"\b(\d+)\*k\b")


def written_dim(dim: SizeLike) -> str:
    """A dim over k as in a table: ``2k + 1``."""
    return FACTOR_OF_K.sub(r"\1k", repr(dim)) if isinstance(dim, Size) else str(dim)
