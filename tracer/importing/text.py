"""A recording as the text of a config, its repeated parts as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.importing.blocks import (
    CalledPart,
    Item,
    SharedBlock,
    argument_of,
    find_blocks,
    free_name,
    is_one,
    part_of_all,
)
from tracer.importing.recording import Recording, Step, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.sizing.symbol import Size, SizeLike
from tracer.source.written import quoted, written_value

LONGEST = 100
"""Atoms of an expression that is still written."""

BlockOf = Mapping[CalledPart, SharedBlock]
"""The block that a part is a use of."""


class Config(NamedTuple):
    """A config's text, and where the steps of the recording are in it."""

    text: str
    names: dict[str, str]
    """The node's name for every step's, with the names of blocks before it."""


def config(recording: Recording, name: str) -> Config:
    """The config of a recording. Raises :class:`Unrepresentable` for a size that is no expression of a config."""
    root = part_of_all(recording)
    blocks = find_blocks(recording, root)
    block_of = {part: block for block in blocks for part in block.parts}

    inputs = list(recording.inputs)
    layers = _Layers(root, block_of, {word: word for word in inputs}, _default_input(inputs))
    layers.write()
    outputs = [value.name_by(layers.names[value.node]) for value in recording.outputs.values()]

    lines = [f"name: {written_value(name)}", *_head(recording)]
    for block in blocks:
        lines += ["", "blocks:"] if block is blocks[0] else [""]
        lines += _indented(_block(block, block_of))
    lines += ["", "layers:", *_indented(layers.lines)]
    lines.append(f"output: {_listed(outputs)}")
    return Config("\n".join(lines) + "\n", layers.paths)


def _head(recording: Recording) -> list[str]:
    """The inputs, and the sizes of their symbols."""
    patterns = {}
    for name, value in recording.inputs.items():
        patterns[name] = f"[{', '.join(map(str, value.sizes))}]"

    if list(patterns) == ["input"]:
        lines = [f"input: {patterns['input']}"]
    elif len(patterns) == 1:
        lines = [f"input: {{{name}: {pattern}}}" for name, pattern in patterns.items()]
    else:
        lines = ["input:", *(f"  {name}: {pattern}" for name, pattern in patterns.items())]

    used = {str(size) for value in recording.inputs.values() for size in value.sizes}
    sizes = [f"{symbol}: {n}" for symbol, n in recording.symbols.items() if symbol in used]
    if sizes:
        lines.append(f"sizes: {{{', '.join(sizes)}}}")
    return lines


def _block(block: SharedBlock, block_of: BlockOf) -> list[str]:
    """A block with its layers, which are those of its first part."""
    first = block.parts[0]
    inputs = block.inputs or ["input"]
    names = {value.node: name for value, name in zip(first.read(), inputs)}
    layers = _Layers(first, block_of, names, _default_input(inputs))
    layers.write()

    lines = []
    if block.arguments:
        arguments = ", ".join(f"{word}: null" for word in block.arguments)
        lines.append(f"args: {{{arguments}}}")
    if block.inputs:
        lines.append(f"inputs: [{', '.join(block.inputs)}]")
    lines += ["layers:", *_indented(layers.lines)]
    return [f"{block.name}:", *_indented(lines)]


def _default_input(inputs: Sequence[str]) -> str | None:
    """What the first layer reads where it names nothing: the input, where there is one."""
    return inputs[0] if len(inputs) == 1 else None


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


# --- layers ----------------------------------------------------------------------------------------------------------


