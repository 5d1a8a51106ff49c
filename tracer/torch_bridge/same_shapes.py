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
    """A function that gives a tensor of the shape of its first one, or of one that its arguments tell."""

    names: str
    """Its arguments, in torch's order."""
    fits: Callable[[Tensor, Given], bool]
    """Whether the others are such that torch takes them."""
    in_order: bool = False
    """Whether what comes out lies in memory dim by dim, however the first one lies there."""
    shape: Callable[[Tensor, Given], tuple[int, ...]] = lambda x, given: tuple(x.shape)
    in_place: bool = False
    """Whether it gives its first tensor itself."""


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
        found = None
        if kept is not None:
            # Behind the back of other modes, which would look at each question.
            with torch._C.DisableTorchFunction():
                found = _kept(kept, args, named)
        return func(*args, **named) if found is None else found


def _kept(kept: KeptShape, args: Sequence[Any], kwargs: Given) -> Tensor | None:
    """What a function gives; None where torch has to say it."""
    given = _by_name(kept.names, args, kwargs)
    x: Any = given.get(kept.names.partition(" ")[0])
    if not _is_plain(x) or not kept.fits(x, given):
        return None
    is_in_order = x.is_contiguous()
    if kept.in_place or given.get("inplace"):
        found: Tensor | None = x if is_in_order else None
        return found
    if kept.in_order or is_in_order:
        return torch.empty(kept.shape(x, given), dtype=x.dtype, device="meta")
    return torch.empty_like(x)


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


def _without_drops(x: Tensor, given: Given) -> bool:
    p = given["p"]
    return given["training"] is False and type(p) in (int, float) and 0 <= p <= 1


def _prelu(x: Tensor, given: Given) -> bool:
    weight = given["weight"]
    is_vector = isinstance(weight, Tensor) and weight.dim() <= 1 and weight.dtype == x.dtype
    if not is_vector or x.dim() == 0 or not x.is_contiguous():
        return False
    channels = x.shape[1] if x.dim() > 1 else 1
    return weight.numel() in (1, channels)


def _with_another(x: Tensor, given: Given) -> bool:
    """Whether two tensors have one shape and type, or the second one is a plain number."""
    other = given["other"]
    if type(other) in (int, float):
        return x.is_contiguous()
    is_alike = _is_plain(other) and other.shape == x.shape and other.dtype == x.dtype
    return is_alike and x.is_contiguous() and other.is_contiguous()


def _linear(x: Tensor, given: Given) -> bool:
    weight, bias = given["weight"], given["bias"]
    is_map = isinstance(weight, Tensor) and weight.dim() == 2 and weight.dtype == x.dtype
    if not is_map or not weight.numel() or x.dim() == 0 or x.shape[-1] != weight.shape[1]:
        return False
    is_bias = isinstance(bias, Tensor) and bias.shape == weight.shape[:1]
    return bias is None or (is_bias and bias.dtype == x.dtype)


def _features(x: Tensor, given: Given) -> tuple[int, ...]:
    return (*x.shape[:-1], given["weight"].shape[0])


OF_NORM = "running_mean running_var weight bias"


def _attention(x: Tensor, given: Given) -> bool:
    is_usual = given["attn_mask"] is None and not given["dropout_p"] and not given["enable_gqa"]
    others = (given["key"], given["value"])
    if not is_usual or x.dim() < 3 or not all(map(_is_plain, others)):
        return False
    key, value = (tuple(one.shape) for one in others)
    are_alike = all(one.dtype == x.dtype for one in others) and key[:-1] == value[:-1]
    return are_alike and key == (*x.shape[:-2], key[-2], x.shape[-1])


def _attended(x: Tensor, given: Given) -> tuple[int, ...]:
    return (*x.shape[:-1], given["value"].shape[-1])


POINTWISE = KeptShape("input", _always)
"""A function of each number by itself."""

OF_TWO = KeptShape("input other", _with_another)
"""A function of two numbers in the same place."""

INTO_FIRST = OF_TWO._replace(in_place=True)

DROPPED = KeptShape("input p training inplace", _without_drops, in_place=True)
"""Nothing is dropped in eval mode: the map is given back."""

KEPT: Mapping[Any, KeptShape] = {
    F.dropout: DROPPED,
    F.batch_norm: KeptShape(f"input {OF_NORM} training momentum eps", _batch_norm),
    F.instance_norm: KeptShape(f"input {OF_NORM} use_input_stats momentum eps", _instance_norm),
    F.group_norm: KeptShape("input num_groups weight bias eps", _group_norm, in_order=True),
    F.layer_norm: KeptShape(
        "input normalized_shape weight bias eps", _layer_norm, in_order=True
    ),
    F.scaled_dot_product_attention: KeptShape(
        "query key value attn_mask dropout_p is_causal scale enable_gqa",
        _attention,
        in_order=True,
        shape=_attended,
    ),
    F.linear: KeptShape("input weight bias", _linear, in_order=True, shape=_features),
    F.prelu: KeptShape("input weight", _prelu),
    F.relu: KeptShape("input inplace", _always),
    F.relu6: KeptShape("input inplace", _always),
    F.leaky_relu: KeptShape("input negative_slope inplace", _always),
    F.elu: KeptShape("input alpha inplace", _always),
    F.silu: KeptShape("input inplace", _always),
    F.gelu: KeptShape("input approximate", _always),
    F.sigmoid: POINTWISE,
    torch.relu: POINTWISE,
    torch.sigmoid: POINTWISE,
    torch.tanh: POINTWISE,
    Tensor.relu: POINTWISE,
    Tensor.sigmoid: POINTWISE,
    Tensor.tanh: POINTWISE,
    torch.add: OF_TWO,
    torch.mul: OF_TWO,
    torch.sub: OF_TWO,
    Tensor.add: OF_TWO,
    Tensor.mul: OF_TWO,
    Tensor.sub: OF_TWO,
    Tensor.add_: INTO_FIRST,
    Tensor.mul_: INTO_FIRST,
}
