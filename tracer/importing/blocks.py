"""Finds the parts of a recording that are alike, which a config says once, as a block."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from msgspec import NODEFAULT

from tracer.importing.names import FreeNames
from tracer.importing.recording import Recording, Step, StepScope, Value
from tracer.importing.run_time_sizes import depends_on_input, over_symbols
from tracer.importing.sharing import Owners, owners_of
from tracer.ops.base import fields_of
from tracer.ops.registry import find_operation
from tracer.sizing.symbol import identity

MOST_ARGUMENTS = 8
"""A block with more arguments than this is no easier to read than its layers."""

MOST_SHOWN = 4
"""Nodes inside of a block that others read (``stage.out``), beside its last one."""


@dataclass(frozen=True, eq=False)
class CalledPart:
    """The steps of one call of a part of the program, with the parts inside of it."""

    scope: StepScope | None
    """None for the whole program."""
    depth: int
    """The number of scopes that all of its steps have in common, its own included."""
    items: Sequence[CalledPart | Step]

    def steps(self) -> Iterator[Step]:
        """All of its steps, those of inner parts included."""
        return iter(self._steps)

    @cached_property
    def _steps(self) -> Sequence[Step]:
        found: list[Step] = []
        for item in self.items:
            if isinstance(item, CalledPart):
                found += item.steps()
            else:
                found.append(item)
        return found

    def parts(self) -> Iterator[CalledPart]:
        """Every part inside of it, inner ones first."""
        for item in self.items:
            if isinstance(item, CalledPart):
                yield from item.parts()
                yield item

    def read(self) -> list[Value]:
        """The tensors that it reads and doesn't make, in the order in which it reads them."""
        return list(self._read.values())

    @cached_property
    def _read(self) -> Mapping[str, Value]:
        inside = {step.name for step in self.steps()}
        found: dict[str, Value] = {}
        for step in self.steps():
            for value in step.read():
                if value.node not in inside:
                    found.setdefault(value.name, value)
        return found


Item = CalledPart | Step


class Differing(NamedTuple):
    """An argument that the parts of a block differ in."""

    word: str
    """Its name in the operation."""
    values: Sequence[Any]
    """Its value in every part."""
    usual: Any
    """The value that it has where a use does not say one; None where each has to."""


ByPart = Mapping[str, Differing]
"""A block's arguments, by name."""


@dataclass(frozen=True, eq=False)
class SharedBlock:
    """A structure that several parts have."""

    name: str
    parts: Sequence[CalledPart]
    inputs: Sequence[str]
    """The names of what it reads; none where it has a single input."""
    arguments: ByPart
    twins: Mapping[CalledPart, CalledPart]
    """For each part with the weights of an earlier one, that one."""

    def value_in(
        self,
        part: CalledPart,
        word: str,
    ) -> Any:
        """An argument's value in one of its parts."""
        index = self.parts.index(part)
        return self.arguments[word].values[index]


def part_of_all(recording: Recording) -> CalledPart:
    """The whole program, with its parts by the scopes of its steps."""
    items = _items_of(recording.steps, 0)
    return CalledPart(None, 0, items)


def _items_of(
    steps: Sequence[Step],
    depth: int,
) -> list[Item]:
    """Steps that follow each other in one call of a part are that part."""

    def scope_of(step: Step) -> StepScope | None:
        is_deeper = len(step.scopes) > depth
        return step.scopes[depth] if is_deeper else None

    found: list[Item] = []
    for scope, group in groupby(steps, scope_of):
        inside = list(group)
        if scope is None:
            found += inside
        else:
            items = _items_of(inside, depth + 1)
            found.append(CalledPart(scope, depth + 1, items))
    return found


# --- which parts are blocks ------------------------------------------------------------------------------------------


def find_blocks(
    recording: Recording,
    root: CalledPart,
) -> list[SharedBlock]:
    """The blocks of a recording, whose whole program is ``root``; inner ones first."""
    readers = _readers(recording)
    owners = owners_of(recording.steps)
    groups: dict[Any, list[CalledPart]] = {}
    for part in root.parts():
        if _can_be_block(part, readers):
            key = structure(part, owners)
            groups.setdefault(key, []).append(part)

    wrapped = _wrapped(root)
    found = []
    for parts in groups.values():
        alike = _alike(parts, owners)
        if alike is not None and not wrapped.issuperset(alike.parts):
            found.append(alike)

    names = names_of_blocks([alike.parts for alike in found])
    blocks = []
    for name, alike in zip(names, found):
        inputs = _input_names(alike.parts[0])
        blocks.append(SharedBlock(name, alike.parts, inputs, alike.arguments, alike.twins))
    return blocks


