"""Normalizations: batch, instance, group, layer, root-mean-square and local response.

None of them changes a shape; what differs is which inputs torch refuses. Eval mode is the judge: a batch norm
then reads its running statistics, while group, layer and RMS norms (and whatever keeps no running statistics)
compute theirs from the input. A normalization rescales a position by statistics, so its window is one position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from math import prod
from operator import or_
from typing import Any, ClassVar

from tracer.ops.base import (
    MAX_INT,
    NOTHING_KEPT,
    Ints,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_channels,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.rearrange import is_contiguous
from tracer.sizing.arithmetic import Dim, Holds


def any_holds(conditions: Iterable[Holds]) -> Holds:
    """One of the conditions holds. Dim by dim, so that no axis is multiplied with another."""
    return reduce(or_, conditions, False)


def is_empty(x: Shape) -> Holds:
    """True where a tensor of this shape has no elements."""
    return any_holds(n == 0 for n in x)


def has_least_rank(x: Shape, least: int) -> Requirement:
    """The input has this many dims or more."""
    return Requirement(
        len(x) >= least,
        "T303",
        None,
        lambda: f"takes an input of at least {least} dims; {written(x)} has {len(x)}",
    )


def channels_match(
    field: str, declared: int, x: Shape, dim: int, passes: Holds = False
) -> Requirement:
    """The input has the declared number of channels in dim ``dim``, or torch passes it all the same."""
    return Requirement(
        (x[dim] == declared) | passes,
        "T204",
        field,
        lambda: f"{field} is {declared}, but the input {written(x)} has {x[dim]} channels",
        f"leave {field} out to take the input's",
        dim=dim,
    )


class ChannelNorm(Op, kw_only=True):
    """A batch or instance norm: a scale, a shift and running statistics per channel."""

    num_features: int | None = None
    """Channels of the input; left out: as many as it has."""
    eps: float = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    momentum: float | None = 0.1
    """The share of each new batch in the running statistics; null: all batches count alike."""
    affine: bool = True
    """Channels have learned factors and summands."""
    track_running_stats: bool = True
    """Running statistics are kept, and used in evaluation."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""
    bias: bool = True
    """Learned summands are added."""

    def legal(self) -> Requirements:
        # With neither weights nor statistics torch never looks at num_features, not even at its sign.
        if self.num_features is not None and (self.affine or self.track_running_stats):
            yield in_range("num_features", self.num_features, 1 if self.affine else 0)

    def _channels(self, x: Shape) -> Dim:
        return x[1]

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"num_features": self._channels(x[0])}

    def parameters(self, *x: Shape) -> Dim:
        channels = self._channels(x[0]) if self.num_features is None else self.num_features
        return channels * (1 + self.bias) if self.affine else 0

    def buffers(self, *x: Shape) -> Dim:
        channels = self._channels(x[0]) if self.num_features is None else self.num_features
        return 2 * channels if self.track_running_stats else 0


class BatchNorm(ChannelNorm, kw_only=True):
    """Batch normalization: (x − mean) / sqrt(var + eps) · weight + bias, by channel over batch and space."""

    ranks: ClassVar[tuple[int, ...]]

    def legal(self) -> Requirements:
        yield from super().legal()
        bad = self.eps < 0 or (self.eps == 0 and not self.track_running_stats)
        yield Requirement(
            not bad,
            "T202",
            "eps",
            lambda: (
                f"eps is {self.eps}; torch needs {'at least' if self.track_running_stats else 'more than'} 0"
            ),
        )

    def _accepts(self, x: Shape) -> Requirements:
        yield has_rank(x, *self.ranks)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield from self._accepts(x0)
        if self.num_features is None:
            if self.affine:  # torch reads the first weight, whatever the input
                yield has_channels(x0, 1)
        elif self.affine or self.track_running_stats:
            yield channels_match("num_features", self.num_features, x0, 1, passes=is_empty(x0))
        if not self.track_running_stats:
            yield Requirement(
                any_holds(n != 1 for n in (x0[0], *x0[2:])),
                "T302",
                "track_running_stats",
                lambda: (
                    f"the input {written(x0)} has a single value per channel to take the statistics from; "
                    "torch needs more than one"
                ),
                "keep running statistics (track_running_stats: true)",
            )

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        if not self.track_running_stats:  # then eval mode refuses the same
            return
        (x0,) = x
        yield Requirement(
            any_holds(n != 1 for n in (x0[0], *x0[2:])),
            "T507",
            None,
            lambda: (
                f"the input {written(x0)} has a single value per channel, which torch refuses in training"
            ),
            "train with a batch of 2 or more, or with a larger input",
        )
        yield Requirement(
            self.eps != 0, "T507", "eps", "eps is 0, which torch refuses in training"
        )

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return self.track_running_stats or dim == 1

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # Its input, and each channel's mean and deviation.
        return Kept((0,), values=2 * x[0][1]) if self.affine or any(needs) else NOTHING_KEPT


