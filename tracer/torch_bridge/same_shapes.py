"""Functions of which it is known beforehand what shape they give: without data torch runs their formulas all the same.

On the meta device a batch norm costs as much as twenty convolutions, and a bilinear resize as two hundred: torch runs
them in Python, one product and one sum after the other. Where the arguments fit, what comes out is known; where they do
not, or it is not known whether they do, torch is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor
from torch.overrides import TorchFunctionMode

Given = Mapping[str, Any]
"""The arguments of a function by name; None for those that are left out."""


class KeptShape(NamedTuple):
    """A function that gives a tensor of the shape of its first one."""

    names: str
    """Its arguments, in torch's order."""
    fits: Callable[[Tensor, Given], bool]
    """Whether the others are such that torch takes them."""
    in_order: bool = False
    """Whether what comes out lies in memory dim by dim, however the first one lies there."""


class SameShapes(TorchFunctionMode):
    """While it lasts, such functions of tensors without data give what torch gives, at once.

    >>> layer = torch.nn.BatchNorm2d(3, device="meta").eval()
    >>> with SameShapes():
    ...     layer(torch.empty(2, 3, 8, 8, device="meta")).shape
    torch.Size([2, 3, 8, 8])
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        if func is F.interpolate:
            return _resized(args, named)
        kept = KEPT.get(func)
        found = None if kept is None else _kept(kept, args, named)
        return func(*args, **named) if found is None else found


def _kept(kept: KeptShape, args: Sequence[Any], kwargs: Given) -> Tensor | None:
    """What a function gives; None where torch has to say it."""
    given = _by_name(kept.names, args, kwargs)
    x: Any = given.get("input")
    if not _is_plain(x) or not kept.fits(x, given):
        return None
    if given.get("inplace"):
        found: Tensor | None = x if x.is_contiguous() else None
        return found
    layout = torch.contiguous_format if kept.in_order else torch.preserve_format
    return torch.empty_like(x, memory_format=layout)


def _by_name(names: str, args: Sequence[Any], kwargs: Given) -> Given:
    """The arguments by name; none at all where there are others."""
    words = names.split()
    if len(args) > len(words) or not kwargs.keys() <= set(words):
        return {}
    return {**dict.fromkeys(words), **dict(zip(words, args)), **kwargs}


def _is_plain(x: Any) -> bool:
    """Whether it is a tensor without data, of numbers that float and of some elements."""
    is_tensor = type(x) in (Tensor, torch.nn.Parameter)
    return is_tensor and x.is_meta and x.dtype.is_floating_point and x.numel() > 0


def _resized(args: Sequence[Any], kwargs: Given) -> Any:
    """What ``interpolate`` gives: by the nearest pixel, it has the shape that it has by several."""
    names = "input size scale_factor mode align_corners recompute_scale_factor antialias"
    given = _by_name(names, args, kwargs)
    x: Any = given.get("input")
    if not _is_plain(x) or given["antialias"] or MODES.get(given["mode"]) != x.dim():
        return F.interpolate(*args, **kwargs)

    by_nearest = {**given, "mode": "nearest", "align_corners": None, "antialias": False}
    try:
        return F.interpolate(**by_nearest)
    except Exception:  # torch has its own words for it
        return F.interpolate(*args, **kwargs)


MODES = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4}
"""The modes that compute with several pixels, and the dims of the map that each takes."""


# --- which arguments torch takes -------------------------------------------------------------------------------------


def _batch_norm(x: Tensor, given: Given) -> bool:
    statistics = (given["running_mean"], given["running_var"])
    are_used = not given["training"] and all(one is not None for one in statistics)
    return are_used and x.dim() >= 2 and _are_vectors(x, x.shape[1:2], given, statistics)


def _instance_norm(x: Tensor, given: Given) -> bool:
    is_plain = given["running_mean"] is None and given["running_var"] is None
    is_own = given["use_input_stats"] in (None, True)
    has_several = x.dim() >= 3 and math.prod(x.shape[2:]) > 1
    if not has_several or not x.is_contiguous():
        return False
    return is_plain and is_own and _are_vectors(x, x.shape[1:2], given)


def _group_norm(x: Tensor, given: Given) -> bool:
    groups = given["num_groups"]
    if x.dim() < 2 or type(groups) is not int or groups < 1 or x.shape[1] % groups:
        return False
    in_group = math.prod(x.shape[2:]) * x.shape[1] // groups
    return in_group > 1 and _are_vectors(x, x.shape[1:2], given)


def _layer_norm(x: Tensor, given: Given) -> bool:
    normalized = given["normalized_shape"]
    if not isinstance(normalized, (tuple, list)) or not normalized:
        return False
    is_end = tuple(x.shape[-len(normalized) :]) == tuple(normalized)
    return is_end and _are_vectors(x, normalized, given)


def _are_vectors(
    x: Tensor, shape: Sequence[int], given: Given, statistics: Sequence[Any] = ()
) -> bool:
    """Whether statistics, and weights that are not left out, have a shape and the type of the first tensor."""
    weights = (given["weight"], given["bias"])
    several = [*statistics, *(one for one in weights if one is not None)]
    return all(
        isinstance(one, Tensor) and tuple(one.shape) == tuple(shape) and one.dtype == x.dtype
        for one in several
    )


def _always(x: Tensor, given: Given) -> bool:
    return True


OF_NORM = "running_mean running_var weight bias"

KEPT: Mapping[Any, KeptShape] = {
    F.batch_norm: KeptShape(f"input {OF_NORM} training momentum eps", _batch_norm),
    F.instance_norm: KeptShape(f"input {OF_NORM} use_input_stats momentum eps", _instance_norm),
    F.group_norm: KeptShape("input num_groups weight bias eps", _group_norm, in_order=True),
    F.layer_norm: KeptShape(
        "input normalized_shape weight bias eps", _layer_norm, in_order=True
    ),
    F.relu: KeptShape("input inplace", _always),
    F.relu6: KeptShape("input inplace", _always),
    F.leaky_relu: KeptShape("input negative_slope inplace", _always),
    F.elu: KeptShape("input alpha inplace", _always),
    F.gelu: KeptShape("input approximate", _always),
    torch.relu: KeptShape("input", _always),
    Tensor.relu: KeptShape("input", _always),
}