def _alike(
    parts: Sequence[CalledPart],
    owners: Owners,
) -> _Alike | None:
    """Parts of one structure as a block; None where they are better left as they are."""
    twins = _twins(parts, owners)
    able = [part for part in parts if part in twins or not _borrows(part, owners)]
    if not able or not _is_worth_it(able):
        return None

    arguments = _differences(able)
    is_simple = len(arguments) <= MOST_ARGUMENTS
    return _Alike(able, arguments, twins) if is_simple else None


class _Alike(NamedTuple):
    """Parts that are one block."""

    parts: Sequence[CalledPart]
    arguments: ByPart
    twins: Mapping[CalledPart, CalledPart]


def _borrows(
    part: CalledPart,
    owners: Owners,
) -> bool:
    """True where a step of the part has the weights of one outside."""
    steps = list(part.steps())
    inside = {step.name for step in steps}
    return any(step.name in owners and owners[step.name].name not in inside for step in steps)


def _twins(
    parts: Sequence[CalledPart],
    owners: Owners,
) -> dict[CalledPart, CalledPart]:
    """For each part that has all weights of an earlier one like it, that one."""

    def weights(part: CalledPart) -> tuple[str, ...]:
        return tuple(owners.get(step.name, step).name for step in part.steps() if step.weights)

    first: dict[tuple[str, ...], CalledPart] = {}
    found = {}
    for part in parts:
        own = weights(part)
        if _borrows(part, owners):
            if own in first:
                found[part] = first[own]
        else:
            first[own] = part
    return found


def _wrapped(root: CalledPart) -> set[Item]:
    """The items that another part has nothing beside, which is a block then, not they."""
    found: set[Item] = set()
    for part in root.parts():
        if len(part.items) == 1:
            found.update(part.items)
    return found


# --- names of blocks -------------------------------------------------------------------------------------------------

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
"""Kinds of parts that say nothing of what is inside."""


def names_of_blocks(blocks: Sequence[Sequence[CalledPart]]) -> list[str]:
    """A name for each block, given by its parts: their class's, and what tells it from others of the class."""
    kinds: dict[str, list[int]] = {}
    for number, parts in enumerate(blocks):
        kinds.setdefault(_kind(parts), []).append(number)

    found: dict[int, str] = {}
    free = layer_names()
    for kind, numbers in kinds.items():
        plainest = min(numbers, key=lambda number: _plainness(blocks[number][0]))
        found[plainest] = free.free(kind)
        plain = blocks[plainest][0]
        for number in numbers:
            if number == plainest:
                continue
            part = blocks[number][0]
            word = _what_differs(part, plain)
            found[number] = free.free(kind + word)
    return [found[number] for number in range(len(blocks))]


def _kind(parts: Sequence[CalledPart]) -> str:
    """The name of a block of such parts. That of a container is the one that all of them have in the program."""
    scopes = [part.scope for part in parts if part.scope is not None]
    kind = scopes[0].kind
    if any(scope.kind != kind for scope in scopes):
        kind = _family(kind)
    if kind in CONTAINERS:
        paths = [scope.name.split(".") for scope in scopes]
        name, *others = {path[-1] for path in paths}
        is_name = not name.isdecimal()
        if is_name and not others:
            kind = _capitalized(name)
    return re.sub(r"\W", "_", kind)


def _family(kind: str) -> str:
    """The name that numbered classes have in common: Stage for Stage1 and Stage2."""
    return kind.rstrip("0123456789") or kind


def _plainness(part: CalledPart) -> tuple[bool, int]:
    """A key by which parts that change no size come first, and then those of few steps."""
    return bool(_change_of_size(part)), len(list(part.steps()))


def _what_differs(
    part: CalledPart,
    plain: CalledPart,
) -> str:
    """A word for what a part does or has, and the plainest of its class does not; nothing where none is found."""
    change = _change_of_size(part)
    if change != _change_of_size(plain):
        return change

    known = _labels(plain)
    more = [label for label in _labels(part) if label not in known]
    return _capitalized(more[0]) if more else ""


def _change_of_size(part: CalledPart) -> str:
    """Whether a part's output has fewer or more positions than its input."""
    *_, last = part.steps()
    first = part.read()[0]
    before = first.shape[2:]
    after = last.value.shape[2:]
    if len(before) != len(after):
        return ""

    positions = math.prod(before)
    difference = math.prod(after) - positions
    if not difference:
        return ""
    return "Up" if difference > 0 else "Down"


def _labels(part: CalledPart) -> list[str]:
    """The names of what is directly in a part, numbers left out."""
    names = []
    for item in part.items:
        if isinstance(item, Step):
            name = item.label
        else:
            assert item.scope is not None
            name = item.scope.name
        if not name.isdecimal():
            names.append(name)
    return names


