"""Finds layers that follow each other and are one layer several times, which a config says once, with ``repeat``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracer.importing.blocks import CalledPart, Item, SharedBlock, identity_of, is_alike
from tracer.importing.recording import Step, Value
from tracer.importing.run_time_sizes import depends_on_input, over_symbols
from tracer.importing.sharing import Owners
from tracer.ops.rearrange import Chunk

BlockOf = Mapping[CalledPart, SharedBlock]
"""The block that a part is a use of."""

Twins = Sequence[Item]
"""The items that are at one place of all parts of a block; one item where there is no block."""

Run = Sequence[Twins]
"""What one layer of the config stands for: several where it is repeated."""

FEWEST = 3
"""Copies in which an argument may follow the index: of two, any two numbers would."""


class Chains:
    """Tells which items continue others in one part of the program."""

    def __init__(
        self,
        depth: int,
        block_of: BlockOf,
        owners: Owners,
    ) -> None:
        self.depth = depth
        self.block_of = block_of
        self.owners = owners
        self._owned = {owner.name for owner in owners.values()}

    def runs(self, layers: Sequence[Twins]) -> Iterator[Run]:
        """The layers, those together that are one in several copies."""
        chain: list[Twins] = []
        for twins in layers:
            if chain and not self._continues(chain[-1], twins):
                yield from self._split(chain)
                chain = []
            chain.append(twins)
        if chain:
            yield from self._split(chain)

    def _split(self, chain: Run) -> Iterator[Run]:
        """A chain of copies by their arguments: all of it where these follow the index, else those that are equal."""
        found: list[list[Twins]] = []
        for twins in chain:
            if found and self._is_equal(found[-1][-1], twins):
                found[-1].append(twins)
            else:
                found.append([twins])

        are_apart = len(found) == len(chain) >= FEWEST
        if are_apart and self._follows_index(chain):
            yield chain
        else:
            yield from found

    # --- one copy behind another -------------------------------------------------------------------------------------

    def _continues(
        self,
        before: Twins,
        after: Twins,
    ) -> bool:
        """True where a copy's first input is the copy before it, and all else but its arguments is the same."""
        return all(map(self._continues_item, before, after))

    def _continues_item(
        self,
        before: Item,
        after: Item,
    ) -> bool:
        if not self._has_one_structure(before, after):
            return False
        if not _is_next(words_of(before, self.depth), words_of(after, self.depth)):
            return False

        last = _steps(before)[-1]
        was_read, reads = _read(before), _read(after)
        if not reads or reads[0] != last.value.name:
            return False
        return was_read[1:] == reads[1:] and reads[0] not in reads[1:]

    def _has_one_structure(
        self,
        before: Item,
        after: Item,
    ) -> bool:
        if self._is_shared(before):
            return False
        if self._is_shared(after):
            return False

        if isinstance(before, Step) and isinstance(after, Step):
            is_one = _kind_of(before) == _kind_of(after)
            has_one_output = not isinstance(before.op, Chunk)
            return is_one and has_one_output
        if isinstance(before, CalledPart) and isinstance(after, CalledPart):
            return self.block_of[before] is self.block_of[after]
        return False

    def _is_shared(self, item: Item) -> bool:
        """True where an item has the weights of another, or another has its."""
        for step in _steps(item):
            is_borrower = step.name in self.owners
            is_owner = step.name in self._owned
            if is_borrower or is_owner:
                return True
        return False

    # --- arguments ---------------------------------------------------------------------------------------------------

    def arguments(self, item: Item) -> dict[str, Any]:
        """The arguments of a layer, with their values in one item."""
        if isinstance(item, Step):
            return dict(item.arguments)
        block = self.block_of[item]
        return {word: block.value_in(item, word) for word in block.arguments}

    def _is_equal(
        self,
        before: Twins,
        after: Twins,
    ) -> bool:
        """True where all arguments are the same."""
        for pair in zip(before, after):
            copies = self._by_word(pair)
            if copies is None:
                return False
            if not all(map(are_same, copies.values())):
                return False
        return True

    def _by_word(self, items: Sequence[Item]) -> dict[str, list[Any]] | None:
        """The values of each argument in several copies; None where they have not the same ones."""
        found: dict[str, list[Any]] = {}
        for item in items:
            arguments = self.arguments(item)
            for word, value in arguments.items():
                found.setdefault(word, []).append(value)

        lengths = set(map(len, found.values()))
        is_whole = lengths <= {len(items)}
        return found if is_whole else None

    def _follows_index(self, chain: Run) -> bool:
        """True where every argument is the same in all copies or follows the index."""
        is_in_block = len(chain[0]) > 1
        if is_in_block:
            return False

        copies = self._by_word([twins[0] for twins in chain])
        if copies is None:
            return False
        return all(map(_is_told, copies.values()))