@operation
class BatchNorm1d(BatchNorm):
    """Batch normalization over [N, C] or [N, C, L]; there is no unbatched form."""

    ranks = (2, 3)


@operation
class BatchNorm2d(BatchNorm):
    """Batch normalization over [N, C, H, W]; there is no unbatched form."""

    ranks = (4,)


@operation
class BatchNorm3d(BatchNorm):
    """Batch normalization over [N, C, D, H, W]; there is no unbatched form."""

    ranks = (5,)


@operation
class SyncBatchNorm(BatchNorm, kw_only=True):
    """Batch normalization whose training statistics are taken over all processes, over [N, C, ...] of any rank."""

    process_group: None = None
    """torch's default group; a config cannot name another."""

    def _accepts(self, x: Shape) -> Requirements:
        yield has_least_rank(x, 2)
        yield has_channels(x, 1)

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        # Among several processes a single value each is enough, and that is what this operation is for.
        return iter(())


class InstanceNorm(ChannelNorm, kw_only=True):
    """Instance normalization: (x − mean) / sqrt(var + eps), by sample and channel over space."""

    axes: ClassVar[int]

    affine: bool = False
    """Channels have learned factors and summands."""
    track_running_stats: bool = False
    """Running statistics are kept, and used in evaluation."""

    def _channels(self, x: Shape) -> Dim:
        return x[-self.axes - 1]

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes, declared = self.axes, self.num_features
        yield has_rank(x0, axes + 1, axes + 2)
        channels = self._channels(x0)
        if declared is not None and (self.affine or self.track_running_stats):
            # Without weights an empty input returns before torch compares the statistics with it.
            yield channels_match(
                "num_features",
                declared,
                x0,
                len(x0) - axes - 1,
                passes=False if self.affine else is_empty(x0),
            )
        if not self.track_running_stats:
            yield Requirement(
                any_holds(n != 1 for n in x0[-axes:]),
                "T302",
                "track_running_stats",
                lambda: (
                    f"the input {written(x0)} has a single position per channel to take the statistics from; "
                    "torch needs more than one"
                ),
            )
        if self.affine:  # torch repeats the weights for each sample and reads the first one
            samples = x0[0] if len(x0) == axes + 2 else 1
            yield Requirement(
                (samples >= 1) & (channels >= 1),
                "T302",
                "affine",
                lambda: (
                    f"the input {written(x0)} has no sample or no channel, which torch refuses with affine: true"
                ),
            )

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        if not self.track_running_stats:  # then eval mode refuses the same
            return
        (x0,) = x
        yield Requirement(
            any_holds(n != 1 for n in x0[-self.axes :]),
            "T507",
            None,
            lambda: (
                f"the input {written(x0)} has a single position per channel, which torch refuses in training"
            ),
            "train with a larger input, or normalize before the last pooling",
        )

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return self.track_running_stats or dim < len(x[0]) - self.axes

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # As a batch norm over samples and channels together, for which torch repeats weights and statistics.
        if not self.affine and not any(needs):
            return NOTHING_KEPT
        samples = x[0][0] if len(x[0]) == self.axes + 2 else 1
        rows = 2 + self.affine + 2 * self.track_running_stats
        values = rows * samples * self._channels(x[0])
        return _kept_in_order(x[0], values, is_in_order=is_contiguous(x[0]))