def _capitalized(name: str) -> str:
    """A name in the manner of a class's.

    >>> _capitalized("down_sample"), _capitalized("se.fc")
    ('DownSample', 'SeFc')
    """
    words = re.split(r"[\W_]+", name)
    return "".join(word[:1].upper() + word[1:] for word in words)


# --- which parts may be blocks ---------------------------------------------------------------------------------------

Readers = Mapping[str, set[str | None]]
"""For each node the steps that read it, and None where it is an output of the network."""


def _readers(recording: Recording) -> Readers:
    found: dict[str, set[str | None]] = defaultdict(set)
    for step in recording.steps:
        for value in step.read():
            found[value.node].add(step.name)
    for value in recording.outputs.values():
        found[value.node].add(None)
    return found


def _can_be_block(
    part: CalledPart,
    readers: Readers,
) -> bool:
    """True where a part reads whole nodes only, and others read few of its steps beside the last one."""
    read = part.read()
    if not read or any(value.part is not None for value in read):
        return False

    names = [step.name for step in part.steps()]
    inside = set(names)
    nobody: set[str | None] = set()
    shown = [name for name in names[:-1] if not readers.get(name, nobody) <= inside]
    return len(shown) <= MOST_SHOWN


def _is_worth_it(parts: Sequence[CalledPart]) -> bool:
    """True where there are several of them, each of several steps."""
    steps = list(parts[0].steps())
    return len(parts) > 1 and len(steps) > 1


def _input_names(part: CalledPart) -> list[str]:
    """The inputs of a block: none where there is one, which is read without being named."""
    count = len(part.read())
    if count == 1:
        return []
    return [f"x{i + 1}" for i in range(count)]


# --- what parts have in common ---------------------------------------------------------------------------------------


def structure(
    part: CalledPart,
    owners: Owners,
) -> Any:
    """A key that two parts share where they can be one block: all but the values of their plain arguments."""
    places: Places = {}
    for index, value in enumerate(part.read()):
        places[value.node] = ("read", index)
    for index, step in enumerate(part.steps()):
        places[step.name] = ("made", index)

    weights: dict[str, Any] = {}
    first: dict[str, int] = {}
    for index, step in enumerate(part.steps()):
        if step.weights is not None:
            owner = owners.get(step.name, step)
            weights[step.name] = (first.setdefault(owner.name, index), step.weights.learned)
    return _structure_of(part, places, weights)


Places = dict[str, tuple[str, int]]
"""The place of each node in a part: the number of what it reads, or of its step."""


def _structure_of(
    part: CalledPart,
    places: Places,
    weights: Mapping[str, Any],
) -> Any:
    """The key of a part or of one inside of it, which may be a block of its own: its kind tells which."""
    assert part.scope is not None
    found: list[Any] = [_family(part.scope.kind)]
    for item in part.items:
        if isinstance(item, CalledPart):
            assert item.scope is not None
            inner = _structure_of(item, places, weights)
            found.append((item.scope.name, inner))
        else:
            found.append((_structure_of_step(item, places), weights.get(item.name)))
    return tuple(found)


def _structure_of_step(
    step: Step,
    places: Places,
) -> Any:
    """The key of one step: its operation, and what it reads by its place."""
    read = []
    for value in step.read():
        place = places[value.node]
        read.append((place, value.part))
    return type(step.op), step.label, tuple(read), tuple(_fixed(step))


def _fixed(step: Step) -> Iterator[Any]:
    """A key of the arguments that must be the same in all parts. Nodes are compared by their place instead."""
    for word, value in step.arguments.items():
        if isinstance(value, Value):
            yield word, None
        elif depends_on_input(value):
            sizes = over_symbols(value)
            yield word, identity_of(sizes)


def identity_of(sizes: Any) -> Any:
    """A key of sizes, of which an argument may have several, by which equal ones are the same."""
    if isinstance(sizes, tuple):
        return tuple(map(identity_of, sizes))
    return identity(sizes)


def is_fixed(value: Any) -> bool:
    """True where an argument must be the same in all parts of a block: a node, or sizes over the symbols."""
    return isinstance(value, Value) or depends_on_input(value)


FOLLOWERS = ("padding", "output_padding", "groups", "shape")
"""Arguments that are chosen by another one, and named after it where they go together."""

WIDTHS = frozenset(
    [
        "out_channels",
        "out_features",
        "num_features",
        "num_channels",
        "in_channels",
        "groups",
        "shape",
    ]
)
"""Arguments that count channels, which may be equal or multiples of each other for a reason."""

ALIKE: Mapping[str, frozenset[str]] = {
    "padding": frozenset(["dilation"]),
    "kernel_size": frozenset(["stride"]),
    "stride": frozenset(["kernel_size"]),
    **dict.fromkeys(WIDTHS, WIDTHS),
}
"""For an argument the others that it may be equal to for a reason."""


