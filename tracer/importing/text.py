"""A recording as the text of a config, its repeated parts as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.importing.blocks import (
    CalledPart,
    Item,
    SharedBlock,
    argument_of,
    find_blocks,
    is_one,
    layer_names,
    part_of_all,
)
from tracer.importing.recording import Recording, Step, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.importing.sharing import Owners, apart, owners_of
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


def config(
    recording: Recording, name: str, notes: Sequence[str] = (), *, in_blocks: bool = True
) -> Config:
    """The config of a recording, with notes at its beginning; without blocks each step has a line of its own.

    Raises :class:`Unrepresentable` for a size that is no expression of a config."""
    root = part_of_all(recording)
    blocks = find_blocks(recording, root) if in_blocks else []
    block_of: dict[CalledPart, SharedBlock] = {}
    for block in blocks:
        block_of |= dict.fromkeys(block.parts, block)

    inputs = list(recording.inputs)
    names = dict(zip(inputs, inputs))
    owners = owners_of(recording.steps)
    layers = _Layers(root, block_of, names, _default_input(inputs), owners)
    layers.write()

    told = [*notes, *_apart(recording, owners, layers.paths)]
    lines = [f"# {note}" for note in told]
    lines += [f"name: {written_value(name)}", *_head(recording)]
    for block in blocks:
        lines += ["", "blocks:"] if block is blocks[0] else [""]
        lines += _indented(_block(block, block_of, owners))
    lines += ["", "layers:", *_indented(layers.lines)]
    lines.append(f"output: {_outputs(recording, layers)}")
    text = "\n".join([*lines, ""])
    return Config(text, layers.paths)


def _apart(recording: Recording, owners: Owners, paths: Mapping[str, str]) -> Iterator[str]:
    """A note for each layer that has weights of its own in the config, and another's in the program."""
    for step, earlier in apart(recording.steps, owners):
        mine, theirs = paths[step.name], paths[earlier.name]
        yield f"{mine} has weights of its own here; in the module it shares some with {theirs}"


NO_NAME = re.compile(r"output|[\d_]+")
"""The names of outputs that nobody gave: of the only one, and those of a list's."""


def _outputs(recording: Recording, layers: _Layers) -> str:
    """The outputs: their nodes, by name where the program names them, or gives one node several times."""
    nodes = {name: layers.listed([value]) for name, value in recording.outputs.items()}
    is_own = [
        NO_NAME.fullmatch(name) or quoted_name(name) == node for name, node in nodes.items()
    ]
    if all(is_own) and len(set(nodes.values())) == len(nodes):
        return layers.listed(recording.outputs.values())

    entries = [f"{quoted_name(name)}: {node}" for name, node in nodes.items()]
    return f"{{{', '.join(entries)}}}"


def quoted_name(name: str) -> str:
    """A name as it can stand in a config."""
    return written_value(re.sub(r"\W", "_", name) or "_1")


def _head(recording: Recording) -> list[str]:
    """The inputs, and the sizes of their symbols."""
    lines = _inputs(recording)
    used = set()
    for value in recording.inputs.values():
        used |= set(map(str, value.sizes))

    sizes = [f"{symbol}: {n}" for symbol, n in recording.symbols.items() if symbol in used]
    if sizes:
        listed = ", ".join(sizes)
        lines.append(f"sizes: {{{listed}}}")
    return lines


def _inputs(recording: Recording) -> list[str]:
    """A pattern where there is one input of the usual name, else the patterns by name."""
    patterns = {}
    for name, value in recording.inputs.items():
        dims = ", ".join(map(str, value.sizes))
        patterns[name] = f"[{dims}]"

    entries = [f"{name}: {pattern}" for name, pattern in patterns.items()]
    if list(patterns) == ["input"]:
        return entries
    if len(entries) == 1:
        return [f"input: {{{entries[0]}}}"]
    return ["input:", *_indented(entries)]


def _block(block: SharedBlock, block_of: BlockOf, owners: Owners) -> list[str]:
    """A block with its layers, which are those of its first part."""
    first = block.parts[0]
    inputs = block.inputs or ["input"]
    nodes = [value.node for value in first.read()]
    names = dict(zip(nodes, inputs))
    layers = _Layers(first, block_of, names, _default_input(inputs), owners)
    layers.write()

    lines = []
    if block.arguments:
        arguments = [f"{word}: null" for word in block.arguments]
        listed = ", ".join(arguments)
        lines.append(f"args: {{{listed}}}")
    if block.inputs:
        listed = ", ".join(block.inputs)
        lines.append(f"inputs: [{listed}]")
    lines += ["layers:", *_indented(layers.lines)]
    return [f"{block.name}:", *_indented(lines)]


def _default_input(inputs: Sequence[str]) -> str | None:
    """The input that the first layer reads without naming it; None where there are several."""
    return inputs[0] if len(inputs) == 1 else None


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


# --- layers ----------------------------------------------------------------------------------------------------------


