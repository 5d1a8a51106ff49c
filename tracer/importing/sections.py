"""The sections of an imported config: encoder, bottleneck, decoder and head, where its graph shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from tracer.importing.layers import ListedLayer
from tracer.network.sharing import has_parameters

Section = tuple[str, Sequence[ListedLayer]]

LEVEL = 1.9
"""A map with so many times the positions of the smallest one is a level above it: one axis at least is halved."""


def sections_of(layers: Sequence[ListedLayer]) -> list[Section]:
    """The layers by section. All are under ``layers`` unless maps get smaller, then larger, with skips between."""
    whole = [("layers", layers)]
    positions = list(map(_positions, layers))
    if not all(positions):
        return whole

    level = LEVEL * min(positions)
    lowest = [number for number, count in enumerate(positions) if count < level]
    first, last = lowest[0], lowest[-1]
    if lowest != list(range(first, last + 1)):
        return whole

    first = _behind_weightless(layers, first, last)
    encoder = layers[:first]
    bottleneck = layers[first : last + 1]
    decoder = layers[last + 1 :]
    if not _falls(positions[:first]) or not _rises(positions[last + 1 :]):
        return whole
    if not _has_skip(encoder, decoder) or not any(map(_enlarges, decoder)):
        return whole

    cut = len(decoder) - _head(decoder, positions[last + 1 :])
    found = [
        ("encoder", encoder),
        ("bottleneck", bottleneck),
        ("decoder", decoder[:cut]),
        ("head", decoder[cut:]),
    ]
    return [section for section in found if section[1]]


def _positions(layer: ListedLayer) -> int:
    """The number of positions in the map that a layer gives; 0 where it gives no map."""
    shape = layer.steps[-1].value.shape
    return math.prod(shape[2:]) if len(shape) > 2 else 0


def _behind_weightless(layers: Sequence[ListedLayer], first: int, last: int) -> int:
    """The first layer with weights at the lowest level: what leads there is the encoder's."""
    for number in range(first, last + 1):
        if _has_weights(layers[number]):
            return number
    return first


def _has_weights(layer: ListedLayer) -> bool:
    return any(has_parameters(step.op) for step in layer.steps)


def _falls(positions: Sequence[int]) -> bool:
    """True where no map is larger than the one before."""
    pairs = pairwise(positions)
    return all(after <= before for before, after in pairs)


def _rises(positions: Sequence[int]) -> bool:
    """True where no map is a level below the one before; convolutions without padding lose a little."""
    pairs = pairwise(positions)
    return all(after * LEVEL > before for before, after in pairs)


def _has_skip(encoder: Sequence[ListedLayer], decoder: Sequence[ListedLayer]) -> bool:
    """True where the decoder joins a map of the encoder with one from below."""
    made = {step.name for layer in encoder for step in layer.steps}
    for layer in decoder:
        for step in layer.steps:
            sources = {value.node for value in step.sources}
            skips = sources & made
            if skips and sources > skips:
                return True
    return False


def _enlarges(layer: ListedLayer) -> bool:
    """Whether some step gives a map with more positions than the one it is made of; a merge repeats a small one."""
    for step in layer.steps:
        shapes = [value.shape for value in step.sources]
        positions = [math.prod(shape[2:]) for shape in shapes]
        is_merge = len(shapes) > 1
        if not is_merge and positions and math.prod(step.value.shape[2:]) > positions[0]:
            return True
    return False


def _head(decoder: Sequence[ListedLayer], positions: Sequence[int]) -> int:
    """The number of layers of the head: the last with weights and what follows, none of which joins or enlarges."""
    for count in range(1, len(decoder)):
        layer = decoder[-count]
        is_plain = len(layer.steps) == 1 and len(layer.reads) < 2
        if not is_plain or positions[-count] > positions[-count - 1]:
            return 0
        if _has_weights(layer):
            return count
    return 0
