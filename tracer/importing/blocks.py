"""Finds the parts of a recording that are alike, which a config says once, as a block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracer.importing.recording import Recording, Scope, Step, Value
from tracer.importing.run_time_sizes import depends_on_input, over_symbols
from tracer.ops.registry import find_operation
from tracer.sizing.symbol import identity

MOST_ARGUMENTS = 8
"""A block with more arguments than this is no easier to read than its layers."""


@dataclass(frozen=True, eq=False)
class CalledPart:
    """The steps of one call of a part of the program, with the parts inside of it."""

    scope: Scope | None
    """None for the whole program."""
    depth: int
    """How many scopes all of its steps have in common, its own included."""
    items: Sequence[CalledPart | Step]

    def steps(self) -> Iterator[Step]:
        """All of its steps, those of inner parts included."""
        for item in self.items:
            if isinstance(item, CalledPart):
                yield from item.steps()
            else:
                yield item

    def parts(self) -> Iterator[CalledPart]:
        """Every part inside of it, inner ones first."""
        for item in self.items:
            if isinstance(item, CalledPart):
                yield from item.parts()
                yield item

    def read(self) -> list[Value]:
        """The tensors that it reads and doesn't make, in the order in which it reads them."""
        inside = {step.name for step in self.steps()}
        found: dict[str, Value] = {}
        for step in self.steps():
            for value in step.read():
                if value.node not in inside:
                    found.setdefault(value.name, value)
        return list(found.values())


Item = CalledPart | Step


@dataclass(frozen=True, eq=False)
class SharedBlock:
    """A structure that several parts have."""

    name: str
    parts: Sequence[CalledPart]
    inputs: Sequence[str]
    """The names of what it reads; none where it has a single input."""
    arguments: Mapping[str, Sequence[Any]]
    """Each argument with its value in every part."""

    def value_in(self, part: CalledPart, word: str) -> Any:
        """An argument's value in one of its parts."""
        return self.arguments[word][self.parts.index(part)]


def part_of_all(recording: Recording) -> CalledPart:
    """The whole program, with its parts by the scopes of its steps."""
    return CalledPart(None, 0, _items_of(recording.steps, 0))


def _items_of(steps: Sequence[Step], depth: int) -> list[Item]:
    """Steps that follow each other in one call of a part are that part."""
    found: list[Item] = []
    start = 0
    while start < len(steps):
        scopes = steps[start].scopes
        if len(scopes) <= depth:
            found.append(steps[start])
            start += 1
            continue

        scope = scopes[depth]
        end = start
        while end < len(steps) and steps[end].scopes[depth : depth + 1] == (scope,):
            end += 1
        found.append(CalledPart(scope, depth + 1, _items_of(steps[start:end], depth + 1)))
        start = end
    return found


# --- which parts are blocks ------------------------------------------------------------------------------------------


def find_blocks(recording: Recording, root: CalledPart) -> list[SharedBlock]:
    """The blocks of a recording, whose whole program is ``root``; inner ones first."""
    readers = _readers(recording)
    groups: dict[Any, list[CalledPart]] = {}
    for part in root.parts():
        if _can_be_block(part, readers):
            groups.setdefault(_structure(part), []).append(part)

    wrapped = {part.items[0] for part in root.parts() if len(part.items) == 1}
    taken: set[str] = set()
    blocks: list[SharedBlock] = []
    for parts in groups.values():
        arguments = _differences(parts)
        is_wrapped = all(part in wrapped for part in parts)
        if is_wrapped or not _is_worth_it(parts) or len(arguments) > MOST_ARGUMENTS:
            continue

        first = parts[0]
        assert first.scope is not None
        name = free_name(re.sub(r"\W", "_", first.scope.kind), taken)
        blocks.append(SharedBlock(name, parts, _input_names(first), arguments))
    return blocks