def _differences(parts: Sequence[CalledPart]) -> dict[str, Differing]:
    """The arguments that parts differ in, by a name each; those that go together are one."""
    found: dict[str, Differing] = {}
    # Those that follow others come behind them.
    for label, differing in sorted(_differing(parts), key=_is_follower):
        word = differing.word
        if written_by(word, differing.values, found) is None:
            name = _argument_name(word, label, found)
            found[name] = differing
    return found


def _is_follower(found: tuple[str, Differing]) -> bool:
    return found[1].word in FOLLOWERS


def _differing(parts: Sequence[CalledPart]) -> Iterator[tuple[str, Differing]]:
    """Every argument of a step that parts differ in, with the step's label."""
    columns = [part.steps() for part in parts]
    for steps in zip(*columns):
        words: dict[str, None] = {}
        for step in steps:
            words |= dict.fromkeys(step.arguments)

        for word in words:
            values = [step.argument(word) for step in steps]
            if not is_one(values):
                usual = _usual(word, values, steps[0])
                yield steps[0].label, Differing(word, values, usual)


def _usual(word: str, values: Sequence[Any], step: Step) -> Any:
    """torch's default of an argument where a part has it, or what most parts have; None for a number of channels."""
    if word in WIDTHS or not all(isinstance(value, (int, float, str)) for value in values):
        return None

    (default,) = [one.default for one in fields_of(type(step.op)) if one.encode_name == word]
    if default is not NODEFAULT:
        is_there = any(is_alike(value, default) for value in values)
        return default if is_there else None

    (most, count), *_ = Counter(values).most_common(1)
    return most if 2 * count >= len(values) else None


def is_one(values: Sequence[Any]) -> bool:
    """True where the values that an argument has in the parts of a block are written in the block itself."""
    first = values[0]
    if is_fixed(first):
        return True
    return all(is_alike(value, first) for value in values)


def written_by(
    word: str,
    values: Sequence[Any],
    arguments: ByPart,
) -> Any:
    """What is written for an argument that has these values in a block's parts; None where no argument gives them."""
    found = _expression_of(word, values, arguments)
    if found is not None:
        return f"${{{found}}}"
    if not all(isinstance(value, tuple) for value in values):
        return None
    if len(set(map(len, values))) != 1:
        return None

    columns = []
    for column in zip(*values):
        is_told = is_one(column) and not is_fixed(column[0])
        columns.append(column[0] if is_told else written_by(word, column, arguments))
    return None if None in columns else tuple(columns)


def _expression_of(
    word: str,
    values: Sequence[Any],
    arguments: ByPart,
) -> str | None:
    """The expression of a block's arguments that has these values in its parts; None where none has."""
    for name, known in arguments.items():
        is_related = word == known.word or known.word in ALIKE.get(word, ())
        if is_related and all(map(is_alike, values, known.values)):
            return name
    for name, known in arguments.items():
        derived = _derived(word, values, known)
        if derived is not None:
            return derived.format(name)
    return None


def _derived(
    word: str,
    values: Sequence[Any],
    known: Differing,
) -> str | None:
    """How an argument's numbers follow from another one's, with ``{}`` for its name: ``{} // 2``."""
    kinds = set(map(type, [*values, *known.values]))
    if kinds != {int}:
        return None

    pairs = list(zip(values, known.values))
    if word == "padding" and known.word == "kernel_size":
        is_half = all(n == kernel // 2 for n, kernel in pairs)
        return "{} // 2" if is_half else None
    if word in WIDTHS and known.word in WIDTHS and min(map(min, pairs)) > 0:
        return _multiple(pairs)
    return None


def _multiple(pairs: Sequence[tuple[int, int]]) -> str | None:
    """How the first numbers of pairs are a multiple of the second ones, or a part of them."""
    first, second = pairs[0]
    factor = first // second
    if all(n == other * factor for n, other in pairs):
        return f"{{}} * {factor}"

    divisor = second // first
    if all(n * divisor == other for n, other in pairs):
        return f"{{}} // {divisor}"
    return None


def is_alike(
    a: Any,
    b: Any,
) -> bool:
    # By class: True is no 1, and 1.0 is written otherwise.
    has_one_class = type(a) is type(b)
    return has_one_class and bool(a == b)


def _argument_name(
    word: str,
    label: str,
    taken: Iterable[str],
) -> str:
    """The argument's own name, or one with its step's."""
    name = word
    if name in taken:
        name = re.sub(r"\W", "_", f"{word}_{label}")
    while name in taken:
        name += "_"
    return name


def layer_names(taken: Iterable[str] = ()) -> FreeNames:
    """The names that layers and blocks may have beside those that are taken: no operation's."""
    return FreeNames(taken, lambda name: find_operation(name) is None)
