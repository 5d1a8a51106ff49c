"""Skips for an encoder of one resolution, as a vision transformer is: maps of its blocks, resized.

Ranftl, Bochkovskiy, Koltun: "Vision Transformers for Dense Prediction", ICCV 2021, and Hatamizadeh et al.: "UNETR",
WACV 2022, read early blocks for fine levels and late ones for coarse levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from tracer.designing.fit import MapAxis
from tracer.designing.reading import FeatureMap, ReadingLayer
from tracer.designing.taps import TracedMaps, sums_before
from tracer.network.records import Node

RESIZED = (
    "the encoder has one resolution, so the map of a block inside it is resized for this level"
)

FINEST = 4
"""Input positions for one of the finest level's, at least."""


def of_one_resolution(
    maps: TracedMaps,
    found: Sequence[FeatureMap],
    feature_of: Callable[[Node], FeatureMap | None],
) -> list[FeatureMap]:
    """Finer maps for an encoder whose maps are of one resolution, from the finest on; none for other encoders.

    Those of evenly spread blocks: the earliest is enlarged most.
    """
    if len(found) != 1:
        return []
    (deepest,) = found
    factors = list(_factors(deepest))
    blocks = sums_before(maps, deepest.node)
    if len(blocks) <= len(factors):
        return []

    finer = []
    for number, factor in enumerate(reversed(factors), 1):
        place = len(blocks) * number // (len(factors) + 1)
        feature = feature_of(blocks[place - 1])
        if feature is not None:
            finer.append(_enlarged(feature, factor))
    return finer


def _factors(deepest: FeatureMap) -> Iterator[int]:
    """Powers of two by which the map can be enlarged, from the least on."""
    factor = 2
    while min(deepest.strides) / factor >= FINEST:
        yield factor
        factor *= 2


def _enlarged(feature: FeatureMap, factor: int) -> FeatureMap:
    """A map with a part of the channels, resized."""
    dims = len(feature.strides)
    channels = max(feature.channels // factor, 1)
    conv = {"out_channels": channels, "kernel_size": 1}
    mode = ("linear", "bilinear", "trilinear")[dims - 1]
    layers = (
        ReadingLayer("narrow", f"Conv{dims}d", conv),
        ReadingLayer("resized", "Upsample", {"scale_factor": factor, "mode": mode}, RESIZED),
    )
    axes = feature.axes
    return feature._replace(
        channels=channels,
        axes=None if axes is None else tuple(_finer(axis, factor) for axis in axes),
        strides=tuple(stride / factor for stride in feature.strides),
        reading=(*feature.reading, *layers),
    )


def _finer(axis: MapAxis, factor: int) -> MapAxis:
    """An axis of so many times as many positions, edge to edge with those before."""
    moved = axis.stride * (Fraction(1, factor) - 1) / 2
    return MapAxis(
        axis.stride / factor,
        axis.offset + moved,
        tuple(n * factor for n in axis.sizes),
        axis.written * factor,
    )
