"""The numbers of a config that are one choice: the base width of an encoder and decoder, and the number of classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tracer.importing.blocks import WIDTHS, SharedBlock
from tracer.importing.layers import Listed, ListedLayer
from tracer.importing.recording import Recording

BASE, CLASSES = "base", "classes"
"""The names that the library's configs have for them."""

PARAMS = frozenset([BASE, CLASSES])

OWN = WIDTHS - {"groups", "shape"}
"""Arguments that are a number of channels, and nothing else."""

PLACES = frozenset(
    ["kernel_size", "stride", "dilation", "padding", "output_padding", "size", "repeat"]
)
"""Arguments that count no channels, however large they are."""

FEWEST = 3
"""Widths that are multiples of the base: of fewer, one might be so by chance."""

LEAST = 4
"""A base that is smaller divides too many numbers."""

DOUBLED = re.compile(r"\$\{(\d+)( \* 2 \*\* index)\}")
"""A number that is twice that of the copy before."""

Blocks = Sequence[tuple[SharedBlock, Listed]]

Argument = tuple[str, Any]
"""The word that an argument has in its operation, and its value."""


class Chosen(NamedTuple):
    """The params of a config, and its layers with them in the place of the numbers."""

    values: Mapping[str, int]
    blocks: Blocks
    layers: Sequence[ListedLayer]


def with_params(
    recording: Recording,
    blocks: Blocks,
    layers: Sequence[ListedLayer],
    names: Collection[str],
) -> Chosen:
    """The layers with those params of these names that their numbers show; as they are where none is shown."""
    numbers = _Numbers(recording, blocks, layers)
    values: dict[str, int] = {}

    if CLASSES in names and (classes := numbers.classes()) is not None:
        values[CLASSES] = classes
    if BASE in names and (base := numbers.base()) is not None:
        values[BASE] = base

    said = numbers.by(values)
    new_blocks = []
    for block, inside in blocks:
        inner = list(map(said, inside.layers))
        new_blocks.append((block, replace(inside, layers=inner)))

    in_order = {name: values[name] for name in (BASE, CLASSES) if name in values}
    return Chosen(in_order, new_blocks, list(map(said, layers)))


class _Numbers:
    """The numbers of channels that the layers of a config have."""

    def __init__(
        self,
        recording: Recording,
        blocks: Blocks,
        layers: Sequence[ListedLayer],
    ) -> None:
        self.recording = recording
        self.blocks = {block.name: block for block, _ in blocks}
        self.layers = list(layers)
        for _, inside in blocks:
            self.layers += inside.layers
        self.heads = _heads(recording)

    # --- which numbers are a choice ----------------------------------------------------------------------------------

    def classes(self) -> int | None:
        """The channels of every output, where no other layer and no input has as many; None where one has."""
        widths = {value.shape[1:2] for value in self.recording.outputs.values()}
        given = {value.shape[1:2] for value in self.recording.inputs.values()}
        found = widths.pop()
        if widths or found in given:
            return None

        others = {(n,) for n in [1, *self._widths()]}
        is_own = found not in others and found in self._said_by_heads()
        return found[0] if is_own else None

    def _said_by_heads(self) -> set[tuple[int]]:
        """The numbers of channels that layers say which decide those of the outputs."""
        heads = filter(self._is_heads, self.layers)
        return {(n,) for layer in heads for n in self._own(layer)}

    def base(self) -> int | None:
        """The width of which all others are multiples or simple parts: the first one, or the least."""
        widths = list(self._widths())
        several = [n for n in widths if n > 1]
        for base in several[:1] + sorted(several)[:1]:
            multiples = {n for n in widths if n % base == 0}
            is_shown = len(multiples) >= FEWEST and base >= LEAST
            if is_shown and all(map(_Scale(base).has, self._all())):
                return base
        return None

    def _widths(self) -> dict[int, None]:
        """The numbers of channels in the order of the layers, those of the heads left out."""
        found: dict[int, None] = {}
        for layer in self.layers:
            if not self._is_heads(layer):
                found |= dict.fromkeys(self._own(layer))
        return found

    def _own(self, layer: ListedLayer) -> Iterator[int]:
        """The numbers of channels of one layer, in all of its copies."""
        copies = layer.arguments.get("repeat", 1)
        for word, value in self._arguments(layer):
            if word in OWN:
                yield from _counts(value, copies)

    def _all(self) -> Iterator[Argument]:
        """The arguments of all layers but the heads."""
        for layer in self.layers:
            if not self._is_heads(layer):
                yield from self._arguments(layer)

    def _arguments(self, layer: ListedLayer) -> Iterator[Argument]:
        for name, value in layer.arguments.items():
            yield self._word(layer, name), value

    def _word(
        self,
        layer: ListedLayer,
        name: str,
    ) -> str:
        block = self.blocks.get(layer.op)
        known = block.arguments.get(name) if block is not None else None
        return name if known is None else known.word

    def _is_heads(self, layer: ListedLayer) -> bool:
        return any(step.name in self.heads for step in layer.steps)

    # --- how they are written ----------------------------------------------------------------------------------------

    def by(self, values: Mapping[str, int]) -> Callable[[ListedLayer], ListedLayer]:
        """What says a layer's numbers by these params."""

        def said(layer: ListedLayer) -> ListedLayer:
            arguments = {}
            for name, value in layer.arguments.items():
                word = self._word(layer, name)
                arguments[name] = self._said(layer, word, value, values)
            return replace(layer, arguments=arguments)

        return said

    def _said(
        self,
        layer: ListedLayer,
        word: str,
        value: Any,
        values: Mapping[str, int],
    ) -> Any:
        if self._is_heads(layer):
            is_classes = word in OWN and value == values.get(CLASSES)
            return f"${{{CLASSES}}}" if is_classes else value

        base = values.get(BASE)
        return value if base is None else _Scale(base).written(word, value)


