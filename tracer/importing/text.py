"""A recording as the text of a config, its repeated parts as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tracer.importing.recording import Recording, Scope, Step, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.ops.base import argument
from tracer.ops.registry import find_operation
from tracer.sizing.symbol import Size, SizeLike
from tracer.source.written import quoted, written_value

LONGEST = 100
"""Atoms of an expression that is still written."""

MOST_ARGUMENTS = 8
"""A block with more arguments than this is no easier to read than its layers."""


class Config(NamedTuple):
    """A config's text, and where the steps of the recording are in it."""

    text: str
    names: dict[str, str]
    """The node's name for every step's, with the names of blocks before it."""


class Part:
    """The steps of one call of a module, with the parts inside of it."""

    def __init__(self, scope: Scope | None, items: list[Part | Step]) -> None:
        self.scope = scope
        self.items = items
        self.key: Any = None
        self.block: Block | None = None

    def steps(self) -> Iterator[Step]:
        for item in self.items:
            if isinstance(item, Part):
                yield from item.steps()
            else:
                yield item


class Block:
    """A structure that several parts have."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arguments: dict[str, list[Any]] = {}
        """Each argument with its value in every part."""
        self.parts: list[Part] = []
        self.inputs: list[str] = []
        self.lines: list[str] = []


def config(recording: Recording, name: str) -> Config:
    """The config of a recording. Raises :class:`Unrepresentable` for a size that no expression can say."""
    return _Writer(recording).config(name)


def _parts(steps: Sequence[Step], depth: int) -> list[Part | Step]:
    """Steps that follow each other in one call of a module are a part."""
    found: list[Part | Step] = []
    start = 0
    while start < len(steps):
        scopes = steps[start].scopes
        if len(scopes) <= depth:
            found.append(steps[start])
            start += 1
            continue
        end = start
        while (
            end < len(steps) and steps[end].scopes[depth : depth + 1] == scopes[depth : depth + 1]
        ):
            end += 1
        found.append(Part(scopes[depth], _parts(steps[start:end], depth + 1)))
        start = end
    return found


class _Writer:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.root = Part(None, _parts(recording.steps, 0))
        self.blocks: list[Block] = []
        self.names: dict[str, str] = {}
        self._readers: dict[str, list[Step | None]] = {}
        for step in recording.steps:
            for value in _read(step):
                self._readers.setdefault(_base(value), []).append(step)
        for value in recording.outputs.values():
            self._readers.setdefault(_base(value), []).append(None)

    def config(self, name: str) -> Config:
        recording = self.recording
        self._find_blocks()
        lines = [f"name: {written_value(name)}"]
        patterns = {
            word: [_dim(n) for n in value.sizes] for word, value in recording.inputs.items()
        }
        if len(patterns) == 1:
            ((only, pattern),) = patterns.items()
            shape = f"[{', '.join(pattern)}]"
            lines.append(f"input: {shape}" if only == "input" else f"input: {{{only}: {shape}}}")
        else:
            lines += [
                "input:",
                *(f"  {word}: [{', '.join(pattern)}]" for word, pattern in patterns.items()),
            ]
        used = {symbol for value in recording.inputs.values() for symbol in map(_dim, value.sizes)}
        symbols = {symbol: n for symbol, n in recording.symbols.items() if symbol in used}
        if symbols:
            lines.append(f"sizes: {{{', '.join(f'{s}: {n}' for s, n in symbols.items())}}}")
        names = {word: word for word in recording.inputs}
        layers = self._lines(self.root, names, _only(list(recording.inputs)))
        for block in self.blocks:
            lines += ["", "blocks:"] if block is self.blocks[0] else [""]
            lines += [f"  {block.name}:"]
            if block.arguments:
                lines.append(
                    f"    args: {{{', '.join(f'{word}: null' for word in block.arguments)}}}"
                )
            if block.inputs:
                lines.append(f"    inputs: [{', '.join(block.inputs)}]")
            lines += ["    layers:", *(f"      {line}" for line in block.lines)]
        lines += ["", "layers:", *(f"  {line}" for line in layers)]
        outputs = [names[_base(v)] + v.name[len(_base(v)) :] for v in recording.outputs.values()]
        lines.append(f"output: {_listed(outputs)}")
        return Config("\n".join(lines) + "\n", self.names)

    # --- blocks ------------------------------------------------------------------------------------------------------

    def _find_blocks(self) -> None:
        self._wrapped = {id(p.items[0]) for p in self._all(self.root) if len(p.items) == 1}
        groups: dict[Any, list[Part]] = {}
        for part in self._all(self.root):
            part.key = self._key(part)
            if part.key is not None:
                groups.setdefault(part.key, []).append(part)
        taken: set[str] = set()
        for parts in groups.values():
            first = parts[0]
            assert first.scope is not None
            if (
                len(parts) < 2
                or sum(1 for _ in first.steps()) < 2
                or all(id(part) in self._wrapped for part in parts)
            ):
                continue
            arguments = self._arguments(parts)
            if len(arguments) > MOST_ARGUMENTS:
                continue
            block = Block(_free(re.sub(r"\W", "_", first.scope.kind), taken))
            block.arguments, block.parts = arguments, parts
            externals = self._externals(first)
            block.inputs = (
                [] if len(externals) == 1 else [f"x{i}" for i in range(1, len(externals) + 1)]
            )
            for part in parts:
                part.block = block
            self.blocks.append(block)
        for block in self.blocks:
            inputs = block.inputs or ["input"]
            names = {_base(v): n for v, n in zip(self._externals(block.parts[0]), inputs)}
            block.lines = self._lines(block.parts[0], names, _only(inputs))

    def _all(self, part: Part) -> Iterator[Part]:
        """Every part inside of a part, inner ones first."""
        for item in part.items:
            if isinstance(item, Part):
                yield from self._all(item)
                yield item

    def _key(self, part: Part) -> Any:
        """What two parts have in common that are one block; None for a part that cannot be one."""
        steps = list(part.steps())
        inside = {step.name: index for index, step in enumerate(steps)}
        externals = [_base(v) for v in self._externals(part)]
        if not externals or any("[" in value.name for value in self._externals(part)):
            return None
        for step in steps:
            outer = [
                r for r in self._readers.get(step.name, []) if r is None or r.name not in inside
            ]
            if outer and step is not steps[-1]:
                return None  # what is read from outside is the last step
        shape: list[Any] = [part.scope and part.scope.kind]
        for step in steps:
            sources: list[Any] = []
            for value in _read(step):
                base = _base(value)
                place = ("in", inside[base]) if base in inside else ("out", externals.index(base))
                sources.append((place, value.name[len(base) :]))
            fixed = [
                (w, "" if isinstance(v, Value) else _text(v))
                for w, v in step.arguments.items()
                if _is_fixed(v)
            ]
            scopes = step.scopes[len(steps[0].scopes) - _depth_below(part, steps[0]) :]
            shape.append(
                (
                    type(step.op),
                    step.label,
                    tuple(sources),
                    tuple(fixed),
                    tuple(s.name for s in scopes),
                )
            )
        return tuple(shape)

    def _externals(self, part: Part) -> list[Value]:
        """The tensors that a part reads and doesn't make, in the order in which it reads them."""
        inside = {step.name for step in part.steps()}
        found: dict[str, Value] = {}
        for step in part.steps():
            for value in _read(step):
                if _base(value) not in inside:
                    found.setdefault(value.name, value)
        return list(found.values())

    def _arguments(self, parts: Sequence[Part]) -> dict[str, list[Any]]:
        """What differs between the parts: an argument for each sequence of values, those that go together as one."""
        found: dict[str, list[Any]] = {}
        for steps in zip(*(part.steps() for part in parts)):
            for word in dict.fromkeys(word for step in steps for word in step.arguments):
                values = [_argument(step, word) for step in steps]
                if _is_fixed(values[0]) or all(_alike(v, values[0]) for v in values):
                    continue
                if any(_all_alike(values, known) for known in found.values()):
                    continue
                name = word
                if name in found:
                    name = re.sub(r"\W", "_", f"{word}_{steps[0].label}")
                while name in found:
                    name += "_"
                found[name] = values
        return found

    def _lines(self, part: Part, names: dict[str, str], before: str | None) -> list[str]:
        """The layers of a part, in its block or for the whole network; ``names`` are those of what it reads."""
        taken: set[str] = set(names.values())
        lines: list[str] = []
        twins = (
            zip(*(self._items(twin) for twin in part.block.parts))
            if part.block
            else map(_alone, self._items(part))
        )
        for items in twins:
            item = items[0]
            local = _free(self._local(item, part), taken)
            op_name, sources = (
                _called(item)
                if isinstance(item, Step)
                else (item.block.name, self._externals(item))
            )
            refs = [names[_base(v)] + v.name[len(_base(v)) :] for v in sources]
            entries = [f"op: {op_name}"]
            if refs and refs != [before]:
                entries.append(f"from: {_listed(refs)}")
            for word, values in _columns(items).items():
                entries.append(f"{word}: {self._written(values, names, part.block)}")
            lines.append(
                f"{local}: {op_name}" if len(entries) == 1 else f"{local}: {{{', '.join(entries)}}}"
            )
            if isinstance(item, Step):
                inner = {item.name: local}
            else:
                inner = {
                    s.name: f"{local}.{n}" for s, n in zip(item.steps(), self._inner_names(item))
                }
            if part.block is None:
                self.names |= inner
            names |= inner
            if not isinstance(item, Step):
                names[list(inner)[-1]] = local  # a block's name stands for its last node
            before = local
        return lines

    def _inner_names(self, part: Part) -> list[str]:
        """The names of a block's nodes inside of it."""
        assert part.block is not None
        found: list[str] = []
        taken: set[str] = set(part.block.inputs or ["input"])
        for item in self._items(part):
            local = _free(self._local(item, part), taken)
            if isinstance(item, Step):
                found.append(local)
            else:
                found += [f"{local}.{name}" for name in self._inner_names(item)]
        return found

    def _items(self, part: Part) -> Iterator[Part | Step]:
        """Steps and blocks of a part: parts that are no blocks are taken apart."""
        for item in part.items:
            if isinstance(item, Part) and item.block is None:
                yield from self._items(item)
            else:
                yield item

    def _local(self, item: Part | Step, part: Part) -> str:
        """The name of an item beside the others of a part."""
        scopes = item.scopes if isinstance(item, Step) else next(item.steps()).scopes
        calls = [scope.call for scope in scopes]
        start = calls.index(part.scope.call) + 1 if part.scope else 0
        if isinstance(item, Step):
            words = [*(scope.name for scope in scopes[start:]), item.label]
        else:
            assert item.scope is not None
            words = [scope.name for scope in scopes[start : calls.index(item.scope.call) + 1]]
        return re.sub(r"\W", "_", "_".join(words))

    def _written(self, values: Sequence[Any], names: dict[str, str], block: Block | None) -> str:
        """An argument's value, or the block's argument that it is in every part."""
        if isinstance(values[0], Value):
            return names[_base(values[0])]
        if (
            block is not None
            and not _is_fixed(values[0])
            and not all(_alike(v, values[0]) for v in values)
        ):
            return quoted(
                "${"
                + next(w for w, known in block.arguments.items() if _all_alike(values, known))
                + "}"
            )
        return _text(values[0])


