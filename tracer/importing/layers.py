"""The layers of a config: one for every step of a recording, for every use of a block, for copies of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracer.importing.blocks import (
    CalledPart,
    Item,
    SharedBlock,
    is_alike,
    is_one,
    layer_names,
    written_by,
)
from tracer.importing.recording import Step, Unrepresentable, Value
from tracer.importing.repeats import (
    BlockOf,
    Chains,
    Run,
    RunNames,
    Twins,
    are_same,
    by_index,
    words_of,
)
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.importing.sharing import Owners
from tracer.sizing.symbol import Size, SizeLike, Writing
from tracer.source import limits

LONGEST = 1_000
"""Atoms of an expression whose characters are counted: of more, it is too long for a config."""

WHOLE = Writing(lambda _: None, LONGEST)
"""Nothing of an expression is left out."""


@dataclass(frozen=True)
class ListedLayer:
    """One layer of a config."""

    name: str
    op: str
    """Its operation or block."""
    reads: tuple[str, ...]
    """What it reads; nothing where that is the layer before it."""
    arguments: dict[str, Any]
    """Values as they are written, ``repeat`` and ``weights`` among them."""
    note: str
    """The comment behind it."""
    steps: Sequence[Step] = field(repr=False)
    """The steps that it stands for."""


@dataclass(frozen=True)
class Listed:
    """The layers of the whole program or of a block."""

    layers: Sequence[ListedLayer]
    paths: Mapping[str, str]
    """The name of every node, inside of blocks too: ``down1.conv``."""
    names: Mapping[str, str]
    """The name that each node is read by."""

    def listed(self, values: Iterable[Value]) -> tuple[str, ...]:
        """The names that tensors are read by."""
        return tuple(value.name_by(self.names[value.node]) for value in values)


class Listing:
    """The layers of one recording's parts. Blocks are listed before those that use them."""

    def __init__(
        self,
        block_of: BlockOf,
        owners: Owners,
        *,
        with_repeats: bool,
    ) -> None:
        self.block_of = block_of
        self.owners = owners
        self.with_repeats = with_repeats
        self.inner: dict[SharedBlock, list[str]] = {}
        """The names of a block's nodes inside of it, in the order of its steps."""

    def block(self, block: SharedBlock) -> Listed:
        """The layers of a block, which are those of its first part."""
        first = block.parts[0]
        inputs = block.inputs or ["input"]
        nodes = [value.node for value in first.read()]
        found = self.part(first, dict(zip(nodes, inputs)))
        self.inner[block] = [found.paths[step.name] for step in first.steps()]
        return found

    def part(
        self,
        part: CalledPart,
        names: Mapping[str, str],
    ) -> Listed:
        """The layers of a part; ``names`` are those that it reads its inputs by."""
        layers = _Layers(self, part, names)
        layers.list()
        return Listed(layers.layers, layers.paths, layers.names)