@operation
class InstanceNorm1d(InstanceNorm):
    """Instance normalization over [N, C, L] or [C, L]."""

    axes = 1


@operation
class InstanceNorm2d(InstanceNorm):
    """Instance normalization over [N, C, H, W] or [C, H, W]."""

    axes = 2


@operation
class InstanceNorm3d(InstanceNorm):
    """Instance normalization over [N, C, D, H, W] or [C, D, H, W]."""

    axes = 3


@operation
class GroupNorm(Op, kw_only=True):
    """Group normalization: statistics by sample and group of num_channels / num_groups channels, over [N, C, ...]."""

    autocast = "float32"

    num_groups: int
    """The number of groups, each of which is normalized by itself; it divides the channels."""
    num_channels: int | None = None
    """Channels of the input; left out: as many as it has."""
    eps: float = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    affine: bool = True
    """Channels have learned factors and summands."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""
    bias: bool = True
    """Learned summands are added."""

    def legal(self) -> Requirements:
        yield in_range("num_groups", self.num_groups, 1)
        if self.num_channels is not None:
            if self.affine:
                yield in_range("num_channels", self.num_channels, 0)
            yield self._grouped("num_channels", self.num_channels)

    def _grouped(self, what: str, channels: Dim) -> Requirement:
        return Requirement(
            channels % self.num_groups == 0,
            "T205",
            "num_groups",
            lambda: f"{channels} {what} do not divide into {self.num_groups} groups",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_least_rank(x0, 2)
        batch, channels, *space = x0
        if self.num_channels is not None and self.affine:
            yield channels_match("num_channels", self.num_channels, x0, 1)
        yield self._grouped("channels", channels)._replace(dim=1)
        values = (
            batch * channels // self.num_groups
        )  # torch counts the samples' values together
        yield Requirement(
            any_holds(n != 1 for n in (values, *space)),
            "T302",
            "num_groups",
            lambda: (
                f"the input {written(x0)} has a single value per group; torch needs more than one, in eval too"
            ),
            "take fewer groups",
        )

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"num_channels": x[0][1]}

    def parameters(self, *x: Shape) -> Dim:
        channels = x[0][1] if self.num_channels is None else self.num_channels
        return channels * (1 + self.bias) if self.affine else 0

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return dim == 0

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not self.affine and not any(needs):
            return NOTHING_KEPT
        values = 2 * x[0][0] * self.num_groups
        is_in_order = is_contiguous(x[0])
        if not is_in_order and len(x[0]) in (4, 5):
            is_in_order = is_contiguous(x[0], last=1)
        return _kept_in_order(x[0], values, is_in_order=is_in_order)


def _kept_in_order(x: Shape, values: Dim, *, is_in_order: bool) -> Kept:
    """What is kept of a map that is copied first where its elements lie in another order, and some values."""
    if is_in_order:
        return Kept((0,), values=values)
    copied = prod(x)
    return Kept(values=values + copied)


class TrailingNorm(Op, kw_only=True):
    """A layer or RMS norm: the last dims of the input are normalized together.

    Without a ``normalized_shape`` it is the input's last dim.
    """

    autocast = "float32"

    normalized_shape: Ints | None = None
    """The last dims, which are normalized together; left out: the input's last one."""

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"normalized_shape": x[0][-1]}

    def _normalized(self, x: Shape) -> Shape:
        if self.normalized_shape is None:
            return x[-1:]
        return (
            self.normalized_shape
            if isinstance(self.normalized_shape, tuple)
            else (self.normalized_shape,)
        )

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return dim < len(x[0]) - len(self._normalized(x[0]))

    def legal(self) -> Requirements:
        if self.normalized_shape is None:
            return
        yield Requirement(
            self.normalized_shape != (),
            "T203",
            "normalized_shape",
            "normalized_shape is []; torch needs at least one size",
        )
        yield in_range("normalized_shape", self.normalized_shape, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        if self.normalized_shape is None:
            yield has_least_rank(x0, 1)
            return
        normalized = self._normalized(x0)
        yield has_least_rank(x0, len(normalized))
        first = len(x0) - len(normalized)
        for dim, declared in enumerate(normalized, first):
            yield Requirement(
                x0[dim] == declared,
                "T204",
                "normalized_shape",
                lambda: (
                    f"normalized_shape is {written(self.normalized_shape)}, but the input {written(x0)} "
                    f"ends in {written(x0[first:])}"
                ),
                dim=dim,
            )


@operation
class LayerNorm(TrailingNorm, kw_only=True):
    """Layer normalization: (x − mean) / sqrt(var + eps) · weight + bias over the last dims."""

    eps: float = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    elementwise_affine: bool = True
    """Every element of the normalized dims has a learned factor."""
    bias: bool = True
    """Learned summands are added."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def parameters(self, *x: Shape) -> Dim:
        return prod(self._normalized(x[0])) * (1 + self.bias) if self.elementwise_affine else 0

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        (x0, *_) = x
        dims = len(x0) - len(self._normalized(x0))
        leading = prod(x0[:dims])
        return (
            Kept((0,), values=2 * leading)
            if self.elementwise_affine or any(needs)
            else NOTHING_KEPT
        )


@operation
class RMSNorm(TrailingNorm, kw_only=True):
    """Root-mean-square normalization: x / sqrt(mean(x²) + eps) · weight over the last dims."""

    eps: float | None = None
    """Added to the mean of the squares; left out: the type's smallest step."""
    elementwise_affine: bool = True
    """Every element of the normalized dims has a learned factor."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def parameters(self, *x: Shape) -> Dim:
        return prod(self._normalized(x[0])) if self.elementwise_affine else 0

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        normalized = prod(y) if self.elementwise_affine else 0
        if not any(needs):
            return Kept((), values=normalized)

        (x0, *_) = x
        dims = len(x0) - len(self._normalized(x0))
        leading = prod(x0[:dims])
        return Kept((0,), values=leading + normalized)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * prod(y)


@operation
class LocalResponseNorm(Op, kw_only=True):
    """Local response normalization: divides by the squares of ``size`` neighbouring channels, over [N, C, ...]."""

    autocast = "float32"

    size: int
    """Neighbouring channels that are summed."""
    alpha: float = 1e-4
    """What the mean of the squares is multiplied by."""
    beta: float = 0.75
    """The exponent of the sum."""
    k: float = 1.0
    """Added to the sum before it is raised to a power."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_least_rank(x0, 3)
        yield Requirement(
            (1 <= self.size <= MAX_INT)
            | is_empty(x0),  # torch returns an empty input before it looks at the size
            "T202",
            "size",
            lambda: f"size is {self.size}; torch needs at least 1 and at most {MAX_INT}",
        )

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # The squares with zeros around their channels, and the divisor before and after its power.
        if not any(needs):
            return NOTHING_KEPT
        n, channels, *space = x[0]
        return Kept((0,), values=2 * prod(y) + n * (channels + self.size - 1) * prod(space))

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 3 * prod(y)


@operation
class CrossMapLRN2d(Op, kw_only=True):
    """Local response normalization over [N, C, H, W], as Caffe and Torch7 computed it."""

    size: int
    """Neighbouring channels that are summed."""
    alpha: float = 1e-4
    """What the mean of the squares is multiplied by."""
    beta: float = 0.75
    """The exponent of the sum."""
    k: float = 1.0
    """Added to the sum before it is raised to a power."""

    def legal(self) -> Requirements:
        yield in_range("size", self.size, -MAX_INT)
        yield Requirement(self.size != 0, "T202", "size", "size is 0; torch divides by it")

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_rank(x0, 4)
        yield has_channels(x0, 1)
        # torch's loop over the channels starts (size + 1) / 2 of them ahead, and leaves the tensor below -2.
        yield Requirement(
            (self.size >= -2) | (x0[1] == 1),
            "T202",
            "size",
            lambda: f"size is {self.size}; torch needs at least -2 for {x0[1]} channels",
            dim=1,
        )

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), output=True) if any(needs) else NOTHING_KEPT

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * prod(y)