def _only(inputs: Sequence[str]) -> str | None:
    """What the first layer reads where it names nothing: the input, where there is one."""
    return inputs[0] if len(inputs) == 1 else None


def _alone(item: Part | Step) -> tuple[Part | Step]:
    return (item,)


def _called(step: Step) -> tuple[str, list[Value]]:
    return type(step.op).__name__, list(step.sources)


def _columns(items: Sequence[Part | Step]) -> dict[str, list[Any]]:
    """The arguments of steps or of uses of a block that stand at one place of their parts, each with all its values."""
    found: dict[str, list[Any]] = {}
    for item in items:
        for word in (
            item.arguments if isinstance(item, Step) else item.block.arguments if item.block else ()
        ):
            found.setdefault(word, [_value(one, word) for one in items])
    return found


def _value(item: Part | Step, word: str) -> Any:
    if isinstance(item, Step):
        return _argument(item, word)
    assert item.block is not None
    return item.block.arguments[word][
        next(i for i, part in enumerate(item.block.parts) if part is item)
    ]


def _depth_below(part: Part, step: Step) -> int:
    """How many scopes a step has inside of a part."""
    calls = [scope.call for scope in step.scopes]
    return len(calls) - calls.index(part.scope.call) - 1 if part.scope else len(calls)


def _read(step: Step) -> Iterator[Value]:
    """The tensors that a step reads, those that give it a size included."""
    yield from step.sources
    for value in step.arguments.values():
        if isinstance(value, Value):
            yield value