class _Layers:
    """The layers of a part while they are listed."""

    def __init__(
        self,
        listing: Listing,
        part: CalledPart,
        names: Mapping[str, str],
    ) -> None:
        self.listing = listing
        self.part = part
        self.block = listing.block_of.get(part)
        self.block_of = listing.block_of
        self.owners = listing.owners
        self.names = dict(names)
        inputs = list(dict.fromkeys(names.values()))
        self.before = inputs[0] if len(inputs) == 1 else None
        """What a layer reads without naming it; None where the first one has a choice."""
        self._free = layer_names(names.values())
        self.layers: list[ListedLayer] = []
        self.paths: dict[str, str] = {}

    def list(self) -> None:
        """Make the layers. Items that are at one place of all parts of the block are one layer."""
        parts = self.block.parts if self.block else [self.part]
        columns = [_items(part, self.block_of) for part in parts]
        twins = list(zip(*columns))

        chains = Chains(self.part.depth, self.block_of, self.owners)
        wanted = RunNames(twins, self.part.depth)
        runs = chains.runs(twins) if self.listing.with_repeats else ([one] for one in twins)
        for run in runs:
            self._add(run, self._free.free(wanted.of(run)))

    def _add(
        self,
        run: Run,
        name: str,
    ) -> None:
        items = [twins[0] for twins in run]
        layer = self._layer(run, name)
        self.layers.append(layer)

        for number, item in enumerate(items):
            copy = name if len(run) == 1 else f"{name}.{number}"
            paths = self._paths(item, copy)
            self.paths |= paths
            self.names |= paths
            # By a block's name, others read its last node; by a repeated layer's, that of its last copy.
            *_, last = paths
            self.names[last] = name if item is items[-1] else copy
        self.before = name

    def _layer(
        self,
        run: Run,
        name: str,
    ) -> ListedLayer:
        """An operation or the use of a block, with what it reads and its arguments."""
        item = run[0][0]
        read: Sequence[Value]
        if isinstance(item, Step):
            op_name = type(item.op).__name__
            read = item.sources
        else:
            op_name = self.block_of[item].name
            read = item.read()

        reads = tuple(value.name_by(self.names[value.node]) for value in read)
        if reads == (self.before,):
            reads = ()

        arguments = self._arguments(run)
        if len(run) > 1:
            arguments["repeat"] = len(run)
        arguments |= self._weights(item)

        steps = [step for twins in run for step in _steps(twins[0])]
        note = self._note(run, name)
        return ListedLayer(name, op_name, reads, arguments, note, steps)

    def _note(
        self,
        run: Run,
        name: str,
    ) -> str:
        """The comment behind a layer: what its step tells, or its path in the program."""
        item = run[0][0]
        if isinstance(item, Step) and item.told:
            return item.told
        # A block stands for several parts of the program.
        return _told_path(run, name) if self.block is None else ""

    def _weights(self, item: Item) -> dict[str, Any]:
        """What is said of an item's weights: whose they are, and that they are constants."""
        if isinstance(item, CalledPart):
            twin = self.block_of[item].twins.get(item)
            return {} if twin is None else {"weights": self._path_of(twin)}

        owner = self.owners.get(item.name)
        if owner is not None:
            return {"weights": self.paths[owner.name]}
        is_constant = item.weights is not None and not item.weights.learned
        return {"learned": False} if is_constant else {}

    def _path_of(self, part: CalledPart) -> str:
        """The path of a use of a block."""
        first = next(part.steps())
        inner = self.listing.inner[self.block_of[part]][0]
        return self.paths[first.name].removesuffix(f".{inner}")

    def _paths(
        self,
        item: Item,
        name: str,
    ) -> dict[str, str]:
        if isinstance(item, Step):
            return {item.name: name}
        inner = self.listing.inner[self.block_of[item]]
        return {step.name: f"{name}.{path}" for step, path in zip(item.steps(), inner)}

    # --- arguments ---------------------------------------------------------------------------------------------------

    def _arguments(self, run: Run) -> dict[str, Any]:
        """The arguments that any of the items has, as they are written."""
        found: dict[str, Any] = {}
        for word in _words(run[0], self.block_of):
            copies = [[self._value(twin, word) for twin in twins] for twins in run]
            if self._is_usual(run[0][0], word, copies):
                continue
            found[word] = self._written(self._word(run[0][0], word), copies)
        return found

    def _is_usual(
        self,
        item: Item,
        word: str,
        copies: Sequence[Sequence[Any]],
    ) -> bool:
        """True where a use of a block need not say an argument, as it is the usual one everywhere."""
        if isinstance(item, Step):
            return False
        usual = self.block_of[item].arguments[word].usual
        if usual is None:
            return False
        return all(is_alike(value, usual) for values in copies for value in values)

    def _word(
        self,
        item: Item,
        word: str,
    ) -> str:
        """The name that an argument has in its operation."""
        if isinstance(item, Step):
            return word
        return self.block_of[item].arguments[word].word

    def _value(
        self,
        item: Item,
        word: str,
    ) -> Any:
        if isinstance(item, Step):
            return item.argument(word)
        return self.block_of[item].value_in(item, word)

    def _written(
        self,
        word: str,
        copies: Sequence[Sequence[Any]],
    ) -> Any:
        """An argument's value: its own, that of the index, or of the block's argument that it is in every part."""
        values = copies[0]
        first = values[0]
        if isinstance(first, Value):
            return self.names[first.node]

        in_first_part = [copy[0] for copy in copies]
        if not are_same(in_first_part):
            return f"${{{by_index(in_first_part)}}}"
        if self.block is None or is_one(values):
            return _plain(first)
        return written_by(word, values, self.block.arguments)


def _words(
    twins: Twins,
    block_of: BlockOf,
) -> Iterator[str]:
    """The arguments that any of some items has, an operation's in the order of torch's."""
    first = twins[0]
    if isinstance(first, CalledPart):
        yield from block_of[first].arguments
        return
    given = {word for item in twins if isinstance(item, Step) for word in item.arguments}
    yield from (word for word in type(first.op).__struct_encode_fields__ if word in given)


def _items(
    part: CalledPart,
    block_of: BlockOf,
) -> Iterator[Item]:
    """Steps and uses of blocks in a part: parts that are no blocks are taken apart."""
    for item in part.items:
        if isinstance(item, CalledPart) and item not in block_of:
            yield from _items(item, block_of)
        else:
            yield item


def _steps(item: Item) -> Iterator[Step]:
    return iter([item]) if isinstance(item, Step) else item.steps()


def _told_path(
    run: Run,
    name: str,
) -> str:
    """The paths of a layer in the program, ``encoder.0.conv``, where its name does not give them."""
    first = next(_steps(run[0][0]))
    is_use = isinstance(run[0][0], CalledPart)
    if first.origin is None or not (is_use or first.origin.is_layer):
        return ""

    paths = [".".join(words_of(twins[0], 0)) for twins in run]
    if len(run) == 1:
        # What is called once more has a number behind its name.
        plain = re.escape(re.sub(r"\W", "_", paths[0]))
        return "" if re.fullmatch(rf"{plain}(_\d+)?", name) else paths[0]
    copies = [f"{name}_{number}" for number in range(len(run))]
    if [path.replace(".", "_") for path in paths] in (copies, [name] * len(run)):
        return ""
    return f"{paths[0]} to {paths[-1]}"


# --- values ----------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """An argument with an expression for every size over the symbols."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    if isinstance(value, RunTimeSize):
        return expression(value.size)
    return value


def expression(size: SizeLike | None) -> str:
    """A size over the symbols as a dim of a config: ``(H + 1) // 2``."""
    text = _written_out(size) if isinstance(size, Size) else repr(size)
    if size is None or "scale(" in text:
        raise Unrepresentable(f"the size {text} is no expression that a config can have")
    return text


def _written_out(size: Size) -> str:
    """The expression of a size, which is as long as a config may have it."""
    is_short = size.length() <= LONGEST
    text = size.written(WHOLE) if is_short else ""
    if not is_short or len(text) > limits.EXPRESSION:
        support = sorted(size.space.support(size))
        symbols = " and ".join(support)
        raise Unrepresentable(f"a size is needed whose expression over {symbols} is too long")
    return text