class _Layers:
    """The layers of a part, in its block or for the whole network.

    ``names`` are those of what the part reads, by node, and ``before`` is what its first layer reads without naming it.
    """

    def __init__(
        self,
        part: CalledPart,
        block_of: BlockOf,
        names: dict[str, str],
        before: str | None,
        owners: Owners,
    ) -> None:
        self.part = part
        self.block = block_of.get(part)
        self.block_of = block_of
        self.names = names
        """The name that each node is read by."""
        self.before = before
        self.owners = owners
        self._free = layer_names(names.values())
        self.lines: list[str] = []
        self.paths: dict[str, str] = {}
        """The name of every node, inside of blocks too: ``down1.conv``."""

    def write(self) -> None:
        """Make the lines. Items that are at one place of all parts of the block are one layer."""
        parts = self.block.parts if self.block else [self.part]
        columns = [_items(part, self.block_of) for part in parts]
        for twins in zip(*columns):
            self._add(twins)

    def listed(self, values: Iterable[Value]) -> str:
        """The names of tensors: one, or a list of several."""
        names = []
        for value in values:
            name = value.name_by(self.names[value.node])
            is_node = value.part is None
            names.append(written_value(name) if is_node else f'"{name}"')
        return names[0] if len(names) == 1 else f"[{', '.join(names)}]"

    def _add(self, twins: Sequence[Item]) -> None:
        item = twins[0]
        wanted = _local_name(item, self.part)
        name = self._free.free(wanted)
        layer = self._layer(twins)
        # A block stands for several parts of the program.
        path = _told_path(item, name) if self.block is None else ""
        told = f"  # {item.told}" if isinstance(item, Step) and item.told else path
        self.lines.append(f"{name}: {layer}{told}")

        paths = self._paths(item, name)
        self.paths |= paths
        self.names |= paths
        if isinstance(item, CalledPart):
            # By a block's name, others read its last node.
            *_, last = paths
            self.names[last] = name
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
        if read and not self._is_before(read):
            sources = self.listed(read)
            entries.append(f"from: {sources}")
        for word, values in self._arguments(twins).items():
            argument = self._written(values)
            entries.append(f"{word}: {argument}")
        entries += self._weights(item)

        listed = ", ".join(entries)
        return op_name if len(entries) == 1 else f"{{{listed}}}"

    def _weights(self, item: Item) -> Iterator[str]:
        """What is said of an item's weights: whose they are, and that they are constants."""
        if isinstance(item, CalledPart):
            twin = self.block_of[item].twins.get(item)
            if twin is not None:
                yield f"weights: {written_value(self._path_of(twin))}"
            return

        owner = self.owners.get(item.name)
        if owner is not None:
            yield f"weights: {written_value(self.paths[owner.name])}"
        elif item.weights is not None and not item.weights.learned:
            yield "learned: false"

    def _path_of(self, part: CalledPart) -> str:
        """The path of a use of a block."""
        first = next(part.steps())
        inner = _inner_names(part, self.block_of)[0]
        return self.paths[first.name].removesuffix(f".{inner}")

    def _is_before(self, read: Sequence[Value]) -> bool:
        """True where a layer reads what it reads without naming it."""
        names = [value.name_by(self.names[value.node]) for value in read]
        return names == [self.before]

    def _paths(self, item: Item, name: str) -> dict[str, str]:
        if isinstance(item, Step):
            return {item.name: name}
        paths = {}
        inner = _inner_names(item, self.block_of)
        for step, path in zip(item.steps(), inner):
            paths[step.name] = f"{name}.{path}"
        return paths

    # --- arguments ---------------------------------------------------------------------------------------------------

    def _arguments(self, twins: Sequence[Item]) -> dict[str, list[Any]]:
        """The arguments that any of the items has, each with its value in all of them."""
        found: dict[str, list[Any]] = {}
        for item in twins:
            source = item if isinstance(item, Step) else self.block_of[item]
            for word in source.arguments:
                found[word] = [self._value(twin, word) for twin in twins]
        return found

    def _value(self, item: Item, word: str) -> Any:
        if isinstance(item, Step):
            return item.argument(word)
        block = self.block_of[item]
        return block.value_in(item, word)

    def _written(self, values: Sequence[Any]) -> str:
        """An argument's value, or the block's argument that it is in every part."""
        first = values[0]
        if isinstance(first, Value):
            return self.names[first.node]
        if self.block is None or is_one(values):
            return written_value(_plain(first))
        argument = argument_of(values, self.block.arguments)
        return quoted(f"${{{argument}}}")


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
    names = layer_names(block_of[part].inputs or ["input"])
    for item in _items(part, block_of):
        wanted = _local_name(item, part)
        name = names.free(wanted)
        if isinstance(item, Step):
            found.append(name)
            continue
        for inner in _inner_names(item, block_of):
            found.append(f"{name}.{inner}")
    return found


def _local_name(item: Item, part: CalledPart) -> str:
    """The name of an item beside the others of a part: by the scopes between them."""
    if isinstance(item, Step):
        scopes = item.scopes[part.depth :]
        words = [scope.name for scope in scopes]
        words.append(item.label)
    else:
        first = next(item.steps())
        scopes = first.scopes[part.depth : item.depth]
        words = [scope.name for scope in scopes]
    path = "_".join(words)
    return re.sub(r"\W", "_", path)


def _told_path(item: Item, name: str) -> str:
    """The comment that gives the path of an item in the program, ``# encoder.0.conv``, where its name does not."""
    if isinstance(item, Step):
        words = [scope.name for scope in item.scopes] + [item.label]
        has_path = item.origin is not None and item.origin.is_layer
    else:
        words = [scope.name for scope in next(item.steps()).scopes[: item.depth]]
        has_path = next(item.steps()).origin is not None
    path = ".".join(words)
    return f"  # {path}" if has_path and path != name else ""


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
    if isinstance(size, Size) and size.length() > LONGEST:
        support = sorted(size.space.support(size))
        symbols = " and ".join(support)
        raise Unrepresentable(f"a size is needed whose expression over {symbols} is too long")

    text = repr(size)
    if size is None or "scale(" in text:
        raise Unrepresentable(f"the size {text} is no expression that a config can have")
    return text
