"""A network's tensors as a model description of BioImage.IO (version 0.5): ``rdf.yaml``.

An axis of an input has the sizes ``min + step·k``; an axis of an output follows one of them by scale and offset:
``size = reference · reference scale / scale + offset``, and has a halo, which is cropped from both of its ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import yaml

from tracer.diagnostics import Diagnostic, TracerError
from tracer.geometry.grids import leading_dims
from tracer.geometry.halo import BorderEnds, ends
from tracer.geometry.receptive_field import Reach, reaches
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.planning.size_classes import EvenSize, SizeClass, size_classes
from tracer.planning.working_sizes import Axis, Coupling
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import Trace
from tracer.sizing.growth import Aperiodic
from tracer.sizing.periodic import Analysis
from tracer.sizing.size_set import EVERY, SizeSet, TooLarge
from tracer.sizing.substitution import Substitution, without_decided
from tracer.sizing.symbol import Condition, Size, SizeLike, identity

VERSION = "0.5.4"

SPACE = ("x", "y", "z")
"""The names of axes in space, the last dim first."""

CHANNELS = 65_536
"""Channels that are named at most."""

SHOWN = 4
"""Remainders that are listed at most."""

NAME = 5
"""Letters that a model's name has at least."""

LARGE = 2**20
"""From here on no position is at both ends of a map."""

ROUNDS = 64
"""Sizes at which the ends of maps are looked at, at most."""

LATER = (1, 7)
"""So many steps further, positions have to see what they see at the least size: else the map's size decides."""

PLACEHOLDERS = {
    "weights": {
        "pytorch_state_dict": {
            "source": "weights.pt",
            "architecture": {"source": "network.py", "callable": "Network"},
            "pytorch_version": "2.4",
        }
    }
}
"""What a description cannot be without, and no network says."""


class NoDescription(Exception):
    """What keeps a network from being described, its node, and what can be done."""

    def __init__(self, message: str, node: Node | None, hint: str | None = None) -> None:
        super().__init__(message)
        self.node = node
        self.hint = hint


class DescriptionText(NamedTuple):
    """A description, and sentences about it."""

    text: str
    told: list[str]


def description_of(net: Net, like: Mapping[str, int] | None = None) -> DescriptionText:
    """The description of a network, as it is built; ``like``: sizes whose classes are to be described.

    Raises :class:`TracerError` where the network has none, and ValueError for what is no symbol of its.
    """
    known = like or {}
    _check_symbols(net, known)
    try:
        return _Describing(net.as_built(), known).text()
    except NoDescription as error:
        raise TracerError([_refusal(net, error)]) from None


def _check_symbols(net: Net, like: Mapping[str, int]) -> None:
    unknown = [symbol for symbol in like if symbol not in net.symbols]
    if unknown:
        known = ", ".join(net.symbols) or "none"
        raise ValueError(f"the input has no symbol {unknown[0]!r}; its symbols: {known}")


def _refusal(net: Net, error: NoDescription) -> Diagnostic:
    """The finding at the node that is in the way."""
    node = error.node
    if node is None:
        message = f"no BioImage.IO description: {error}"
        return Diagnostic("T601", message, path=net.network.path, hint=error.hint)

    message = f"no BioImage.IO description: {node.name}: {error}"
    span = node.span if net.read_from is None else None
    path = net.network.path
    return Diagnostic("T601", message, span, path=path, hint=error.hint, node=node.name)


class _Tensor(NamedTuple):
    """An input or an output: its id, its node, and its dims by the ids of its axes."""

    id: str
    node: Node
    has_batch: bool
    dims: dict[str, SizeLike]
    """Without the batch."""
    places: dict[str, int]
    """The number of each axis among the node's dims."""


class _Reference(NamedTuple):
    """The axis of an input whose size is a symbol."""

    tensor: str
    axis: str
    sizes: SizeClass
    scale: int
    """Such that the scale of every axis that follows is whole."""
    lines: Mapping[Any, EvenSize]
    """How sizes follow it, by their identity."""
    runs_from: int
    """The least size of the class that runs."""