def _heads(recording: Recording) -> frozenset[str]:
    """The names of the layers that decide how many channels the outputs have."""
    made = {step.name: step for step in recording.steps}
    waiting = list(recording.outputs.values())
    found, seen = set(), set()
    while waiting:
        value = waiting.pop()
        step = made.get(value.node)
        if step is None or step.name in seen:
            continue

        seen.add(step.name)
        if OWN & step.arguments.keys():
            found.add(step.name)
            continue
        waiting += [source for source in step.sources if source.shape[1:2] == value.shape[1:2]]
    return frozenset(found)


def _counts(
    value: Any,
    copies: int,
) -> Iterator[int]:
    """The numbers of channels that an argument is in the copies of a layer."""
    if isinstance(value, int):
        yield value
    elif doubled := DOUBLED.fullmatch(str(value)):
        first = int(doubled[1])
        yield from (first * 2**index for index in range(copies))


class _Scale:
    """The numbers that follow a base width."""

    def __init__(self, base: int) -> None:
        self.base = base

    def has(self, argument: Argument) -> bool:
        """True where an argument follows the base, or is too small a number to have to."""
        word, value = argument
        if word in PLACES:
            return True
        if word in OWN:
            return self._expression(value) is not None

        items = value if isinstance(value, (tuple, list)) else [value]
        follows = word in WIDTHS
        return all(self._is_small(item) or (follows and self._follows(item)) for item in items)

    def written(
        self,
        word: str,
        value: Any,
    ) -> Any:
        """An argument's value by the base."""
        if word in OWN:
            return self._expression(value)
        if word == "shape" and isinstance(value, (tuple, list)):
            return tuple(map(self._of_large, value))
        return self._of_large(value) if word == "groups" else value

    def _of_large(self, value: Any) -> Any:
        return value if self._is_small(value) else self._expression(value)

    def _is_small(self, value: Any) -> bool:
        """True for what is no number of channels: less than the base, or no number."""
        return not isinstance(value, int) or value < self.base

    def _follows(self, value: Any) -> bool:
        return self._expression(value) is not None

    def _expression(self, value: Any) -> Any:
        """A number as a multiple or a simple part of the base; None where it is neither.

        What is no number, and a single channel, stay as they are.
        """
        if isinstance(value, str):
            return self._of_copies(value)
        if not isinstance(value, int) or value == 1:
            return value

        factor, rest = divmod(value, self.base)
        if not rest:
            return f"${{{BASE}}}" if factor == 1 else f"${{{BASE} * {factor}}}"

        divisor, rest = divmod(self.base, value)
        is_simple = not rest and divisor in (2, 4)
        return f"${{{BASE} // {divisor}}}" if is_simple else None

    def _of_copies(self, text: str) -> str | None:
        """A width that doubles from copy to copy, by the base; others that follow the copy's number are none."""
        doubled = DOUBLED.fullmatch(text)
        if doubled is None:
            return None if "index" in text else text

        first = self._expression(int(doubled[1]))
        return None if first is None else first.replace("}", f"{doubled[2]}}}")