class _Layers:
    """The layers of a part, in its block or for the whole network.

    ``names`` are those of what the part reads, by node, and ``before`` is what its first layer reads without naming it.
    """

    def __init__(
        self, part: CalledPart, block_of: BlockOf, names: dict[str, str], before: str | None
    ) -> None:
        self.part = part
        self.block = block_of.get(part)
        self.block_of = block_of
        self.names = names
        """The name that each node is read by."""
        self.before = before
        self.taken = set(names.values())
        self.lines: list[str] = []
        self.paths: dict[str, str] = {}
        """The name of every node, inside of blocks too: ``down1.conv``."""

    def write(self) -> None:
        """Make the lines. Items that are at one place of all parts of the block are one layer."""
        parts = self.block.parts if self.block else [self.part]
        for twins in zip(*(_items(part, self.block_of) for part in parts)):
            self._add(twins)

    def _add(self, twins: Sequence[Item]) -> None:
        item = twins[0]
        name = free_name(_local_name(item, self.part), self.taken)
        self.lines.append(f"{name}: {self._layer(twins)}")

        paths = self._paths(item, name)
        self.paths |= paths
        self.names |= paths
        if isinstance(item, CalledPart):
            # A block's name stands for its last node.
            self.names[list(paths)[-1]] = name
        self.before = name

    def _layer(self, twins: Sequence[Item]) -> str:
        """An operation or the use of a block, with what it reads and its arguments."""
        item = twins[0]
        read: Sequence[Value]
        if isinstance(item, Step):
            op_name = type(item.op).__name__
            read = item.sources
        else:
            op_name = self.block_of[item].name
            read = item.read()

        entries = [f"op: {op_name}"]
        sources = [value.name_by(self.names[value.node]) for value in read]
        if sources and sources != [self.before]:
            entries.append(f"from: {_listed(sources)}")
        for word, values in self._arguments(twins).items():
            entries.append(f"{word}: {self._written(values)}")
        return op_name if len(entries) == 1 else f"{{{', '.join(entries)}}}"

    def _paths(self, item: Item, name: str) -> dict[str, str]:
        if isinstance(item, Step):
            return {item.name: name}
        inner = _inner_names(item, self.block_of)
        return {step.name: f"{name}.{path}" for step, path in zip(item.steps(), inner)}

    # --- arguments ---------------------------------------------------------------------------------------------------

    def _arguments(self, twins: Sequence[Item]) -> dict[str, list[Any]]:
        """The arguments that any of the items has, each with its value in all of them."""
        found: dict[str, list[Any]] = {}
        for item in twins:
            words = item.arguments if isinstance(item, Step) else self.block_of[item].arguments
            for word in words:
                found[word] = [self._value(twin, word) for twin in twins]
        return found

    def _value(self, item: Item, word: str) -> Any:
        if isinstance(item, Step):
            return item.argument(word)
        return self.block_of[item].value_in(item, word)

    def _written(self, values: Sequence[Any]) -> str:
        """An argument's value, or the block's argument that it is in every part."""
        first = values[0]
        if isinstance(first, Value):
            return self.names[first.node]
        if self.block is None or is_one(values):
            return written_value(_plain(first))
        return quoted(f"${{{argument_of(values, self.block.arguments)}}}")


def _items(part: CalledPart, block_of: BlockOf) -> Iterator[Item]:
    """Steps and uses of blocks in a part: parts that are no blocks are taken apart."""
    for item in part.items:
        if isinstance(item, CalledPart) and item not in block_of:
            yield from _items(item, block_of)
        else:
            yield item


def _inner_names(part: CalledPart, block_of: BlockOf) -> list[str]:
    """The names of a block's nodes inside of it, in the order of its steps."""
    found: list[str] = []
    taken = set(block_of[part].inputs or ["input"])
    for item in _items(part, block_of):
        name = free_name(_local_name(item, part), taken)
        if isinstance(item, Step):
            found.append(name)
        else:
            found += [f"{name}.{inner}" for inner in _inner_names(item, block_of)]
    return found


def _local_name(item: Item, part: CalledPart) -> str:
    """The name of an item beside the others of a part: by the scopes between them."""
    if isinstance(item, Step):
        words = [*(scope.name for scope in item.scopes[part.depth :]), item.label]
    else:
        scopes = next(item.steps()).scopes[part.depth : item.depth]
        words = [scope.name for scope in scopes]
    return re.sub(r"\W", "_", "_".join(words))


# --- values ----------------------------------------------------------------------------------------------------------


def _listed(names: Sequence[str]) -> str:
    """One name, or a list of several."""
    written = [f'"{name}"' if "[" in name else written_value(name) for name in names]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _plain(value: Any) -> Any:
    """An argument with an expression for every size over the symbols."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    return expression(value.size) if isinstance(value, RunTimeSize) else value


def expression(size: SizeLike | None) -> str:
    """A size over the symbols as a dim of a config: ``(H + 1) // 2``."""
    if isinstance(size, Size) and size.length() > LONGEST:
        symbols = " and ".join(sorted(size.space.support(size)))
        raise Unrepresentable(f"a size is needed whose expression over {symbols} is too long")

    text = repr(size)
    if size is None or "scale(" in text:
        raise Unrepresentable(f"the size {text} is no expression that a config can have")
    return text