class _Describing:
    """A network while it is described."""

    def __init__(self, net: Net, like: Mapping[str, int]) -> None:
        self.net = net
        self.network = net.network
        self.like = like
        self.told: list[str] = []
        trace = net.trace()
        if trace.diagnostics:
            raise TracerError(trace.diagnostics)
        self.lead = leading_dims(trace)
        self.recipe = _recipe(net)
        self.analysis = Analysis(self.recipe.program.space)
        self.inputs = [node for node in self.network.nodes if node.is_input]
        self.axes = self._axes()
        self.is_single, self.batch = self._batch()

    def text(self) -> DescriptionText:
        """The description."""
        inputs = self._tensors([(node.name, node) for node in self.inputs], set())
        taken = {tensor.id for tensor in inputs}
        outputs = self._tensors(list(self.network.outputs.items()), taken)

        references = self._untied(self._references([*inputs, *outputs]))
        halos = self._halos(outputs, references)
        if halos:
            self._tell_statistics(references)
        references = _with_room(references, outputs, halos)

        record = {
            "format_version": VERSION,
            "type": "model",
            "name": _title(self.network.name),
            "inputs": [self._written(one, references, {}) for one in inputs],
            "outputs": [self._written(one, references, halos) for one in outputs],
            **PLACEHOLDERS,
        }
        for symbol, one in references.items():
            found = one.sizes
            self.told.append(
                f"{symbol} = {found.least} + {found.step}k ({one.tensor}.{one.axis})"
            )
            if found.least > one.runs_from:
                self.told.append(
                    f"{symbol}: smaller sizes run too, from {one.runs_from} on, but leave nothing between the halos"
                )
        self.told.append(
            "weights are placeholders: write network.py with `tracer export -o network.py`, save its state dict as "
            "weights.pt; authors, license, test tensors and the like are yours to add"
        )
        text = yaml.safe_dump(record, sort_keys=False, default_flow_style=None, width=120)
        return DescriptionText(text, self.told)

    # --- the sets -----------------------------------------------------------------------------------------------------

    def _axes(self) -> Mapping[str, Axis]:
        """The sets of every symbol, where each decides alone."""
        try:
            working = self.net.working_sizes()
        except TooLarge as error:
            raise NoDescription(str(error), self._unsteady()) from None
        self.couplings = working.couplings
        for symbol, axis in working.axes.items():
            if axis.below is not None:
                message = f"sizes of {symbol} are known below {axis.below} only: {axis.because}"
                raise NoDescription(message, self._unsteady())
        return working.axes

    def _unsteady(self) -> Node | None:
        """The first node with a size that has no period."""
        for node in self.network.nodes:
            for size in self.recipe.shape(node) or ():
                try:
                    self.analysis.growth(size)
                except Aperiodic:
                    return node
        return None

    def _batch(self) -> tuple[bool, SizeLike | None]:
        """Whether the batch is 1, and its size in the inputs' shapes; None without a batch."""
        if self.lead < 2:
            return False, None
        first = self.inputs[0]
        batch = self._shape(first)[0]
        if isinstance(batch, int):
            if batch != 1:
                raise NoDescription(
                    f"its batch is {batch}; a description has a batch of 1, or of any size",
                    first,
                    f"write a symbol in the place of {batch}",
                )
            return True, batch

        symbols = sorted(self.recipe.program.space.support(batch))
        if len(symbols) > 1:
            raise NoDescription(f"its batch follows {' and '.join(symbols)}", first)
        runs = self.axes[symbols[0]].runs
        if _is_any(runs):
            return False, batch
        words = runs.written(symbols[0])
        if 1 not in runs:
            raise NoDescription(f"it takes no batch of 1: it runs for {words}", first)
        self.told.append(f"the batch is 1, as it runs for {words} only")
        return True, batch

    def _shape(self, node: Node) -> Shape:
        shape = self.recipe.shape(node)
        assert shape is not None  # the recipe is sound
        return shape

    # --- tensors ------------------------------------------------------------------------------------------------------

    def _tensors(self, named: Sequence[tuple[str, Node]], taken: set[str]) -> list[_Tensor]:
        found = []
        for name, node in named:
            own = _identifier(name, taken)
            taken.add(own)
            found.append(self._tensor(own, node))
        return found

    def _tensor(self, name: str, node: Node) -> _Tensor:
        shape = self._shape(node)
        _check_dims(shape, node)

        has_batch = self.batch is not None and identity(shape[0]) == identity(self.batch)
        dims = shape[1:] if has_batch else shape
        ids = _axis_ids(dims)
        found = {}
        for word, dim in zip(ids, dims):
            found[word] = self._alone(dim, node, word)
        places = {word: i + has_batch for i, word in enumerate(ids)}
        return _Tensor(name, node, has_batch, found, places)

    def _alone(self, dim: SizeLike, node: Node, word: str) -> SizeLike:
        """A dim without the batch. Raises :class:`NoDescription` where several symbols decide it."""
        space = self.recipe.program.space
        if not isinstance(dim, Size):
            return dim
        if self.is_single and isinstance(self.batch, Size):
            (symbol,) = space.support(self.batch)
            dim = Substitution(space, {symbol: 1}).size(dim)
        symbols = sorted(space.support(dim))
        batch = () if self.batch is None else space.support(self.batch)
        if len(symbols) > 1 or set(symbols) & set(batch):
            words = " and ".join(symbols)
            raise NoDescription(
                f"the size along {word}, {dim!r}, follows {words}; an axis follows one axis that is no batch",
                node,
            )
        return dim

    # --- classes ------------------------------------------------------------------------------------------------------

    def _references(self, tensors: Sequence[_Tensor]) -> dict[str, _Reference]:
        """For every symbol the axis that has its sizes, and their class."""
        found: dict[str, _Reference] = {}
        for symbol in self.network.symbols:
            place = self._place_of(symbol, tensors)
            if place is None:
                continue
            formulas = self._formulas(symbol, tensors)
            sizes = self._class(symbol, self.axes[symbol], formulas)
            lines = {identity(size): line for size, line in zip(formulas, sizes.lines)}
            numerators = [line.slope.numerator for line in sizes.lines if line.slope > 0]
            found[symbol] = _Reference(*place, sizes, math.lcm(*numerators), lines, sizes.least)
        return found

    def _place_of(self, symbol: str, tensors: Sequence[_Tensor]) -> tuple[str, str] | None:
        """The first input and axis whose size is the symbol itself; None for the batch."""
        own = identity(self.recipe.sizes[symbol])
        for tensor in tensors:
            for word, dim in tensor.dims.items():
                if identity(dim) == own:
                    return tensor.id, word
        return None

    def _formulas(self, symbol: str, tensors: Sequence[_Tensor]) -> list[Size]:
        """The sizes that follow a symbol, each once."""
        space = self.recipe.program.space
        found: dict[Any, Size] = {}
        for tensor in tensors:
            for dim in tensor.dims.values():
                if isinstance(dim, Size) and symbol in space.support(dim):
                    found[identity(dim)] = dim
        return list(found.values())

    def _class(self, symbol: str, axis: Axis, formulas: Sequence[Size]) -> SizeClass:
        """The class of sizes that is described: an aligned one where there is one, else one that loses nothing."""
        like = self.like.get(symbol)
        try:
            for allowed in (axis.aligned, axis.lossless, axis.runs):
                classes = size_classes(allowed, formulas, symbol, self.analysis, like)
                if classes:
                    return self._chosen(symbol, classes)
        except (Aperiodic, TooLarge) as error:
            raise NoDescription(f"{symbol}: {error}", self._unsteady()) from None
        raise self._without_class(symbol, axis.runs)

    def _chosen(self, symbol: str, classes: Sequence[SizeClass]) -> SizeClass:
        """The class without rounding, of these that of the declared size, of these the first."""
        declared = self.network.defaults().get(symbol, 0)

        def order(one: SizeClass) -> tuple[bool, bool, int]:
            is_declared = declared % one.step == one.residue
            return not one.is_exact, not is_declared, one.residue

        chosen = min(classes, key=order)
        others = [one.residue for one in classes if one is not chosen]
        if others:
            listed = ", ".join(map(str, others[:SHOWN]))
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            self.told.append(
                f"{symbol} is {chosen.residue} modulo {chosen.step}; others are {listed}{more} "
                f"(--residue {symbol}={others[0]})"
            )
        return chosen

    def _untied(self, references: dict[str, _Reference]) -> dict[str, _Reference]:
        """The references, with least sizes from which on no condition ties several symbols together.

        Raises :class:`NoDescription` where one does in these classes.
        """
        space = self.recipe.program.space
        for whole, node in self.recipe.conditions:
            for condition in whole.conjuncts():
                is_tied = len(space.support(condition)) > 1
                if is_tied and not self._holds(condition, references):
                    references = self._raised(condition, node, references)
        return references

    def _holds(self, condition: Condition, references: Mapping[str, _Reference]) -> bool:
        """Whether a condition is met by all sizes of the classes together."""
        space = self.recipe.program.space
        values: dict[str, SizeLike] = {}
        for symbol in space.support(condition):
            if symbol in references:
                sizes = references[symbol].sizes
                steps = space.counts(f"{symbol} in steps of {sizes.step}")
                values[symbol] = steps * sizes.step + (sizes.least - sizes.step)
            else:
                values[symbol] = 1 if self.is_single else space.counts(f"{symbol} from 1 on")
        try:
            return without_decided(Substitution(space, values).condition(condition)) is True
        except TooLarge:
            return False

    def _raised(
        self,
        condition: Condition,
        node: Node,
        references: dict[str, _Reference],
    ) -> dict[str, _Reference]:
        """The references with one least size from which on a condition is met whatever the others are."""
        options = []
        for part in condition.disjuncts():
            symbols = sorted(self.recipe.program.space.support(part))
            if len(symbols) == 1 and symbols[0] in references:
                least = self._always_from(part)
                if least is not None:
                    options.append((least, symbols[0]))
        if not options:
            raise NoDescription(self._tie(condition, node), node)

        least, symbol = min(options)
        reference = references[symbol]
        sizes = reference.sizes
        raised = SizeClass(sizes.at_least(least), sizes.step, sizes.lines)
        higher = reference._replace(sizes=raised, runs_from=raised.least)
        self.told.append(
            f"{symbol} begins at {raised.least}, from where on {node.name} runs whatever the other sizes are"
        )
        return {**references, symbol: higher}

    def _always_from(self, condition: Condition) -> int | None:
        """The size from which on a condition holds; None where it does not, for some size."""
        try:
            found = self.analysis.eventually(condition)
        except Aperiodic:
            return None
        return found.since if found.holds else None

    def _tie(self, condition: Condition, node: Node) -> str:
        """What ties symbols together, in the words that are at hand."""
        for coupling in self.couplings:
            if coupling.node == node.name:
                return _together(coupling)
        words = " and ".join(sorted(self.recipe.program.space.support(condition)))
        return f"{words} decide together; axes are independent"

    def _without_class(self, symbol: str, runs: SizeSet) -> NoDescription:
        like = self.like.get(symbol)
        told = runs.written(symbol)
        if like is not None and runs.residues:
            return NoDescription(
                f"the sizes of {symbol} like {like} are no class: it runs for {told}",
                self.inputs[0],
            )
        tie = next((one for one in self.couplings if symbol in one.symbols), None)
        if tie is not None:
            node = next(one for one in self.network.nodes if one.name == tie.node)
            return NoDescription(_together(tie), node)
        return NoDescription(
            f"{symbol} has no class of sizes, least + step·k: it runs for {told}",
            self._limiting(symbol) or self.inputs[0],
            f"write a number in the place of {symbol}: its axis is then fixed",
        )

    def _limiting(self, symbol: str) -> Node | None:
        """The first node with a condition that no large size meets."""
        space = self.recipe.program.space
        for condition, node in self.recipe.conditions:
            if space.support(condition) != {symbol}:
                continue
            try:
                if self.analysis.eventually(condition).holds is False:
                    return node
            except Aperiodic:
                continue
        return None

    # --- halos --------------------------------------------------------------------------------------------------------

    def _halos(
        self,
        outputs: Sequence[_Tensor],
        references: Mapping[str, _Reference],
    ) -> dict[tuple[str, str], int]:
        """By the ids of an output and its axis: the halo there; none where nothing is cropped."""
        if not references:
            return {}
        seen = [self._reaches_at(references, more) for more in (0, *LATER)]
        rounds = self._rounds(seen[0], references)
        if rounds > ROUNDS:
            self.told.append("no halos: the ends of maps repeat after too many sizes")
            return {}
        borders = [ends(self._trace_at(references, LARGE, k)) for k in range(rounds)]

        found = {}
        unknown = []
        for tensor, word, line in self._following(outputs, references):
            own = None
            if self._moves_evenly(seen, tensor, word, line):
                own = _cropped(borders, tensor, self.lead, word, line)
            if own is None:
                unknown.append(f"{tensor.id}.{word}")
            elif own:
                found[tensor.id, word] = own

        if unknown:
            self.told.append(
                f"no halo for {', '.join(unknown)}: positions see the whole map, or its size decides what they see"
            )
        return found

    def _tell_statistics(self, references: Mapping[str, _Reference]) -> None:
        """Say which nodes make of positions what no crop takes back, as norms of whole maps do."""
        names = []
        for visit in self._trace_at(references, 1, 0).walk():
            op = visit.op
            if op is None or visit.shape is None or not visit.inputs:
                continue
            rank = min(len(visit.shape), len(visit.inputs[0]))
            dims = range(self.lead, rank)
            if not all(op.is_local(dim, *visit.inputs, **visit.sizes) for dim in dims):
                names.append(f"{visit.node.name} ({type(op).__name__})")

        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self.told.append(
                f"{names[0]}{more}: what comes out follows more of the map than positions see, which no halo takes back"
            )

    def _following(
        self,
        outputs: Sequence[_Tensor],
        references: Mapping[str, _Reference],
    ) -> Iterator[tuple[_Tensor, str, EvenSize]]:
        """The axes of outputs that follow an input's."""
        for tensor in outputs:
            for word, dim in tensor.dims.items():
                line = self._followed(dim, references)
                if line is not None:
                    yield tensor, word, line

    def _rounds(
        self,
        seen: Sequence[Sequence[Reach | None]],
        references: Mapping[str, _Reference],
    ) -> int:
        """After so many steps of every size the ends of all maps are as they were."""
        turns = {reach.by for own in seen for reach in own if reach is not None and reach.by}
        whole = math.lcm(*turns)
        rounds = [whole // math.gcd(one.sizes.step, whole) for one in references.values()]
        return max(rounds)

    def _moves_evenly(
        self,
        seen: Sequence[Sequence[Sequence[Reach | None]]],
        tensor: _Tensor,
        word: str,
        line: EvenSize,
    ) -> bool:
        """Whether what positions see moves on as the output does, whatever the size."""
        own = [self._reach(one, tensor, word) for one in seen]
        first = own[0]
        if first is None or not first.by or any(one != first for one in own):
            return False
        return Fraction(len(first.low), first.by) == line.slope

    def _followed(self, dim: SizeLike, references: Mapping[str, _Reference]) -> EvenSize | None:
        """How a dim follows another size; None where it is fixed."""
        reference = self._reference(dim, references)
        if reference is None:
            return None
        line = reference.lines[identity(dim)]
        return line if line.slope else None

    def _reference(
        self,
        dim: SizeLike,
        references: Mapping[str, _Reference],
    ) -> _Reference | None:
        if not isinstance(dim, Size):
            return None
        (symbol,) = self.recipe.program.space.support(dim)
        return references[symbol]

    def _trace_at(self, references: Mapping[str, _Reference], size: int, more: int) -> Trace:
        """The network where every size is so many steps above the first of its class that is no smaller."""
        sizes = {
            symbol: one.sizes.at_least(size) + more * one.sizes.step
            for symbol, one in references.items()
        }
        return self.net.trace(**{**self.network.defaults(), **sizes})

    def _reaches_at(
        self,
        references: Mapping[str, _Reference],
        more: int,
    ) -> list[list[Reach | None]]:
        """What positions see where every size is so many steps above its least."""
        return reaches(self._trace_at(references, 1, more))

    def _reach(
        self,
        seen: Sequence[Sequence[Reach | None]],
        tensor: _Tensor,
        word: str,
    ) -> Reach | None:
        """What positions along an axis see of the axis that it follows; None where they see of another one."""
        place = tensor.places[word]
        axis = place - self.lead
        own = seen[tensor.node.index]
        if not 0 <= axis < len(own):
            return None
        space = self.recipe.program.space
        symbols = space.support(tensor.dims[word])
        for node in self.inputs:
            shape = self._shape(node)
            if len(shape) > place and space.support(shape[place]) != symbols:
                return None
        return own[axis]

    # --- the record ---------------------------------------------------------------------------------------------------

    def _written(
        self,
        tensor: _Tensor,
        references: Mapping[str, _Reference],
        halos: Mapping[tuple[str, str], int],
    ) -> dict[str, Any]:
        """A tensor as the description has it."""
        axes: list[dict[str, Any]] = []
        if tensor.has_batch:
            axes.append({"type": "batch", **({"size": 1} if self.is_single else {})})
        for word, dim in tensor.dims.items():
            if word == "channel":
                assert isinstance(dim, int)
                names = [f"channel{i}" for i in range(dim)]
                axes.append({"type": "channel", "channel_names": names})
                continue
            axis = {"type": "space", "id": word, **self._sized(tensor, word, dim, references)}
            own = halos.get((tensor.id, word))
            axes.append(axis if own is None else {**axis, "halo": own})
        return {"id": tensor.id, "axes": axes}

    def _sized(
        self,
        tensor: _Tensor,
        word: str,
        dim: SizeLike,
        references: Mapping[str, _Reference],
    ) -> dict[str, Any]:
        """The size of an axis, and its scale where that is not 1."""
        reference = self._reference(dim, references)
        if reference is None:
            return {"size": dim}
        line = reference.lines[identity(dim)]
        sizes = reference.sizes
        if not line.slope:
            return {"size": line.at(sizes.least)}
        if (reference.tensor, reference.axis) == (tensor.id, word):
            size = {"min": sizes.least, "step": sizes.step}
            return {"size": size, **_scaled(reference.scale)}

        # The quotient is rounded down before the offset is added.
        whole = int(line.slope * sizes.least // 1)
        follows = {
            "tensor_id": reference.tensor,
            "axis_id": reference.axis,
            "offset": line.at(sizes.least) - whole,
        }
        scale = reference.scale / line.slope
        return {"size": follows, **_scaled(int(scale))}


def _check_dims(shape: Shape, node: Node) -> None:
    """Raise :class:`NoDescription` for a shape that no description has."""
    numbers = [dim for dim in shape if isinstance(dim, int)]
    if not shape or 0 in numbers:
        raise NoDescription("it has no axes, or one without positions", node)
    if numbers and numbers[0] > CHANNELS:
        raise NoDescription(f"more than {CHANNELS:,} channels are not named", node)


def _recipe(net: Net) -> Recipe:
    """The network on symbols. Raises :class:`NoDescription` where an operation takes none."""
    built = net.built
    recipe = built.recipe or recipe_of(net.network, built.ops, contracts=False)
    if recipe.undecided:
        raise NoDescription("its sizes are known for numbers only", recipe.undecided[0])
    if recipe.failed is not None:
        raise NoDescription("it runs for single sizes only", recipe.failed)
    return recipe


def _together(tie: Coupling) -> str:
    words = " and ".join(tie.symbols)
    return f"{words} decide together ({tie.constraint}); axes are independent"


def _is_any(runs: SizeSet) -> bool:
    """Whether a set has every size from 1 on."""
    return not (EVERY - runs).at_least(1)


def _scaled(scale: int) -> dict[str, int]:
    return {} if scale == 1 else {"scale": scale}


def _cropped(
    borders: Sequence[Sequence[Sequence[BorderEnds | None]]],
    tensor: _Tensor,
    lead: int,
    word: str,
    line: EvenSize,
) -> int | None:
    """The halo of an axis: the padding of the input that it stands for has a whole number of pixels.

    None where it is not known.
    """
    axis = tensor.places[word] - lead
    own = [one[tensor.node.index] for one in borders]
    known = [axes[axis] for axes in own if axis < len(axes)]
    most = 0
    for pair in known:
        if pair is None:
            return None
        most = max(most, *pair)
    whole = line.slope.numerator
    return -(-most // whole) * whole if known else None


def _with_room(
    references: Mapping[str, _Reference],
    outputs: Sequence[_Tensor],
    halos: Mapping[tuple[str, str], int],
) -> dict[str, _Reference]:
    """The references whose least sizes leave a position of every output between its halos."""
    found = dict(references)
    for symbol, reference in references.items():
        sizes = reference.sizes
        least = sizes.least
        for tensor in outputs:
            for word, dim in tensor.dims.items():
                own = halos.get((tensor.id, word))
                line = reference.lines.get(identity(dim))
                if own is None or line is None:
                    continue
                needed = math.ceil((2 * own + 1 - line.offset) / line.slope)
                least = max(least, sizes.at_least(needed))
        roomy = SizeClass(least, sizes.step, sizes.lines)
        found[symbol] = reference._replace(sizes=roomy)
    return found


def _axis_ids(dims: Sequence[SizeLike]) -> list[str]:
    """The names of a tensor's axes: the first number is that of its channels, the others lie in space.

    >>> _axis_ids([3, 64, 64])
    ['channel', 'y', 'x']
    """
    channel = next((i for i, dim in enumerate(dims) if isinstance(dim, int)), None)
    others = [i for i in range(len(dims)) if i != channel]
    names = {} if channel is None else {channel: "channel"}
    for number, i in enumerate(reversed(others)):
        names[i] = SPACE[number] if number < len(SPACE) else f"axis{number + 1}"
    return [names[i] for i in range(len(dims))]


def _identifier(name: str, taken: set[str]) -> str:
    """A name as ids are written, that no other tensor has.

    >>> _identifier("Head.out", {"head_out"})
    'head_out_2'
    """
    own = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)[:28]
    if not own.isidentifier():
        own = f"t_{own}"[:28]
    found = own
    number = 2
    while found in taken:
        found = f"{own}_{number}"
        number += 1
    return found


def _title(name: str | None) -> str:
    """A name of the letters that a description takes, and no shorter than it may be."""
    own = re.sub(r"[^A-Za-z0-9_+\- ()]", "-", name or "network")[:64]
    return own if len(own) >= NAME else f"{own} network"