def _is_told(values: Sequence[Any]) -> bool:
    return are_same(values) or by_index(values) is not None


def are_same(values: Sequence[Any]) -> bool:
    """True where an argument has one value in all copies."""
    return all(_is_same(values[0], value) for value in values)


def by_index(values: Sequence[Any]) -> str | None:
    """The expression of ``index`` that gives these numbers in turn; None where none does.

    >>> by_index([1, 2, 4, 8]), by_index([0, 3, 6]), by_index([16, 24, 32]), by_index([1, 2, 5])
    ('2 ** index', 'index * 3', '16 + index * 8', None)
    """
    if len(values) < FEWEST:
        return None
    kinds = set(map(type, values))
    if kinds != {int}:
        return None

    first, second, *_ = values
    return _by_steps(values, second - first) or _by_doubling(values)


def _by_steps(
    values: Sequence[int],
    step: int,
) -> str | None:
    """Numbers that are a step apart each."""
    first = values[0]
    wanted = [first + step * index for index in range(len(values))]
    if step <= 0 or wanted != list(values):
        return None
    multiple = "index" if step == 1 else f"index * {step}"
    return f"{first} + {multiple}" if first else multiple


def _by_doubling(values: Sequence[int]) -> str | None:
    """Numbers that are twice the one before each."""
    first = values[0]
    wanted = [first * 2**index for index in range(len(values))]
    if first <= 0 or wanted != list(values):
        return None
    return "2 ** index" if first == 1 else f"{first} * 2 ** index"


def _is_same(
    a: Any,
    b: Any,
) -> bool:
    """True where two copies have one value."""
    if isinstance(a, Value) and isinstance(b, Value):
        return a.name == b.name
    if depends_on_input(a) and depends_on_input(b):
        return bool(identity_of(over_symbols(a)) == identity_of(over_symbols(b)))
    return is_alike(a, b)


def _kind_of(step: Step) -> tuple[type, bool]:
    """A step's operation, and whether its weights are learned, if it has any."""
    weights = step.weights
    is_learned = weights is None or weights.learned
    return type(step.op), is_learned


def _steps(item: Item) -> Sequence[Step]:
    return [item] if isinstance(item, Step) else list(item.steps())


def _read(item: Item) -> Sequence[str]:
    """The names of what an item reads."""
    values = item.sources if isinstance(item, Step) else item.read()
    return [value.name for value in values]


# --- names -----------------------------------------------------------------------------------------------------------


def words_of(
    item: Item,
    depth: int,
) -> list[str]:
    """The words of an item's path below so many scopes: ``body``, ``0``, ``conv``."""
    if isinstance(item, Step):
        scopes = item.scopes[depth:]
        last = [item.label]
    else:
        first = next(item.steps())
        scopes = first.scopes[depth : item.depth]
        last = []

    names = [scope.name for scope in scopes]
    path = ".".join(names + last)
    return path.split(".")


def _is_next(
    before: Sequence[str],
    after: Sequence[str],
) -> bool:
    """True where a path is the one behind another: the next number of a list, or the same module once more.

    >>> _is_next(["body", "0"], ["body", "1"]), _is_next(["pool"], ["pool"]), _is_next(["conv1"], ["conv2"])
    (True, True, False)
    """
    if before[:-1] != after[:-1]:
        return False
    a, b = before[-1], after[-1]
    if a.isdecimal() and b.isdecimal():
        return int(b) - int(a) <= 1
    return a == b


class RunNames:
    """The names of a part's layers, by their paths in the program."""

    def __init__(
        self,
        layers: Sequence[Twins],
        depth: int,
    ) -> None:
        self.depth = depth
        self._paths: set[tuple[str, ...]] = set()
        self._inside: Counter[tuple[str, ...]] = Counter()
        """The number of layers whose path begins so."""
        for twins in layers:
            words = words_of(twins[0], depth)
            path = tuple(words)
            self._paths.add(path)
            for count in range(1, len(path)):
                around = path[:count]
                self._inside[around] += 1

    def of(self, run: Run) -> str:
        """The name of a layer. The number in a list is left out where the layer is all of the list."""
        first = run[0][0]
        words = words_of(first, self.depth)
        *before, last = words
        around = tuple(before)

        is_numbered = bool(around) and last.isdecimal()
        is_all = self._inside[around] == len(run)
        if is_numbered and is_all and around not in self._paths:
            words = before
        path = "_".join(words)
        return re.sub(r"\W", "_", path)