def _base(value: Value) -> str:
    """The node of a tensor: the Chunk of ``chunk[1]``."""
    return value.name.partition("[")[0]


def _argument(step: Step, word: str) -> Any:
    """An argument as it is written, or torch's default."""
    if word in step.arguments:
        return step.arguments[word]
    return argument(step.op, word)


def _is_fixed(value: Any) -> bool:
    """Whether an argument is the same in all parts of a block: a node, or sizes over the symbols."""
    if isinstance(value, (tuple, list)):
        return any(map(_is_fixed, value))
    return isinstance(value, (Value, RunTimeSize))


def _alike(a: Any, b: Any) -> bool:
    return a.__class__ is b.__class__ and a == b


def _all_alike(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(map(_alike, a, b))


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken or an operation."""
    found, count = name, 0
    while found in taken or find_operation(found) is not None:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found


def _listed(names: Sequence[str]) -> str:
    written = [f'"{name}"' if "[" in name else written_value(name) for name in names]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _dim(size: SizeLike) -> str:
    return str(size)


def _text(value: Any) -> str:
    """An argument as it stands in YAML."""
    return value.name if isinstance(value, Value) else written_value(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    return expression(value.size) if isinstance(value, RunTimeSize) else value


def expression(size: SizeLike | None) -> str:
    """A size over the symbols as a dim of a config: ``(H + 1) // 2``."""
    if isinstance(size, Size) and size.length() > LONGEST:
        raise Unrepresentable(
            f"a size is needed whose expression over {' and '.join(sorted(size.space.support(size)))} is too long"
        )
    text = repr(size)
    if size is None or "scale(" in text:
        raise Unrepresentable(f"the size {text} is no expression that a config can have")
    return text
