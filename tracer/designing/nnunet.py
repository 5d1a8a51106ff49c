"""A plan in the way of nnU-Net: topology from shape and spacing, the patch shrunk until it fits in memory.

The rules are those of Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
segmentation", Nature Methods 18, 2021, as its second version plans: an axis is halved while it is long enough and its
spacing within a factor of 2 of the finest; a kernel is 1 along an axis until its spacing is, and 3 from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import Any, Literal

import msgspec

from tracer.costs.training_step import StepMemory, Training, step_memory
from tracer.designing.config_text import ConfigText
from tracer.designing.fitting import DEFAULT_MARGIN
from tracer.designing.skips import Undesignable
from tracer.designing.stages import LayerKind, Staged, Unit, config_of
from tracer.designing.style import by
from tracer.diagnostics import legible
from tracer.loading import load_text

SMALLEST = 4
"""Positions that an axis keeps at least."""
BASE, MOST = 32, {2: 512, 3: 320}
"""Channels of the first stage, and the most, by spatial axes."""
BEGIN = {2: 2048, 3: 256}
"""The edge of the first patch, a cube in space of as many voxels, before the median shape cuts it."""
REFERENCE = {2: (85_000_000, 12), 3: (560_000_000, 2)}
"""nnU-Net's estimate that fits in 8 GB: values of the convolutions' outputs for one sample, and the batch of it."""
REFERENCE_BYTES = 8 * 10**9
Rule = Literal["memory", "nnunet"]


class Topology(msgspec.Struct, frozen=True):
    """Strides and kernels of every stage, per axis."""

    patch: tuple[int, ...]
    """Padded to a multiple of the strides' products."""
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]

    @property
    def multiple(self) -> tuple[int, ...]:
        """The divisor of the patch, per axis."""
        return tuple(prod(own) for own in zip(*self.strides))

    @property
    def bottleneck(self) -> tuple[int, ...]:
        """The coarsest map's sizes."""
        return tuple(n // m for n, m in zip(self.patch, self.multiple))


class NnunetWish(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is wanted."""

    shape: tuple[int, ...]
    """The images' median."""
    spacing: tuple[float, ...]
    memory: int
    """Bytes."""
    batch: int = 2
    dtype: str = "float16"
    in_channels: int = 1
    classes: int = 2
    rule: Rule = "memory"

    @property
    def training(self) -> Training:
        """How nnU-Net trains: SGD with momentum, maps of half the bytes by autocast."""
        if self.dtype in ("float16", "bfloat16"):
            return Training(optimizer="sgd-momentum", amp=self.dtype)
        return Training(optimizer="sgd-momentum", dtype=self.dtype)

    @property
    def images(self) -> dict[str, Any]:
        """What nnU-Net's plans say of the images, by their keys."""
        return {
            "median_image_size_in_voxels": self.shape,
            "spacing": self.spacing,
        }


class Planned(msgspec.Struct, frozen=True):
    """A plan's config, and sentences about it."""

    text: str
    topology: Topology
    told: list[str]


def topology(patch: Sequence[int], spacing: Sequence[float]) -> Topology:
    """Strides and kernels for a patch.

    >>> topology([32, 128, 128], [4.0, 1.0, 1.0]).strides
    ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    """
    axes = range(len(patch))
    sizes = list(patch)
    gaps = list(spacing)
    kernel = (1,) * len(patch)
    strides = [(1,) * len(patch)]
    kernels = []

    while halved := _halved(sizes, gaps):
        kernel = _kernel(kernel, gaps)
        kernels.append(kernel)
        strides.append(tuple(2 if i in halved else 1 for i in axes))
        for i in halved:
            gaps[i] *= 2
            sizes[i] = ceil(sizes[i] / 2)

    kernels.append((3,) * len(patch))
    multiple = [prod(own) for own in zip(*strides)]
    padded = tuple(-(-n // m) * m for n, m in zip(patch, multiple))
    return Topology(padded, tuple(strides), tuple(kernels))


def _halved(sizes: Sequence[int], gaps: Sequence[float]) -> list[int]:
    """The axes that are halved next: long enough, and within a factor of 2 of the finest of these."""
    long = [i for i, n in enumerate(sizes) if n >= 2 * SMALLEST]
    if not long:
        return []
    finest = min(gaps[i] for i in long)
    halved = [i for i in long if gaps[i] / finest < 2]

    # A single axis is halved only while it stays longer than the smallest map.
    is_too_short = len(halved) == 1 and sizes[halved[0]] < 3 * SMALLEST
    return [] if is_too_short else halved


def _kernel(before: Sequence[int], gaps: Sequence[float]) -> tuple[int, ...]:
    """3 along an axis once its spacing is within a factor of 2 of the finest, and 1 until then."""
    finest = min(gaps)
    return tuple(3 if k == 3 or gap / finest < 2 else 1 for k, gap in zip(before, gaps))


def first_patch(shape: Sequence[int], spacing: Sequence[float]) -> list[int]:
    """The patch that is tried first: of one extent in space along every axis, and no longer than the images."""
    dims = len(shape)
    inverse = [1 / gap for gap in spacing]
    scale = (BEGIN[dims] ** dims / prod(inverse)) ** (1 / dims)
    return [max(1, min(round(one * scale), n)) for one, n in zip(inverse, shape)]


def channels(stage: int, dims: int) -> int:
    """The channels of a stage."""
    return min(BASE << stage, MOST[dims])


def estimate(found: Topology, classes: int) -> int:
    """nnU-Net's own measure: values of the outputs of all convolutions, for one sample.

    Its planner measures a network without deep supervision, so the finest level alone has a head.

    >>> found = topology([128, 128, 128], [1.0, 1.0, 1.0])
    >>> estimate(found, classes=2), estimate(found, classes=50)
    (450699264, 551362560)
    """
    dims = len(found.patch)
    sizes = list(found.patch)
    values, maps = 0, []
    for stage, stride in enumerate(found.strides):
        sizes = [n // s for n, s in zip(sizes, stride)]
        maps.append(prod(sizes))
        values += 2 * channels(stage, dims) * maps[-1]
    for stage in range(len(maps) - 1):
        values += 3 * channels(stage, dims) * maps[stage]

    head = classes * maps[0] if len(maps) > 1 else 0
    return values + head


def plan(wish: NnunetWish) -> Planned:
    """The plan whose patch is the first that fits. Raises :class:`Undesignable` where none does."""
    spacing = wish.spacing
    found = topology(first_patch(wish.shape, spacing), spacing)
    shrunk = 0
    while not _fits(found, wish):
        axis = max(range(len(found.patch)), key=lambda i: (found.patch[i] / wish.shape[i], i))
        patch = list(found.patch)
        patch[axis] -= found.multiple[axis]
        if patch[axis] < min(SMALLEST, wish.shape[axis]):
            raise Undesignable(
                f"no patch fits: even {by(found.patch)} takes {_amount(_needed(found, wish))}, "
                f"{_amount(_needed(found, wish) - wish.memory)} more than there is"
            )
        smaller = topology(patch, spacing)
        patch[axis] = found.patch[axis] - smaller.multiple[axis]
        found = topology(patch, spacing)
        shrunk += 1
    return Planned(_config(found, wish).text(), found, _told(found, wish, shrunk))


def _needed(found: Topology, wish: NnunetWish) -> int:
    """Bytes by the rule that decides."""
    if wish.rule == "nnunet":
        reference, batch = REFERENCE[len(found.patch)]
        return int(
            estimate(found, wish.classes) * wish.batch * REFERENCE_BYTES / (reference * batch)
        )
    return _training(found, wish)


def _fits(found: Topology, wish: NnunetWish) -> bool:
    return _needed(found, wish) <= wish.memory


def _training(found: Topology, wish: NnunetWish) -> int:
    """Bytes of a training step, with the margin that ``tracer trace --memory`` adds."""
    return ceil(_step(found, wish).peak * (1 + DEFAULT_MARGIN))


def _step(found: Topology, wish: NnunetWish) -> StepMemory:
    """What a training step takes: of SGD with momentum, as nnU-Net trains."""
    trace = load_text(_config(found, wish).text(), "<nnunet>", {}).trace()
    if not trace.is_complete:
        raise Undesignable(
            f"a patch of {by(found.patch)} does not trace: {legible(trace.diagnostics[0].message)}"
        )
    return step_memory(trace, wish.training)


def _told(found: Topology, wish: NnunetWish, shrunk: int) -> list[str]:
    own, theirs = _training(found, wish), estimate(found, wish.classes)
    reference, batch = REFERENCE[len(found.patch)]
    allowed = reference * batch * wish.memory / REFERENCE_BYTES / wish.batch
    verdict = (
        "the same patch passes there"
        if theirs <= allowed
        else "there the patch would be shrunk further"
    )
    training = wish.training
    amp = "" if training.amp is None else f" and autocast to {training.amp}"
    strides = ", ".join(map(by, found.strides[1:]))
    return [
        f"patch {by(found.patch)}, strides {strides or 'none'}, bottleneck {by(found.bottleneck)}"
        + (f"; shrunk {shrunk} times to fit" if shrunk else ""),
        f"a training step with {training.optimizer}{amp} takes {_amount(own)} with a batch of {wish.batch}, of "
        f"{_amount(wish.memory)}: its peak and a margin of {float(DEFAULT_MARGIN):.0%}, as `tracer trace` counts",
        f"nnU-Net does not count bytes but the values that its convolutions put out for one sample, {theirs:,} here, "
        f"and takes {reference:,} with a batch of {batch} for 8 GB: norms, activations, concatenations and parameters "
        f"are not among them; for this memory and batch its limit is {int(allowed):,}, so {verdict}",
    ]


def _amount(n: float) -> str:
    return f"{n / 2**30:.2f} GiB"


def _config(found: Topology, wish: NnunetWish) -> ConfigText:
    """The config: a stage of two convolutions per resolution, the first one strided, and a head at every level."""
    dims = len(found.patch)
    spacing = "x".join(f"{gap:g}" for gap in wish.spacing)
    about = [
        "A plan in the way of nnU-Net (Isensee et al., Nature Methods 18, 2021).",
        "",
        f"Median shape {by(wish.shape)}, spacing {spacing}: patch {by(found.patch)},",
        f"bottleneck {by(found.bottleneck)}. Each decoder level has a head (deep supervision).",
    ]
    norm = LayerKind(f"InstanceNorm{dims}d", {"affine": True})
    stages = range(len(found.strides))
    return config_of(
        Staged(
            name="nnunet",
            about=about,
            unit=Unit(dims, norm=norm, activation=LayerKind("LeakyReLU")),
            in_channels=wish.in_channels,
            classes=wish.classes,
            batch=wish.batch,
            patch=found.patch,
            strides=found.strides,
            kernels=found.kernels,
            channels=[channels(stage, dims) for stage in stages],
            depths=[2] * len(stages),
            decoder_depths=[2] * (len(stages) - 1),
        )
    )