def _readers(recording: Recording) -> dict[str, set[str | None]]:
    """For each node the steps that read it; None stands for an output of the network."""
    found: dict[str, set[str | None]] = {}
    for step in recording.steps:
        for value in step.read():
            found.setdefault(value.node, set()).add(step.name)
    for value in recording.outputs.values():
        found.setdefault(value.node, set()).add(None)
    return found


def _can_be_block(part: CalledPart, readers: Mapping[str, set[str | None]]) -> bool:
    """Whether a part reads whole nodes only, and others read nothing of it but its last step."""
    read = part.read()
    if not read or any(value.part is not None for value in read):
        return False

    *before, _ = [step.name for step in part.steps()]
    inside = {step.name for step in part.steps()}
    return all(readers.get(name, set()) <= inside for name in before)


def _is_worth_it(parts: Sequence[CalledPart]) -> bool:
    """Whether there are several of them, each of several steps."""
    return len(parts) > 1 and len(list(parts[0].steps())) > 1


def _input_names(part: CalledPart) -> list[str]:
    """The inputs of a block: none where there is one, which is read without being named."""
    count = len(part.read())
    return [] if count == 1 else [f"x{i}" for i in range(1, count + 1)]


# --- what parts have in common ---------------------------------------------------------------------------------------


def _structure(part: CalledPart) -> Any:
    """A key that two parts share where they can be one block: all but the values of their plain arguments."""
    assert part.scope is not None
    steps = list(part.steps())
    inside = {step.name: index for index, step in enumerate(steps)}
    outside = {value.node: index for index, value in enumerate(part.read())}

    found: list[Any] = [part.scope.kind]
    for step in steps:
        sources = []
        for value in step.read():
            is_inside = value.node in inside
            index = inside[value.node] if is_inside else outside[value.node]
            sources.append((is_inside, index, value.part))

        fixed = [(w, _fixed_key(v)) for w, v in step.arguments.items() if is_fixed(v)]
        scopes = [scope.name for scope in step.scopes[part.depth :]]
        found.append((type(step.op), step.label, tuple(sources), tuple(fixed), tuple(scopes)))
    return tuple(found)


def _fixed_key(value: Any) -> Any:
    """A key of an argument that must be the same in all parts. Nodes are compared by their place instead."""
    return None if isinstance(value, Value) else identity(over_symbols(value))


def is_fixed(value: Any) -> bool:
    """Whether an argument must be the same in all parts of a block: a node, or sizes over the symbols."""
    return isinstance(value, Value) or depends_on_input(value)


def _differences(parts: Sequence[CalledPart]) -> dict[str, list[Any]]:
    """The arguments that parts differ in, by a name each; those that go together are one."""
    found: dict[str, list[Any]] = {}
    for steps in zip(*(part.steps() for part in parts)):
        for word in dict.fromkeys(word for step in steps for word in step.arguments):
            values = [step.argument(word) for step in steps]
            if not is_one(values) and argument_of(values, found) is None:
                found[_argument_name(word, steps[0].label, found)] = values
    return found


def is_one(values: Sequence[Any]) -> bool:
    """Whether the values that an argument has in the parts of a block are written in the block itself."""
    return is_fixed(values[0]) or all(_is_alike(value, values[0]) for value in values)


def argument_of(values: Sequence[Any], arguments: Mapping[str, Sequence[Any]]) -> str | None:
    """The block's argument that has these values in its parts."""
    for word, known in arguments.items():
        if all(map(_is_alike, values, known)):
            return word
    return None


def _is_alike(a: Any, b: Any) -> bool:
    # By class: True is no 1, and 1.0 is written otherwise.
    return type(a) is type(b) and bool(a == b)


def _argument_name(word: str, label: str, taken: Iterable[str]) -> str:
    """The argument's own name, or one with its step's."""
    name = word
    if name in taken:
        name = re.sub(r"\W", "_", f"{word}_{label}")
    while name in taken:
        name += "_"
    return name


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken or an operation's. It is taken from now on."""
    found, count = name, 0
    while found in taken or find_operation(found) is not None:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found
